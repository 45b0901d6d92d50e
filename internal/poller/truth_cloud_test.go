package poller

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// order is how the API sorts its lists, which is nowhere promised.
type sorting string

const (
	newestFirst sorting = "newest first"
	oldestFirst sorting = "oldest first"
	byInstance  sorting = "by instance"
	shuffled    sorting = "shuffled anew for every page"
)

// truth is a setting in which the engine has to find out how runs ended.
type truth struct {
	runs, foreign, rowsAtMost int
	// old is the share of runs that ended long before anybody wanted to know.
	old float64
	// late is the share of rows that start up to a minute later than their run.
	late   float64
	order  sorting
	keyset bool
	// quota is the calls a minute that the API allows, and faults the share of calls that fail in the first ten minutes.
	quota  int
	faults float64
	// churn is the share of owners that leave and come back.
	churn    float64
	pageRows int
	// singleFirst has the runs of one row come before those of several, so that lists look right at first.
	singleFirst bool
	// hinted is the share of ends that hints tell of, once or twice, and up to hintDelay late; forged is the share of
	// seconds in which somebody forges a hint or, now and then, hundreds.
	hinted, forged float64
	hintDelay      time.Duration
	seed           uint64
}

// truthRow is one row of a run.
type truthRow struct {
	run                                     *truthRun
	instance                                string
	starts, visibleAt, endsAt, endVisibleAt time.Time
	status                                  cloudassistant.InvocationStatus
	noise                                   uint64
}

// truthRun is one run.
type truthRun struct {
	id, command string
	created     time.Time
	watchFrom   time.Time
	rows        []*truthRow
	scheduled   bool
	// goneAt is when retention takes it away; zero for not in time.
	goneAt time.Time
}

var truthEnds = []cloudassistant.InvocationStatus{
	cloudassistant.StatusSuccess, cloudassistant.StatusSuccess, cloudassistant.StatusFailed, cloudassistant.StatusTimeout,
	cloudassistant.StatusTerminated, cloudassistant.StatusError,
}

// recordStatus is the status of the invocation as a whole.
func (r *truthRun) recordStatus(now time.Time) cloudassistant.InvokeRecordStatus {
	failed, stopped, fine := 0, 0, 0
	for _, row := range r.rows {
		if r.scheduled || now.Before(row.endVisibleAt) {
			return cloudassistant.RecordRunning
		}
		switch row.status {
		case cloudassistant.StatusTimeout, cloudassistant.StatusError:
			failed++
		case cloudassistant.StatusTerminated:
			stopped++
		default:
			fine++
		}
	}
	switch {
	case failed > 0 && fine+stopped > 0:
		return cloudassistant.RecordPartialFailed
	case failed > 0:
		return cloudassistant.RecordFailed
	case stopped > 0 && fine == 0:
		return cloudassistant.RecordStopped
	}
	return cloudassistant.RecordFinished
}

func (r *truthRow) record(now time.Time) cloudassistant.Record {
	record := cloudassistant.Record{
		InvokeID: r.run.id, InstanceID: r.instance, CommandID: r.run.command,
		StartTime:        r.starts.UTC().Truncate(time.Second),
		InvocationStatus: cloudassistant.StatusRunning, InvokeRecordStatus: r.run.recordStatus(now),
	}
	switch {
	case r.run.scheduled:
		// Its start is that of its latest run.
		record.InvocationStatus = cloudassistant.StatusScheduled
		record.StartTime = now.Add(-time.Duration(r.noise % uint64(10*time.Minute))).UTC().Truncate(time.Second)
		record.Repeats = 2 + int64(r.noise%100)
	case !now.Before(r.endVisibleAt):
		record.InvocationStatus = r.status
		record.FinishedTime = r.endsAt.UTC().Truncate(time.Second)
	}
	return record
}

// truthWatcher is one owner, who concludes as the projection does.
type truthWatcher struct {
	owner    Owner
	run      *truthRun
	watch    Watch
	since    time.Time
	met      map[rowKey]bool
	watching bool
	// shown is the last that it has read.
	shown     string
	concluded bool
}

// truthWorld is the cloud and those who watch it. It implements cloudassistant.Sessions and Session.
type truthWorld struct {
	truth
	random *rand.Rand
	poller *Poller
	begin  time.Time

	mu       sync.Mutex
	rows     []*truthRow
	underWay map[string]int
	minute   time.Time
	used     int
	paused   time.Time
	calls    []time.Time
	wrong    []string
	notes    chan Owner
	watchers map[Owner]*truthWatcher
}

func (w *truthWorld) fault(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf("%v: ", time.Since(w.begin))+fmt.Sprintf(format, args...))
}

func (w *truthWorld) Session(context.Context, cloudassistant.Identity, string) (cloudassistant.Session, error) {
	return w, nil
}

func (w *truthWorld) Account() string { return "1" }

const truthBurst = 10

