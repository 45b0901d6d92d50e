package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// storm replies with throttle answers, after 50 ms, until the given time after start.
func storm(until time.Time) func(call) reply {
	return func(c call) reply {
		r := running(c)
		if c.at.Before(until) {
			r = reply{err: failureOf(cloudassistant.ClassThrottled)}
		}
		r.takes = 50 * time.Millisecond
		return r
	}
}

// synctest begins on the minute, at midnight of 1 January 2000.
func TestThrottleStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, Options{AskSingly: true, QPS: 100, Burst: 100}, storm(start.Add(5*time.Minute)))
		w.atOnce(func(p *Poller) {
			for n := range 500 {
				id := fmt.Sprintf("t-%d", n)
				p.watch(Owner(id), about(id))
			}
		})
		w.pass(5 * time.Minute)
		// Four at first, for the API has not answered yet; then one a minute, half a second after it begins.
		calls := w.took()
		expectOffsets(t, offsets(start, calls), []float64{0, 0, 0, 0, 60.5, 120.5, 180.5, 240.5})
		if n := w.opened(); n > 4*len(calls) {
			t.Errorf("%d sessions were opened for %d calls", n, len(calls))
		}
		announced := 0
		w.atOnce(func(p *Poller) {
			for n := range 500 {
				id := fmt.Sprintf("t-%d", n)
				announced += w.news(Owner(id))
				// All are shown why there is no answer.
				expectClass(t, p.watch(Owner(id), about(id)), cloudassistant.ClassThrottled)
			}
		})
		if announced > len(calls) {
			t.Errorf("%d owners were notified of %d throttle answers", announced, len(calls))
		}

		// It resumes with one call, and the rest at a part of the rate: 100 calls a second, halved five times
		// but not below a sixteenth.
		w.pass(time.Second)
		calls = w.took()
		if len(calls) < 3 || len(calls) > 5 {
			t.Errorf("the first half second after the pause saw %d calls", len(calls))
		}
		w.pass(2 * time.Minute)
		for n := range 500 {
			id := fmt.Sprintf("t-%d", n)
			s := w.poller.Watch(Owner(id), about(id))
			if s.Live == nil || s.Failure != nil {
				t.Fatalf("%s was not answered after the storm: %+v", id, s.Failure)
			}
		}
	})
}

func TestThrottleStormOverManyIdentitiesOfOneAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, Options{AskSingly: true, QPS: 5, Burst: 10}, storm(start.Add(5*time.Minute)))
		accounts, watches := map[cloudassistant.Identity]string{}, []Watch{}
		for n := range 500 {
			watch := about("t-1")
			watch.Identity.Secret = fmt.Sprintf("ns-%d/key", n)
			accounts[watch.Identity] = "1"
			watches = append(watches, watch)
		}
		w.accounts = accounts
		w.atOnce(func(p *Poller) {
			for _, watch := range watches {
				p.watch(Owner(watch.Identity.Secret), watch)
			}
		})
		w.pass(5 * time.Minute)
		calls := offsets(start, w.took())
		expectOffsets(t, calls, []float64{0, 60.5, 120.5, 180.5, 240.5})
	})
}

func TestThrottleOfSomebodyElseIsShownAndItsEndAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true, Concurrency: 1, Jitter: func() float64 { return 0 }}, running)
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("b", about("t-2"))
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		expectNews(t, w, "b", 1)
		w.script(failing(cloudassistant.ClassThrottled))
		w.pass(2 * time.Second)
		calls := w.took()
		expectOffsets(t, offsets(start, calls), []float64{0, 0, 2})
		told, spared := Owner("a"), Owner("b")
		toldWatch, sparedWatch := about("t-1"), about("t-2")
		if calls[2].query.InvokeID == "t-2" {
			told, spared, toldWatch, sparedWatch = spared, told, sparedWatch, toldWatch
		}
		expectNews(t, w, told, 1)
		expectNews(t, w, spared, 0)
		expectClass(t, w.poller.Watch(told, toldWatch), cloudassistant.ClassThrottled)
		s := w.poller.Watch(spared, sparedWatch)
		expectClass(t, s, cloudassistant.ClassThrottled)
		if s.Live == nil || !s.Failure.At.Equal(start.Add(2*time.Second)) {
			t.Errorf("live %v, failure %+v", s.Live, s.Failure)
		}
		w.script(running)
		w.pass(time.Minute)
		expectNews(t, w, told, 1)
		expectNews(t, w, spared, 1) // it had been shown a failure, which is over
		expectClass(t, w.poller.Watch(spared, sparedWatch), "")
		w.pass(time.Minute)
		expectNews(t, w, spared, 0)
	})
}

// Not due means not concerned.
func TestThrottleIsNotShownToWhoIsNotDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		slow := about("t-1")
		slow.MinInterval = time.Hour
		w.poller.Watch("a", slow)
		w.pass(time.Second)
		w.script(failing(cloudassistant.ClassThrottled))
		w.poller.Watch("b", about("t-2"))
		w.pass(time.Second)
		expectClass(t, w.poller.Watch("b", about("t-2")), cloudassistant.ClassThrottled)
		expectClass(t, w.poller.Watch("a", slow), "")
	})
}

func TestHungProbeDelaysOtherLanesNoLongerThanItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Jitter: func() float64 { return 0 }}, func(call) reply {
			return reply{err: throttledFor10s}
		})
		w.accounts = map[cloudassistant.Identity]string{alice: "1", bob: "1"}
		other := about("t-1")
		other.Identity = bob
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		w.poller.Watch("b", other)
		synctest.Wait()
		w.script(func(c call) reply {
			if c.identity == alice {
				return reply{hangs: true}
			}
			return running(c)
		})
		w.pass(10*time.Second + 2*probePatience)
		if s := w.poller.Watch("b", other); s.Live == nil {
			t.Error("bob waits for alice's probe")
		}
	})
}

// A walk that comes upon the pause half-way is begun anew, and fails nobody.
func TestPauseInTheMiddleOfAWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true, Jitter: func() float64 { return 0 }}, func(c call) reply {
			if c.query.InvokeID == "t-2" {
				return reply{err: throttledFor10s}
			}
			r := running(c)
			r.takes = time.Second
			if c.paging.NextToken == "" {
				r.next = "2"
			}
			return r
		})
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		w.poller.Watch("b", about("t-2"))
		w.pass(5 * time.Second)
		expectNews(t, w, "a", 0)
		expectNews(t, w, "b", 1)
		expectCalls(t, w.took(), 2)
		w.script(running)
		w.pass(10 * time.Second)
		expectNews(t, w, "a", 1)
		if calls := w.took(); calls[0].at.Sub(start) != 10*time.Second || calls[0].paging.NextToken != "" {
			t.Errorf("resumed at %v with %+v, want the first page at 10s", calls[0].at.Sub(start), calls[0].paging)
		}
	})
}
