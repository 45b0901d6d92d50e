package emulator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// stateVersion is that of the form of a saved state. One with a higher version is refused.
const stateVersion = 1

// savedState is an Emulator at rest. In a file it is a line of JSON, and the invocations are a line each: a state
// of many is never in memory as text as a whole.
type savedState struct {
	Version         int
	Sequence        uint64
	PageTokenKey    []byte
	ClockAhead      time.Duration
	VisibilityFirst time.Duration
	VisibilityStep  time.Duration
	Instances       []instance
	// Released are the IDs of the instances that were released, which Options may still name.
	Released    []string
	Commands    []savedCommand
	Submissions []savedSubmission
	// Emulator is the ID of the emulator that saved it, and Scratch the directory that it made for itself: if it was
	// killed, its processes and its files are found by them.
	Emulator string
	Scratch  string
	// Sessions are what AssumeRole gave out.
	Sessions []AccessKey
	// Count is the number of lines that follow: a file that was cut must not pass for a whole one.
	Count       int
	Invocations []savedInvocation `json:"-"`
}

// savedCommand is a command that was created, or that an invocation runs.
type savedCommand struct {
	command
	// Kept says that InvokeCommand finds it.
	Kept bool
}

// savedInvocation is an invocation with its command by the place in savedState.Commands, because many invocations
// share one.
type savedInvocation struct {
	invocation
	Command int
}

type savedSubmission struct {
	AccountID, RegionID, Action, Token string
	Parameters                         []byte
	CommandID, InvokeID                string
}

// SaveState writes all that lasts: commands, invocations with their rows and histories, instances, the key of the
// page tokens, client tokens, what Advance added to the clock, and the sessions of AssumeRole. It holds secrets: the keys of those sessions, and the
// parameters and outputs of commands. Access keys, faults, counts of calls and files of commands are no part of it.
//
// Calls go on meanwhile. What they add is not in the state, and what they change is if its record was not yet written.
func (e *Emulator) SaveState(w io.Writer) error {
	encoder := json.NewEncoder(w)
	head, invocations, places := e.snapshot()
	err := encoder.Encode(head)
	for _, i := range invocations {
		if err != nil {
			break
		}
		err = encoder.Encode(e.copyInvocation(i, places[i.Command]))
	}
	if err != nil {
		return fmt.Errorf("cannot write the state of the emulator: %w", err)
	}
	return nil
}

// LoadState goes on from a state that SaveState wrote. Call it before anything else is done with the emulator: it
// fails if there are invocations already, and then, as after every error, changes nothing. An instance of the state
// takes the place of one in Options with its ID, and one that was released is gone.
//
// An emulator that saved the state and still lives is not touched. What ran has lost its process, as if the instance's agent had been restarted: it ends as Error with the
// ErrorCode ClientRestarted, and what was being stopped as Terminated. What was pending is delivered again, its
// window begins anew. Schedules go on; runs that they missed are skipped.
func (e *Emulator) LoadState(r io.Reader) error {
	s, err := decodeState(r)
	if err != nil {
		return err
	}
	if err := e.restore(s); err != nil {
		return err
	}
	e.resume()
	return nil
}

func decodeState(r io.Reader) (*savedState, error) {
	decoder := json.NewDecoder(r)
	// A field that is not known here would be lost with the next save.
	decoder.DisallowUnknownFields()
	s := &savedState{}
	if err := decoder.Decode(s); err != nil {
		if s.Version > stateVersion {
			return nil, newerState(s.Version)
		}
		return nil, fmt.Errorf("this is no state of an emulator, or a damaged one; give another file, or move it away to begin anew: %w", err)
	}
	switch {
	case s.Version > stateVersion:
		return nil, newerState(s.Version)
	case s.Version < 1 || s.Count < 0:
		return nil, errors.New("this is no state of an emulator; give another file, or move it away to begin anew")
	}
	for n := range s.Count {
		var i savedInvocation
		if err := decoder.Decode(&i); err != nil {
			return nil, fmt.Errorf("the state is damaged at invocation %d of %d; move it away to begin anew: %w", n+1, s.Count, err)
		}
		if i.Command < 0 || i.Command >= len(s.Commands) {
			return nil, fmt.Errorf("the state is damaged: invocation %q has no command; move it away to begin anew", i.ID)
		}
		s.Invocations = append(s.Invocations, i)
	}
	return s, nil
}

