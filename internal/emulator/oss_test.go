package emulator_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// deliver submits a shell script whose output goes to a bucket.
func (r *raw) deliver(t *testing.T, delivery, script, instanceID string, namesAndValues ...string) string {
	t.Helper()
	all := append([]string{
		"Type", "RunShellScript", "CommandContent", script, "InstanceId.1", instanceID, "OssOutputDelivery", delivery,
	}, namesAndValues...)
	answer := r.call(t, "RunCommand", all...)
	answer.wantCode(t, 200, "")
	return answer.object(t)["InvokeId"].(string)
}

func TestOSSDelivery(t *testing.T) {
	buckets := t.TempDir()
	b := newBench(t, emulator.Options{OSSDir: buckets, OSSBuckets: []string{"bucket"}})
	r := b.raw(nil)
	must(t, b.e.SetInstanceStatus(secondID, emulator.InstanceStopped))
	tests := []struct {
		name, delivery, instanceID string
		status, code, prefix       string
	}{
		{"with a prefix", "oss://bucket/a/prefix/", firstID, "Finished", "", "oss://bucket/a/prefix/"},
		{"without one", "oss://bucket", firstID, "Finished", "", "oss://bucket/"},
		{"to no such bucket", "oss://mirage/prefix", firstID, "Failed", "NoSuchBucket", ""},
		{"of a command that never ran", "oss://bucket/prefix", secondID, "Failed", "CloudAssistant.UnsupportedInvocationStatus", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			invokeID := r.deliver(t, tt.delivery, "head -c 30000 /dev/zero; exit 3", tt.instanceID)
			row := (&bench{T: t, e: b.e}).row(invokeID, tt.instanceID, "ended", func(r emulator.Row) bool { return emulator.Terminal(r.InvocationStatus) })
			want := emulator.OSSOutput{Delivery: tt.delivery, Status: tt.status, ErrorCode: tt.code, ErrorInfo: row.OSSOutput.ErrorInfo}
			if tt.status == "Finished" {
				want.URI = tt.prefix + invokeID + "/" + tt.instanceID + ".txt"
			}
			if row.OSSOutput != want || (want.ErrorInfo == "") != (tt.code == "") {
				t.Errorf("delivery %+v, want %+v", row.OSSOutput, want)
			}
			if want.URI == "" {
				return
			}
			info, err := os.Stat(filepath.Join(buckets, strings.TrimPrefix(want.URI, "oss://")))
			if err != nil || info.Size() != 30000 {
				t.Errorf("the object is %v (%v), want all 30000 bytes", info, err)
			}
		})
	}
	left, err := os.ReadDir(filepath.Join(buckets, ".uploads"))
	if err != nil || len(left) != 0 {
		t.Errorf("uploads %v are left (%v)", left, err)
	}
	invocation := r.call(t, "DescribeInvocations", "CommandType", "RunShellScript", "MaxResults", "1").invocations(t)[0]
	if got := invocation["OssOutputDelivery"]; got != "oss://bucket/prefix" {
		t.Errorf("the invocation shows the delivery %v", got)
	}
	// Both actions tell the same of a delivery, one that failed, one that came, and one that was not asked for.
	r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID).wantCode(t, 200, "")
	told := map[string]int{}
	for _, invocation := range r.call(t, "DescribeInvocations").invocations(t) {
		instance := invocation["InvokeInstances"].(map[string]any)["InvokeInstance"].([]any)[0].(map[string]any)
		result := r.call(t, list, "InvokeId", invocation["InvokeId"].(string)).rows(t)[0]
		for _, element := range []string{"OssOutputStatus", "OssOutputUri", "OssOutputErrorCode", "OssOutputErrorInfo"} {
			got, sent := instance[element]
			want, wanted := result[element]
			if got != want || sent != wanted {
				t.Errorf("%s is %v (%v) of an InvokeInstance, and %v (%v) of its InvocationResult", element, got, sent, want, wanted)
			}
			if sent {
				told[element]++
			}
		}
	}
	if want := map[string]int{"OssOutputStatus": 4, "OssOutputUri": 4, "OssOutputErrorCode": 2, "OssOutputErrorInfo": 2}; !maps.Equal(told, want) {
		t.Errorf("elements sent by DescribeInvocations: %v, want %v", told, want)
	}
}

