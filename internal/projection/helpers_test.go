package projection

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// t0 is the first observation in these tests, and begun when most of their runs began: long before, so that a
// single answer is enough.
var (
	t0    = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	begun = t0.Add(-time.Hour)
)

func run1() *v1alpha1.InvocationResultSpec {
	return &v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", InvokeID: "t-1"}
}

func byMatch() *v1alpha1.InvocationResultSpec {
	return &v1alpha1.InvocationResultSpec{RegionID: "cn-hangzhou", Match: &v1alpha1.InvocationMatch{CommandID: "c-1"}}
}

// row is a record of the run t-1 as the API gives it with that status.
func row(instanceID string, status cloudassistant.InvocationStatus, edits ...func(*cloudassistant.Record)) cloudassistant.Record {
	r := cloudassistant.Record{
		CommandID: "c-1", InvokeID: "t-1", InstanceID: instanceID,
		InvocationStatus: status, InvokeRecordStatus: cloudassistant.RecordRunning, StartTime: begun,
	}
	if status.Terminal() {
		r.InvokeRecordStatus = cloudassistant.RecordFinished
		r.FinishedTime = begun.Add(time.Minute)
	}
	switch status {
	case cloudassistant.StatusSuccess:
		r.ExitCode = new(int64(0))
	case cloudassistant.StatusFailed:
		r.ExitCode, r.ErrorCode = new(int64(3)), "ExitCodeNonzero"
	case cloudassistant.StatusTimeout:
		r.ErrorCode = "ExecutionTimeout"
	}
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

func printed(text string) func(*cloudassistant.Record) {
	return func(r *cloudassistant.Record) { r.Output = []byte(text) }
}

func answer(at time.Time, records ...cloudassistant.Record) *cloudassistant.Answer {
	return &cloudassistant.Answer{Records: records, StartedAt: at, EndedAt: at, Complete: true}
}

func cutShort(a *cloudassistant.Answer) *cloudassistant.Answer {
	a.Complete = false
	return a
}

func denied() *cloudassistant.Error {
	return &cloudassistant.Error{
		Class: cloudassistant.ClassDenied, Code: "Forbidden.RAM", RequestID: "REQ-1",
		Message: "User not authorized to operate on the specified resource (REQ-1).",
	}
}

func failure(class cloudassistant.Class) *cloudassistant.Error {
	return &cloudassistant.Error{Class: class, Code: "Some.Code", Message: "Something.", RequestID: "REQ-2"}
}

// story projects one observation after the other, each on the status before. After every projection it checks what
// always holds.
type story struct {
	testing    *testing.T
	spec       *v1alpha1.InvocationResultSpec
	settings   Settings
	generation int64
	status     *v1alpha1.InvocationResultStatus
	out        Output
}

func tell(t *testing.T, spec *v1alpha1.InvocationResultSpec) *story {
	t.Helper()
	return &story{testing: t, spec: spec, generation: 1}
}

// at projects an observation at t0 plus after.
func (s *story) at(after time.Duration, observation Observation) {
	s.testing.Helper()
	input := Input{
		Now: t0.Add(after), Generation: s.generation, Spec: s.spec, Previous: s.status,
		Observation: observation, Settings: s.settings,
	}
	out := Project(input)
	checkAlways(s.testing, input, out)
	s.out, s.status = out, &out.Status
}

// answers projects a complete answer begun at t0 plus after that brought news.
func (s *story) answers(after time.Duration, records ...cloudassistant.Record) {
	s.testing.Helper()
	s.at(after, Observation{Live: answer(t0.Add(after), records...)})
}

// repeats projects a complete answer that says since t0 plus since what it still says at t0 plus after.
func (s *story) repeats(since, after time.Duration, records ...cloudassistant.Record) {
	s.testing.Helper()
	s.at(after, Observation{Live: answer(t0.Add(after), records...), UnchangedSince: t0.Add(since)})
}

// restart loses all but what is stored.
func (s *story) restart() {
	s.testing.Helper()
	s.status = roundTrip(s.testing, s.status)
}

// roundTrip is the status as it comes back from the API server.
func roundTrip(t failer, status *v1alpha1.InvocationResultStatus) *v1alpha1.InvocationResultStatus {
	t.Helper()
	text, err := json.Marshal(status)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var again v1alpha1.InvocationResultStatus
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatalf("%v", err)
	}
	return &again
}

// wantConditions compares the conditions with "Ready=False/Running Completed=…", all of them, in their order.
func (s *story) wantConditions(want string) {
	s.testing.Helper()
	if got := conditionsText(s.status); got != want {
		s.testing.Errorf("conditions\n got %s\nwant %s", got, want)
	}
}

func (s *story) wantMessage(want string) {
	s.testing.Helper()
	if got := findCondition(s.status, v1alpha1.ConditionReady).Message; got != want {
		s.testing.Errorf("message of Ready\n got %s\nwant %s", got, want)
	}
}

func conditionsText(status *v1alpha1.InvocationResultStatus) string {
	var parts []string
	for _, c := range status.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(parts, " ")
}

// statuses lists the instances as "i-a:Success".
func statuses(list []v1alpha1.InstanceResult) string {
	var parts []string
	for _, r := range list {
		parts = append(parts, r.InstanceID+":"+r.Status)
	}
	return strings.Join(parts, " ")
}

func eventsText(events []Event) string {
	var parts []string
	for _, e := range events {
		parts = append(parts, e.Type+"/"+e.Reason)
	}
	return strings.Join(parts, " ")
}

// statusOf is a status with that entry alone.
func statusOf(e *entry) *v1alpha1.InvocationResultStatus {
	return &v1alpha1.InvocationResultStatus{Instances: []v1alpha1.InstanceResult{e.InstanceResult}}
}

func metaTime(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }
