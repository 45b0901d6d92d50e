package poller

import (
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
	qps     float64
	seed    uint64
}

const (
	crowdRoundTrip = 120 * time.Millisecond
	crowdMedian    = 3 * time.Minute
	crowdSigma     = 0.8
	crowdLag       = 3 * time.Second
)

// figures are what a crowd cost, and how late its ends were known.
type figures struct {
	calls, throttled int
	lags             []time.Duration
	took             time.Duration
	missing          int
	kinds            map[string]int
}

func (f figures) lag(share float64) time.Duration {
	slices.Sort(f.lags)
	return f.lags[int(share*float64(len(f.lags)-1))]
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
	foreign            bool
}

func (r *crowdRun) record(now time.Time) cloudassistant.Record {
	record := cloudassistant.Record{
		InvokeID: r.id, InstanceID: "i-" + r.id, CommandID: "c-" + r.id, StartTime: r.created.UTC().Truncate(time.Second),
		InvocationStatus: cloudassistant.StatusRunning, InvokeRecordStatus: cloudassistant.RecordRunning,
	}
	if !r.foreign && !now.Before(r.endVisibleAt) {
		record.InvocationStatus, record.InvokeRecordStatus = cloudassistant.StatusSuccess, cloudassistant.RecordFinished
		record.ExitCode, record.FinishedTime = new(int64), r.ends.UTC().Truncate(time.Second)
	}
	return record
}

// crowdCloud is the API. It implements cloudassistant.Sessions and Session.
type crowdCloud struct {
	crowd
	mu        sync.Mutex
	list      []*crowdRun // newest first
	byID      map[string]*crowdRun
	minute    time.Time
	used      int
	calls     int
	throttled int
	kinds     map[string]int
}

func (c *crowdCloud) Session(context.Context, cloudassistant.Identity, string) (cloudassistant.Session, error) {
	return c, nil
}
func (c *crowdCloud) Account() string { return "1" }

func (c *crowdCloud) DescribeInvocationResults(ctx context.Context, q cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	time.Sleep(crowdRoundTrip / 2)
	page, err := c.answer(q, paging)
	time.Sleep(crowdRoundTrip / 2)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return page, err
}

func (c *crowdCloud) answer(q cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.calls++
	if minute := now.Truncate(time.Minute); !minute.Equal(c.minute) {
		c.minute, c.used = minute, 0
	}
	if c.used++; c.used > c.quota {
		c.throttled++
		return nil, &cloudassistant.Error{Class: cloudassistant.ClassThrottled, Code: "Throttling.User", Message: "user flow control"}
	}
	page := &cloudassistant.Page{RequestID: "r"}
	if q.InvokeID != "" {
		c.kinds["single"]++
		if run := c.byID[q.InvokeID]; run != nil && !now.Before(run.visibleAt) {
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

// observe runs a crowd to its end in a bubble and returns what it cost.
func (s crowd) observe() figures {
	random := rand.New(rand.NewPCG(s.seed, 1))
	cloud := &crowdCloud{crowd: s, byID: map[string]*crowdRun{}, kinds: map[string]int{}}
	begin := time.Now()
	for n := range s.runs + s.foreign {
		run := &crowdRun{id: fmt.Sprintf("t-%05d", n), foreign: n >= s.runs}
		run.created = begin.Add(time.Duration(random.Float64() * float64(time.Minute)))
		if run.foreign {
			run.created = begin.Add(-time.Duration(random.Float64() * float64(240*time.Hour)))
		}
		run.visibleAt = run.created.Add(time.Duration(random.Float64() * float64(crowdLag)))
		run.ends = run.created.Add(time.Duration(math.Exp(crowdSigma*random.NormFloat64()) * float64(crowdMedian)))
		run.endVisibleAt = run.ends.Add(time.Duration(random.Float64() * float64(crowdLag)))
		cloud.list = append(cloud.list, run)
		cloud.byID[run.id] = run
	}
	slices.SortFunc(cloud.list, func(a, b *crowdRun) int { return b.created.Compare(a.created) })

	var f figures
	news := make(chan Owner, 4*s.runs)
	poller := New(cloud, Options{Clock: clock.RealClock{}, QPS: s.qps, AskSingly: s.singly, Notify: func(owner Owner) { news <- owner }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- poller.Start(ctx) }()
	go func() {
		for _, run := range slices.Backward(cloud.list) {
			if !run.foreign {
				time.Sleep(time.Until(run.created))
				poller.Watch(Owner(run.id), about(run.id))
			}
		}
	}()
	limit := time.After(12 * time.Hour)
	for len(f.lags) < s.runs {
		select {
		case owner := <-news:
			run := cloud.byID[string(owner)]
			snapshot := poller.Watch(owner, about(run.id))
			live := snapshot.Live
			if live == nil || !live.Complete || len(live.Records) == 0 || !live.Records[0].InvocationStatus.Terminal() {
				continue
			}
			if live.StartedAt.Sub(run.created) < 30*time.Second && live.StartedAt.Sub(snapshot.UnchangedSince) < 5*time.Second {
				watch := about(run.id)
				watch.AnswerFrom = snapshot.UnchangedSince.Add(5 * time.Second)
				poller.Watch(owner, watch)
				continue
			}
			f.lags = append(f.lags, time.Since(run.ends))
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
	f.calls, f.throttled = cloud.calls, cloud.throttled
	return f
}

var scale = flag.String("crowds", "", "crowds to run in TestCrowds, as runs/quota, separated by commas")

// TestCrowds prints the figures of the crowds that -scale names.
func TestCrowds(t *testing.T) {
	for name := range strings.SplitSeq(*scale, ",") {
		if name == "" {
			continue
		}
		var s crowd
		if _, err := fmt.Sscanf(name, "%d/%d/%d", &s.runs, &s.quota, &s.foreign); err != nil && s.quota == 0 {
			t.Fatal(err)
		}
		s.qps = float64(s.quota) / 60
		for _, s.singly = range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				began := realNow()
				f := s.observe()
				t.Logf("%s singly=%v: %v (%v real)", name, s.singly, f, realNow()-began)
			})
		}
	}
}
