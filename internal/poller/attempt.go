package poller

import (
	"context"
	"errors"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// attempt asks one question once. It ends with the question's owners told; only then may the question be asked
// again, so that the news of a question come one after the other.
type attempt struct {
	question *question
	history  bool
	cancel   context.CancelFunc
	began    time.Time
	// before is the live answer that was known when it began.
	before *cloudassistant.Answer
	// forced says that it used up question.forced.
	forced bool
	// nudged says that it has a place of those that hints led to.
	nudged bool
	// past follows the walk of a history that goes on from what was known; nil reads all. limit is how many outputs of
	// it are kept for each place.
	past  *pastWalk
	limit int
	known *cloudassistant.Answer
}

// result is what an attempt came to: an answer; or a failure; or neither, when the bucket rested.
type result struct {
	answer *cloudassistant.Answer
	err    *cloudassistant.Error
}

func (a *attempt) run(ctx context.Context) {
	defer a.cancel()
	p := a.question.lane.poller
	r := a.ask(ctx)
	// Comparing may take a while, so it is done before the lock is taken; nobody else replaces the answers of
	// a question while it is asked.
	differs, moved := true, true
	if !a.history && r.answer != nil && a.before != nil {
		differs = a.before.Complete != r.answer.Complete || changed(a.before.Records, r.answer.Records)
		moved = differs && progressed(a.before.Records, r.answer.Records)
	}
	ended := !a.history && r.answer != nil && r.answer.Complete && hasEnded(r.answer.Records)
	for _, owner := range a.settle(ctx, r, differs, moved) {
		p.options.Notify(owner, ended)
	}
	a.end()
}

// ask opens a session and walks the pages. Nothing it runs into escapes as a panic.
func (a *attempt) ask(ctx context.Context) (r result) {
	defer func() {
		if recovered := recover(); recovered != nil {
			r = result{err: panicError(recovered)}
		}
	}()
	l := a.question.lane
	p := l.poller
	session, err := p.sessions.Session(ctx, l.key.identity, l.key.regionID)
	if err != nil {
		return result{err: p.refused(l, asError(err))}
	}
	b := p.enter(l, session.Account())
	defer p.exit(b)
	query := a.question.query
	query.IncludeHistory = a.history
	metered := &meteredAPI{api: session, bucket: b.bucket, clock: p.options.Clock}
	options := cloudassistant.WalkOptions{
		MaxResults: p.options.pageRows, MaxPages: p.options.MaxPages, MaxBytes: p.options.MaxBytes, Clock: p.options.Clock,
	}
	if a.past != nil {
		options.Enough = a.past.enough
	}
	answer, err := cloudassistant.Walk(ctx, metered, query, options)
	switch {
	case err == nil:
		a.walked(answer)
		dropPartialOutput(answer.Records)
		if a.past != nil && !answer.Complete {
			answer = joinHistory(answer, a.known)
		}
		if a.history {
			trimHistory(answer, a.limit)
		}
		return result{answer: answer}
	case metered.paused:
		// Somebody else got the throttle answer: one call is told, not all that wait. The lane knows the bucket
		// now, and waits for it.
		return result{}
	}
	return result{err: asError(err)}
}

// dropPartialOutput forgets what commands have printed so far. Nobody shows it before they end, and it would fill
// the memory: 100 instances of a chatty run hold 2.4 MB.
func dropPartialOutput(records []cloudassistant.Record) {
	for i := range records {
		if record := &records[i]; record.InvocationStatus.Outcome() == cloudassistant.OutcomeRunning {
			record.Output = nil
		}
	}
}

// settle takes the result in and returns the owners to tell. What comes after ctx has ended concerns nobody.
func (a *attempt) settle(ctx context.Context, r result, differs, moved bool) []Owner {
	q := a.question
	p := q.lane.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	now, jitter := p.options.Clock.Now(), p.options.Jitter()
	if r.err != nil {
		q.lane.failed(q, r.err, a.began, now)
	} else if r.answer != nil {
		q.lane.passed(now)
	}
	switch {
	case r.answer != nil && a.history:
		if a.past == nil {
			q.historyWhole, q.historyKept = now, a.limit
		}
		return q.answeredHistory(r.answer)
	case r.answer != nil:
		owners := q.answeredLive(r.answer, differs, moved, now, jitter)
		q.settled = r.answer.Complete && r.answer.StartedAt.Sub(q.bornAt()) >= settledAge
		if r.answer.Complete && len(r.answer.Records) > 0 && !q.checked {
			q.unchecked = r.answer
		}
		return owners
	case r.err != nil && a.history:
		return q.failedHistory(r.err, a.began, now, jitter)
	case r.err != nil:
		return q.failedLive(r.err, a.began, now, jitter)
	}
	q.forced = q.forced || a.forced
	return nil
}

// end frees the question and the lane for the next attempt.
func (a *attempt) end() {
	q := a.question
	l := q.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	q.attempt = nil
	l.attempts--
	if a.nudged {
		l.nudgedAttempts--
	}
	if len(q.interests) == 0 {
		l.drop(q)
	} else {
		l.plan(q)
	}
	l.rouse()
}

// meteredAPI takes a ticket of the bucket for every page.
type meteredAPI struct {
	api    cloudassistant.API
	bucket *bucket
	clock  clock.PassiveClock
	// paused says that a page was not asked for, because the bucket rests.
	paused bool
	// began is when the latest page was asked for.
	began time.Time
}

// errUnfinished stands for the outcome of a call that panicked.
var errUnfinished = errors.New("the call did not return")

// DescribeInvocationResults implements cloudassistant.API.
func (m *meteredAPI) DescribeInvocationResults(ctx context.Context, query cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	t, err := m.bucket.take(ctx)
	if err != nil {
		m.paused = errors.Is(err, errPaused)
		return nil, err
	}
	outcome := errUnfinished
	defer func() { m.bucket.give(t, outcome) }()
	m.began = m.clock.Now()
	page, outcome := m.api.DescribeInvocationResults(ctx, query, paging)
	return page, outcome
}
