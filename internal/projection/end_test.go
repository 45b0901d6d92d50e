package projection

import (
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// young makes a row one of a run that began at t0.
func young(r *cloudassistant.Record) {
	r.StartTime = t0
	if r.InvocationStatus.Terminal() {
		r.FinishedTime = t0
	}
}

func recordStatus(status cloudassistant.InvokeRecordStatus) func(*cloudassistant.Record) {
	return func(r *cloudassistant.Record) { r.InvokeRecordStatus = status }
}

func (s *story) wantCompleted(reason string) {
	s.testing.Helper()
	if got := conditionReason(s.status, v1alpha1.ConditionCompleted); got != reason {
		s.testing.Fatalf("Completed has the reason %s, want %s", got, reason)
	}
}

func (s *story) wantAnswerFrom(after time.Duration) {
	s.testing.Helper()
	if got := s.out.AnswerFrom; !got.Equal(t0.Add(after)) {
		s.testing.Fatalf("demands an answer from %s, want %s after the beginning", got, after)
	}
}

func (s *story) wantRequeue(after time.Duration) {
	s.testing.Helper()
	if got := s.out.Requeue; !got.Equal(t0.Add(after)) {
		s.testing.Fatalf("requeues at %s, want %s after the beginning", got, after)
	}
}

func TestYoungRunEndsByTwoAnswersFiveSecondsApart(t *testing.T) {
	s := tell(t, run1())
	s.answers(time.Second, row("i-a", success, young))
	s.wantCompleted(v1alpha1.ReasonRunning)
	s.wantAnswerFrom(6 * time.Second)
	s.repeats(time.Second, 5*time.Second, row("i-a", success, young))
	s.wantCompleted(v1alpha1.ReasonRunning)
	s.answers(6*time.Second, row("i-a", success, young), row("i-b", success, young))
	s.wantCompleted(v1alpha1.ReasonRunning)
	s.wantAnswerFrom(11 * time.Second)
	s.repeats(6*time.Second, 11*time.Second, row("i-a", success, young), row("i-b", success, young))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
	if !s.out.Finished || !s.out.AnswerFrom.IsZero() || !s.out.Requeue.IsZero() {
		t.Errorf("wants more after the end: %+v", s.out)
	}
}

func TestAnOldAnswerOfAYoungRunDoesNotEndIt(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{})
	s.at(time.Hour, Observation{Live: answer(t0.Add(29*time.Second), row("i-a", success, young))})
	s.wantCompleted(v1alpha1.ReasonRunning)
	s.wantAnswerFrom(34 * time.Second)
	s.answers(time.Hour, row("i-a", success, young))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
}

func TestARunIsAsOldAsItsObservation(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", running, young))
	s.answers(30*time.Second, row("i-a", success, func(r *cloudassistant.Record) { r.StartTime = t0.Add(time.Hour) }))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
}

func TestInvokeRecordStatusDelaysTheEnd(t *testing.T) {
	for _, status := range []cloudassistant.InvokeRecordStatus{cloudassistant.RecordRunning, cloudassistant.RecordStopping} {
		s := tell(t, run1())
		ended := row("i-a", success, recordStatus(status))
		s.answers(0, ended)
		s.wantCompleted(v1alpha1.ReasonRunning)
		s.wantAnswerFrom(5 * time.Second)
		s.wantRequeue(time.Minute)
		s.repeats(0, 59*time.Second, ended)
		s.wantCompleted(v1alpha1.ReasonRunning)
		s.wantAnswerFrom(64 * time.Second)
		s.at(time.Minute, Observation{Live: answer(t0.Add(59*time.Second), ended), UnchangedSince: t0})
		s.wantCompleted(v1alpha1.ReasonSucceeded)
	}
}

func TestInvokeRecordStatusIsNotAskedOfAnInstanceOrASchedule(t *testing.T) {
	narrowed := run1()
	narrowed.InstanceID = "i-a"
	s := tell(t, narrowed)
	s.answers(0, row("i-a", success, recordStatus(cloudassistant.RecordRunning)), row("i-b", running))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
	if got := statuses(s.status.Instances); got != "i-a:Success" {
		t.Errorf("instances %s: another instance was not asked for", got)
	}

	s = tell(t, run1())
	s.answers(0, row("i-a", success, ranBefore(2, 0), recordStatus(cloudassistant.RecordRunning)))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
}

