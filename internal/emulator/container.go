package emulator

import "regexp"

// containerRuntimes are those that an ID may name as its scheme, from the vendor's page of RunCommand.
var containerRuntimes = []string{"docker", "containerd", "cri-o"}

var containerID = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
