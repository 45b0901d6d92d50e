package poller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const region = "cn-hangzhou"

var (
	alice = cloudassistant.Identity{Secret: "a/alice"}
	bob   = cloudassistant.Identity{Secret: "b/bob"}
)

// call is one page that the API was asked for, or one session, whose query is zero.
type call struct {
	identity cloudassistant.Identity
	query    cloudassistant.Query
	paging   cloudassistant.Paging
	at       time.Time
}

// reply is what the API makes of a call.
type reply struct {
	records []cloudassistant.Record
	next    string
	err     error
	takes   time.Duration
	bytes   int64 // 1,000 unless given
	// hangs until ctx ends, or for ever if deaf to that until the channel is closed.
	hangs bool
	deaf  chan struct{}
	panic any
}

// world is a scripted cloud in a synctest bubble, whose clock runs as fast as everybody waits. It implements
// Sessions.
type world struct {
	poller *Poller
	clock  clock.WithTicker
	end    func()

	mu sync.Mutex
	// respond scripts the API, and open the sessions; accounts are named after the identity unless listed.
	respond  func(call) reply
	open     func(call) error
	accounts map[cloudassistant.Identity]string
	// before and after are run, under the lock, when a call begins and when it has ended.
	before, after func(call)

	calls    []call
	sessions []call
	notes    map[Owner]int
	ends     map[Owner]int
	passes   int
}

// newWorld starts an engine with the given options, whose clock, jitter and Notify are the world's. It stops it
// at the end of the test.
func newWorld(t *testing.T, options Options, respond func(call) reply) *world {
	t.Helper()
	w := idleWorld(options, respond)
	w.start()
	t.Cleanup(func() { w.end() })
	return w
}

// idleWorld has an engine that is not started.
func idleWorld(options Options, respond func(call) reply) *world {
	w := &world{
		clock: clock.RealClock{}, respond: respond, notes: map[Owner]int{}, ends: map[Owner]int{},
		before: func(call) {}, after: func(call) {}, end: func() {},
	}
	if options.Clock != nil {
		w.clock = options.Clock
	}
	options.Clock = w.clock
	if options.Jitter == nil {
		options.Jitter = func() float64 { return 0.5 }
	}
	if notify := options.Notify; notify == nil {
		options.Notify = w.note
	}
	w.poller = New(w, options)
	w.poller.buckets[bucketKey{account: "of " + alice.Secret, regionID: region}] = w.fullBucket()
	return w
}

// fullBucket is one that was there for a while.
func (w *world) fullBucket() *sharedBucket {
	o := w.poller.options
	b := newBucket(o.Clock, o.Jitter, o.QPS, o.Burst)
	b.fill()
	return &sharedBucket{bucket: b}
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.poller.Start(ctx) }()
	synctest.Wait()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			panic(err)
		}
	})
}

// together does all of that before the API answers anything.
func (w *world) together(what func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what()
}

// atOnce does all of that before the engine looks at any of it. What is called in it must be the methods that need the lock.
func (w *world) atOnce(what func(p *Poller)) {
	w.poller.mu.Lock()
	defer w.poller.mu.Unlock()
	what(w.poller)
}

func (w *world) note(owner Owner, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes[owner]++
	if ended {
		w.ends[owner]++
	}
}

// told returns how often owner was notified of an end since the start.
func (w *world) told(owner Owner) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends[owner]
}

// news returns how often owner was notified since it was last asked.
func (w *world) news(owner Owner) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer delete(w.notes, owner)
	return w.notes[owner]
}

// pass lets time pass, and then everybody do what is due.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	// A timer orders nothing for the race detector, but the lock does: what a test has changed before is seen by
	// the script, which runs under it.
	w.passes++
	w.mu.Unlock()
	<-w.clock.After(d)
	synctest.Wait()
}

// took returns the calls since it was last asked.
func (w *world) took() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// opened returns the number of sessions opened since it was last asked.
func (w *world) opened() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.sessions)
	w.sessions = nil
	return n
}

