package emulator_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// stateOptions are those of an emulator that keeps its state in a file of the test.
func stateOptions(t *testing.T, fake *clocktesting.FakeClock) emulator.Options {
	t.Helper()
	return emulator.Options{
		Clock: fake, StateFile: filepath.Join(t.TempDir(), "state.json"), DeliveryTimeout: time.Hour,
	}
}

func (r *raw) submit(t *testing.T, namesAndValues ...string) string {
	t.Helper()
	answer := r.call(t, "RunCommand", append([]string{"Type", "RunShellScript", "Timeout", "86400"}, namesAndValues...)...)
	answer.wantCode(t, 200, "")
	invokeID, _ := answer.object(t)["InvokeId"].(string)
	return invokeID
}

// restart closes the emulator and goes on with another from its state file.
func (b *bench) restart(options emulator.Options) *bench {
	b.Helper()
	if err := b.e.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(options.StateFile)
	if err != nil {
		b.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		b.Errorf("the state file has mode %v, and it holds secrets", info.Mode())
	}
	return newBench(b.T, options)
}

func TestRestartKeepsWhatClientsHold(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	r := b.raw(fake)
	ended := r.submit(t, "CommandContent", "echo done; exit 3", "InstanceId.1", firstID, "Tag.1.Key", "k", "Tag.1.Value", "v", "ClientToken", "once")
	before := b.status(ended, firstID, emulator.StatusFailed)
	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{{InstanceID: "i-x", InvocationStatus: "Running"}}})
	created := r.call(t, "CreateCommand", "Name", "kept", "Type", "RunShellScript", "CommandContent", "ZWNobyBrZXB0")
	commandID, _ := created.object(t)["CommandId"].(string)
	session := r.call(t, "AssumeRole", "Version", "2015-04-01", "RoleArn", "acs:ram::"+emulator.DefaultAccountID+":role/r", "RoleSessionName", "me")
	given, _ := session.object(t)["Credentials"].(map[string]any)
	page := r.call(t, list, "MaxResults", "1").invocation(t)

	b = b.restart(options)
	r = b.raw(fake)
	if got := b.e.Rows(ended); !reflect.DeepEqual(got, []emulator.Row{before}) {
		t.Errorf("what had ended is %+v, want %+v", got, before)
	}
	if rows := r.call(t, list, "Tag.1.Key", "k", "Tag.1.Value", "v").rows(t); len(rows) != 1 || rows[0]["InvokeId"] != ended {
		t.Errorf("found by its tag are %v", rows)
	}
	if got := b.e.Rows("t-1"); len(got) != 1 || got[0].InvocationStatus != "Running" {
		t.Errorf("the scripted rows are %+v", got)
	}
	if got := r.submit(t, "CommandContent", "echo done; exit 3", "InstanceId.1", firstID, "Tag.1.Key", "k", "Tag.1.Value", "v", "ClientToken", "once"); got != ended {
		t.Errorf("the client token gave %s, want %s", got, ended)
	}
	next := r.call(t, list, "MaxResults", "1", "NextToken", page["NextToken"].(string)).rows(t)
	if len(next) != 1 || next[0]["InvokeId"] != ended {
		t.Errorf("the page after that before the restart is %v", next)
	}
	r.call(t, "InvokeCommand", "CommandId", commandID, "InstanceId.1", thirdID).wantCode(t, 200, "")
	role := *r
	role.keyID, role.secret, role.token = given["AccessKeyId"].(string), given["AccessKeySecret"].(string), given["SecurityToken"].(string)
	role.call(t, list).wantCode(t, 200, "")
	identity := role.call(t, "GetCallerIdentity", "Version", "2015-04-01").object(t)
	if identity["Arn"] != "acs:ram::"+emulator.DefaultAccountID+":assumed-role/r/me" {
		t.Errorf("with the credentials from before the restart the caller is %v", identity)
	}
}

func TestRestartOfRuns(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	r := b.raw(fake)
	if err := b.e.SetAgent(secondID, emulator.AgentSilent); err != nil {
		t.Fatal(err)
	}
	running := r.submit(t, "CommandContent", "echo begun; exec sleep 1000", "InstanceId.1", firstID)
	pending := r.submit(t, "CommandContent", "echo late", "InstanceId.1", secondID)
	b.row(running, firstID, "printing", func(r emulator.Row) bool { return string(r.Output) == "begun\n" })

	b = b.restart(options)
	if got := b.e.Rows(running)[0]; got.InvocationStatus != "Error" || got.ErrorCode != "ClientRestarted" ||
		string(got.Output) != "begun\n" || !got.FinishedTime.Equal(noon) || got.Repeats != 1 || got.ExitCode != nil {
		t.Errorf("what ran is %+v", got)
	}
	if got := b.e.Rows(pending)[0]; got.InvocationStatus != "Pending" {
		t.Errorf("what was pending is %+v", got)
	}
	if err := b.e.SetAgent(secondID, emulator.AgentOnline); err != nil {
		t.Fatal(err)
	}
	if got := b.status(pending, secondID, "Success"); string(got.Output) != "late\n" {
		t.Errorf("delivered after the restart it is %+v", got)
	}
}

