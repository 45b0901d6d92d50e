package poller

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// backoff is what a throttle answer leaves of the rate at which calls passed, and halt the least that it leaves of
	// the rate that was allowed: few calls may have passed because few were made.
	backoff = 0.9
	halt    = 0.5
	// climb is the share of the full rate by which the rate has grown in the first minute past the one that was throttled.
	// It grows with the cube of the time, as that of TCP CUBIC does: fast at first, hardly where it was throttled last, and
	// faster again the longer nothing throttles it there: from anywhere it is back at the full rate in ten minutes.
	climb = 0.003
	// floor is the least share of the full rate. The pauses already keep within the quota whoever is above it.
	floor = 1.0 / 16
	// used is the share of what was allowed in a minute from which on the rate has been tried.
	used = 0.8
	// probePatience is how long a probe may take before another is sent: a hung connection must not hold up
	// everybody else.
	probePatience = 10 * time.Second
)

// bucket rations the calls that are counted together: those of one account in one region, whoever makes them.
// It is a token bucket that a throttle answer pauses. After a pause one call is made as a probe; if that is not
// throttled the others follow, at a little less than passed before, which grows back step by step.
type bucket struct {
	clock  clock.WithTicker
	jitter func() float64
	full   rate.Limit
	burst  int
	// turn is taken by whoever reserves a token, and waiting counts those who wait for it.
	turn    chan struct{}
	waiting atomic.Int32

	mu      sync.Mutex
	limiter *rate.Limiter
	// base is the rate at the time since, and level the one at which it levels off: where it was last throttled in use. Both
	// are full from the start.
	base, level rate.Limit
	since       time.Time
	// passed are the calls that were not throttled.
	passed lastMinute
	// pauses counts the pauses. A ticket of an earlier count was taken before the latest pause.
	pauses int
	// until is the end of the latest pause. From then on resuming says that no probe has passed yet.
	until    time.Time
	resuming bool
	// probe is the call that tries whether the pause is over, which has until probeUntil to answer.
	probe      *ticket
	probeUntil time.Time
	// throttled is the series of throttle answers since the last probe that passed; nil when there is none.
	throttled *Failure
	// moved is closed, and replaced, when what callers wait for may have happened.
	moved chan struct{}
}

// ticket is the right to make one call. It is handed back with the outcome of the call.
type ticket struct {
	pauses int
	// at is when the call was made.
	at time.Time
}

// newBucket has one token, from which it fills up: whoever asked before a restart may have had all others of this minute.
func newBucket(c clock.WithTicker, jitter func() float64, qps float64, burst int) *bucket {
	full := rate.Limit(qps)
	b := &bucket{
		clock: c, jitter: jitter, full: full, burst: burst, base: full, level: full, since: c.Now(),
		turn: make(chan struct{}, 1), moved: make(chan struct{}),
	}
	b.empty(b.since)
	return b
}

// empty leaves one token at a time. The others must be earned after it.
func (b *bucket) empty(at time.Time) {
	b.limiter = rate.NewLimiter(b.base, b.burst)
	b.limiter.AllowN(at, b.burst-1)
}