// script replaces what the API replies from now on.
func (w *world) script(respond func(call) reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.respond = respond
}

// scriptSessions replaces how sessions are opened from now on.
func (w *world) scriptSessions(open func(call) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = open
}

// Session implements cloudassistant.Sessions.
func (w *world) Session(_ context.Context, identity cloudassistant.Identity, regionID string) (cloudassistant.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := call{identity: identity, query: cloudassistant.Query{RegionID: regionID}, at: w.clock.Now()}
	w.sessions = append(w.sessions, c)
	if w.open != nil {
		if err := w.open(c); err != nil {
			return nil, err
		}
	}
	account, listed := w.accounts[identity]
	if !listed {
		account = "of " + identity.Secret
	}
	return &worldSession{world: w, identity: identity, account: account}, nil
}

type worldSession struct {
	world    *world
	identity cloudassistant.Identity
	account  string
}

func (s *worldSession) Account() string { return s.account }

func (s *worldSession) DescribeInvocationResults(ctx context.Context, query cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	w := s.world
	w.mu.Lock()
	c := call{identity: s.identity, query: query, paging: paging, at: w.clock.Now()}
	w.calls = append(w.calls, c)
	w.before(c)
	r := w.respond(c)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.after(c)
	}()

	switch {
	case r.panic != nil:
		panic(r.panic)
	case r.deaf != nil:
		<-r.deaf
	case r.hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case r.takes > 0:
		select {
		case <-w.clock.After(r.takes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return &cloudassistant.Page{Records: r.records, NextToken: r.next, Bytes: cmp.Or(r.bytes, 1000)}, nil
}

// rows is a reply of one row for each status, on i-0, i-1 and so on.
func rows(query cloudassistant.Query, statuses ...cloudassistant.InvocationStatus) reply {
	var records []cloudassistant.Record
	for n, status := range statuses {
		records = append(records, cloudassistant.Record{
			InvokeID: query.InvokeID, InstanceID: fmt.Sprintf("i-%d", n), InvocationStatus: status,
		})
	}
	return reply{records: records}
}

// running replies that every run goes on, and nothing changes.
func running(c call) reply { return rows(c.query, cloudassistant.StatusRunning) }

// failing replies with a failure of a class.
func failing(class cloudassistant.Class) func(call) reply {
	return func(call) reply { return reply{err: failureOf(class)} }
}

func failureOf(class cloudassistant.Class) *cloudassistant.Error {
	return &cloudassistant.Error{Class: class, Code: "Test." + string(class), Message: "scripted"}
}

// about is a Watch of one run on behalf of alice.
func about(invokeID string) Watch {
	return Watch{Identity: alice, Question: cloudassistant.Query{RegionID: region, InvokeID: invokeID}}
}

// offsets are the times of calls, in seconds since start.
func offsets(start time.Time, calls []call) []float64 {
	seconds := make([]float64, len(calls))
	for n, c := range calls {
		seconds[n] = c.at.Sub(start).Seconds()
	}
	return seconds
}

func expectNews(t *testing.T, w *world, owner Owner, want int) {
	t.Helper()
	if got := w.news(owner); got != want {
		t.Errorf("%s was notified %d times, want %d", owner, got, want)
	}
}

func expectCalls(t *testing.T, calls []call, want int) {
	t.Helper()
	if len(calls) != want {
		t.Errorf("%d calls, want %d: %v", len(calls), want, calls)
	}
}

func expectOffsets(t *testing.T, got, want []float64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("called at %v s, want %v s", got, want)
	}
}

func expectClass(t *testing.T, s Snapshot, want cloudassistant.Class) {
	t.Helper()
	switch {
	case want == "" && s.Failure != nil:
		t.Errorf("failure %v, want none", s.Failure.Err)
	case want != "" && (s.Failure == nil || s.Failure.Err.Class != want):
		t.Errorf("failure %+v, want one of class %s", s.Failure, want)
	}
}
