// Package movingclock has a clock that follows another one and can be moved ahead of it, with all timers set on it:
// so hours of schedules, timeouts and retention pass in a moment, while the clock below stays what it is.
package movingclock

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// Clock runs as its base does, ahead of it by the sum of all Advance. It is safe for many goroutines. Of clock.Clock
// it has what the emulator uses.
type Clock struct {
	base clock.WithDelayedExecution
	// ahead is the sum of all Advance, in nanoseconds.
	ahead atomic.Int64
	// mu makes Advance wait for a timer that is being set, and the other way round. It is not held where a timer
	// fires: the base may hold a lock of its own there.
	mu sync.Mutex
	// timers holds every *Timer that may still fire.
	timers sync.Map
}

var _ clock.PassiveClock = (*Clock)(nil)

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

// Advance moves the clock ahead at once. When it returns, every timer that has become due has fired. A negative
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
		t.(*Timer).arm(now)
	}
	return nil
}

// NewTimer makes a timer that fires once d has passed on this clock, at once if d is not positive.
func (c *Clock) NewTimer(d time.Duration) *Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	t := &Timer{clock: c, due: now.Add(d), fired: make(chan time.Time, 1)}
	c.timers.Store(t, struct{}{})
	t.arm(now)
	return t
}

// Timer is a timer of a Clock.
type Timer struct {
	clock *Clock
	due   time.Time
	fired chan time.Time
	// over is set by whoever fires or stops the timer first.
	over atomic.Bool
	// alarm wakes the timer by the base. Clock.mu guards it.
	alarm clock.Timer
}

// C gets the time that the timer was set for, once it is due.
func (t *Timer) C() <-chan time.Time { return t.fired }

// Stop keeps the timer from firing; false if it has fired or was stopped already.
func (t *Timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.alarm != nil {
		t.alarm.Stop()
	}
	t.clock.timers.Delete(t)
	return !t.over.Swap(true)
}

// arm sets the alarm anew for what is left at now. The caller holds Clock.mu.
func (t *Timer) arm(now time.Time) {
	if t.alarm != nil {
		t.alarm.Stop()
	}
	if left := t.due.Sub(now); left > 0 {
		t.alarm = t.clock.base.AfterFunc(left, t.fire)
		return
	}
	t.fire()
}

// fire is called by the base, which may hold a lock of its own then, so it calls nothing of it.
func (t *Timer) fire() {
	if !t.over.Swap(true) {
		t.fired <- t.due
		t.clock.timers.Delete(t)
	}
}
