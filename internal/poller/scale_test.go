package poller

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// crowd is a setting at scale: runs that start within a minute and take lognormally long, under a quota that the API
// counts by the minute.
type crowd struct {
	runs, quota int
	// foreign rows are of scheduled commands of others, which never end.
	foreign int
	singly  bool
	offset  bool
	// ceiling is the most calls a minute that the engine makes; the quota, if 0.
	ceiling int
	qps     float64
	seed    uint64
	// events come up to crowdDelay after the ends that they tell of, but for the lost share.
	events bool
	lost   float64
	// near is an API close by, which shows everything at once, and a crowd whose runs end within so long.
	near   bool
	within time.Duration
	// few of the runs are of another tenant, and begin two minutes later, when the calls are used up.
	few int
	// longest is the most that a run takes, unless 0, and timeouts the share that time out, which another list shows than those
	// that exit, with an error or without.
	longest  time.Duration
	timeouts float64
}

const (
	crowdRoundTrip = 120 * time.Millisecond
	crowdMedian    = 3 * time.Minute
	crowdSigma     = 0.8
	crowdLag       = 3 * time.Second
	crowdDelay     = time.Second
	crowdNear      = 5 * time.Millisecond
)

// figures are what a crowd cost, and how late its ends were known.
type figures struct {
	calls, throttled int
	// after are the calls about single runs that had ended.
	after   int
	lags    []time.Duration
	took    time.Duration
	missing int
	// young are the runs that ended so young that the first sight of it is not believed, grown the lags of the others.
	young map[Owner]bool
	grown []time.Duration
	// few are the lags of the other tenant's runs.
	few   []time.Duration
	kinds map[string]int
}

func (f figures) lag(share float64) time.Duration { return percentile(f.lags, share) }

// grownLag is that of runs that did not end young.
func (f figures) grownLag(share float64) time.Duration { return percentile(f.grown, share) }

// percentile is what a share of these, which it sorts, are not above.
func percentile(of []time.Duration, share float64) time.Duration {
	slices.Sort(of)
	return of[int(share*float64(len(of)-1))]
}

// doubtful says that a run ended so young that its owner does not believe the first sight of it, for its rows may appear one by
// one, and from when on it wants another answer.
func doubtful(s Snapshot, born time.Time) (again time.Time, yes bool) {
	young := s.Live.StartedAt.Sub(born) < 30*time.Second
	return s.UnchangedSince.Add(5 * time.Second), young && s.Live.StartedAt.Sub(s.UnchangedSince) < 5*time.Second
}

// learned takes in how late the end of a run was known.
func (f *figures) learned(run *crowdRun, lag time.Duration) {
	f.lags = append(f.lags, lag)
	if !f.young[Owner(run.id)] {
		f.grown = append(f.grown, lag)
	}
	if run.tenant != "" {
		f.few = append(f.few, lag)
	}
}

func (f figures) String() string {
	return fmt.Sprintf("%.2f calls a run, p50 %.1f s, p99 %.1f s, %d throttled, %v %v",
		float64(f.calls)/float64(len(f.lags)), f.lag(0.5).Seconds(), f.lag(0.99).Seconds(), f.throttled, f.took.Round(time.Second), f.kinds)
}

// crowdRun is one run with one instance.
type crowdRun struct {
	id                 string
	created, visibleAt time.Time
	ends, endVisibleAt time.Time
	foreign, timesOut  bool
	tenant             string
}

// watch is what its owner wants to know.
func (r *crowdRun) watch() Watch {
	watch := about(r.id)
	watch.Tenant = r.tenant
	return watch
}

func (r *crowdRun) record(now time.Time) cloudassistant.Record {
	record := cloudassistant.Record{
		InvokeID: r.id, InstanceID: "i-" + r.id, CommandID: "c-" + r.id, StartTime: r.created.UTC().Truncate(time.Second),
		InvocationStatus: cloudassistant.StatusRunning, InvokeRecordStatus: cloudassistant.RecordRunning,
	}
	if r.foreign {
		// It has run every hour since, and stands where its first run does.
		runs := now.Sub(r.created) / time.Hour
		record.Repeats, record.StartTime = int64(runs)+1, r.created.Add(runs*time.Hour).UTC().Truncate(time.Second)
	}
	if !r.foreign && !now.Before(r.endVisibleAt) {
		record.InvocationStatus, record.InvokeRecordStatus = cloudassistant.StatusSuccess, cloudassistant.RecordFinished
		record.ExitCode, record.FinishedTime = new(int64), r.ends.UTC().Truncate(time.Second)
		if r.timesOut {
			record.InvocationStatus, record.InvokeRecordStatus = cloudassistant.StatusTimeout, cloudassistant.RecordFailed
			record.ExitCode = nil
		}
	}
	return record
}

