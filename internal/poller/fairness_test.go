package poller

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// watchFor has these runs watched on behalf of a tenant, from the same moment on.
func (c *town) watchFor(tenant string, runs []*townRun) {
	c.atOnce(func(p *Poller) {
		for _, run := range runs {
			watch := about(run.id)
			watch.Tenant = tenant
			p.watch(Owner(run.id), watch)
		}
	})
}

// One tenant has nine thousand runs and uses all calls up, another three, which begin later. Lists tell of both alike, and
// whom they miss is asked about in turns: the three are known about as the others are.
func TestFewRunsOfATenantAreKnownAsSoonAsThoseOfAnotherWithMany(t *testing.T) {
	const many, few, quota, seeds = 9000, 3, 100, 1
	// A round is a walk through all of them. An end just behind a walk is met by the next, and one at the edge of a page
	// by the one after.
	const round = (many + few) / maxPageRows * time.Minute / quota
	var those, others []time.Duration
	for seed := range uint64(seeds) {
		s := crowd{runs: many + few, few: few, quota: quota, qps: quota / 60., seed: seed}
		synctest.Test(t, func(*testing.T) {
			f := s.observe()
			if f.missing > 0 {
				t.Errorf("%d ends were never known", f.missing)
			}
			those, others = append(those, f.few...), append(others, f.lags...)
		})
	}
	slices.Sort(those)
	slices.Sort(others)
	if len(those) != seeds*few {
		t.Fatalf("%d of %d ends of the few are known", len(those), seeds*few)
	}
	if got, usual := those[len(those)/2], others[len(others)/2]; got > 2*usual {
		t.Errorf("the few are known after %v in the middle, all after %v; want at most twice that", got, usual)
	}
	if last := those[len(those)-1]; last > 3*round {
		t.Errorf("the last of the few is known after %v, want three rounds of %v at most", last, round)
	}
}

// Lists show none of them, and each survey leaves only so many to be asked about by themselves: those of a tenant who has few
// are among these, although the others were missed before.
func TestTenantsTakeTurnsWhereListsShowNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{QPS: 5, Burst: 10}, 0)
		c.onList = func(call) *reply { return &reply{} }
		c.settle(3000, time.Second)
		c.watchFor("many", c.runs)
		c.pass(time.Minute)
		c.took()
		// The many use up what lets a few new ones be asked about at once.
		c.settle(100, time.Second)
		c.watchFor("many", c.runs[3000:])
		c.settle(3, time.Second)
		c.watchFor("few", c.runs[3100:])
		c.pass(30 * time.Second)
		asked := map[string]bool{}
		for _, call := range c.took() {
			asked[call.query.InvokeID] = true
		}
		for _, run := range c.runs[3100:] {
			if !asked[run.id] {
				t.Errorf("%s has not been asked about after 30 s", run.id)
			}
		}
		if len(asked) > 1000 {
			t.Fatalf("%d runs were asked about: nobody had to wait", len(asked))
		}
	})
}

// The few were missed last, and there is room for a few only.
func TestThoseWhomASurveyMissesAreAskedAboutInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.script(func(call) reply { return reply{hangs: true} })
		c.settle(203, time.Second)
		c.watchFor("many", c.runs[:200])
		c.watchFor("few", c.runs[200:])
		l := c.lane()
		l.poller.mu.Lock()
		s := &survey{lane: l, plan: SurveyDiscover, sought: map[*question]bool{}}
		for _, q := range l.questions {
			s.sought[q] = true
			if q.tenant == "many" {
				q.missedAt = c.clock.Now().Add(-time.Minute)
			}
		}
		l.poller.mu.Unlock()
		s.askForTheRest()
		l.poller.mu.Lock()
		defer l.poller.mu.Unlock()
		asked := map[string]int{}
		for _, q := range l.questions {
			if q.sought {
				asked[q.tenant]++
			}
		}
		if asked["few"] != 3 || asked["many"] != singlesAtOnce-3 {
			t.Errorf("asked about are %v, want all three of the few and %d of the many", asked, singlesAtOnce-3)
		}
	})
}

func TestTakeTurns(t *testing.T) {
	var questions []*question
	for n, tenant := range []string{"a", "a", "a", "b", "c", "a", "b"} {
		query := cloudassistant.Query{InvokeID: fmt.Sprint(n)}
		questions = append(questions, &question{tenant: tenant, query: query})
	}
	takeTurns(questions)
	var got []string
	for _, q := range questions {
		got = append(got, q.tenant+q.query.InvokeID)
	}
	if want := []string{"a0", "b3", "c4", "a1", "b6", "a2", "a5"}; !slices.Equal(got, want) {
		t.Errorf("turns %v, want %v", got, want)
	}
}
