package poller

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// town is a cloud of runs of one row each, newest first, that says how each call goes. Tests change it between two passes.
type town struct {
	*world
	runs []*townRun
	// others are runs of other people, which have ended.
	others []*townRun
	byID   map[string]*townRun
	// lists is how lists of everything fail, if they do; a test may decide page by page instead.
	lists  cloudassistant.Class
	onList func(call) *reply
	bytes  int64
}

type townRun struct {
	id      string
	started time.Time
	status  cloudassistant.InvocationStatus
	repeats int64
}

func (r *townRun) record() cloudassistant.Record {
	record := cloudassistant.Record{
		InvokeID: r.id, InstanceID: "i-" + r.id, CommandID: "c-" + r.id, StartTime: r.started, Repeats: r.repeats,
		InvocationStatus: r.status, InvokeRecordStatus: cloudassistant.RecordRunning,
	}
	if r.status.Terminal() {
		record.InvokeRecordStatus = cloudassistant.RecordFinished
	}
	return record
}

// newTown has runs t-0 to t-(n-1), which began a second after one another, t-0 first, and an engine that is told of them.
// For each of them, two of others have ended.
func newTown(t *testing.T, options Options, n int) *town {
	t.Helper()
	c := &town{byID: map[string]*townRun{}}
	c.world = newWorld(t, options, c.respond)
	c.watch(n)
	return c
}

// watch adds so many runs, with those of others.
func (c *town) watch(n int) {
	c.settle(n, time.Second)
	c.together(func() {
		for _, run := range c.runs {
			for n := range 2 {
				other := &townRun{id: fmt.Sprintf("%s-%d", run.id, n), status: cloudassistant.StatusSuccess, started: run.started}
				c.others = append(c.others, other)
			}
		}
	})
	for _, run := range c.runs {
		c.poller.Watch(Owner(run.id), about(run.id))
	}
}

// settle adds runs that began in such intervals, up to now.
func (c *town) settle(n int, apart time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range n {
		run := &townRun{
			id: fmt.Sprintf("t-%d", len(c.runs)), status: cloudassistant.StatusRunning,
			started: c.clock.Now().Add(-apart * time.Duration(n-i)),
		}
		c.runs = append(c.runs, run)
		c.byID[run.id] = run
	}
}

func (c *town) respond(asked call) reply {
	q := asked.query
	if q.InvokeID != "" {
		if run := c.byID[q.InvokeID]; run != nil {
			return reply{records: []cloudassistant.Record{run.record()}}
		}
		return reply{}
	}
	if c.onList != nil {
		if r := c.onList(asked); r != nil {
			return *r
		}
	}
	if c.lists != "" {
		return reply{err: failureOf(c.lists)}
	}
	var records []cloudassistant.Record
	all := append(slices.Clone(c.others), c.runs...)
	slices.SortStableFunc(all, func(a, b *townRun) int { return b.started.Compare(a.started) })
	for _, run := range all {
		record := run.record()
		if (q.InvokeRecordStatus == "" || q.InvokeRecordStatus == record.InvokeRecordStatus) && (q.CommandID == "" || q.CommandID == record.CommandID) {
			records = append(records, record)
		}
	}
	start, _ := strconv.Atoi(asked.paging.NextToken)
	records = records[min(start, len(records)):]
	r := reply{records: records, bytes: c.bytes}
	if most := asked.paging.MaxResults; len(records) > most {
		r.records, r.next = records[:most], strconv.Itoa(start+most)
	}
	return r
}

// ends has runs from one to another end.
func (c *town) ends(from, to int) {
	for _, run := range c.runs[from:to] {
		run.status = cloudassistant.StatusSuccess
	}
}

// conclude lets time pass, in which owners leave who know the end of their run. It returns how many did.
func (c *town) conclude(d time.Duration) int {
	concluded := 0
	for range int(d.Seconds()) {
		c.pass(time.Second)
		for n, run := range c.runs {
			if c.poller.interests[Owner(run.id)] != nil && c.known(n, n+1) == 1 {
				c.poller.Forget(Owner(run.id))
				concluded++
			}
		}
	}
	return concluded
}

