package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// An owner who has judged that a run ended and stays waits for something else: for the delivery of an output, or for a row
// that the answer lacks. It is asked for as if the run went on.
func TestWhatHasEndedIsAskedAboutForOwnersWhoStay(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(call) reply
	}{
		"for a delivery": {
			before: func(asked call) reply { return delivering(asked, "InProgress") },
			after:  func(asked call) reply { return delivering(asked, "Finished") },
		},
		"for a row": {
			before: func(asked call) reply { return rows(asked.query, cloudassistant.StatusSuccess) },
			after: func(asked call) reply {
				return rows(asked.query, cloudassistant.StatusSuccess, cloudassistant.StatusFailed)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{}, running)
				watch := about("t-1")
				watch.MinInterval, watch.MaxInterval = 2*time.Second, 5*time.Second
				w.poller.Watch("a", watch)
				w.pass(time.Minute)
				w.script(c.before)
				w.pass(6 * time.Second)
				seen := w.poller.Watch("a", watch)
				if !hasEnded(seen.Live.Records) {
					t.Fatalf("the end is not known: %+v", seen.Live)
				}
				watch.Judged = seen.Live.StartedAt
				w.poller.Watch("a", watch)
				w.pass(6 * time.Second)
				w.news("a")
				w.script(c.after)
				w.pass(10 * time.Second)
				expectNews(t, w, "a", 1)
			})
		})
	}
}

// What the owner judged before the end tells nothing of whether it stays.
func TestWhatWasJudgedBeforeTheEndIsNoReasonToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		watch := about("t-1")
		watch.MinInterval, watch.MaxInterval = 2*time.Second, 5*time.Second
		w.poller.Watch("a", watch)
		w.pass(time.Minute)
		watch.Judged = w.poller.Watch("a", watch).Live.StartedAt
		w.script(func(asked call) reply { return rows(asked.query, cloudassistant.StatusSuccess) })
		w.poller.Watch("a", watch)
		w.pass(6 * time.Second)
		w.took()
		w.pass(leaveTaking / 2)
		expectCalls(t, w.took(), 0)
	})
}

// A second answer that says the same as the first, as one who has judged that had demanded, is announced as well. Its owner is
// about to leave then.
func TestADemandedSecondAnswerIsJudgedBeforeTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(asked call) reply { return rows(asked.query, cloudassistant.StatusSuccess) })
		watch := about("t-1")
		w.poller.Watch("a", watch)
		synctest.Wait()
		watch.Judged = w.poller.Watch("a", watch).Live.StartedAt
		watch.AnswerFrom = watch.Judged.Add(5 * time.Second)
		w.poller.Watch("a", watch)
		w.pass(5 * time.Second)
		expectNews(t, w, "a", 2)
		w.took()
		w.pass(leaveTaking / 2)
		expectCalls(t, w.took(), 0)
		watch.Judged = watch.AnswerFrom
		w.poller.Watch("a", watch)
		w.pass(10 * time.Second)
		if calls := w.took(); len(calls) == 0 || len(calls) > 5 {
			t.Errorf("once it is judged, the run is asked about %d times in ten seconds", len(calls))
		}
	})
}

// delivering replies that a run has ended whose output is on its way.
func delivering(asked call, status string) reply {
	r := rows(asked.query, cloudassistant.StatusSuccess)
	r.records[0].OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: status}
	return r
}
