package poller

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// among has so many runs that are watched among scheduled ones of others, which are older, and were surveyed for a while.
func among(t *testing.T, ours, others int) *town {
	t.Helper()
	c := newTown(t, Options{}, 0)
	c.scheduled(others)
	c.settle(ours, time.Second)
	c.watchAll(c.runs[others:])
	c.pass(2 * time.Minute)
	c.took()
	return c
}

// scheduled adds runs of others, which run again every few minutes and never end.
func (c *town) scheduled(n int) {
	first := len(c.runs)
	c.settle(n, 10*time.Minute)
	for _, run := range c.runs[first:] {
		run.status, run.repeats = cloudassistant.StatusScheduled, 7
	}
}

// only are the questions about a run by itself.
func only(calls []call, id string) (n int) {
	for _, asked := range calls {
		if asked.query.InvokeID == id {
			n++
		}
	}
	return n
}

func TestSweepEndsWhereOnlyOthersAreLeft(t *testing.T) {
	for _, repeats := range []int64{0, 1, 7} {
		t.Run(fmt.Sprintf("schedules that ran %d times", repeats), func(t *testing.T) {
			sweepEndsWhereOnlyOthersAreLeft(t, repeats)
		})
	}
}

func sweepEndsWhereOnlyOthersAreLeft(t *testing.T, repeats int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := among(t, 80, 5000)
		c.together(func() {
			for _, run := range c.runs[:5000] {
				run.repeats = repeats
			}
		})
		c.pass(2 * time.Minute)
		c.took()
		c.pass(time.Minute)
		calls := c.took()
		_, lists := tally(calls)
		sweeps := 0
		for _, asked := range calls {
			if asked.query.InvokeRecordStatus == cloudassistant.RecordRunning && asked.paging.NextToken == "" {
				sweeps++
			}
		}
		// Ours are on two of the 102 pages, and twenty rows of others are on the second: it takes a third to be sure.
		if sweeps < 5 || lists["Running"] > 3*sweeps {
			t.Errorf("%d pages in %d sweeps, want at most three in each", lists["Running"], sweeps)
		}
		c.ends(5000, 5010)
		if known := c.conclude(15 * time.Second); known != 10 {
			t.Errorf("%d of 10 ends are known", known)
		}
	})
}

// Its place in the list is not where it would be expected, and it is not asked about by itself for ever.
func TestRunBehindOthersHasTheListReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.settle(1, 100*time.Hour)
		c.scheduled(300)
		c.settle(100, time.Second)
		c.poller.Watch("t-0", about("t-0"))
		c.watchAll(c.runs[301:])
		c.pass(3 * time.Minute)
		c.took()
		c.pass(10 * time.Minute)
		calls := c.took()
		if alone := only(calls, "t-0"); alone > 1 {
			t.Errorf("it was asked about %d times in ten minutes", alone)
		}
		whole := slices.ContainsFunc(calls, func(asked call) bool {
			return asked.query.InvokeRecordStatus == cloudassistant.RecordRunning && asked.paging.NextToken == "400"
		})
		if !whole {
			t.Error("the list was not read to its end")
		}
	})
}

func TestLengthOfTheUnfinishedFollowsOurRunsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := among(t, 20, 0)
		l := c.lane()
		for name, s := range map[string]struct {
			surveys
			want int
		}{
			"nothing is measured":        {surveys{runs: 120}, 3},
			"as measured":                {surveys{runs: 10, unfinishedRows: 220, sweptRuns: 10, sweptOurs: 10}, 5},
			"more of ours beside others": {surveys{runs: 100, unfinishedRows: 99, sweptRuns: 2, sweptOurs: 2}, 4},
			"fewer of ours":              {surveys{runs: 10, unfinishedRows: 300, sweptRuns: 110, sweptOurs: 220}, 3},
			"runs of ten instances":      {surveys{runs: 20, unfinishedRows: 140, sweptRuns: 10, sweptOurs: 100}, 5},
		} {
			if got := (&lane{poller: l.poller, surveys: s.surveys}).unfinishedNow(); got != s.want {
				t.Errorf("%s: %d pages, want %d", name, got, s.want)
			}
		}
	})
}

// lane is the only one.
func (c *town) lane() *lane {
	c.poller.mu.Lock()
	defer c.poller.mu.Unlock()
	for _, l := range c.poller.lanes {
		return l
	}
	return nil
}

