package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// scheduledRun is an API with one scheduled run.
type scheduledRun struct {
	repeats int64
	failure *cloudassistant.Error // of the list of earlier runs
	live    *cloudassistant.Error
}

func (r *scheduledRun) respond(c call) reply {
	if c.query.IncludeHistory {
		if r.failure != nil {
			return reply{err: r.failure}
		}
		var past reply
		for n := range r.repeats {
			row := rows(c.query, cloudassistant.StatusSuccess).records[0]
			row.Repeats = n + 1
			past.records = append(past.records, row)
		}
		return past
	}
	if r.live != nil {
		return reply{err: r.live}
	}
	now := rows(c.query, cloudassistant.StatusScheduled)
	now.records[0].Repeats = r.repeats
	return now
}

func aboutHistory() Watch {
	watch := about("t-1")
	watch.History = true
	return watch
}

// asked are the calls since the last, as L for live and H for history.
func asked(w *world) string {
	var kinds []byte
	for _, c := range w.took() {
		kind := byte('L')
		if c.query.IncludeHistory {
			kind = 'H'
		}
		kinds = append(kinds, kind)
	}
	return string(kinds)
}

func expectAsked(t *testing.T, w *world, want string) {
	t.Helper()
	if got := asked(w); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestHistoryIsAskedForWhenRunsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1}
		w := idleWorld(Options{}, run.respond)
		w.poller.Watch("a", aboutHistory())
		w.poller.Watch("b", about("t-1"))
		w.start()
		t.Cleanup(func() { w.end() })
		expectAsked(t, w, "LH")
		expectNews(t, w, "a", 2)
		expectNews(t, w, "b", 1)
		w.pass(6 * time.Second)
		expectAsked(t, w, "LL")
		run.repeats = 2
		w.pass(4 * time.Second)
		expectAsked(t, w, "LH")
		expectNews(t, w, "a", 2)
		if s := w.poller.Watch("a", aboutHistory()); len(s.History.Records) != 2 || len(s.Live.Records) != 1 {
			t.Errorf("history %+v", s.History)
		}
		if s := w.poller.Watch("b", about("t-1")); s.History != nil {
			t.Error("who did not ask for history was shown it")
		}
		// Who begins to want it gets what is there; nobody asks again for that.
		if s := w.poller.Watch("b", aboutHistory()); s.History == nil {
			t.Error("the history that is known was not shown")
		}
		synctest.Wait()
		expectAsked(t, w, "")
	})
}

func TestHistoryIsAskedForAtOnceByWhoJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1}
		w := newWorld(t, Options{}, run.respond)
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectAsked(t, w, "L")
		w.poller.Watch("a", aboutHistory())
		synctest.Wait()
		expectAsked(t, w, "H")
	})
}

func TestWithoutInvokeIDThereIsNoHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1}
		w := newWorld(t, Options{}, run.respond)
		watch := aboutHistory()
		watch.Question.InvokeID, watch.Question.CommandID = "", "c-1"
		w.poller.Watch("a", watch)
		w.pass(time.Second)
		expectAsked(t, w, "L")
	})
}

func TestHistoryOfAOneTimeRunIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{failure: failureOf(cloudassistant.ClassInvalid)}
		w := newWorld(t, Options{}, run.respond)
		w.poller.Watch("a", aboutHistory())
		w.pass(time.Second)
		expectAsked(t, w, "LH")
		expectNews(t, w, "a", 1)
		s := w.poller.Watch("a", aboutHistory())
		expectClass(t, s, "")
		if s.Live == nil || s.History != nil {
			t.Errorf("live %v, history %v", s.Live, s.History)
		}
		w.pass(time.Hour)
		if got := asked(w); got == "" || got[0] != 'L' || len(got) != countOf(got, 'L') {
			t.Errorf("asked %q, want live rows only", got)
		}
		run.repeats++
		w.pass(time.Minute)
		if got := asked(w); countOf(got, 'H') != 1 {
			t.Errorf("asked %q, want history once after progress", got)
		}
	})
}

func countOf(s string, letter byte) int {
	n := 0
	for i := range len(s) {
		if s[i] == letter {
			n++
		}
	}
	return n
}

func TestFailingHistorySpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1, failure: failureOf(cloudassistant.ClassUnavailable)}
		w := newWorld(t, Options{}, run.respond)
		long := aboutHistory()
		long.MinInterval = time.Hour
		plain := about("t-1")
		plain.MinInterval = time.Hour
		w.together(func() {
			w.poller.Watch("a", long)
			w.poller.Watch("b", plain)
		})
		start := w.clock.Now()
		w.pass(20 * time.Second)
		calls := w.took()
		expectOffsets(t, offsets(start, calls), []float64{0, 0, 2, 6, 14})
		expectNews(t, w, "a", 2) // the live answer, and the failure
		expectNews(t, w, "b", 1)
		s := w.poller.Watch("a", long)
		expectClass(t, s, cloudassistant.ClassUnavailable)
		if s.Live == nil || s.History != nil || s.Failure.Since.Sub(start) != 0 || s.Failure.At.Sub(start) != 14*time.Second {
			t.Errorf("snapshot %+v, failure %+v", s, s.Failure)
		}
		expectClass(t, w.poller.Watch("b", plain), "")

		run.failure = failureOf(cloudassistant.ClassDenied)
		w.pass(15 * time.Second) // at 30
		expectNews(t, w, "a", 1)
		expectClass(t, w.poller.Watch("a", long), cloudassistant.ClassDenied)
		run.failure = failureOf(cloudassistant.ClassInvalid)
		w.pass(30 * time.Second) // at 60
		expectNews(t, w, "a", 1)
		expectClass(t, w.poller.Watch("a", long), "")
		expectNews(t, w, "b", 0)
		w.took()
		w.pass(30 * time.Minute)
		expectAsked(t, w, "")
	})
}

func TestHistoryRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1, failure: failureOf(cloudassistant.ClassUnavailable)}
		w := newWorld(t, Options{}, run.respond)
		w.poller.Watch("a", aboutHistory())
		w.pass(time.Second)
		expectNews(t, w, "a", 2)
		run.failure = nil
		w.pass(time.Minute)
		expectNews(t, w, "a", 1)
		s := w.poller.Watch("a", aboutHistory())
		expectClass(t, s, "")
		if s.History == nil {
			t.Error("no history")
		}
	})
}

func TestHistoryIsNotAskedForWhileLiveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1, failure: failureOf(cloudassistant.ClassUnavailable)}
		w := newWorld(t, Options{}, run.respond)
		w.poller.Watch("a", aboutHistory())
		w.pass(time.Second)
		expectAsked(t, w, "LH")
		run.live = failureOf(cloudassistant.ClassDenied)
		w.pass(20 * time.Second) // when both are due, live goes on first or history once more before it
		asked(w)
		expectClass(t, w.poller.Watch("a", aboutHistory()), cloudassistant.ClassDenied)
		w.pass(5 * time.Minute)
		if got := asked(w); countOf(got, 'H') != 0 {
			t.Errorf("asked %q, want live rows only", got)
		}
	})
}

// Neither kind of question may starve the other, however slow the answers are.
func TestHistoryAndLiveTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var repeats int64
		run := &scheduledRun{}
		w := newWorld(t, Options{}, func(c call) reply {
			repeats++
			run.repeats = repeats
			r := run.respond(c)
			r.takes = 10 * time.Second
			return r
		})
		watch := aboutHistory()
		watch.MinInterval, watch.MaxInterval = time.Second, time.Second
		w.poller.Watch("a", watch)
		w.pass(95 * time.Second)
		if got := asked(w); countOf(got, 'H') < 4 || countOf(got, 'L') < 4 {
			t.Errorf("asked %q", got)
		}
	})
}

func TestThrottledHistoryWaitsForThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := &scheduledRun{repeats: 1, failure: throttledFor10s}
		w := newWorld(t, Options{Jitter: func() float64 { return 0 }}, run.respond)
		start := w.clock.Now()
		w.poller.Watch("a", aboutHistory())
		w.pass(time.Second)
		expectClass(t, w.poller.Watch("a", aboutHistory()), cloudassistant.ClassThrottled)
		run.failure = nil
		w.pass(10 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 0, 10, 10.4})
		s := w.poller.Watch("a", aboutHistory())
		expectClass(t, s, "")
		if s.History == nil {
			t.Error("no history after the pause")
		}
	})
}
