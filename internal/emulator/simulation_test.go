package emulator_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// A simulated run is delivered, takes its time, can be stopped and times out as one that is real, and nothing is
// executed.
func TestSimulatedRuns(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	trace := filepath.Join(t.TempDir(), "trace")
	b := newBench(t, emulator.Options{Clock: fake, ScratchDir: t.TempDir(), Simulations: []emulator.Simulation{
		{Content: "fail", Duration: 5 * time.Second, FailRate: 1, ExitCode: 7, Output: "oops\n"},
		{Content: "error", Duration: 5 * time.Second, FailRate: 1, Status: emulator.StatusError},
		{Content: "invalid", FailRate: 1, Status: emulator.StatusInvalid, ErrorCode: "InvalidCommandText", ErrorInfo: "told to"},
		{Content: "long", Duration: time.Hour, Output: "begun"},
		{Content: "touch", Duration: 5 * time.Second, Output: "head", OutputBytes: 30_000},
	}})
	r := b.raw(fake)
	start := func(content string) string {
		answer := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", content, "InstanceId.1", firstID)
		answer.wantCode(t, 200, "")
		return answer.object(t)["InvokeId"].(string)
	}
	touch := start("touch " + trace)
	failing, erring, invalid, long, stopped := start("fail"), start("error"), start("invalid"), start("long"), start("long")
	for _, id := range []string{touch, failing, erring, long, stopped} {
		if got := b.status(id, firstID, emulator.StatusRunning); got.ExitCode != nil {
			t.Errorf("a running row is %+v", got)
		}
	}
	wantEnd(t, b.status(invalid, firstID, emulator.StatusInvalid), "Invalid", "InvalidCommandText", nil, false)
	b.row(long, firstID, "printing", func(r emulator.Row) bool { return string(r.Output) == "begun" })
	r.call(t, "StopInvocation", "InvokeId", stopped).wantCode(t, 200, "")
	wantEnd(t, b.status(stopped, firstID, emulator.StatusTerminated), "Terminated", "ExecutionInterrupted", nil, true)

	fake.Step(5*time.Second - 1)
	if got := b.e.Rows(touch)[0].InvocationStatus; got != emulator.StatusRunning {
		t.Errorf("before its end the run is %s", got)
	}
	fake.Step(1)
	done := b.status(touch, firstID, emulator.StatusSuccess)
	wantEnd(t, done, "Success", "", pointer(int64(0)), true)
	if !strings.HasPrefix(string(done.Output), "headThe quick") || len(done.Output)+done.Dropped != 30_000 || done.Dropped == 0 {
		t.Errorf("%d bytes of output are kept and %d dropped", len(done.Output), done.Dropped)
	}
	if !done.FinishedTime.Equal(noon.Add(5 * time.Second)) {
		t.Errorf("the run ended at %v", done.FinishedTime)
	}
	wantEnd(t, b.status(failing, firstID, emulator.StatusFailed), "Failed", "ExitCodeNonzero", pointer(int64(7)), true)
	wantEnd(t, b.status(erring, firstID, emulator.StatusError), "Error", "ExecutionException", nil, true)
	fake.Step(time.Minute)
	wantEnd(t, b.status(long, firstID, emulator.StatusTimeout), "Timeout", "ExecutionTimeout", nil, true)
	if _, err := os.Stat(trace); !os.IsNotExist(err) {
		t.Errorf("the command was executed: %v", err)
	}
}

// What no simulation matches really runs, also beside one that does.
func TestSimulationBesideProcesses(t *testing.T) {
	b := newBench(t, emulator.Options{Simulations: []emulator.Simulation{{InstanceID: secondID, Output: "pretended"}}})
	id := b.run("echo real", nil, firstID, secondID)
	if got := b.status(id, firstID, emulator.StatusSuccess); string(got.Output) != "real\n" {
		t.Errorf("the process printed %q", got.Output)
	}
	if got := b.status(id, secondID, emulator.StatusSuccess); string(got.Output) != "pretended" {
		t.Errorf("the simulation printed %q", got.Output)
	}
}

// The output of a simulated run is delivered to its bucket as any other.
func TestSimulatedRunDeliversItsOutput(t *testing.T) {
	scratch := t.TempDir()
	b := newBench(t, emulator.Options{ScratchDir: scratch, Simulations: []emulator.Simulation{{OutputBytes: 100_000}}})
	answer := b.raw(nil).call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID,
		"OssOutputDelivery", "oss://bucket/logs")
	id := answer.object(t)["InvokeId"].(string)
	row := b.row(id, firstID, "delivered", func(r emulator.Row) bool { return r.OSSOutput.Status == "Finished" })
	found := 0
	err := filepath.WalkDir(scratch, func(path string, _ os.DirEntry, err error) error {
		if info, statErr := os.Stat(path); statErr == nil && strings.HasSuffix(path, id+"/"+firstID+".txt") {
			found = int(info.Size())
		}
		return err
	})
	if err != nil || found != 100_000 {
		t.Errorf("the object of %s has %d bytes, %v", row.OSSOutput.URI, found, err)
	}
}

// A leap of the clock over the end and the timeout of a run ends it as it would have ended.
func TestSimulatedRunUnderALeapOfTheClock(t *testing.T) {
	b := newBench(t, emulator.Options{Simulations: []emulator.Simulation{{Duration: 50 * time.Minute}}})
	ids := make([]string, 20)
	for n := range ids {
		ids[n] = b.run("true", func(r *ecs.RunCommandRequest) { r.Timeout = "3600" })
		b.status(ids[n], firstID, emulator.StatusRunning)
	}
	if err := b.e.Advance(2 * time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		b.status(id, firstID, emulator.StatusSuccess)
	}
}

// The same calls give the same runs, and another seed gives others.
func TestSimulationIsSeeded(t *testing.T) {
	ends := func(seed uint64) []string {
		b := newBench(t, emulator.Options{Simulations: []emulator.Simulation{{FailRate: 0.5, Seed: seed}}})
		var ends []string
		for range 20 {
			id := b.run("true", nil)
			row := b.row(id, firstID, "ended", func(r emulator.Row) bool { return emulator.Terminal(r.InvocationStatus) })
			ends = append(ends, row.InvocationStatus)
		}
		return ends
	}
	first := ends(1)
	if second := ends(1); !slices.Equal(first, second) {
		t.Errorf("with the same seed the runs ended as %v and %v", first, second)
	}
	if other := ends(2); slices.Equal(first, other) {
		t.Errorf("with two seeds the runs ended as %v", other)
	}
	if !slices.Contains(first, "Success") || !slices.Contains(first, "Failed") {
		t.Errorf("half of the runs should fail; they ended as %v", first)
	}
}

func TestSimulationIsChecked(t *testing.T) {
	for want, s := range map[string]emulator.Simulation{
		`pattern "["`:             {InstanceID: "["},
		`pattern "a["`:            {CommandName: "a["},
		"negative":                {Duration: -1},
		"no share":                {FailRate: 1.5},
		`status "Success"`:        {FailRate: 1, Status: "Success"},
		"Error has no exit code":  {FailRate: 1, Status: "Error", ExitCode: 1},
		"and none does":           {ExitCode: 1},
		"belongs to an errorCode": {FailRate: 1, ErrorInfo: "why"},
	} {
		e, err := emulator.New(emulator.Options{Simulations: []emulator.Simulation{s}})
		if err == nil {
			_ = e.Close()
			t.Errorf("%+v was accepted, want an error with %q", s, want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want %q in it", err, want)
		}
	}
}
