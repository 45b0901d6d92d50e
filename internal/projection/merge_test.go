package projection

import (
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestMerge(t *testing.T) {
	bare := cloudassistant.Record{InvokeID: "t-1", InstanceID: "i-a", InvocationStatus: success}
	full := row("i-a", success, printed("text"), func(r *cloudassistant.Record) {
		r.StopTime, r.Repeats, r.ErrorInfo, r.Username, r.Launcher, r.TerminationMode = t0, 1, "info", "root", "bash", "Process"
		r.ErrorCode, r.Tags = "Code", []cloudassistant.Tag{{Key: "k", Value: "v"}}
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: "InProgress"}
	})
	other := full
	other.InvocationStatus = failed
	later := full
	later.ExitCode, later.ErrorCode, later.ErrorInfo, later.Username = new(int64(9)), "Other", "other", "nobody"
	later.StartTime, later.FinishedTime, later.StopTime = t0.Add(time.Hour), t0.Add(time.Hour), t0.Add(time.Hour)
	later.Output, later.Tags, later.Launcher = []byte("other"), nil, "sh"
	moved := full
	moved.InvokeRecordStatus, moved.OSSOutput.Status = cloudassistant.RecordRunning, "Finished"
	failedDelivery := full
	failedDelivery.OSSOutput.Status = "Failed"

	for name, test := range map[string]struct{ before, later, want cloudassistant.Record }{
		"what is lacking is added":               {bare, full, full},
		"what is there stays":                    {full, later, full},
		"what goes on after the end moves":       {full, moved, moved},
		"a delivery that is over stays":          {moved, failedDelivery, func() cloudassistant.Record { r := moved; r.InvokeRecordStatus = full.InvokeRecordStatus; return r }()},
		"another end adds nothing":               {bare, other, bare},
		"what has not ended adds nothing":        {bare, row("i-a", running), bare},
		"what has not ended gives way":           {row("i-a", running), full, full},
		"what has not ended gives way backwards": {row("i-a", running), row("i-a", pending), row("i-a", pending)},
	} {
		got, want := merge(received(&test.before), received(&test.later)), received(&test.want)
		got.Output, want.Output = got.output.known, want.output.known
		if !Equal(statusOf(got), statusOf(want)) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got.InstanceResult, want.InstanceResult)
		}
	}
}
