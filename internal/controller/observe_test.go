package controller

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

func TestWhatAWriteTells(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) *metav1.Time {
		return &metav1.Time{Time: began.Add(time.Duration(seconds) * time.Second)}
	}
	status := func(completed metav1.ConditionStatus, reason string, change func(*v1alpha1.InvocationResultStatus)) v1alpha1.InvocationResultStatus {
		s := v1alpha1.InvocationResultStatus{ObservedGeneration: 1, ObservedSince: at(10), Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionCompleted, Status: completed, Reason: reason, ObservedGeneration: 1,
		}}}
		if change != nil {
			change(&s)
		}
		return s
	}
	running := func(change func(*v1alpha1.InvocationResultStatus)) v1alpha1.InvocationResultStatus {
		return status(metav1.ConditionFalse, v1alpha1.ReasonRunning, change)
	}
	ended := func(reason string, change func(*v1alpha1.InvocationResultStatus)) v1alpha1.InvocationResultStatus {
		return status(metav1.ConditionTrue, reason, change)
	}
	endedAt := func(seconds int) func(*v1alpha1.InvocationResultStatus) {
		return func(s *v1alpha1.InvocationResultStatus) { s.CompletionTime = at(seconds) }
	}
	cut := func(bytes int64) func(*v1alpha1.InvocationResultStatus) {
		return func(s *v1alpha1.InvocationResultStatus) {
			s.Truncated = &v1alpha1.TruncatedStatus{OutputBytes: bytes}
		}
	}
	for name, test := range map[string]struct {
		before, after v1alpha1.InvocationResultStatus
		events        []projection.Event
		want          Write
	}{
		"the first status": {
			after: running(nil), want: Write{Kind: WriteTransition},
		},
		"mere progress": {
			before: running(nil), after: running(func(s *v1alpha1.InvocationResultStatus) { s.Summary = &v1alpha1.InvocationSummary{Running: 2} }),
			want: Write{Kind: WriteProgress},
		},
		"an end, seconds after the command's": {
			before: running(nil), after: ended(v1alpha1.ReasonSucceeded, endedAt(57)),
			want: Write{Kind: WriteEnd, Completed: []string{v1alpha1.ReasonSucceeded}, Detected: true, Lag: 3 * time.Second},
		},
		"an end long before anybody watched": {
			before: running(nil), after: ended(v1alpha1.ReasonCommandFailed, endedAt(-86400)),
			want: Write{Kind: WriteEnd, Completed: []string{v1alpha1.ReasonCommandFailed}, Detected: true, Lag: 50 * time.Second},
		},
		"an end in the future of a clock that is slow": {
			before: running(nil), after: ended(v1alpha1.ReasonSucceeded, endedAt(62)),
			want: Write{Kind: WriteEnd, Completed: []string{v1alpha1.ReasonSucceeded}, Detected: true},
		},
		"an observation given up": {
			before: running(nil), after: ended(v1alpha1.ReasonTimedOut, nil),
			want: Write{Kind: WriteEnd, Completed: []string{v1alpha1.ReasonTimedOut}},
		},
		"records lost to retention": {
			before: running(nil), after: ended(v1alpha1.ReasonRecordsExpired, nil),
			want: Write{Kind: WriteEnd, Completed: []string{v1alpha1.ReasonRecordsExpired}},
		},
		"late news that heal it": {
			before: ended(v1alpha1.ReasonTimedOut, nil), after: ended(v1alpha1.ReasonSucceeded, endedAt(55)),
			want: Write{Kind: WriteEnd, Completed: []string{v1alpha1.ReasonSucceeded}, Detected: true, Lag: 5 * time.Second},
		},
		"facts after the end": {
			before: ended(v1alpha1.ReasonSucceeded, endedAt(30)),
			after: ended(v1alpha1.ReasonSucceeded, func(s *v1alpha1.InvocationResultStatus) {
				endedAt(30)(s)
				s.LastHandledReconcileAt = "now"
			}),
			want: Write{Kind: WriteTransition},
		},
		"a scheduled run that failed": {
			before: running(nil), after: running(func(s *v1alpha1.InvocationResultStatus) { s.Summary = &v1alpha1.InvocationSummary{Failed: 1} }),
			events: []projection.Event{{Reason: v1alpha1.ReasonSuspended}, {Reason: projection.EventRunFailed}},
			want:   Write{Kind: WriteProgress, Completed: []string{projection.EventRunFailed}},
		},
		"output that is cut": {
			before: running(cut(100)), after: running(cut(150)), want: Write{Kind: WriteProgress, TruncatedBytes: 50},
		},
		"output that is cut no more": {
			before: running(cut(100)), after: running(nil), want: Write{Kind: WriteProgress},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tell(&test.before, &test.after, test.events, at(60).Time)
			if got.Kind != test.want.Kind || got.Detected != test.want.Detected || got.Lag != test.want.Lag ||
				got.TruncatedBytes != test.want.TruncatedBytes || !slices.Equal(got.Completed, test.want.Completed) {
				t.Errorf("tells %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestNamespacesAreThoseWithResults(t *testing.T) {
	t.Parallel()
	r := &InvocationResultReconciler{}
	expect := func(want ...string) {
		t.Helper()
		got := r.Namespaces()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the namespaces are %q, want %q", got, want)
		}
	}
	one, two, other := types.NamespacedName{Namespace: "a", Name: "one"}, types.NamespacedName{Namespace: "a", Name: "two"}, types.NamespacedName{Namespace: "b", Name: "one"}
	for _, owner := range []types.NamespacedName{one, two, other} {
		r.memories.of(owner, "1")
	}
	r.memories.of(one, "2") // made anew under the same name
	expect("a", "b")
	r.memories.forget(one)
	r.memories.forget(one)
	expect("a", "b")
	r.memories.forget(two)
	expect("b")
	r.memories.forget(other)
	expect()
}