func TestRestartOfSchedules(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	r := b.raw(fake)
	scheduled := r.schedule(t, "echo run", "rate(5m)")
	interrupted := r.schedule(t, "echo run; exec sleep 1000", "rate(5m)", "Timeout", "86400")
	b.status(scheduled, firstID, emulator.StatusScheduled)
	b.status(interrupted, firstID, emulator.StatusScheduled)
	fake.Step(5 * time.Minute)
	b.status(interrupted, firstID, emulator.StatusRunning)
	ranOnce := func(r emulator.Row) bool { return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == 1 }
	b.row(scheduled, firstID, "scheduled again", ranOnce)

	// Down from 12:05 to 12:12: the runs at 12:10 are missed, the schedules go on from 12:12.
	if err := b.e.Close(); err != nil {
		t.Fatal(err)
	}
	fake.Step(7 * time.Minute)
	b = newBench(t, options)
	r = b.raw(fake)
	for _, id := range []string{scheduled, interrupted} {
		b.row(id, firstID, "scheduled again", ranOnce)
	}
	history := func(invokeID string) []map[string]any {
		t.Helper()
		return r.call(t, list, "InvokeId", invokeID, "IncludeHistory", "true").rows(t)
	}
	if rows := history(interrupted); len(rows) != 1 || rows[0]["ErrorCode"] != "ClientRestarted" || rows[0]["Repeats"] != 1.0 {
		t.Errorf("the history of the interrupted schedule is %v", rows)
	}
	// Both schedules, and the state file.
	waitForWaiters(t, fake, 3)
	fake.Step(5 * time.Minute)
	b.row(scheduled, firstID, "run a second time", func(r emulator.Row) bool { return r.Repeats == 2 })
	if rows := history(scheduled); len(rows) != 2 || rows[0]["StartTime"] != "2026-11-23T12:17:00Z" {
		t.Errorf("the history of the schedule is %v", rows)
	}
}

// A schedule that goes on keeps its phase: a restart between two runs does not put the next one off.
func TestRestartKeepsThePhaseOfASchedule(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	scheduled := b.raw(fake).schedule(t, "echo run", "rate(5m)")
	b.status(scheduled, firstID, emulator.StatusScheduled)
	if err := b.e.Close(); err != nil {
		t.Fatal(err)
	}
	fake.Step(4 * time.Minute)
	b = newBench(t, options)
	b.status(scheduled, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 2)
	fake.Step(time.Minute)
	if got := b.row(scheduled, firstID, "run", func(r emulator.Row) bool { return r.Repeats == 1 }); !got.StartTime.Equal(noon.Add(5 * time.Minute)) {
		t.Errorf("the first run began at %v", got.StartTime)
	}
}

// A stop that was asked for is done when the emulator comes back.
func TestRestartWhileStopping(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	first := newBench(t, emulator.Options{Clock: fake})
	r := first.raw(fake)
	scheduled := r.schedule(t, "true", "rate(5m)")
	once := r.submit(t, "CommandContent", "exec sleep 1000", "InstanceId.1", secondID)
	first.status(scheduled, firstID, "Scheduled")
	first.status(once, secondID, "Running")
	for id, instance := range map[string]string{scheduled: firstID, once: secondID} {
		if err := first.e.UpdateRow(id, instance, func(r *emulator.Row) { r.InvocationStatus = emulator.StatusStopping }); err != nil {
			t.Fatal(err)
		}
	}
	var state bytes.Buffer
	if err := first.e.SaveState(&state); err != nil {
		t.Fatal(err)
	}
	second := newBench(t, emulator.Options{Clock: fake})
	if err := second.e.LoadState(&state); err != nil {
		t.Fatal(err)
	}
	for id, instance := range map[string]string{scheduled: firstID, once: secondID} {
		if got := second.status(id, instance, emulator.StatusTerminated); got.ErrorCode != "ExecutionInterrupted" {
			t.Errorf("the row is %+v", got)
		}
	}
	if err := second.e.LoadState(strings.NewReader(state.String())); err == nil {
		t.Error("a state was loaded over another")
	}
}

