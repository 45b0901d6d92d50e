package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

// Events that are lost, sent twice and overtake each other change no result, only when it is known: whom none tells of is
// found by the polling that goes on below them.
func TestEventsOnABadWayChangeNoResult(t *testing.T) {
	// Of the first 10 events, by which they prove reliable, seed 97 loses none and doubles 6; of the 30 after these it loses 9,
	// some of them of runs that fail, and doubles 10. Of each wave of 5 some arrive.
	const proofs, runs, wave, lost, doubled = 10, 30, 5, 9, 6 + 10
	w := newEventWorldThrough(t, eventbridge.Publishing{
		Targets: []eventbridge.Target{{URL: eventsURL, Token: eventsToken}},
		Loss:    0.3, Duplicates: 0.5, Jitter: 3 * time.Second, Seed: 97,
	})
	// The flag takes a minute at least, which is longer than this is to last.
	w.options.Events.PollingInterval = 10 * time.Second
	w.start(t)
	untilServed(t, w.options.Events.BindAddress)
	proven := w.prove(t, proofs)

	var order []string
	for n := range runs {
		order = append(order, runOf(weathered(n)))
		// Old runs are asked about seldom anyway, and the youngest twice.
		row := running(1)
		row.StartTime = w.cloud.Clock().Now().Add(-minute)
		w.script(t, order[n], row)
		w.apply(t, weathered(n), fmt.Sprintf("{regionID: %s, invokeID: %s}", region, order[n]))
	}
	stretched := fmt.Sprintf("questions_stretched{account=%q,region=%q}", emulator.DefaultAccountID, region)
	untilTrue(t, "all are left to events", func() bool { n, _ := w.value(t, stretched); return n == runs })
	before, began := w.cloud.Calls(), time.Now()
	for first := 0; first < runs; first += wave {
		came := len(w.front.events())
		for n := first; n < first+wave; n++ {
			w.update(t, order[n], 1, func(row *emulator.Row) { endAs(row, n, w.cloud.Clock().Now()) })
		}
		untilTrue(t, "an event arrives", func() bool { return len(w.front.events()) > came })
	}
	for n := range runs {
		w.untilCompleted(t, weathered(n))
	}
	w.expectWeather(t, append(proven, order...), lost, doubled)
	// Neither what came late nor what came again has changed anything.
	for n := range runs {
		expectEnd(t, w.untilCompleted(t, weathered(n)), n)
	}

	// Whoever has proven that events are reliable was asked about when it was new and when its event came, however often.
	after, took := w.cloud.Calls(), time.Since(began)
	for _, run := range proven {
		if n := after[asking(run)]; n != 2 {
			t.Errorf("%s was asked about %d times, want 2", run, n)
		}
	}
	// Each other is asked about by itself once at most, by its event or because the list of what goes on lacks it. That list
	// is asked for once in an interval, and then the one of what has ended; both have a page. A round may have been under way.
	for _, run := range order {
		if n := after[asking(run)] - before[asking(run)]; n > 1 {
			t.Errorf("%s was asked about %d times when it had ended, want once at most", run, n)
		}
	}
	rounds := 2 + int(took/w.options.Events.PollingInterval)
	if lists := after[asking("")] - before[asking("")]; lists > 2*rounds {
		t.Errorf("%d pages of lists in %v, want at most 2 in each of %d intervals", lists, took, rounds)
	}
}

func weathered(n int) string { return fmt.Sprintf("run-%d", n) }

// endAs ends a run as the n-th: every fifth fails, each with another exit code.
func endAs(row *emulator.Row, n int, at time.Time) {
	succeed(row)
	row.FinishedTime = at
	if n%5 == 0 {
		code := int64(n + 1)
		row.InvocationStatus, row.ExitCode = "Failed", &code
	}
}

// expectEnd compares a result with how endAs has ended its run.
func expectEnd(t *testing.T, result *v1alpha1.InvocationResult, n int) {
	t.Helper()
	reason, code := v1alpha1.ReasonSucceeded, int64(0)
	if n%5 == 0 {
		reason, code = v1alpha1.ReasonCommandFailed, int64(n+1)
	}
	if ready := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != reason {
		t.Errorf("%s is %+v, want %s", result.Name, ready, reason)
	}
	instances := result.Status.Instances
	if got := result.Status.ExitCode; got == nil || *got != code || len(instances) != 1 || instances[0].ExitCode == nil || *instances[0].ExitCode != code {
		t.Errorf("%s does not tell of the exit code %d: %+v", result.Name, code, result.Status)
	}
}

// prove has runs end that nobody asks about by himself, each announced: events are relied on from then on.
func (w *eventWorld) prove(t *testing.T, n int) (runs []string) {
	t.Helper()
	var names []string
	for len(names) < n {
		name := fmt.Sprintf("proof-%d", len(names))
		names, runs = append(names, name), append(runs, runOf(name))
		w.await(t, name)
	}
	for _, name := range names {
		w.end(t, name)
	}
	for _, name := range names {
		w.untilReason(t, name, v1alpha1.ReasonSucceeded)
	}
	return runs
}

func (w *world) untilCompleted(t *testing.T, name string) *v1alpha1.InvocationResult {
	t.Helper()
	return w.until(t, name, v1alpha1.ConditionCompleted, func(result *v1alpha1.InvocationResult) bool {
		return meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionCompleted)
	})
}

// asking is what the calls are counted by that ask about a run, or for a list without one.
func asking(run string) emulator.CallKey {
	return emulator.CallKey{Action: "DescribeInvocationResults", InvokeID: run}
}

// expectWeather waits until all is delivered of runs that ended in this order: so many events were lost, and so many came
// twice.
func (w *eventWorld) expectWeather(t *testing.T, order []string, lost, doubled int) {
	t.Helper()
	unique := len(order) - lost
	untilTrue(t, "everything is delivered", func() bool {
		accepted, _ := w.value(t, answered("accepted"))
		again, _ := w.value(t, answered("duplicate"))
		return int(accepted+again) >= unique+doubled && len(w.front.events()) >= unique+doubled
	})
	w.expectValues(t, map[string]float64{answered("accepted"): float64(unique), answered("duplicate"): float64(doubled)})
	for _, event := range w.front.events() {
		if event.status != http.StatusOK {
			t.Errorf("an event was answered with %d, and is sent again", event.status)
		}
	}
	told := w.front.told(t)
	if slices.IsSortedFunc(told, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }) {
		t.Error("no event overtook another")
	}
	if came := len(slices.Compact(slices.Sorted(slices.Values(told)))); came != unique {
		t.Errorf("%d runs were told of, want %d", came, unique)
	}
}

// told is whose ends the events that came were about, in the order in which they came.
func (f *front) told(t *testing.T) (runs []string) {
	t.Helper()
	for _, event := range f.events() {
		var completion struct {
			Data struct {
				InvokeID string `json:"invokeId"`
			} `json:"data"`
		}
		if err := json.Unmarshal(event.body, &completion); err != nil || completion.Data.InvokeID == "" {
			t.Fatalf("an event names no run (%v): %s", err, event.body)
		}
		runs = append(runs, completion.Data.InvokeID)
	}
	return runs
}
