package poller

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/time/rate"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Poller is the observation engine. Its methods are safe for many goroutines. It is a controller-runtime
// Runnable that runs on the elected leader only.
type Poller struct {
	sessions cloudassistant.Sessions
	options  Options
	// running counts the goroutines.
	running sync.WaitGroup

	mu sync.Mutex
	// ctx is that of Start while it runs, nil before and after. It is kept because the goroutines that Watch
	// starts live as long as Start, not as long as the call.
	ctx       context.Context
	started   bool
	interests map[Owner]*interest
	lanes     map[laneKey]*lane
	buckets   map[bucketKey]*sharedBucket
	// rumours are the hints that may be of use to those who come later, and reputations what those to each lane have been
	// worth.
	rumours     rumours
	reputations map[laneKey]*reputation
}

// bucketKey is what the API counts calls by.
type bucketKey struct {
	account, regionID string
}

// sharedBucket is a bucket with the number of attempts that use it.
type sharedBucket struct {
	*bucket
	attempts int
}

// New returns an engine that asks through sessions. Nothing is asked before Start.
func New(sessions cloudassistant.Sessions, options Options) *Poller {
	return &Poller{
		sessions:    sessions,
		options:     options.withDefaults(),
		interests:   map[Owner]*interest{},
		lanes:       map[laneKey]*lane{},
		buckets:     map[bucketKey]*sharedBucket{},
		reputations: map[laneKey]*reputation{},
	}
}

// Start asks what is watched until ctx ends, and returns nil when everything that it started has ended: no owner
// is notified after that. An engine can be started once.
func (p *Poller) Start(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	p.close()
	p.running.Wait()
	return nil
}

func (p *Poller) open(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return errors.New("poller: already started once; make a new one")
	}
	p.started = true
	p.ctx = ctx
	for _, l := range p.lanes {
		p.launch(l)
	}
	return nil
}

func (p *Poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx = nil
}

// launch starts the goroutine of a lane, if the engine runs.
func (p *Poller) launch(l *lane) {
	if ctx := p.ctx; ctx != nil {
		p.running.Go(func() { l.run(ctx) })
	}
}

// Watch declares what owner wants to know, in place of what it wanted before, and returns the newest that is
// known about it. It never waits for an answer. Declaring the same again changes nothing.
func (p *Poller) Watch(owner Owner, w Watch) Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watch(owner, w)
}

// watch is Watch under the lock.
func (p *Poller) watch(owner Owner, w Watch) Snapshot {
	query, key := canonical(w.Question)
	of := laneKey{identity: w.Identity, regionID: w.Question.RegionID}
	b := p.options.boundsOf(w)
	now := p.options.Clock.Now()
	i := p.interests[owner]
	switch {
	case i == nil || i.question.key != key || i.question.lane.key != of:
		p.leave(i)
		i = &interest{owner: owner, bounds: b, own: w.MaxInterval}
		p.interests[owner] = i
		q := p.question(of, key, query, w.Tenant)
		if len(q.interests) == 0 {
			q.knowledge, q.since = ignorance(now), now
		}
		q.join(i)
		if len(q.interests) == 1 {
			q.await(q.surveyed() && q.lane.surveying() && q.lane.surveyFailures == 0 && !q.lane.newcomers.AllowN(now, 1))
			q.hear(now)
		}
		q.want(i, w, b, now)
		q.lane.plan(q)
	case i.history != w.History || i.limit != w.HistoryLimit || i.bounds != b || i.own != w.MaxInterval || !i.demand.Equal(w.AnswerFrom):
		i.question.want(i, w, b, now)
		i.question.lane.plan(i.question)
	case !i.judged.Equal(w.Judged):
		leaves := !i.question.leaveUntil().IsZero()
		i.judged = w.Judged
		if leaves {
			i.question.lane.plan(i.question)
		}
	}
	return i.question.snapshot(i, now)
}

// Forget ends owner's interest. When the last owner of a question leaves, what is known about it is forgotten,
// and an attempt under way is cancelled.
func (p *Poller) Forget(owner Owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(p.interests[owner])
	delete(p.interests, owner)
}

func (p *Poller) leave(i *interest) {
	if i == nil {
		return
	}
	q := i.question
	q.leave(i)
	if len(q.interests) > 0 {
		q.lane.plan(q)
		return
	}
	q.lane.drop(q)
}

// question finds a question or makes it, and its lane with it.
func (p *Poller) question(of laneKey, key questionKey, query cloudassistant.Query, tenant string) *question {
	l := p.lanes[of]
	if l == nil {
		l = &lane{poller: p, key: of, wake: make(chan struct{}, 1), questions: map[questionKey]*question{}}
		l.reputation = p.reputation(of)
		l.byRun = map[string][]*question{}
		l.newcomers = rate.NewLimiter(rate.Limit(newcomersShare*p.options.QPS), newcomersAtOnce)
		p.lanes[of] = l
		p.launch(l)
	}
	q := l.questions[key]
	if q == nil {
		q = &question{lane: l, key: key, query: query, tenant: tenant, index: -1}
		l.add(q)
	}
	return q
}

// enter finds or makes the bucket that an attempt of l takes its tickets from. exit must follow.
func (p *Poller) enter(l *lane, account string) *sharedBucket {
	key := bucketKey{account: account, regionID: l.key.regionID}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.buckets[key]
	if b == nil {
		// Accounts come and go with their credentials. A bucket at rest remembers nothing worth keeping.
		for other, unused := range p.buckets {
			if unused.attempts == 0 && unused.idle() {
				delete(p.buckets, other)
			}
		}
		b = &sharedBucket{bucket: newBucket(p.options.Clock, p.options.Jitter, p.options.QPS, p.options.Burst)}
		p.buckets[key] = b
	}
	b.attempts++
	l.bucket, l.account, l.reputation.account = b.bucket, account, account
	return b
}

func (p *Poller) exit(b *sharedBucket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.attempts--
}

// refused takes in that a session of l could not be opened. Where that is throttled no bucket is known, so the
// lane rests as a bucket would.
func (p *Poller) refused(l *lane, err *cloudassistant.Error) *cloudassistant.Error {
	if err.Class == cloudassistant.ClassThrottled {
		p.mu.Lock()
		defer p.mu.Unlock()
		now := p.options.Clock.Now()
		end := pauseEnd(now, now, err.RetryAfter, p.options.Jitter())
		l.heldUntil = later(l.heldUntil, end)
	}
	return err
}