// What changed is in the file a second later, so that a kill loses no more; what is only read is not written again.
func TestStateFileFollowsChanges(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	saved := func(want string) {
		t.Helper()
		waitForWaiters(t, fake, 1)
		fake.Step(time.Second)
		deadline := time.NewTimer(patience)
		defer deadline.Stop()
		look := time.NewTicker(2 * time.Millisecond)
		defer look.Stop()
		for {
			if text, err := os.ReadFile(options.StateFile); err == nil && strings.Contains(string(text), want) {
				return
			}
			select {
			case <-look.C:
			case <-deadline.C:
				t.Fatalf("the state file never held %s", want)
			}
		}
	}
	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{{InstanceID: "i-1"}}})
	saved(`"t-1"`)
	if err := b.e.OverrideStatus("t-1", "i-1", "Strange"); err != nil {
		t.Fatal(err)
	}
	saved(`"Strange"`)
	if err := b.e.Advance(42); err != nil {
		t.Fatal(err)
	}
	saved(`"ClockAhead":42,`)
	b.raw(fake).call(t, "AssumeRole", "Version", "2015-04-01", "RoleArn", "acs:ram::"+emulator.DefaultAccountID+":role/r", "RoleSessionName", "me")
	saved(`assumed-role/r/me`)

	// The emulator that goes on from the file does not know that the first one lives.
	text, err := os.ReadFile(options.StateFile)
	if err != nil {
		t.Fatal(err)
	}
	second := newBench(t, emulator.Options{Clock: fake})
	if err := second.e.LoadState(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if rows := second.raw(fake).call(t, list).rows(t); len(rows) != 1 || rows[0]["InvocationStatus"] != "Strange" {
		t.Errorf("loaded, the rows are %v", rows)
	}
	b.raw(fake).call(t, list)
	b.e.Rows("t-1")
	if fake.HasWaiters() {
		t.Error("reading made the state be written again")
	}
	left, err := filepath.Glob(options.StateFile + "*")
	if err != nil || len(left) != 1 {
		t.Errorf("beside the state file there are %v, %v", left, err)
	}
}

func TestStateFileErrors(t *testing.T) {
	const head = `{"Version":1,"PageTokenKey":"a2V5","Commands":[],"Count":1}` + "\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "damaged"},
		{"no JSON", "hello", "no state of an emulator"},
		{"another JSON", "{}", "no state of an emulator"},
		{"unknown field", `{"Version":1,"Colour":"red"}`, `unknown field "Colour"`},
		{"newer", `{"Version":2,"Count":0}`, "version 2"},
		{"newer with new fields", `{"Version":2,"Colour":"red"}`, "version 2"},
		{"cut", head, "damaged at invocation 1 of 1"},
		{"no command", head + `{"ID":"t-1","Command":0}`, `invocation "t-1" has no command`},
		{"a clock that goes back", `{"Version":1,"ClockAhead":-1}`, "go back"},
		{"no status", `{"Version":1,"Instances":[{"ID":"i-1"}]}`, "instance i-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			e, err := emulator.New(emulator.Options{StateFile: file})
			if err == nil {
				_ = e.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q and the file", err, tt.want)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != tt.text {
				t.Errorf("the file is %q, %v; want it untouched", text, err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := emulator.New(emulator.Options{StateFile: filepath.Join(missing, "state.json")}); err == nil || !strings.Contains(err.Error(), "check its directory") {
		t.Errorf("beginning without a directory for the state gave %v", err)
	}
	must(t, os.Mkdir(missing, 0o700))
	e, err := emulator.New(emulator.Options{StateFile: filepath.Join(missing, "state.json")})
	must(t, err)
	must(t, os.RemoveAll(missing))
	if err := e.Close(); err == nil || !strings.Contains(err.Error(), "check its directory") {
		t.Errorf("closing without a directory for the state gave %v", err)
	}
	if _, err := emulator.New(emulator.Options{StateFile: t.TempDir()}); err == nil {
		t.Error("a directory was taken for a state file")
	}
}

// What was released stays so, though the options name it; one that is added again under its ID stays too.
func TestRestartKeepsReleasedInstancesAway(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	must(t, b.e.RemoveInstance(secondID))
	must(t, b.e.RemoveInstance(thirdID))
	for range 2 {
		b = b.restart(options)
		if err := b.e.SetAgent(secondID, emulator.AgentOffline); err == nil {
			t.Error("the released instance is back")
		}
	}
	must(t, b.e.AddInstance(emulator.Instance{ID: thirdID, Name: "another"}))
	b = b.restart(options)
	must(t, b.e.SetAgent(thirdID, emulator.AgentOffline))
	must(t, b.e.AddInstance(emulator.Instance{ID: secondID}))
}
