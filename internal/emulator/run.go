package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// Why a run ends before its script does.
var (
	errStopped         = errors.New("StopInvocation was called")
	errTimeout         = errors.New("the timeout passed")
	errInstanceStopped = errors.New("the instance was stopped")
)

// ending is how a run on an instance ended, as the API words it.
type ending struct {
	status, code, info string
	exitCode           *int64
	// ran is set if the command had started.
	ran bool
}

var (
	endNotRunning  = ending{status: StatusAborted, code: "InstanceNotRunning", info: "the instance is not running when create task."}
	endNotOnline   = ending{status: StatusAborted, code: "ClientNotOnline", info: "the aliyun service is not online on the instance."}
	endNoDelivery  = ending{status: StatusAborted, code: "DeliveryTimeout", info: "the command delivery has been timeout."}
	endWrongType   = ending{status: StatusInvalid, code: "CommandNotApplicable", info: "the command is not applicable."}
	endNoAccount   = ending{status: StatusInvalid, code: "AccountNotExists", info: "the specified account does not exists."}
	endNoDirectory = ending{status: StatusInvalid, code: "DirectoryNotExists", info: "the specified directory does not exists."}
	endNoBuiltIn   = ending{status: StatusInvalid, code: "InvalidSystemBuiltInParameter", info: "the system built-in parameter is invalid."}
	endCancelled   = ending{status: StatusCancelled}
	endTerminated  = ending{status: StatusTerminated, code: "ExecutionInterrupted", info: "the command execution has been interrupted.", ran: true}
	endInterrupted = ending{status: StatusError, code: "ExecutionInterrupted", info: "the command execution has been interrupted.", ran: true}
	endTimedOut    = ending{status: StatusTimeout, code: "ExecutionTimeout", info: "the command execution has been timeout.", ran: true}
	endException   = ending{status: StatusError, code: "ExecutionException", info: "the command execution got an exception.", ran: true}
)

// endOf is the ending of a script that was started: its exit code if it ended by itself, else why it did not.
func endOf(exitCode int, err, cause error) ending {
	code := int64(exitCode)
	switch {
	case err == nil && code == 0:
		return ending{status: StatusSuccess, exitCode: &code, ran: true}
	case err == nil:
		return ending{
			status: StatusFailed, code: "ExitCodeNonzero", info: "the command execution exit code is not zero.",
			exitCode: &code, ran: true,
		}
	case !errors.Is(err, process.ErrKilled):
		return endException
	case errors.Is(cause, errTimeout):
		return endTimedOut
	case errors.Is(cause, errInstanceStopped):
		return endInterrupted
	}
	return endTerminated
}

// launch follows the row's run in a goroutine of its own. The caller holds e.mu.
func (e *Emulator) launch(i *invocation, r *row, target *instance, plan schedule) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	r.cancel = cancel
	e.runs.Go(func() {
		defer cancel(nil)
		if i.repeats() {
			e.followSchedule(ctx, r, target, plan)
		} else {
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
		case state.Status != InstanceRunning:
			return &endNotRunning
		case state.Agent == AgentOnline:
			return nil
		}
		select {
		case <-state.changed:
		case <-window.C():
			if state.Agent == AgentSilent {
				return &endNoDelivery
			}
			return &endNotOnline
		case <-ctx.Done():
			return &endCancelled
		}
	}
}

// preflight refuses what no instance of this kind can run.
func (e *Emulator) preflight(r *row, target *instance) *ending {
	state := e.look(target)
	switch {
	case r.invocation.Command.Type != shellScript:
		return &endWrongType
	case r.invocation.Username != defaultUsername && !slices.Contains(state.Users, r.invocation.Username):
		return &endNoAccount
	}
	return nil
}

// execute runs the script of a row that was delivered, and returns how it ended; nil if the run was stopped
// before it started.
func (e *Emulator) execute(ctx context.Context, r *row, target *instance) *ending {
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
	export, closeExport, err := e.export(r.invocation, target.ID)
	if err != nil {
		e.log.Error("the output cannot be delivered", "InvokeId", r.invocation.ID, "InstanceId", target.ID, "error", err)
	}
	defer closeExport()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Made before the row says Running: whoever moves a fake clock may go by the row.
	timeout := e.clock.NewTimer(r.invocation.Timeout)
	defer timeout.Stop()
	stops, ok := e.begin(r, target, output)
	if !ok {
		return nil
	}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		e.watch(ctx, cancel, target, stops, timeout.C())
	}()
	ended := prepared.run(ctx, io.MultiWriter(output, export))
	cancel(nil)
	<-watching
	return &ended
}

