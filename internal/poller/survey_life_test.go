package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestSurveyEndsWithItsLane(t *testing.T) {
	for name, answer := range map[string]reply{"slow": {takes: time.Minute}, "hanging": {hangs: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := surveyedTown(t)
				c.onList = func(call) *reply { return &answer }
				c.pass(8 * time.Second)
				for _, run := range c.runs {
					c.poller.Forget(Owner(run.id))
				}
				c.pass(time.Second)
				if len(c.poller.lanes) != 0 {
					t.Errorf("%d lanes are left without a question", len(c.poller.lanes))
				}
				c.took()
				c.pass(10 * time.Minute)
				expectCalls(t, c.took(), 0)
				for _, run := range c.runs {
					if news := c.news(Owner(run.id)); news > 1 {
						t.Errorf("%s was notified %d times", run.id, news)
					}
				}
			})
		})
	}
}

// Everybody leaves and comes back while a page is under way.
func TestEverybodyComesBackDuringASurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.onList = func(asked call) *reply {
			c.onList = nil
			r := c.respond(asked)
			r.takes = 5 * time.Second
			return &r
		}
		c.pass(6 * time.Second)
		for _, run := range c.runs {
			c.poller.Forget(Owner(run.id))
		}
		c.watchAll(c.runs)
		c.pass(15 * time.Second)
		if answered, failing := c.answered(); answered != 200 || failing != 0 {
			t.Errorf("%d answered, %d failing", answered, failing)
		}
		if singles, lists := tally(c.took()); singles > 25 || lists["Running"] == 0 {
			t.Errorf("%d singles, lists %v", singles, lists)
		}
	})
}

func TestEngineStopsInTheMiddleOfASurvey(t *testing.T) {
	for name, answer := range map[string]reply{
		"slow": {takes: time.Hour}, "hanging": {hangs: true}, "throttled": {err: throttledFor10s},
		"failing": {err: failureOf(cloudassistant.ClassUnavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := surveyedTown(t)
				c.onList = func(call) *reply { return &answer }
				c.pass(6 * time.Second)
				before := c.clock.Now()
				c.end() // the bubble does not end before all goroutines have
				if took := c.clock.Now().Sub(before); took > 0 {
					t.Errorf("it took %v to stop", took)
				}
			})
		})
	}
}

// A thousand runs that began within ten seconds end together. That is too short a time for lists to show how they are sorted,
// so that each end is confirmed by itself: as fast as the rate allows, not a few in each round.
func TestEndsThatListsAreNotBelievedAbout(t *testing.T) {
	for name, c := range map[string]struct {
		qps    float64
		within time.Duration
	}{
		"at a high rate": {100, 45 * time.Second},
		"at a low rate":  {10, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				town := newTown(t, Options{QPS: c.qps, Burst: 10}, 0)
				town.settle(1000, 10*time.Millisecond)
				town.watchAll(town.runs)
				town.pass(time.Minute)
				town.together(func() { town.ends(0, 1000) })
				if known := town.conclude(c.within); known != 1000 {
					t.Errorf("%d of 1000 ends are known after %v", known, c.within)
				}
			})
		})
	}
}
