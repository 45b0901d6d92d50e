package emulator_test

import (
	"slices"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// onBoot submits a shell script with a RepeatMode by the vendor's client.
func (b *bench) onBoot(script, mode string, instanceIDs ...string) string {
	b.Helper()
	return b.run(script, func(r *ecs.RunCommandRequest) { r.RepeatMode = mode }, instanceIDs...)
}

// Commands for the next boot wait for it, run once, and then are over; boots of other instances are none of theirs.
func TestNextRebootOnly(t *testing.T) {
	for _, status := range []string{emulator.StatusScheduled, emulator.StatusPending} {
		t.Run(status, func(t *testing.T) {
			b := newBench(t, emulator.Options{Settings: emulator.Settings{NextRebootStatus: status}})
			invokeID := b.onBoot("echo booted; sleep 1000", "NextRebootOnly", firstID, secondID)
			waiting := b.status(invokeID, firstID, status)
			if waiting.Repeats != 0 || !waiting.StartTime.IsZero() {
				t.Errorf("the waiting row is %+v", waiting)
			}
			must(t, b.reboot())
			b.row(invokeID, firstID, "printing", func(r emulator.Row) bool { return len(r.Output) > 0 })
			must(t, b.reboot())
			wantEnd(t, b.status(invokeID, firstID, emulator.StatusError), "Error", "InstanceRestarted", nil, true)
			if got := b.status(invokeID, secondID, status); got.Repeats != 0 {
				t.Errorf("the other instance's row is %+v", got)
			}
			r := b.raw(nil)
			r.call(t, list, "InvokeId", invokeID, "IncludeHistory", "true").wantCode(t, 400, "InvalidParameter.IncludeHistory")
			r.call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 200, "")
			wantEnd(t, b.status(invokeID, secondID, emulator.StatusCancelled), "Cancelled", "", nil, false)
		})
	}
}

// A stop and a start are a boot as well as a reboot is. Every one leaves a row in the history; the live row waits on.
func TestEveryReboot(t *testing.T) {
	b := newBench(t, emulator.Options{})
	invokeID := b.onBoot("echo run >> boots; wc -l < boots; [ $(wc -l < boots) != 2 ]", "EveryReboot")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	for boot := 1; boot <= 3; boot++ {
		if boot == 2 {
			must(t, b.stop(firstID))
			must(t, b.start(firstID))
		} else {
			must(t, b.reboot())
		}
		b.row(invokeID, firstID, "waiting for another boot", func(r emulator.Row) bool {
			return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == boot
		})
	}
	request := ecs.CreateDescribeInvocationResultsRequest()
	request.InvokeId, request.IncludeHistory, request.ContentEncoding = invokeID, "true", "PlainText"
	response, err := b.sdk.DescribeInvocationResults(request)
	must(t, err)
	var history []string
	for _, row := range response.Invocation.InvocationResults.InvocationResult {
		history = append(history, row.InvocationStatus+" "+row.Output)
	}
	if want := []string{"Success 3\n", "Failed 2\n", "Success 1\n"}; !slices.Equal(history, want) {
		t.Errorf("the history is %q, want %q", history, want)
	}
	if got := b.results(invokeID)[0].InvokeRecordStatus; got != emulator.RecordRunning {
		t.Errorf("the record is %s, want Running until it is stopped", got)
	}

	b.raw(nil).call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 200, "")
	b.status(invokeID, firstID, emulator.StatusCancelled)
	must(t, b.reboot())
	b.status(b.run("true", nil), firstID, emulator.StatusSuccess)
	if got := b.e.Rows(invokeID)[0]; got.InvocationStatus != emulator.StatusCancelled || got.Repeats != 3 {
		t.Errorf("after it was stopped the row is %+v", got)
	}
}

// A reboot in the middle of a boot's run ends that run and begins the next.
func TestEveryRebootDuringARun(t *testing.T) {
	b := newBench(t, emulator.Options{})
	invokeID := b.onBoot("sleep 1000", "EveryReboot")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	must(t, b.reboot())
	b.status(invokeID, firstID, emulator.StatusRunning)
	must(t, b.reboot())
	b.row(invokeID, firstID, "running a second time", func(r emulator.Row) bool {
		return r.InvocationStatus == emulator.StatusRunning && r.Repeats == 1
	})
	must(t, b.e.RemoveInstance(firstID))
	b.row(invokeID, firstID, "ended with its instance", func(r emulator.Row) bool {
		return r.InvocationStatus == emulator.StatusError && r.ErrorCode == "InstanceReleased"
	})
}

func TestBootCommandsOfAReleasedInstance(t *testing.T) {
	b := newBench(t, emulator.Options{})
	once, every := b.onBoot("true", "NextRebootOnly"), b.onBoot("true", "EveryReboot")
	b.status(once, firstID, emulator.StatusScheduled)
	b.status(every, firstID, emulator.StatusScheduled)
	must(t, b.e.RemoveInstance(firstID))
	for _, invokeID := range []string{once, every} {
		wantEnd(t, b.status(invokeID, firstID, emulator.StatusAborted), "Aborted", "InstanceNotExists", nil, false)
	}
	wrong := b.run("dir", func(r *ecs.RunCommandRequest) { r.RepeatMode, r.Type = "EveryReboot", "RunBatScript" }, secondID)
	wantEnd(t, b.status(wrong, secondID, emulator.StatusInvalid), "Invalid", "CommandNotApplicable", nil, false)
}

// A Frequency makes any RepeatMode a Period, as documented.
func TestFrequencyForcesPeriod(t *testing.T) {
	b := newBench(t, emulator.Options{})
	invokeID := b.run("true", func(r *ecs.RunCommandRequest) { r.RepeatMode, r.Frequency = "EveryReboot", "rate(1h)" })
	request := ecs.CreateDescribeInvocationsRequest()
	request.InvokeId, request.MaxResults = invokeID, requests.NewInteger(1)
	response, err := b.sdk.DescribeInvocations(request)
	must(t, err)
	if got := response.Invocations.Invocation[0].RepeatMode; got != emulator.RepeatPeriod {
		t.Errorf("RepeatMode %s, want Period", got)
	}
}