func (w *truthWorld) DescribeInvocationResults(ctx context.Context, q cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	w.mu.Lock()
	now := time.Now()
	id := q.InvokeID + "/" + q.InstanceID
	if w.underWay[id]++; q.InvokeID != "" && w.underWay[id] > 1 {
		w.fault("%s is asked twice at once", id)
	}
	if now.Before(w.paused) {
		w.fault("%s is asked during a pause until %v", id, w.paused.Sub(w.begin))
	}
	w.calls = append(w.calls, now)
	qps := float64(w.quota) / 60
	for n := max(0, len(w.calls)-200); n < len(w.calls); n++ {
		if allowed := truthBurst + qps*now.Sub(w.calls[n]).Seconds(); float64(len(w.calls)-n) > allowed+1e-6 {
			w.fault("%d calls in %v", len(w.calls)-n, now.Sub(w.calls[n]))
			break
		}
	}
	page, err := w.answer(q, paging, now)
	takes := time.Duration(w.random.Int64N(int64(200 * time.Millisecond)))
	w.mu.Unlock()
	<-time.After(takes)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay[id]--
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if cloudassistant.ClassOf(err) == cloudassistant.ClassThrottled {
		// The answer counts from when it is there, until the minute turns that the call was counted in.
		w.paused = later(w.paused, later(now.Truncate(time.Minute).Add(time.Minute), time.Now().Add(pauseAtLeast)))
	}
	return page, err
}

func (w *truthWorld) answer(q cloudassistant.Query, paging cloudassistant.Paging, now time.Time) (*cloudassistant.Page, error) {
	if err := w.refuse(paging, now); err != nil {
		return nil, err
	}
	list := w.list(q, now)
	start := w.startOf(list, paging.NextToken)
	page := &cloudassistant.Page{RequestID: "r"}
	for n := start; n < len(list); n++ {
		if len(page.Records) == paging.MaxResults {
			page.NextToken = strconv.Itoa(n)
			if w.keyset && w.order != shuffled {
				page.NextToken = fmt.Sprintf("after %d", slices.Index(w.rows, list[n-1]))
			}
			break
		}
		page.Records = append(page.Records, list[n].record(now))
	}
	page.Bytes = int64(600 * len(page.Records))
	return page, nil
}

// refuse is how a call fails, if it does.
func (w *truthWorld) refuse(paging cloudassistant.Paging, now time.Time) error {
	if minute := now.Truncate(time.Minute); !minute.Equal(w.minute) {
		w.minute, w.used = minute, 0
		if w.faults > 0 && now.Sub(w.begin) < 10*time.Minute {
			// Somebody else uses the quota, too.
			w.used = w.random.IntN(w.quota)
		}
	}
	if w.used++; w.used > w.quota {
		return failureOf(cloudassistant.ClassThrottled)
	}
	if now.Sub(w.begin) < 10*time.Minute && w.random.Float64() < w.faults {
		classes := []cloudassistant.Class{
			cloudassistant.ClassUnavailable, cloudassistant.ClassUnavailable, cloudassistant.ClassUnavailable,
			cloudassistant.ClassDenied, cloudassistant.ClassInvalid,
		}
		if paging.NextToken != "" {
			classes = append(classes, cloudassistant.ClassTokenExpired, cloudassistant.ClassTokenExpired)
		}
		return failureOf(classes[w.random.IntN(len(classes))])
	}
	return nil
}

// list are the rows that answer a question.
func (w *truthWorld) list(q cloudassistant.Query, now time.Time) []*truthRow {
	var list []*truthRow
	for _, row := range w.rows {
		switch {
		case now.Before(row.visibleAt), !row.run.goneAt.IsZero() && !now.Before(row.run.goneAt),
			q.InvokeID != "" && row.run.id != q.InvokeID,
			q.InstanceID != "" && row.instance != q.InstanceID,
			q.CommandID != "" && row.run.command != q.CommandID,
			q.InvokeRecordStatus != "" && row.run.recordStatus(now) != q.InvokeRecordStatus:
			continue
		}
		list = append(list, row)
	}
	if q.InvokeID == "" || w.order != shuffled {
		w.sort(list) // else even the walk over one run would miss rows
	}
	return list
}

// startOf is where the page of a token begins.
func (w *truthWorld) startOf(list []*truthRow, token string) int {
	start := 0
	if token != "" {
		if id, isKey := strings.CutPrefix(token, "after "); isKey {
			n, _ := strconv.Atoi(id)
			last := w.rows[n]
			start, _ = slices.BinarySearchFunc(list, last, w.compare)
			if start < len(list) && list[start] == last {
				start++
			}
		} else {
			start, _ = strconv.Atoi(token)
		}
	}
	return start
}

func (w *truthWorld) sort(list []*truthRow) {
	if w.order == shuffled {
		w.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return
	}
	slices.SortFunc(list, w.compare)
}

func (w *truthWorld) compare(a, b *truthRow) int {
	byRun := cmp.Or(b.run.created.Compare(a.run.created), strings.Compare(a.run.id, b.run.id), strings.Compare(a.instance, b.instance))
	switch w.order {
	case oldestFirst:
		return -byRun
	case byInstance:
		return cmp.Or(strings.Compare(a.instance, b.instance), byRun)
	}
	return byRun
}
