package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// A quarter of an hour without the API costs a call every ten seconds, whoever is watched, and once it is back everybody
// knows as soon as the rate allows.
func TestAnOutageIsNoStampede(t *testing.T) {
	// Lists show nothing here, so that they are asked for in vain, and every run singly.
	for name, want := range map[string]struct {
		singly bool
		calls  int // after the outage, at most
	}{"asked singly": {true, 550}, "asked together": {false, 750}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const runs, qps, burst = 500, 20, 10
				away, ended := false, false
				respond := func(c call) reply {
					status := cloudassistant.StatusRunning
					if ended {
						status = cloudassistant.StatusSuccess
					}
					switch {
					case away:
						return reply{err: failureOf(cloudassistant.ClassUnavailable), takes: time.Second}
					case c.query.InvokeID != "":
						return rows(c.query, status)
					}
					return reply{}
				}
				w := newWorld(t, Options{QPS: qps, Burst: burst, AskSingly: want.singly}, respond)
				w.atOnce(func(p *Poller) {
					for n := range runs {
						id := fmt.Sprintf("t-%d", n)
						p.watch(Owner(id), about(id))
					}
				})
				w.pass(2 * time.Minute)
				w.took()
				w.mu.Lock()
				away = true
				w.mu.Unlock()
				w.pass(15 * time.Minute)
				// One every ten seconds, and those until it is known for an outage.
				if calls := len(w.took()); calls > 90+20 {
					t.Errorf("%d calls in an outage of 15 minutes", calls)
				}
				if s := w.poller.Watch("t-7", about("t-7")); s.Failure == nil || s.Failure.Err.Class != cloudassistant.ClassUnavailable {
					t.Errorf("a question that is due in an outage shows the failure %v", s.Failure)
				}
				w.mu.Lock()
				away, ended = false, true
				w.mu.Unlock()
				begun := w.clock.Now()
				for n := 0; n < runs; {
					id := fmt.Sprintf("t-%d", n)
					if s := w.poller.Watch(Owner(id), about(id)); s.Failure == nil && s.Live != nil && hasEnded(s.Live.Records) {
						n++
						continue
					}
					if waited := w.clock.Since(begun); waited > outageAtMost+runs/qps*time.Second+2*time.Minute {
						t.Fatalf("%v after the outage it is not known that %s has ended", waited, id)
					}
					w.pass(time.Second)
				}
				calls := w.took()
				noStampede(t, calls, qps, burst)
				if len(calls) > want.calls {
					t.Errorf("%d calls after the outage, want at most %d", len(calls), want.calls)
				}
			})
		})
	}
}

// One question that fails for a reason of its own is no outage: the others go on.
func TestAFailureOfOneIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply {
			if c.query.InvokeID == "t-1" {
				return reply{err: failureOf(cloudassistant.ClassUnavailable)}
			}
			return running(c)
		})
		other := about("t-2")
		other.MinInterval, other.MaxInterval = 50*time.Second, 50*time.Second
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("b", other)
		w.pass(time.Second)
		w.took()
		w.pass(50 * time.Second)
		asked := 0
		for _, c := range w.took() {
			if c.query.InvokeID == "t-2" {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("the other was asked %d times in 50 s, want once", asked)
		}
	})
}

// Once credentials that were refused work again for one question, all others do not wait for the ten minutes that they are
// tried in at last.
func TestWhoeverWasDeniedIsAskedOnceOneIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := true
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply {
			if refused {
				return reply{err: failureOf(cloudassistant.ClassDenied)}
			}
			return running(c)
		})
		const runs = 50
		for n := range runs {
			w.poller.Watch(Owner(fmt.Sprint(n)), about(fmt.Sprintf("t-%d", n)))
			w.pass(time.Second)
		}
		w.pass(time.Hour)
		w.mu.Lock()
		refused = false
		w.mu.Unlock()
		w.took()
		for len(w.took()) == 0 {
			w.pass(time.Second)
		}
		// As soon as the rate of five a second allows.
		w.pass(runs / 5 * time.Second)
		for n := range runs {
			if s := w.poller.Watch(Owner(fmt.Sprint(n)), about(fmt.Sprintf("t-%d", n))); s.Failure != nil {
				t.Fatalf("t-%d is denied still: %v", n, s.Failure.Err)
			}
		}
	})
}

