package emulator

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// The values of Instance.OSType, as DescribeInstances words them.
const (
	OSLinux   = "linux"
	OSWindows = "windows"
)

// The versions of an agent where Instance names none.
const (
	defaultLinuxAgent   = "2.2.3.857"
	defaultWindowsAgent = "2.1.3.857"
)

// Instance is a pretended ECS instance.
type Instance struct {
	// ID is unique over all accounts and regions. It begins with an ASCII letter or digit; more of them, '_', '.' and '-'
	// may follow.
	ID string
	// Name: empty is the ID.
	Name string
	// RegionID: empty is the first region that exists.
	RegionID string
	// AccountID: empty is DefaultAccountID.
	AccountID string
	// OSType is OSLinux or OSWindows; empty is OSLinux. Batch and PowerShell scripts go to Windows instances only, and
	// are run by /bin/sh all the same: only what those languages share with it works, such as echo and exit.
	OSType string
	// Status: empty is InstanceRunning.
	Status InstanceStatus
	// Agent: empty is AgentOnline.
	Agent AgentState
	// AgentVersion: empty is a recent one. What an older agent cannot do fails with ClientNeedUpgrade.
	AgentVersion string
	// Users exist on the instance besides root, or System on Windows. Their commands run as the emulator's own user
	// all the same.
	Users []string
	// Tags are what DescribeInstances and ResourceTag find the instance by.
	Tags []Tag
	// Containers exist on the instance, for ContainerId and ContainerName.
	Containers []Container
}

// Container is a pretended container on an instance.
type Container struct {
	// ID has 64 hexadecimal digits.
	ID string
	// Name may be that of other containers too.
	Name string
	// Runtime is docker, containerd or cri-o; empty is containerd.
	Runtime string
	// State: empty is ContainerRunning. In any other, commands end with ContainerStateAbnormal.
	State string
}

