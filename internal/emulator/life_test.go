package emulator_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// wantEnd checks a row against the status and field matrix: which fields a row of this status carries.
func wantEnd(t *testing.T, got emulator.Row, status, code string, exitCode *int64, started bool) {
	t.Helper()
	if got.InvocationStatus != status || got.ErrorCode != code || (got.ErrorInfo == "") != (code == "") {
		t.Errorf("status %s, error %q (%q); want %s, %q", got.InvocationStatus, got.ErrorCode, got.ErrorInfo, status, code)
	}
	switch {
	case exitCode == nil && got.ExitCode != nil:
		t.Errorf("exit code %d, want none", *got.ExitCode)
	case exitCode != nil && (got.ExitCode == nil || *got.ExitCode != *exitCode):
		t.Errorf("exit code %v, want %d", got.ExitCode, *exitCode)
	}
	if started == got.StartTime.IsZero() || got.FinishedTime.IsZero() {
		t.Errorf("StartTime %v, FinishedTime %v; want the first: %v, the second: always", got.StartTime, got.FinishedTime, started)
	}
	if want := map[bool]int{true: 1, false: 0}[started]; got.Repeats != want {
		t.Errorf("Repeats %d, want %d", got.Repeats, want)
	}
}

// The ends that a command comes to by itself, or before it starts.
func TestEnds(t *testing.T) {
	type change = func(*ecs.RunCommandRequest)
	enable := func(r *ecs.RunCommandRequest) { r.EnableParameter = "true" }
	tests := []struct {
		name, script string
		change       change
		status, code string
		exitCode     *int64
		started      bool
		output       string
	}{
		{name: "Success", script: "echo hi", status: "Success", exitCode: pointer(int64(0)), started: true, output: "hi\n"},
		{name: "Failed", script: "echo hi; exit 3", status: "Failed", code: "ExitCodeNonzero", exitCode: pointer(int64(3)), started: true, output: "hi\n"},
		{name: "Failed by a signal", script: "kill -15 $$", status: "Failed", code: "ExitCodeNonzero", exitCode: pointer(int64(143)), started: true},
		{
			name: "Invalid: a type for another system", script: "dir", change: func(r *ecs.RunCommandRequest) { r.Type = "RunBatScript" },
			status: "Invalid", code: "CommandNotApplicable",
		},
		{
			name: "Invalid: no such account", script: "id", change: func(r *ecs.RunCommandRequest) { r.Username = "nobody-here" },
			status: "Invalid", code: "AccountNotExists",
		},
		{
			name: "Invalid: no such working directory", script: "pwd", change: func(r *ecs.RunCommandRequest) { r.WorkingDir = "/no/such" },
			status: "Invalid", code: "DirectoryNotExists",
		},
		{
			name: "Invalid: no such built-in parameter", script: "echo {{ACS::Mars}}", change: enable,
			status: "Invalid", code: "InvalidSystemBuiltInParameter",
		},
		{
			name: "Error: no such interpreter", script: "#!/no/such/interpreter\n", status: "Error", code: "ExecutionException", started: true,
		},
		{
			name: "a working directory of the instance, and no way out of it", script: "basename $PWD",
			change: func(r *ecs.RunCommandRequest) { r.WorkingDir = "/../../tmp" },
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "tmp\n",
		},
		{
			name: "another user of the instance", script: "echo $USER", change: func(r *ecs.RunCommandRequest) { r.Username = "deploy" },
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "deploy\n",
		},
		{
			name: "built-in parameters", script: "echo {{ACS::InstanceId}} {{ ACS::InstanceName }} {{ACS::RegionId}} {{ACS::AccountId}}", change: enable,
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "i-users users cn-hangzhou 1234567890123456\n",
		},
		{
			name: "no placeholders without EnableParameter", script: "echo {{ACS::InstanceId}}",
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "{{ACS::InstanceId}}\n",
		},
		{
			name: "launcher", script: "echo launched $1 $0", change: func(r *ecs.RunCommandRequest) {
				r.Launcher = `sh -c '. "$1"' named {{ACS::ScriptFileName|Ext(".py")}}`
			},
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "launched",
		},
		{
			name: "Base64 content", script: "ZWNobyBiNjQ=", change: func(r *ecs.RunCommandRequest) { r.ContentEncoding = "Base64" },
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "b64\n",
		},
		{
			name: "an unknown encoding is PlainText", script: "echo plain", change: func(r *ecs.RunCommandRequest) { r.ContentEncoding = "Base32" },
			status: "Success", exitCode: pointer(int64(0)), started: true, output: "plain\n",
		},
		{
			name: "minimal environment", script: "env | cut -d= -f1 | sort | tr '\\n' ' '",
			status: "Success", exitCode: pointer(int64(0)), started: true,
			output: "ECS_EMULATOR_RUN HOME LANG LOGNAME PATH PWD SHELL TMPDIR USER ",
		},
	}
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "leaked")
	b := newBench(t, emulator.Options{Instances: []emulator.Instance{{ID: "i-users", Name: "users", Users: []string{"deploy"}}}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			here := &bench{T: t, e: b.e, sdk: b.sdk}
			invokeID := here.run(tt.script, tt.change, "i-users")
			row := here.status(invokeID, "i-users", tt.status)
			wantEnd(t, row, tt.status, tt.code, tt.exitCode, tt.started)
			if got := string(row.Output); tt.name == "launcher" && !strings.HasPrefix(got, tt.output) || tt.name != "launcher" && !strings.HasSuffix(got, tt.output) {
				t.Errorf("output %q, want %q", got, tt.output)
			}
		})
	}
}

