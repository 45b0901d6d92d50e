package app_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// tableRow is a row of the table of conditions.
type tableRow struct {
	ready, completed, succeeded metav1.ConditionStatus
	// also is which of Reconciling, Stalled and Suspended exists; empty for none.
	also string
	// over is the reason of what lies below, where Completed and Succeeded are as before; empty where they have the
	// reason of the row.
	over string
	// event is the type of the event that tells of the transition.
	event   string
	verdict kstatus.Status
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown

	reconciling = v1alpha1.ConditionReconciling
	stalled     = v1alpha1.ConditionStalled
	held        = v1alpha1.ConditionSuspended

	normal  = corev1.EventTypeNormal
	warning = corev1.EventTypeWarning

	current    = kstatus.CurrentStatus
	inProgress = kstatus.InProgressStatus
	failed     = kstatus.FailedStatus
)

// conditionsTable is the table of conditions, by the reason that a result stands in it with.
var conditionsTable = map[string]tableRow{
	v1alpha1.ReasonPending:         {no, no, unknown, reconciling, "", normal, inProgress},
	v1alpha1.ReasonRunning:         {no, no, unknown, reconciling, "", normal, inProgress},
	v1alpha1.ReasonSucceeded:       {yes, yes, yes, "", "", normal, current},
	v1alpha1.ReasonCommandFailed:   {no, yes, no, stalled, "", warning, failed},
	v1alpha1.ReasonStopped:         {no, yes, no, stalled, "", warning, failed},
	v1alpha1.ReasonScheduled:       {yes, no, unknown, "", "", normal, current},
	v1alpha1.ReasonAwaitingRecords: {no, no, unknown, reconciling, "", normal, inProgress},
	v1alpha1.ReasonNoRecords:       {no, no, unknown, stalled, "", warning, failed},
	v1alpha1.ReasonRecordsExpired:  {no, yes, unknown, stalled, "", warning, failed},
	v1alpha1.ReasonAmbiguousMatch:  {no, no, unknown, stalled, "", warning, failed},
	v1alpha1.ReasonAccessDenied:    {no, no, unknown, stalled, v1alpha1.ReasonRunning, warning, failed},
	v1alpha1.ReasonInvalidQuery:    {no, yes, unknown, stalled, "", warning, failed},
	v1alpha1.ReasonTimedOut:        {no, yes, unknown, stalled, "", warning, failed},
	v1alpha1.ReasonSuspended:       {no, no, unknown, held, v1alpha1.ReasonRunning, normal, inProgress},
	v1alpha1.ReasonThrottled:       {no, no, unknown, reconciling, v1alpha1.ReasonRunning, warning, inProgress},
	v1alpha1.ReasonAPIUnavailable:  {no, no, unknown, reconciling, v1alpha1.ReasonRunning, warning, inProgress},
}

// way is how to get a result called row into a row of the table, and out of it.
type way struct {
	reach func(t *testing.T, w *world)
	// heal mends it; nil where it is final. Then it stands in the row healed.
	heal   func(t *testing.T, w *world)
	healed string
}

var ways = map[string]way{
	v1alpha1.ReasonPending:         {reachPending, clearFaults, v1alpha1.ReasonRunning},
	v1alpha1.ReasonRunning:         {reachRunning, endRow, v1alpha1.ReasonSucceeded},
	v1alpha1.ReasonSucceeded:       {reach: reachSucceeded},
	v1alpha1.ReasonCommandFailed:   {reach: reachCommandFailed},
	v1alpha1.ReasonStopped:         {reach: reachStopped},
	v1alpha1.ReasonScheduled:       {reachScheduled, endRow, v1alpha1.ReasonSucceeded},
	v1alpha1.ReasonAwaitingRecords: {reachAwaitingRecords, appear, v1alpha1.ReasonRunning},
	v1alpha1.ReasonNoRecords:       {reachNoRecords, appear, v1alpha1.ReasonRunning},
	v1alpha1.ReasonRecordsExpired:  {reach: reachRecordsExpired},
	v1alpha1.ReasonAmbiguousMatch:  {reachAmbiguousMatch, expireOther, v1alpha1.ReasonRunning},
	v1alpha1.ReasonAccessDenied:    {reachAccessDenied, clearFaults, v1alpha1.ReasonRunning},
	v1alpha1.ReasonInvalidQuery:    {reachInvalidQuery, clearFaults, v1alpha1.ReasonRunning},
	v1alpha1.ReasonTimedOut:        {reachTimedOut, endRow, v1alpha1.ReasonSucceeded},
	v1alpha1.ReasonSuspended:       {reachSuspended, resume, v1alpha1.ReasonRunning},
	v1alpha1.ReasonThrottled:       {reachThrottled, clearFaults, v1alpha1.ReasonRunning},
	v1alpha1.ReasonAPIUnavailable:  {reachAPIUnavailable, clearFaults, v1alpha1.ReasonRunning},
}

