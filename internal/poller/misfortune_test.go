package poller

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// misfortunes are what befalls the API, each for ten seconds of twenty: those of hack/soak in its order, as far as the engine
// can tell them apart.
var misfortunes = []string{
	"throttled", "hangs", "fails", "fails", "fails", "fails", "throttled", "slow", "fails", "harmless", "harmless", "losesPage",
	"shuffled", "harmless", "duplicates", "harmless", "harmless", "harmless", "reversed", "harmless", "unknownStatus",
	"fails", "fails", "denied", "token",
}

// A stream is a setting in which runs begin all the time, as many as that a second, lognormally long and on one to three
// instances each, for so long; calls are made at the rate of the quota, which the API counts by the minute.
const (
	misfortuneEvery = 20 * time.Second
	// hungCall is how long a call takes that is not answered.
	hungCall        = 20 * time.Second
	streamPerSecond = 2
	streamMedian    = 15 * time.Second
	streamSigma     = 0.6
	streamLasts     = 30 * time.Minute
	streamQuota     = 600
)

// streamed is what became of a stream: how late the ends were known, how many runs were open at once and at the end, and what
// it cost.
type streamed struct {
	lags            []time.Duration
	open, openAtEnd int
	calls           int
}

func (s streamed) lag(share float64) time.Duration { return percentile(s.lags, share) }

func (s streamed) perRun() float64 { return float64(s.calls) / float64(len(s.lags)) }

func (s streamed) String() string {
	return fmt.Sprintf("%d ended, %.2f calls each, p50 %.1f s, p99 %.1f s, the last %.1f s, at most %d open, %d at the end",
		len(s.lags), s.perRun(), s.lag(0.5).Seconds(), s.lag(0.99).Seconds(), s.lag(1).Seconds(), s.open, s.openAtEnd)
}

// streamRow is one instance of a run.
type streamRow struct {
	instance string
	ends     time.Time
}

// streamRun is a run, which ends with the last of its rows.
type streamRun struct {
	id      string
	created time.Time
	rows    []streamRow
	ends    time.Time
}

// streamCloud is the API. It implements cloudassistant.Sessions and Session.
type streamCloud struct {
	fortunate bool
	begin     time.Time
	mu        sync.Mutex
	list      []*streamRun // oldest first
	byID      map[string]*streamRun
	allowance minuteQuota
	calls     int
}

func (c *streamCloud) Session(context.Context, cloudassistant.Identity, string) (cloudassistant.Session, error) {
	return c, nil
}
func (c *streamCloud) Account() string { return "1" }

// misfortune is what befalls the API now; empty if nothing does.
func (c *streamCloud) misfortune() string {
	passed := time.Since(c.begin) - misfortuneEvery/2
	if c.fortunate || passed < 0 || passed%misfortuneEvery >= misfortuneEvery/2 {
		return ""
	}
	return misfortunes[int(passed/misfortuneEvery)%len(misfortunes)]
}

