package poller

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"
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
	// listed is both of them as they were last listed, listedOthers of them others.
	listed       []*townRun
	listedOthers int
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
	// command is one of its own unless given.
	command string
}

func (r *townRun) commandID() string { return cmp.Or(r.command, "c-"+r.id) }

func (r *townRun) record() cloudassistant.Record {
	record := cloudassistant.Record{
		InvokeID: r.id, InstanceID: "i-" + r.id, CommandID: r.commandID(), StartTime: r.started, Repeats: r.repeats,
		InvocationStatus: r.status, InvokeRecordStatus: r.recordStatus(),
	}
	if r.status == cloudassistant.StatusScheduled && r.repeats == 0 {
		// It has not run yet.
		record.StartTime = time.Time{}
	}
	return record
}

func (r *townRun) recordStatus() cloudassistant.InvokeRecordStatus {
	if r.status.Terminal() {
		return cloudassistant.RecordFinished
	}
	return cloudassistant.RecordRunning
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
	c.watchAll(c.runs)
}

// watchAll has these runs watched from the same moment on.
func (c *town) watchAll(runs []*townRun) {
	c.atOnce(func(p *Poller) {
		for _, run := range runs {
			p.watch(Owner(run.id), about(run.id))
		}
	})
}

// hintAll hints at the ends of these runs in the same moment.
func (c *town) hintAll(runs []*townRun) {
	c.atOnce(func(p *Poller) {
		for _, run := range runs {
			p.nudge(hint(run.id, "i-"+run.id))
		}
	})
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
	skip, _ := strconv.Atoi(asked.paging.NextToken)
	r, next := reply{bytes: c.bytes}, skip+asked.paging.MaxResults
	for _, run := range c.newestFirst() {
		if q.InvokeRecordStatus != "" && q.InvokeRecordStatus != run.recordStatus() || q.CommandID != "" && q.CommandID != run.commandID() {
			continue
		}
		switch {
		case skip > 0:
			skip--
		case len(r.records) == asked.paging.MaxResults:
			r.next = strconv.Itoa(next)
			return r
		default:
			r.records = append(r.records, run.record())
		}
	}
	return r
}

// newestFirst is everybody's runs by their begin. To sort again what was sorted before is quick.
func (c *town) newestFirst() []*townRun {
	own := len(c.listed) - c.listedOthers
	c.listed = append(append(c.listed, c.others[c.listedOthers:]...), c.runs[own:]...)
	c.listedOthers = len(c.others)
	slices.SortStableFunc(c.listed, func(a, b *townRun) int { return b.started.Compare(a.started) })
	return c.listed
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
