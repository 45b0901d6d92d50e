package poller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// people makes the runs.
func (w *truthWorld) people() []*truthRun {
	var runs []*truthRun
	r := w.random
	upTo := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
	for n := range w.runs + w.foreign {
		run := &truthRun{id: fmt.Sprintf("t-%04d", n), command: fmt.Sprintf("c-%d", n%7)}
		run.created = w.begin.Add(upTo(3 * time.Minute))
		foreign := n >= w.runs
		old := r.Float64() < w.old
		count := 1 + r.IntN(w.rowsAtMost)
		if w.singleFirst {
			// The old ones have several rows, and are asked about when lists have been right for a while.
			old = n >= w.runs/2
			if !old {
				count = 1
			}
		}
		run.watchFrom = run.created.Add(upTo(5 * time.Second))
		if old {
			run.created = w.begin.Add(-2*time.Hour - upTo(2*time.Hour))
			run.watchFrom = w.begin.Add(2*time.Minute + upTo(6*time.Minute))
		} else if r.IntN(5) == 0 {
			run.watchFrom = run.created.Add(upTo(8 * time.Minute))
		}
		if foreign && r.IntN(2) == 0 {
			run.scheduled = true
			run.created = w.begin.Add(-upTo(240 * time.Hour))
		}
		if foreign && !run.scheduled && r.IntN(3) == 0 {
			run.goneAt = w.begin.Add(upTo(10 * time.Minute))
		}
		for i := range count {
			row := &truthRow{run: run, instance: fmt.Sprintf("i-%04d-%d", r.IntN(1000), i), noise: r.Uint64()}
			row.starts = run.created.Add(upTo(time.Second))
			if r.Float64() < w.late {
				row.starts = run.created.Add(upTo(time.Minute))
			}
			row.visibleAt = run.created.Add(upTo(3 * time.Second))
			row.endsAt = row.starts.Add(upTo(4 * time.Minute))
			if r.IntN(3) == 0 {
				row.endsAt = row.starts.Add(upTo(5 * time.Second))
			}
			row.endVisibleAt = later(row.endsAt, row.visibleAt).Add(upTo(3 * time.Second))
			row.status = truthEnds[r.IntN(len(truthEnds))]
			run.rows = append(run.rows, row)
			w.rows = append(w.rows, row)
		}
		if !foreign {
			runs = append(runs, run)
		}
	}
	return runs
}

// read is what a watcher does when it is told that there is news, and when the time comes that it waited for.
func (w *truthWorld) read(who *truthWatcher) {
	if !who.watching || who.concluded {
		return
	}
	now := time.Now()
	s := w.poller.Watch(who.owner, who.watch)
	who.shown = shownOf(s)
	live := s.Live
	if live == nil {
		return
	}
	born, open, over := who.meet(live)
	if !over {
		return
	}
	settled := s.UnchangedSince.Add(time.Minute)
	again, doubts := doubtful(s, born)
	switch {
	case doubts:
		who.watch.AnswerFrom = again
	case open && who.watch.Question.InstanceID == "" && now.Before(settled):
		who.watch.AnswerFrom = live.StartedAt.Add(5 * time.Second)
		time.AfterFunc(settled.Sub(now), func() { w.notes <- who.owner })
	default:
		w.conclude(who, live.Records, now)
		return
	}
	who.shown = shownOf(w.poller.Watch(who.owner, who.watch))
}

// meet takes in the rows of an answer: since when the run is known to have existed, whether the invocation as a whole
// is said to go on, and whether this may be the end.
func (who *truthWatcher) meet(live *cloudassistant.Answer) (born time.Time, open, over bool) {
	born = who.since
	goes := false
	seen := map[rowKey]bool{}
	for n := range live.Records {
		row := &live.Records[n]
		seen[keyOf(row)] = true
		if !row.StartTime.IsZero() && row.StartTime.Before(born) {
			born = row.StartTime
		}
		open = open || row.InvokeRecordStatus == cloudassistant.RecordRunning
		goes = goes || !row.InvocationStatus.Terminal()
	}
	lacking := false
	for key := range who.met {
		lacking = lacking || !seen[key]
	}
	for key := range seen {
		who.met[key] = true
	}
	return born, open, live.Complete && !lacking && !goes && len(seen) > 0
}

