package emulator

import (
	"fmt"
	"time"
)

// visibilityLag is how long new rows stay out of answers.
type visibilityLag struct{ first, step time.Duration }

// of is the lag of the n-th row of an invocation, counted from 0.
func (l visibilityLag) of(n int) time.Duration { return l.first + time.Duration(n)*l.step }

// SetVisibilityLag makes the rows of invocations submitted from now on appear in answers late, as in an eventually
// consistent service: the row of the first instance after first, each further one step later.
func (e *Emulator) SetVisibilityLag(first, step time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lag = visibilityLag{first, step}
}

// HideRow takes a live row out of all answers, or brings it back, without changing it.
func (e *Emulator) HideRow(invokeID, instanceID string, hidden bool) error {
	return e.changeRow(invokeID, instanceID, func(r *row) { r.Hidden = hidden })
}

// OverrideStatus shows a text in place of a live row's InvocationStatus, such as a value that no client knows;
// an empty one shows the truth again.
func (e *Emulator) OverrideStatus(invokeID, instanceID, status string) error {
	return e.changeRow(invokeID, instanceID, func(r *row) { r.Override = status })
}

// ForgetInvocation removes an invocation with all its rows, as the end of the retention does. A run that is still
// going goes on unseen.
func (e *Emulator) ForgetInvocation(invokeID string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.store.invocations[invokeID]
	if i == nil {
		return unknownInvocation(invokeID)
	}
	e.store.forget(i)
	return nil
}

func (e *Emulator) changeRow(invokeID, instanceID string, change func(*row)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.store.invocations[invokeID]
	if i == nil {
		return unknownInvocation(invokeID)
	}
	r := i.row(instanceID)
	if r == nil {
		return fmt.Errorf("invocation %q has no row of instance %q; give an instance that it targets", invokeID, instanceID)
	}
	from := r.InvocationStatus
	e.store.change(r, func() { change(r) })
	e.announceEnd(r, from)
	return nil
}

func unknownInvocation(invokeID string) error {
	return fmt.Errorf("invocation %q does not exist; submit or put it first", invokeID)
}
