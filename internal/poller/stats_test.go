package poller

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// stats are those of an engine with a single region and account.
func (w *world) stats(t *testing.T) Stats {
	t.Helper()
	all := w.poller.Stats()
	if len(all) != 1 {
		t.Fatalf("the stats are %+v, want those of one account in one region", all)
	}
	return all[0]
}

// expectCounts compares the counts of questions.
func expectCounts(t *testing.T, s Stats, watched, refused, due, overdue int) {
	t.Helper()
	if s.Watched != watched || s.Refused != refused || s.Due != due || s.Overdue != overdue {
		t.Errorf("%d watched, %d refused, %d due, %d overdue; want %d, %d, %d, %d",
			s.Watched, s.Refused, s.Due, s.Overdue, watched, refused, due, overdue)
	}
	if (s.OldestDue > 0) != (due > 0) {
		t.Errorf("with %d due the oldest is due for %v", due, s.OldestDue)
	}
}

func TestStatsTellWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{QPS: 4, Burst: 8}, running)
		if all := w.poller.Stats(); len(all) != 0 {
			t.Errorf("with nothing watched the stats are %+v", all)
		}
		w.poller.Watch("a", about("t-1"))
		w.poller.Watch("b", about("t-1"))
		w.poller.Watch("c", Watch{Identity: alice, Question: cloudassistant.Query{RegionID: region, Tags: []cloudassistant.Tag{{Key: "deploy"}}}})
		w.pass(time.Second)
		s := w.stats(t)
		expectCounts(t, s, 2, 0, 0, 0) // questions, not owners
		if s.RegionID != region || s.Account != "of a/alice" || !s.Bucket || s.Throttled || s.Rate != 4 || s.Tokens < 6 {
			t.Errorf("the stats are %+v, want those of alice with all tokens at 4 calls a second", s)
		}

		w.script(failing(cloudassistant.ClassUnavailable))
		w.pass(time.Minute)
		expectCounts(t, w.stats(t), 2, 0, 2, 0)
		w.pass(5 * time.Minute)
		s = w.stats(t)
		expectCounts(t, s, 2, 0, 2, 2)
		if s.OldestDue < 5*time.Minute || s.OldestDue > 6*time.Minute {
			t.Errorf("the oldest answer is due for %v, want the length of the outage", s.OldestDue)
		}

		w.script(failing(cloudassistant.ClassDenied))
		w.pass(3 * time.Minute)
		expectCounts(t, w.stats(t), 2, 2, 0, 0)

		w.script(running)
		w.pass(12 * time.Minute) // rather than to wait for the next try
		expectCounts(t, w.stats(t), 2, 0, 0, 0)
		for _, owner := range []Owner{"a", "b", "c"} {
			w.poller.Forget(owner)
		}
		synctest.Wait()
		if all := w.poller.Stats(); len(all) != 0 {
			t.Errorf("after all have gone the stats are %+v", all)
		}
	})
}

func TestStatsTellOfAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{QPS: 4, Burst: 8}, failing(cloudassistant.ClassThrottled))
		w.poller.Watch("a", about("t-1"))
		synctest.Wait()
		if s := w.stats(t); !s.Throttled || s.Rate != 0 || s.Tokens != 0 {
			t.Errorf("after a throttle answer the stats are %+v, want a pause", s)
		}
		w.pass(5 * time.Minute)
		if s := w.stats(t); !s.Throttled || s.Overdue != 1 {
			t.Errorf("after 5 minutes of throttle answers the stats are %+v", s)
		}
		w.script(running)
		w.pass(90 * time.Second)
		if s := w.stats(t); s.Throttled || s.Rate >= 4 || s.Rate <= 0 || s.Due != 0 {
			t.Errorf("after the pause the stats are %+v, want a rate that grows back", s)
		}
	})
}

// Without a session nobody knows the account, and there is no bucket to tell of.
func TestStatsWithoutASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, running)
		w.scriptSessions(func(call) error { return failureOf(cloudassistant.ClassDenied) })
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		s := w.stats(t)
		expectCounts(t, s, 1, 1, 0, 0)
		if s.Account != "" || s.Bucket {
			t.Errorf("the stats are %+v, want no account and no bucket", s)
		}
	})
}

// Identities of one account are counted together, regions and accounts apart.
func TestStatsAreByRegionAndAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := idleWorld(Options{}, running)
		w.accounts = map[cloudassistant.Identity]string{alice: "1", bob: "1", {}: "2"}
		w.start()
		defer w.end()
		for n, identity := range []cloudassistant.Identity{alice, bob, {}} {
			for _, at := range []string{region, "cn-beijing"} {
				id := fmt.Sprintf("t-%s-%d", at, n)
				w.poller.Watch(Owner(id), Watch{Identity: identity, Question: cloudassistant.Query{RegionID: at, InvokeID: id}})
			}
		}
		synctest.Wait()
		all := w.poller.Stats()
		slices.SortFunc(all, func(a, b Stats) int {
			return cmp.Or(cmp.Compare(a.RegionID, b.RegionID), cmp.Compare(a.Account, b.Account))
		})
		var got []string
		for _, s := range all {
			got = append(got, fmt.Sprintf("%s %s: %d", s.RegionID, s.Account, s.Watched))
		}
		want := []string{"cn-beijing 1: 2", "cn-beijing 2: 1", "cn-hangzhou 1: 2", "cn-hangzhou 2: 1"}
		if !slices.Equal(got, want) {
			t.Errorf("watched are %q, want %q", got, want)
		}
	})
}

// BenchmarkStats is what a scrape costs with 10,000 questions, all of which are due. It takes the lock 21 times.
func BenchmarkStats(b *testing.B) {
	p := watchAll(benchWatches())
	b.ReportAllocs()
	for b.Loop() {
		if s := p.Stats(); s[0].Watched != benchQuestions {
			b.Fatalf("%d questions are watched", s[0].Watched)
		}
	}
}