func newerState(version int) error {
	return fmt.Errorf("the state is of version %d, and this emulator reads up to version %d; use a newer emulator, or another file",
		version, stateVersion)
}

// savedAtOnce is how many records are copied while calls wait.
const savedAtOnce = 1000

// snapshot copies what lasts but the invocations: they are listed in the order of making, with the places of their
// commands.
func (e *Emulator) snapshot() (*savedState, []*invocation, map[*command]int) {
	s, invocations, places := e.snapshotHead()
	slices.SortFunc(s.Submissions, func(a, b savedSubmission) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.RegionID, b.RegionID),
			cmp.Compare(a.Action, b.Action), cmp.Compare(a.Token, b.Token))
	})
	for some := range slices.Chunk(sortedBySequence(invocations, func(i *invocation) uint64 { return i.Sequence }), savedAtOnce) {
		e.mu.LockToRead()
		for _, i := range some {
			s.place(places, i.Command, false)
		}
		e.mu.Unlock()
	}
	return s, invocations, places
}

// snapshotHead is what of a snapshot is copied at once.
func (e *Emulator) snapshotHead() (*savedState, []*invocation, map[*command]int) {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	s := &savedState{
		Version: stateVersion, Sequence: e.store.sequence, PageTokenKey: e.tokens.key, ClockAhead: e.clock.Ahead(),
		VisibilityFirst: e.lag.first, VisibilityStep: e.lag.step,
		Emulator: e.id, Sessions: e.keys.sessions(e.clientNow()), Count: len(e.store.invocations),
	}
	if e.ownScratch {
		s.Scratch = e.scratch
	}
	for _, id := range slices.Sorted(maps.Keys(e.instances)) {
		s.Instances = append(s.Instances, *e.instances[id])
	}
	s.Released = slices.Sorted(maps.Keys(e.released))
	places := map[*command]int{}
	for _, id := range slices.Sorted(maps.Keys(e.commands)) {
		s.place(places, e.commands[id], true)
	}
	for key, value := range e.submitted {
		s.Submissions = append(s.Submissions, savedSubmission{
			key.accountID, key.regionID, key.action, key.token, value.parameters[:], value.answer.CommandID, value.answer.InvokeID,
		})
	}
	invocations := make([]*invocation, 0, len(e.store.invocations))
	for _, scope := range e.store.scopes {
		invocations = append(invocations, scope.invocations.all...)
	}
	return s, invocations, places
}

// place copies a command, unless it has its place already. The caller holds Emulator.mu.
func (s *savedState) place(places map[*command]int, c *command, kept bool) {
	if _, known := places[c]; !known {
		places[c] = len(s.Commands)
		s.Commands = append(s.Commands, savedCommand{*c, kept})
	}
}

// copyInvocation copies an invocation as it is now, but for what a run adds meanwhile to a long history. Its live rows
// and the latest past ones are of one moment, as they tell of the same runs.
func (e *Emulator) copyInvocation(i *invocation, commandPlace int) *savedInvocation {
	e.mu.LockToRead()
	saved := &savedInvocation{*i, commandPlace}
	history := slices.Clone(i.History)
	older := history[:max(0, len(history)-savedAtOnce)]
	live, latest := copyRows(i.Rows), copyRows(history[len(older):])
	e.mu.Unlock()
	saved.Rows, saved.History = live, make([]*row, 0, len(history))
	for some := range slices.Chunk(older, savedAtOnce) {
		e.mu.LockToRead()
		saved.History = append(saved.History, copyRows(some)...)
		e.mu.Unlock()
	}
	saved.History = append(saved.History, latest...)
	return saved
}