// conclude checks what a watcher takes for the end against the truth.
func (w *truthWorld) conclude(who *truthWatcher, records []cloudassistant.Record, now time.Time) {
	who.concluded = true
	told := map[string]cloudassistant.InvocationStatus{}
	for _, row := range records {
		told[row.InstanceID] = row.InvocationStatus
	}
	wanted := 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range who.run.rows {
		if narrow := who.watch.Question.InstanceID; narrow != "" && narrow != row.instance {
			continue
		}
		wanted++
		switch {
		case told[row.instance] != row.status:
			w.fault("%s: %s ended as %s, the owner was told %q in %d of %d rows, run created at %v",
				who.owner, row.instance, row.status, told[row.instance], len(records), len(who.run.rows), who.run.created.Sub(w.begin))
		case now.Before(row.endsAt):
			w.fault("%s: %s has not ended yet", who.owner, row.instance)
		}
	}
	if len(records) != wanted {
		w.fault("%s: told of %d rows, there are %d", who.owner, len(records), wanted)
	}
	w.poller.Forget(who.owner)
	who.watching = false
}

func shownOf(s Snapshot) string {
	text := "nothing"
	if s.Live != nil {
		var rows []string
		for _, row := range s.Live.Records {
			rows = append(rows, row.InstanceID+" "+string(row.InvocationStatus))
		}
		slices.Sort(rows)
		text = fmt.Sprint(s.Live.Complete, rows)
	}
	// A throttle answer or an outage may be shown that was found by others, and passes without news.
	if s.Failure != nil && s.Failure.Err.Class != cloudassistant.ClassThrottled && s.Failure.Err.Class != cloudassistant.ClassUnavailable {
		text += " " + string(s.Failure.Err.Class)
	}
	return text
}

