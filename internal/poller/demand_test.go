package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// demanding is a Watch of t-1 with a demand.
func demanding(from time.Time) Watch {
	watch := about("t-1")
	watch.AnswerFrom = from
	return watch
}

func TestDemandAsksThenNeitherBeforeNorAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		expectNews(t, w, "a", 1)
		// The schedule says 2 s.
		watch := demanding(start.Add(5 * time.Second))
		s := w.poller.Watch("a", watch)
		if got, want := s.OverdueAt.Sub(start), 5*time.Second+2*time.Minute; got != want {
			t.Errorf("overdue at %v, want %v", got, want)
		}
		w.pass(6 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 5})
		expectNews(t, w, "a", 1) // although it brought none
		w.pass(3 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{8})
		expectNews(t, w, "a", 0) // it was met
		w.poller.Watch("a", about("t-1"))
		w.pass(5 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{12.5})
	})
}

func TestDemandOfThePastMeansNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		start := w.clock.Now()
		w.together(func() {
			w.poller.Watch("a", about("t-1"))
			w.poller.Watch("b", about("t-1"))
		})
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		expectNews(t, w, "b", 1)
		watch := demanding(start.Add(500 * time.Millisecond))
		s := w.poller.Watch("a", watch)
		if got, want := s.OverdueAt.Sub(start), time.Second+2*time.Minute; got != want {
			t.Errorf("overdue at %v, want %v", got, want)
		}
		synctest.Wait()
		expectOffsets(t, offsets(start, w.took()), []float64{0, 1})
		expectNews(t, w, "a", 1)
		expectNews(t, w, "b", 0) // who did not demand it
		// An answer that is there already meets a demand.
		if s := w.poller.Watch("b", demanding(start.Add(time.Second))); s.Live.StartedAt.Before(start.Add(time.Second)) {
			t.Error("the answer is older than what was demanded")
		}
		synctest.Wait()
		expectCalls(t, w.took(), 0)
	})
}

// A call that is under way was begun too early for a demand that comes while it goes on.
func TestDemandDuringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			r := running(c)
			r.takes = 4 * time.Second
			return r
		})
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		w.poller.Watch("a", demanding(start.Add(time.Second)))
		w.pass(4 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 4})
		expectNews(t, w, "a", 1)
		w.pass(4 * time.Second)
		expectNews(t, w, "a", 1)
		expectCalls(t, w.took(), 0)
	})
}

func TestAnotherOwnersScheduleGoesOnBeforeADemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("b", demanding(start.Add(4*time.Second)))
		w.poller.Watch("c", demanding(start.Add(3*time.Second)))
		w.pass(4900 * time.Millisecond)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 2, 3, 4})
	})
}

func TestDemandDoesNotOverruleFailures(t *testing.T) {
	for _, class := range []cloudassistant.Class{cloudassistant.ClassUnavailable, cloudassistant.ClassDenied, cloudassistant.ClassInvalid} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{}, failing(class))
				start := w.clock.Now()
				watch := demanding(start.Add(time.Second))
				w.poller.Watch("a", about("t-1"))
				w.pass(500 * time.Millisecond)
				expectNews(t, w, "a", 1)
				w.poller.Watch("a", watch)
				w.pass(time.Second)
				expectOffsets(t, offsets(start, w.took()), []float64{0})

				// One that means now is tried once, and its failure told, though it is no other than before.
				forced := demanding(w.clock.Now())
				s := w.poller.Watch("a", forced)
				if got, want := s.OverdueAt.Sub(start), 2*time.Minute; got != want {
					t.Errorf("overdue at %v, want %v: the demand hides that an answer is missing", got, want)
				}
				synctest.Wait()
				expectOffsets(t, offsets(start, w.took()), []float64{1.5})
				expectNews(t, w, "a", 1)
				w.poller.Watch("a", forced)
				synctest.Wait()
				expectCalls(t, w.took(), 0)

				// The schedule of failures goes on as if nothing had been.
				w.pass(2 * delay(bounds{}, outcomeOf(class), 1, 0.5))
				if calls := w.took(); len(calls) == 0 || calls[0].at.Sub(start) != 1500*time.Millisecond+delay(bounds{}, outcomeOf(class), 1, 0.5) {
					t.Errorf("then asked at %v", offsets(start, calls))
				}
				expectNews(t, w, "a", 0)
			})
		})
	}
}

func TestDemandAfterTheNextRetryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, failing(cloudassistant.ClassUnavailable))
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		w.poller.Watch("a", demanding(start.Add(10*time.Second)))
		w.pass(10 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 10})
	})
}

func TestDemandDoesNotPassAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Jitter: func() float64 { return 0 }}, func(call) reply {
			return reply{err: throttledFor10s}
		})
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		w.poller.Watch("a", demanding(w.clock.Now()))
		w.pass(8 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0})
		w.script(running)
		w.pass(2 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{10})
	})
}

// A demand that got no further than the paused bucket is not used up.
func TestDemandOutlivesAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true, Burst: 1, QPS: 0.1, Jitter: func() float64 { return 0 }}, func(c call) reply {
			if c.query.InvokeID == "t-1" {
				return reply{err: failureOf(cloudassistant.ClassDenied)}
			}
			return reply{err: throttledFor10s, takes: 4 * time.Second}
		})
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		w.poller.Watch("b", about("t-2")) // has the token of second 10
		synctest.Wait()
		w.poller.Watch("a", demanding(w.clock.Now())) // waits for that of second 20
		w.pass(22 * time.Second)                      // the pause begins at 14, and ends at 24
		expectOffsets(t, offsets(start, w.took()), []float64{0, 10})
		expectNews(t, w, "a", 0)
		w.script(running)
		w.pass(30 * time.Second)
		for _, c := range w.took() {
			if c.query.InvokeID == "t-1" {
				return
			}
		}
		t.Error("the demand was forgotten; the schedule of failures has a minute to go")
	})
}

func TestEveryDemandIsToldOfItsFailureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, failing(cloudassistant.ClassDenied))
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		for range 2 {
			w.poller.Watch("a", demanding(w.clock.Now()))
			w.pass(time.Second)
			expectCalls(t, w.took()[:1], 1)
			expectNews(t, w, "a", 1)
		}
	})
}

// What failed before the time of a demand was no attempt to meet it.
func TestFailureBeforeADemandIsNotItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, failing(cloudassistant.ClassUnavailable))
		start := w.clock.Now()
		w.together(func() {
			w.poller.Watch("a", about("t-1"))
			w.poller.Watch("b", about("t-1"))
		})
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		w.poller.Watch("a", demanding(start.Add(10*time.Second)))
		w.pass(9500 * time.Millisecond) // at 2 and 6, for b
		expectNews(t, w, "a", 0)
		w.pass(10 * time.Second) // at 14
		expectNews(t, w, "a", 1)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 2, 6, 14})
	})
}

func TestDemandThatACallUnderWayMeetsAsksNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, failing(cloudassistant.ClassUnavailable))
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		w.script(func(c call) reply {
			r := running(c)
			r.takes = time.Second
			return r
		})
		w.pass(1500 * time.Millisecond) // begun at 2
		w.poller.Watch("a", demanding(start.Add(2*time.Second)))
		w.pass(time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 2})
	})
}