// copyRows copies rows with what their runs have printed so far.
func copyRows(rows []*row) []*row {
	copies := make([]*row, len(rows))
	for n, r := range rows {
		lasting := *r
		if r.printing != nil {
			lasting.Output, lasting.Dropped = r.printing.Snapshot()
		}
		copies[n] = &lasting
	}
	return copies
}

// restore is the reverse of snapshot. Nothing runs afterwards.
func (e *Emulator) restore(s *savedState) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.store.invocations) > 0 {
		return errors.New("the emulator has invocations already; load the state before anything is submitted")
	}
	for _, i := range s.Instances {
		if err := i.check(); err != nil {
			return fmt.Errorf("the state is damaged; move it away to begin anew: %w", err)
		}
	}
	if err := e.clock.Advance(s.ClockAhead); err != nil {
		return fmt.Errorf("the state is damaged; move it away to begin anew: %w", err)
	}
	for _, id := range s.Released {
		e.released[id] = struct{}{}
		delete(e.instances, id)
	}
	for _, i := range s.Instances {
		i.changed = make(chan struct{})
		e.instances[i.ID] = &i
	}
	commands := make([]*command, len(s.Commands))
	for n := range s.Commands {
		commands[n] = &s.Commands[n].command
		if s.Commands[n].Kept {
			e.commands[commands[n].ID] = commands[n]
		}
	}
	e.tokens = tokenSigner{s.PageTokenKey}
	e.lag = visibilityLag{s.VisibilityFirst, s.VisibilityStep}
	for n := range s.Invocations {
		e.store.restore(&s.Invocations[n].invocation, commands[s.Invocations[n].Command])
	}
	// A row may have been added while the state was saved.
	e.store.sequence = max(e.store.sequence, s.Sequence)
	for _, saved := range s.Submissions {
		value := submitted{answer: submitAnswer{CommandID: saved.CommandID, InvokeID: saved.InvokeID}}
		copy(value.parameters[:], saved.Parameters)
		key := submission{saved.AccountID, saved.RegionID, saved.Action, saved.Token}
		e.submitted[key] = value
		if i := e.store.invocations[saved.InvokeID]; i != nil {
			i.submission = &key
		}
	}
	for _, session := range s.Sessions {
		e.keys.add(session)
	}
	return nil
}

// restore puts an invocation back with its rows, all under the numbers that they had: page tokens go by them.
func (s *store) restore(i *invocation, c *command) {
	highest := s.sequence
	live, history := i.Rows, i.History
	i.Command, i.Rows, i.History = c, nil, nil
	s.sequence = i.Sequence - 1
	s.addInvocation(i)
	for _, r := range live {
		s.sequence = r.Sequence - 1
		s.addRow(i, r)
		highest = max(highest, r.Sequence)
	}
	for _, r := range history {
		s.sequence = r.Sequence - 1
		s.addHistory(i, r)
		highest = max(highest, r.Sequence)
	}
	s.sequence = max(highest, i.Sequence)
}

func sortedBySequence[T any](elements []T, sequenceOf func(T) uint64) []T {
	slices.SortFunc(elements, func(a, b T) int { return cmp.Compare(sequenceOf(a), sequenceOf(b)) })
	return elements
}

// sessions are the temporary credentials that the keyring holds, and that are not forgotten.
func (k *keyring) sessions(now time.Time) []AccessKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	var sessions []AccessKey
	for _, id := range slices.Sorted(maps.Keys(k.keys)) {
		if key := k.keys[id]; key.AssumedRole != "" && !key.forgotten(now) {
			sessions = append(sessions, key)
		}
	}
	return sessions
}
