package emulator

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// containerRuntimes are those that an ID may name as its scheme, from the vendor's page of RunCommand.
var containerRuntimes = []string{"docker", "containerd", "cri-o"}

var (
	containerID        = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	containerReference = regexp.MustCompile(`^(?:([a-z0-9-]+)://)?([0-9a-fA-F]{64})$`)
	containerName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
)

// The endings of commands for a container that cannot run there, in the words of the vendor's agent.
var (
	endNoRuntime      = ending{status: StatusInvalid, code: "UnsupportedContainerRuntime", info: "The container runtime specified in the containerId is not supported."}
	endNoContainer    = ending{status: StatusInvalid, code: "ContainerNotFound", info: "The specified container does not exist."}
	endManyContainers = ending{
		status: StatusInvalid, code: "ContainerNameDuplicated",
		info: "The container for the command to be executed cannot be identified because the instance has a container with the same name.",
	}
)

func endOtherName(id, name string) *ending {
	return &ending{
		status: StatusInvalid, code: "ContainerNameAndIdNotMatch",
		info: fmt.Sprintf("The container whose container ID is %s, the name is not %s.", id, name),
	}
}

func endContainerState(state string) *ending {
	return &ending{
		status: StatusInvalid, code: "ContainerStateAbnormal",
		info: fmt.Sprintf("The state of the specified container is %s, not %s.", state, ContainerRunning),
	}
}

// checkContainerForm refuses what can be neither the ID nor the name of a container.
func checkContainerForm(id, name string) error {
	switch {
	case id != "" && !containerReference.MatchString(id):
		return refuse("InvalidContainerId.Malformed")
	case name != "" && !containerName.MatchString(name):
		return refuse("InvalidContainerName.Malformed")
	}
	return nil
}

// inContainer says whether the invocation asks for a container of its instances.
func (i *invocation) inContainer() bool { return i.ContainerID != "" || i.ContainerName != "" }

// findContainer is the container that a reference and a name mean, either of which may be empty, or why there is none
// that takes commands. It decides in the order in which the vendor's agent does.
func findContainer(all []Container, reference, name string) (Container, *ending) {
	var runtime, id string
	if match := containerReference.FindStringSubmatch(reference); match != nil {
		runtime, id = match[1], match[2]
	}
	if runtime != "" && !slices.Contains(containerRuntimes, runtime) {
		return Container{}, &endNoRuntime
	}
	var byID, found []Container
	for _, c := range all {
		if (runtime == "" || c.Runtime == runtime) && (id == "" || strings.EqualFold(c.ID, id)) {
			byID = append(byID, c)
			if name == "" || c.Name == name {
				found = append(found, c)
			}
		}
	}
	switch {
	case id != "" && len(byID) > 0 && len(found) == 0:
		return Container{}, endOtherName(id, name)
	case len(found) == 0:
		return Container{}, &endNoContainer
	case len(found) > 1:
		return Container{}, &endManyContainers
	case !strings.EqualFold(found[0].State, ContainerRunning):
		return Container{}, endContainerState(strings.ToUpper(found[0].State))
	}
	return found[0], nil
}

// enterContainer finds the container of a run, and lets the row show both its ID and its name.
func (e *Emulator) enterContainer(r *row, on Instance) *ending {
	if !sinceContainers.includes(on) {
		return endTooOld(sinceContainers, on, "container")
	}
	found, end := findContainer(on.Containers, r.invocation.ContainerID, r.invocation.ContainerName)
	if end != nil {
		return end
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r.ContainerID, r.ContainerName = found.ID, found.Name
	return nil
}

// furnishContainer makes the directory of a run's container, and puts its home and temporary files there. A container
// is pretended: its commands run on this machine, in a directory of its own.
func (e *Emulator) furnishContainer(r *row, p *place) (directory string, err error) {
	e.mu.LockToRead()
	directory = filepath.Join(p.root, "containers", strings.ToLower(r.ContainerID))
	e.mu.Unlock()
	p.home, p.temporary = directory, filepath.Join(directory, "tmp")
	if err := os.MkdirAll(p.temporary, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the directory of a container; check ScratchDir: %w", err)
	}
	return directory, nil
}
