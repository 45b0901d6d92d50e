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

// longHistory is an API with one scheduled run whose earlier runs fill many pages.
type longHistory struct {
	live    []cloudassistant.Record
	earlier []cloudassistant.Record // in the order of the list
}

// run adds a run on an instance, in front of the list, and makes the live row tell of it.
func (h *longHistory) run(instance string, began time.Time) {
	i := slices.IndexFunc(h.live, func(r cloudassistant.Record) bool { return r.InstanceID == instance })
	if i < 0 {
		i = len(h.live)
		h.live = append(h.live, cloudassistant.Record{InvokeID: "t-1", InstanceID: instance, InvocationStatus: cloudassistant.StatusScheduled})
	}
	h.live[i].Repeats++
	h.live[i].StartTime = began
	past := h.live[i]
	past.InvocationStatus, past.Output = cloudassistant.StatusSuccess, []byte("out of "+began.String())
	h.earlier = slices.Insert(h.earlier, 0, past)
}

func (h *longHistory) respond(c call) reply {
	if !c.query.IncludeHistory {
		return reply{records: slices.Clone(h.live)}
	}
	start, _ := strconv.Atoi(c.paging.NextToken)
	end := min(start+c.paging.MaxResults, len(h.earlier))
	r := reply{records: slices.Clone(h.earlier[start:end])}
	if end < len(h.earlier) {
		r.next = strconv.Itoa(end)
	}
	return r
}

func aboutLongHistory(limit int) Watch {
	watch := aboutHistory()
	watch.HistoryLimit = limit
	watch.MinInterval, watch.MaxInterval = time.Second, time.Second
	return watch
}

// pages is how many pages of history were asked for since the last time.
func pages(w *world) int {
	n := 0
	for _, c := range w.took() {
		if c.query.IncludeHistory {
			n++
		}
	}
	return n
}

func expectPages(t *testing.T, w *world, what string, want int) {
	t.Helper()
	if got := pages(w); got != want {
		t.Errorf("%s: %d pages of history, want %d", what, got, want)
	}
}

// Ten thousand earlier runs are read once, as far as the budget goes, and each further run costs a page.
func TestALongHistoryIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &longHistory{}
		w := newWorld(t, Options{QPS: 1000, Burst: 1000}, h.respond)
		now := w.clock.Now()
		for n := range 10_000 {
			h.run("i-1", now.Add(time.Duration(n-10_000)*time.Minute))
		}
		w.poller.Watch("a", aboutLongHistory(10))
		w.pass(500 * time.Millisecond)
		expectPages(t, w, "at first", 40)
		for n := range 5 {
			h.run("i-1", w.clock.Now())
			w.pass(2 * time.Second)
			expectPages(t, w, fmt.Sprint("after run ", n), 1)
		}
		s := w.poller.Watch("a", aboutLongHistory(10))
		if len(s.History.Records) != 2005 || s.History.Complete {
			t.Errorf("%d earlier runs are known, complete %v; want the 2000 of the budget and 5", len(s.History.Records), s.History.Complete)
		}
		kept := 0
		for i := range s.History.Records {
			if s.History.Records[i].Output != nil {
				kept++
			}
		}
		if kept != 11 {
			t.Errorf("%d outputs are kept in memory, want 10 and that of the newest run", kept)
		}
		// Who wants more, and the hour, have all of it read again.
		w.poller.Watch("a", aboutLongHistory(20))
		h.run("i-1", w.clock.Now())
		w.pass(2 * time.Second)
		expectPages(t, w, "with another limit", 40)
		w.pass(time.Hour)
		h.run("i-1", w.clock.Now())
		w.pass(2 * time.Second)
		expectPages(t, w, "an hour later", 40)
	})
}

// What a walk is ended by is joined with what was known: nothing is lost, nothing comes twice, and a whole stays whole.
func TestTheNewestPagesAreJoinedWithTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &longHistory{}
		w := newWorld(t, Options{QPS: 1000, Burst: 1000}, h.respond)
		now := w.clock.Now()
		for n := range 200 {
			h.run(fmt.Sprintf("i-%d", n%3), now.Add(time.Duration(n-200)*time.Minute))
		}
		w.poller.Watch("a", aboutLongHistory(10))
		w.pass(500 * time.Millisecond)
		expectPages(t, w, "at first", 4)
		for n := range 70 {
			h.run("i-0", now.Add(time.Duration(n)*time.Second))
		}
		w.pass(2 * time.Second)
		expectPages(t, w, "after 70 runs", 2)
		s := w.poller.Watch("a", aboutLongHistory(10))
		seen := map[pastRun]bool{}
		for i := range s.History.Records {
			seen[pastRunOf(&s.History.Records[i])] = true
		}
		if len(seen) != 270 || len(s.History.Records) != 270 || !s.History.Complete {
			t.Errorf("%d runs, %d of them different, complete %v; want 270", len(s.History.Records), len(seen), s.History.Complete)
		}
	})
}

// Nothing follows from what is known where the list is not sorted: all of it is read.
func TestAnUnsortedHistoryIsReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &longHistory{}
		w := newWorld(t, Options{QPS: 1000, Burst: 1000}, h.respond)
		now := w.clock.Now()
		for n := range 200 {
			h.run("i-1", now.Add(time.Duration(n-200)*time.Hour))
		}
		slices.Reverse(h.earlier)
		w.poller.Watch("a", aboutLongHistory(10))
		w.pass(500 * time.Millisecond)
		expectPages(t, w, "at first", 4)
		h.run("i-1", w.clock.Now())
		h.earlier = append(h.earlier[1:], h.earlier[0])
		w.pass(2 * time.Second)
		expectPages(t, w, "oldest first", 5)
		if s := w.poller.Watch("a", aboutLongHistory(10)); len(s.History.Records) != 201 {
			t.Errorf("%d runs are known, want 201", len(s.History.Records))
		}
	})
}

// Of a run that has ended the whole history is read: nobody will ask again.
func TestTheEndReadsTheWholeHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &longHistory{}
		w := newWorld(t, Options{QPS: 1000, Burst: 1000}, h.respond)
		now := w.clock.Now()
		for n := range 200 {
			h.run("i-1", now.Add(time.Duration(n-200)*time.Minute))
		}
		w.poller.Watch("a", aboutLongHistory(10))
		w.pass(500 * time.Millisecond)
		expectPages(t, w, "at first", 4)
		h.live[0].InvocationStatus = cloudassistant.StatusTerminated
		w.pass(2 * time.Second)
		expectPages(t, w, "at the end", 4)
	})
}
