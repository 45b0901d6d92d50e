package process

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSpec(t *testing.T, script string) (Spec, *Output) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	output := &Output{}
	spec := Spec{
		Script: file, Dir: dir, Output: output, Run: "test" + dir,
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "PWD=" + dir},
	}
	t.Cleanup(func() { KillMarked(spec.Run) })
	return spec, output
}

func TestRun(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "leaked")
	tests := []struct {
		name, script, launcher string
		wantExit               int
		wantOutput             string
	}{
		{name: "exit code zero", script: "echo hello", wantOutput: "hello\n"},
		{name: "another exit code", script: "exit 3", wantExit: 3},
		{name: "output and error merged in order", script: "echo a; echo b >&2; echo c", wantOutput: "a\nb\nc\n"},
		{name: "output without newline", script: "printf x", wantOutput: "x"},
		{name: "bytes that are no text", script: `printf '\377\000\200'`, wantOutput: "\xff\x00\x80"},
		{name: "ended by a signal", script: "kill -9 $$", wantExit: 137},
		{name: "the emulator's environment does not leak", script: "echo $ALIBABA_CLOUD_ACCESS_KEY_SECRET", wantOutput: "\n"},
		{name: "interpreter line", script: "#!/bin/cat\n", wantOutput: "#!/bin/cat\n"},
		{name: "interpreter line with argument", script: "#!/bin/sh -e\nfalse\necho unreached", wantExit: 1},
		{name: "launcher", script: "x", launcher: "cat ./script; exit 4", wantExit: 4, wantOutput: "x"},
		{name: "no such command", script: "exec /nonexistent 2>/dev/null", wantExit: 127},
		{name: "a child in the background does not hold the run", script: "echo a; sleep 1000 & exit 0", wantOutput: "a\n"},
		{name: "nor does one that left the group", script: "setsid sleep 1000 & echo b; exit 0", wantOutput: "b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec, output := newSpec(t, tt.script)
			spec.Launcher = tt.launcher
			exit, err := Run(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			got, dropped := output.Snapshot()
			if exit != tt.wantExit || string(got) != tt.wantOutput || dropped != 0 {
				t.Errorf("exit %d, output %q, dropped %d; want exit %d, output %q", exit, got, dropped, tt.wantExit, tt.wantOutput)
			}
		})
	}
}

func TestRunReportsWhatCannotStart(t *testing.T) {
	spec, _ := newSpec(t, "#!/nonexistent/interpreter\n")
	if _, err := Run(t.Context(), spec); err == nil || errors.Is(err, ErrKilled) {
		t.Errorf("a missing interpreter gave %v", err)
	}
	spec.Script += ".missing"
	if _, err := Run(t.Context(), spec); err == nil || errors.Is(err, ErrKilled) {
		t.Errorf("a missing script gave %v", err)
	}
}

// The script starts a child in its group and one outside it, tells both IDs, and waits. Ending the context
// must end all three, and keep what was printed.
func TestRunKillsTheWholeTree(t *testing.T) {
	spec, output := newSpec(t, `sleep 1000 & echo $!; setsid sh -c 'echo $$; sleep 1000' & wait`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan struct{}, 2)
	spec.Output = writerFunc(func(p []byte) {
		_, _ = output.Write(p)
		for range bytes.Count(p, []byte("\n")) {
			lines <- struct{}{}
		}
	})
	go func() {
		<-lines
		<-lines
		cancel()
	}()
	if _, err := Run(ctx, spec); !errors.Is(err, ErrKilled) {
		t.Fatalf("error %v, want ErrKilled", err)
	}
	text, _ := output.Snapshot()
	pids := strings.Fields(string(text))
	if len(pids) != 2 {
		t.Fatalf("output %q, want two process IDs", text)
	}
	for _, field := range pids {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		if alive(pid) {
			t.Errorf("process %d is still alive", pid)
		}
	}
	for pid, marker := range marked() {
		if strings.HasPrefix(marker, spec.Run) {
			t.Errorf("process %d of the run is left", pid)
		}
	}
}

// Spared, the same two live on, and hold up nothing; later they can still be found.
func TestRunSparesChildren(t *testing.T) {
	spec, output := newSpec(t, `sleep 1000 & echo $!; setsid sh -c 'echo $$; sleep 1000' & wait`)
	cause := errors.New("stopped by somebody")
	spec.Spare = func(err error) bool { return errors.Is(err, cause) }
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	lines := make(chan struct{}, 2)
	spec.Output = writerFunc(func(p []byte) {
		_, _ = output.Write(p)
		for range bytes.Count(p, []byte("\n")) {
			lines <- struct{}{}
		}
	})
	go func() {
		<-lines
		<-lines
		cancel(cause)
	}()
	if _, err := Run(ctx, spec); !errors.Is(err, ErrKilled) {
		t.Fatalf("error %v, want ErrKilled", err)
	}
	text, _ := output.Snapshot()
	pids := strings.Fields(string(text))
	if len(pids) != 2 {
		t.Fatalf("output %q, want two process IDs", text)
	}
	for _, spared := range []bool{true, false} {
		if !spared {
			KillMarked(spec.Run)
		}
		for _, field := range pids {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			// A process that was killed may be on its way out still: it runs no more once it cannot be found.
			if _, found := marked()[pid]; found != spared {
				t.Errorf("process %d is found: %v, want %v", pid, found, spared)
			}
		}
	}
}

// Names of runs may begin alike; killing one must spare the other.
func TestRunKillsNoOtherRun(t *testing.T) {
	killed, _ := newSpec(t, "setsid sleep 1000 & wait")
	spared, output := newSpec(t, "until [ -e go ]; do sleep 0.01; done; echo spared")
	spared.Run = killed.Run + "0"
	t.Cleanup(func() { KillMarked(spared.Run) })
	result := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), spared)
		result <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, killed); !errors.Is(err, ErrKilled) {
		t.Fatalf("error %v, want ErrKilled", err)
	}
	if err := os.WriteFile(filepath.Join(spared.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the other run ended with %v", err)
	}
	if got, _ := output.Snapshot(); string(got) != "spared\n" {
		t.Errorf("the other run printed %q", got)
	}
}

// alive says whether a process exists and is not merely waiting to be reaped.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestOutputKeepsHeadAndTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var output Output
		var all []byte
		for range rapid.IntRange(0, 12).Draw(t, "writes") {
			size := rapid.IntRange(0, 3*half).Draw(t, "size")
			chunk := make([]byte, size)
			for i := range chunk {
				chunk[i] = byte((len(all) + i) * 31 >> 3)
			}
			all = append(all, chunk...)
			if n, err := output.Write(chunk); n != size || err != nil {
				t.Fatalf("Write returned %d, %v", n, err)
			}
		}
		want := all
		if len(all) > OutputLimit {
			want = append(append([]byte{}, all[:half]...), all[len(all)-half:]...)
		}
		kept, dropped := output.Snapshot()
		if !bytes.Equal(kept, want) || dropped != len(all)-len(want) {
			t.Fatalf("of %d bytes kept %d and dropped %d, want %d and %d", len(all), len(kept), dropped, len(want), len(all)-len(want))
		}
	})
}
