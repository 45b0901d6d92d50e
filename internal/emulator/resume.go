package emulator

// resume goes on with the rows of a state that was loaded.
func (e *Emulator) resume() {
	e.mu.Lock()
	var unfinished []*row
	for _, i := range e.store.invocations {
		for _, r := range i.Rows {
			if !r.Scripted && !Terminal(r.InvocationStatus) {
				unfinished = append(unfinished, r)
			}
		}
		e.resumeDeliveries(i)
	}
	e.mu.Unlock()
	// In the order in which they were submitted, as far as an order of goroutines goes.
	for _, r := range sortedBySequence(unfinished, func(r *row) uint64 { return r.Sequence }) {
		e.resumeRow(r)
	}
}

func (e *Emulator) resumeRow(r *row) {
	if lost := r.lostRun(); lost != nil {
		if !r.invocation.repeats() {
			e.finish(r, *lost)
			return
		}
		if !e.recordRun(r, *lost, false) {
			return
		}
	}
	// The shortest interval may be another now; this schedule was accepted.
	plan, err := parseFrequency(r.invocation.Frequency, 0)
	e.mu.Lock()
	defer e.mu.Unlock()
	target := e.instances[r.InstanceID]
	switch {
	case target == nil:
		r.finish(endNotExists, e.now())
		e.announce(r)
		return
	case err != nil:
		r.finish(endException, e.now())
		return
	}
	e.launch(r.invocation, r, target, plan)
}

// lostRun is how a run ended whose process did not outlive the emulator; nil if none ran.
func (r *row) lostRun() *ending {
	switch r.InvocationStatus {
	case StatusRunning:
		return &endAgentGone
	case StatusStopping:
		return &endTerminated
	}
	return nil
}
