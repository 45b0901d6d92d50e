// Package scenario sets up and drives an emulator by a file of YAML: what there is, how it behaves, and what happens
// when. docs/emulator.md is its reference.
package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// Scenario is the content of a file. Types of the emulator mean what they say there; a key is the name of the field
// with a small first letter. A time of a Step or an Event counts from the start of Run on the emulator's clock.
type Scenario struct {
	// RegionIDs exist besides those that the emulator has anyway.
	RegionIDs  []string
	AccessKeys []AccessKey
	// Roles and OIDCProviders come besides those that are there; their policies are the vendor's documents.
	Roles         []emulator.Role
	OIDCProviders []emulator.OIDCProvider
	Instances     []Instances
	Settings      Settings
	Retention     emulator.Retention
	Quotas        []emulator.Quota
	// Simulations come before all others.
	Simulations []emulator.Simulation
	Invocations []Invocation
	Events      []Event
}

// AccessKey is a pair whose secret is in the environment: a file of a repository is no place for it.
type AccessKey struct {
	ID string
	// SecretEnv is the name of the environment variable that holds the secret.
	SecretEnv string
	AccountID string
	Disabled  bool
	// UserName and Policies make it the key of a RAM user, who may do what the policies allow.
	UserName string
	Policies []ram.Policy
}

// Instances are one instance, or Count alike.
type Instances struct {
	emulator.Instance
	// Count, if set, makes so many, numbered as emulator.NumberedInstances does, on from those that are there
	// already; ID and Name are left out then.
	Count int
}

// Settings are what else can be set. A zero value leaves it as it is.
type Settings struct {
	emulator.Settings

	MinRate         time.Duration
	DeliveryTimeout time.Duration
	VisibilityFirst time.Duration
	VisibilityStep  time.Duration
	// OSSBuckets exist for the delivery of outputs; without it every bucket does.
	OSSBuckets []string
	// OSSDelay is how long a delivery takes once the command has ended.
	OSSDelay time.Duration
}

// Invocation is a scripted one: no process stands behind its rows.
type Invocation struct {
	emulator.Scripted
	// Age is how long before the start it was created. CreatedAt is left out then.
	Age     time.Duration
	Rows    []Row
	History []emulator.Row
}

// Row is a row as it is at the start, and what becomes of it. InvokeID is left out.
type Row struct {
	emulator.Row
	Timeline []Step
}

// Step changes a row; what is left out stays.
type Step struct {
	At time.Duration
	// InvocationStatus also sets StartTime, FinishedTime and Repeats where the new status asks for them, and an
	// ExitCode of 0 for Success.
	InvocationStatus string
	ExitCode         *int64
	Output           *string
	ErrorCode        *string
	ErrorInfo        *string
	// Hidden takes the row out of answers, or brings it back.
	Hidden *bool
	// Override is shown instead of the status; empty shows the truth again.
	Override *string
}

// Event is one thing that happens: exactly one key besides At.
type Event struct {
	At            time.Duration
	StartInstance string
	StopInstance  string
	// RebootInstance ends what runs there, and begins the runs of its boot.
	RebootInstance string
	RemoveInstance string
	// RestartAgent ends what runs on the instance with this ID, with ClientRestarted.
	RestartAgent string
	SetAgent     *SetAgent
	// Throttle refuses all calls for so long, with Throttling.User.
	Throttle time.Duration
	Fault    *Fault
	// Outage closes the listener of the API for so long.
	Outage time.Duration
	// AdvanceClock lets so much time pass at once. All that becomes due happens, also in the scenario.
	AdvanceClock time.Duration
	// Forget removes the invocation with this ID.
	Forget string
}

// SetAgent changes an agent.
type SetAgent struct {
	InstanceID string
	Agent      emulator.AgentState
}

// Fault is injected, and cleared after For, if that is set.
type Fault struct {
	emulator.Fault
	For time.Duration
}

// Parse reads a scenario and checks all that can be checked without an emulator. Its errors are one sentence.
func Parse(data []byte) (*Scenario, error) {
	s := &Scenario{}
	if err := decodeDocument(data, s); err != nil {
		return nil, err
	}
	for n, key := range s.AccessKeys {
		if key.ID == "" || key.SecretEnv == "" {
			return nil, fmt.Errorf("accessKeys[%d] needs id and secretEnv, the name of the environment variable that holds the secret", n)
		}
	}
	for n, i := range s.Instances {
		if err := i.check(); err != nil {
			return nil, fmt.Errorf("instances[%d]: %w", n, err)
		}
	}
	for n, simulation := range s.Simulations {
		if err := simulation.Check(); err != nil {
			return nil, fmt.Errorf("simulations[%d]: %w", n, err)
		}
	}
	ids := map[string]bool{}
	for n, i := range s.Invocations {
		if err := i.check(); err != nil {
			return nil, fmt.Errorf("invocations[%d]: %w", n, err)
		}
		if ids[i.ID] {
			return nil, fmt.Errorf("invocations[%d]: there is another with the ID %q; give each one of its own", n, i.ID)
		}
		ids[i.ID] = true
	}
	for n, event := range s.Events {
		if len(event.actions()) != 1 {
			return nil, fmt.Errorf("events[%d] has %d actions; give it one, and another event at the same time for the next", n, len(event.actions()))
		}
	}
	return s, nil
}

func (i Instances) check() error {
	switch {
	case i.Count < 0:
		return fmt.Errorf("count is %d; give a positive number", i.Count)
	case i.Count > 0 && (i.ID != "" || i.Name != ""):
		return errors.New("counted instances get their IDs and names by number; leave out count, or id and name")
	case i.Count == 0 && i.ID == "":
		return errors.New("give an id, or a count")
	}
	return nil
}

func (i Invocation) check() error {
	if i.ID == "" {
		return errors.New("give an id, such as t-1")
	}
	if i.Age > 0 && !i.CreatedAt.IsZero() {
		return errors.New("age and createdAt say the same; give one of them")
	}
	if len(i.History) > 0 && i.RepeatMode != emulator.RepeatPeriod && i.RepeatMode != emulator.RepeatEveryReboot {
		return errors.New("only an invocation with the repeatMode Period or EveryReboot has a history; set it, or leave the history out")
	}
	var instances []string
	for n, r := range i.Rows {
		switch {
		case r.InvokeID != "":
			return fmt.Errorf("rows[%d]: the invokeID is that of the invocation; leave it out", n)
		case r.InstanceID == "" || slices.Contains(instances, r.InstanceID):
			return fmt.Errorf("rows[%d]: give an instanceID that no other row has", n)
		}
		instances = append(instances, r.InstanceID)
	}
	for n, r := range i.History {
		if r.InstanceID == "" || r.InvokeID != "" {
			return fmt.Errorf("history[%d]: give an instanceID, and no invokeID", n)
		}
	}
	return nil
}
