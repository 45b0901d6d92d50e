package projection

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// checkAlways checks what holds of every projection, whatever went before.
func checkAlways(t failer, in Input, out Output) {
	t.Helper()
	checkSame(t, in, out)
	checkBudget(t, in, out)
	checkConditions(t, in, out)
	checkRecords(t, in, out)
	checkEnd(t, in, out)
	checkTold(t, in, out)
	checkJudged(t, in, out)
	for _, e := range out.Events {
		if len(e.Note) == 0 || len(e.Note) > 1024 || !utf8.ValidString(e.Note) || e.Reason == "" {
			t.Errorf("event %+v is not one that the API server takes", e)
		}
	}
}

// checkTold: each transition has its event, and nothing else has one.
func checkTold(t failer, in Input, out Output) {
	t.Helper()
	told := map[string]bool{}
	for _, e := range out.Events {
		if told[e.Reason] {
			t.Fatalf("%s is told twice: %+v", e.Reason, out.Events)
		}
		told[e.Reason] = true
	}
	if in.Previous == nil || len(in.Previous.Conditions) == 0 {
		return
	}
	turned := map[string]bool{}
	for _, c := range out.Status.Conditions {
		before := findCondition(in.Previous, c.Type)
		if before != nil && before.Status == c.Status && before.Reason == c.Reason {
			continue
		}
		turned[c.Reason] = true
		if !tells(told, c, &out.Status) {
			t.Fatalf("%s is %s %s now, and it was %+v, but the events are %+v", c.Type, c.Status, c.Reason, before, out.Events)
		}
	}
	for reason := range told {
		before := telling(in.Previous)
		if !turned[reason] && !ofItself[reason] && before != nil && !isTransient(before.Reason) {
			t.Fatalf("%s is told, and no condition has turned: %s, then %s", reason, conditionsText(in.Previous), conditionsText(&out.Status))
		}
	}
}

// tells says whether events with these reasons tell that a condition has turned.
func tells(told map[string]bool, c metav1.Condition, status *v1alpha1.InvocationResultStatus) bool {
	scheduled := conditionReason(status, v1alpha1.ConditionCompleted) == v1alpha1.ReasonScheduled
	switch {
	case scheduled && c.Type == v1alpha1.ConditionSucceeded && c.Status != unknown:
		return told[EventRunFailed] || told[EventRunSucceeded]
	case c.Type == v1alpha1.ConditionReady && told[telling(status).Reason]:
		// A trouble that begins as it turns is what is told.
		return true
	}
	return told[c.Reason]
}

// ofItself are the reasons of events that tell of no condition.
var ofItself = map[string]bool{EventRunFailed: true, EventRunSucceeded: true, EventOutputNotKept: true}

// checkJudged: no judge calls it current before it is, nor lets anybody wait after the end, and an end is not looked for
// more rarely than the spec says.
func checkJudged(t failer, in Input, out Output) {
	t.Helper()
	result := &v1alpha1.InvocationResult{Status: out.Status}
	result.Generation = in.Generation
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(result)
	if err != nil {
		t.Fatalf("%v", err)
	}
	judged, err := kstatus.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		t.Fatalf("judging %s: %v", conditionsText(&out.Status), err)
	}
	completed := findCondition(&out.Status, v1alpha1.ConditionCompleted)
	ready := findCondition(&out.Status, v1alpha1.ConditionReady).Status == yes
	held := findCondition(&out.Status, v1alpha1.ConditionSuspended) != nil
	if judged.Status == kstatus.CurrentStatus && !ready {
		t.Fatalf("judged current: %s", conditionsText(&out.Status))
	}
	if judged.Status == kstatus.InProgressStatus && completed.Status == yes && !held {
		t.Fatalf("judged in progress: %s", conditionsText(&out.Status))
	}
	if out.LeastInterval != 0 && completed.Status != yes && !slow(completed.Reason) {
		t.Fatalf("asked every %v only: %s", out.LeastInterval, conditionsText(&out.Status))
	}
}

