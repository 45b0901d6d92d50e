package projection

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// many makes n rows with that status and so many bytes of output each.
func many(prefix string, n int, status cloudassistant.InvocationStatus, bytes int) []cloudassistant.Record {
	rows := make([]cloudassistant.Record, n)
	for i := range rows {
		rows[i] = row(fmt.Sprintf("i-%s%04d", prefix, i), status, printed(strings.Repeat("x", bytes)))
	}
	return rows
}

// shownBytes adds up the text of instances with that status, and the shortest of them.
func shownBytes(status *v1alpha1.InvocationResultStatus, of cloudassistant.InvocationStatus) (total, least int) {
	least = -1
	for _, r := range status.Instances {
		if r.Status != string(of) {
			continue
		}
		total += len(r.Output.Text)
		if least < 0 || len(r.Output.Text) < least {
			least = len(r.Output.Text)
		}
	}
	return total, least
}

func TestFailedInstancesKeepTheirOutputFirst(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, append(many("a", 70, success, 1024), many("b", 30, failed, 1024)...)...)
	if len(s.status.Instances) != 100 {
		t.Fatalf("%d instances", len(s.status.Instances))
	}
	if total, _ := shownBytes(s.status, failed); total != 30*1024 {
		t.Errorf("the failed instances show %d bytes of %d", total, 30*1024)
	}
	total, least := shownBytes(s.status, success)
	if total == 0 || total == 70*1024 || least < total/70-8 {
		t.Errorf("the others show %d bytes, at least %d each: want fair shares of what is left", total, least)
	}
	if hidden := s.status.Truncated.OutputBytes; hidden != int64(70*1024-total) {
		t.Errorf("%d bytes are hidden, %d are said to be", 70*1024-total, hidden)
	}
	if size := jsonSize(s.status); size < 90<<10 {
		t.Errorf("only %d bytes are used", size)
	}
}

func TestShortOutputsLeaveTheirRoomToLongOnes(t *testing.T) {
	s := tell(t, run1())
	s.spec.Output = &v1alpha1.OutputSpec{MaxBytes: 24576}
	s.settings.MaxStatusBytes = 64 << 10
	s.answers(0, append(many("a", 5, failed, 20000), many("b", 50, failed, 10)...)...)
	total, _ := shownBytes(s.status, failed)
	if size := jsonSize(s.status); size < 60<<10 || total < 30<<10 {
		t.Errorf("only %d bytes are used, %d for output", size, total)
	}
}

func TestInstancesThatDoNotFitAreCounted(t *testing.T) {
	s := tell(t, run1())
	s.settings.MaxStatusBytes = 16 << 10
	rows := append(append(many("a", 90, success, 100), many("b", 20, failed, 100)...), many("c", 10, running, 0)...)
	s.answers(0, rows...)
	first := len(s.status.Instances)
	if first < 30 || first >= 120 || int(s.status.Truncated.Instances) != 120-first {
		t.Fatalf("%d instances, truncated %+v", first, s.status.Truncated)
	}
	for i, want := range []cloudassistant.InvocationStatus{0: failed, 19: failed, 20: running, 29: running, 30: success} {
		if want != "" && s.status.Instances[i].Status != string(want) {
			t.Errorf("instance %d is %s, want %s", i, s.status.Instances[i].Status, want)
		}
	}
	want := v1alpha1.InvocationSummary{Total: 120, Running: 10, Succeeded: 90, Failed: 20}
	if *s.status.Summary != want {
		t.Errorf("summary %+v, want %+v", *s.status.Summary, want)
	}

	// What an answer lacks cannot be told from what did not fit: no end.
	s.restart()
	ended := append(append(many("a", 90, success, 100), many("b", 20, failed, 100)...), many("c", 10, success, 0)...)
	s.answers(time.Minute, ended[1:]...)
	s.wantCompleted(v1alpha1.ReasonRunning)
	s.repeats(time.Minute, 6*time.Minute, ended[1:]...)
	s.wantCompleted(v1alpha1.ReasonRecordsExpired)
	if got := findCondition(s.status, v1alpha1.ConditionReady).Message; !strings.HasPrefix(got, "The API no longer has the records of ") {
		t.Errorf("message %q", got)
	}
	s.answers(7*time.Minute, ended...)
	s.wantCompleted(v1alpha1.ReasonCommandFailed)
	message := findCondition(s.status, v1alpha1.ConditionReady).Message
	if want := "20 of 120 instances failed: i-b0000 exit 3 (ExitCodeNonzero), i-b0001 exit 3 (ExitCodeNonzero)"; !strings.HasPrefix(message, want) || !strings.HasSuffix(message, ", …") {
		t.Errorf("message %q", message)
	}
	s.restart()
	s.at(time.Hour, Observation{})
	s.wantMessage(message)
	if s.status.Summary.Total != 120 || *s.status.ExitCode != 3 {
		t.Errorf("after a restart: %+v, exit code %d", *s.status.Summary, *s.status.ExitCode)
	}
}

