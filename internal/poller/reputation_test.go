package poller

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// hintedWorld has a run that goes on, and an engine that is told of the ends of as many others before it finds them.
func hintedWorld(t *testing.T, interval time.Duration, proven int) *world {
	t.Helper()
	w := newWorld(t, Options{EventsInterval: interval, AskSingly: true}, running)
	w.poller.Watch("a", about("t-a"))
	w.pass(time.Minute)
	for n := range proven {
		w.hinted(fmt.Sprint("t-", n))
	}
	w.pass(time.Minute)
	w.took()
	return w
}

// hinted has a run be watched, end and be hinted.
func (w *world) hinted(id string) {
	over := false
	w.script(func(c call) reply {
		if over && c.query.InvokeID == id {
			return rows(c.query, cloudassistant.StatusSuccess)
		}
		return running(c)
	})
	w.poller.Watch(Owner(id), about(id))
	w.pass(time.Second)
	w.together(func() { over = true })
	w.poller.Nudge(hint(id, "i-0"))
	w.pass(10 * time.Minute)
	w.poller.Forget(Owner(id))
	w.script(running)
}

// unhinted has a run be watched and end with a status that nobody hints at, and passes the time until polling has found it.
func (w *world) unhinted(id string, status cloudassistant.InvocationStatus) {
	w.poller.Watch(Owner(id), about(id))
	w.pass(time.Second)
	w.script(func(c call) reply {
		if c.query.InvokeID == id {
			return rows(c.query, status)
		}
		return running(c)
	})
	for goesOn(w.poller.Watch(Owner(id), about(id)).Live.Records) {
		w.pass(time.Second)
	}
	w.poller.Forget(Owner(id))
}

// provesHints has so many runs of a surveyed town end, each hinted, that hints are trusted, and passes the time until the
// surveys have settled.
func (c *town) provesHints() {
	c.pass(5 * time.Minute)
	for n := range provenBy {
		c.together(func() { c.ends(n, n+1) })
		c.poller.Nudge(hint(c.runs[n].id, "i-"+c.runs[n].id))
		c.pass(time.Second)
		c.poller.Forget(Owner(c.runs[n].id))
	}
	c.pass(6 * time.Minute)
	c.took()
}

// pace is how many calls there are in half an hour.
func (w *world) pace() int {
	w.took()
	w.pass(30 * time.Minute)
	return len(w.took())
}

func TestPollingStretchesWhereHintsAreReliable(t *testing.T) {
	for name, c := range map[string]struct {
		interval    time.Duration
		proven      int
		least, most int
	}{
		"hints are off":    {0, provenBy, 29, 300},
		"nothing is known": {5 * time.Minute, 0, 29, 300},
		"not proven yet":   {5 * time.Minute, provenBy - 1, 29, 300},
		"proven":           {5 * time.Minute, provenBy, 5, 7},
		"at another pace":  {10 * time.Minute, provenBy, 2, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := hintedWorld(t, c.interval, c.proven)
				if got := w.pace(); got < c.least || got > c.most {
					t.Errorf("%d calls in half an hour, want %d to %d", got, c.least, c.most)
				}
				if s := w.poller.Watch("a", about("t-a")); s.OverdueAt.Before(w.clock.Now()) {
					t.Errorf("an answer counts as missed that nobody asks for: %v", s.OverdueAt)
				}
			})
		})
	}
}

func TestAnEndThatNobodyHintedEndsTheStretching(t *testing.T) {
	for name, c := range map[string]struct {
		status cloudassistant.InvocationStatus
		// late is how long after polling has found the end its hint comes; 0 for never.
		late      time.Duration
		stretched bool
	}{
		"it is missing":                  {cloudassistant.StatusSuccess, 0, false},
		"it is late":                     {cloudassistant.StatusSuccess, time.Minute, true},
		"it is too late":                 {cloudassistant.StatusSuccess, 3 * time.Minute, false},
		"the kind that is never hinted":  {cloudassistant.StatusError, 0, true},
		"a failure is hinted as well":    {cloudassistant.StatusFailed, 0, false},
		"as is a command that timed out": {cloudassistant.StatusTimeout, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := hintedWorld(t, 5*time.Minute, provenBy)
				w.unhinted("t-b", c.status)
				w.pass(c.late)
				if c.late > 0 {
					w.poller.Nudge(hint("t-b", "i-0"))
				}
				w.pass(2*time.Minute - min(c.late, 2*time.Minute))
				if stretched := w.pace() < 10; stretched != c.stretched {
					t.Errorf("polling is stretched: %v, want %v", stretched, c.stretched)
				}
				if c.stretched {
					return
				}
				for n := range provenBy {
					w.hinted(fmt.Sprint("t-again-", n))
				}
				if w.pace() > 10 {
					t.Error("polling does not stretch again")
				}
			})
		})
	}
}

