package projection

import (
	"fmt"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// during makes a row one of a schedule whose nth run goes on. Codes left over from the run before say nothing.
func during(n int64) func(*cloudassistant.Record) {
	return func(r *cloudassistant.Record) {
		r.Repeats, r.StartTime = n, begun.Add(time.Duration(n)*time.Minute)
		r.ExitCode, r.ErrorCode = new(int64(9)), "ExitCodeNonzero"
	}
}

func withHistory() *v1alpha1.InvocationResultSpec {
	spec := run1()
	spec.IncludeHistory = true
	return spec
}

func (s *story) wantEvents(want string) {
	s.testing.Helper()
	if got := eventsText(s.out.Events); got != want {
		s.testing.Fatalf("events %q, want %q", got, want)
	}
}

func (s *story) wantSucceeded(want string) {
	s.testing.Helper()
	c := findCondition(s.status, v1alpha1.ConditionSucceeded)
	if got := string(c.Status) + "/" + c.Reason; got != want {
		s.testing.Fatalf("Succeeded is %s, want %s", got, want)
	}
}

func TestAFailedRunOfAScheduleIsAnEventOncePerRun(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", waiting), row("i-b", waiting))
	s.wantEvents("Normal/Scheduled")
	s.wantSucceeded("Unknown/Scheduled")
	s.answers(1*time.Minute, row("i-a", waiting, ranBefore(1, 0)), row("i-b", running, during(1)))
	s.wantSucceeded("Unknown/Scheduled")
	s.answers(2*time.Minute, row("i-a", waiting, ranBefore(1, 0)), row("i-b", waiting, ranBefore(1, 3)))
	s.wantEvents("Warning/RunFailed")
	if got := s.out.Events[0].Note; got != "A scheduled run failed on i-b exit 3" {
		t.Errorf("note %q", got)
	}
	s.wantSucceeded("False/CommandFailed")
	s.restart()
	s.answers(3*time.Minute, row("i-a", waiting, ranBefore(1, 0)), row("i-b", waiting, ranBefore(1, 3)))
	s.wantEvents("")
	s.answers(4*time.Minute, row("i-a", running, during(2)), row("i-b", running, during(2)))
	s.wantEvents("")
	s.wantSucceeded("False/CommandFailed")
	s.answers(5*time.Minute, row("i-a", waiting, ranBefore(2, 4)), row("i-b", waiting, ranBefore(2, 3)))
	s.wantEvents("Warning/RunFailed")
	if got := s.out.Events[0].Note; got != "A scheduled run failed on 2 instances: i-a exit 4, i-b exit 3" {
		t.Errorf("note %q", got)
	}
	s.answers(6*time.Minute, row("i-a", waiting, ranBefore(3, 0)), row("i-b", waiting, ranBefore(3, 3)))
	s.wantEvents("Warning/RunFailed")
	s.answers(6*time.Minute, row("i-a", waiting, ranBefore(4, 0)), row("i-b", waiting, ranBefore(4, 0)))
	s.wantEvents("Normal/RunSucceeded")
	s.wantSucceeded("True/Succeeded")
	s.wantConditions("Ready=True/Scheduled Completed=False/Scheduled Succeeded=True/Succeeded")
	if s.status.ExitCode != nil || s.status.CompletionTime != nil || s.status.Summary.Pending != 2 {
		t.Errorf("a schedule that goes on has no end: %+v", s.status)
	}
}

func TestAScheduleIsKnownByItsRepeats(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", running, during(2)))
	s.wantCompleted(v1alpha1.ReasonScheduled)
	s.answers(time.Minute, row("i-a", running))
	s.wantCompleted(v1alpha1.ReasonScheduled)
}

func TestAFailedRunWithoutAnExitCode(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", waiting, func(r *cloudassistant.Record) { r.ErrorCode = "ExecutionTimeout" }))
	s.wantSucceeded("False/CommandFailed")
	s.wantEvents("Normal/Scheduled Warning/RunFailed")
}

func TestAFailedRunSeenInTheHistoryOnly(t *testing.T) {
	s := tell(t, withHistory())
	live := answer(t0, row("i-a", running, during(3)))
	s.at(0, Observation{Live: live, History: answer(t0, row("i-a", success, ranBefore(1, 0)))})
	s.wantSucceeded("True/Succeeded")
	s.at(0, Observation{Live: live, History: answer(t0, row("i-a", failed, ranBefore(2, 3)), row("i-a", success, ranBefore(1, 0)))})
	s.wantSucceeded("False/CommandFailed")
	s.wantEvents("Warning/RunFailed")
	s.at(time.Minute, Observation{Live: answer(t0, row("i-a", running, during(4))), History: answer(t0, row("i-a", failed, ranBefore(3, 3)))})
	s.wantEvents("")
}

func TestAScheduleEnds(t *testing.T) {
	for status, want := range map[cloudassistant.InvocationStatus]string{
		success:   v1alpha1.ReasonSucceeded,
		failed:    v1alpha1.ReasonCommandFailed,
		cancelled: v1alpha1.ReasonStopped,
	} {
		s := tell(t, run1())
		s.answers(0, row("i-a", waiting, ranBefore(1, 0)), row("i-b", waiting, ranBefore(1, 0)))
		s.answers(time.Minute, row("i-a", success, ranBefore(2, 0)), row("i-b", waiting, ranBefore(2, 0)))
		s.wantCompleted(v1alpha1.ReasonScheduled)
		s.answers(2*time.Minute, row("i-a", success, ranBefore(2, 0)), row("i-b", status))
		s.wantCompleted(want)
	}
}

func TestAStoppedInstanceDoesNotFailTheLastRun(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", cancelled), row("i-b", waiting, ranBefore(1, 0)))
	s.wantSucceeded("True/Succeeded")
}

// A run may fail on an instance that has no room in the status: who waits for Succeeded is told all the same.
func TestAFailedRunThatDoesNotFitIsTold(t *testing.T) {
	s := tell(t, run1())
	s.settings.MaxStatusBytes = minStatusBytes
	rows := func(repeats, exitOfLast int64) []cloudassistant.Record {
		var all []cloudassistant.Record
		for n := range 60 {
			exit := int64(0)
			if n == 59 {
				exit = exitOfLast
			}
			all = append(all, row(fmt.Sprintf("i-%02d", n), waiting, ranBefore(repeats, exit)))
		}
		return all
	}
	s.answers(0, rows(1, 0)...)
	s.wantEvents("Normal/Scheduled Normal/RunSucceeded")
	if s.status.Truncated == nil || s.status.Truncated.Instances == 0 {
		t.Fatal("everything fits")
	}
	s.answers(time.Minute, rows(2, 1)...)
	s.wantSucceeded("False/CommandFailed")
	s.wantEvents("Warning/RunFailed")
}
