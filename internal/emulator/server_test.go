package emulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// The service goes away and comes back on the same port; commands go on, and nothing is forgotten.
func TestStopAndStartAgain(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	invokeID := b.run("until [ -e go ]; do sleep 0.01; done; echo done", nil)
	b.status(invokeID, firstID, emulator.StatusRunning)
	address := strings.TrimPrefix(b.url, "http://")
	if _, err := b.e.Start(address); err == nil {
		t.Error("started twice")
	}
	if err := b.e.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.try(t.Context(), t); err == nil {
		t.Error("a call was answered during the outage")
	}
	if got := b.e.Rows(invokeID)[0].InvocationStatus; got != emulator.StatusRunning {
		t.Errorf("during the outage the command is %s", got)
	}
	url, err := b.e.Start(address)
	if err != nil || url != b.url {
		t.Fatalf("started again at %s (%v), want %s", url, err, b.url)
	}
	touch := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "touch go", "InstanceId.1", firstID)
	touch.wantCode(t, 200, "")
	b.status(invokeID, firstID, emulator.StatusSuccess)
	rows := r.call(t, list, "InvokeId", invokeID, "ContentEncoding", "PlainText").rows(t)
	if len(rows) != 1 || rows[0]["Output"] != "done\n" {
		t.Errorf("after the outage the rows are %v", rows)
	}
}

// Close leaves no process, not even one that left its group, and no file; TestMain sees to goroutines.
func TestCloseLeavesNothing(t *testing.T) {
	marks := t.TempDir()
	b := newBench(t, emulator.Options{})
	mark := func(name string) string { return filepath.Join(marks, name) }
	script := "echo $PWD > " + mark("home") + "; setsid sh -c 'echo $$ > " + mark("daemon") + "; sleep 1000' &" +
		"until [ -s " + mark("daemon") + " ]; do sleep 0.01; done; exit 0"
	invokeID := b.run(script, nil)
	b.status(invokeID, firstID, emulator.StatusSuccess)
	running := b.run("echo $$ > "+mark("shell")+"; sleep 1000", nil)
	eventually(t, "the shell to start", func() bool {
		data, err := os.ReadFile(mark("shell"))
		return err == nil && strings.HasSuffix(string(data), "\n")
	})
	daemon, shell := readPID(t, mark("daemon")), readPID(t, mark("shell"))
	if !alive(daemon) || !alive(shell) {
		t.Fatal("the processes to be ended are not there")
	}
	if err := b.e.Close(); err != nil {
		t.Fatal(err)
	}
	if alive(shell) {
		t.Error("the shell of a running command is alive")
	}
	eventually(t, "the daemon to end", func() bool { return !alive(daemon) })
	home, err := os.ReadFile(mark("home"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(strings.TrimSpace(string(home))); !os.IsNotExist(err) {
		t.Errorf("the scratch directory is left: %v", err)
	}
	if got := b.e.Rows(running)[0].InvocationStatus; got != emulator.StatusRunning {
		t.Errorf("the row of a command that Close cut off is %s, want it as it was", got)
	}
	if _, err := b.e.Start("127.0.0.1:0"); err == nil {
		t.Error("a closed emulator was started")
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, digit := range strings.TrimSpace(string(data)) {
		pid = pid*10 + int(digit-'0')
	}
	return pid
}

func TestStartRefusesToBeExposed(t *testing.T) {
	e, err := emulator.New(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "nonsense", "127.0.0.1"} {
		if url, err := e.Start(address); err == nil {
			t.Errorf("%q was accepted: %s", address, url)
		}
	}
	url, err := e.Start("localhost:0")
	if err != nil || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("localhost is served at %q (%v)", url, err)
	}
	remote, err := emulator.New(emulator.Options{AllowRemote: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = remote.Close() }()
	if _, err := remote.Start("0.0.0.0:0"); err != nil {
		t.Errorf("allowed, it still is refused: %v", err)
	}
}

func TestNewRefusesInstances(t *testing.T) {
	for name, instances := range map[string][]emulator.Instance{
		"no ID":          {{}},
		"an ID twice":    {{ID: "i-1"}, {ID: "i-1"}},
		"no such region": {{ID: "i-1", RegionID: "mars-1"}},
	} {
		if e, err := emulator.New(emulator.Options{Instances: instances}); err == nil {
			t.Errorf("%s: accepted", name)
			_ = e.Close()
		}
	}
}

func TestCallsAreRemembered(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	r.call(t, list, "InvokeId", "t-1")
	r.call(t, list, "InvokeId", "t-1", "RegionId", "mars-1")
	r.call(t, list)
	r.call(t, "DescribeRegions")
	calls := b.e.Calls()
	if got := calls[emulator.CallKey{Action: list, InvokeID: "t-1"}]; got != 2 {
		t.Errorf("%d calls for t-1, want 2, the refused one included", got)
	}
	if calls.Total(list) != 3 || calls.Total("DescribeRegions") != 1 || calls.Total("RunCommand") != 0 {
		t.Errorf("calls %v", calls)
	}
	b.e.ResetCalls()
	if got := b.e.Calls(); len(got) != 0 {
		t.Errorf("after the reset %v", got)
	}
}

// Many clients at once; the race detector is the judge, and no call may fail.
func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, emulator.Options{})
	for n := range 8 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			here, r := &bench{T: t, e: b.e}, b.raw(nil)
			for range 5 {
				answer := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "echo x; exit 2",
					"InstanceId.1", firstID, "InstanceId.2", secondID)
				invokeID, _ := answer.object(t)["InvokeId"].(string)
				if rows := r.call(t, list, "InvokeId", invokeID).rows(t); len(rows) != 2 {
					t.Errorf("%d rows, want 2", len(rows))
				}
				r.call(t, "StopInvocation", "InvokeId", invokeID, "InstanceId.1", firstID).wantCode(t, 200, "")
				r.call(t, "DescribeInvocations", "MaxResults", "50").wantCode(t, 200, "")
				here.status(invokeID, secondID, emulator.StatusFailed)
			}
		})
	}
}

// What is submitted while the emulator closes must not start.
func TestSubmitAfterClose(t *testing.T) {
	b := newBench(t, emulator.Options{})
	if err := b.e.Close(); err != nil {
		t.Fatal(err)
	}
	r := b.raw(nil)
	parameters := r.sign(http.MethodGet, r.rpc("RunCommand", pairs("Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID)))
	recorder := httptest.NewRecorder()
	b.e.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+parameters.Encode(), nil))
	if recorder.Code != 500 || !strings.Contains(recorder.Body.String(), `"ServiceUnavailable"`) {
		t.Errorf("answer %d %s", recorder.Code, recorder.Body)
	}
}
