package emulator

import (
	"context"
	"errors"
	"time"
)

// followSchedule runs a scheduled row again and again, until it is stopped or its schedule ends.
func (e *Emulator) followSchedule(ctx context.Context, r *row, target *instance, plan schedule) {
	if end := e.preflight(r, target); end != nil {
		e.finish(r, *end)
		return
	}
	from := r.ScheduledFrom
	if from.IsZero() {
		from = e.clock.Now()
	}
	for {
		at := plan.next(from)
		if now := e.clock.Now(); !at.IsZero() && !at.After(now) {
			// The last run took longer than its interval, or the emulator was away: what was missed is skipped.
			from = now
			at = plan.next(from)
		}
		if at.IsZero() {
			e.endSchedule(r, plan)
			return
		}
		// Made before the row says Scheduled: whoever moves a fake clock may go by the row.
		timer := e.clock.NewTimer(at.Sub(e.clock.Now()))
		if !e.waitForRun(r, StatusScheduled, from) {
			timer.Stop()
			return
		}
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if !e.turn(ctx, r, target) {
			return
		}
		from = at
	}
}

// followBoots runs a row when its instance boots once more than it had when the row was made: at the next boot only, or
// at every boot until it is stopped. Meanwhile it shows the status given.
func (e *Emulator) followBoots(ctx context.Context, r *row, target *instance, boots int, waiting string) {
	if end := e.preflight(r, target); end != nil {
		e.finish(r, *end)
		return
	}
	for e.waitForRun(r, waiting, time.Time{}) {
		var booted bool
		if boots, booted = e.waitForBoot(ctx, target, boots); !booted {
			return
		}
		if !r.invocation.repeats() {
			e.followOnce(ctx, r, target)
			return
		}
		if !e.turn(ctx, r, target) {
			return
		}
	}
}

// waitForBoot waits until an instance has booted more often than it had, or is no more. It returns how often it has;
// false if the run ended first. Boots that came while nobody waited count as one.
func (e *Emulator) waitForBoot(ctx context.Context, target *instance, boots int) (int, bool) {
	for {
		state := e.look(target)
		if state.seen.boots != boots || state.seen.released {
			return state.seen.boots, true
		}
		select {
		case <-state.changed:
		case <-ctx.Done():
			return 0, false
		}
	}
}

// turn takes one run of a repeating row to its end; false if it was the last.
func (e *Emulator) turn(ctx context.Context, r *row, target *instance) bool {
	end := e.deliver(ctx, r, target)
	if end == nil {
		end = e.execute(ctx, r, target)
	}
	return end != nil && !errors.Is(context.Cause(ctx), errClosed) && e.recordRun(r, *end, e.look(target).seen.released)
}

// waitForRun shows the row as waiting, with what its last run left and the time that
// the next is counted from; false if it was stopped.
func (e *Emulator) waitForRun(r *row, status string, from time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if Terminal(r.InvocationStatus) {
		return false
	}
	r.InvocationStatus, r.ScheduledFrom, r.UpdatedAt = status, from.UTC(), e.now()
	r.changed()
	return true
}

// recordRun adds the row of the run that just ended to the history; false if it was the last, as the caller says
// or because somebody stopped it. The Repeats of a row of the history is the ordinal of its run.
func (e *Emulator) recordRun(r *row, end ending, last bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if Terminal(r.InvocationStatus) {
		return false
	}
	stopped := !r.StopTime.IsZero() || r.InvocationStatus == StatusStopping
	r.finish(end, e.now())
	e.announce(r)
	past := &row{Row: r.Row, VisibleAt: r.VisibleAt, UpdatedAt: r.UpdatedAt}
	e.store.addHistory(r.invocation, past)
	e.deliverOutput(r, past)
	if stopped || last {
		return false
	}
	// The end is the run's, not yet the schedule's: the row stays unfinished until the next turn of the loop.
	r.LastStatus, r.InvocationStatus = end.status, StatusScheduled
	r.changed()
	e.store.expire(e.now())
	return true
}

// endSchedule ends a row whose schedule has no further run: as its last run ended, or as Invalid if there never
// was one.
func (e *Emulator) endSchedule(r *row, plan schedule) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case Terminal(r.InvocationStatus):
	case r.LastStatus != "":
		r.InvocationStatus, r.UpdatedAt = r.LastStatus, e.now()
		r.changed()
	default:
		r.finish(expired(plan), e.now())
		e.announce(r)
	}
}

// expired is how a row ends whose schedule lies in the past altogether.
func expired(plan schedule) ending {
	if _, isAt := plan.(atSchedule); isAt {
		return ending{status: StatusInvalid, code: "AtExpressionExpired", info: "the at expression is expired."}
	}
	return ending{status: StatusInvalid, code: "CronExpressionExpired", info: "the cron expression is expired."}
}
