package poller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestRunsAreAskedAboutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 200)
		c.pass(10 * time.Minute)
		singles, lists := tally(c.took())
		if singles > 1+newcomersAtOnce {
			t.Errorf("%d runs were asked about singly, want the first, which was alone, and a few newcomers", singles)
		}
		// Four pages at most every four seconds; and before the lists were measured, a look at the others.
		if lists["Running"] < 4*60 || lists["Running"] > 4*150 || lists[""]+lists["Finished"]+lists["Stopped"] > 30 {
			t.Errorf("lists %v", lists)
		}
		if answered, failing := c.answered(); answered != 200 || failing != 0 {
			t.Errorf("%d answered, %d failing", answered, failing)
		}
	})
}

func TestFewDeparturesAreAskedForByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.ends(10, 12)
		if known := c.conclude(15 * time.Second); known != 2 {
			t.Errorf("%d of 2 ends are known", known)
		}
		singles, lists := tally(c.took())
		if singles != 2 || lists["Finished"] != 0 {
			t.Errorf("%d asked for singly, lists %v; want 2 and none of the ended", singles, lists)
		}
	})
}

func TestManyDeparturesAreFoundAmongTheEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.ends(0, 50) // by which lists prove right
		if known := c.conclude(25 * time.Second); known != 50 {
			t.Errorf("%d of 50 ends are known", known)
		}
		c.took()
		c.ends(100, 150)
		if known := c.conclude(20 * time.Second); known != 50 {
			t.Errorf("%d of 50 ends are known", known)
		}
		singles, lists := tally(c.took())
		if singles > 5 || lists["Finished"] == 0 || lists["Finished"] > 10 {
			t.Errorf("%d asked for singly, lists %v", singles, lists)
		}
	})
}

// Pages of running commands carry all that these have printed: what surveys read is bounded.
func TestSurveysReadNoMoreThanTheyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.bytes = 1_600_000
		c.watch(200)
		c.pass(10 * time.Minute)
		_, lists := tally(c.took())
		if read, most := int64(lists["Running"])*c.bytes, int64(600*bytesPerSecond+8_000_000); read > most {
			t.Errorf("%d MB were read in ten minutes, want at most %d", read>>20, most>>20)
		}
		if lists["Running"] < 100 {
			t.Errorf("only %d pages were read", lists["Running"])
		}
	})
}

func TestIdentitiesOfOneAccountShareTheBucketNotTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := newTown(t, Options{QPS: 5, Burst: 10}, 0) // nobody asks before the accounts are named
		c.together(func() {
			c.accounts = map[cloudassistant.Identity]string{alice: "1", bob: "1"}
			// The lists of alice have no rows of bob's, and his fail.
			c.onList = func(asked call) *reply {
				if asked.identity == bob {
					return &reply{err: failureOf(cloudassistant.ClassUnavailable)}
				}
				return nil
			}
		})
		c.watch(100)
		c.settle(100, time.Second)
		c.atOnce(func(p *Poller) {
			for _, run := range c.runs[100:] {
				watch := about(run.id)
				watch.Identity = bob
				p.watch(Owner(run.id), watch)
			}
		})
		c.pass(10 * time.Second)
		calls := c.took()
		if most := 10 + 5*time.Since(began).Seconds() + 1; float64(len(calls)) > most {
			t.Errorf("%d calls of one account in %v, want at most %v", len(calls), time.Since(began), most)
		}
		asked := map[string]bool{}
		for _, call := range calls {
			if call.identity == bob {
				asked[call.query.InvokeID] = true
			}
		}
		for _, run := range c.runs[100:] {
			watch := about(run.id)
			watch.Identity = bob
			if s := c.poller.Watch(Owner(run.id), watch); s.Live != nil && !asked[run.id] {
				t.Errorf("bob was shown %s, of which only alice was told", run.id)
			}
		}
	})
}

func TestImpatientQuestionsKeepTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		watch := about("t-7")
		watch.MinInterval, watch.MaxInterval = time.Second, 3*time.Second
		c.poller.Watch("hasty", watch)
		c.onList = func(call) *reply { return &reply{hangs: true} } // so that nothing but its own calls can tell of it
		c.pass(4 * time.Second)
		for range 60 {
			c.pass(time.Second)
			if s := c.poller.Watch("hasty", watch); c.clock.Now().Sub(s.Live.StartedAt) > 3500*time.Millisecond {
				t.Fatalf("its answer is of %v ago", c.clock.Now().Sub(s.Live.StartedAt))
			}
		}
	})
}

func TestPatientQuestionsCauseNoSurveys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.settle(50, time.Second)
		c.atOnce(func(p *Poller) {
			for _, run := range c.runs {
				watch := about(run.id)
				watch.MinInterval, watch.MaxInterval = 2*time.Minute, 2*time.Minute
				p.watch(Owner(run.id), watch)
			}
		})
		c.pass(11 * time.Minute)
		if singles, lists := tally(c.took()); singles > 6*50 || singles < 5*50 || len(lists) > 0 {
			t.Errorf("%d singles, lists %v", singles, lists)
		}
	})
}

func TestHistoryIsAskedForWhenSurveysTellOfAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		watch := about("t-9")
		watch.History = true
		c.poller.Watch("historian", watch)
		c.pass(time.Second)
		c.took()
		c.runs[9].repeats = 2
		c.pass(15 * time.Second)
		calls := c.took()
		if len(calls) == 0 || !slices.ContainsFunc(calls, func(asked call) bool { return asked.query.IncludeHistory && asked.query.InvokeID == "t-9" }) {
			t.Error("history was not asked for")
		}
		if singles, _ := tally(calls); singles != 1 {
			t.Errorf("%d single questions, want that for history", singles)
		}
	})
}

func TestForcedDemandsDoNotWaitForSurveys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.pass(500 * time.Millisecond)
		c.took()
		watch := about("t-9")
		watch.AnswerFrom = c.clock.Now()
		c.poller.Watch("t-9", watch)
		synctest.Wait()
		if singles, _ := tally(c.took()); singles != 1 {
			t.Errorf("%d single questions, want one", singles)
		}
		// The same while nothing is known yet, and a survey is under way.
		c.together(func() { c.onList = func(call) *reply { return &reply{hangs: true} } })
		c.settle(1, time.Second)
		late := about("t-200")
		late.AnswerFrom = c.clock.Now()
		c.poller.Watch("t-200", late)
		synctest.Wait()
		if s := c.poller.Watch("t-200", late); s.Live == nil {
			t.Error("a demand waits for a survey")
		}
	})
}

func TestForeignScheduledRunsCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := map[bool]int{}
		for _, singly := range []bool{true, false} {
			c := newTown(t, Options{AskSingly: singly}, 0)
			c.settle(5000, 10*time.Minute)
			for _, run := range c.runs {
				run.status, run.repeats = cloudassistant.StatusScheduled, 7
			}
			c.settle(100, time.Second)
			c.watchAll(c.runs[5000:])
			c.pass(10 * time.Minute)
			c.ends(5000, 5020)
			c.pass(time.Minute)
			if known := c.known(5000, 5020); known != 20 {
				t.Errorf("singly %v: %d of 20 ends are known after a minute", singly, known)
			}
			calls[singly] = len(c.took())
			c.end()
		}
		if calls[false] > calls[true]*12/10 {
			t.Errorf("%d calls, asking singly %d", calls[false], calls[true])
		}
	})
}

// Runs that ended long ago are in no list that is worth reading.
func TestVeryOldRunsAreAskedForByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.settle(30, time.Hour)
		c.settle(5000, time.Second)
		c.ends(0, len(c.runs))
		c.watchAll(c.runs[:30])
		if known := c.conclude(time.Minute); known != 30 {
			t.Errorf("%d of 30 ends are known", known)
		}
		if singles, lists := tally(c.took()); singles < 30 || singles > 40 || lists["Finished"]+lists[""] > 100 {
			t.Errorf("%d singles, lists %v", singles, lists)
		}
	})
}
