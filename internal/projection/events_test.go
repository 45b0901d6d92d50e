package projection

import (
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Wherever an observation comes to stand, an event says so, once.
func TestEvents(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{})
	s.wantEvents("")
	s.answers(0)
	s.wantEvents("Normal/AwaitingRecords")
	s.answers(0)
	s.wantEvents("")
	s.at(0, Observation{Failure: denied()})
	s.wantEvents("Warning/AccessDenied")
	if s.out.Events[0].Note != findCondition(s.status, v1alpha1.ConditionReady).Message {
		t.Errorf("note %q", s.out.Events[0].Note)
	}
	s.restart()
	s.at(time.Minute, Observation{Failure: denied()})
	s.wantEvents("")
	s.answers(2*time.Minute, row("i-a", running))
	s.wantEvents("Normal/Running")
	if got := s.out.Events[0].Note; got != "The command has not ended on every instance." {
		t.Errorf("note %q", got)
	}
	s.spec.Suspend = true
	s.at(3*time.Minute, Observation{})
	s.wantEvents("Normal/Suspended")
	s.spec.Suspend = false
	s.answers(4*time.Minute, row("i-a", failed))
	s.wantEvents("Warning/CommandFailed")
	if got := s.out.Events[0].Note; got != "1 of 1 instance failed: i-a exit 3 (ExitCodeNonzero)" {
		t.Errorf("note %q", got)
	}
	s.restart()
	s.answers(5*time.Minute, row("i-a", failed))
	s.wantEvents("")

	s = tell(t, run1())
	s.answers(0, row("i-a", success))
	s.wantEvents("Normal/Succeeded")
}

// What turns below a trouble is told, too: whoever waits for Completed comes back then.
func TestADeadlineUnderADenialIsTold(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{Failure: denied()})
	s.wantEvents("Warning/AccessDenied")
	s.at(24*time.Hour, Observation{Failure: denied()})
	s.wantConditions("Ready=False/AccessDenied Completed=True/TimedOut Succeeded=Unknown/TimedOut Stalled=True/AccessDenied")
	s.wantEvents("Warning/TimedOut")
}

func TestContainersAreNamed(t *testing.T) {
	s := tell(t, run1())
	s.answers(0,
		row("i-a", timeout, func(r *cloudassistant.Record) { r.ContainerID, r.ContainerName = "0123", "web" }),
		row("i-a", failed, func(r *cloudassistant.Record) { r.ContainerID, r.ErrorCode = "4567", "" }),
		row("i-a", success))
	s.wantMessage("2 of 3 instances failed: i-a/web Timeout (ExecutionTimeout), i-a/4567 exit 3")
}

// What a denial asks for is what mends it.
func TestADenialSaysWhatMendsIt(t *testing.T) {
	for want, failure := range map[string]cloudassistant.Error{
		"Forbidden.RAM: Not you. Grant ecs:DescribeInvocationResults to the credentials, or set": {Code: "Forbidden.RAM", Message: "Not you."},
		"NoPermission: the role acs:ram::43:role/r cannot be assumed: Not you. Let the role trust the credentials, and them call sts:AssumeRole;": {
			Code: "NoPermission", Message: "Not you.", RoleARN: "acs:ram::43:role/r",
		},
		"SignatureDoesNotMatch: No. Mend the credentials, or set others by spec.credentials;": {Code: "SignatureDoesNotMatch", Message: "No."},
		"InvalidAccessKeyId.NotFound: the role acs:ram::43:role/r cannot be assumed: No. Mend the credentials, or set others by spec.credentials;": {
			Code: "InvalidAccessKeyId.NotFound", Message: "No.", RoleARN: "acs:ram::43:role/r",
		},
		"IllegalTimestamp: Too late. Set the clock of the operator's node;": {Code: "IllegalTimestamp", Message: "Too late."},
	} {
		failure.Class = cloudassistant.ClassDenied
		s := tell(t, run1())
		s.at(0, Observation{Failure: &failure})
		if got := findCondition(s.status, v1alpha1.ConditionReady).Message; !strings.HasPrefix(got, want) {
			t.Errorf("message %q, want %q", got, want)
		}
	}
}

func TestMessagesOfRefusalsHoldNothingThatMoves(t *testing.T) {
	refused := &cloudassistant.Error{
		Class: cloudassistant.ClassDenied, Code: "InvalidTimeStamp.Expired", RequestID: "77E534EB",
		Message: "Expired at 2026-11-23T08:00:00Z, request 77E534EB, trace 473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E.\x1b",
	}
	s := tell(t, run1())
	s.at(0, Observation{Failure: refused})
	const want = `InvalidTimeStamp.Expired: Expired at …, request …, trace ….\x1b. Set the clock of the operator's node`
	if got := findCondition(s.status, v1alpha1.ConditionReady).Message; !strings.HasPrefix(got, want) {
		t.Errorf("message %q", got)
	}
	for _, c := range s.status.Conditions {
		if strings.Contains(c.Message, "77E534EB") || strings.Contains(c.Message, "2026") || strings.Contains(c.Message, "473469C7") {
			t.Errorf("%s: %s", c.Type, c.Message)
		}
	}
}

func TestManyFailedInstancesAreNotAllNamed(t *testing.T) {
	s := tell(t, run1())
	var rows []cloudassistant.Record
	for _, id := range strings.Split("gfedcba", "") {
		rows = append(rows, row("i-"+id, waiting, ranBefore(1, 1)))
	}
	s.answers(0, rows...)
	s.wantEvents("Normal/Scheduled Warning/RunFailed")
	if got := s.out.Events[1].Note; got != "A scheduled run failed on 7 instances: i-a exit 1, i-b exit 1, i-c exit 1, i-d exit 1, i-e exit 1, …" {
		t.Errorf("note %q", got)
	}
}

// Whoever waits for an overdue answer is told the cause that was found first, and it stays: another one at each try is
// no change.
func TestAnOverdueAnswerSaysWhy(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", running))
	away := &cloudassistant.Error{Class: cloudassistant.ClassUnavailable, Code: "Client.Network", Message: "dial tcp: connection refused (REQ-1)", RequestID: "REQ-1"}
	s.at(3*time.Minute, Observation{Live: answer(t0, row("i-a", running)), Failure: away, OverdueAt: t0.Add(2 * time.Minute)})
	late := findCondition(s.status, v1alpha1.ConditionReconciling)
	if !strings.HasSuffix(late.Message, " The cause: Client.Network: dial tcp: connection refused (…).") || s.out.Events[0].Note != late.Message {
		t.Errorf("message %q, event %+v", late.Message, s.out.Events)
	}
	before := s.status.DeepCopy()
	other := &cloudassistant.Error{Class: cloudassistant.ClassUnavailable, Code: "ServiceUnavailable", Message: "later"}
	s.at(4*time.Minute, Observation{Live: answer(t0, row("i-a", running)), Failure: other, OverdueAt: t0.Add(2 * time.Minute)})
	if !Equal(before, s.status) {
		t.Errorf("another cause changed the status to %s", conditionsText(s.status))
	}
	s.answers(5*time.Minute, row("i-a", running))
	s.wantEvents("Normal/Running")
}