// instanceID is what the ID of an instance may be: it names a directory too.
var instanceID = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*$`)

// ContainerRunning is the state in which a container takes commands.
const ContainerRunning = "RUNNING"

// instance is an Instance with its past, and whoever waits for it to change. Emulator.mu guards it. Its exported
// fields last.
type instance struct {
	Instance
	// InvocationCount and LastInvokedAt tell of the commands that its agent was sent.
	InvocationCount int
	LastInvokedAt   time.Time
	// HeartbeatAt is when the agent was last heard of, once it is away.
	HeartbeatAt time.Time
	// seen counts what happened to it.
	seen events
	// active counts the scripts that run on it.
	active int
	// furnished is set once its directories are made. What a script removes stays removed.
	furnished bool
	// changed is closed, and replaced, whenever anything above it changes that a run may wait for.
	changed chan struct{}
}

// events count what happened to an instance, for whoever looks too late to see it happen.
type events struct {
	stops, restarts, boots, agentRestarts int
	released                              bool
}

func (i Instance) withDefaults(regionIDs []string) Instance {
	i.Name = firstOf(i.Name, i.ID)
	i.RegionID = firstOf(i.RegionID, regionIDs[0])
	i.AccountID = firstOf(i.AccountID, DefaultAccountID)
	i.OSType = firstOf(i.OSType, OSLinux)
	i.Status = InstanceStatus(firstOf(string(i.Status), string(InstanceRunning)))
	i.Agent = AgentState(firstOf(string(i.Agent), string(AgentOnline)))
	if i.AgentVersion == "" {
		i.AgentVersion = defaultLinuxAgent
		if i.OSType == OSWindows {
			i.AgentVersion = defaultWindowsAgent
		}
	}
	i.Users, i.Tags, i.Containers = slices.Clone(i.Users), slices.Clone(i.Tags), slices.Clone(i.Containers)
	for n := range i.Containers {
		i.Containers[n].Runtime = firstOf(i.Containers[n].Runtime, "containerd")
		i.Containers[n].State = firstOf(i.Containers[n].State, ContainerRunning)
	}
	return i
}

// check refuses what does not exist: nothing could ever be delivered to it.
func (i Instance) check() error {
	if !instanceID.MatchString(i.ID) {
		return fmt.Errorf("instance ID %q is none; use letters, digits, '_', '.' and '-', and begin with a letter or a digit", i.ID)
	}
	if i.OSType != OSLinux && i.OSType != OSWindows {
		return fmt.Errorf("operating system %q of instance %s is unknown; use %s or %s", i.OSType, i.ID, OSLinux, OSWindows)
	}
	if i.Status != InstanceRunning && i.Status != InstanceStopped {
		return fmt.Errorf("status %q of instance %s is unknown; use %s or %s", i.Status, i.ID, InstanceRunning, InstanceStopped)
	}
	if _, away := endUndelivered[i.Agent]; !away && i.Agent != AgentOnline {
		return fmt.Errorf("agent state %q of instance %s is unknown; use %s, %s or another AgentState", i.Agent, i.ID, AgentOnline, AgentOffline)
	}
	if _, err := parseVersion(i.AgentVersion); err != nil {
		return fmt.Errorf("agent version %q of instance %s is none; use one such as %s", i.AgentVersion, i.ID, defaultLinuxAgent)
	}
	for _, c := range i.Containers {
		if !containerID.MatchString(c.ID) || c.Name == "" || !slices.Contains(containerRuntimes, c.Runtime) {
			return fmt.Errorf("container %q of instance %s needs an ID of 64 hexadecimal digits, a name, and a runtime of %v", c.ID, i.ID, containerRuntimes)
		}
	}
	return nil
}

// beats says whether the agent's heartbeat arrives.
func (i Instance) beats() bool {
	return i.Status == InstanceRunning &&
		(i.Agent == AgentOnline || i.Agent == AgentSilent || i.Agent == AgentUnresponsive || i.Agent == AgentUpgrading)
}

// AddInstance adds an instance. It fails if the region does not exist or the ID is taken.
func (e *Emulator) AddInstance(i Instance) error {
	i = i.withDefaults(e.options.RegionIDs)
	if err := i.check(); err != nil {
		return err
	}
	if !slices.Contains(e.options.RegionIDs, i.RegionID) {
		return fmt.Errorf("instance %s is in region %s, which the emulator does not have; add it to RegionIDs", i.ID, i.RegionID)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, taken := e.instances[i.ID]; taken {
		return fmt.Errorf("instance ID %q is taken; give every instance one of its own", i.ID)
	}
	delete(e.released, i.ID)
	e.instances[i.ID] = &instance{Instance: i, HeartbeatAt: e.now(), changed: make(chan struct{})}
	return nil
}

// RemoveInstance releases an instance. What runs on it, or waits to be delivered to it, ends with InstanceReleased,
// and a schedule at its next run with InstanceNotExists. Its results stay, and with
// Options.StateFile it does not come back with a restart.
func (e *Emulator) RemoveInstance(instanceID string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, ok := e.instances[instanceID]
	if !ok {
		return unknownInstance(instanceID)
	}
	delete(e.instances, instanceID)
	e.released[instanceID] = struct{}{}
	e.endProcesses(*i)
	i.seen.released = true
	i.tell()
	return nil
}

// SetInstanceStatus starts or stops an instance. Stopping it ends the commands that run on it, starting it is a boot.
func (e *Emulator) SetInstanceStatus(instanceID string, status InstanceStatus) error {
	return e.changeInstance(instanceID, func(i *instance) { i.setStatus(status) })
}

// SetAgent changes what the agent of an instance does with the next command sent to it.
func (e *Emulator) SetAgent(instanceID string, state AgentState) error {
	return e.changeInstance(instanceID, func(i *instance) { i.Agent = state })
}

// RestartAgent restarts the agent of an instance. What runs ends with ClientRestarted.
func (e *Emulator) RestartAgent(instanceID string) error {
	return e.changeInstance(instanceID, func(i *instance) { i.seen.agentRestarts++ })
}

// RebootInstance restarts an instance, at once. What runs on it ends with InstanceRestarted; then what was submitted
// for its boot runs. It fails if the instance is not running.
func (e *Emulator) RebootInstance(instanceID string) error {
	stopped := false
	err := e.changeInstance(instanceID, func(i *instance) {
		if stopped = i.Status != InstanceRunning; !stopped {
			i.reboot()
		}
	})
	if err == nil && stopped {
		return fmt.Errorf("instance %q is stopped and cannot reboot; start it with SetInstanceStatus", instanceID)
	}
	return err
}

func (i *instance) setStatus(status InstanceStatus) {
	switch {
	case status == InstanceStopped && i.Status != InstanceStopped:
		i.seen.stops++
	case status == InstanceRunning && i.Status != InstanceRunning:
		i.seen.boots++
	}
	i.Status = status
}

func (i *instance) reboot() {
	i.seen.restarts++
	i.seen.boots++
}

// changeInstance applies a change, unless it leads to a state that does not exist.
func (e *Emulator) changeInstance(instanceID string, change func(*instance)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, ok := e.instances[instanceID]
	if !ok {
		return unknownInstance(instanceID)
	}
	return e.applyChange(i, change)
}

// applyChange is changeInstance for a caller that holds e.mu.
func (e *Emulator) applyChange(i *instance, change func(*instance)) error {
	changed := *i
	change(&changed)
	if err := changed.check(); err != nil {
		return err
	}
	if i.beats() {
		changed.HeartbeatAt = e.now()
	}
	if changed.seen.stops != i.seen.stops || changed.seen.restarts != i.seen.restarts {
		e.endProcesses(*i)
	}
	*i = changed
	i.tell()
	return nil
}

// endProcesses ends what scripts left behind on an instance that loses its power. The caller holds e.mu.
func (e *Emulator) endProcesses(i instance) {
	if e.closed {
		// Close ends them all, and waits for no goroutine that begins now.
		return
	}
	marker := e.marker(i)
	e.runs.Go(func() { process.KillMarked(marker) })
}

// tell wakes whoever waits for the instance to change. The caller holds e.mu.
func (i *instance) tell() {
	close(i.changed)
	i.changed = make(chan struct{})
}

// look copies an instance as it is now, with the channel that tells of its next change.
func (e *Emulator) look(i *instance) instance {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	return *i
}

func unknownInstance(instanceID string) error {
	return fmt.Errorf("instance %q does not exist; add it with AddInstance", instanceID)
}