// crowdCloud is the API. It implements cloudassistant.Sessions and Session.
type crowdCloud struct {
	crowd
	mu        sync.Mutex
	list      []*crowdRun // newest first
	byID      map[string]*crowdRun
	allowance minuteQuota
	calls     int
	throttled int
	after     int
	kinds     map[string]int
}

func newCrowdCloud(s crowd) *crowdCloud {
	return &crowdCloud{crowd: s, allowance: minuteQuota{most: s.quota}, byID: map[string]*crowdRun{}, kinds: map[string]int{}}
}

func (c *crowdCloud) Session(context.Context, cloudassistant.Identity, string) (cloudassistant.Session, error) {
	return c, nil
}
func (c *crowdCloud) Account() string { return "1" }

func (c *crowdCloud) DescribeInvocationResults(ctx context.Context, q cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	if err := c.travel(ctx); err != nil {
		return nil, err
	}
	page, refusal := c.answer(q, paging)
	if err := c.travel(ctx); err != nil {
		return nil, err
	}
	return page, refusal
}

// travel is half of a round trip, by the clock of the bubble.
func (s crowd) travel(ctx context.Context) error {
	trip := crowdRoundTrip
	if s.near {
		trip = crowdNear
	}
	select {
	case <-time.After(trip / 2):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *crowdCloud) answer(q cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.calls++
	if !c.allowance.admits(now) {
		c.throttled++
		return nil, failureOf(cloudassistant.ClassThrottled)
	}
	page := &cloudassistant.Page{RequestID: "r"}
	if q.InvokeID != "" {
		c.kinds["single"]++
		run := c.byID[q.InvokeID]
		if run != nil && !now.Before(run.ends) {
			c.after++
		}
		if run != nil && !now.Before(run.visibleAt) {
			page.Records = append(page.Records, run.record(now))
		}
		return page, nil
	}
	c.kinds[string(q.InvokeRecordStatus)]++
	start, _ := strconv.Atoi(paging.NextToken)
	seen := 0
	for n, run := range c.list {
		if !c.offset && n < start || now.Before(run.visibleAt) {
			continue
		}
		record := run.record(now)
		if q.InvokeRecordStatus != "" && record.InvokeRecordStatus != q.InvokeRecordStatus {
			continue
		}
		if seen++; c.offset && seen <= start {
			continue
		}
		if len(page.Records) == paging.MaxResults {
			page.NextToken = strconv.Itoa(n)
			if c.offset {
				page.NextToken = strconv.Itoa(seen - 1)
			}
			break
		}
		page.Records = append(page.Records, record)
	}
	page.Bytes = int64(600 * len(page.Records))
	return page, nil
}

// ends draws when a run ends, and when that can be seen.
func (s crowd) ends(run *crowdRun, begin time.Time, random *rand.Rand) {
	took := time.Duration(math.Exp(crowdSigma*random.NormFloat64()) * float64(crowdMedian))
	if s.longest > 0 {
		took = min(took, s.longest)
	}
	run.ends = run.created.Add(took)
	run.endVisibleAt = run.ends.Add(time.Duration(random.Float64() * float64(crowdLag)))
	if s.within > 0 {
		run.ends = begin.Add(2*time.Minute + time.Duration(random.Float64()*float64(s.within)))
		run.endVisibleAt = run.ends.Add(time.Duration(random.Float64() * float64(crowdLag)))
	}
	if s.near {
		run.visibleAt, run.endVisibleAt = run.created, run.ends
	}
	run.timesOut = s.timeouts > 0 && random.Float64() < s.timeouts
}

// observe runs a crowd to its end in a bubble and returns what it cost.
func (s crowd) observe() figures {
	random := rand.New(rand.NewPCG(s.seed, 1))
	cloud := newCrowdCloud(s)
	begin := time.Now()
	for n := range s.runs + s.foreign {
		run := &crowdRun{id: fmt.Sprintf("t-%05d", n), foreign: n >= s.runs}
		run.created = begin.Add(time.Duration(random.Float64() * float64(time.Minute)))
		if n < s.few {
			run.tenant, run.created = "few", run.created.Add(2*time.Minute)
		}
		if run.foreign {
			run.created = begin.Add(-time.Duration(random.Float64() * float64(240*time.Hour)))
		}
		run.visibleAt = run.created.Add(time.Duration(random.Float64() * float64(crowdLag)))
		s.ends(run, begin, random)
		cloud.list = append(cloud.list, run)
		cloud.byID[run.id] = run
	}
	slices.SortFunc(cloud.list, func(a, b *crowdRun) int { return b.created.Compare(a.created) })

	f := figures{young: map[Owner]bool{}}
	news := make(chan Owner, 4*s.runs)
	poller := New(cloud, Options{Clock: clock.RealClock{}, QPS: s.qps, AskSingly: s.singly, EventsInterval: s.eventsInterval(), Notify: func(owner Owner, _ bool) { news <- owner }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- poller.Start(ctx) }()
	go func() {
		for _, run := range slices.Backward(cloud.list) {
			if !run.foreign {
				<-time.After(time.Until(run.created))
				poller.Watch(Owner(run.id), run.watch())
			}
		}
	}()
	if s.events {
		go s.publish(poller, cloud.list)
	}
	limit := time.After(12 * time.Hour)
	for len(f.lags) < s.runs {
		select {
		case owner := <-news:
			run := cloud.byID[string(owner)]
			snapshot := poller.Watch(owner, run.watch())
			live := snapshot.Live
			if live == nil || !live.Complete || len(live.Records) == 0 || !live.Records[0].InvocationStatus.Terminal() {
				continue
			}
			if again, yes := doubtful(snapshot, run.created); yes {
				f.young[owner] = true
				watch := run.watch()
				watch.AnswerFrom = again
				poller.Watch(owner, watch)
				continue
			}
			f.learned(run, time.Since(run.ends))
			poller.Forget(owner)
		case <-limit:
			f.missing = s.runs - len(f.lags)
			f.lags = append(f.lags, time.Hour)
			s.runs = 0
		}
	}
	f.took = time.Since(begin)
	cancel()
	if err := <-ended; err != nil {
		panic(err)
	}
	cloud.mu.Lock()
	defer cloud.mu.Unlock()
	f.kinds = cloud.kinds
	f.calls, f.throttled, f.after = cloud.calls, cloud.throttled, cloud.after
	return f
}

func (s crowd) eventsInterval() time.Duration {
	if s.events {
		return 5 * time.Minute
	}
	return 0
}

// publish tells of the ends, in whatever order the events come.
func (s crowd) publish(poller *Poller, runs []*crowdRun) {
	type event struct {
		run *crowdRun
		at  time.Time
	}
	random := rand.New(rand.NewPCG(s.seed, 2))
	var events []event
	for _, run := range runs {
		if random.Float64() >= s.lost && !run.foreign {
			events = append(events, event{run, run.ends.Add(time.Duration(random.Float64() * float64(crowdDelay)))})
		}
	}
	if s.near {
		for n := range events {
			events[n].at = events[n].run.ends
		}
	}
	slices.SortFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, event := range events {
		<-time.After(time.Until(event.at))
		poller.Nudge(Nudge{AccountID: "1", RegionID: region, InvokeID: event.run.id, InstanceID: "i-" + event.run.id})
	}
}

// compare runs a crowd with every run asked about by itself, and with surveys.
func (s crowd) compare(t *testing.T) (singly, together figures) {
	t.Helper()
	s.qps = float64(cmp.Or(s.ceiling, s.quota)) / 60
	s.singly = true
	synctest.Test(t, func(*testing.T) { singly = s.observe() })
	s.singly = false
	synctest.Test(t, func(*testing.T) { together = s.observe() })
	return singly, together
}

// hinted runs a crowd with surveys and events.
func (s crowd) hinted(t *testing.T) (f figures) {
	t.Helper()
	s.qps = float64(cmp.Or(s.ceiling, s.quota)) / 60
	s.events = true
	synctest.Test(t, func(*testing.T) { f = s.observe() })
	return f
}

// TestCrowds holds what surveys are for: fewer calls, and ends that are known sooner.
func TestCrowds(t *testing.T) {
	for name, c := range map[string]struct {
		crowd
		calls    float64 // a run, at most
		p50, p99 time.Duration
	}{
		"100 runs, 300 calls a minute":      {crowd{runs: 100, quota: 300}, 5, 5 * time.Second, 9500 * time.Millisecond},
		"1,000 runs, 300 calls a minute":    {crowd{runs: 1000, quota: 300}, 2, 4500 * time.Millisecond, 9500 * time.Millisecond},
		"the same, by offset":               {crowd{runs: 1000, quota: 300, offset: true}, 2.1, 5 * time.Second, 11 * time.Second},
		"1,000 runs, 100 calls a minute":    {crowd{runs: 1000, quota: 100}, 1.3, 6600 * time.Millisecond, 25 * time.Second},
		"the same, told that it were 300":   {crowd{runs: 1000, quota: 100, ceiling: 300}, 1.5, 6600 * time.Millisecond, 35 * time.Second},
		"10,000 runs, 100 calls a minute":   {crowd{runs: 10000, quota: 100}, 0.25, 70 * time.Second, 200 * time.Second},
		"10,000 runs, 300 calls a minute":   {crowd{runs: 10000, quota: 300}, 0.52, 20 * time.Second, 70 * time.Second},
		"10,000 runs, 1,000 calls a minute": {crowd{runs: 10000, quota: 1000}, 0.8, 8 * time.Second, 28 * time.Second},
		"10,000 runs, 6,000 calls a minute": {crowd{runs: 10000, quota: 6000}, 0.9, 8 * time.Second, 28 * time.Second},
		"100 runs among 5,000 of others":    {crowd{runs: 100, quota: 300, foreign: 5000}, 5, 6 * time.Second, 10 * time.Second},
		"a tenth of 1,000 times out":        {crowd{runs: 1000, quota: 300, timeouts: 0.1}, 1.9, 4500 * time.Millisecond, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			singly, together := c.compare(t)
			if singly.missing+together.missing > 0 {
				t.Fatalf("%d and %d ends were never known", singly.missing, together.missing)
			}
			if got := float64(together.calls) / float64(c.runs); got > c.calls || together.calls > singly.calls {
				t.Errorf("%.2f calls a run, want at most %.2f, and no more than singly", got, c.calls)
			}
			if p50, p99 := together.lag(0.5), together.lag(0.99); p50 > c.p50 || p99 > c.p99 || p99 > singly.lag(0.99)/2 {
				t.Errorf("known after %v, p99 %v; want %v and %v, and half of singly", p50, p99, c.p50, c.p99)
			}
			most := 1 + together.calls/1000
			if c.ceiling > c.quota {
				most += together.calls / 300
			}
			if together.throttled > most {
				t.Errorf("%d throttle answers, want at most %d", together.throttled, most)
			}
			if t.Failed() {
				t.Logf("singly: %v\ntogether: %v", singly, together)
			}
		})
	}
}

// TestCrowdsWithEvents holds what hints are for: ends that are known about as soon as the API shows them, where the quota
// is enough to ask about each. The first look at each run comes on top of the call for its end.
func TestCrowdsWithEvents(t *testing.T) {
	for name, c := range map[string]struct {
		crowd
		calls float64 // a run, at most
		p99   time.Duration
	}{
		"1,000 runs, 300 calls a minute":        {crowd{runs: 1000, quota: 300}, 1.5, crowdDelay + crowdLag + 1500*time.Millisecond},
		"1,000 runs, 1,000 calls a minute":      {crowd{runs: 1000, quota: 1000}, 1.8, crowdDelay + crowdLag + 1500*time.Millisecond},
		"10,000 runs, 6,000 calls a minute":     {crowd{runs: 10000, quota: 6000}, 1.25, crowdDelay + crowdLag + 1500*time.Millisecond},
		"10,000 runs, far more than can be met": {crowd{runs: 10000, quota: 300}, 0.5, time.Minute},
		"1,000 runs within an hour":             {crowd{runs: 1000, quota: 300, within: time.Hour}, 1.7, crowdDelay + crowdLag + 1500*time.Millisecond},
		"100 ends a second, close by":           {crowd{runs: 1000, quota: 60000, near: true, within: 10 * time.Second}, 2.1, 500 * time.Millisecond},
		"the same, by a tenth of the quota":     {crowd{runs: 1000, quota: 6000, near: true, within: 10 * time.Second}, 1.9, 500 * time.Millisecond},
		"one of twenty events is lost":          {crowd{runs: 1000, quota: 300, within: 5 * time.Minute, lost: 0.05}, 1.6, 5*time.Minute + announcedWithin},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.hinted(t)
			if got := float64(f.calls) / float64(c.runs); f.missing > 0 || got > c.calls {
				t.Errorf("%.2f calls a run, want at most %.2f; %d ends were never known", got, c.calls, f.missing)
			}
			if got := float64(f.after) / float64(c.runs); got > 1.1 {
				t.Errorf("%.2f calls for the end of a run, want at most 1.1", got)
			}
			if p99 := f.grownLag(0.99); p99 > c.p99 {
				t.Errorf("known after up to %v, want %v", p99, c.p99)
			}
			if f.throttled > 1 {
				t.Errorf("%d throttle answers", f.throttled)
			}
			if t.Failed() {
				t.Log(f)
			}
		})
	}
}

