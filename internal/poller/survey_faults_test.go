package poller

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

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

// A policy that refuses lists costs ever fewer tries; one that was mended is noticed.
func TestRefusedListsAreTriedAgainEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.lists = cloudassistant.ClassDenied
		// Twice at first, then after 1, 2, 4, 8 and every 10 minutes.
		for _, tries := range []struct {
			in   time.Duration
			want int
		}{{30 * time.Second, 2}, {time.Minute, 1}, {2 * time.Minute, 1}, {4 * time.Minute, 1}, {8 * time.Minute, 1}, {time.Hour, 6}} {
			c.pass(tries.in)
			if _, lists := tally(c.took()); lists["Running"] != tries.want {
				t.Errorf("lists %v in %v, want %d", lists, tries.in, tries.want)
			}
		}
		c.lists = ""
		c.pass(11 * time.Minute)
		if _, lists := tally(c.took()); lists["Running"] < 5 {
			t.Errorf("lists %v once they are not refused any more", lists)
		}
		c.lists = cloudassistant.ClassDenied
		c.pass(time.Minute)
		c.lists = ""
		c.took()
		c.pass(3 * time.Minute)
		if _, lists := tally(c.took()); lists["Running"] < 10 {
			t.Errorf("lists %v after a minute of refusals", lists)
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

func TestOutageEndsWithoutAStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.script(failing(cloudassistant.ClassUnavailable))
		c.pass(15 * time.Minute)
		if calls := len(c.took()); calls > 15*6+20 {
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
		noStampede(t, calls, 5, 10)
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

// Runs that are not asked about for ten minutes, for that was refused, must not take the places of others that were missed.
func TestRefusedRunsDoNotKeepOthersFromBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		const refused, others = singlesAtOnce, 2 * singlesAtOnce
		c.script(func(asked call) reply {
			switch q := asked.query; {
			case slices.ContainsFunc(c.runs[:refused], func(r *townRun) bool { return r.id == q.InvokeID }):
				return reply{err: failureOf(cloudassistant.ClassInvalid)}
			case q.InvokeID == "" && q.InvokeRecordStatus != cloudassistant.RecordRunning:
				return reply{} // what has ended is in no list
			}
			return c.respond(asked)
		})
		c.together(func() { c.ends(0, refused) })
		c.pass(time.Minute)
		if _, failing := c.answered(); failing != refused {
			t.Fatalf("%d of %d are refused", failing, refused)
		}
		c.together(func() { c.ends(refused, refused+others) })
		c.pass(2 * time.Minute)
		if known := c.known(refused, refused+others); known != others {
			t.Errorf("the ends of %d of %d are known two minutes later", known, others)
		}
	})
}

// Whoever was left to the survey after an outage is asked if that missed it, unlike those that failed for reasons of their own.
func TestWhoWasLeftToASurveyThatMissedItIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		failed outcome
		sought bool
	}{
		"left to the survey": {outcomeNone, true},
		"refused":            {outcomeInvalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				town := surveyedTown(t)
				s := &survey{lane: town.lane(), sought: map[*question]bool{}}
				var missed *question
				town.atOnce(func(p *Poller) {
					now := town.clock.Now()
					missed = p.interests[Owner(town.runs[0].id)].question
					missed.failure = (*Failure)(nil).followedBy(failureOf(cloudassistant.ClassUnavailable), now, now)
					missed.failed = plan{from: now.Add(time.Minute), outcome: c.failed}
					s.lane.plan(missed)
					s.sought[missed] = true
				})
				s.askForTheRest()
				town.atOnce(func(*Poller) {
					if missed.sought != c.sought {
						t.Errorf("sought %v, want %v", missed.sought, c.sought)
					}
				})
			})
		})
	}
}

// Of lists that were found wrong, or not sorted, the end of a run is not believed, so that nothing is looked for there.
func TestListsThatAreNotBelievedAreNotLookedThrough(t *testing.T) {
	for name, distrusted := range map[string]func(*trust, time.Time){
		"wrong":      (*trust).wrong,
		"not sorted": func(t *trust, now time.Time) { t.unorderedUntil = now.Add(distrust) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := surveyedTown(t)
				c.atOnce(func(p *Poller) {
					for _, l := range p.lanes {
						distrusted(&l.trust, c.clock.Now())
						for _, q := range l.questions {
							q.settled = false
						}
					}
				})
				c.together(func() { c.ends(0, 40) })
				c.pass(time.Minute)
				singles, lists := tally(c.took())
				if known := c.known(0, 40); known != 40 || lists["Finished"] > 0 || singles > 60 {
					t.Errorf("%d of 40 ends are known, after %d pages of the ended and %d single calls", known, lists["Finished"], singles)
				}
			})
		})
	}
}
