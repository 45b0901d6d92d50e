package emulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// parseVersion reads the version of an agent: four numbers with dots between them.
func parseVersion(text string) ([]int, error) {
	fields := strings.Split(text, ".")
	if len(fields) != 4 {
		return nil, fmt.Errorf("%q is no version; write four numbers with dots between them", text)
	}
	version := make([]int, len(fields))
	for n, field := range fields {
		number, err := strconv.Atoi(field)
		if err != nil || number < 0 {
			return nil, fmt.Errorf("%q is no version; write four numbers with dots between them", text)
		}
		version[n] = number
	}
	return version, nil
}

// agentSince is the first agent of each system that has a feature.
type agentSince struct{ linux, windows string }

// The features that an agent may be too old for, from the vendor's pages of RunCommand and DescribeCloudAssistantStatus.
// Commands in containers exist on Linux only.
var (
	sinceSessionManager = agentSince{"2.2.3.189", "2.1.3.189"}
	sinceSchedules      = agentSince{"2.2.3.282", "2.1.3.282"}
	sinceContainers     = agentSince{linux: "2.2.3.344"}
)

// of is the first version that has the feature on an instance's system.
func (s agentSince) of(i Instance) string {
	if i.OSType == OSWindows {
		return s.windows
	}
	return s.linux
}

// includes says whether the agent of an instance has the feature.
func (s agentSince) includes(i Instance) bool {
	have, err := parseVersion(i.AgentVersion)
	need, missing := parseVersion(s.of(i))
	return err == nil && missing == nil && slices.Compare(have, need) >= 0
}