// take waits for the right to make one call. It returns errPaused if the bucket rests or comes to rest while
// the caller waits, and ctx's error if that ends first.
//
// One caller at a time reserves a token, the others wait for their turn without: a reservation that is not the latest cannot be
// given back, and many callers leave while they wait, for others have told them what they were about to ask.
func (b *bucket) take(ctx context.Context) (*ticket, error) {
	if err := b.queue(ctx); err != nil {
		return nil, err
	}
	defer func() { <-b.turn }()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.probing() {
		if err := b.wait(ctx, b.probeUntil); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := b.clock.Now()
	if now.Before(b.until) {
		return nil, errPaused
	}
	b.limiter.SetLimitAt(now, b.rate(now))
	token := b.limiter.ReserveN(now, 1)
	at := now.Add(token.DelayFrom(now))
	t := &ticket{pauses: b.pauses, at: later(now, at)}
	if b.resuming {
		b.probe, b.probeUntil = t, at.Add(probePatience)
	}
	for b.clock.Now().Before(at) {
		if err := b.wait(ctx, at); err != nil {
			token.CancelAt(b.clock.Now())
			b.abandon(t)
			return nil, err
		}
		if b.pauses != t.pauses {
			return nil, errPaused
		}
	}
	return t, nil
}

// queue waits for the turn.
func (b *bucket) queue(ctx context.Context) error {
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// give hands a ticket back with the outcome of its call.
func (b *bucket) give(t *ticket, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.pauses != b.pauses {
		// It was made before the latest pause began, and tells nothing about the time after it.
		return
	}
	switch cloudassistant.ClassOf(err) {
	case cloudassistant.ClassThrottled:
		b.pause(asError(err), t.at)
	case cloudassistant.ClassUnavailable:
		b.abandon(t)
	default:
		// A refusal for another reason passed the throttle, too.
		b.passed.add(b.clock.Now())
		b.resume()
	}
}

// pause begins a pause because of the answer to a call that was made at a time.
func (b *bucket) pause(err *cloudassistant.Error, made time.Time) {
	now := b.clock.Now()
	b.slow(now)
	b.until = pauseEnd(now, made, err.RetryAfter, b.jitter())
	b.resuming = true
	b.probe = nil
	b.pauses++
	// One token is there at the end of the pause, for the probe. A full bucket would be the very stampede that the pause is
	// to prevent.
	b.empty(b.until)
	since := now
	if b.throttled != nil {
		since = b.throttled.Since
	}
	b.throttled = &Failure{Err: err, Since: since, Began: now, At: now}
	b.move()
}

// slow lowers the rate, to a part of that at which calls have passed by now: it is what the quota has left for us. If
// nothing has passed since the pause before, or few have because few were made, nothing is known of where the quota ends,
// so that the rate before is soon tried again. Where less was asked than was allowed, in a whole minute without a pause, the
// answer is for somebody else's calls: it slows ours, but not for longer than others before it, for then answers that are
// minutes apart would add up.
func (b *bucket) slow(now time.Time) {
	before := b.rate(now)
	least := max(before*halt, b.full*floor)
	if b.resuming {
		b.base = least
		return
	}
	admitted := min(before, rate.Limit(b.passed.count(now))/60)
	allowed := b.rate(now.Add(-time.Minute / 2))
	b.base = max(admitted*backoff, least)
	switch {
	case now.Sub(b.since) > time.Minute && admitted < allowed*used:
		b.level = max(b.level, before)
	case admitted < least:
		b.level = before
	default:
		b.level = admitted
	}
}

func (b *bucket) resume() {
	if !b.resuming {
		return
	}
	b.resuming = false
	b.probe = nil
	b.throttled = nil
	b.since = b.clock.Now()
	b.move()
}

// abandon lets somebody else probe, if t was the probe.
func (b *bucket) abandon(t *ticket) {
	if b.probe == t {
		b.probe = nil
		b.move()
	}
}

// rate is what is allowed at a time, in calls a second.
func (b *bucket) rate(now time.Time) rate.Limit {
	if b.resuming {
		return b.base
	}
	steepness := float64(b.full) * climb
	flat := math.Cbrt(float64(b.level-b.base) / steepness)
	grown := rate.Limit(steepness * math.Pow(now.Sub(b.since).Minutes()-flat, 3))
	return min(b.full, b.level+grown)
}

// probing says that a probe is under way, so that everybody else waits.
func (b *bucket) probing() bool {
	return b.probe != nil && b.clock.Now().Before(b.probeUntil)
}

// wait unlocks the bucket until it moves or the time comes, and returns ctx's error if that ends first.
func (b *bucket) wait(ctx context.Context, until time.Time) error {
	moved := b.moved
	timer := b.clock.NewTimer(until.Sub(b.clock.Now()))
	b.mu.Unlock()
	defer b.mu.Lock()
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-moved:
	case <-timer.C():
	}
	return ctx.Err()
}

func (b *bucket) move() {
	close(b.moved)
	b.moved = make(chan struct{})
}

// blocked says whether a new call would be refused or have to wait for a probe: until when at most, and what is
// closed if that changes earlier.
func (b *bucket) blocked() (until time.Time, moved <-chan struct{}, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock.Now().Before(b.until) {
		return b.until, b.moved, true
	}
	return b.probeUntil, b.moved, b.probing()
}

// rest waits until new calls may be made, and returns ctx's error if that ends first.
func (b *bucket) rest(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.clock.Now().Before(b.until) {
		if err := b.wait(ctx, b.until); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// perSecond is the rate now.
func (b *bucket) perSecond() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(b.rate(b.clock.Now()))
}

// failure is the series of throttle answers that goes on; nil when calls pass.
func (b *bucket) failure() *Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.throttled
}

// idle says that the bucket is as good as new.
func (b *bucket) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	return !b.resuming && b.rate(now) == b.full && b.limiter.TokensAt(now) >= float64(b.burst)
}