// A command ends before its output is delivered, and no object is seen until then. Closing in between loses nothing.
func TestOSSDeliveryTakesTime(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	buckets := t.TempDir()
	options := emulator.Options{Clock: fake, OSSDir: buckets, OSSDelay: 10 * time.Second}
	b := newBench(t, options)
	r := b.raw(fake)
	first := r.deliver(t, "oss://bucket/prefix", "echo out", firstID)
	ended := b.status(first, firstID, emulator.StatusSuccess)
	if ended.OSSOutput != (emulator.OSSOutput{Delivery: "oss://bucket/prefix", Status: "InProgress"}) {
		t.Errorf("once the command has ended the delivery is %+v", ended.OSSOutput)
	}
	fake.Step(10*time.Second - 1)
	if got := b.e.Rows(first)[0].OSSOutput; got.Status != "InProgress" {
		t.Errorf("before its time the delivery is %+v", got)
	}
	if _, err := os.Stat(filepath.Join(buckets, "bucket")); !os.IsNotExist(err) {
		t.Errorf("before its time there is an object (%v)", err)
	}
	fake.Step(1)
	b.row(first, firstID, "delivered", func(r emulator.Row) bool { return r.OSSOutput.Status == "Finished" })

	second := r.deliver(t, "oss://bucket/prefix", "echo later", firstID)
	b.status(second, firstID, emulator.StatusSuccess)
	scheduled := r.deliver(t, "oss://bucket/prefix", "echo run", firstID, "Frequency", "rate(1m)")
	b.status(scheduled, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 2)
	fake.Step(time.Minute)
	b.row(second, firstID, "delivered", func(r emulator.Row) bool { return r.OSSOutput.Status == "Finished" })
	b.row(scheduled, firstID, "run once", func(r emulator.Row) bool { return r.Repeats == 1 })
	r.call(t, "StopInvocation", "InvokeId", scheduled).wantCode(t, 200, "")
	third := r.deliver(t, "oss://bucket/prefix", "echo last", firstID)
	b.status(third, firstID, emulator.StatusSuccess)
	var state bytes.Buffer
	must(t, b.e.SaveState(&state))
	must(t, b.e.Close())

	again := newBench(t, options)
	must(t, again.e.LoadState(&state))
	fake.Step(10 * time.Second)
	again.row(third, firstID, "delivered after a restart", func(r emulator.Row) bool { return r.OSSOutput.Status == "Finished" })
	run := again.row(scheduled, firstID, "delivered after a restart", func(r emulator.Row) bool { return r.OSSOutput.Status == "Finished" })
	if want := "oss://bucket/prefix/" + scheduled + "/" + firstID + "-1.txt"; run.OSSOutput.URI != want || run.InvocationStatus != emulator.StatusCancelled {
		t.Errorf("the schedule that was stopped is %+v, want the object %s of its only run", run, want)
	}
	history := again.raw(fake).call(t, list, "InvokeId", scheduled, "IncludeHistory", "true").rows(t)
	if len(history) != 1 || history[0]["OssOutputUri"] != run.OSSOutput.URI {
		t.Errorf("the history is %v", history)
	}
}

// What the machine has lost is not delivered.
func TestOSSDeliveryOfALostOutput(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	buckets := t.TempDir()
	b := newBench(t, emulator.Options{Clock: fake, OSSDir: buckets, OSSDelay: time.Second})
	invokeID := b.raw(fake).deliver(t, "oss://bucket/prefix", "echo out", firstID)
	b.status(invokeID, firstID, emulator.StatusSuccess)
	must(t, os.RemoveAll(filepath.Join(buckets, ".uploads")))
	fake.Step(time.Second)
	b.row(invokeID, firstID, "refused", func(r emulator.Row) bool {
		return r.OSSOutput.Status == "Failed" && r.OSSOutput.ErrorCode == "InternalError"
	})
}

// A disk that is full takes the delivery and nothing else: the script runs to its end and its output is shown.
func TestOSSDeliveryToAFullDisk(t *testing.T) {
	buckets := t.TempDir()
	b := newBench(t, emulator.Options{OSSDir: buckets})
	invokeID := b.raw(nil).deliver(t, "oss://bucket/prefix", "head -c 300000 /dev/zero; echo end", firstID,
		"RepeatMode", "NextRebootOnly", "Timeout", "10")
	b.status(invokeID, firstID, emulator.StatusScheduled)
	uploads := filepath.Join(buckets, ".uploads")
	must(t, os.Mkdir(uploads, 0o700))
	must(t, os.Symlink("/dev/full", filepath.Join(uploads, invokeID+"-"+firstID+"-1")))
	must(t, b.e.RebootInstance(firstID))
	row := b.row(invokeID, firstID, "ended", func(r emulator.Row) bool { return emulator.Terminal(r.InvocationStatus) })
	if row.InvocationStatus != emulator.StatusSuccess || !bytes.HasSuffix(row.Output, []byte("end\n")) {
		t.Errorf("the run ended as %s with %d bytes of output, want Success and all to its end", row.InvocationStatus, len(row.Output))
	}
	if row.OSSOutput.Status != "Failed" || row.OSSOutput.ErrorCode != "InternalError" || row.OSSOutput.URI != "" {
		t.Errorf("delivery %+v, want it to have failed", row.OSSOutput)
	}
	if left, err := os.ReadDir(uploads); err != nil || len(left) != 0 {
		t.Errorf("uploads %v are left (%v)", left, err)
	}
}