// observe lets everybody do what they do, and returns what was wrong.
func (s truth) observe() []string {
	w := &truthWorld{
		truth: s, random: rand.New(rand.NewPCG(s.seed, 7)), begin: time.Now(), underWay: map[string]int{},
		notes: make(chan Owner, 10000), watchers: map[Owner]*truthWatcher{},
	}
	jitter := rand.New(rand.NewPCG(s.seed, 8))
	var jitterLock sync.Mutex
	w.poller = New(w, Options{
		Clock: clock.RealClock{}, QPS: float64(s.quota) / 60, Burst: truthBurst, pageRows: s.pageRows,
		EventsInterval: s.eventsInterval(),
		Notify:         func(owner Owner, _ bool) { w.notes <- owner },
		Jitter:         func() float64 { jitterLock.Lock(); defer jitterLock.Unlock(); return jitter.Float64() },
	})
	runs := w.people()
	// What the watchers do has a source of chance of its own, for it is not to depend on the order of calls.
	chance := rand.New(rand.NewPCG(s.seed, 9))
	var last time.Time
	for _, run := range runs {
		owners := 1 + chance.IntN(5)/4
		for n := range owners {
			who := &truthWatcher{owner: Owner(fmt.Sprintf("%s#%d", run.id, n)), run: run, watch: about(run.id), met: map[rowKey]bool{}}
			if chance.IntN(6) == 0 {
				who.watch.Question.InstanceID = run.rows[chance.IntN(len(run.rows))].instance
			}
			switch chance.IntN(10) {
			case 0:
				who.watch.MaxInterval = 5 * time.Second
			case 1:
				who.watch.MinInterval, who.watch.MaxInterval = 2*time.Minute, 5*time.Minute
			}
			w.watchers[who.owner] = who
			from := run.watchFrom.Add(time.Duration(n) * 20 * time.Second)
			time.AfterFunc(time.Until(from), func() { w.notes <- "+" + who.owner })
			if chance.Float64() < s.churn {
				leaves := from.Add(time.Duration(chance.Int64N(int64(time.Minute))))
				time.AfterFunc(time.Until(leaves), func() { w.notes <- "-" + who.owner })
				back := leaves.Add(time.Duration(chance.Int64N(int64(time.Minute))))
				time.AfterFunc(time.Until(back), func() { w.notes <- "+" + who.owner })
			}
		}
		for _, row := range run.rows {
			last = later(last, row.endVisibleAt)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.poller.Start(ctx) }()

	hints := rand.New(rand.NewPCG(s.seed, 10))
	w.announce(hints)
	limit := later(last, w.begin.Add(10*time.Minute)).Add(15 * time.Minute)
	if s.faults > 0 {
		limit = limit.Add(30 * time.Minute) // refused questions are asked again as rarely
	}
	for time.Now().Before(limit) && !w.over() {
		<-time.After(time.Duration(chance.Int64N(int64(time.Second))))
		if hints.Float64() < s.forged {
			w.forge(hints)
		}
		synctest.Wait()
		for more := true; more; {
			select {
			case owner := <-w.notes:
				w.act(owner)
			default:
				more = false
			}
		}
		w.audit()
	}
	for owner, who := range w.watchers {
		if !who.concluded {
			w.fault("%s has not been concluded: %s", owner, who.shown)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrong
}

func (s truth) eventsInterval() time.Duration {
	if s.hinted > 0 || s.forged > 0 {
		return 5 * time.Minute
	}
	return 0
}

// announce has hints come of the ends, in any order and maybe twice.
func (w *truthWorld) announce(random *rand.Rand) {
	for _, row := range w.rows {
		if row.status == cloudassistant.StatusError || random.Float64() >= w.hinted {
			continue
		}
		for range 1 + random.IntN(2) {
			at := row.endsAt.Add(time.Duration(random.Int64N(int64(w.hintDelay))))
			time.AfterFunc(time.Until(at), func() {
				w.poller.Nudge(Nudge{AccountID: "1", RegionID: region, InvokeID: row.run.id, InstanceID: row.instance})
			})
		}
	}
}

// forge hints at what is not so, or not yet, or nobody knows of.
func (w *truthWorld) forge(random *rand.Rand) {
	times := 1
	if random.IntN(20) == 0 {
		times = 500
	}
	for range times {
		row := w.rows[random.IntN(len(w.rows))]
		n := Nudge{RegionID: region, InvokeID: row.run.id, InstanceID: row.instance}
		switch random.IntN(6) {
		case 0:
			n.InstanceID = ""
		case 1:
			n.InstanceID = fmt.Sprint("i-", random.IntN(1000))
		case 2:
			n.InvokeID = fmt.Sprint("t-x", random.IntN(1000))
		case 3:
			n.InvokeID, n.InstanceID = "", ""
		}
		w.poller.Nudge(n)
	}
}

// act does what a note says: an owner comes (+), goes (-), or has news.
func (w *truthWorld) act(note Owner) {
	name, comes := strings.CutPrefix(string(note), "+")
	name, goes := strings.CutPrefix(name, "-")
	who := w.watchers[Owner(name)]
	switch {
	case who.concluded:
	case comes:
		if !who.watching {
			who.watching, who.since = true, time.Now()
			who.watch.AnswerFrom = time.Time{}
		}
		w.read(who)
	case goes:
		w.poller.Forget(who.owner)
		who.watching = false
	default:
		w.read(who)
	}
}

// audit checks that nobody is kept from news. Nobody else runs.
func (w *truthWorld) audit() {
	if len(w.notes) > 0 {
		return
	}
	for owner, who := range w.watchers {
		if !who.watching || who.concluded {
			continue
		}
		if now := shownOf(w.poller.Watch(owner, who.watch)); now != who.shown && len(w.notes) == 0 {
			w.fault("news kept from %s: %s, not %s", owner, now, who.shown)
		}
	}
}

func (w *truthWorld) over() bool {
	for _, who := range w.watchers {
		if !who.concluded {
			return false
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return true
}

// TestTruth is the promise of the engine: whatever the cloud does, nobody is told an end that is none, and everybody
// is told in the end.
func TestTruth(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := truth{
			runs:        rapid.IntRange(2, 60).Draw(rt, "runs"),
			foreign:     rapid.IntRange(0, 40).Draw(rt, "foreign"),
			rowsAtMost:  rapid.SampledFrom([]int{1, 2, 2, 5}).Draw(rt, "rows at most"),
			old:         rapid.SampledFrom([]float64{0, 0.1, 0.7}).Draw(rt, "old"),
			late:        rapid.SampledFrom([]float64{0, 0.02, 0.2}).Draw(rt, "late"),
			order:       rapid.SampledFrom([]sorting{newestFirst, newestFirst, oldestFirst, byInstance, shuffled}).Draw(rt, "order"),
			keyset:      rapid.Bool().Draw(rt, "keyset"),
			quota:       rapid.SampledFrom([]int{60, 300, 1000}).Draw(rt, "quota"),
			faults:      rapid.SampledFrom([]float64{0, 0, 0.05, 0.3}).Draw(rt, "faults"),
			churn:       rapid.SampledFrom([]float64{0, 0.3}).Draw(rt, "churn"),
			pageRows:    rapid.SampledFrom([]int{4, 7, 10, 50}).Draw(rt, "page rows"),
			singleFirst: rapid.IntRange(0, 3).Draw(rt, "single first") == 0,
			hinted:      rapid.SampledFrom([]float64{0, 0, 0.5, 1}).Draw(rt, "hinted"),
			forged:      rapid.SampledFrom([]float64{0, 0, 0.1, 0.8}).Draw(rt, "forged"),
			hintDelay:   rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, 2 * time.Minute}).Draw(rt, "hint delay"),
			seed:        rapid.Uint64().Draw(rt, "seed"),
		}
		var wrong []string
		bubble(t, func() { wrong = s.observe() })
		if len(wrong) > 0 {
			rt.Fatalf("%d faults, first: %s", len(wrong), strings.Join(wrong[:min(3, len(wrong))], "\n"))
		}
	})
}

// TestTruthWhateverIsHinted is the same promise under hints of all kinds: they change when an end is known, never what.
func TestTruthWhateverIsHinted(t *testing.T) {
	for n, hints := range []struct {
		hinted, forged float64
		delay          time.Duration
	}{
		{1, 0, time.Second}, {0.9, 0, 10 * time.Second}, {1, 1, time.Second}, {0, 1, time.Second}, {0.5, 0.5, 3 * time.Minute},
	} {
		for _, quota := range []int{60, 1000} {
			t.Run(fmt.Sprint(hints, quota), func(t *testing.T) {
				s := truth{
					runs: 200, foreign: 30, rowsAtMost: 3, old: 0.1, late: 0.05, order: newestFirst, keyset: true, quota: quota,
					pageRows: 50, seed: uint64(n), faults: 0.02, hinted: hints.hinted, forged: hints.forged, hintDelay: hints.delay,
				}
				synctest.Test(t, func(t *testing.T) {
					if wrong := s.observe(); len(wrong) > 0 {
						t.Errorf("%d faults, first: %s", len(wrong), wrong[0])
					}
				})
			})
		}
	}
}

// TestTruthInACrowd has enough runs for lists to be believed, or not to be.
func TestTruthInACrowd(t *testing.T) {
	for _, order := range []sorting{newestFirst, oldestFirst, byInstance, shuffled} {
		for n := range uint64(4) {
			s := truth{
				runs: 200, foreign: 10, rowsAtMost: 2, old: 0.1, order: order, keyset: n%2 == 0, quota: 100,
				pageRows: []int{10, 50}[n/2], singleFirst: n == 3, seed: 1 + n%2, faults: 0.02 * float64(n%2),
				late: []float64{0.2, 0, 0.01, 0.01}[n],
			}
			t.Run(fmt.Sprint(order, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if wrong := s.observe(); len(wrong) > 0 {
						t.Errorf("%+v: %d faults, first: %s", s, len(wrong), wrong[0])
					}
				})
			})
		}
	}
}
