package emulator_test

import (
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestContainers(t *testing.T) {
	id := func(digit string) string { return strings.Repeat(digit, 64) }
	containers := []emulator.Container{
		{ID: id("a"), Name: "web"},
		{ID: id("b"), Name: "twin", Runtime: "docker"},
		{ID: id("c"), Name: "twin"},
		{ID: id("d"), Name: "gone", State: "exited"},
	}
	b := newBench(t, emulator.Options{Instances: []emulator.Instance{
		{ID: "i-new", Containers: containers}, {ID: "i-old", Containers: containers, AgentVersion: "2.2.3.343"},
	}})
	tests := []struct {
		name, instanceID, id, container string
		status, code                    string
		wantID, wantName                string
	}{
		{"by name", "i-new", "", "web", "Success", "", id("a"), "web"},
		{"by ID", "i-new", id("a"), "", "Success", "", id("a"), "web"},
		{"by ID in other letters", "i-new", id("A"), "", "Success", "", id("a"), "web"},
		{"by runtime and ID", "i-new", "docker://" + id("b"), "", "Success", "", id("b"), "twin"},
		{"by ID and name", "i-new", id("c"), "twin", "Success", "", id("c"), "twin"},
		{"by the ID of one and the name of another", "i-new", id("a"), "twin", "Invalid", "ContainerNameAndIdNotMatch", id("a"), "twin"},
		{"by a name that two have", "i-new", "", "twin", "Invalid", "ContainerNameDuplicated", "", "twin"},
		{"by a name that none has", "i-new", "", "nobody", "Invalid", "ContainerNotFound", "", "nobody"},
		{"by an ID under another runtime", "i-new", "docker://" + id("a"), "", "Invalid", "ContainerNotFound", "docker://" + id("a"), ""},
		{"by a runtime that is none", "i-new", "chroot://" + id("a"), "", "Invalid", "UnsupportedContainerRuntime", "chroot://" + id("a"), ""},
		{"one that does not run", "i-new", "", "gone", "Invalid", "ContainerStateAbnormal", "", "gone"},
		{"an agent that is too old", "i-old", "", "web", "Aborted", "ClientNeedUpgrade", "", "web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			here := &bench{T: t, e: b.e, sdk: b.sdk}
			invokeID := here.run("#!/no/such/interpreter\necho $USER $(basename $PWD)", func(r *ecs.RunCommandRequest) {
				r.ContainerId, r.ContainerName = tt.id, tt.container
				// Neither takes effect in a container.
				r.Username, r.WorkingDir = "nobody-here", "/no/such"
			}, tt.instanceID)
			row := here.status(invokeID, tt.instanceID, tt.status)
			if row.ErrorCode != tt.code || row.ContainerID != tt.wantID || row.ContainerName != tt.wantName {
				t.Errorf("the row is %+v, want error %q, container %q %q", row, tt.code, tt.wantID, tt.wantName)
			}
			if want := "root " + tt.wantID + "\n"; tt.status == "Success" && string(row.Output) != want {
				t.Errorf("it printed %q, want %q", row.Output, want)
			}
			if tt.code == "ClientNeedUpgrade" && !strings.Contains(row.ErrorInfo, "2.2.3.344") {
				t.Errorf("ErrorInfo %q does not name the version that is needed", row.ErrorInfo)
			}
		})
	}
	shown := b.run("true", func(r *ecs.RunCommandRequest) { r.ContainerName = "web" }, "i-new")
	b.status(shown, "i-new", emulator.StatusSuccess)
	if got := b.results(shown)[0]; got.ContainerId != id("a") || got.ContainerName != "web" {
		t.Errorf("the result shows container %q %q", got.ContainerId, got.ContainerName)
	}
	r := b.raw(nil)
	run := []string{"Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", "i-new"}
	for _, malformed := range []string{"short", id("g"), "docker:" + id("a"), id("a") + "0"} {
		r.call(t, "RunCommand", append(run, "ContainerId", malformed)...).wantCode(t, 400, "InvalidContainerId.Malformed")
	}
	for _, malformed := range []string{"a b", "-a", "a/b"} {
		r.call(t, "RunCommand", append(run, "ContainerName", malformed)...).wantCode(t, 400, "InvalidContainerName.Malformed")
	}
}

// Files of one container are not those of another, and stay.
func TestContainersHaveDirectories(t *testing.T) {
	b := newBench(t, emulator.Options{Instances: []emulator.Instance{{ID: "i-1", Containers: []emulator.Container{
		{ID: strings.Repeat("a", 64), Name: "one"}, {ID: strings.Repeat("b", 64), Name: "two"},
	}}}})
	in := func(container, script, want string) {
		t.Helper()
		invokeID := b.run(script, func(r *ecs.RunCommandRequest) { r.ContainerName = container }, "i-1")
		if got := b.status(invokeID, "i-1", emulator.StatusSuccess); string(got.Output) != want {
			t.Errorf("%q in %q printed %q, want %q", script, container, got.Output, want)
		}
	}
	in("one", "echo kept > file", "")
	in("one", "cat file", "kept\n")
	in("two", "ls file 2>/dev/null || echo none", "none\n")
	in("", "ls file 2>/dev/null || echo none", "none\n")
}
