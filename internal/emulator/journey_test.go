package emulator_test

import (
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// The journey of the README: a command really runs on three instances, one of which fails.
func TestRunCommandOnThreeInstances(t *testing.T) {
	b := newBench(t, emulator.Options{})
	script := "echo out; echo err >&2; [ {{ACS::InstanceId}} != " + secondID + " ] || exit 7"
	invokeID := b.run(script, func(r *ecs.RunCommandRequest) {
		r.EnableParameter = "true"
		r.Tag = &[]ecs.RunCommandTag{{Key: "deploy", Value: "42"}}
	}, firstID, secondID, thirdID)
	b.status(invokeID, firstID, emulator.StatusSuccess)
	b.status(invokeID, secondID, emulator.StatusFailed)
	b.status(invokeID, thirdID, emulator.StatusSuccess)

	rows := b.results(invokeID)
	if len(rows) != 3 {
		t.Fatalf("%d rows, want 3", len(rows))
	}
	for _, row := range rows {
		wantStatus, wantExit, wantCode := "Success", int64(0), ""
		if row.InstanceId == secondID {
			wantStatus, wantExit, wantCode = "Failed", 7, "ExitCodeNonzero"
		}
		if row.InvocationStatus != wantStatus || row.ExitCode != wantExit || row.ErrorCode != wantCode {
			t.Errorf("%s: status %s, exit code %d, error %q; want %s, %d, %q",
				row.InstanceId, row.InvocationStatus, row.ExitCode, row.ErrorCode, wantStatus, wantExit, wantCode)
		}
		if got := decode(t, row.Output); got != "out\nerr\n" {
			t.Errorf("%s: output %q", row.InstanceId, got)
		}
		if row.InvokeRecordStatus != "Finished" || row.InvokeId != invokeID || row.Repeats != 1 || row.Username != "root" {
			t.Errorf("%s: %+v", row.InstanceId, row)
		}
		if len(row.Tags.Tag) != 1 || row.Tags.Tag[0].TagKey != "deploy" || row.Tags.Tag[0].TagValue != "42" {
			t.Errorf("%s: tags %+v", row.InstanceId, row.Tags)
		}
	}
}
