package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// planned is one thing that a scenario does.
type planned struct {
	at   time.Duration
	what string
	do   func(*emulator.Emulator) error
	// fatal says that nothing works any more if it fails.
	fatal bool
}

// plan is all that the scenario does, in the order of time; at the same time in the order of the file, rows first.
func (s *Scenario) plan(address string) []planned {
	var all []planned
	for _, i := range s.Invocations {
		for _, r := range i.Rows {
			for _, step := range r.Timeline {
				all = append(all, planned{
					at: step.At, what: "step of " + i.ID + " on " + r.InstanceID, do: step.on(i.ID, r.InstanceID),
				})
			}
		}
	}
	for _, event := range s.Events {
		for _, action := range event.actions() {
			all = append(all, action(address)...)
		}
	}
	slices.SortStableFunc(all, func(a, b planned) int { return cmp.Compare(a.at, b.at) })
	return all
}

// on does the step to a row.
func (s Step) on(invokeID, instanceID string) func(*emulator.Emulator) error {
	return func(e *emulator.Emulator) error {
		now := e.Clock().Now().UTC()
		err := e.UpdateRow(invokeID, instanceID, func(r *emulator.Row) { s.change(r, now) })
		if err == nil && s.Hidden != nil {
			err = e.HideRow(invokeID, instanceID, *s.Hidden)
		}
		if err == nil && s.Override != nil {
			err = e.OverrideStatus(invokeID, instanceID, *s.Override)
		}
		return err
	}
}

// action is what an event does once it is known where the API listens.
type action func(address string) []planned

// actions are what the keys of the event ask for.
func (v Event) actions() []action {
	var all []action
	add := func(asked bool, steps ...planned) {
		if asked {
			all = append(all, func(string) []planned { return steps })
		}
	}
	add(v.StartInstance != "", v.now("start instance "+v.StartInstance, func(e *emulator.Emulator) error {
		return e.SetInstanceStatus(v.StartInstance, emulator.InstanceRunning)
	}))
	add(v.StopInstance != "", v.now("stop instance "+v.StopInstance, func(e *emulator.Emulator) error {
		return e.SetInstanceStatus(v.StopInstance, emulator.InstanceStopped)
	}))
	add(v.RebootInstance != "", v.now("reboot instance "+v.RebootInstance, func(e *emulator.Emulator) error {
		return e.RebootInstance(v.RebootInstance)
	}))
	add(v.RemoveInstance != "", v.now("remove instance "+v.RemoveInstance, func(e *emulator.Emulator) error {
		return e.RemoveInstance(v.RemoveInstance)
	}))
	add(v.RestartAgent != "", v.now("restart the agent of "+v.RestartAgent, func(e *emulator.Emulator) error {
		return e.RestartAgent(v.RestartAgent)
	}))
	if v.SetAgent != nil {
		add(true, v.now(fmt.Sprintf("agent of %s is %s", v.SetAgent.InstanceID, v.SetAgent.Agent), func(e *emulator.Emulator) error {
			return e.SetAgent(v.SetAgent.InstanceID, v.SetAgent.Agent)
		}))
	}
	add(v.Throttle > 0, v.misbehave(emulator.Fault{Kind: emulator.FaultError}, v.Throttle)...)
	if v.Fault != nil {
		add(true, v.misbehave(v.Fault.Fault, v.Fault.For)...)
	}
	if v.Outage > 0 {
		all = append(all, v.outage)
	}
	add(v.AdvanceClock > 0, v.now("advance the clock by "+v.AdvanceClock.String(), func(e *emulator.Emulator) error {
		return e.Advance(v.AdvanceClock)
	}))
	add(v.Forget != "", v.now("forget "+v.Forget, func(e *emulator.Emulator) error { return e.ForgetInvocation(v.Forget) }))
	return all
}

func (v Event) now(what string, do func(*emulator.Emulator) error) planned {
	return planned{at: v.At, what: what, do: do}
}

// misbehave injects a fault and clears it after a while; 0 is never.
func (v Event) misbehave(fault emulator.Fault, after time.Duration) []planned {
	what := "fault " + string(fault.Kind)
	clearFault := func() {}
	steps := []planned{v.now(what, func(e *emulator.Emulator) (err error) {
		injected, err := e.Inject(fault)
		if err == nil {
			clearFault = injected
		}
		return err
	})}
	if after > 0 {
		steps = append(steps, planned{at: v.At + after, what: "end of " + what, do: func(*emulator.Emulator) error {
			clearFault()
			return nil
		}})
	}
	return steps
}

// outage closes the listener and opens it again at the same address.
func (v Event) outage(address string) []planned {
	return []planned{
		v.now("outage", func(e *emulator.Emulator) error { return e.Stop() }),
		{at: v.At + v.Outage, what: "end of the outage", fatal: true, do: func(e *emulator.Emulator) error {
			_, err := e.Start(address)
			return err
		}},
	}
}
