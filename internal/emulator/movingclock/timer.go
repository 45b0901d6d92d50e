package movingclock

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// timer is a timer of a Clock, or what a ticker ticks by.
type timer struct {
	clock *Clock
	fired chan time.Time
	// every is the interval of a ticker; 0 for a timer, which fires once.
	every time.Duration
	// alarm wakes the timer by the base. Clock.mu guards it.
	alarm clock.Timer

	// mu guards what follows, and comes after Clock.mu. Nothing of the base is called under it.
	mu      sync.Mutex
	due     time.Time
	waiting bool
	// round counts the alarms: the base may still ring one that has been set anew since.
	round int
}

// C gets the time that the timer was set for, once it is due.
func (t *timer) C() <-chan time.Time { return t.fired }

// Stop keeps the timer from firing; false if it has fired or was stopped already. What has not been received by then
// is not any more.
func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.halt()
}

// Reset sets the timer anew, as if it had been stopped first; its result is that of Stop.
func (t *timer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	active := t.halt()
	now := t.clock.Now()
	t.mu.Lock()
	t.due, t.waiting = now.Add(d), true
	t.clock.timers.Store(t, struct{}{})
	t.mu.Unlock()
	t.arm(now)
	return active
}

// halt is Stop for a caller that holds Clock.mu.
func (t *timer) halt() (active bool) {
	if t.alarm != nil {
		t.alarm.Stop()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	active, t.waiting = t.waiting, false
	t.clock.timers.Delete(t)
	select {
	case <-t.fired:
	default:
	}
	return active
}

// arm fires what is due at now, and sets the alarm anew for what is left. The caller holds Clock.mu.
func (t *timer) arm(now time.Time) {
	if t.alarm != nil {
		t.alarm.Stop()
	}
	if left, round, waiting := t.turn(now); waiting {
		t.alarm = t.clock.base.AfterFunc(left, func() { t.ring(round) })
	}
}

// turn fires what is due at now. It returns what is left to wait for, under which number.
func (t *timer) turn(now time.Time) (left time.Duration, round int, waiting bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting && !t.due.After(now) {
		t.fire()
		if t.waiting {
			t.due = t.due.Add(now.Sub(t.due).Truncate(t.every) + t.every)
		}
	}
	t.round++
	return t.due.Sub(now), t.round, t.waiting
}

// ring is called by the base, which may hold a lock of its own then, so it calls nothing of it.
func (t *timer) ring(round int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.waiting || round != t.round:
	case t.every > 0:
		// The next alarm is to be set by the base.
		go t.renew()
	default:
		t.fire()
	}
}

// renew lets a ticker tick, and go on.
func (t *timer) renew() {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.arm(t.clock.Now())
}

// fire tells that the time has come. The caller holds mu.
func (t *timer) fire() {
	select {
	case t.fired <- t.due:
	default: // A tick that nobody has received yet.
	}
	if t.every == 0 {
		t.waiting = false
		t.clock.timers.Delete(t)
	}
}

// ticker is a timer that fires again and again.
type ticker struct{ *timer }

// Stop implements clock.Ticker.
func (t ticker) Stop() { t.timer.Stop() }