func TestNoEndByAnIncompleteAnswer(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{Live: cutShort(answer(t0))})
	s.wantCompleted(v1alpha1.ReasonPending)
	s.at(time.Minute, Observation{Live: cutShort(answer(t0, row("i-a", success), row("i-a", running)))})
	s.wantConditions(runningConditions)
	if got := statuses(s.status.Instances); got != "i-a:Success" {
		t.Errorf("instances %s, want what is present merged", got)
	}
	s.at(time.Hour, Observation{Live: cutShort(answer(t0.Add(time.Hour))), UnchangedSince: t0})
	s.wantConditions(runningConditions)
}

func TestNoEndByAnAnswerThatLacksARow(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", running), row("i-b", success))
	s.answers(time.Minute, row("i-a", success))
	s.wantConditions(runningConditions)
	if got := statuses(s.status.Instances); got != "i-a:Success i-b:Success" {
		t.Errorf("instances %s", got)
	}
	s.answers(2*time.Minute, row("i-b", success), row("i-a", success))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
}

func TestNoEndByUnknownStatusesOrRowsThatGoBack(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", "Weird"), row("i-b", success))
	s.wantConditions(runningConditions)
	if s.status.Summary.Other != 1 || s.status.Instances[0].Status != "Weird" {
		t.Errorf("status %+v: an unknown value is shown and counted", s.status)
	}
	s.answers(time.Minute, row("i-a", success), row("i-b", running))
	s.wantConditions(runningConditions)
	if got := statuses(s.status.Instances); got != "i-a:Success i-b:Success" {
		t.Errorf("instances %s: what was terminal stays", got)
	}
}

func TestMissingRecordsExpireAfterFiveMinutesOfCompleteAnswers(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", running))
	s.answers(time.Minute)
	s.wantConditions(runningConditions)
	s.wantRequeue(6 * time.Minute)
	s.at(7*time.Minute, Observation{Live: answer(t0.Add(5*time.Minute + 59*time.Second)), UnchangedSince: t0.Add(time.Minute)})
	s.wantConditions(runningConditions)
	s.wantAnswerFrom(6 * time.Minute)
	s.repeats(time.Minute, 7*time.Minute)
	s.wantCompleted(v1alpha1.ReasonRecordsExpired)
	if got := statuses(s.status.Instances); got != "i-a:Running" || !s.out.Finished || s.status.ExitCode != nil {
		t.Errorf("instances %s, finished %t, exit code %v", got, s.out.Finished, s.status.ExitCode)
	}
	s.restart()
	s.at(8*time.Minute, Observation{Failure: failure(cloudassistant.ClassDenied)})
	s.wantCompleted(v1alpha1.ReasonRecordsExpired)
	s.answers(9 * time.Minute)
	s.wantCompleted(v1alpha1.ReasonRecordsExpired)
	s.spec.Suspend = true
	s.answers(9*time.Minute, row("i-a", running))
	s.wantCompleted(v1alpha1.ReasonRecordsExpired)
	s.spec.Suspend = false
	s.answers(10*time.Minute, row("i-a", running))
	s.wantConditions(runningConditions)
}

