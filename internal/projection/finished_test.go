package projection

import (
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func (s *story) wantFinished(after time.Duration, want bool) {
	s.testing.Helper()
	if got := Finished(s.spec, s.status, t0.Add(after)); got != want {
		s.testing.Errorf("%s after the beginning: finished %t, want %t", after, got, want)
	}
}

func TestFinishedFromTheStoredStatus(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{})
	s.wantFinished(9000*time.Hour, false)
	s.answers(0, row("i-a", running))
	s.wantFinished(9000*time.Hour, false)
	s.at(24*time.Hour, Observation{})
	s.wantRequeue(30 * 24 * time.Hour)
	s.wantFinished(30*24*time.Hour-time.Second, false)
	s.wantFinished(30*24*time.Hour, true)
	s.at(30*24*time.Hour, Observation{})
	if !s.out.Finished || s.out.LeastInterval != 0 {
		t.Errorf("given up, but %+v", s.out)
	}
}

// A delivery is asked about at the usual pace for an hour, then ever more rarely, and given up when the API forgets the run.
func TestADeliveryIsFollowedEverMoreRarely(t *testing.T) {
	s := tell(t, run1())
	late := row("i-a", success, func(r *cloudassistant.Record) {
		r.FinishedTime = t0
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: "InProgress"}
	})
	s.answers(time.Minute, late)
	s.wantCompleted(v1alpha1.ReasonSucceeded)
	for _, at := range []struct{ after, interval, requeue time.Duration }{
		{time.Minute, 0, time.Hour},
		{time.Hour - time.Second, 0, time.Hour},
		{time.Hour, 15 * time.Minute, 2 * time.Hour},
		{2*time.Hour - time.Second, 15 * time.Minute, 2 * time.Hour},
		{2 * time.Hour, 30 * time.Minute, 4 * time.Hour},
		{20 * time.Hour, 4 * time.Hour, 32 * time.Hour},
		{20 * 24 * time.Hour, 24 * time.Hour, 512 * time.Hour},
		{29 * 24 * time.Hour, 24 * time.Hour, 720 * time.Hour},
	} {
		s.at(at.after, Observation{})
		s.wantRequeue(at.requeue)
		s.wantFinished(at.after, false)
		if s.out.Finished || s.out.LeastInterval != at.interval {
			t.Errorf("%v after the end: finished %t, asked every %v, want every %v", at.after, s.out.Finished, s.out.LeastInterval, at.interval)
		}
	}
	s.wantFinished(30*24*time.Hour-time.Second, false)
	s.wantFinished(30*24*time.Hour, true)
	s.at(30*24*time.Hour, Observation{})
	if !s.out.Finished || s.out.LeastInterval != 0 {
		t.Errorf("given up, but %+v", s.out)
	}

	late.FinishedTime = time.Time{}
	s = tell(t, run1())
	s.answers(time.Minute, late)
	s.wantFinished(30*24*time.Hour, false)
	s.wantFinished(30*24*time.Hour+time.Minute, true)
}

// While the command goes on somewhere, its end is looked for at the usual pace, whatever is being delivered.
func TestADeliveryDoesNotSlowARun(t *testing.T) {
	s := tell(t, run1())
	delivering := func(r *cloudassistant.Record) {
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: "InProgress"}
	}
	for _, after := range []time.Duration{0, time.Hour, 23 * time.Hour} {
		s.answers(after, row("i-a", success, delivering), row("i-b", running, delivering))
		if s.out.LeastInterval != 0 {
			t.Errorf("after %v it is asked every %v", after, s.out.LeastInterval)
		}
	}
}

// An end that the API dates in the future does not keep it from being given up.
func TestAnEndInTheFutureIsWaitedForNoLonger(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", success, func(r *cloudassistant.Record) {
		r.FinishedTime = t0.Add(100 * 365 * 24 * time.Hour)
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: "InProgress"}
	}))
	s.wantFinished(30*24*time.Hour-time.Second, false)
	s.wantFinished(30*24*time.Hour, true)
}