// A command that outlives its timeout is killed with its children, and keeps what it had printed.
func TestTimeoutKillsTheProcessTree(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	b := newBench(t, emulator.Options{Clock: fake})
	invokeID := b.run("sleep 1000 & echo $!; echo started; wait", func(r *ecs.RunCommandRequest) {
		r.Timeout, r.TerminationMode = requests.NewInteger(30), "ProcessTree"
	})
	running := b.row(invokeID, firstID, "printing", func(r emulator.Row) bool { return strings.Contains(string(r.Output), "started") })
	if running.InvocationStatus != emulator.StatusRunning || running.ExitCode != nil || !running.FinishedTime.IsZero() || running.Repeats != 0 {
		t.Errorf("a running row is %+v", running)
	}
	child, err := strconv.Atoi(strings.Fields(string(running.Output))[0])
	if err != nil {
		t.Fatal(err)
	}
	fake.Step(30*time.Second - 1)
	if got := b.e.Rows(invokeID)[0].InvocationStatus; got != emulator.StatusRunning {
		t.Errorf("status %s before the timeout, want Running", got)
	}
	fake.Step(time.Minute)
	row := b.status(invokeID, firstID, emulator.StatusTimeout)
	wantEnd(t, row, "Timeout", "ExecutionTimeout", nil, true)
	if !row.FinishedTime.Equal(row.StartTime.Add(30 * time.Second)) {
		t.Errorf("FinishedTime %v, want StartTime %v and 30 seconds", row.FinishedTime, row.StartTime)
	}
	if !strings.Contains(string(row.Output), "started") {
		t.Errorf("output %q lost what was printed before", row.Output)
	}
	if alive(child) {
		t.Errorf("the child %d is alive", child)
	}
	if got := b.results(invokeID)[0].InvokeRecordStatus; got != emulator.RecordFailed {
		t.Errorf("InvokeRecordStatus %s, want Failed", got)
	}
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestStopInvocation(t *testing.T) {
	b := newBench(t, emulator.Options{})
	if err := b.e.SetAgent(secondID, emulator.AgentOffline); err != nil {
		t.Fatal(err)
	}
	script := "if [ {{ACS::InstanceId}} = " + thirdID + " ]; then exit 0; fi; echo started; sleep 1000"
	invokeID := b.run(script, func(r *ecs.RunCommandRequest) { r.EnableParameter = "true" }, firstID, secondID, thirdID)
	b.row(invokeID, firstID, "printing", func(r emulator.Row) bool { return len(r.Output) > 0 })
	finished := b.status(invokeID, thirdID, emulator.StatusSuccess)

	request := ecs.CreateStopInvocationRequest()
	request.InvokeId = invokeID
	if _, err := b.sdk.StopInvocation(request); err != nil {
		t.Fatal(err)
	}
	terminated := b.status(invokeID, firstID, emulator.StatusTerminated)
	wantEnd(t, terminated, "Terminated", "ExecutionInterrupted", nil, true)
	if string(terminated.Output) != "started\n" || terminated.StopTime.IsZero() {
		t.Errorf("a terminated row is %+v", terminated)
	}
	cancelled := b.status(invokeID, secondID, emulator.StatusCancelled)
	wantEnd(t, cancelled, "Cancelled", "", nil, false)
	if cancelled.StopTime.IsZero() {
		t.Error("a cancelled row has no StopTime")
	}
	if after := b.status(invokeID, thirdID, emulator.StatusSuccess); !after.StopTime.IsZero() || after.FinishedTime != finished.FinishedTime {
		t.Errorf("a row that had ended changed: %+v", after)
	}
	if got := b.results(invokeID)[0].InvokeRecordStatus; got != emulator.RecordFinished {
		t.Errorf("InvokeRecordStatus %s, want Finished: some were stopped and the rest is done", got)
	}
	// Whoever comes online later must not start what was cancelled.
	if err := b.e.SetAgent(secondID, emulator.AgentOnline); err != nil {
		t.Fatal(err)
	}
	if got := b.e.Rows(invokeID)[1].InvocationStatus; got != emulator.StatusCancelled {
		t.Errorf("status %s after the agent came back, want Cancelled", got)
	}
}

func TestStopInvocationOnSomeInstances(t *testing.T) {
	b := newBench(t, emulator.Options{})
	invokeID := b.run("sleep 1000", nil, firstID, secondID)
	b.status(invokeID, firstID, emulator.StatusRunning)
	b.status(invokeID, secondID, emulator.StatusRunning)
	r := b.raw(nil)
	r.call(t, "StopInvocation", "InvokeId", invokeID, "InstanceId.1", secondID).wantCode(t, 200, "")
	b.status(invokeID, secondID, emulator.StatusTerminated)
	if got := b.status(invokeID, firstID, emulator.StatusRunning); !got.StopTime.IsZero() {
		t.Errorf("the other instance is %+v", got)
	}
	r.call(t, "StopInvocation").wantCode(t, 400, "MissingParameter.InvokeId")
	r.call(t, "StopInvocation", "InvokeId", "t-0").wantCode(t, 404, "InvalidInvokeId.NotFound")
	r.call(t, "StopInvocation", "InvokeId", invokeID, "InstanceId.1", thirdID).wantCode(t, 403, "InvalidInstance.NotMatch")
	r.call(t, "StopInvocation", "InvokeId", invokeID, "RegionId", "cn-beijing").wantCode(t, 404, "InvalidInvokeId.NotFound")
}

// The states of an instance and its agent decide whether a command is delivered, and when it is given up.
func TestDelivery(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	b := newBench(t, emulator.Options{Clock: fake})
	set := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	set(b.e.SetInstanceStatus(firstID, emulator.InstanceStopped))
	set(b.e.SetAgent(secondID, emulator.AgentOffline))
	set(b.e.SetAgent(thirdID, emulator.AgentSilent))
	invokeID := b.run("true", nil, firstID, secondID, thirdID)
	wantEnd(t, b.status(invokeID, firstID, emulator.StatusAborted), "Aborted", "InstanceNotRunning", nil, false)

	pending := b.run("true", nil, secondID)
	waitForWaiters(t, fake, 3)
	fake.Step(time.Minute - 1)
	set(b.e.SetAgent(secondID, emulator.AgentOffline))
	if got := b.e.Rows(pending)[0]; got.InvocationStatus != emulator.StatusPending || !got.FinishedTime.IsZero() || got.Repeats != 0 {
		t.Errorf("a pending row is %+v", got)
	}
	fake.Step(1)
	wantEnd(t, b.status(invokeID, secondID, emulator.StatusAborted), "Aborted", "ClientNotOnline", nil, false)
	wantEnd(t, b.status(invokeID, thirdID, emulator.StatusAborted), "Aborted", "DeliveryTimeout", nil, false)

	late := b.run("echo late", nil, secondID)
	waitForWaiters(t, fake, 1)
	set(b.e.SetAgent(secondID, emulator.AgentOnline))
	if got := b.status(late, secondID, emulator.StatusSuccess); string(got.Output) != "late\n" {
		t.Errorf("delivered late, it printed %q", got.Output)
	}

	interrupted := b.run("sleep 1000", nil, secondID)
	b.status(interrupted, secondID, emulator.StatusRunning)
	set(b.e.SetInstanceStatus(secondID, emulator.InstanceStopped))
	wantEnd(t, b.status(interrupted, secondID, emulator.StatusError), "Error", "ExecutionInterrupted", nil, true)
	set(b.e.SetInstanceStatus(secondID, emulator.InstanceRunning))
	restarted := b.run("sleep 1000", nil, secondID)
	waitForWaiters(t, fake, 1)
	b.status(restarted, secondID, emulator.StatusRunning)
	set(b.e.SetInstanceStatus(secondID, emulator.InstanceStopped))
	set(b.e.SetInstanceStatus(secondID, emulator.InstanceRunning))
	wantEnd(t, b.status(restarted, secondID, emulator.StatusError), "Error", "ExecutionInterrupted", nil, true)
	if err := b.e.SetAgent("i-nobody", emulator.AgentOnline); err == nil {
		t.Error("an instance that does not exist could be changed")
	}
}

// waitForWaiters waits until so many timers of the fake clock are set.
func waitForWaiters(t *testing.T, fake *clocktesting.FakeClock, count int) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for fake.Waiters() < count {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("%d timers are set, want %d", fake.Waiters(), count)
		}
	}
}

func TestOutputIsCutInTheMiddle(t *testing.T) {
	b := newBench(t, emulator.Options{})
	invokeID := b.run("echo first; head -c 30000 /dev/zero | tr '\\0' x; echo last", nil)
	b.status(invokeID, firstID, emulator.StatusSuccess)
	row := b.results(invokeID)[0]
	output := decode(t, row.Output)
	if len(output) != 24*1024 || row.Dropped != 30000+len("first\nlast\n")-24*1024 {
		t.Errorf("%d bytes kept and %d dropped", len(output), row.Dropped)
	}
	if !strings.HasPrefix(output, "first\nxx") || !strings.HasSuffix(output, "xxlast\n") {
		t.Error("head and tail are not what was printed first and last")
	}
}
