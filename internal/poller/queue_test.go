package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// One tenant has 900 runs, another three: these do not wait for those.
func TestTenantsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{QPS: 1, Burst: 1, AskSingly: true}, running)
		w.atOnce(func(p *Poller) {
			for n := range 900 {
				id := fmt.Sprintf("t-large-%d", n)
				watch := about(id)
				watch.Tenant = "large"
				p.watch(Owner(id), watch)
			}
		})
		w.pass(10 * time.Second)
		began := w.clock.Now()
		var small []Owner
		w.atOnce(func(p *Poller) {
			for n := range 3 {
				id := fmt.Sprintf("t-small-%d", n)
				watch := about(id)
				watch.Tenant = "small"
				p.watch(Owner(id), watch)
				small = append(small, Owner(id))
			}
		})
		// Every other call is theirs, after those that were under way.
		w.pass(12 * time.Second)
		for _, owner := range small {
			watch := about(string(owner))
			watch.Tenant = "small"
			if s := w.poller.Watch(owner, watch); s.Live == nil {
				t.Errorf("%s has no answer after %v", owner, w.clock.Now().Sub(began))
			}
		}
	})
}

// However questions come, go and are taken: what is due comes before what is not, nobody who has something due is
// passed over for more turns than there are others, and nothing is lost.
func TestTheQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		now := time.Unix(0, 0)
		all := map[*question]bool{}
		waited := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				made := &question{index: -1, tenant: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant")}
				made.due = now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "due")) * time.Second)
				q.put(made)
				all[made] = true
			},
			"pass": func(*rapid.T) { now = now.Add(time.Second) },
			"take": func(t *rapid.T) {
				next := q.next(now)
				if next == nil {
					if len(all) > 0 {
						t.Fatalf("%d questions wait, and none is next", len(all))
					}
					return
				}
				due := map[string]bool{}
				for other := range all {
					if !other.due.After(now) {
						due[other.tenant] = true
					}
					if other.tenant == next.tenant && other.due.Before(next.due) || !other.due.After(now) && next.due.After(now) {
						t.Fatalf("%v of %s comes before %v of %s", next.due, next.tenant, other.due, other.tenant)
					}
				}
				if len(due) == 0 {
					return
				}
				q.take(next)
				delete(all, next)
				for tenant := range due {
					waited[tenant]++
				}
				waited[next.tenant] = 0
				for tenant, turns := range waited {
					if !due[tenant] {
						waited[tenant] = 0
					} else if turns > 4 {
						t.Fatalf("%s was passed over %d times", tenant, turns)
					}
				}
			},
			"remove": func(*rapid.T) {
				for gone := range all {
					q.remove(gone)
					delete(all, gone)
					break
				}
			},
		})
	})
}

// Where runs are missed all the time, and more are due than may be asked, whoever was denied half a minute ago has its turn
// before those that were missed since.
func TestWhoeverIsSoughtDoesNotOvertakeWhoHasWaited(t *testing.T) {
	denied := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	waiting := &question{interests: []*interest{{}}, knowledge: knowledge{
		failure: &Failure{}, failed: plan{from: denied, outcome: outcomeDenied, jitter: 0.5},
	}}
	sought := &question{interests: []*interest{{}}, knowledge: knowledge{sought: true, missedAt: denied.Add(time.Minute)}}
	if waits, overtakes := waiting.liveDue(), sought.liveDue(); !waits.Before(overtakes) || overtakes.After(sought.missedAt) {
		t.Errorf("who was denied at %v is due at %v, and who was missed at %v at %v", denied, waits, sought.missedAt, overtakes)
	}
}