// known is how many of these runs are known to have ended.
func (c *town) known(from, to int) int {
	known := 0
	for _, run := range c.runs[from:to] {
		s := c.poller.Watch(Owner(run.id), about(run.id))
		if s.Live != nil && s.Live.Complete && len(s.Live.Records) == 1 && s.Live.Records[0].InvocationStatus.Terminal() {
			known++
		}
	}
	return known
}

// answered is how many of the runs anything is known of, and failing of how many an owner is shown a failure.
func (c *town) answered() (answered, failing int) {
	for _, run := range c.runs {
		i := c.poller.interests[Owner(run.id)]
		if i == nil {
			continue
		}
		s := c.poller.Watch(Owner(run.id), about(run.id))
		if s.Live != nil {
			answered++
		}
		if s.Failure != nil {
			failing++
		}
	}
	return answered, failing
}

// tally counts calls by what was asked for: a single run, or the list of a status.
func tally(calls []call) (singles int, lists map[string]int) {
	lists = map[string]int{}
	for _, c := range calls {
		if c.query.InvokeID != "" {
			singles++
		} else {
			lists[string(c.query.InvokeRecordStatus)]++
		}
	}
	return singles, lists
}

// surveyed is a town of 200 whose runs are all known, after some minutes.
func surveyedTown(t *testing.T) *town {
	t.Helper()
	c := newTown(t, Options{}, 200)
	c.pass(5 * time.Minute)
	if answered, _ := c.answered(); answered != 200 {
		t.Fatalf("%d of 200 runs are known", answered)
	}
	c.took()
	return c
}

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

// Whoever is on the pages that were not read has not been missed.
func TestAbsenceFromAnUnfinishedSweepIsNoSuspicion(t *testing.T) {
	later := func(asked call) bool { return asked.query.InvokeID == "" && asked.paging.NextToken != "" }
	for name, onList := range map[string]func(call) *reply{
		"aborted": func(asked call) *reply {
			if later(asked) {
				return &reply{err: failureOf(cloudassistant.ClassUnavailable)}
			}
			return nil
		},
		"throttled": func(asked call) *reply {
			if later(asked) {
				return &reply{err: throttledFor10s}
			}
			return nil
		},
		"cut short": func(asked call) *reply {
			if later(asked) {
				return &reply{next: asked.paging.NextToken} // leads nowhere
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := surveyedTown(t)
				c.onList = onList
				// A look at the ended may come first, once a minute at the least the unfinished are listed.
				singles, swept := 0, 0
				for range 20 {
					c.pass(4 * time.Second)
					alone, lists := tally(c.took())
					singles, swept = singles+alone, swept+lists["Running"]
					if swept >= 2 {
						break
					}
				}
				if singles > 0 || swept < 2 {
					t.Errorf("%d were asked about by themselves, after %d pages of the unfinished", singles, swept)
				}
				if _, failing := c.answered(); name != "throttled" && failing != 0 {
					t.Errorf("%d owners are shown a failure", failing)
				}
			})
		})
	}
}

func TestSurveyGoesOnWhereItWasThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		throttled := 0
		var at time.Time
		c.onList = func(asked call) *reply {
			if asked.paging.NextToken == "100" && throttled == 0 {
				throttled++
				at = asked.at
				return &reply{err: throttledFor10s}
			}
			return nil
		}
		c.pass(30 * time.Second)
		calls := c.took()
		n := slices.IndexFunc(calls, func(asked call) bool { return asked.at.Equal(at) && asked.paging.NextToken == "100" })
		next := calls[n+1]
		if wait := next.at.Sub(at); next.paging.NextToken != "100" || wait < 10*time.Second || wait > 12*time.Second {
			t.Errorf("after the pause of 10 s came %+v, %v later", next.paging, wait)
		}
		if singles, _ := tally(calls); singles > 0 {
			t.Errorf("%d were asked about by themselves", singles)
		}
	})
}