// byTag is a Watch of the runs with a tag.
func byTag() Watch {
	return Watch{Identity: alice, Question: cloudassistant.Query{
		RegionID: region, Tags: []cloudassistant.Tag{{Key: "k", Value: "v"}},
	}}
}

func TestWhatHintsTellNothingOfIsPolledAsEver(t *testing.T) {
	for name, c := range map[string]struct {
		watch     Watch
		status    cloudassistant.InvocationStatus
		repeats   int64
		stretched bool
	}{
		"a run":                        {about("t-b"), cloudassistant.StatusRunning, 1, true},
		"a schedule before its first":  {about("t-b"), cloudassistant.StatusScheduled, 0, false},
		"a schedule between runs":      {about("t-b"), cloudassistant.StatusScheduled, 3, false},
		"a schedule during a run":      {about("t-b"), cloudassistant.StatusRunning, 3, false},
		"a question that names no run": {byTag(), cloudassistant.StatusRunning, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := hintedWorld(t, 5*time.Minute, provenBy)
				w.poller.Forget("a")
				w.script(func(asked call) reply {
					r := rows(asked.query, c.status)
					r.records[0].InvokeID, r.records[0].Repeats = "t-b", c.repeats
					return r
				})
				w.poller.Watch("b", c.watch)
				w.pass(10 * time.Minute)
				if got := w.pace(); c.stretched != (got <= 7) || !c.stretched && got < 29 {
					t.Errorf("%d calls in half an hour, stretched: %v", got, c.stretched)
				}
			})
		})
	}
}

func TestAnEndThatNoHintCouldTellOfCostsNoTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hintedWorld(t, 5*time.Minute, provenBy)
		w.poller.Watch("b", byTag())
		w.pass(20 * time.Second)
		w.script(func(asked call) reply {
			if len(asked.query.Tags) == 0 {
				return running(asked)
			}
			return rows(asked.query, cloudassistant.StatusSuccess)
		})
		w.pass(5 * time.Minute)
		if goesOn(w.poller.Watch("b", byTag()).Live.Records) {
			t.Error("its end is not known")
		}
		w.poller.Forget("b")
		if got := w.pace(); got > 7 {
			t.Errorf("%d calls in half an hour: hints are not trusted any more", got)
		}
	})
}

func TestManySchedulesAreSurveyedAsEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{EventsInterval: 5 * time.Minute}, 200)
		c.together(func() {
			for _, run := range c.runs[100:] {
				run.status = cloudassistant.StatusScheduled
			}
		})
		c.provesHints()
		c.pass(30 * time.Minute)
		if singles, lists := tally(c.took()); singles > 30 || lists["Running"] < 29*4 || lists["Running"] > 31*5 {
			t.Errorf("%d singles and lists %v in half an hour, want a survey a minute", singles, lists)
		}
	})
}

// scripted has the instances of a run end, as the API shows it, at these times.
func (w *world) scripted(id string, ends ...time.Time) {
	w.script(func(c call) reply {
		if c.query.InvokeID != id {
			return running(c)
		}
		statuses := make([]cloudassistant.InvocationStatus, len(ends))
		for n, end := range ends {
			statuses[n] = cloudassistant.StatusRunning
			if !c.at.Before(end) {
				statuses[n] = cloudassistant.StatusSuccess
			}
		}
		return rows(c.query, statuses...)
	})
}

