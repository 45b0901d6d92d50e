package emulator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// An emulator that was killed leaves scripts behind, and a directory with their contents. The next one with its state
// file ends them and removes it, however soon after the start the first one was killed.
func TestStateFileEndsWhatAKilledEmulatorLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	killed := newBench(t, options)
	atStart, err := os.ReadFile(options.StateFile)
	must(t, err)
	left := killed.raw(fake).submit(t, "CommandContent", "echo begun; exec sleep 1000", "InstanceId.1", firstID)
	// A row is Running before its process is there.
	killed.row(left, firstID, "printing", func(r emulator.Row) bool { return string(r.Output) == "begun\n" })
	scratch := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "ecs-emulator-*"))
		must(t, err)
		return found
	}
	before := scratch()
	if len(before) != 1 {
		t.Fatalf("the scratch directories are %v, want one", before)
	}

	// The first emulator lives on here, and sees what becomes of its script.
	copied := stateOptions(t, fake)
	must(t, os.WriteFile(copied.StateFile, atStart, 0o600))
	newBench(t, copied)
	if got := killed.status(left, firstID, emulator.StatusFailed); got.ExitCode == nil || *got.ExitCode != 137 {
		t.Errorf("the script that was left ended as %+v, want it killed", got)
	}
	if after := scratch(); len(after) != 1 || after[0] == before[0] {
		t.Errorf("the scratch directories are %v, want that of the second emulator, not %v", after, before)
	}
}

// Only a directory that an emulator made for itself is removed, whatever the state file names.
func TestStateFileRemovesNoOtherDirectory(t *testing.T) {
	precious := filepath.Join(t.TempDir(), "precious")
	must(t, os.Mkdir(precious, 0o700))
	for _, emulatorID := range []string{"", "precious", "E1"} {
		options := stateOptions(t, clocktesting.NewFakeClock(noon))
		state := fmt.Sprintf(`{"Version":1,"PageTokenKey":"a2V5","Emulator":%q,"Scratch":%q}`, emulatorID, precious)
		must(t, os.WriteFile(options.StateFile, []byte(state), 0o600))
		newBench(t, options)
		if _, err := os.Stat(precious); err != nil {
			t.Errorf("with emulator ID %q: %v", emulatorID, err)
		}
	}
}

// What was delivered to a bucket is as lasting as the row that says so.
func TestRestartKeepsDeliveredOutputs(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	options := stateOptions(t, fake)
	b := newBench(t, options)
	invokeID := b.raw(fake).deliver(t, "oss://bucket/prefix", "echo out", firstID)
	b.status(invokeID, firstID, emulator.StatusSuccess)
	b = b.restart(options)
	delivered := b.e.Rows(invokeID)[0].OSSOutput
	object := filepath.Join(b.e.OSSDir(), strings.TrimPrefix(delivered.URI, "oss://"))
	if text, err := os.ReadFile(object); delivered.Status != "Finished" || string(text) != "out\n" {
		t.Errorf("the delivery is %+v, and its object holds %q (%v)", delivered, text, err)
	}
	if want := options.StateFile + ".oss"; b.e.OSSDir() != want {
		t.Errorf("the buckets are in %s, want %s", b.e.OSSDir(), want)
	}
	// Such a directory lasts as well.
	options.ScratchDir = t.TempDir()
	if want := filepath.Join(options.ScratchDir, "oss"); b.restart(options).e.OSSDir() != want {
		t.Errorf("with a ScratchDir the buckets are not in %s", want)
	}
}