// Rows at the edge of a page may have others of their run on the page before, unless it is known how many there are.
func TestRunsSeenTogetherBeforeNeedNoQuestionAtTheEdgeOfAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.ends(0, 50) // by which lists prove right
		c.conclude(25 * time.Second)
		c.took()
		c.ends(50, 170) // on five pages of the ended
		if known := c.conclude(25 * time.Second); known != 120 {
			t.Errorf("%d of 120 ends are known", known)
		}
		if singles, lists := tally(c.took()); singles > 0 {
			t.Errorf("%d asked for singly, lists %v", singles, lists)
		}
	})
}

func TestListsProveRightByAnswersThatWereThereBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 30)
		c.pass(time.Minute)
		singles, _ := tally(c.took())
		l := c.lane()
		l.poller.mu.Lock()
		defer l.poller.mu.Unlock()
		if singles == 0 || l.trust.right < singles-2 || l.trust.right > singles {
			t.Errorf("lists were found right %d times, by %d single answers", l.trust.right, singles)
		}
	})
}

func TestListsThatLackARowOfAnEarlierAnswerAreNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration
		wrong bool
	}{
		"an old run's":         {settledAge, true},
		"one that may be late": {settledAge - time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
			q := &question{lane: &lane{}, since: now.Add(-c.age)}
			q.unchecked = &cloudassistant.Answer{Records: pageOf("a a2"), StartedAt: now}
			q.check(pageOf("a"), now)
			if wrong := now.Before(q.lane.trust.wrongUntil); wrong != c.wrong || q.unchecked != nil || !q.checked {
				t.Errorf("wrong: %v, want %v; to be checked again: %v", wrong, c.wrong, q.unchecked != nil)
			}
		})
	}
}

// A new run may not be shown yet when it is asked about. The next survey shows it.
func TestNewRunIsAskedAboutOnceWhereASurveyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.poller.Watch("t-200", about("t-200"))
		c.pass(500 * time.Millisecond)
		c.settle(1, time.Second)
		c.pass(10 * time.Second)
		if alone := only(c.took(), "t-200"); alone != 1 {
			t.Errorf("it was asked about %d times, want once", alone)
		}
		if s := c.poller.Watch("t-200", about("t-200")); s.Live == nil || len(s.Live.Records) != 1 {
			t.Errorf("it is known as %+v", s.Live)
		}
	})
}

func TestRunThatNobodyKnowsIsAskedAboutOnItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.poller.Watch("t-nowhere", about("t-nowhere"))
		c.pass(2 * time.Minute)
		if alone := only(c.took(), "t-nowhere"); alone < 3 || alone > 20 {
			t.Errorf("it was asked about %d times in two minutes", alone)
		}
	})
}

// So few are left that lists do not pay: they do not wait for them.
func TestLastRunsDoNotWaitForSurveysThatDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.settle(60, time.Second) // the last four are ours
		c.watchAll(c.runs[56:])
		c.pass(2 * time.Minute)
		c.ends(59, 60)
		if known := c.conclude(30 * time.Second); known != 1 {
			t.Fatalf("%d of 1 end is known", known)
		}
		c.took()
		c.ends(56, 59)
		if known := c.conclude(25 * time.Second); known != 3 {
			t.Errorf("%d of 3 ends are known", known)
		}
	})
}

func TestRunThatIsJustAskedAboutIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.script(func(asked call) reply {
			r := c.respond(asked)
			r.takes = time.Second
			return r
		})
		c.took()
		// It is on the first of the four pages of a sweep, and asked about for half of the time.
		const times = 20
		for range times {
			watch := about("t-199")
			watch.AnswerFrom = c.clock.Now()
			c.poller.Watch("t-199", watch)
			c.pass(2100 * time.Millisecond)
		}
		if alone := only(c.took(), "t-199"); alone > times || alone < times-2 {
			t.Errorf("it was asked about %d times, of which %d were demanded", alone, times)
		}
	})
}