// checkSame: projecting the result again, also after a restart, changes nothing (invariant 5). An observation that
// resolved spec.match is of another question from then on.
func checkSame(t failer, in Input, out Output) {
	t.Helper()
	asked := in.Spec.InvokeID
	if in.Previous != nil && asked == "" {
		asked = in.Previous.InvokeID
	}
	if out.Status.InvokeID != asked {
		in.Observation = Observation{}
	}
	in.Previous = &out.Status
	again := Project(in)
	if !Equal(&out.Status, &again.Status) {
		t.Fatalf("projecting the result again changes it (-first +again):\n%s", cmp.Diff(out.Status, again.Status))
	}
	if len(again.Events) != 0 {
		t.Fatalf("projecting the result again tells of %+v", again.Events)
	}
	in.Observation = Observation{}
	if lost := Project(in); !Equal(&out.Status, &lost.Status) {
		t.Fatalf("without the answers (a restart) it changes (-with +without):\n%s", cmp.Diff(out.Status, lost.Status))
	}
}

// checkBudget: invariant 4.
func checkBudget(t failer, in Input, out Output) {
	t.Helper()
	limit := (&projection{Input: in}).maxStatusBytes()
	echoed := out.Status
	echoed.LastHandledReconcileAt = strings.Repeat("&", 256)
	if size := jsonSize(echoed); size > limit {
		t.Fatalf("the status takes %d bytes of %d", size, limit)
	}
	var total, dropped int32
	if s := out.Status.Summary; s != nil {
		total = s.Total
		if sum := s.Pending + s.Running + s.Succeeded + s.Failed + s.Stopped + s.Other; sum != total {
			t.Fatalf("the summary %+v does not add up", *s)
		}
	}
	if out.Status.Truncated != nil {
		dropped = out.Status.Truncated.Instances
	}
	if int(total-dropped) != len(out.Status.Instances) {
		t.Fatalf("%d instances of %d are there, but %d are said to be missing", len(out.Status.Instances), total, dropped)
	}
}

// checkConditions: the conditions fit together, are dated and worded as they should be.
func checkConditions(t failer, in Input, out Output) {
	t.Helper()
	ready := findCondition(&out.Status, v1alpha1.ConditionReady)
	present := map[string]bool{}
	for _, c := range out.Status.Conditions {
		present[c.Type] = true
		if c.ObservedGeneration != in.Generation || c.LastTransitionTime.IsZero() {
			t.Fatalf("condition %+v is not stamped", c)
		}
		if len(c.Message) == 0 || len(c.Message) > 1024 || strings.Contains(c.Message, "REQ-") {
			t.Fatalf("condition %s has the message %q", c.Type, c.Message)
		}
		if in.Previous != nil {
			before := findCondition(in.Previous, c.Type)
			if before != nil && (before.Status == c.Status) != before.LastTransitionTime.Equal(&c.LastTransitionTime) && !in.Now.Truncate(time.Second).Equal(before.LastTransitionTime.Time) {
				t.Fatalf("transition time of %s: before %+v, now %+v", c.Type, *before, c)
			}
		}
	}
	if !present[v1alpha1.ConditionReady] || !present[v1alpha1.ConditionCompleted] || !present[v1alpha1.ConditionSucceeded] {
		t.Fatalf("a condition is missing: %s", conditionsText(&out.Status))
	}
	ways := 0
	for _, way := range []bool{present[v1alpha1.ConditionReconciling], present[v1alpha1.ConditionStalled], present[v1alpha1.ConditionSuspended]} {
		if way {
			ways++
		}
	}
	late := isTransient(conditionReason(&out.Status, v1alpha1.ConditionReconciling))
	if ready.Status == metav1.ConditionTrue && !late {
		ways++
	}
	if ways != 1 {
		t.Fatalf("a reader cannot tell whether to wait: %s", conditionsText(&out.Status))
	}
}

