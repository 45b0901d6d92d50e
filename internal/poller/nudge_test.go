package poller

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// hint is one about a run, and maybe an instance of it.
func hint(invokeID, instanceID string) Nudge {
	return Nudge{RegionID: region, InvokeID: invokeID, InstanceID: instanceID}
}

// endingAt replies that every run goes on until a time, and has succeeded from then on.
func endingAt(at time.Time) func(call) reply {
	return func(c call) reply {
		if c.at.Before(at) {
			return rows(c.query, cloudassistant.StatusRunning)
		}
		return rows(c.query, cloudassistant.StatusSuccess)
	}
}

// leftToHints has an owner watch t-1 so patiently that nothing but hints asks about it for hours, and passes the time until
// all its rows are known.
func (w *world) leftToHints(owner Owner) Watch {
	watch := about("t-1")
	watch.MinInterval, watch.MaxInterval = 5*time.Hour, 5*time.Hour
	w.poller.Watch(owner, watch)
	w.pass(40 * time.Second)
	w.took()
	return watch
}

func TestAHintIsFollowedUntilTheEndIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		lag  time.Duration
		want []float64
	}{
		"an API that shows it at once":     {0, []float64{0}},
		"an API that shows it later":       {300 * time.Millisecond, []float64{0, 0.5}},
		"an API that shows it much later":  {5 * time.Second, []float64{0, 0.5, 1.5, 3.5, 7.5}},
		"an API that shows it after a sec": {time.Second, []float64{0, 0.5, 1.5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{}, running)
				watch := about("t-1")
				watch.MinInterval, watch.MaxInterval = time.Minute, time.Hour
				w.poller.Watch("a", watch)
				w.pass(40 * time.Second)
				w.took()
				w.news("a")
				now := w.clock.Now()
				w.script(endingAt(now.Add(c.lag)))
				if !w.poller.Nudge(hint("t-1", "i-0")) {
					t.Error("nobody watches it")
				}
				w.pass(10 * time.Second)
				expectOffsets(t, offsets(now, w.took()), c.want)
				expectNews(t, w, "a", 1)
			})
		})
	}
}

func TestWhomAHintConcerns(t *testing.T) {
	for name, c := range map[string]struct {
		nudge          Nudge
		watched, asked bool
	}{
		"the run":              {hint("t-1", ""), true, true},
		"the instance":         {hint("t-1", "i-0"), true, true},
		"the account":          {Nudge{AccountID: "of a/alice", RegionID: region, InvokeID: "t-1"}, true, true},
		"another account":      {Nudge{AccountID: "of b/bob", RegionID: region, InvokeID: "t-1"}, false, false},
		"another region":       {Nudge{RegionID: "cn-beijing", InvokeID: "t-1"}, false, false},
		"another run":          {hint("t-2", ""), false, false},
		"another instance":     {hint("t-1", "i-7"), false, false},
		"all that is watched":  {Nudge{RegionID: region}, true, true},
		"all of another place": {Nudge{RegionID: "cn-beijing"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{}, running)
				watch := about("t-1")
				watch.Question.InstanceID = "i-0"
				watch.MinInterval, watch.MaxInterval = time.Minute, time.Hour
				w.poller.Watch("a", watch)
				w.pass(40 * time.Second)
				w.took()
				w.script(endingAt(w.clock.Now()))
				if watched := w.poller.Nudge(c.nudge); watched != c.watched {
					t.Errorf("watched: %v, want %v", watched, c.watched)
				}
				w.pass(time.Second)
				if asked := len(w.took()) > 0; asked != c.asked {
					t.Errorf("asked: %v, want %v", asked, c.asked)
				}
			})
		})
	}
}

