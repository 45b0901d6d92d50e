package poller

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		start := w.clock.Now()
		s := w.poller.Watch("a", about("t-1"))
		if s.Live != nil || s.Failure != nil || !s.OverdueAt.Equal(start.Add(2*time.Minute)) {
			t.Errorf("before the first answer: %+v", s)
		}
		synctest.Wait()
		expectNews(t, w, "a", 1)
		calls := w.took()
		expectCalls(t, calls, 1)
		if got := calls[0].query; got.InvokeID != "t-1" || got.RegionID != region || got.IncludeHistory || calls[0].paging.MaxResults != 50 {
			t.Errorf("asked %+v %+v", got, calls[0].paging)
		}
		s = w.poller.Watch("a", about("t-1"))
		if s.Live == nil || len(s.Live.Records) != 1 || !s.Live.Complete || !s.UnchangedSince.Equal(start) {
			t.Errorf("after the first answer: %+v", s)
		}
		// Due again in 2 s, the minimum.
		if want := start.Add(2*time.Second + 2*time.Minute); !s.OverdueAt.Equal(want) {
			t.Errorf("overdue at %v, want %v", s.OverdueAt, want)
		}
	})
}

func TestIntervalsGrowUntilSomethingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopping bool
		w := newWorld(t, Options{}, func(c call) reply {
			if stopping {
				return rows(c.query, cloudassistant.StatusStopping)
			}
			r := running(c)
			r.records[0].Output = []byte(c.at.String())
			return r
		})
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(13 * time.Second)
		expectOffsets(t, offsets(start, w.took()), []float64{0, 2, 5, 9.5})
		expectNews(t, w, "a", 1)
		if s := w.poller.Watch("a", about("t-1")); !s.UnchangedSince.Equal(start) || s.Live.StartedAt.Sub(start) != 9500*time.Millisecond {
			t.Errorf("unchanged since %v, answered at %v", s.UnchangedSince.Sub(start), s.Live.StartedAt.Sub(start))
		}
		stopping = true
		w.pass(7 * time.Second)
		// Not 6.75 s later by its growth, but as soon as a lone question may use the rate that is left over.
		expectOffsets(t, offsets(start, w.took()), []float64{16.166666666, 18.166666666})
		expectNews(t, w, "a", 1)
		if s := w.poller.Watch("a", about("t-1")); s.UnchangedSince.Sub(start).Truncate(time.Millisecond) != 16166*time.Millisecond {
			t.Errorf("unchanged since %v", s.UnchangedSince.Sub(start))
		}
		w.pass(5 * time.Hour)
		intervals := offsets(start, w.took())
		for n := len(intervals) - 5; n < len(intervals); n++ {
			if d := intervals[n] - intervals[n-1]; d < 50 || d > 60 {
				t.Errorf("the interval settles at %v s, want the maximum of 60 less some room for jitter", d)
			}
		}
		expectNews(t, w, "a", 0)
	})
}

func TestIncompleteAnswerIsASeriesOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endless := false
		w := newWorld(t, Options{MaxPages: 1}, func(c call) reply {
			r := running(c)
			if endless {
				r.next = "more"
			}
			return r
		})
		start := w.clock.Now()
		since := func() time.Duration {
			return w.poller.Watch("a", about("t-1")).UnchangedSince.Sub(start)
		}
		since()
		w.pass(3 * time.Second) // asked at 0 and 2
		if got := since(); got != 0 {
			t.Errorf("unchanged since %v, want 0", got)
		}
		endless = true
		w.pass(3 * time.Second) // at 5, incomplete: a change
		if got := since(); got != 5*time.Second {
			t.Errorf("unchanged since %v, want 5s", got)
		}
		w.pass(2 * time.Second) // at 7, incomplete again
		if got := since(); got != 7*time.Second {
			t.Errorf("unchanged since %v, want 7s: an incomplete answer continues no series", got)
		}
		expectNews(t, w, "a", 2)
		endless = false
		w.pass(3 * time.Second) // at 10
		if got := since(); got != 10*time.Second {
			t.Errorf("unchanged since %v, want 10s", got)
		}
		expectNews(t, w, "a", 1)
	})
}

func TestEmptyAnswerIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(call) reply { return reply{} })
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		s := w.poller.Watch("a", about("t-1"))
		if s.Live == nil || len(s.Live.Records) != 0 || !s.Live.Complete {
			t.Errorf("live = %+v, want an empty answer", s.Live)
		}
		expectNews(t, w, "a", 1)
	})
}

func TestWalkLostInTheMiddleIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			if c.paging.NextToken != "" {
				return reply{err: failureOf(cloudassistant.ClassUnavailable)}
			}
			r := running(c)
			r.next = "2"
			return r
		})
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		s := w.poller.Watch("a", about("t-1"))
		expectClass(t, s, cloudassistant.ClassUnavailable)
		if s.Live != nil {
			t.Errorf("half of a list passed for an answer: %+v", s.Live)
		}
	})
}

func TestOwnersShareOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			r := running(c)
			r.takes = time.Second
			return r
		})
		slow, brisk := about("t-1"), about("t-1")
		slow.Question.Tags = []cloudassistant.Tag{{Key: "x"}, {Key: "a", Value: "1"}}
		brisk.Question.Tags = []cloudassistant.Tag{{Key: "a", Value: "1"}, {Key: "x"}}
		brisk.Question.ContentEncoding = cloudassistant.EncodingBase64
		brisk.Question.IncludeHistory = true // which History overrules
		slow.MinInterval, slow.MaxInterval = time.Hour, 2*time.Hour
		w.poller.Watch("a", slow)
		w.poller.Watch("b", slow)
		if slow.Question.Tags[0].Key != "x" {
			t.Error("the caller's tags were moved")
		}
		w.pass(30 * time.Minute)
		expectCalls(t, w.took(), 1)
		expectNews(t, w, "a", 1)
		expectNews(t, w, "b", 1)

		if s := w.poller.Watch("c", brisk); s.Live == nil {
			t.Error("who joins does not get the answer that is there")
		}
		w.pass(6 * time.Second)
		expectCalls(t, w.took(), 2) // at once, for that is overdue by its pace, and after 3 s and the call's 1 s
		w.poller.Forget("c")
		w.pass(50 * time.Minute)
		expectCalls(t, w.took(), 0)
		w.poller.Forget("a")
		w.pass(3 * time.Hour)
		expectCalls(t, w.took(), 2)
		w.poller.Forget("b")
		w.pass(24 * time.Hour)
		expectCalls(t, w.took(), 0)
		expectNews(t, w, "c", 0)
	})
}

func TestIdentitiesShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			if c.identity == bob {
				return reply{err: failureOf(cloudassistant.ClassDenied)}
			}
			return running(c)
		})
		w.accounts = map[cloudassistant.Identity]string{alice: "1", bob: "1"}
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		stranger := about("t-1")
		stranger.Identity = bob
		if s := w.poller.Watch("b", stranger); s.Live != nil {
			t.Error("bob was shown what alice may read")
		}
		w.pass(time.Second)
		s := w.poller.Watch("b", stranger)
		expectClass(t, s, cloudassistant.ClassDenied)
		if s.Live != nil {
			t.Error("bob was shown what alice may read")
		}
		expectClass(t, w.poller.Watch("a", about("t-1")), "")
	})
}

func TestRegionsShareNoBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			if c.query.RegionID == region {
				return reply{err: failureOf(cloudassistant.ClassThrottled)}
			}
			return running(c)
		})
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		elsewhere := about("t-1")
		elsewhere.Question.RegionID = "eu-central-1"
		w.poller.Watch("b", elsewhere)
		w.pass(time.Second)
		if s := w.poller.Watch("b", elsewhere); s.Live == nil {
			t.Error("a throttle in one region stopped another")
		}
	})
}

func TestMovingToAnotherQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		w.took()
		if s := w.poller.Watch("a", about("t-2")); s.Live != nil {
			t.Error("the answer to one question was shown for another")
		}
		w.pass(time.Minute)
		for _, c := range w.took() {
			if c.query.InvokeID != "t-2" {
				t.Errorf("%s is asked although nobody wants it", c.query.InvokeID)
			}
		}
		other := about("t-2")
		other.Identity = bob
		if s := w.poller.Watch("a", other); s.Live != nil {
			t.Error("the answer to one identity was shown to another")
		}
		w.pass(time.Minute)
		for _, c := range w.took() {
			if c.identity != bob {
				t.Errorf("%v is asked for although nobody wants it", c.identity)
			}
		}
	})
}

func TestChangedIntervalsReplan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		watch := about("t-1")
		w.poller.Watch("a", watch)
		synctest.Wait()
		watch.MinInterval = 10 * time.Minute // and the default maximum gives way
		s := w.poller.Watch("a", watch)
		if got, want := s.OverdueAt.Sub(w.clock.Now()), 40*time.Minute; got != want {
			t.Errorf("overdue in %v, want %v: due in 10 minutes, plus three times that", got, want)
		}
		w.took()
		w.pass(9 * time.Minute)
		expectCalls(t, w.took(), 0)
		watch.MinInterval, watch.MaxInterval = time.Second, time.Minute
		w.poller.Watch("a", watch)
		synctest.Wait()
		expectCalls(t, w.took(), 1)
	})
}

func TestFailuresAreAnnouncedOnceAndHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		overdue := w.poller.Watch("a", about("t-1")).OverdueAt

		w.script(failing(cloudassistant.ClassUnavailable))
		w.pass(30 * time.Second) // at 2, 4, 8, 16
		expectNews(t, w, "a", 1)
		s := w.poller.Watch("a", about("t-1"))
		expectClass(t, s, cloudassistant.ClassUnavailable)
		if s.Live == nil || s.Failure.Since.Sub(start) != 2*time.Second || s.Failure.At.Sub(start) != 16*time.Second {
			t.Errorf("live %v, failing since %v, latest %v", s.Live, s.Failure.Since.Sub(start), s.Failure.At.Sub(start))
		}
		if !s.OverdueAt.Equal(overdue) {
			t.Errorf("failures moved OverdueAt by %v", s.OverdueAt.Sub(overdue))
		}
		w.script(failing(cloudassistant.ClassDenied))
		w.pass(time.Minute) // at 32, 62
		expectNews(t, w, "a", 1)
		s = w.poller.Watch("a", about("t-1"))
		expectClass(t, s, cloudassistant.ClassDenied)
		if s.Failure.Since.Sub(start) != 2*time.Second {
			t.Errorf("the series began at %v, want 2s", s.Failure.Since.Sub(start))
		}
		w.script(running)
		w.took()
		w.pass(time.Minute)
		expectOffsets(t, offsets(start, w.took())[:2], []float64{122, 125})
		expectNews(t, w, "a", 1)
		s = w.poller.Watch("a", about("t-1"))
		expectClass(t, s, "")
		if !s.UnchangedSince.Equal(start) {
			t.Errorf("failures broke the series of answers: unchanged since %v", s.UnchangedSince.Sub(start))
		}
	})
}

func TestSessionFailuresAreFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		w.scriptSessions(func(call) error { return failureOf(cloudassistant.ClassDenied) })
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		expectClass(t, w.poller.Watch("a", about("t-1")), cloudassistant.ClassDenied)
		w.scriptSessions(func(call) error { return errors.New("the API server is away") })
		w.pass(time.Minute)
		s := w.poller.Watch("a", about("t-1"))
		expectClass(t, s, cloudassistant.ClassUnavailable)
		if s.Failure.Err.Code != "Client.Unknown" || s.Failure.Err.Message != "the API server is away" {
			t.Errorf("failure %+v", s.Failure.Err)
		}
		expectCalls(t, w.took(), 0)
	})
}

func TestThrottledSessionsRestTheirLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Concurrency: 1, AskSingly: true}, running)
		throttled := failureOf(cloudassistant.ClassThrottled)
		throttled.RetryAfter = 20 * time.Second
		w.scriptSessions(func(call) error { return throttled })
		w.atOnce(func(p *Poller) {
			for _, id := range []string{"t-1", "t-2", "t-3"} {
				p.watch(Owner(id), about(id))
			}
		})
		w.pass(10 * time.Second)
		if n := w.opened(); n != 1 {
			t.Errorf("%d sessions were opened, want 1", n)
		}
		w.scriptSessions(nil)
		w.pass(11 * time.Second)
		expectCalls(t, w.took(), 3)
	})
}

func TestPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(call) reply { return reply{panic: "oh"} })
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		s := w.poller.Watch("a", about("t-1"))
		expectClass(t, s, cloudassistant.ClassUnavailable)
		if s.Failure.Err.Code != cloudassistant.CodeInternal {
			t.Errorf("failure %+v", s.Failure.Err)
		}
		w.script(running)
		w.pass(2 * time.Second)
		expectClass(t, w.poller.Watch("a", about("t-1")), "")
	})
}

func TestHungLaneDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply {
			if c.identity == alice {
				return reply{hangs: true}
			}
			return running(c)
		})
		w.atOnce(func(p *Poller) {
			for _, id := range []string{"t-1", "t-2", "t-3", "t-4", "t-5", "t-6"} {
				p.watch(Owner(id), about(id))
			}
		})
		w.pass(time.Second)
		expectCalls(t, w.took(), 4) // the most at once
		other := about("t-1")
		other.Identity = bob
		w.poller.Watch("b", other)
		w.pass(time.Second)
		if s := w.poller.Watch("b", other); s.Live == nil {
			t.Error("bob waits for alice's calls")
		}
	})
}

func TestMostDemandingOwnerSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		patient, eager := about("t-1"), about("t-1")
		patient.MinInterval, patient.MaxInterval = 2*time.Second, time.Hour
		eager.MinInterval, eager.MaxInterval = 4*time.Second, 5*time.Second
		start := w.clock.Now()
		w.poller.Watch("a", patient)
		w.poller.Watch("b", eager)
		w.pass(20 * time.Second)
		most := 0.0
		asked := offsets(start, w.took())
		for n := 1; n < len(asked); n++ {
			most = max(most, asked[n]-asked[n-1])
		}
		if asked[1] != 2 || most > 5 {
			t.Errorf("asked at %v s, want the minimum of one and the maximum of the other", asked)
		}
	})
}

func TestFakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clocktesting.NewFakeClock(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
		w := newWorld(t, Options{Clock: c}, running)
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		expectCalls(t, w.took(), 1)
		c.Step(1999 * time.Millisecond)
		synctest.Wait()
		expectCalls(t, w.took(), 0)
		c.Step(time.Millisecond)
		synctest.Wait()
		expectCalls(t, w.took(), 1)
	})
}