func TestTheExitCodeOfWhatDidNotFitIsKept(t *testing.T) {
	fat := func(r *cloudassistant.Record) { r.Launcher = strings.Repeat("<", 1024) }
	s := tell(t, run1())
	s.settings.MaxStatusBytes = 1
	s.answers(0, row("i-a", timeout, fat), row("i-b", failed, fat))
	if len(s.status.Instances) != 0 || *s.status.ExitCode != 3 {
		t.Fatalf("%d instances, exit code %v", len(s.status.Instances), s.status.ExitCode)
	}
	s.restart()
	s.at(time.Hour, Observation{})
	if s.status.ExitCode == nil || *s.status.ExitCode != 3 || s.status.Summary.Failed != 2 {
		t.Errorf("after a restart: exit code %v, summary %+v", s.status.ExitCode, s.status.Summary)
	}
}

func TestBudgetLimits(t *testing.T) {
	for set, want := range map[int]int{0: 96 << 10, 1: 8 << 10, 50000: 50000, 1 << 30: 1 << 20} {
		if got := (&projection{Input: Input{Settings: Settings{MaxStatusBytes: set}}}).maxStatusBytes(); got != want {
			t.Errorf("%d means %d bytes, want %d", set, got, want)
		}
	}
}

func TestASummaryWrittenByHandIsNotBelieved(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", running), row("i-b", running))
	s.status.Summary = &v1alpha1.InvocationSummary{Total: 1, Failed: 1}
	p := begin(Input{Now: t0, Spec: run1(), Previous: s.status})
	p.mergeLive()
	if got := p.summary(); got.Total != 2 || got.Running != 2 {
		t.Errorf("summary %+v", *got)
	}
}

// Strings of any kind and length: nothing that a field or the budget does not admit.
func TestTheAPIsStringsAreCleanedAndCapped(t *testing.T) {
	nasty := strings.Repeat("<\x1b\u202e", 1000)
	s := tell(t, run1())
	s.settings.MaxStatusBytes = 1 << 20
	s.answers(0, row(nasty, failed, func(r *cloudassistant.Record) {
		*r = cloudassistant.Record{
			CommandID: nasty, InvokeID: "t-1", InstanceID: nasty, ContainerID: nasty, ContainerName: nasty,
			InvocationStatus: failed, InvokeRecordStatus: cloudassistant.InvokeRecordStatus(nasty), ErrorCode: nasty,
			ErrorInfo: nasty, Username: nasty, Launcher: nasty, TerminationMode: nasty,
			OSSOutput: cloudassistant.OSSOutput{Delivery: nasty, URI: nasty, Status: nasty, ErrorCode: nasty, ErrorInfo: nasty},
		}
		for range 100 {
			r.Tags = append(r.Tags, cloudassistant.Tag{Key: nasty, Value: nasty})
		}
	}))
	r := s.status.Instances[0]
	names := []string{r.InstanceID, r.CommandID, r.InvokeRecordStatus, r.ErrorCode, r.Username, r.TerminationMode, r.ContainerID, r.ContainerName, r.OSSOutput.Status, r.OSSOutput.ErrorCode, r.Tags[0].Key, r.Tags[63].Value}
	for i, name := range names {
		if name != clean(nasty, 256) {
			t.Errorf("name %d is %q", i, name)
		}
	}
	for i, sentence := range []string{r.ErrorInfo, r.Launcher, r.OSSOutput.Delivery, r.OSSOutput.URI, r.OSSOutput.ErrorInfo} {
		if sentence != clean(nasty, 1024) {
			t.Errorf("sentence %d is %q", i, sentence)
		}
	}
	if len(r.Tags) != 64 {
		t.Errorf("%d tags", len(r.Tags))
	}
}

// The worst that can stand in the conditions fits in the smallest budget.
func TestTheSmallestBudgetHoldsTheConditions(t *testing.T) {
	nasty := strings.Repeat("<", 5000)
	s := tell(t, byMatch())
	s.settings.MaxStatusBytes = 1
	s.status = &v1alpha1.InvocationResultStatus{LastHandledReconcileAt: strings.Repeat("<", 256)}
	s.answers(0, row("i-a", success, func(r *cloudassistant.Record) { r.InvokeID = nasty }))
	id := s.status.InvokeID
	s.answers(time.Minute, row("i-a", failed, func(r *cloudassistant.Record) { r.InvokeID, r.InstanceID = nasty, nasty }))
	s.wantCompleted(v1alpha1.ReasonCommandFailed)
	if id != clean(nasty, 256) || s.status.InvokeID != id {
		t.Errorf("run %q", s.status.InvokeID)
	}
	s.at(2*time.Minute, Observation{})
	s = tell(t, run1())
	s.settings.MaxStatusBytes = 1
	s.at(0, Observation{Failure: &cloudassistant.Error{Class: cloudassistant.ClassDenied, Code: nasty, Message: nasty}})
	if got := findCondition(s.status, v1alpha1.ConditionReady).Message; !strings.HasSuffix(got, "by itself.") {
		t.Errorf("no word of what to do: %q", got)
	}
}