var (
	crowds   = flag.String("crowds", "", "print the figures of these crowds, as runs/quota or runs/quota/foreign, separated by commas")
	seeds    = flag.Int("seeds", 1, "of how many seeds each: what is printed is the median of each figure")
	ceiling  = flag.Int("ceiling", 0, "the most calls a minute; the quota, if 0")
	longest  = flag.Duration("longest", 0, "the most that a run takes; no limit, if 0")
	timeouts = flag.Float64("timeouts", 0, "the share of the runs that time out")
)

// TestCrowdFigures prints the figures of the crowds that -crowds names.
func TestCrowdFigures(t *testing.T) {
	for name := range strings.SplitSeq(*crowds, ",") {
		s := crowd{ceiling: *ceiling, longest: *longest, timeouts: *timeouts}
		if _, err := fmt.Sscanf(name, "%d/%d/%d", &s.runs, &s.quota, &s.foreign); err != nil && name != "" && s.quota == 0 {
			t.Errorf("-crowds: %q is not runs/quota or runs/quota/foreign", name)
		}
		if s.quota == 0 {
			continue
		}
		var singly, together, hinted []figures
		for seed := range *seeds {
			s.seed = uint64(seed)
			alone, all := s.compare(t)
			singly, together, hinted = append(singly, alone), append(together, all), append(hinted, s.hinted(t))
			if all.missing > 0 {
				t.Errorf("%d ends were never known", all.missing)
			}
		}
		t.Logf("%s\nsingly:   %v\ntogether: %v\nevents:   %v", name, medians(singly), medians(together), medians(hinted))
	}
}

