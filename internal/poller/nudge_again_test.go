package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// A hint that was wrong, or came before what it told of, does not devalue the one that comes when a run has ended.
func TestAHintAtTheRightTimeCountsAfterOneAtTheWrongTime(t *testing.T) {
	for _, wait := range []time.Duration{20 * time.Second, 40 * time.Second, 65 * time.Second, 85 * time.Second} {
		for _, shown := range []time.Duration{0, 2 * time.Second} {
			t.Run(fmt.Sprintf("after %v, shown %v later", wait, shown), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newTown(t, Options{EventsInterval: 5 * time.Minute}, 0)
					c.settle(1, time.Hour)
					c.watchAll(c.runs)
					c.pass(10 * time.Second)
					c.hintAll(c.runs)
					c.pass(wait)
					c.hintAll(c.runs)
					c.pass(shown)
					c.together(func() { c.ends(0, 1) })
					c.pass(2 * time.Second)
					if c.known(0, 1) != 1 {
						t.Errorf("the end is not known 2s after it was shown")
					}
				})
			})
		}
	}
}

// The same holds for a run that goes on elsewhere.
func TestAHintOfProgressCountsAfterOneAtTheWrongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply {
			return rows(c.query, cloudassistant.StatusRunning, cloudassistant.StatusRunning)
		})
		w.leftToHints("a")
		w.poller.Nudge(hint("t-1", "i-0"))
		w.pass(30 * time.Second)
		expectCalls(t, w.took(), 1)
		w.poller.Nudge(hint("t-1", "i-0"))
		w.pass(time.Second)
		expectCalls(t, w.took(), 1)
	})
}

// Where nobody asks for lists, a hint that names no run leads to nothing, unless one run is all that is watched.
func TestWhatAHintOfSomethingLeadsTo(t *testing.T) {
	for _, c := range []struct {
		runs    int
		watched bool
		calls   int
	}{{1, true, 1}, {2, false, 0}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Options{AskSingly: true}, running)
			for n := range c.runs {
				id := fmt.Sprint("t-", n)
				watch := about(id)
				watch.MinInterval, watch.MaxInterval = 5*time.Hour, 5*time.Hour
				w.poller.Watch(Owner(id), watch)
			}
			w.pass(time.Minute)
			w.took()
			if watched := w.poller.Nudge(Nudge{RegionID: region}); watched != c.watched {
				t.Errorf("watched: %v, want %v", watched, c.watched)
			}
			w.pass(100 * time.Millisecond)
			expectCalls(t, w.took(), c.calls)
		})
	}
}

// A run that nobody watches any more, but is still being asked about, is not counted as watched.
func TestAHintOfSomethingIsOfWhoIsStillWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := make(chan struct{})
		defer close(deaf)
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply {
			r := running(c)
			if c.query.InvokeID == "t-gone" {
				r.deaf = deaf
			}
			return r
		})
		watch := about("t-1")
		watch.MinInterval, watch.MaxInterval = 5*time.Hour, 5*time.Hour
		w.poller.Watch("stays", watch)
		w.poller.Watch("leaves", about("t-gone"))
		w.pass(time.Minute)
		w.poller.Forget("leaves")
		w.took()
		if !w.poller.Nudge(Nudge{RegionID: region}) {
			t.Error("the hint is of nothing that is watched")
		}
		w.pass(100 * time.Millisecond)
		expectCalls(t, w.took(), 1)
	})
}

// Runs that hints have told of wrongly are polled as if there were no hints: in surveys, and not one by one between two that
// are stretched.
func TestWrongHintsCostNoMoreThanNone(t *testing.T) {
	cost := func(interval time.Duration) (singles, lists int) {
		synctest.Test(t, func(t *testing.T) {
			c := newTown(t, Options{EventsInterval: interval}, 200+provenBy)
			if interval > 0 {
				c.provesHints()
				c.hintAll(c.runs[provenBy:])
			}
			c.pass(3 * time.Minute)
			c.took()
			c.pass(30 * time.Minute)
			asked, listed := tally(c.took())
			singles = asked
			for _, pages := range listed {
				lists += pages
			}
		})
		return singles, lists
	}
	without, withoutLists := cost(0)
	singles, lists := cost(5 * time.Minute)
	if singles > without || lists > withoutLists {
		t.Errorf("%d singles and %d pages of lists after a wrong hint at each, %d and %d without hints", singles, lists, without, withoutLists)
	}
}

// A run that may not be asked about just now is not held against the hint.
func TestAHintMisleadsNobodyWhileItsRunBacksOff(t *testing.T) {
	for name, c := range map[string]struct {
		failure *Failure
		misled  int
	}{
		"asked":     {nil, 1},
		"backs off": {(*Failure)(nil).followedBy(failureOf(cloudassistant.ClassDenied), time.Time{}, time.Time{}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				town := newTown(t, Options{EventsInterval: 5 * time.Minute}, 20)
				town.pass(time.Minute)
				town.atOnce(func(p *Poller) {
					q, now := p.interests[Owner(town.runs[0].id)].question, town.clock.Now()
					q.failure = c.failure
					q.following = following{next: now, until: now, whole: true}
					q.overlooked(now, now)
					if q.following.misled != c.misled {
						t.Errorf("the hint has misled %d times, want %d", q.following.misled, c.misled)
					}
				})
			})
		})
	}
}
