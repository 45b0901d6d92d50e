package poller

import (
	"context"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// laneKey is whose questions a lane asks, and where.
type laneKey struct {
	identity cloudassistant.Identity
	regionID string
}

// lane asks the questions of one identity in one region. Lanes share nothing but their buckets, so that one
// whose calls hang delays no other. Its fields are guarded by the Poller's lock.
type lane struct {
	poller *Poller
	key    laneKey
	// wake has a token when the state has changed since the lane's goroutine last looked at it.
	wake chan struct{}

	questions map[questionKey]*question
	queue     queue
	attempts  int
	// nudged has the questions that hints led to, instead of queue; nudgedAttempts are those of attempts.
	nudged         queue
	nudgedAttempts int
	reputation     *reputation
	// trusted says that the questions are planned as if hints were trusted.
	trusted bool
	surveys
	outage outage
	// bucket is the one that the latest attempt used; nil before. It can be another one after the credentials
	// have changed, which the next attempt finds out.
	bucket *bucket
	// account is that of bucket.
	account string
	// heldUntil is when sessions may be opened again, after opening one was throttled.
	heldUntil time.Time
}

// run starts attempts when they are due, until ctx ends or the lane has no question left.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		next, more := l.advance(ctx)
		if !more {
			return
		}
		next.wait(ctx, l)
	}
}

// pending is what a lane waits for, besides being woken: a time, unless zero, or the bucket.
type pending struct {
	until time.Time
	moved <-chan struct{}
}

func (n pending) wait(ctx context.Context, l *lane) {
	var elapsed <-chan time.Time
	if !n.until.IsZero() {
		timer := l.poller.options.Clock.NewTimer(n.until.Sub(l.poller.options.Clock.Now()))
		defer timer.Stop()
		if !l.poller.options.Clock.Now().Before(n.until) {
			// A clock that was moved before the timer was set would be waited for in vain.
			return
		}
		elapsed = timer.C()
	}
	select {
	case <-ctx.Done():
	case <-l.wake:
	case <-n.moved:
	case <-elapsed:
	}
}

// advance starts the attempts that are due and may be made, and returns what to wait for then. It returns false,
// and unregisters the lane, when there is nothing left to ask.
func (l *lane) advance(ctx context.Context) (pending, bool) {
	p := l.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.questions) == 0 {
		if l.survey != nil {
			l.survey.cancel()
			return pending{}, true
		}
		delete(p.lanes, l.key)
		return pending{}, false
	}
	if l.telling {
		return pending{}, true
	}
	for {
		now := p.options.Clock.Now()
		l.judge(now)
		next, due, found := l.nextDue(now)
		switch {
		case !found:
			return l.idle(now, time.Time{}), true
		case due.After(now):
			return l.idle(now, due), true
		case l.heldUntil.After(now):
			return pending{until: l.heldUntil}, true
		}
		if until, waits := l.waitsOut(now); waits {
			return pending{until: until}, true
		}
		// Waiting here rather than in the attempts spares the sessions that they would open for nothing.
		if l.bucket != nil {
			if until, moved, blocked := l.bucket.blocked(); blocked {
				return pending{until: until, moved: moved}, true
			}
		}
		switch {
		case next == nil:
			l.startSurvey(ctx, now)
		case l.survey != nil && l.survey.moves(now) && next.survives(now):
			next.failed = plan{from: now.Add(l.roundEstimate())}
			l.plan(next)
		case l.survey != nil && l.survey.mayTellOf(next, now):
			next.leftUntil = now.Add(l.roundEstimate())
			l.plan(next)
		case l.survey != nil && l.survey.goesBefore(next, now):
			next.leftUntil = l.survey.besideFrom
			l.plan(next)
		default:
			if l.survey != nil {
				l.survey.askedBeside(next, now)
			}
			nudged := next.in == &l.nudged
			next.in.take(next)
			l.start(ctx, next, nudged)
		}
	}
}

// nextDue is what may be begun next, and when it is due: a question, or a survey if that is nil. It returns false if
// there is nothing, or no place left for it.
func (l *lane) nextDue(now time.Time) (q *question, due time.Time, found bool) {
	if l.attempts-l.nudgedAttempts < l.poller.options.Concurrency {
		q = l.queue.next(now)
	}
	if nudged := l.nextNudged(now); nudged != nil && (q == nil || nudged.due.Before(q.due)) {
		q = nudged
	}
	if q != nil {
		due = q.due
	}
	if l.surveying() && l.survey == nil {
		at := l.surveyDue(now)
		// A survey tells of many who are due, so that it does not wait for its turn; but whether an outage is over is found
		// out by a call, not by a walk.
		if q == nil || at.Before(due) || !at.After(now) && !l.outage.lasts() {
			return nil, at, true
		}
	}
	return q, due, q != nil
}

// nextNudged is what hints led to that may be begun next; nil if there is nothing, or no place left for it.
func (l *lane) nextNudged(now time.Time) *question {
	if l.nudged.empty() || l.nudgedAttempts >= l.nudgedPlaces() {
		return nil
	}
	if _, left := l.leftToSurvey(now); left {
		return nil
	}
	return l.nudged.next(now)
}

// idle waits until a time, unless zero, or until hints turn out to be missing, or the survey that hinted questions wait for
// to have got stuck.
func (l *lane) idle(now, until time.Time) pending {
	if at, waiting := l.reputation.judgeAt(); waiting && (until.IsZero() || at.Before(until)) {
		until = at
	}
	if at, left := l.leftToSurvey(now); left && (until.IsZero() || at.Before(until)) {
		until = at
	}
	return pending{until: until}
}

// start begins an attempt at q.
func (l *lane) start(ctx context.Context, q *question, nudged bool) {
	_, history := q.next()
	ctx, cancel := context.WithCancel(ctx)
	a := &attempt{
		question: q, history: history, cancel: cancel,
		began: l.poller.options.Clock.Now(), before: q.live, forced: q.forced, nudged: nudged,
	}
	if history {
		a.limit, a.known = q.historyLimit(), q.history
		if a.began.Sub(q.historyWhole) < historyWholeEvery && q.unfinished() && a.limit == q.historyKept {
			a.past = follow(q.history, q.live)
		}
	}
	q.forced = false
	q.attempt = a
	l.attempts++
	if nudged {
		l.nudgedAttempts++
	}
	l.poller.running.Go(func() { a.run(ctx) })
}

// plan puts q where it belongs in the heap, after a change of what is known or wanted.
func (l *lane) plan(q *question) {
	if q.attempt != nil {
		return
	}
	q.due, _ = q.next()
	to := &l.queue
	if q.followed() {
		to = &l.nudged
	}
	if q.in != nil && q.in != to {
		q.in.remove(q)
	}
	q.in = to
	to.put(q)
	if q.index == 0 {
		l.rouse()
	}
}

// drop removes a question that nobody wants. While an attempt at it is under way it stays, without anything
// known: should it be wanted again, it must not be asked twice at once.
func (l *lane) drop(q *question) {
	if q.attempt != nil {
		q.attempt.cancel()
		return
	}
	if q.in != nil {
		q.in.remove(q)
	}
	l.remove(q)
	l.rouse()
}

func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// trouble is what keeps all of the lane's questions from being asked; nil when nothing does.
func (l *lane) trouble() *Failure {
	if l.outage.lasts() {
		return l.outage.failure
	}
	if l.bucket != nil {
		return l.bucket.failure()
	}
	return nil
}
