package emulator_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// The ID of an instance names a directory: it leads neither out of the scratch directory nor to what else is in it.
func TestInstanceIDsStayInTheScratchDirectory(t *testing.T) {
	scratch := t.TempDir()
	b := newBench(t, emulator.Options{ScratchDir: scratch})
	for _, id := range []string{"", ".", "..", "../out", "a/b", "/etc", "-i", "i\n", "i 1", `i\1`, "ï"} {
		if err := b.e.AddInstance(emulator.Instance{ID: id}); err == nil {
			t.Errorf("an instance with the ID %q was added", id)
		}
	}
	for _, id := range []string{"i-1", "oss", "I_1.a-b"} {
		must(t, b.e.AddInstance(emulator.Instance{ID: id}))
		invokeID := b.run("echo x > there", func(r *ecs.RunCommandRequest) { r.WorkingDir = "/tmp" }, id)
		b.status(invokeID, id, emulator.StatusSuccess)
		if _, err := os.Stat(filepath.Join(scratch, "instances", id, "tmp", "there")); err != nil {
			t.Errorf("the file of %s is not where its own are: %v", id, err)
		}
	}
}