func TestARunIsNotFollowedForEver(t *testing.T) {
	cost := func(often time.Duration, instance func(n int) string) int {
		calls := 0
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Options{QPS: 50}, running)
			w.leftToHints("a")
			for n := range int(4 * time.Hour / often) {
				w.poller.Nudge(hint("t-1", instance(n)))
				w.pass(often)
			}
			calls = len(w.took())
		})
		return calls
	}
	// Followed for a minute and a half it is asked 8 times, after two times 5 before hints at the same are heeded no more; it is
	// followed again after as long, and after twice as long each time from then on: by the hour in the end, ten times in all.
	for name, c := range map[string]struct {
		instance func(int) string
		most     int
	}{
		"the same forged hint, every second":       {func(int) string { return "i-0" }, 10 * 18},
		"every second another that nobody knows":   {func(n int) string { return fmt.Sprint("i-x", n) }, 10 * 18},
		"every second one that names no instance":  {func(int) string { return "" }, 10 * 18},
		"now and then one that names no instances": {func(n int) string { return fmt.Sprint("i-", n%2) }, 10 * 18},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cost(time.Second, c.instance); got > c.most {
				t.Errorf("%d calls in four hours, want at most %d", got, c.most)
			}
		})
	}
}

func TestHintsOfInstancesThatAreNotKnownAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply { return rows(c.query) })
		w.leftToHints("a")
		w.atOnce(func(p *Poller) {
			for n := range 10 * placesAtMost {
				p.nudge(hint("t-1", fmt.Sprint("i-", n)))
			}
		})
		w.together(func() {
			if got := len(w.poller.interests["a"].question.following.places); got != placesAtMost {
				t.Errorf("%d are remembered, want %d", got, placesAtMost)
			}
		})
	})
}

func TestTheHintsOfOneRunAreOneQuestion(t *testing.T) {
	var all []cloudassistant.InvocationStatus
	for range 100 {
		all = append(all, cloudassistant.StatusRunning)
	}
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		w := newWorld(t, Options{}, func(c call) reply {
			statuses := append([]cloudassistant.InvocationStatus(nil), all...)
			for n := range ended {
				statuses[n] = cloudassistant.StatusSuccess
			}
			return rows(c.query, statuses...)
		})
		watch := w.leftToHints("a")
		// 50 end, one each second; then all others at once.
		now := w.clock.Now()
		for n := range 50 {
			w.together(func() { ended = n + 1 })
			w.poller.Nudge(hint("t-1", fmt.Sprint("i-", n)))
			w.pass(time.Second)
		}
		expectOffsets(t, offsets(now, w.took()), []float64{0, 10, 20, 30, 40, 50})
		w.pass(30 * time.Second)
		w.took()
		now = w.clock.Now()
		w.together(func() { ended = 100 })
		for n := 50; n < 100; n++ {
			w.poller.Nudge(hint("t-1", fmt.Sprint("i-", n)))
		}
		w.pass(time.Minute)
		expectOffsets(t, offsets(now, w.took()), []float64{0})
		if live := w.poller.Watch("a", watch).Live; goesOn(live.Records) {
			t.Error("its end is not known")
		}
	})
}

func TestAHintOvertakesNoFailure(t *testing.T) {
	for name, c := range map[string]struct {
		class cloudassistant.Class
		quiet time.Duration
	}{
		"denied":      {cloudassistant.ClassDenied, 25 * time.Second},
		"invalid":     {cloudassistant.ClassInvalid, 9 * time.Minute},
		"unavailable": {cloudassistant.ClassUnavailable, 1500 * time.Millisecond},
		"throttled":   {cloudassistant.ClassThrottled, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{}, running)
				w.poller.Watch("a", about("t-1"))
				w.pass(0)
				for c.class == cloudassistant.ClassThrottled && w.clock.Now().Second() > 20 {
					w.pass(time.Second)
				}
				w.took()
				w.script(failing(c.class))
				w.poller.Nudge(hint("t-1", "i-0"))
				w.pass(0)
				expectCalls(t, w.took(), 1)
				for range 10 {
					w.poller.Nudge(hint("t-1", "i-0"))
					w.poller.Nudge(hint("t-1", ""))
					w.poller.Nudge(Nudge{RegionID: region})
					w.pass(c.quiet / 10)
				}
				expectCalls(t, w.took(), 0)
			})
		})
	}
}

func TestAHintThatComesTooEarlyIsRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		before time.Duration
		nudge  Nudge
		want   []float64
	}{
		"a minute before":           {time.Minute, hint("t-1", "i-0"), []float64{0, 0.5, 1.5}},
		"three minutes before":      {3 * time.Minute, hint("t-1", "i-0"), []float64{0}},
		"of another account":        {time.Second, Nudge{AccountID: "x", RegionID: region, InvokeID: "t-1"}, []float64{0, 0.5, 1.5}},
		"of another region":         {time.Second, Nudge{RegionID: "cn-beijing", InvokeID: "t-1"}, []float64{0}},
		"of another run":            {time.Second, hint("t-2", "i-0"), []float64{0}},
		"followed by 20,000 others": {time.Second, hint("t-1", "i-0"), []float64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{}, running)
				if w.poller.Nudge(c.nudge) {
					t.Error("somebody watches it")
				}
				for n := range 20_000 {
					if name == "followed by 20,000 others" {
						w.poller.Nudge(hint(fmt.Sprint("t-x", n), "i-0"))
					}
				}
				if got := len(w.poller.rumours.order); got > rumoursAtMost {
					t.Errorf("%d are remembered", got)
				}
				w.pass(c.before)
				watch := about("t-1")
				watch.MinInterval, watch.MaxInterval = time.Minute, time.Hour
				now := w.clock.Now()
				w.poller.Watch("a", watch)
				w.pass(2 * time.Second)
				expectOffsets(t, offsets(now, w.took()), c.want)
			})
		})
	}
}

func TestAHintIsRememberedForWhoeverJoinsTheWatch(t *testing.T) {
	ofInstance := about("t-1")
	ofInstance.Question.InstanceID = "i-0"
	ofBob := about("t-1")
	ofBob.Identity = bob
	for name, c := range map[string]struct {
		joins Watch
		// forgotten says that whoever was told is gone by then.
		forgotten bool
		after     time.Duration
		want      []float64
	}{
		"as another identity":        {ofBob, false, time.Second, []float64{0, 0.5, 1.5, 3.5}},
		"with a question of its own": {ofInstance, false, time.Second, []float64{0, 0.5, 1.5, 3.5}},
		"after it was forgotten":     {about("t-1"), true, time.Second, []float64{0, 0.5, 1.5, 3.5}},
		"when it counts no more":     {ofBob, false, rumourFor, []float64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Options{AskSingly: true}, running)
				watch := about("t-1")
				watch.MinInterval, watch.MaxInterval = time.Minute, time.Hour
				w.poller.Watch("first", watch)
				w.pass(40 * time.Second)
				if !w.poller.Nudge(hint("t-1", "i-0")) {
					t.Error("nobody watches it")
				}
				w.pass(c.after)
				if c.forgotten {
					w.poller.Forget("first")
				}
				w.took()
				now := w.clock.Now()
				w.script(endingAt(now.Add(2 * time.Second)))
				c.joins.MinInterval, c.joins.MaxInterval = time.Minute, time.Hour
				w.poller.Watch("second", c.joins)
				w.pass(10 * time.Second)
				var asked []call
				for _, made := range w.took() {
					if made.identity == c.joins.Identity && made.query.InstanceID == c.joins.Question.InstanceID {
						asked = append(asked, made)
					}
				}
				expectOffsets(t, offsets(now, asked), c.want)
			})
		})
	}
}

// A run goes on whatever hints say: who was told of one is not told again because others join.
func TestAHintIsHeardOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{AskSingly: true}, running)
		watch := w.leftToHints("first")
		now := w.clock.Now()
		w.poller.Nudge(hint("t-1", "i-0"))
		for n := range 100 {
			w.poller.Watch(Owner(fmt.Sprint("joins-", n)), watch)
			w.pass(time.Second)
		}
		expectOffsets(t, offsets(now, w.took()), []float64{0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5})
		if got := len(w.poller.rumours.order); got != 1 {
			t.Errorf("%d are remembered, want the one", got)
		}
	})
}

func TestAHintOfSomethingIsOneSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		for _, run := range c.runs {
			run.started = run.started.Add(-5 * time.Hour)
		}
		c.pass(2 * time.Minute)
		c.took()
		c.pass(30 * time.Second)
		if _, lists := tally(c.took()); lists["Running"] > 4 {
			t.Fatalf("it is surveyed too often to see anything: %v", lists)
		}
		c.together(func() { c.ends(0, 3) })
		c.atOnce(func(p *Poller) {
			for range 1000 {
				p.nudge(Nudge{RegionID: region})
			}
		})
		c.pass(11 * time.Second)
		if known := c.known(0, 3); known != 3 {
			t.Errorf("%d of 3 ends are known", known)
		}
		c.pass(20 * time.Second)
		if _, lists := tally(c.took()); lists["Running"] > 3*4 {
			t.Errorf("there were many surveys: %v", lists)
		}
	})
}

func TestAFloodOfHintsIsAWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.together(func() { c.ends(0, 150) })
		c.hintAll(c.runs[:150])
		c.pass(8 * time.Second)
		if known := c.known(0, 150); known != 150 {
			t.Errorf("%d of 150 ends are known", known)
		}
		if singles, lists := tally(c.took()); singles > 40 {
			t.Errorf("%d were asked about by themselves, lists %v", singles, lists)
		}
	})
}

func TestAForgedFloodCostsLittle(t *testing.T) {
	cost := func(flood bool) (calls int) {
		synctest.Test(t, func(t *testing.T) {
			c := surveyedTown(t)
			for n := range 10_000 {
				if flood {
					c.poller.Nudge(hint(fmt.Sprint("t-", n%400), fmt.Sprint("i-t-", n%400)))
				}
				if n%1000 == 0 {
					c.pass(time.Second)
				}
			}
			c.pass(10 * time.Minute)
			calls = len(c.took())
			if known := c.known(0, 200); known != 0 {
				t.Errorf("%d ends are known that were none", known)
			}
		})
		return calls
	}
	quiet, flooded := cost(false), cost(true)
	// Each of the 200 is looked for up to 8 times, but in surveys, of 4 pages.
	if most := quiet + 150; flooded > most {
		t.Errorf("%d calls, want at most %d", flooded, most)
	}
	t.Logf("%d calls without hints, %d with 10,000", quiet, flooded)
}

func TestHintsHavePlacesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{QPS: 100, Burst: 100, AskSingly: true}, running)
		watch := about("t-0")
		watch.MinInterval, watch.MaxInterval = time.Minute, time.Hour
		w.atOnce(func(p *Poller) {
			for n := range 90 {
				watch.Question.InvokeID = fmt.Sprint("t-", n)
				p.watch(Owner(watch.Question.InvokeID), watch)
			}
		})
		w.pass(40 * time.Second)
		w.took()
		ends := w.clock.Now()
		w.script(func(c call) reply {
			r := endingAt(ends)(c)
			r.takes = 120 * time.Millisecond
			return r
		})
		w.atOnce(func(p *Poller) {
			for n := range 80 {
				p.nudge(hint(fmt.Sprint("t-", n), "i-0"))
			}
		})
		w.pass(time.Second)
		expectCalls(t, w.took(), 80)
	})
}

func TestSurveysThatTellNothingDoNotGoOn(t *testing.T) {
	cost := func(flood bool) (calls int) {
		synctest.Test(t, func(t *testing.T) {
			// So many go on, and none has ended, that the ended are looked through alone.
			c := newTown(t, Options{}, 0)
			c.settle(600, time.Second)
			c.watchAll(c.runs)
			c.pass(10 * time.Minute)
			c.took()
			if flood {
				c.hintAll(c.runs)
			}
			c.pass(30 * time.Second)
			calls = len(c.took())
		})
		return calls
	}
	quiet, flooded := cost(false), cost(true)
	t.Logf("%d calls without hints, %d with them", quiet, flooded)
	if flooded > quiet+50 {
		t.Errorf("%d calls, %d without hints", flooded, quiet)
	}
}

