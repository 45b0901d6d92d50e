package poller

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// outageFrom is how many failures in a row, of different questions, are taken for an outage of the API.
	outageFrom = 3
	// outageAtMost is the longest wait between two calls during an outage.
	outageAtMost = 10 * time.Second
	// putOffAtMost is how long after its first failure a question is left to surveys at most.
	putOffAtMost = 30 * time.Second
)

// outage is a series of failures of a lane's calls that nobody in particular is to blame for. While it lasts one call at
// a time finds out whether it is over, instead of one for each question; its end brings all of them forward.
type outage struct {
	failures int
	// last is whose call failed last; nil is a survey's.
	last    *question
	failure *Failure
	until   time.Time
	// denials counts the calls that were denied since the latest that was not.
	denials int
}

// lasts says whether there is an outage.
func (o *outage) lasts() bool { return o.failures >= outageFrom }

// failed takes in a failed call of a question, or of a survey if q is nil.
func (l *lane) failed(q *question, err *cloudassistant.Error, began, now time.Time) {
	o := &l.outage
	if kind := outcomeOf(err.Class); kind != outcomeUnavailable {
		l.reached(now)
		if kind == outcomeDenied {
			o.denials++
		}
		return
	}
	if o.failures == 0 || o.last != q || o.lasts() {
		o.failures++
	}
	o.last, o.failure = q, o.failure.followedBy(err, began, now)
	if o.lasts() {
		wait := delay(bounds{}, outcomeUnavailable, o.failures-outageFrom, l.poller.options.Jitter())
		o.until = now.Add(min(wait, outageAtMost))
	}
}

// passed takes in a call that the API answered. Where all were denied before, their credentials have been mended: whoever
// was denied does not wait for its own turn, which may be ten minutes away.
func (l *lane) passed(now time.Time) {
	healed := l.outage.denials >= outageFrom
	l.reached(now)
	l.outage.denials = 0
	if healed {
		l.bringForward(outcomeDenied, now)
	}
}

// reached takes in that the API can be reached, if only to refuse.
func (l *lane) reached(now time.Time) {
	lasted := l.outage.lasts()
	l.outage = outage{denials: l.outage.denials}
	if !lasted {
		return
	}
	if l.surveying() && l.survey == nil {
		l.nextSurvey = now
	}
	l.bringForward(outcomeUnavailable, now)
}

// survives says whether a question that failed in an outage is left to the survey after it, which tells of most, sooner and
// for less. It is not for long: where one outage follows another, the survey may fail each time.
func (q *question) survives(now time.Time) bool {
	return q.counted && q.failure != nil && outcomeOf(q.failure.Err.Class) == outcomeUnavailable &&
		!q.sought && !q.forced && now.Sub(q.failure.Since) < putOffAtMost
}

// putOff says that the question failed and is planned without regard to that.
func (q *question) putOff() bool { return q.failure != nil && q.failed.outcome == outcomeNone }

// bringForward has questions that failed like that asked again from then on.
func (l *lane) bringForward(kind outcome, from time.Time) {
	for _, q := range l.questions {
		// Whoever is due already keeps its place before those who are not.
		if q.failure != nil && outcomeOf(q.failure.Err.Class) == kind && q.due.After(from) {
			q.failed = plan{from: from}
			l.plan(q)
		}
	}
	l.rouse()
}

// waitsOut says until when, and whether, nothing may be begun because of an outage; zero is until the call under way
// has ended.
func (l *lane) waitsOut(now time.Time) (until time.Time, yes bool) {
	switch {
	case !l.outage.lasts():
		return time.Time{}, false
	case l.attempts > 0 || l.survey != nil:
		return time.Time{}, true
	}
	return l.outage.until, now.Before(l.outage.until)
}
