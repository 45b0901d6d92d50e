// Package fastclock has a clock that runs faster than real time, the same in every process that is given its origin
// and pace: hours of waiting pass in minutes, and what is computed takes the real time that it takes.
package fastclock

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Clock runs at a pace. It is safe for many goroutines.
type Clock struct {
	pace Pace
	// began is a moment with a reading of the monotonic clock, which was past after the origin.
	began time.Time
	past  time.Duration
}

var _ clock.WithTickerAndDelayedExecution = (*Clock)(nil)

// New makes a clock that showed real time at the origin, and has run at pace since. At the pace of real time it is the
// real clock itself, so that whoever treats that in a special way does so.
func New(origin time.Time, pace Pace) clock.WithTickerAndDelayedExecution {
	if pace.IsReal() {
		return clock.RealClock{}
	}
	began := time.Now()
	return &Clock{pace: pace, began: began, past: began.Sub(origin)}
}

// Real is how much real time passes while d passes on c, from now on.
func Real(c clock.PassiveClock, d time.Duration) time.Duration {
	if fast, ok := c.(*Clock); ok {
		return fast.real(d)
	}
	return d
}

func (c *Clock) elapsed() time.Duration { return c.past + time.Since(c.began) }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time { return c.began.Add(c.pace.ahead(c.elapsed()) - c.past) }

// Since is how long ago a time of this clock is.
func (c *Clock) Since(at time.Time) time.Duration { return c.Now().Sub(at) }

func (c *Clock) real(d time.Duration) time.Duration {
	elapsed := c.elapsed()
	return max(c.pace.takes(c.pace.ahead(elapsed)+d)-elapsed, 0)
}

// After is the channel of a new timer.
func (c *Clock) After(d time.Duration) <-chan time.Time { return c.NewTimer(d).C() }

// Sleep returns when d has passed on the clock.
func (c *Clock) Sleep(d time.Duration) { time.Sleep(c.real(d)) }

// NewTimer makes a timer that fires when d has passed on the clock.
func (c *Clock) NewTimer(d time.Duration) clock.Timer {
	fired := make(chan time.Time, 1)
	return &timer{clock: c, fired: fired, alarm: time.AfterFunc(c.real(d), func() { c.tell(fired) })}
}

// AfterFunc calls f when d has passed on the clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) clock.Timer {
	return &timer{clock: c, alarm: time.AfterFunc(c.real(d), f)}
}

// Tick is the channel of a ticker that nobody can stop.
func (c *Clock) Tick(d time.Duration) <-chan time.Time { return c.NewTicker(d).C() }

// NewTicker makes a ticker that ticks whenever d has passed on the clock.
func (c *Clock) NewTicker(d time.Duration) clock.Ticker {
	t := &ticker{clock: c, every: d, ticked: make(chan time.Time, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alarm = time.AfterFunc(c.real(d), t.tick)
	return t
}

// tell sends the time, unless the one before was not taken yet.
func (c *Clock) tell(to chan<- time.Time) {
	select {
	case to <- c.Now():
	default:
	}
}

type timer struct {
	clock *Clock
	alarm *time.Timer
	// fired is nil where a function is called instead.
	fired chan time.Time
}

func (t *timer) C() <-chan time.Time { return t.fired }

func (t *timer) Stop() bool { return t.alarm.Stop() }

func (t *timer) Reset(d time.Duration) bool { return t.alarm.Reset(t.clock.real(d)) }

type ticker struct {
	clock  *Clock
	every  time.Duration
	ticked chan time.Time

	mu      sync.Mutex
	alarm   *time.Timer
	stopped bool
}

func (t *ticker) C() <-chan time.Time { return t.ticked }

func (t *ticker) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.alarm.Stop()
}

func (t *ticker) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.clock.tell(t.ticked)
	t.alarm.Reset(t.clock.real(t.every))
}
