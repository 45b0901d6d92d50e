package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Lists so long, for the rate, that one survey follows another: those of the ended, which are the shorter ones, tell nothing
// of runs that go on. They are asked about nonetheless.
func TestSurveysWithoutPauseLeaveNobodyUnseen(t *testing.T) {
	for _, ended := range []int{1000, 2000} {
		for _, qps := range []float64{1, 100. / 60} {
			t.Run(fmt.Sprintf("%d ended, %.2f calls a second", ended, qps), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newTown(t, Options{QPS: qps, Burst: 10}, 0)
					c.settle(100, 30*time.Second)
					c.besides(6000, ended)
					c.watchAll(c.runs)
					c.pass(time.Hour)
					c.took()
					// It is left to what stands in for its schedule, and then to one survey.
					const tooLong = coveredAtMost + 2*time.Minute
					late := 0
					for range 60 {
						c.pass(30 * time.Second)
						late = max(late, c.unseenFor(tooLong))
					}
					singles, lists := tally(c.took())
					if late > 0 {
						t.Errorf("up to %d of 100 runs went unseen for more than %v; in 30 minutes there were %d singles, lists %v",
							late, tooLong, singles, lists)
					}
				})
			})
		}
	}
}

// A crowd that goes on for hours is watched by lists alone, even where these are asked for but twice a minute.
func TestListsWatchOverACrowdThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{QPS: 5, Burst: 10}, 0)
		c.settle(1000, 300*time.Millisecond)
		c.watchAll(c.runs)
		c.pass(time.Hour)
		c.took()
		for range 60 {
			c.pass(time.Minute)
			if unseen := c.unseenFor(2 * sweepAtLeast); unseen > 0 {
				t.Fatalf("%d of 1000 runs went unseen for more than %v", unseen, 2*sweepAtLeast)
			}
		}
		if singles, lists := tally(c.took()); singles > 0 {
			t.Errorf("%d runs were asked about by themselves in an hour, beside lists %v", singles, lists)
		}
	})
}

// Whoever is told of the end of a run leaves, or demands another answer, but not at once where thousands are told: until then
// nobody asks about it again, which would take the calls from those that go on.
func TestWhatHasEndedIsNotAskedAboutWhileItsOwnersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.together(func() { c.ends(0, 100) })
		c.pass(time.Minute)
		if known := c.known(0, 100); known != 100 {
			t.Fatalf("%d of 100 ends are known", known)
		}
		asked := map[string]int{}
		for _, call := range c.took() {
			asked[call.query.InvokeID]++
		}
		for _, run := range c.runs[:100] {
			if n := asked[run.id]; n > 1 {
				t.Errorf("%s was asked about %d times", run.id, n)
			}
		}
		watch := about("t-1")
		watch.AnswerFrom = c.clock.Now()
		c.poller.Watch("t-1", watch)
		c.pass(2 * time.Second)
		if singles, _ := tally(c.took()); singles == 0 {
			t.Error("a demand is not met")
		}
	})
}

// How long a survey takes is measured without the pauses.
func TestAPauseIsNotPartOfWhatASurveyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		held := false
		c.together(func() {
			c.onList = func(call) *reply {
				if held {
					return nil
				}
				held = true
				return &reply{err: &cloudassistant.Error{Class: cloudassistant.ClassThrottled, Code: "Throttling", RetryAfter: 10 * time.Minute}}
			}
		})
		c.pass(10 * time.Minute)
		l := c.lane()
		stuck := l.survey
		if !held || stuck == nil {
			t.Fatal("no survey was held up")
		}
		for range 60 {
			c.pass(time.Second)
			if took := l.took; took > time.Minute {
				t.Fatalf("a survey took %v", took)
			}
		}
		if l.survey == stuck {
			t.Error("it never ended")
		}
	})
}

// Nobody is left to a survey, and hidden by that, for longer than to several that do not see it.
func TestHowLongASurveyMayBeWaitedForIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := surveyedTown(t).lane()
		if got := l.roundEstimate(); got > time.Minute {
			t.Errorf("a round of few pages is estimated at %v", got)
		}
		l.took = time.Hour
		if got := l.roundEstimate(); got != coveredAtMost {
			t.Errorf("after one that took an hour it is estimated at %v, want %v", got, coveredAtMost)
		}
	})
}

// Runs that are due by themselves while a survey goes on have a quarter of the rate: at once, they would take most of it from
// what tells of all. Who demands an answer does not wait behind them.
func TestASurveyGoesBeforeThoseWhoAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.together(func() {
			c.world.respond = func(asked call) reply {
				r := c.respond(asked)
				if asked.query.InvokeID == "" {
					r.takes = 10 * time.Second
				}
				return r
			}
		})
		c.pass(15 * time.Second)
		l := c.lane()
		c.atOnce(func(*Poller) {
			if l.survey == nil {
				t.Fatal("there is no survey")
			}
			for _, q := range l.questions {
				q.answered, q.coveredUntil = plan{from: l.survey.began.Add(-time.Hour)}, l.survey.began.Add(-time.Hour)
				l.plan(q)
			}
		})
		c.took()
		c.pass(time.Second)
		watch := about("t-199")
		watch.AnswerFrom = c.clock.Now()
		c.poller.Watch("t-199", watch)
		c.pass(time.Second)
		if asked := only(c.took(), "t-199"); asked != 1 {
			t.Errorf("who demands an answer was asked about %d times in a second", asked)
		}
		c.atOnce(func(*Poller) {
			if q := l.byRun["t-199"][0]; !q.leftUntil.IsZero() {
				t.Errorf("what it waited for still holds after the answer: until %v", q.leftUntil)
			}
		})
		c.pass(20 * time.Second)
		// The rate is of 5 calls a second.
		if singles, _ := tally(c.took()); singles < 23 || singles > 26 {
			t.Errorf("%d runs were asked about in 20 seconds, want 25", singles)
		}
	})
}

// besides adds runs of other people that go on for ever, for they are repeated, and some that ended in the last 50 minutes.
func (c *town) besides(scheduled, ended int) {
	c.together(func() {
		now := c.clock.Now()
		for n := range scheduled {
			c.others = append(c.others, &townRun{
				id: fmt.Sprintf("scheduled-%d", n), status: cloudassistant.StatusScheduled, repeats: 3,
				started: now.Add(-time.Duration(n) * 500 * time.Millisecond),
			})
		}
		for n := range ended {
			c.others = append(c.others, &townRun{
				id: fmt.Sprintf("ended-%d", n), status: cloudassistant.StatusSuccess,
				started: now.Add(-time.Duration(n) * 50 * time.Minute / time.Duration(ended)),
			})
		}
	})
}

// unseenFor is how many of the runs nothing was seen of for so long.
func (c *town) unseenFor(d time.Duration) int {
	questions := c.lane().questions
	unseen := 0
	c.atOnce(func(*Poller) {
		for _, q := range questions {
			seen := q.seen
			if q.live != nil {
				seen = later(seen, q.live.StartedAt)
			}
			if c.clock.Now().Sub(seen) > d {
				unseen++
			}
		}
	})
	return unseen
}