// medians tells the median of each figure, and its least and greatest.
func medians(all []figures) string {
	var told []string
	for _, figure := range []struct {
		of   string
		take func(f figures) float64
	}{
		{"%.2f [%.2f, %.2f] calls a run", func(f figures) float64 { return float64(f.calls) / float64(len(f.lags)) }},
		{"%.2f [%.2f, %.2f] for its end", func(f figures) float64 { return float64(f.after) / float64(len(f.lags)) }},
		{"p50 %.1f [%.1f, %.1f] s", func(f figures) float64 { return f.lag(0.5).Seconds() }},
		{"p99 %.1f [%.1f, %.1f] s", func(f figures) float64 { return f.lag(0.99).Seconds() }},
		{"p99 of the grown %.1f [%.1f, %.1f] s", func(f figures) float64 { return f.grownLag(0.99).Seconds() }},
		{"%.0f [%.0f, %.0f] throttled", func(f figures) float64 { return float64(f.throttled) }},
	} {
		var values []float64
		for _, f := range all {
			values = append(values, figure.take(f))
		}
		slices.Sort(values)
		told = append(told, fmt.Sprintf(figure.of, values[len(values)/2], values[0], values[len(values)-1]))
	}
	return fmt.Sprintf("%s; the last: %v", strings.Join(told, ", "), all[len(all)-1].kinds)
}
