package emulator_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// matrix is a bench for causes of statuses.
type matrix struct {
	*bench
	*raw
	clock   *clocktesting.FakeClock
	buckets string
}

// submit runs a script on the first instance.
func (m matrix) submit(script string, namesAndValues ...string) string {
	m.Helper()
	answer := m.call(m.T, "RunCommand", append([]string{"Type", "RunShellScript", "CommandContent", script, "InstanceId.1", firstID}, namesAndValues...)...)
	answer.wantCode(m.T, 200, "")
	return answer.object(m.T)["InvokeId"].(string)
}

func (m matrix) stopInvocation(invokeID string) {
	m.Helper()
	m.call(m.T, "StopInvocation", "InvokeId", invokeID).wantCode(m.T, 200, "")
}

// running runs a script that prints a line and does not end.
func (m matrix) running(namesAndValues ...string) string {
	m.Helper()
	invokeID := m.submit("echo begun; sleep 1000", namesAndValues...)
	m.row(invokeID, firstID, "printing", func(r emulator.Row) bool { return len(r.Output) > 0 })
	return invokeID
}

// stopping makes a run that is stopped and cannot end: its output waits for a bucket that takes no more of it. end lets
// the bucket take it.
func (m matrix) stopping() (invokeID string, end func()) {
	m.Helper()
	invokeID = m.submit("echo begun; head -c 1000000 /dev/zero", "RepeatMode", "NextRebootOnly", "OssOutputDelivery", "oss://bucket/prefix")
	m.status(invokeID, firstID, emulator.StatusScheduled)
	upload := filepath.Join(m.buckets, ".uploads", invokeID+"-"+firstID+"-1")
	must(m.T, os.MkdirAll(filepath.Dir(upload), 0o700))
	must(m.T, syscall.Mkfifo(upload, 0o600))
	bucket, err := os.OpenFile(upload, os.O_RDWR, 0)
	must(m.T, err)
	must(m.T, m.e.RebootInstance(firstID))
	m.row(invokeID, firstID, "held up", func(r emulator.Row) bool { return len(r.Output) > 30 })
	m.stopInvocation(invokeID)
	return invokeID, func() {
		m.Helper()
		must(m.T, bucket.Close())
		m.status(invokeID, firstID, emulator.StatusTerminated)
	}
}