// Every row of the table of conditions is reached, and left again where it heals, by what the operator's users would
// see: conditions, their generation, the event, and what kstatus, Flux and Argo CD make of it.
func TestTheTableOfConditions(t *testing.T) {
	for reason, row := range conditionsTable {
		t.Run(reason, func(t *testing.T) {
			w := newClockWorld(t)
			w.start(t)
			way := ways[reason]
			way.reach(t, w)
			row.check(t, w, reason)
			w.outlive(t, reason)
			if way.heal != nil {
				told := len(w.events(t, way.healed))
				way.heal(t, w)
				conditionsTable[way.healed].check(t, w, way.healed)
				w.untilEvents(t, way.healed, "", told+1)
			}
			w.checkEvents(t)
		})
	}
}

func TestTheTableOfConditionsIsWhole(t *testing.T) {
	t.Parallel()
	const source = "../../api/v1alpha1/conditions.go"
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, reason)
		if _, ok := conditionsTable[reason]; !ok {
			t.Errorf("no row of the table has the reason %s", reason)
		}
		return true
	})
	for reason := range conditionsTable {
		if !slices.Contains(reasons, reason) {
			t.Errorf("%s has no constant for the reason %s", source, reason)
		}
	}
}

// check waits until the result stands in a row of the table, and compares all that the row says.
func (row tableRow) check(t *testing.T, w *world, reason string) {
	t.Helper()
	result := w.untilStanding(t, reason)
	if seen := result.Status.ObservedGeneration; seen != result.Generation {
		t.Errorf("the status is of generation %d, the result of %d", seen, result.Generation)
	}
	below := reason
	if row.over != "" {
		below = row.over
	}
	ready := reason
	if row.also == reconciling {
		ready = below
	}
	want := map[string]string{
		v1alpha1.ConditionReady:     fmt.Sprintf("%s %s", row.ready, ready),
		v1alpha1.ConditionCompleted: fmt.Sprintf("%s %s", row.completed, below),
		v1alpha1.ConditionSucceeded: fmt.Sprintf("%s %s", row.succeeded, below),
	}
	if row.also != "" {
		want[row.also] = fmt.Sprintf("%s %s", yes, reason)
	}
	for _, c := range result.Status.Conditions {
		if got := fmt.Sprintf("%s %s", c.Status, c.Reason); got != want[c.Type] {
			t.Errorf("%s: %s is %s, want %q", reason, c.Type, got, want[c.Type])
		}
		delete(want, c.Type)
	}
	if len(want) > 0 {
		t.Errorf("%s: these are missing: %v", reason, want)
	}
	if verdict := judge(t, result); verdict != row.verdict {
		t.Errorf("%s is judged %s, want %s", reason, verdict, row.verdict)
	}
	if reason == v1alpha1.ReasonPending {
		if told := w.events(t, reason); len(told) > 0 {
			t.Errorf("that a new result is Pending goes without saying, but: %s", told[0].Message)
		}
		return
	}
	told := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReady)
	if row.also == reconciling {
		told = meta.FindStatusCondition(result.Status.Conditions, reconciling)
	}
	event := w.untilEvent(t, reason, told.Message)
	if event.Type != row.event || event.InvolvedObject.Name != "row" || event.InvolvedObject.UID != result.UID {
		t.Errorf("%s is told by a %s event about %+v, want a %s one about the result", reason, event.Type, event.InvolvedObject, row.event)
	}
}

// outlive restarts the operator, which changes no condition: neither what it remembers nor what it is told anew.
func (w *world) outlive(t *testing.T, reason string) {
	t.Helper()
	before := w.untilStanding(t, reason)
	w.stop()
	w.start(t)
	if reason == v1alpha1.ReasonSuspended {
		return // It is asked about no more.
	}
	after := w.still(t, "row", reason)
	for _, version := range w.recorder.between(t, before, after) {
		if diff := cmp.Diff(before.Status.Conditions, version.Status.Conditions); diff != "" {
			t.Errorf("a restart changed the conditions (-before +after):\n%s", diff)
		}
	}
}

// checkEvents compares the types of all events with those of the table: nothing else is told.
func (w *world) checkEvents(t *testing.T) {
	t.Helper()
	for _, event := range w.events(t, "") {
		if want := conditionsTable[event.Reason].event; event.Type != want {
			t.Errorf("there is an event of type %s, want %q: %s: %s", event.Type, want, event.Reason, event.Message)
		}
	}
}

// events are those with a reason; all for an empty one.
func (w *world) events(t *testing.T, reason string) []corev1.Event {
	t.Helper()
	var events corev1.EventList
	if err := w.client.List(t.Context(), &events, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(events.Items, func(e corev1.Event) bool { return reason != "" && e.Reason != reason })
}
