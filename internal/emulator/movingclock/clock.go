// Package movingclock has a clock that follows another one and can be moved ahead of it, with all timers and tickers set
// on it: so hours of schedules, timeouts and retention pass in a moment, while the clock below stays what it is.
package movingclock

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// Clock runs as its base does, ahead of it by the sum of all Advance. It is safe for many goroutines. The operator can
// run on the clock of an emulator, so that both see the same time pass.
type Clock struct {
	base clock.WithDelayedExecution
	// ahead is the sum of all Advance, in nanoseconds.
	ahead atomic.Int64
	// mu makes Advance wait for a timer that is being set, and the other way round. It is not held where a timer
	// fires: the base may hold a lock of its own there.
	mu sync.Mutex
	// timers holds every *timer that may still fire.
	timers sync.Map
}

var _ clock.WithTicker = (*Clock)(nil)

// New makes a clock that shows the time of base.
func New(base clock.WithDelayedExecution) *Clock { return &Clock{base: base} }

// Base is the clock below, which Advance does not move.
func (c *Clock) Base() clock.PassiveClock { return c.base }

// Ahead is the sum of all Advance.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Now is the time of the base, and all Advance added.
func (c *Clock) Now() time.Time { return c.base.Now().Add(c.Ahead()) }

// Since is how long ago a time of this clock is.
func (c *Clock) Since(at time.Time) time.Duration { return c.Now().Sub(at) }

// Advance moves the clock ahead at once. When it returns, every timer that has become due has fired, and every ticker
// has ticked once, however often it should have. A negative
// duration is refused: time that goes back would undo what has happened. So is one that makes Ahead more than a
// time.Duration holds.
func (c *Clock) Advance(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("the clock cannot go back by %v; give a duration that is not negative", -d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := math.MaxInt64 - c.Ahead(); d > left {
		return fmt.Errorf("the clock cannot be advanced by %v; it is ahead by %v, and %v more is the most", d, c.Ahead(), left)
	}
	c.ahead.Add(int64(d))
	now := c.Now()
	for t := range c.timers.Range {
		t.(*timer).arm(now)
	}
	return nil
}

// NewTimer makes a timer that fires once d has passed on this clock, at once if d is not positive.
func (c *Clock) NewTimer(d time.Duration) clock.Timer { return c.set(d, 0) }

// After is the channel of a new timer.
func (c *Clock) After(d time.Duration) <-chan time.Time { return c.NewTimer(d).C() }

// Sleep returns once d has passed on this clock.
func (c *Clock) Sleep(d time.Duration) { <-c.After(d) }

// NewTicker makes a ticker of an interval, which must be positive. What nobody has received yet when the next tick comes
// stands for both.
func (c *Clock) NewTicker(interval time.Duration) clock.Ticker {
	if interval <= 0 {
		panic("movingclock: the interval of a ticker must be positive")
	}
	return ticker{c.set(interval, interval)}
}

// Tick is the channel of a new ticker that cannot be stopped; nil, which never ticks, if the interval is not positive.
func (c *Clock) Tick(interval time.Duration) <-chan time.Time {
	if interval <= 0 {
		return nil
	}
	return c.NewTicker(interval).C()
}

// set makes a timer that fires after d and, if every is positive, again and again.
func (c *Clock) set(d, every time.Duration) *timer {
	t := &timer{clock: c, every: every, fired: make(chan time.Time, 1)}
	t.Reset(d)
	return t
}
