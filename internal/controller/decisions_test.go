package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

func TestWatchOf(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	match := &v1alpha1.InvocationMatch{
		Tags: []v1alpha1.Tag{{Key: "deploy", Value: "9f3c2e1"}, {Key: "empty"}}, CommandID: "c-1", ResourceGroupID: "rg-1",
	}
	for name, test := range map[string]struct {
		spec   v1alpha1.InvocationResultSpec
		status v1alpha1.InvocationResultStatus
		wants  demand
		want   poller.Watch
	}{
		"by ID": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", InstanceID: "i-1", IncludeHistory: true},
			want: poller.Watch{Question: cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-1", InstanceID: "i-1"}, History: true, HistoryLimit: 10},
		},
		"no history is kept, and one is not all": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", IncludeHistory: true, HistoryLimit: new(int32)},
			want: poller.Watch{Question: cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-1"}, History: true, HistoryLimit: 1},
		},
		"by match": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", Match: match},
			want: poller.Watch{Question: cloudassistant.Query{
				RegionID: "cn-hangzhou", CommandID: "c-1", ResourceGroupID: "rg-1",
				Tags: []cloudassistant.Tag{{Key: "deploy", Value: "9f3c2e1"}, {Key: "empty"}},
			}},
		},
		"a latched match is a run like any other": {
			spec:   v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", Match: match, InstanceID: "i-1"},
			status: v1alpha1.InvocationResultStatus{InvokeID: "t-2"},
			want:   poller.Watch{Question: cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-2", InstanceID: "i-1"}},
		},
		"intervals and a demand": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", Polling: &v1alpha1.PollingSpec{
				MinIntervalSeconds: 5, MaxIntervalSeconds: 7, TimeoutSeconds: 9,
			}},
			wants: demand{answerFrom: now, judged: now.Add(-time.Minute)},
			want: poller.Watch{
				Question:    cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-1"},
				MinInterval: 5 * time.Second, MaxInterval: 7 * time.Second, AnswerFrom: now, Judged: now.Add(-time.Minute),
			},
		},
		"slow": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", Polling: &v1alpha1.PollingSpec{
				MinIntervalSeconds: 5, MaxIntervalSeconds: 3600,
			}},
			wants: demand{leastInterval: 10 * time.Minute},
			want: poller.Watch{
				Question:    cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-1"},
				MinInterval: 10 * time.Minute, MaxInterval: time.Hour,
			},
		},
		"a Secret is one of the same namespace": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", Credentials: &v1alpha1.CredentialsSpec{
				SecretRef: &v1alpha1.SecretReference{Name: "reader"}, RoleARN: "acs:ram::1:role/x",
			}},
			want: poller.Watch{
				Identity: cloudassistant.Identity{Secret: "ops/reader", RoleARN: "acs:ram::1:role/x"},
				Question: cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-1"},
			},
		},
		"a role on top of the operator's own credentials": {
			spec: v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1", Credentials: &v1alpha1.CredentialsSpec{RoleARN: "acs:ram::1:role/x"}},
			want: poller.Watch{
				Identity: cloudassistant.Identity{RoleARN: "acs:ram::1:role/x"},
				Question: cloudassistant.Query{RegionID: "cn-hangzhou", InvokeID: "t-1"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			result := &v1alpha1.InvocationResult{ObjectMeta: metav1.ObjectMeta{Namespace: "ops"}, Spec: test.spec, Status: test.status}
			test.want.Tenant = "ops"
			if diff := cmp.Diff(test.want, watchOf(result, test.wants)); diff != "" {
				t.Errorf("watchOf (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpiresAt(t *testing.T) {
	ended := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	completed := func(status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionCompleted, Status: status, LastTransitionTime: ended}}
	}
	stalled := func(since time.Duration) []metav1.Condition {
		return append(completed(metav1.ConditionTrue), metav1.Condition{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(ended.Add(since)),
		})
	}
	for name, test := range map[string]struct {
		conditions []metav1.Condition
		ttl        *int32
		defaultTTL time.Duration
		want       time.Time
	}{
		"not observed yet":           {nil, ptr.To[int32](0), time.Hour, time.Time{}},
		"not ended":                  {completed(metav1.ConditionFalse), ptr.To[int32](0), time.Hour, time.Time{}},
		"kept":                       {completed(metav1.ConditionTrue), nil, 0, time.Time{}},
		"its own time":               {completed(metav1.ConditionTrue), ptr.To[int32](60), time.Hour, ended.Add(time.Minute)},
		"its own time of nothing":    {completed(metav1.ConditionTrue), ptr.To[int32](0), time.Hour, ended.Time},
		"the default":                {completed(metav1.ConditionTrue), nil, time.Hour, ended.Add(time.Hour)},
		"stalled before its end":     {stalled(-time.Hour), ptr.To[int32](60), 0, ended.Add(time.Minute)},
		"stalled after a suspension": {stalled(time.Hour), ptr.To[int32](60), 0, ended.Add(time.Hour + time.Minute)},
		"an end that came late": {append(completed(metav1.ConditionTrue), metav1.Condition{
			Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(ended.Add(time.Hour)),
		}), ptr.To[int32](60), 0, ended.Add(time.Hour + time.Minute)},
		"its own time, without default": {completed(metav1.ConditionTrue), ptr.To[int32](60), 0, ended.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			result := &v1alpha1.InvocationResult{
				Spec:   v1alpha1.InvocationResultSpec{TTLSecondsAfterFinished: test.ttl},
				Status: v1alpha1.InvocationResultStatus{Conditions: test.conditions},
			}
			if got := expiresAt(result, test.defaultTTL); !got.Equal(test.want) {
				t.Errorf("expiresAt is %v, want %v", got, test.want)
			}
		})
	}
}

func TestATimeToLiveDoesNotCountWhileSuspended(t *testing.T) {
	ended := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	result := &v1alpha1.InvocationResult{Status: v1alpha1.InvocationResultStatus{Conditions: []metav1.Condition{
		{Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionTrue, LastTransitionTime: ended},
		{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, LastTransitionTime: ended},
	}}}
	if got := expiresAt(result, time.Second); !got.IsZero() {
		t.Errorf("a suspended result expires at %v, want never", got)
	}
}

func TestAskedAt(t *testing.T) {
	early := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	late := early.Add(time.Second)
	answered := func(at time.Time) *cloudassistant.Answer {
		return &cloudassistant.Answer{StartedAt: at, EndedAt: at.Add(time.Hour)}
	}
	failed := func(at time.Time) *poller.Failure { return &poller.Failure{Began: at, At: at.Add(time.Hour)} }
	for name, test := range map[string]struct {
		snapshot poller.Snapshot
		want     time.Time
	}{
		"nothing asked":                {poller.Snapshot{}, time.Time{}},
		"an answer":                    {poller.Snapshot{Live: answered(early)}, early},
		"a failure":                    {poller.Snapshot{Failure: failed(early)}, early},
		"a failure after an answer":    {poller.Snapshot{Live: answered(early), Failure: failed(late)}, late},
		"an answer beside old failure": {poller.Snapshot{Live: answered(late), Failure: failed(early)}, late},
	} {
		if got := askedAt(test.snapshot); !got.Equal(test.want) {
			t.Errorf("%s: askedAt is %v, want %v", name, got, test.want)
		}
	}
}

func TestRequestedAt(t *testing.T) {
	long := strings.Repeat("é", maxRequestedAt+1)
	for name, test := range map[string]struct {
		annotations map[string]string
		want        string
	}{
		"none":   {nil, ""},
		"ours":   {map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "a"}, "a"},
		"Flux's": {map[string]string{v1alpha1.AnnotationFluxReconcileRequestedAt: "b"}, "b"},
		"both":   {map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "a", v1alpha1.AnnotationFluxReconcileRequestedAt: "b"}, "a"},
		"both, Flux's later": {map[string]string{
			v1alpha1.AnnotationReconcileRequestedAt:     "2026-11-23T08:00:00Z",
			v1alpha1.AnnotationFluxReconcileRequestedAt: "2026-11-23T09:00:00.123456789+01:00",
		}, "2026-11-23T09:00:00.123456789+01:00"},
		"both, ours later": {map[string]string{
			v1alpha1.AnnotationReconcileRequestedAt:     "2026-11-23T08:00:01Z",
			v1alpha1.AnnotationFluxReconcileRequestedAt: "2026-11-23T09:00:00.123456789+01:00",
		}, "2026-11-23T08:00:01Z"},
		"very long": {map[string]string{v1alpha1.AnnotationReconcileRequestedAt: long}, strings.Repeat("é", maxRequestedAt)},
	} {
		if got := requestedAt(&v1alpha1.InvocationResult{ObjectMeta: metav1.ObjectMeta{Annotations: test.annotations}}); got != test.want {
			t.Errorf("%s: requestedAt is %q, want %q", name, got, test.want)
		}
	}
}

func TestEarliest(t *testing.T) {
	early := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	late := early.Add(time.Second)
	for _, test := range []struct{ a, b, want time.Time }{
		{time.Time{}, time.Time{}, time.Time{}},
		{early, time.Time{}, early},
		{time.Time{}, early, early},
		{early, late, early},
		{late, early, early},
	} {
		if got := earliest(test.a, test.b); !got.Equal(test.want) {
			t.Errorf("earliest(%v, %v) is %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