func TestAHintCountsUntilTheEndThatItToldOfIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		// hinted are the instances whose end is hinted, two minutes after one another. Of the first it is shown a second
		// after that.
		hinted  []int
		trusted bool
	}{
		"both are hinted":          {[]int{0, 1}, true},
		"the other way round":      {[]int{1, 0}, true},
		"only the first is hinted": {[]int{0}, false},
		"neither is hinted":        {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := hintedWorld(t, 5*time.Minute, provenBy)
				first := w.clock.Now().Add(20 * time.Second)
				ends := []time.Time{first.Add(time.Second), first.Add(time.Second)}
				for n := range ends {
					if len(c.hinted) > 0 && n != c.hinted[0] {
						ends[n] = first.Add(2 * time.Minute)
					}
				}
				w.scripted("t-m", ends...)
				w.poller.Watch("m", about("t-m"))
				w.pass(20 * time.Second)
				for _, n := range c.hinted {
					w.poller.Nudge(hint("t-m", fmt.Sprint("i-", n)))
					w.pass(2 * time.Minute)
				}
				if len(c.hinted) == 2 && goesOn(w.poller.Watch("m", about("t-m")).Live.Records) {
					t.Error("its end is not known")
				}
				w.pass(5*time.Minute + announcedWithin + time.Minute)
				w.poller.Forget("m")
				if trusted := w.pace() < 10; trusted != c.trusted {
					t.Errorf("hints are trusted: %v, want %v", trusted, c.trusted)
				}
			})
		})
	}
}

func TestHintsThatAllComeAreTrustedAndFollowed(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			upTo := func(seconds int) time.Duration { return time.Duration(random.IntN(seconds*1000)) * time.Millisecond }
			w := hintedWorld(t, 5*time.Minute, provenBy)
			span := 30 + random.IntN(600)
			ends, hints := make([]time.Time, 1+random.IntN(4)), map[int]time.Time{}
			var latest time.Time
			for n := range ends {
				end := w.clock.Now().Add(20*time.Second + upTo(span))
				ends[n], hints[n] = end.Add(upTo(3)), end.Add(upTo(5))
				latest = later(latest, later(ends[n], hints[n]))
			}
			w.scripted("t-m", ends...)
			w.poller.Watch("m", about("t-m"))
			for w.clock.Now().Before(latest.Add(5 * time.Second)) {
				w.pass(100 * time.Millisecond)
				for n, at := range hints {
					if !w.clock.Now().Before(at) {
						delete(hints, n)
						w.poller.Nudge(hint("t-m", fmt.Sprint("i-", n)))
					}
				}
			}
			if goesOn(w.poller.Watch("m", about("t-m")).Live.Records) {
				t.Errorf("seed %d: the end is not known 5 seconds after it was shown and hinted", seed)
			}
			w.poller.Forget("m")
			w.pass(announcedWithin)
			if got := w.pace(); got > 10 {
				t.Errorf("seed %d: %d calls in half an hour: hints are not trusted any more", seed, got)
			}
		})
	}
}

func TestAnIntervalThatSomebodyAskedForHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hintedWorld(t, 5*time.Minute, provenBy)
		watch := about("t-a")
		watch.MaxInterval = 90 * time.Second
		w.poller.Watch("a", watch)
		if got := w.pace(); got < 19 || got > 23 {
			t.Errorf("%d calls in half an hour, want one every 90 seconds", got)
		}
		watch.MaxInterval = time.Hour
		w.poller.Watch("a", watch)
		if got := w.pace(); got > 7 {
			t.Errorf("%d calls in half an hour, want one every 5 minutes at most", got)
		}
	})
}

func TestSurveysStretchWithTheHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{EventsInterval: 5 * time.Minute}, 200)
		c.provesHints()
		c.pass(30 * time.Minute)
		singles, lists := tally(c.took())
		if singles > 5 || lists["Running"] > 7*5 || lists["Running"] < 5*4 {
			t.Errorf("%d singles and lists %v in half an hour, want a survey every 5 minutes", singles, lists)
		}
		// A newcomer is asked about as soon as ever.
		c.settle(20, time.Second)
		c.watchAll(c.runs[200:])
		c.pass(10 * time.Second)
		if answered, _ := c.answered(); answered != 210 {
			t.Errorf("%d of 210 runs are known", answered)
		}
		// An end that nobody hinted brings the surveys back.
		c.together(func() { c.ends(100, 110) })
		c.pass(5*time.Minute + announcedWithin + time.Minute)
		c.took()
		c.pass(time.Minute)
		if _, lists := tally(c.took()); lists["Running"] < 4*4 {
			t.Errorf("surveys do not come back: %v", lists)
		}
	})
}