// checkRecords: invariants 1 and 2. What was recorded stays, and stays ended.
func checkRecords(t failer, in Input, out Output) {
	t.Helper()
	if in.Previous == nil {
		return
	}
	now := map[place]string{}
	for _, r := range out.Status.Instances {
		now[stored(r).place()] = r.Status
	}
	for _, r := range in.Previous.Instances {
		e := stored(r)
		status, present := now[e.place()]
		if !present && out.Status.Truncated == nil {
			t.Fatalf("the record of %s is gone", e.place())
		}
		if present && e.terminal() && status != e.Status {
			t.Fatalf("the record of %s was %s and is %s", e.place(), e.Status, status)
		}
	}
	before, after := in.Previous.Summary, out.Status.Summary
	if before == nil {
		return
	}
	if after == nil || after.Total < before.Total || after.Succeeded < before.Succeeded || after.Failed < before.Failed || after.Stopped < before.Stopped {
		t.Fatalf("the summary was %+v and is %+v", before, after)
	}
}

// checkEnd: invariants 1, 3, 6 and 9.
func checkEnd(t failer, in Input, out Output) {
	t.Helper()
	reason := conditionReason(&out.Status, v1alpha1.ConditionCompleted)
	before := ""
	if in.Previous != nil {
		before = conditionReason(in.Previous, v1alpha1.ConditionCompleted)
	}
	if !isCommandEnd(reason) {
		if isCommandEnd(before) {
			t.Fatalf("the end %s became %s", before, reason)
		}
		if out.Status.ExitCode != nil || out.Status.CompletionTime != nil {
			t.Fatalf("exit code %v and completion time %v before the end", out.Status.ExitCode, out.Status.CompletionTime)
		}
		return
	}
	want := v1alpha1.ReasonSucceeded
	s := out.Status.Summary
	switch {
	case s.Failed > 0:
		want = v1alpha1.ReasonCommandFailed
	case s.Stopped > 0:
		want = v1alpha1.ReasonStopped
	}
	if reason != want || s.Pending+s.Running+s.Other != 0 {
		t.Fatalf("%s with %+v", reason, *s)
	}
	if !isCommandEnd(before) {
		checkEnding(t, in, out)
	}
}

// checkEnding: the command ends by a complete answer that has every known row, each of them terminal in it, and by
// two such if it is young.
func checkEnding(t failer, in Input, out Output) {
	t.Helper()
	live := in.Observation.Live
	if live == nil || !live.Complete {
		t.Fatalf("ended without a complete answer")
	}
	given := map[place]bool{}
	for i := range live.Records {
		r := &live.Records[i]
		if clean(r.InvokeID, 256) == out.Status.InvokeID && (in.Spec.InstanceID == "" || in.Spec.InstanceID == r.InstanceID) {
			e := received(r)
			given[e.place()] = given[e.place()] || e.terminal()
		}
	}
	for at, terminal := range given {
		if !terminal {
			t.Fatalf("ended though %s has not ended in the answer", at)
		}
	}
	if in.Previous != nil {
		for _, r := range in.Previous.Instances {
			if !given[stored(r).place()] {
				t.Fatalf("ended by an answer that lacks %s", stored(r).place())
			}
		}
	}
	if len(given) == 0 || len(given) < int(out.Status.Summary.Total) {
		t.Fatalf("ended by an answer with %d of %d rows", len(given), out.Status.Summary.Total)
	}
	since := in.Observation.UnchangedSince
	if since.IsZero() {
		since = live.StartedAt
	}
	age := live.StartedAt.Sub(out.Status.ObservedSince.Time)
	if in.Spec.InvokeID == "" {
		// It may have been looked for before it began.
		age = 0
	}
	if out.Status.StartTime != nil {
		age = max(age, live.StartedAt.Sub(out.Status.StartTime.Time))
	}
	if age < 30*time.Second && live.StartedAt.Sub(since) < 5*time.Second {
		t.Fatalf("ended by one answer at the age of %s", age)
	}
}
