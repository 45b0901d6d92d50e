package emulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// launch follows the row's run in a goroutine of its own. The caller holds e.mu.
func (e *Emulator) launch(i *invocation, r *row, target *instance, plan schedule) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	r.cancel = cancel
	boots, waiting := target.seen.boots, StatusScheduled
	if !i.repeats() {
		waiting = e.settings.NextRebootStatus
	}
	e.runs.Go(func() {
		defer cancel(nil)
		switch i.RepeatMode {
		case RepeatPeriod:
			e.followSchedule(ctx, r, target, plan)
		case RepeatNextRebootOnly, RepeatEveryReboot:
			e.followBoots(ctx, r, target, boots, waiting)
		default:
			e.followOnce(ctx, r, target)
		}
	})
}

// followOnce takes a one-time run from Pending to its end.
func (e *Emulator) followOnce(ctx context.Context, r *row, target *instance) {
	end := e.deliver(ctx, r, target)
	if end == nil {
		end = e.execute(ctx, r, target)
	}
	if end == nil || errors.Is(context.Cause(ctx), errClosed) {
		return
	}
	e.finish(r, *end)
}

// finish ends a row that was not ended by StopInvocation before.
func (e *Emulator) finish(r *row, end ending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !Terminal(r.InvocationStatus) {
		r.finish(end, e.now())
		e.announce(r)
		e.deliverOutput(r)
	}
}

// deliver waits until the instance takes the command. It returns nil if it did, and how the run ends if not.
func (e *Emulator) deliver(ctx context.Context, r *row, target *instance) *ending {
	if end := e.preflight(r, target); end != nil {
		return end
	}
	window := e.clock.NewTimer(e.options.DeliveryTimeout)
	defer window.Stop()
	for {
		state := e.look(target)
		switch {
		case state.seen.released:
			return &endReleased
		case state.Status != InstanceRunning:
			return &endNotRunning
		case state.Agent == AgentOnline:
			return nil
		}
		select {
		case <-state.changed:
		case <-window.C():
			return endUndelivered[state.Agent]
		case <-ctx.Done():
			return &endCancelled
		}
	}
}

// preflight refuses what no instance of this kind can run.
func (e *Emulator) preflight(r *row, target *instance) *ending {
	state, i := e.look(target), r.invocation
	switch {
	case state.seen.released:
		return &endNotExists
	case (i.Command.Type == shellScript) != (state.OSType == OSLinux):
		return &endWrongType
	case bytes.IndexByte(i.Command.Content, 0) >= 0:
		return &endNoText
	case needsNewSchedules(i.Frequency) && !sinceSchedules.includes(state.Instance):
		return endTooOld(sinceSchedules, state.Instance, "schedule")
	case i.inContainer():
		return e.enterContainer(r, state.Instance)
	case i.Username != defaultUser(i.Command.Type) && !slices.Contains(state.Users, i.Username):
		return &endNoAccount
	}
	return nil
}

// execute runs the script of a row that was delivered, and returns how it ended; nil if the run was stopped
// before it started.
func (e *Emulator) execute(ctx context.Context, r *row, target *instance) *ending {
	// From here on, what happens to the instance ends the run.
	since := e.look(target).seen
	prepared, end, err := e.runner(r.invocation.Command, target.ID).prepare(r, target)
	if err != nil {
		e.log.Error("a command cannot be started", "InvokeId", r.invocation.ID, "InstanceId", target.ID, "error", err)
		return &endException
	}
	if end != nil {
		return end
	}
	defer prepared.close()
	output := &process.Output{}
	export, closeExport, err := e.export(r)
	defer func() {
		if err := errors.Join(err, closeExport()); err != nil {
			e.log.Error("an output cannot be kept for its bucket; check OSSDir", "InvokeId", r.invocation.ID, "InstanceId", target.ID, "error", err)
		}
	}()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Made before the row says Running: whoever moves a fake clock may go by the row.
	timeout := e.clock.NewTimer(r.invocation.Timeout)
	defer timeout.Stop()
	end, ok := e.begin(r, target, output)
	if !ok {
		return end
	}
	defer e.rest(target)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		e.watch(ctx, cancel, target, since, timeout.C())
	}()
	ended := prepared.run(ctx, io.MultiWriter(output, export))
	cancel(nil)
	<-watching
	if err := e.look(target).interruption(since); err != nil && ended.exitCode != nil && *ended.exitCode == exitKilled {
		// What ends the processes of an instance without power may come to the script before its own end does.
		ended = endsByCause[err]
	}
	return &ended
}

// begin makes the row Running, unless it was stopped in the meantime or the instance is busy.
func (e *Emulator) begin(r *row, target *instance, output *process.Output) (end *ending, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if Terminal(r.InvocationStatus) {
		return nil, false
	}
	if limit := e.settings.MaxActiveTasks; limit > 0 && target.active >= limit {
		return &endTooMany, false
	}
	target.active++
	target.InvocationCount++
	target.LastInvokedAt = e.now()
	r.start(e.now())
	r.printing = output
	return nil, true
}

// rest is the reverse of begin.
func (e *Emulator) rest(target *instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	target.active--
}

// watch cancels a run when its timeout passes, or something happens to its instance that ends it.
func (e *Emulator) watch(ctx context.Context, cancel context.CancelCauseFunc, target *instance, since events, timeout <-chan time.Time) {
	for {
		state := e.look(target)
		if err := state.interruption(since); err != nil {
			cancel(err)
			return
		}
		select {
		case <-state.changed:
		case <-timeout:
			cancel(errTimeout)
			return
		case <-ctx.Done():
			return
		}
	}
}

// interruption is why a run cannot go on that began when the instance had seen these events; nil if it can.
func (i instance) interruption(since events) error {
	switch {
	case i.seen.released:
		return errInstanceReleased
	case i.seen.restarts != since.restarts:
		return errInstanceRestart
	case i.seen.stops != since.stops || i.Status != InstanceRunning:
		return errInstanceStopped
	case i.seen.agentRestarts != since.agentRestarts:
		return errAgentRestart
	}
	return nil
}

// start makes a row Running and takes the traces of an earlier run away. The caller holds Emulator.mu.
func (r *row) start(now time.Time) {
	r.InvocationStatus, r.StartTime, r.FinishedTime = StatusRunning, now, time.Time{}
	r.ErrorCode, r.ErrorInfo, r.ExitCode = "", "", nil
	r.Output, r.Dropped = nil, 0
	if r.delivering = false; r.OSSOutput.Delivery != "" {
		r.OSSOutput = OSSOutput{Delivery: r.OSSOutput.Delivery, Status: ossInProgress}
	}
	r.UpdatedAt = now
	r.changed()
}

// finish ends a row. The caller holds Emulator.mu.
func (r *row) finish(end ending, now time.Time) {
	if r.printing != nil {
		r.Output, r.Dropped = r.printing.Snapshot()
		r.printing = nil
	}
	r.InvocationStatus, r.ErrorCode, r.ErrorInfo, r.ExitCode = end.status, end.code, end.info, end.exitCode
	r.FinishedTime = now
	if end.status == StatusTimeout {
		// The vendor computes this time: the end of a time-out is its start plus its timeout exactly.
		r.FinishedTime = r.StartTime.Add(r.invocation.Timeout)
	}
	if end.ran {
		r.Repeats++
	}
	r.UpdatedAt = now
	if !end.ran {
		r.refuseDelivery()
	}
	r.changed()
}