// A command that runs again and again has ended when it is stopped; until then each of its runs is hinted.
func TestEachRunOfAScheduledCommandIsLookedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repeats := int64(1)
		w := newWorld(t, Options{}, func(c call) reply {
			r := rows(c.query, cloudassistant.StatusScheduled)
			r.records[0].Repeats = repeats
			return r
		})
		w.leftToHints("a")
		now := w.clock.Now()
		for range 5 {
			w.together(func() { repeats++ })
			w.poller.Nudge(hint("t-1", "i-0"))
			w.pass(time.Minute)
		}
		expectOffsets(t, offsets(now, w.took()), []float64{0, 60, 120, 180, 240})
		// From here on they are forged: it is followed in vain at 0, 3, 7.5, 15, 28.5 and 54 minutes.
		for range 3600 {
			w.poller.Nudge(hint("t-1", "i-0"))
			w.pass(time.Second)
		}
		if calls := w.took(); len(calls) > 6*18 {
			t.Errorf("%d calls in an hour of forged hints", len(calls))
		}
	})
}

func TestARunOfAScheduledCommandIsFollowedUntilItShows(t *testing.T) {
	for name, c := range map[string]struct {
		instances, named int
		lag              time.Duration
		want             []float64
	}{
		"at once":                          {1, 1, 0, []float64{0}},
		"after a second":                   {1, 1, time.Second, []float64{0, 0.5, 1.5}},
		"after half a minute":              {1, 1, 30 * time.Second, []float64{0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5}},
		"hinted without its instance":      {1, 0, time.Second, []float64{0, 0.5, 1.5}},
		"on several instances":             {3, 3, time.Second, []float64{0, 0.5, 1.5}},
		"on one of several instances":      {3, 1, time.Second, []float64{0, 0.5, 1}},
		"on one of several only, at once":  {3, 1, 0, []float64{0}},
		"too late for any hint to be true": {1, 1, time.Hour, []float64{0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs, ends := int64(1), time.Now().Add(24*time.Hour)
				w := newWorld(t, Options{AskSingly: true}, func(asked call) reply {
					r := rows(asked.query, slices.Repeat([]cloudassistant.InvocationStatus{cloudassistant.StatusScheduled}, c.instances)...)
					for n := range r.records {
						r.records[n].Repeats = runs
						if n < max(c.named, 1) && !asked.at.Before(ends) {
							r.records[n].Repeats = runs + 1
						}
					}
					return r
				})
				w.leftToHints("a")
				for range 3 {
					now := w.clock.Now()
					w.together(func() { ends = now.Add(c.lag) })
					w.atOnce(func(p *Poller) {
						if c.named == 0 {
							p.nudge(hint("t-1", ""))
						}
						for n := range c.named {
							p.nudge(hint("t-1", fmt.Sprint("i-", n)))
						}
					})
					w.pass(20 * time.Minute)
					expectOffsets(t, offsets(now, w.took()), c.want)
					w.together(func() { runs, ends = runs+1, now.Add(24*time.Hour) })
					if c.lag > 20*time.Minute {
						return
					}
				}
			})
		})
	}
}

func TestARunOfAScheduledCommandIsNotLookedForOnceAnybodyHasFoundIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := int64(1)
		w := newWorld(t, Options{AskSingly: true}, func(c call) reply {
			r := rows(c.query, cloudassistant.StatusScheduled)
			r.records[0].Repeats = runs
			return r
		})
		watch := w.leftToHints("a")
		w.poller.Nudge(hint("t-1", "i-0"))
		w.pass(200 * time.Millisecond)
		w.together(func() { runs++ })
		watch.AnswerFrom = w.clock.Now()
		w.poller.Watch("a", watch)
		w.pass(0)
		w.took()
		w.pass(time.Minute)
		expectCalls(t, w.took(), 0)
	})
}

// A flood waits for the survey under way, but not for one that has got stuck.
func TestAFloodDoesNotWaitForASurveyThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := surveyedTown(t)
		c.onList = func(call) *reply { return &reply{hangs: true} }
		c.ends(0, 100)
		c.atOnce(func(p *Poller) {
			for _, run := range c.runs[:100] {
				p.nudge(Nudge{RegionID: region, InvokeID: run.id})
			}
		})
		c.pass(stalled - time.Second)
		if known := c.known(0, 100); known > 0 {
			t.Errorf("%d ends are known while the survey may still tell", known)
		}
		c.pass(25 * time.Second)
		if known := c.known(0, 100); known < 60 {
			t.Errorf("%d of 100 ends are known, want them asked for singly", known)
		}
	})
}
