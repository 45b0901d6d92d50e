package emulator

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Scripted is an invocation without a process: its rows say what they are told to.
type Scripted struct {
	// ID is unique.
	ID string
	// AccountID: empty is DefaultAccountID.
	AccountID string
	// RegionID: empty is the first region that exists.
	RegionID        string
	ResourceGroupID string
	// CommandID: empty is one made from the ID. Rows take it where they have none.
	CommandID string
	// RepeatMode: empty is RepeatOnce. With RepeatPeriod and RepeatEveryReboot it has a history.
	RepeatMode string
	Tags       []Tag
	// CreatedAt: zero is now.
	CreatedAt time.Time
	// VisibleAt is from when answers show its rows; zero is at once. See SetVisibilityLag.
	VisibleAt time.Time
	// Rows are its live rows, one per instance; the instances need not exist.
	Rows []Row
}

// PutInvocation adds a scripted invocation, or replaces the one with its ID. It counts as the newest.
func (e *Emulator) PutInvocation(s Scripted) error {
	if s.ID == "" {
		return errors.New("a scripted invocation has no ID; give it one, such as t-1")
	}
	s.RegionID = firstOf(s.RegionID, e.options.RegionIDs[0])
	if !slices.Contains(e.options.RegionIDs, s.RegionID) {
		return fmt.Errorf("region %q does not exist; add it to RegionIDs", s.RegionID)
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = e.now()
	}
	accountID := firstOf(s.AccountID, DefaultAccountID)
	i := &invocation{
		ID: s.ID, AccountID: accountID, RegionID: s.RegionID, ResourceGroupID: s.ResourceGroupID,
		Command: &command{
			ID: firstOf(s.CommandID, "c-"+s.ID), AccountID: accountID, RegionID: s.RegionID,
			Name: s.ID, Type: shellScript,
		},
		RepeatMode: firstOf(s.RepeatMode, RepeatOnce), Tags: slices.Clone(s.Tags), Created: s.CreatedAt,
		Timeout: defaultTimeout * time.Second, Username: defaultUsername, TerminationMode: terminateProcess,
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.expire(e.now())
	if old := e.store.invocations[s.ID]; old != nil {
		e.store.remove(old)
	}
	e.store.addInvocation(i)
	for _, r := range s.Rows {
		added := i.scriptedRow(r)
		added.VisibleAt = s.VisibleAt
		e.store.addRow(i, added)
	}
	return nil
}

// PutRow sets a live row of an invocation that exists, or adds it.
func (e *Emulator) PutRow(r Row) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.store.invocations[r.InvokeID]
	if i == nil {
		return unknownInvocation(r.InvokeID)
	}
	if old := i.row(r.InstanceID); old != nil {
		from := old.InvocationStatus
		e.store.change(old, func() { old.Row, old.UpdatedAt = i.scriptedRow(r).Row, e.now() })
		e.announceEnd(old, from)
		return nil
	}
	e.store.addRow(i, i.scriptedRow(r))
	return nil
}

// UpdateRow changes a live row. A row that a process stands behind is changed again when that goes on.
func (e *Emulator) UpdateRow(invokeID, instanceID string, change func(*Row)) error {
	now := e.now()
	return e.changeRow(invokeID, instanceID, func(r *row) {
		change(&r.Row)
		r.UpdatedAt = now
	})
}

// PutHistory adds the row of a past run to an invocation that exists and has a history.
func (e *Emulator) PutHistory(r Row) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.expire(e.now())
	i := e.store.invocations[r.InvokeID]
	switch {
	case i == nil:
		return unknownInvocation(r.InvokeID)
	case !i.repeats():
		return fmt.Errorf("invocation %q runs once and has no history; put it with RepeatPeriod", r.InvokeID)
	}
	e.store.addHistory(i, i.scriptedRow(r))
	return nil
}

// Rows returns copies of the live rows of an invocation, in the order in which they were made; none if it does not
// exist. They are the truth, whatever lag, hiding and faults show.
func (e *Emulator) Rows(invokeID string) []Row {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	e.store.expire(e.now())
	i := e.store.invocations[invokeID]
	if i == nil {
		return nil
	}
	rows := make([]Row, len(i.Rows))
	for n, r := range i.Rows {
		rows[n] = r.show().Row
		rows[n].InvocationStatus = r.InvocationStatus
	}
	return rows
}

// scriptedRow is a row as it was told to be, with the invocation's own IDs where it has none.
func (i *invocation) scriptedRow(r Row) *row {
	r.InvokeID, r.CommandID = i.ID, firstOf(r.CommandID, i.Command.ID)
	r.InvocationStatus = firstOf(r.InvocationStatus, StatusPending)
	r.Username = firstOf(r.Username, i.Username)
	r.TerminationMode = firstOf(r.TerminationMode, i.TerminationMode)
	return &row{Row: r, invocation: i, UpdatedAt: i.Created, Scripted: true}
}
