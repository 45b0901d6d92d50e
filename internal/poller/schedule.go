package poller

import (
	"math"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// growth is the factor between two intervals without a change.
	growth = 1.5
	// spread is the share by which jitter lengthens or shortens an interval, so that questions that began
	// together do not stay together.
	spread = 0.1

	// overdueIntervals and overdueAtLeast say how late an answer may be before that is worth telling.
	overdueIntervals = 3
	overdueAtLeast   = 2 * time.Minute

	// pauseAtLeast keeps a header of a few milliseconds from turning a throttled bucket into a busy loop.
	pauseAtLeast = time.Second
	// pauseSpread is the most that jitter adds to a pause, so that the operators that share an account do not
	// all come back in the same instant.
	pauseSpread = time.Second
)

// outcome is what an attempt came to, as far as the schedule cares.
type outcome int

const (
	// outcomeNone: not asked yet.
	outcomeNone outcome = iota
	outcomeChanged
	outcomeUnchanged
	// outcomeThrottled: the bucket says when to ask again.
	outcomeThrottled
	outcomeUnavailable
	outcomeDenied
	outcomeInvalid
)

func outcomeOf(class cloudassistant.Class) outcome {
	switch class {
	case cloudassistant.ClassThrottled:
		return outcomeThrottled
	case cloudassistant.ClassDenied:
		return outcomeDenied
	case cloudassistant.ClassInvalid:
		return outcomeInvalid
	}
	return outcomeUnavailable
}

// retries are the delays after failures, doubling from first to most. What somebody must mend is asked again
// rarely, but it is: it heals by itself then.
var retries = map[outcome]struct{ first, most time.Duration }{
	outcomeUnavailable: {2 * time.Second, 2 * time.Minute},
	outcomeDenied:      {30 * time.Second, 10 * time.Minute},
	outcomeInvalid:     {10 * time.Minute, 30 * time.Minute},
}

// bounds are the least and the most time between an answer and the next call.
type bounds struct {
	min, max time.Duration
}

// delay says how long to wait after an attempt: 0 after none and after a throttle answer, whose bucket knows
// better. streak counts the outcomes of the same kind in a row before this one; jitter is a sample of [0, 1).
// After an answer the delay is within b, after a failure within 10 % of the class's own delays.
func delay(b bounds, o outcome, streak int, jitter float64) time.Duration {
	shake := 1 - spread + 2*spread*jitter
	switch o {
	case outcomeChanged, outcomeUnchanged:
		rounds := 0
		if o == outcomeUnchanged {
			rounds = streak + 1
		}
		// Room for the jitter below the maximum: clamped to it, half of the questions would fall into step.
		ceiling := max(float64(b.min), float64(b.max)/(1+spread))
		planned := min(float64(b.min)*math.Pow(growth, float64(rounds)), ceiling)
		return min(max(time.Duration(planned*shake), b.min), b.max)
	case outcomeUnavailable, outcomeDenied, outcomeInvalid:
		retry := retries[o]
		planned := min(float64(retry.first)*math.Pow(2, float64(streak)), float64(retry.most))
		return time.Duration(planned * shake)
	}
	return 0
}

// plan is the latest outcome in a series of attempts, and thereby when to try again.
type plan struct {
	from    time.Time
	outcome outcome
	streak  int
	jitter  float64
}

// after is the plan that follows p when an attempt that ended at now came to o.
func (p plan) after(now time.Time, o outcome, jitter float64) plan {
	next := plan{from: now, outcome: o, jitter: jitter}
	if o == p.outcome {
		next.streak = p.streak + 1
	}
	return next
}

func (p plan) due(b bounds) time.Time {
	return p.from.Add(delay(b, p.outcome, p.streak, p.jitter))
}

// interval is the planned time between two answers, b.min before the first.
func (p plan) interval(b bounds) time.Duration {
	return max(delay(b, p.outcome, p.streak, p.jitter), b.min)
}

// overdueAt says when an answer that was due is missed.
func overdueAt(due time.Time, interval time.Duration) time.Time {
	return due.Add(max(overdueIntervals*interval, overdueAtLeast))
}

// pauseEnd says until when a throttled bucket rests: as long as the API asked for or, if it did not say, until
// the minute turns in which the call was made, when the vendor counts anew: that may have been while the answer was under
// way. It rests up to a second longer, by jitter of [0, 1).
func pauseEnd(now, made time.Time, retryAfter time.Duration, jitter float64) time.Time {
	// A time counted from now, unlike the minute itself, is not moved by a step of the wall clock.
	rest := made.Truncate(time.Minute).Add(time.Minute).Sub(made) - now.Sub(made)
	if retryAfter > 0 {
		rest = retryAfter
	}
	return now.Add(max(rest, pauseAtLeast) + time.Duration(jitter*float64(pauseSpread)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