func TestTheHistoryOfTheLastRunIsWaitedForAMinuteAtMost(t *testing.T) {
	spec := run1()
	spec.IncludeHistory = true
	s := tell(t, spec)
	last, earlier := row("i-a", success, ranBefore(2, 0)), row("i-a", success, ranBefore(1, 0))
	live := answer(t0, last)
	s.at(0, Observation{Live: live, History: answer(t0.Add(-time.Second), earlier)})
	s.wantCompleted(v1alpha1.ReasonSucceeded)
	s.wantRequeue(time.Minute)
	s.wantFinished(59*time.Second, false)
	s.wantFinished(time.Minute, true)
	if s.out.Finished {
		t.Error("finished by a history older than the end")
	}
	s.at(time.Second, Observation{Live: live, History: cutShort(answer(t0, earlier))})
	if s.out.Finished {
		t.Error("finished by a history cut short")
	}
	s.at(time.Second, Observation{Live: live, History: answer(t0, earlier)})
	if !s.out.Finished || !s.out.Requeue.IsZero() {
		t.Errorf("the history has arrived, but %+v", s.out)
	}

	s = tell(t, spec)
	s.answers(0, row("i-a", cancelled))
	s.wantFinished(0, true)
}

func TestUrgent(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", failed), row("i-b", success))
	base := s.status
	if !Urgent(nil, base) || Urgent(base, base.DeepCopy()) {
		t.Fatal("the first status is urgent, the same one is not")
	}
	for name, change := range map[string]func(*v1alpha1.InvocationResultStatus){
		"reason":                 func(s *v1alpha1.InvocationResultStatus) { s.Conditions[0].Reason = "Other" },
		"status":                 func(s *v1alpha1.InvocationResultStatus) { s.Conditions[1].Status = unknown },
		"condition's generation": func(s *v1alpha1.InvocationResultStatus) { s.Conditions[1].ObservedGeneration = 2 },
		"condition gone":         func(s *v1alpha1.InvocationResultStatus) { s.Conditions = s.Conditions[1:] },
		"another condition":      func(s *v1alpha1.InvocationResultStatus) { s.Conditions[3].Type = v1alpha1.ConditionReconciling },
		"generation":             func(s *v1alpha1.InvocationResultStatus) { s.ObservedGeneration++ },
		"run":                    func(s *v1alpha1.InvocationResultStatus) { s.InvokeID = "t-2" },
		"request handled":        func(s *v1alpha1.InvocationResultStatus) { s.LastHandledReconcileAt = "now" },
		"end":                    func(s *v1alpha1.InvocationResultStatus) { s.CompletionTime = metaTime(t0) },
		"exit code":              func(s *v1alpha1.InvocationResultStatus) { s.ExitCode = new(int64(9)) },
		"no exit code":           func(s *v1alpha1.InvocationResultStatus) { s.ExitCode = nil },
	} {
		next := base.DeepCopy()
		change(next)
		if !Urgent(base, next) {
			t.Errorf("%s is not urgent", name)
		}
	}
	for name, change := range map[string]func(*v1alpha1.InvocationResultStatus){
		"message":   func(s *v1alpha1.InvocationResultStatus) { s.Conditions[0].Message = "Another." },
		"counts":    func(s *v1alpha1.InvocationResultStatus) { s.Summary.Running++ },
		"instances": func(s *v1alpha1.InvocationResultStatus) { s.Instances[0].Status = "Weird" },
	} {
		next := base.DeepCopy()
		change(next)
		if Urgent(base, next) || Equal(base, next) {
			t.Errorf("%s: urgent %t, equal %t; want mere progress", name, Urgent(base, next), Equal(base, next))
		}
	}
}

func TestLastHandledReconcileAtIsCarriedOver(t *testing.T) {
	s := tell(t, run1())
	s.status = &v1alpha1.InvocationResultStatus{ObservedGeneration: -1, LastHandledReconcileAt: "2026-11-23"}
	s.answers(0, row("i-a", success))
	if s.status.LastHandledReconcileAt != "2026-11-23" || s.status.ObservedGeneration != 1 {
		t.Errorf("status %+v", s.status)
	}
}

// A delivery that has not begun when the command ends is waited for.
func TestADeliveryThatHasNotBegunIsFollowed(t *testing.T) {
	s := tell(t, run1())
	asked := func(status string) cloudassistant.Record {
		return row("i-a", success, func(r *cloudassistant.Record) {
			r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: status}
		})
	}
	s.answers(0, asked(""))
	if s.out.Finished {
		t.Errorf("finished, with %+v", s.status.Instances[0].OSSOutput)
	}
	s.answers(time.Minute, asked("Finished"))
	if !s.out.Finished {
		t.Error("not finished, though the delivery is")
	}
}