func (c *streamCloud) DescribeInvocationResults(ctx context.Context, q cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	wait := 5 * time.Millisecond
	suffers := c.misfortune()
	switch suffers {
	case "hangs":
		wait = hungCall
	case "slow":
		wait = 200 * time.Millisecond
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, failureOf(cloudassistant.ClassUnavailable)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	switch suffers {
	case "throttled":
		return nil, failureOf(cloudassistant.ClassThrottled)
	case "hangs", "fails":
		return nil, failureOf(cloudassistant.ClassUnavailable)
	case "denied":
		return nil, failureOf(cloudassistant.ClassDenied)
	case "token":
		return nil, failureOf(cloudassistant.ClassTokenExpired)
	}
	now := time.Now()
	if !c.allowance.admits(now) {
		return nil, failureOf(cloudassistant.ClassThrottled)
	}
	page := c.page(q, paging, now)
	if suffers == "shuffled" && q.InvokeID == "" {
		page = c.shuffledPage(q, paging, now)
	}
	spoil(page, paging, suffers)
	page.Bytes = int64(3000 * len(page.Records))
	return page, nil
}

// page is of the list that q asks for, newest first. A token names the run and the row that the page begins with.
func (c *streamCloud) page(q cloudassistant.Query, paging cloudassistant.Paging, now time.Time) *cloudassistant.Page {
	page := &cloudassistant.Page{RequestID: "r"}
	if q.InvokeID != "" {
		if run := c.byID[q.InvokeID]; run != nil {
			page.Records = run.records(now)
		}
		return page
	}
	start := len(c.list)*10 + 9
	if paging.NextToken != "" {
		start, _ = strconv.Atoi(paging.NextToken)
	}
	for n := min(start/10, len(c.list)-1); n >= 0; n-- {
		run := c.list[n]
		if q.InvokeRecordStatus != "" && q.InvokeRecordStatus != run.status(now) {
			continue
		}
		for i, record := range run.records(now) {
			if n*10+9-i > start {
				continue
			}
			if len(page.Records) == paging.MaxResults {
				page.NextToken = strconv.Itoa(n*10 + 9 - i)
				return page
			}
			page.Records = append(page.Records, record)
		}
	}
	return page
}

// shuffledPage is of a list of rows in an order without meaning, the same for every page.
func (c *streamCloud) shuffledPage(q cloudassistant.Query, paging cloudassistant.Paging, now time.Time) *cloudassistant.Page {
	var rows []cloudassistant.Record
	for _, run := range c.list {
		if q.InvokeRecordStatus == "" || q.InvokeRecordStatus == run.status(now) {
			rows = append(rows, run.records(now)...)
		}
	}
	rand.New(rand.NewPCG(1, 3)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	from, _ := strconv.Atoi(paging.NextToken)
	from = min(from, len(rows))
	to := min(from+paging.MaxResults, len(rows))
	page := &cloudassistant.Page{RequestID: "r", Records: rows[from:to]}
	if to < len(rows) {
		page.NextToken = strconv.Itoa(to)
	}
	return page
}

// spoil does to a page what the API suffers.
func spoil(page *cloudassistant.Page, paging cloudassistant.Paging, suffers string) {
	rows := page.Records
	switch suffers {
	case "losesPage":
		if paging.NextToken != "" {
			page.Records = nil
		}
	case "duplicates":
		page.Records = append(slices.Clone(rows), rows...)
	case "reversed":
		slices.Reverse(rows)
	case "unknownStatus":
		for i := range rows {
			rows[i].InvocationStatus = "Hibernating"
		}
	}
}

func (r *streamRun) status(now time.Time) cloudassistant.InvokeRecordStatus {
	if now.Before(r.ends) {
		return cloudassistant.RecordRunning
	}
	return cloudassistant.RecordFinished
}

func (r *streamRun) records(now time.Time) []cloudassistant.Record {
	records := make([]cloudassistant.Record, 0, len(r.rows))
	for _, row := range r.rows {
		record := cloudassistant.Record{
			InvokeID: r.id, InstanceID: row.instance, CommandID: "c-" + r.id, StartTime: r.created.UTC().Truncate(time.Second),
			InvocationStatus: cloudassistant.StatusRunning, InvokeRecordStatus: r.status(now),
		}
		if !now.Before(row.ends) {
			record.InvocationStatus, record.ExitCode, record.FinishedTime = cloudassistant.StatusSuccess, new(int64), row.ends.UTC().Truncate(time.Second)
		}
		records = append(records, record)
	}
	return records
}

// observeStream lets a stream flow in a bubble. A fortunate one suffers no misfortunes.
func observeStream(fortunate bool) streamed {
	begin := time.Now()
	cloud := &streamCloud{fortunate: fortunate, begin: begin, allowance: minuteQuota{most: streamQuota}, byID: map[string]*streamRun{}}
	random := rand.New(rand.NewPCG(1, 2))
	news := make(chan Owner, 1<<16)
	poller := New(cloud, Options{Clock: clock.RealClock{}, QPS: streamQuota / 60, Notify: func(owner Owner, _ bool) { news <- owner }})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- poller.Start(ctx) }()
	next := time.NewTicker(time.Second / streamPerSecond)
	defer next.Stop()
	var out streamed
	open := map[string]*streamRun{}
	for time.Since(begin) < streamLasts {
		select {
		case <-next.C:
			run := &streamRun{id: fmt.Sprintf("t-%06d", len(cloud.byID)), created: time.Now()}
			for i := range 1 + len(cloud.byID)%3 {
				took := time.Duration(math.Exp(streamSigma*random.NormFloat64()) * float64(streamMedian))
				row := streamRow{instance: fmt.Sprintf("i-%d", i), ends: run.created.Add(took)}
				run.rows = append(run.rows, row)
				run.ends = later(run.ends, row.ends)
			}
			cloud.mu.Lock()
			cloud.list = append(cloud.list, run)
			cloud.byID[run.id] = run
			cloud.mu.Unlock()
			open[run.id] = run
			out.open = max(out.open, len(open))
			poller.Watch(Owner(run.id), about(run.id))
		case owner := <-news:
			run := open[string(owner)]
			if run == nil {
				continue
			}
			snapshot := poller.Watch(owner, about(run.id))
			live := snapshot.Live
			if live == nil || !live.Complete || !hasEnded(live.Records) {
				continue
			}
			if again, yes := doubtful(snapshot, run.created); yes {
				watch := about(run.id)
				watch.AnswerFrom = again
				poller.Watch(owner, watch)
				continue
			}
			out.lags = append(out.lags, time.Since(run.ends))
			delete(open, run.id)
			poller.Forget(owner)
		}
	}
	out.openAtEnd = len(open)
	for _, run := range open {
		// Whoever is known too late, or never, counts with what it has waited for by now.
		if lag := time.Since(run.ends); lag > 0 {
			out.lags = append(out.lags, lag)
		}
	}
	cancel()
	if err := <-stopped; err != nil {
		panic(err)
	}
	out.calls = cloud.calls
	return out
}

// TestMisfortunes is what `make soak` does in half an hour, but for the API server: no misfortune adds up with those before it.
func TestMisfortunes(t *testing.T) {
	for name, c := range map[string]struct {
		fortunate bool
		calls     float64 // a run, at most
		p50, last time.Duration
		open      int
	}{
		"none":  {true, 2, 8 * time.Second, 15 * time.Second, 90},
		"every": {false, 2.3, 18 * time.Second, 200 * time.Second, 300},
	} {
		t.Run(name, func(t *testing.T) {
			var got streamed
			synctest.Test(t, func(*testing.T) { got = observeStream(c.fortunate) })
			t.Log(got)
			if got.perRun() > c.calls || got.lag(0.5) > c.p50 || got.lag(1) > c.last || got.open > c.open || got.openAtEnd > 80 {
				t.Errorf("want at most %v calls a run, p50 %v, the last %v, at most %d open, and 80 at the end", c.calls, c.p50, c.last, c.open)
			}
		})
	}
}