func TestTheEndIsFinalAndLaterFactsAreAdded(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", success, func(r *cloudassistant.Record) {
		r.ExitCode, r.FinishedTime, r.InvokeRecordStatus = nil, time.Time{}, ""
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: "InProgress"}
	}))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
	if s.status.CompletionTime != nil || s.out.Finished {
		t.Errorf("completion time %v, finished %t", s.status.CompletionTime, s.out.Finished)
	}
	s.answers(time.Minute, row("i-a", success, printed("hello"), func(r *cloudassistant.Record) {
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: "Finished", URI: "oss://b/p/o"}
	}))
	got := s.status.Instances[0]
	if got.ExitCode == nil || got.FinishedTime == nil || got.Output.Text != "hello" || got.OSSOutput.URI != "oss://b/p/o" || got.InvokeRecordStatus != "Finished" {
		t.Errorf("instance %+v lacks what came later", got)
	}
	if s.status.CompletionTime == nil || !s.out.Finished {
		t.Errorf("completion time %v, finished %t", s.status.CompletionTime, s.out.Finished)
	}
	for _, later := range []func(*cloudassistant.Record){printed("another end"), printed("")} {
		s.answers(90*time.Second, row("i-a", success, later))
		if got := s.status.Instances[0].Output; got == nil || got.Text != "hello" {
			t.Errorf("the output became %+v", got)
		}
	}
	s.answers(2*time.Minute, row("i-a", failed, printed("another story")), row("i-b", running), row("i-c", failed))
	s.wantConditions("Ready=False/CommandFailed Completed=True/CommandFailed Succeeded=False/CommandFailed Stalled=True/CommandFailed")
	if got := statuses(s.status.Instances); got != "i-c:Failed i-a:Success" || s.status.Instances[1].Output.Text != "hello" {
		t.Errorf("instances %s", got)
	}
	s.answers(3*time.Minute, row("i-d", failed))
	s.wantMessage("2 of 3 instances failed: i-c exit 3 (ExitCodeNonzero), i-d exit 3 (ExitCodeNonzero)")
	before := s.status
	s.at(72*time.Hour, Observation{Failure: denied(), OverdueAt: t0})
	if !Equal(before, s.status) || len(s.out.Events) != 0 {
		t.Errorf("a failure after the end changed something: %s", conditionsText(s.status))
	}
}

func TestExitCode(t *testing.T) {
	exits := func(code int64) func(*cloudassistant.Record) {
		return func(r *cloudassistant.Record) { r.ExitCode = &code }
	}
	for name, test := range map[string]struct {
		rows []cloudassistant.Record
		want *int64
	}{
		"all succeeded":                  {[]cloudassistant.Record{row("i-a", success), row("i-b", success)}, new(int64(0))},
		"the first failed one":           {[]cloudassistant.Record{row("i-c", failed, exits(7)), row("i-b", failed, exits(5)), row("i-a", success)}, new(int64(5))},
		"a failed one without any":       {[]cloudassistant.Record{row("i-a", timeout), row("i-b", success)}, nil},
		"failed before stopped":          {[]cloudassistant.Record{row("i-a", cloudassistant.StatusTerminated, exits(143)), row("i-b", failed)}, new(int64(3))},
		"stopped":                        {[]cloudassistant.Record{row("i-a", cloudassistant.StatusTerminated, exits(143))}, new(int64(143))},
		"zero is not of another outcome": {[]cloudassistant.Record{row("i-a", cancelled, exits(0)), row("i-b", success)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t, run1())
			s.answers(0, test.rows...)
			if got := s.status.ExitCode; (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("exit code %v, want %v", got, test.want)
			}
		})
	}
}

func TestSuspensionDoesNotCount(t *testing.T) {
	spec := run1()
	spec.Polling = &v1alpha1.PollingSpec{TimeoutSeconds: 600}
	s := tell(t, spec)
	s.answers(0)
	s.spec.Suspend = true
	s.at(4*time.Minute, Observation{})
	if s.out.Finished || s.out.LeastInterval != 0 || !s.out.Requeue.IsZero() {
		t.Errorf("suspended, but %+v", s.out)
	}
	s.at(time.Hour, Observation{})
	s.spec.Suspend = false
	s.restart()
	s.at(2*time.Hour, Observation{})
	if want := t0.Add(2*time.Hour - 4*time.Minute); !s.status.ObservedSince.Time.Equal(want) {
		t.Fatalf("observed since %s, want %s", s.status.ObservedSince, want)
	}
	s.answers(2 * time.Hour)
	s.wantCompleted(v1alpha1.ReasonAwaitingRecords)
	s.wantRequeue(2*time.Hour + time.Minute)
	s.answers(2*time.Hour + time.Minute)
	s.wantCompleted(v1alpha1.ReasonNoRecords)
	if s.out.LeastInterval != SlowInterval {
		t.Errorf("without records, but asked every %v", s.out.LeastInterval)
	}
	s.wantRequeue(2*time.Hour + 6*time.Minute)
	s.at(2*time.Hour+6*time.Minute, Observation{})
	s.wantCompleted(v1alpha1.ReasonTimedOut)
}

func TestDefaultTimeoutOfTheOperator(t *testing.T) {
	s := tell(t, run1())
	s.settings.DefaultTimeout = time.Minute
	s.answers(0, row("i-a", running))
	s.wantRequeue(time.Minute)
	s.at(time.Minute, Observation{})
	s.wantCompleted(v1alpha1.ReasonTimedOut)
}