// Each of the twelve statuses by a real cause, with what every column of the answer holds in it.
func TestStatusMatrix(t *testing.T) {
	const absent, set = "(absent)", "(set)"
	tests := []struct {
		status string
		// cause returns the invocation, and what ends it if it has not ended.
		cause func(matrix) (invokeID string, end func())
		// The columns; a time is set or "".
		exitCode              any
		errorCode             string
		start, finished, stop string
		repeats               float64
		output, recorded      string
	}{
		{
			status: emulator.StatusPending, exitCode: absent, recorded: "Running",
			cause: func(m matrix) (string, func()) {
				must(m.T, m.e.SetAgent(firstID, emulator.AgentOffline))
				return m.submit("true"), nil
			},
		},
		{
			status: emulator.StatusScheduled, exitCode: absent, recorded: "Running",
			cause: func(m matrix) (string, func()) { return m.submit("true", "Frequency", "rate(5m)"), nil },
		},
		{
			status: emulator.StatusRunning, exitCode: absent, start: set, output: "begun\n", recorded: "Running",
			cause: func(m matrix) (string, func()) { return m.running(), nil },
		},
		{
			status: emulator.StatusStopping, exitCode: absent, start: set, stop: set, output: set, recorded: "Stopping",
			cause: matrix.stopping,
		},
		{
			status: emulator.StatusSuccess, exitCode: 0.0, start: set, finished: set, repeats: 1, output: "begun\n", recorded: "Finished",
			cause: func(m matrix) (string, func()) { return m.submit("echo begun"), nil },
		},
		{
			status: emulator.StatusFailed, exitCode: 3.0, errorCode: "ExitCodeNonzero", start: set, finished: set, repeats: 1, output: "begun\n", recorded: "Finished",
			cause: func(m matrix) (string, func()) { return m.submit("echo begun; exit 3"), nil },
		},
		{
			status: emulator.StatusTimeout, exitCode: absent, errorCode: "ExecutionTimeout", start: set, finished: set, repeats: 1, output: "begun\n", recorded: "Failed",
			cause: func(m matrix) (string, func()) {
				invokeID := m.running("Timeout", "30")
				m.clock.Step(31 * time.Second)
				return invokeID, nil
			},
		},
		{
			status: emulator.StatusAborted, exitCode: absent, errorCode: "InstanceNotRunning", finished: set, recorded: "Failed",
			cause: func(m matrix) (string, func()) {
				must(m.T, m.e.SetInstanceStatus(firstID, emulator.InstanceStopped))
				return m.submit("true"), nil
			},
		},
		{
			status: emulator.StatusInvalid, exitCode: absent, errorCode: "InvalidCommandText", finished: set, recorded: "Failed",
			cause: func(m matrix) (string, func()) { return m.submit("AAECAw==", "ContentEncoding", "Base64"), nil },
		},
		{
			status: emulator.StatusCancelled, exitCode: absent, finished: set, stop: set, recorded: "Stopped",
			cause: func(m matrix) (string, func()) {
				must(m.T, m.e.SetAgent(firstID, emulator.AgentOffline))
				invokeID := m.submit("true")
				m.stopInvocation(invokeID)
				return invokeID, nil
			},
		},
		{
			status: emulator.StatusTerminated, exitCode: absent, errorCode: "ExecutionInterrupted", start: set, finished: set, stop: set, repeats: 1, output: "begun\n", recorded: "Stopped",
			cause: func(m matrix) (string, func()) {
				invokeID := m.running()
				m.stopInvocation(invokeID)
				return invokeID, nil
			},
		},
		{
			status: emulator.StatusError, exitCode: absent, errorCode: "InstanceRestarted", start: set, finished: set, repeats: 1, output: "begun\n", recorded: "Failed",
			cause: func(m matrix) (string, func()) {
				invokeID := m.running()
				must(m.T, m.e.RebootInstance(firstID))
				return invokeID, nil
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.status, func(t *testing.T) {
			fake, buckets := clocktesting.NewFakeClock(noon), t.TempDir()
			b := newBench(t, emulator.Options{Clock: fake, OSSDir: buckets})
			m := matrix{bench: b, raw: b.raw(fake), clock: fake, buckets: buckets}
			invokeID, end := tt.cause(m)
			m.status(invokeID, firstID, tt.status)
			row := m.call(t, list, "InvokeId", invokeID, "ContentEncoding", "PlainText").rows(t)[0]
			if _, present := row["ExitCode"]; !present {
				row["ExitCode"] = absent
			}
			want := map[string]any{
				"InvocationStatus": tt.status, "InvokeRecordStatus": tt.recorded, "ExitCode": tt.exitCode, "ErrorCode": tt.errorCode,
				"StartTime": tt.start, "FinishedTime": tt.finished, "StopTime": tt.stop, "Repeats": tt.repeats, "Output": tt.output,
			}
			for column, value := range want {
				got := row[column]
				if value == set && got != "" {
					got = set
				}
				if got != value {
					t.Errorf("%s is %v, want %v", column, got, value)
				}
			}
			if (row["ErrorInfo"] == "") != (tt.errorCode == "") {
				t.Errorf("ErrorInfo is %q with the ErrorCode %q", row["ErrorInfo"], tt.errorCode)
			}
			if tt.status == emulator.StatusTimeout && row["FinishedTime"] != "2026-11-23T12:00:30Z" {
				t.Errorf("FinishedTime is %v, want the start and the timeout", row["FinishedTime"])
			}
			if end != nil {
				end()
			}
		})
	}
}

// An agent that came before intervals and time zones runs plain cron expressions only.
func TestSchedulesNeedAnAgent(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake, Instances: []emulator.Instance{{ID: firstID, AgentVersion: "2.2.3.281"}}})
	r := b.raw(fake)
	for _, frequency := range []string{"rate(5m)", "at(2026-11-24 00:00:00)", "0 0 12 * * ? 2030", "0 0 9 * * ? Asia/Shanghai"} {
		wantEnd(t, b.status(r.schedule(t, "true", frequency), firstID, emulator.StatusAborted), "Aborted", "ClientNeedUpgrade", nil, false)
	}
	b.status(r.schedule(t, "true", "0 0 9 * * ?"), firstID, emulator.StatusScheduled)
}