// begin makes the row Running, unless it was stopped in the meantime. It returns how often the instance had been
// stopped by then: from here on a further stop ends the run.
func (e *Emulator) begin(r *row, target *instance, output *process.Output) (stops int, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if Terminal(r.InvocationStatus) {
		return 0, false
	}
	r.start(e.now())
	r.printing = output
	return target.stops, true
}

// watch cancels a run when its timeout passes or its instance stops, once more than it had when the run began.
func (e *Emulator) watch(ctx context.Context, cancel context.CancelCauseFunc, target *instance, stops int, timeout <-chan time.Time) {
	for {
		state := e.look(target)
		if state.Status != InstanceRunning || state.stops != stops {
			cancel(errInstanceStopped)
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

// start makes a row Running and takes the traces of an earlier run away. The caller holds Emulator.mu.
func (r *row) start(now time.Time) {
	r.InvocationStatus, r.StartTime, r.FinishedTime = StatusRunning, now, time.Time{}
	r.ErrorCode, r.ErrorInfo, r.ExitCode = "", "", nil
	r.Output, r.Dropped = nil, 0
	if r.OSSOutput.Delivery != "" {
		r.OSSOutput = OSSOutput{Delivery: r.OSSOutput.Delivery, Status: ossInProgress}
	}
	r.UpdatedAt = now
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
	r.deliverOSS(end)
}

// prepare makes the directories and the script of a run. It returns an ending instead where the command cannot
// run on this instance.
func (e *Emulator) prepare(r *row, target *instance) (process.Spec, *ending, error) {
	state := e.look(target)
	i := r.invocation
	content := i.Command.Content
	if i.Command.EnableParameter {
		var ok bool
		content, ok = fillPlaceholders(content, i.Parameters, map[string]string{
			"RegionId": i.RegionID, "AccountId": i.AccountID, "InstanceId": state.ID, "InstanceName": state.Name,
			"InvokeId": i.ID, "CommandId": i.Command.ID,
		})
		if !ok {
			return process.Spec{}, &endNoBuiltIn, nil
		}
	}
	root := filepath.Join(e.scratch, state.ID)
	home, temporary, scripts := filepath.Join(root, defaultWorkingDir), filepath.Join(root, "tmp"), filepath.Join(root, "scripts")
	for _, directory := range []string{home, temporary, scripts} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return process.Spec{}, nil, fmt.Errorf("cannot make the directories of an instance; check ScratchDir: %w", err)
		}
	}
	// Cleaned as an absolute path first, so that no ".." leads out of the instance.
	directory := filepath.Join(root, filepath.Clean("/"+firstOf(i.WorkingDir, defaultWorkingDir)))
	if !isDirectory(directory) {
		return process.Spec{}, &endNoDirectory, nil
	}
	launcher, extension := i.Launcher, ""
	if match := scriptFileParam.FindStringSubmatch(launcher); match != nil {
		extension = match[1]
	}
	script := filepath.Join(scripts, i.ID+extension)
	if err := os.WriteFile(script, content, 0o600); err != nil {
		return process.Spec{}, nil, fmt.Errorf("cannot write the script of a command; check ScratchDir: %w", err)
	}
	if launcher != "" {
		launcher = scriptFileParam.ReplaceAllLiteralString(launcher, quote(script))
	}
	environment := map[string]string{
		"HOME": home, "PWD": directory, "TMPDIR": temporary, "USER": i.Username, "LOGNAME": i.Username,
		"SHELL": "/bin/sh", "LANG": "C.UTF-8",
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	spec := process.Spec{Script: script, Launcher: launcher, Dir: directory, Run: e.id + "/" + i.ID + "/" + state.ID}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		spec.Env = append(spec.Env, name+"="+environment[name])
	}
	return spec, nil, nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// quote makes one word of a shell out of text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