// The API answers for ten seconds now and then, and lists of everything not even then. Whoever failed before is asked as
// soon as it answers: it is not left time and again to a survey that fails.
func TestOutagesOneAfterAnotherPutNobodyOff(t *testing.T) {
	const away, back = 15 * time.Second, 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		for _, run := range c.runs[20:] {
			c.poller.Forget(Owner(run.id))
		}
		begin := c.clock.Now()
		c.script(func(asked call) reply {
			switch {
			case asked.query.InvokeID == "":
				return reply{err: failureOf(cloudassistant.ClassUnavailable), takes: 20 * time.Second}
			case asked.at.Sub(begin)%(away+back) < away:
				return reply{err: failureOf(cloudassistant.ClassUnavailable)}
			}
			return c.respond(asked)
		})
		c.together(func() { c.ends(0, 20) })
		c.pass(5 * (away + back))
		if known := c.known(0, 20); known != 20 {
			t.Errorf("%d of 20 ends are known", known)
		}
	})
}

// Those who are due by the end of an outage keep their places before those who are brought forward.
func TestTheEndOfAnOutagePutsNobodyBack(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	w := idleWorld(Options{}, running)
	w.poller.Watch("early", about("t-1"))
	w.poller.Watch("late", about("t-2"))
	l := w.poller.lanes[laneKey{identity: alice, regionID: region}]
	for _, q := range l.questions {
		q.failure = &Failure{Err: failureOf(cloudassistant.ClassUnavailable)}
		q.failed = plan{from: now.Add(time.Hour)}
		if q.key.invokeID == "t-1" {
			q.failed = plan{from: now.Add(-time.Minute)}
		}
		l.plan(q)
	}
	l.bringForward(outcomeUnavailable, now)
	for id, want := range map[string]time.Time{"t-1": now.Add(-time.Minute), "t-2": now} {
		if q := l.byRun[id][0]; !q.due.Equal(want) {
			t.Errorf("%s is due at %v, want %v", id, q.due, want)
		}
	}
}

// Whoever is left to the survey after an outage is asked as soon as that has failed, however long it was to take.
func TestWhoWasLeftToASurveyIsAskedOnceItHasFailed(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"it failed":  {failureOf(cloudassistant.ClassUnavailable), true},
		"it did not": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := idleWorld(Options{}, running)
			w.poller.Watch("a", about("t-1"))
			l := w.poller.lanes[laneKey{identity: alice, regionID: region}]
			q := l.byRun["t-1"][0]
			now := time.Now()
			q.failure = &Failure{Err: failureOf(cloudassistant.ClassUnavailable)}
			q.failed = plan{from: now.Add(time.Hour)}
			l.plan(q)
			l.survey = &survey{lane: l, began: now, sought: map[*question]bool{}}
			l.survey.end(t.Context(), c.err)
			if asked := q.due.Before(now.Add(time.Minute)); asked != c.want {
				t.Errorf("it is due in %v", q.due.Sub(now))
			}
		})
	}
}

// noStampede holds that no more calls were made in any time than a bucket of that rate and burst lets pass.
func noStampede(t *testing.T, calls []call, qps float64, burst int) {
	t.Helper()
	for m := range calls {
		for n := range m {
			elapsed := calls[m].at.Sub(calls[n].at)
			if most := float64(burst+1) + qps*elapsed.Seconds(); float64(m-n+1) > most {
				t.Fatalf("a stampede: %d calls within %v, want at most %.0f", m-n+1, elapsed, most)
			}
		}
	}
}