// Where more are missed than the next survey will cost, it is needed anyway.
func TestFewAreAskedAboutWhereManyAreMissed(t *testing.T) {
	for _, test := range []struct {
		plan        SurveyPlan
		unknown     bool
		pages, want int
	}{
		{SurveySweep, false, 10, singlesAtOnce},
		{SurveySweep, false, 199, singlesAtOnce},
		{SurveySweep, false, 200, 200},
		{SurveyDiscover, false, 200, singlesAtOnce},
		// For those of whom nothing is known there would be another discovery.
		{SurveyDiscover, true, 200, 200},
		{SurveyDiscover, true, 199, singlesAtOnce},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := surveyedTown(t)
			c.script(func(call) reply { return reply{hangs: true} })
			l := c.lane()
			l.poller.mu.Lock()
			s := &survey{lane: l, plan: test.plan, pages: test.pages, sought: map[*question]bool{}}
			for _, q := range l.questions {
				s.sought[q] = true
				q.await(test.unknown)
			}
			l.poller.mu.Unlock()
			s.askForTheRest()
			asked := 0
			l.poller.mu.Lock()
			defer l.poller.mu.Unlock()
			for _, q := range l.questions {
				if q.sought {
					asked++
				}
			}
			if asked != test.want {
				t.Errorf("after a %s of %d pages %d of 200 are asked about, want %d", test.plan, test.pages, asked, test.want)
			}
		})
	}
}

func TestDiscoveryMeasuresBothLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.settle(300, time.Second)
		c.ends(0, 120)
		c.watchAll(c.runs)
		_, lists := tally(c.took())
		for n := 0; lists[""] < 6 && n < 20; n++ {
			c.pass(time.Second)
			_, more := tally(c.took())
			lists[""] += more[""]
		}
		l := c.lane()
		l.poller.mu.Lock()
		defer l.poller.mu.Unlock()
		if lists[""] != 6 || l.unfinishedRows != 180 || l.endings[0].depth.pages != 3 {
			t.Errorf("after %d pages of everything there are %d rows of the unfinished and %d pages of the ended, want 6, 180 and 3",
				lists[""], l.unfinishedRows, l.endings[0].depth.pages)
		}
	})
}

// Where a list of the ended has told of an end it is looked through at every harvest, the others in turn.
func TestHarvestsLookWhereTheyFoundSomething(t *testing.T) {
	looked := func(fruitful bool) (times map[int]int) {
		l := &lane{poller: New(nil, Options{})}
		l.endings[1].fruitful = fruitful
		s := &survey{lane: l}
		times = map[int]int{}
		for range 6 {
			for _, n := range s.harvested() {
				times[n]++
			}
		}
		return times
	}
	if got, want := looked(false), (map[int]int{0: 6, 1: 2, 2: 2, 3: 2}); !maps.Equal(got, want) {
		t.Errorf("of six harvests %v looked through each list, want %v", got, want)
	}
	if got, want := looked(true), (map[int]int{0: 6, 1: 6, 2: 2, 3: 2}); !maps.Equal(got, want) {
		t.Errorf("with an end in the second list %v of six harvests looked through each, want %v", got, want)
	}
}

// What lists are not believed to show is not looked for in them, and nothing else.
func TestWhatListsOfTheEndedCanShow(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	row, container := cloudassistant.Record{InstanceID: "i-1"}, cloudassistant.Record{InstanceID: "i-1", ContainerID: "c"}
	for name, c := range map[string]struct {
		trust    trust
		settled  bool
		instance string
		known    *cloudassistant.Answer
		want     bool
	}{
		"of whatever is believed":               {want: true},
		"after they were wrong":                 {trust: trust{wrongUntil: now.Add(1)}},
		"out of order":                          {trust: trust{unorderedUntil: now.Add(1)}},
		"a run all of whose rows are known":     {trust: trust{wrongUntil: now.Add(1)}, settled: true, known: &cloudassistant.Answer{Records: []cloudassistant.Record{row}}, want: true},
		"the only row there can be":             {trust: trust{wrongUntil: now.Add(1)}, instance: "i-1", known: &cloudassistant.Answer{Records: []cloudassistant.Record{row}}, want: true},
		"an instance of which nothing is known": {trust: trust{wrongUntil: now.Add(1)}, instance: "i-1", want: true},
		"an instance with containers":           {trust: trust{wrongUntil: now.Add(1)}, instance: "i-1", known: &cloudassistant.Answer{Records: []cloudassistant.Record{container}}},
	} {
		t.Run(name, func(t *testing.T) {
			q := &question{lane: &lane{}, key: questionKey{instanceID: c.instance}}
			q.lane.trust, q.live, q.settled = c.trust, c.known, c.settled
			if got := q.listable(now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