func TestMatchIsResolvedByACompleteAnswerOnly(t *testing.T) {
	s := tell(t, byMatch())
	s.at(0, Observation{Live: cutShort(answer(t0, row("i-a", success)))})
	if s.status.InvokeID != "" {
		t.Fatalf("latched %s by an incomplete answer", s.status.InvokeID)
	}
	s.at(0, Observation{Live: cutShort(answer(t0, row("i-a", success), row("i-a", success, func(r *cloudassistant.Record) { r.InvokeID = "t-2" })))})
	s.wantCompleted(v1alpha1.ReasonAmbiguousMatch)
	ambiguous := findCondition(s.status, v1alpha1.ConditionReady).Message
	s.restart()
	s.at(time.Second, Observation{})
	s.wantMessage(ambiguous)
	s.answers(time.Minute, row("i-a", success))
	if s.status.InvokeID != "t-1" || len(s.status.Instances) != 0 {
		t.Fatalf("latched %q with %d instances", s.status.InvokeID, len(s.status.Instances))
	}
	s.restart()
	s.answers(2*time.Minute, row("i-a", success))
	s.wantCompleted(v1alpha1.ReasonSucceeded)
}

// How long spec.match was looked for says nothing about the run that fits it at last: it may just have begun.
func TestARunThatWasWaitedForIsYoung(t *testing.T) {
	began := t0.Add(10 * time.Minute)
	for name, start := range map[string]time.Time{"began": began, "never began": {}} {
		t.Run(name, func(t *testing.T) {
			starts := func(r *cloudassistant.Record) { r.StartTime = start }
			s := tell(t, byMatch())
			s.answers(0)
			s.answers(10*time.Minute+time.Second, row("i-a", success, starts))
			s.answers(10*time.Minute+time.Second, row("i-a", success, starts))
			s.wantConditions(runningConditions)
			s.wantAnswerFrom(10*time.Minute + 6*time.Second)
			s.answers(10*time.Minute+6*time.Second, row("i-a", success, starts), row("i-b", failed, starts))
			s.wantConditions(runningConditions)
			s.repeats(10*time.Minute+6*time.Second, 10*time.Minute+11*time.Second, row("i-a", success, starts), row("i-b", failed, starts))
			s.wantCompleted(v1alpha1.ReasonCommandFailed)
		})
	}
}

func TestATransientFailureIsToldWhenTheAnswerIsOverdue(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{Live: answer(t0, row("i-a", running)), Failure: failure(cloudassistant.ClassThrottled), OverdueAt: t0.Add(time.Minute)})
	s.wantRequeue(time.Minute)
	s.at(time.Minute, Observation{Live: answer(t0, row("i-a", running)), Failure: failure(cloudassistant.ClassThrottled), OverdueAt: t0.Add(time.Minute)})
	if got := eventsText(s.out.Events); got != "Warning/Throttled" {
		t.Errorf("events %s", got)
	}
}

func TestACommandEndWithoutRecordsKeepsItsName(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", failed))
	p := begin(Input{Now: t0, Spec: run1(), Previous: &v1alpha1.InvocationResultStatus{Conditions: s.status.Conditions}})
	if got := p.situation(); got != v1alpha1.ReasonCommandFailed {
		t.Errorf("an end written without its records became %s", got)
	}
}

// An account that is throttled for others makes no failure of ours, and no news either.
func TestAnOverdueAnswerIsLookedForWithoutAFailure(t *testing.T) {
	s := tell(t, run1())
	overdue := t0.Add(3 * time.Minute)
	s.at(0, Observation{Live: answer(t0, row("i-1", cloudassistant.StatusRunning)), OverdueAt: overdue})
	if !s.out.Requeue.Equal(overdue) {
		t.Errorf("the next look is at %v, want %v, when the answer is overdue", s.out.Requeue, overdue)
	}
	s.at(3*time.Minute, Observation{
		Live: answer(t0, row("i-1", cloudassistant.StatusRunning)), OverdueAt: overdue, Failure: failure(cloudassistant.ClassThrottled),
	})
	s.wantConditions("Ready=False/Running Completed=False/Running Succeeded=Unknown/Running Reconciling=True/Throttled")
}
