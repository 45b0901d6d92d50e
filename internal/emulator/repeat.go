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
		if !e.waitForRun(r, from) {
			timer.Stop()
			return
		}
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
		end := e.deliver(ctx, r, target)
		if end == nil {
			end = e.execute(ctx, r, target)
		}
		if end == nil || errors.Is(context.Cause(ctx), errClosed) || !e.recordRun(r, *end) {
			return
		}
		from = at
	}
}

// waitForRun shows the row as Scheduled, with what its last run left; false if it was stopped.
func (e *Emulator) waitForRun(r *row, from time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if Terminal(r.InvocationStatus) {
		return false
	}
	r.InvocationStatus, r.ScheduledFrom, r.UpdatedAt = StatusScheduled, from.UTC(), e.now()
	return true
}

// recordRun adds the row of the run that just ended to the history; false if it was the last, because somebody
// stopped the schedule. The Repeats of a row of the history is the ordinal of its run.
func (e *Emulator) recordRun(r *row, end ending) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if Terminal(r.InvocationStatus) {
		return false
	}
	stopped := r.InvocationStatus == StatusStopping
	r.finish(end, e.now())
	e.store.addHistory(r.invocation, &row{Row: r.Row, VisibleAt: r.VisibleAt, UpdatedAt: r.UpdatedAt})
	if stopped {
		return false
	}
	// The end is the run's, not yet the schedule's: the row stays unfinished until the next turn of the loop.
	r.LastStatus, r.InvocationStatus = end.status, StatusScheduled
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
	default:
		r.finish(expired(plan), e.now())
	}
}

// expired is how a row ends whose schedule lies in the past altogether.
func expired(plan schedule) ending {
	if _, isAt := plan.(atSchedule); isAt {
		return ending{status: StatusInvalid, code: "AtExpressionExpired", info: "the at expression is expired."}
	}
	return ending{status: StatusInvalid, code: "CronExpressionExpired", info: "the cron expression is expired."}
}