func TestPageThatFailsIsTriedAgain(t *testing.T) {
	for fails, want := range map[int]bool{2: true, 3: false} {
		t.Run(fmt.Sprintf("%d times", fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := surveyedTown(t)
				failed := 0
				c.onList = func(asked call) *reply {
					if asked.paging.NextToken == "100" && failed < fails {
						failed++
						return &reply{err: failureOf(cloudassistant.ClassUnavailable)}
					}
					return nil
				}
				for failed < fails {
					c.pass(time.Second)
				}
				c.pass(100 * time.Millisecond)
				calls := c.took()
				c.pass(2 * time.Second)
				calls = append(calls, c.took()...)
				var tokens []string
				for _, asked := range calls {
					tokens = append(tokens, asked.paging.NextToken)
				}
				n := slices.Index(tokens, "100")
				goesOn := slices.Contains(tokens[n:n+fails+2], "150")
				if goesOn != want {
					t.Errorf("went on: %v, want %v; pages %v", goesOn, want, tokens)
				}
				if _, failing := c.answered(); failing != 0 {
					t.Errorf("%d owners are shown a failure", failing)
				}
			})
		})
	}
}

// What lists fail with is nobody's failure; runs are asked about by themselves, old and new ones.
func TestListsThatFailForEverLeaveSingleQuestions(t *testing.T) {
	for _, class := range []cloudassistant.Class{
		cloudassistant.ClassUnavailable, cloudassistant.ClassDenied, cloudassistant.ClassInvalid, cloudassistant.ClassTokenExpired,
	} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTown(t, Options{QPS: 20}, 0)
				c.lists = class
				c.watch(200)
				c.pass(5 * time.Minute)
				if answered, failing := c.answered(); answered != 200 || failing != 0 {
					t.Errorf("%d answered, %d failing", answered, failing)
				}
				c.took()
				c.ends(20, 40)
				c.pass(65 * time.Second)
				if known := c.known(20, 40); known != 20 {
					t.Errorf("%d of 20 ends are known after a minute", known)
				}
				singles, lists := tally(c.took())
				if most := 4; lists["Running"] > most || singles < 100 {
					t.Errorf("%d single questions, lists %v", singles, lists)
				}
				// Whoever is new does not wait for lists that fail.
				c.settle(1, time.Second)
				c.poller.Watch("t-200", about("t-200"))
				c.pass(3 * time.Second)
				if s := c.poller.Watch("t-200", about("t-200")); s.Live == nil {
					t.Error("a new run waits for a survey that fails")
				}
			})
		})
	}
}

func TestRefusedListsAreTriedAgainAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.lists = cloudassistant.ClassDenied
		c.pass(time.Minute)
		_, lists := tally(c.took())
		if lists["Running"] != 2 {
			t.Errorf("lists %v, want two before they are given up", lists)
		}
		c.pass(8 * time.Minute)
		if _, lists := tally(c.took()); len(lists) > 0 {
			t.Errorf("lists %v while they are refused", lists)
		}
		c.lists = ""
		c.pass(2 * time.Minute)
		if _, lists := tally(c.took()); lists["Running"] < 5 {
			t.Errorf("lists %v after ten minutes", lists)
		}
	})
}

// One denial that heals, as while credentials rotate, is no policy, not even after a failure of another kind.
func TestOneDenialCostsNoTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.lists = cloudassistant.ClassUnavailable
		c.pass(8 * time.Second)
		denied := 0
		c.lists = ""
		c.onList = func(call) *reply {
			if denied++; denied == 1 {
				return &reply{err: failureOf(cloudassistant.ClassDenied)}
			}
			return nil
		}
		c.pass(time.Minute)
		c.took()
		c.pass(time.Minute)
		if singles, lists := tally(c.took()); denied < 2 || lists["Running"] < 20 {
			t.Errorf("lists %v, %d single questions a minute after one denial", lists, singles)
		}
	})
}

func TestPagesThatNeverComeHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.onList = func(call) *reply { return &reply{hangs: true} }
		c.pass(20 * time.Second)
		c.ends(20, 40)
		c.pass(4 * time.Minute)
		if known := c.known(20, 40); known != 20 {
			t.Errorf("%d of 20 ends are known", known)
		}
		// However long a page takes, the engine ends.
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

func TestOutageEndsWithoutAStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.script(failing(cloudassistant.ClassUnavailable))
		c.pass(15 * time.Minute)
		if calls := len(c.took()); calls > 15*2+20 {
			t.Errorf("%d calls in an outage", calls)
		}
		if _, failing := c.answered(); failing != 200 {
			t.Errorf("%d of 200 owners are shown why there is no answer", failing)
		}
		c.ends(0, 200)
		c.script(c.respond)
		if known := c.conclude(150 * time.Second); known != 200 {
			t.Errorf("%d of 200 ends are known", known)
		}
		calls := c.took()
		for n := range calls {
			if m := n + 11; m < len(calls) && calls[m].at.Sub(calls[n].at).Seconds()*5+10 < 11 {
				t.Fatalf("a stampede: %v to %v", calls[n].at, calls[m].at)
			}
		}
		if len(calls) > 250 {
			t.Errorf("%d calls after the outage", len(calls))
		}
	})
}

func TestThrottleStormWithSurveys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{QPS: 100, Burst: 100}, 0)
		c.script(storm(c.clock.Now().Add(5 * time.Minute)))
		c.watch(500)
		c.pass(5 * time.Minute)
		// The first run, which was alone, and a few newcomers; the survey, which all others await; and it again once a
		// minute.
		if calls := c.took(); len(calls) > 6+newcomersAtOnce {
			t.Errorf("%d calls in five minutes of throttle answers", len(calls))
		}
		c.script(c.respond)
		c.pass(2 * time.Minute)
		answered, failing := c.answered()
		if answered != 500 || failing != 0 {
			t.Errorf("%d answered, %d failing after the storm", answered, failing)
		}
		// Some have awaited a survey for five minutes by then, which is long enough.
		if singles, lists := tally(c.took()); singles > 60 || lists["Running"] > 11*31 {
			t.Errorf("%d singles, lists %v in two minutes after the storm", singles, lists)
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
		for _, run := range c.runs[100:] {
			watch := about(run.id)
			watch.Identity = bob
			c.poller.Watch(Owner(run.id), watch)
		}
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
		for _, run := range c.runs {
			c.poller.Watch(Owner(run.id), about(run.id))
		}
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

func TestPanicOfASurveyIsAFailureOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.onList = func(call) *reply { return &reply{panic: "secret"} }
		c.pass(time.Minute)
		c.ends(0, 5)
		if known := c.conclude(2 * time.Minute); known != 5 {
			t.Errorf("%d of 5 ends are known", known)
		}
		c.onList = nil
		c.pass(150 * time.Second)
		c.took()
		c.pass(time.Minute)
		if singles, lists := tally(c.took()); lists["Running"] < 20 || singles > 5 {
			t.Errorf("%d singles, lists %v after the fault is gone", singles, lists)
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
		for _, run := range c.runs {
			watch := about(run.id)
			watch.MinInterval, watch.MaxInterval = 2*time.Minute, 2*time.Minute
			c.poller.Watch(Owner(run.id), watch)
		}
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
			for _, run := range c.runs[5000:] {
				c.poller.Watch(Owner(run.id), about(run.id))
			}
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
		for _, run := range c.runs[:30] {
			c.poller.Watch(Owner(run.id), about(run.id))
		}
		if known := c.conclude(time.Minute); known != 30 {
			t.Errorf("%d of 30 ends are known", known)
		}
		if singles, lists := tally(c.took()); singles < 30 || singles > 40 || lists["Finished"]+lists[""] > 100 {
			t.Errorf("%d singles, lists %v", singles, lists)
		}
	})
}
