package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

// Events that are lost, sent twice and overtake each other change no result, only when it is known: whom none tells of is
// found by polling.
func TestEventsOnABadWayChangeNoResult(t *testing.T) {
	// Of 30 events, seed 1 loses some and doubles others, so that so many arrive.
	const runs, every, arrive = 30, 5, 27
	w := newEventWorldThrough(t, eventbridge.Publishing{
		Targets: []eventbridge.Target{{URL: eventsURL, Token: eventsToken}},
		Loss:    0.3, Duplicates: 0.5, Jitter: 2 * time.Second, Seed: 1,
	})
	w.start(t)
	began := time.Now()
	var names, order []string
	for n := range runs {
		name := fmt.Sprintf("run-%d", n)
		names, order = append(names, name), append(order, runOf(name))
		w.script(t, runOf(name), running(1))
		w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s}", region, runOf(name)))
	}
	for _, name := range names {
		w.untilReason(t, name, v1alpha1.ReasonRunning)
	}
	for n, name := range names {
		w.update(t, runOf(name), 1, func(row *emulator.Row) {
			succeed(row)
			row.FinishedTime = w.cloud.Clock().Now()
			if n%every == 0 {
				three := int64(3)
				row.InvocationStatus, row.ExitCode = "Failed", &three
			}
		})
	}
	for n, name := range names {
		reason, code := v1alpha1.ReasonSucceeded, int64(0)
		if n%every == 0 {
			reason, code = v1alpha1.ReasonCommandFailed, 3
		}
		result := w.untilReason(t, name, reason)
		if got := result.Status.Instances[0].ExitCode; got == nil || *got != code {
			t.Errorf("%s exited with %v, want %d", name, got, code)
		}
	}

	// The weather was as bad as it should be, once all is delivered that was not lost.
	var told []string
	untilTrue(t, "everything is delivered", func() bool {
		accepted, _ := w.value(t, answered("accepted"))
		again, _ := w.value(t, answered("duplicate"))
		told = w.front.told(t)
		return len(told) >= arrive && int(accepted+again) == len(told)
	})
	unique := slices.Compact(slices.Sorted(slices.Values(told)))
	switch {
	case len(unique) == runs:
		t.Error("no event was lost")
	case len(unique) == len(told):
		t.Error("no event came twice")
	case slices.IsSortedFunc(told, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }):
		t.Error("no event overtook another")
	}
	if accepted, _ := w.value(t, answered("accepted")); int(accepted) != len(unique) {
		t.Errorf("%v events were accepted, want each of %d once", accepted, len(unique))
	}

	// However many hints there were, the limit holds.
	calls := 0
	for key, n := range w.cloud.Calls() {
		if key.Action == "DescribeInvocationResults" {
			calls += n
		}
	}
	if most := float64(w.options.APIBurst) + w.options.APIQPS*time.Since(began).Seconds(); float64(calls) > most {
		t.Errorf("%d calls in %v, want at most %v", calls, time.Since(began), most)
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
