package poller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestForgetCancelsTheCallAndDropsItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(call) reply { return reply{hangs: true} })
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("b", about("t-1"))
		synctest.Wait()
		w.poller.Forget("a")
		w.pass(time.Second)
		if len(w.poller.lanes) != 1 {
			t.Error("the question went although somebody still wants it")
		}
		w.poller.Forget("b")
		w.poller.Forget("nobody")
		synctest.Wait()
		if len(w.poller.lanes) != 0 || len(w.poller.interests) != 0 {
			t.Errorf("left behind: %d lanes, %d interests", len(w.poller.lanes), len(w.poller.interests))
		}
		w.pass(time.Hour)
		expectCalls(t, w.took(), 1)
		expectNews(t, w, "a", 0)
		expectNews(t, w, "b", 0)
	})
}

func TestLaneEndsWithItsLastQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("b", about("t-2"))
		w.pass(time.Second)
		w.poller.Forget("a")
		synctest.Wait()
		if len(w.poller.lanes) != 1 {
			t.Error("the lane ended although it has a question")
		}
		w.poller.Forget("b")
		synctest.Wait()
		if len(w.poller.lanes) != 0 {
			t.Error("the lane goes on without a question")
		}
	})
}

// A call that is deaf to its context must not be joined by a second one of the same question, and its answer
// belongs to nobody.
func TestWatchAgainWhileTheForgottenCallGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		w := newWorld(t, Options{}, running)
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectCalls(t, w.took(), 1)
		expectNews(t, w, "a", 1)
		w.script(func(c call) reply {
			r := rows(c.query, cloudassistant.StatusFailed)
			r.deaf = hung
			return r
		})
		w.pass(2 * time.Second)
		w.poller.Forget("a")
		if s := w.poller.Watch("b", about("t-1")); s.Live != nil {
			t.Error("what was forgotten is known")
		}
		w.pass(time.Minute)
		expectCalls(t, w.took(), 1)
		w.script(running)
		close(hung)
		synctest.Wait()
		expectCalls(t, w.took(), 1)
		expectNews(t, w, "a", 0)
		expectNews(t, w, "b", 1)
		s := w.poller.Watch("b", about("t-1"))
		if s.Live == nil || s.Live.Records[0].InvocationStatus != cloudassistant.StatusRunning {
			t.Errorf("live = %+v, want that of the second call", s.Live)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := idleWorld(Options{AskSingly: true}, func(c call) reply {
			if c.query.InvokeID == "t-2" {
				return reply{hangs: true}
			}
			return running(c)
		})
		// Before Start nothing is asked.
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("gone", about("t-0"))
		w.poller.Forget("gone")
		w.pass(time.Minute)
		expectCalls(t, w.took(), 0)
		w.start()
		w.poller.Watch("b", about("t-2"))
		synctest.Wait()
		expectCalls(t, w.took(), 2)
		expectNews(t, w, "a", 1)

		w.end()
		// After it neither, but the newest answers are still there.
		if s := w.poller.Watch("a", about("t-1")); s.Live == nil {
			t.Error("the answer is lost")
		}
		other := about("t-3")
		other.Identity = bob
		w.poller.Watch("c", other)
		w.poller.Forget("a")
		w.pass(time.Hour)
		expectCalls(t, w.took(), 0)
		expectNews(t, w, "b", 0)
		if w.poller.ctx != nil {
			t.Error("the engine would still start goroutines")
		}
		if err := w.poller.Start(t.Context()); err == nil {
			t.Error("a second Start was accepted")
		}
	})
}

func TestStopWaitsForItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		w := newWorld(t, Options{}, func(call) reply { return reply{deaf: hung} })
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		returned := false
		go func() {
			w.end()
			returned = true
		}()
		w.pass(time.Hour)
		if returned {
			t.Error("Start returned while a call was under way")
		}
		close(hung)
		synctest.Wait()
		if !returned {
			t.Error("Start did not return after the last call")
		}
		expectNews(t, w, "a", 0)
	})
}

func TestStopBeforeTheFirstCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := idleWorld(Options{}, running)
		w.poller.Watch("a", about("t-1"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.poller.Start(ctx); err != nil {
			t.Error(err)
		}
		expectCalls(t, w.took(), 0)
	})
}

// Owners come and go from many goroutines while calls are under way.
func TestManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{QPS: 1000, Burst: 100}, func(c call) reply {
			r := running(c)
			r.takes = 10 * time.Millisecond
			return r
		})
		underWay, most := map[subject]int{}, 0
		w.before = func(c call) {
			s := subject{c.identity, c.query.InvokeID}
			underWay[s]++
			most = max(most, underWay[s])
		}
		w.after = func(c call) { underWay[subject{c.identity, c.query.InvokeID}]-- }
		var workers sync.WaitGroup
		for n := range 16 {
			workers.Go(func() {
				for round := range 50 {
					owner := Owner(fmt.Sprintf("owner-%d", n%12))
					watch := about(fmt.Sprintf("t-%d", (n+round)%5))
					watch.Identity = modelIdentities[(n+round/7)%3]
					w.poller.Watch(owner, watch)
					<-w.clock.After(time.Duration(n*round%9) * time.Millisecond)
					if round%3 == 0 {
						w.poller.Forget(owner)
					}
				}
			})
		}
		workers.Wait()
		// Who waits for a survey is asked about by itself at the latest when one has missed it.
		w.pass(10 * time.Second)
		if most != 1 {
			t.Errorf("%d calls of one question at once", most)
		}
		for owner, i := range w.poller.interests {
			if i.question.live == nil {
				t.Errorf("%s has no answer", owner)
			}
			w.poller.Forget(owner)
		}
		synctest.Wait()
		if len(w.poller.lanes) != 0 || len(w.poller.interests) != 0 {
			t.Errorf("left behind: %d lanes, %d interests", len(w.poller.lanes), len(w.poller.interests))
		}
	})
}

func TestNotifyMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var seen []bool
		w = newWorld(t, Options{Notify: func(owner Owner, _ bool) {
			seen = append(seen, w.poller.Watch(owner, about("t-1")).Live != nil)
			w.poller.Forget(owner)
		}}, running)
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Hour)
		if !slices.Equal(seen, []bool{true}) {
			t.Errorf("seen %v, want one answer", seen)
		}
		expectCalls(t, w.took(), 1)
	})
}

func TestBucketsOfGoneAccountsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		// While its tokens come back a bucket is kept; once they have, it goes when another comes.
		for _, c := range []struct {
			account string
			after   time.Duration
			want    int
		}{{"1", 0, 1}, {"2", 0, 2}, {"3", time.Minute, 1}} {
			w.pass(c.after)
			w.mu.Lock()
			w.accounts = map[cloudassistant.Identity]string{alice: c.account}
			w.mu.Unlock()
			w.poller.Watch("a", about("t-1"))
			synctest.Wait()
			w.poller.Forget("a")
			synctest.Wait()
			if len(w.poller.buckets) != c.want {
				t.Errorf("%d buckets, want %d", len(w.poller.buckets), c.want)
			}
		}
	})
}

// A bucket in use stays, however long the call: what it learns concerns all of the account.
func TestBucketInUseStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			if c.identity == bob {
				return running(c)
			}
			return reply{takes: time.Minute, err: throttledFor10s}
		})
		carol := cloudassistant.Identity{Secret: "c/carol"}
		w.accounts = map[cloudassistant.Identity]string{alice: "1", bob: "2", carol: "1"}
		w.poller.Watch("a", about("t-1"))
		w.pass(30 * time.Second)
		other := about("t-1")
		other.Identity = bob
		w.poller.Watch("b", other)
		w.pass(31 * time.Second)
		w.took()
		other.Identity = carol
		w.poller.Watch("c", other)
		w.pass(time.Second)
		for _, c := range w.took() {
			if c.identity == carol {
				t.Error("carol's call was made although her account is throttled")
			}
		}
	})
}
