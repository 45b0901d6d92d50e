package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

func TestJudge(t *testing.T) {
	steady, growing, leaking := make([]figure, 30), make([]figure, 30), make([]figure, 30)
	for n := range steady {
		steady[n] = figure{memory: 100 + float64(n%5), goroutines: 50}
		growing[n] = figure{memory: 100 + 10*float64(n), goroutines: 50}
		leaking[n] = figure{memory: 100, goroutines: 50 + 2*float64(n)}
	}
	if err := judge(steady, 0.15); err != nil {
		t.Errorf("what is steady is judged: %v", err)
	}
	if err := judge(growing, 0.15); err == nil || !strings.Contains(err.Error(), "memory grew") || strings.Contains(err.Error(), "goroutines") {
		t.Errorf("memory that grows is judged: %v", err)
	}
	if err := judge(leaking, 0.15); err == nil || !strings.Contains(err.Error(), "goroutines grew") || strings.Contains(err.Error(), "memory") {
		t.Errorf("goroutines that grow are judged: %v", err)
	}
	if err := judge(steady[:5], 0.15); err == nil {
		t.Error("five samples are judged")
	}
}

func TestCheck(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ended := func(reason string, total int32) v1alpha1.InvocationResultStatus {
		return v1alpha1.InvocationResultStatus{
			Summary:    &v1alpha1.InvocationSummary{Total: total},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionTrue, Reason: reason}},
		}
	}
	for name, test := range map[string]struct {
		run    string
		status v1alpha1.InvocationResultStatus
		after  time.Duration
		wrong  bool
	}{
		"goes on":              {run: "soak-1"},
		"goes on for too long": {run: "soak-1", after: settles + time.Second, wrong: true},
		"ended well":           {run: "soak-1", status: ended(v1alpha1.ReasonSucceeded, 2)},
		"lost an instance":     {run: "soak-1", status: ended(v1alpha1.ReasonSucceeded, 1), wrong: true},
		"should have failed":   {run: "soak-10", status: ended(v1alpha1.ReasonSucceeded, 2), wrong: true},
		"failed":               {run: "soak-10", status: ended(v1alpha1.ReasonCommandFailed, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			result := &v1alpha1.InvocationResult{Status: test.status}
			result.Name, result.CreationTimestamp = test.run, metav1.NewTime(begin)
			if err := check(result, begin.Add(test.after)); (err != nil) != test.wrong {
				t.Errorf("error %v, want one: %v", err, test.wrong)
			}
		})
	}
}