func TestTheWaitForTheFirstLookIsLearned(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for name, c := range map[string]struct {
		lag         func() time.Duration
		least, most time.Duration
	}{
		"no lag":         {func() time.Duration { return 0 }, 0, 0},
		"always so long": {func() time.Duration { return time.Second }, 950 * time.Millisecond, 1100 * time.Millisecond},
		"up to 3 seconds": {func() time.Duration {
			return time.Duration(random.Float64() * float64(3*time.Second))
		}, 2500 * time.Millisecond, 3 * time.Second},
		"a minute": {func() time.Duration { return time.Minute }, delayAtMost - 50*time.Millisecond, delayAtMost},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reputation{}
			early := 0
			for n := range 2000 {
				lag := c.lag()
				shown, again := r.delay, lookAgain
				for shown < lag {
					shown += again
					again *= 2
				}
				if shown > r.delay && n >= 1000 {
					early++
				}
				r.learn(shown, shown > r.delay)
			}
			if r.delay < c.least || r.delay > c.most {
				t.Errorf("the delay is %v, want %v to %v", r.delay, c.least, c.most)
			}
			if early > 100 && c.most < delayAtMost {
				t.Errorf("%d of 1,000 first looks were too early", early)
			}
		})
	}
}

func TestPollingComesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hintedWorld(t, 5*time.Minute, provenBy)
		w.unhinted("t-b", cloudassistant.StatusSuccess)
		watch := about("t-a")
		watch.AnswerFrom = w.clock.Now()
		w.poller.Watch("a", watch)
		w.pass(0)
		w.took()
		w.pass(announcedWithin - 2*time.Second)
		expectCalls(t, w.took(), 0)
		w.pass(4 * time.Second)
		expectCalls(t, w.took(), 1)
	})
}

func TestNothingIsOverdueBecausePollingComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hintedWorld(t, 5*time.Minute, provenBy)
		w.poller.Watch("t-b", about("t-b"))
		w.pass(20 * time.Second)
		watch := about("t-a")
		watch.AnswerFrom = w.clock.Now()
		w.poller.Watch("a", watch)
		w.unhinted("t-b", cloudassistant.StatusSuccess)
		w.script(func(call) reply { return reply{hangs: true} })
		for range int((announcedWithin + 30*time.Second).Seconds()) {
			w.pass(time.Second)
			if s := w.poller.Watch("a", watch); s.OverdueAt.Before(w.clock.Now()) {
				t.Fatalf("the answer to be had every minute again is overdue since %v", s.OverdueAt)
			}
		}
	})
}

func TestOneImpatientRunDoesNotBringTheSurveysBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{EventsInterval: 5 * time.Minute}, 200)
		watch := about("t-199")
		watch.MaxInterval = time.Minute
		c.poller.Watch("t-199", watch)
		c.provesHints()
		c.pass(30 * time.Minute)
		if singles, lists := tally(c.took()); singles < 23 || singles > 35 || lists["Running"] > 7*5 {
			t.Errorf("%d singles and lists %v in half an hour, want a single a minute and a survey every 5", singles, lists)
		}
	})
}

func TestHintsThatLackForTooManyEndsAtOnceAreTrustedNoMore(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	r := &reputation{hinted: provenBy}
	for n := range suspectsAtMost + 1 {
		if r.judge(now); r.hinted == 0 {
			t.Fatalf("it is lost after %d ends, want %d", n, suspectsAtMost+1)
		}
		r.ended([]place{{fmt.Sprint("t-", n), "i-0"}}, now)
	}
	if r.judge(now); r.hinted > 0 || len(r.suspects) > 0 {
		t.Errorf("%d hints count, and %d ends are remembered", r.hinted, len(r.suspects))
	}
}

// Ends that were hinted late count no more, while an older one is still waited for.
func TestHintsThatCameLateForManyEndsAreTrusted(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	r := &reputation{hinted: provenBy}
	r.ended([]place{{"t-waited-for", "i-0"}}, now)
	for n := range 2 * suspectsAtMost {
		id := fmt.Sprint("t-", n)
		r.ended([]place{{id, "i-0"}}, now)
		r.announced(Nudge{InvokeID: id, InstanceID: "i-0"})
	}
	if r.judge(now); r.hinted == 0 {
		t.Error("hints are taken for missing, though they lack for one end only, which has just become known")
	}
	if most := 2*suspectsAtMost + 1; len(r.order) > most {
		t.Errorf("%d places are remembered, want at most %d", len(r.order), most)
	}
}
