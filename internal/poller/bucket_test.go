package poller

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// testBucket is a full one.
func testBucket(qps float64, burst int) *bucket {
	b := newBucket(clock.RealClock{}, func() float64 { return 0 }, qps, burst)
	b.fill()
	return b
}

// fill is what time does to a bucket that nobody takes from.
func (b *bucket) fill() { b.limiter = rate.NewLimiter(b.full, b.burst) }

// Nobody knows what was asked before a restart, or by the leader before.
func TestABucketBeginsWithOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(clock.RealClock{}, func() float64 { return 0 }, 2, 10)
		mustTake(t, b)
		for range 3 {
			got := take(t.Context(), b)
			rest(b, 500*time.Millisecond)
			if got.err != nil || got.after != 500*time.Millisecond {
				t.Errorf("one of the next calls is made after %v: %+v", got.after, *got)
			}
		}
	})
}

// taking is a take under way.
type taking struct {
	ticket *ticket
	err    error
	after  time.Duration
	ended  bool
}

func take(ctx context.Context, b *bucket) *taking {
	t, start := &taking{}, b.clock.Now()
	go func() {
		t.ticket, t.err = b.take(ctx)
		t.after, t.ended = b.clock.Since(start), true
	}()
	synctest.Wait()
	return t
}

func mustTake(t *testing.T, b *bucket) *ticket {
	t.Helper()
	got := take(t.Context(), b)
	if !got.ended || got.err != nil {
		t.Fatalf("no ticket at once: %+v", *got)
	}
	return got.ticket
}

func rest(b *bucket, d time.Duration) {
	<-b.clock.After(d)
	synctest.Wait()
}

var throttledFor10s = &cloudassistant.Error{Class: cloudassistant.ClassThrottled, Code: "Throttling", RetryAfter: 10 * time.Second}

// Who leaves while it waits takes nothing from those who stay.
func TestCallersThatLeaveCostNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(1, 1)
		mustTake(t, b)
		ctx, leave := context.WithCancel(t.Context())
		for range 10 {
			take(ctx, b)
		}
		stays := take(t.Context(), b)
		if _, _, tokens := b.state(); tokens != -11 {
			t.Errorf("%v tokens while 11 wait for one", tokens)
		}
		leave()
		rest(b, time.Second)
		if !stays.ended || stays.err != nil {
			t.Errorf("the token of who has left is not there after a second: %+v", *stays)
		}
	})
}

func TestBucketRationsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(2, 3)
		for range 3 {
			mustTake(t, b)
		}
		fourth, fifth := take(t.Context(), b), take(t.Context(), b)
		rest(b, time.Minute)
		if fourth.after != 500*time.Millisecond || fifth.after != time.Second {
			t.Errorf("waited %v and %v, want 500ms and 1s", fourth.after, fifth.after)
		}
	})
}

func TestBucketReturnsTheTokenOfACallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(1, 1)
		mustTake(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		leaver := take(ctx, b)
		cancel()
		synctest.Wait()
		if !errors.Is(leaver.err, context.Canceled) {
			t.Errorf("the leaver got %v, want its context's error", leaver.err)
		}
		stayer := take(t.Context(), b)
		rest(b, time.Minute)
		if stayer.after != time.Second {
			t.Errorf("the next waited %v, want 1s: the token was not returned", stayer.after)
		}
		if _, err := b.take(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("take with an ended context gave %v", err)
		}
	})
}

func TestThrottleAnswerPausesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(1, 2)
		first, inFlight := mustTake(t, b), mustTake(t, b)
		waiting := take(t.Context(), b)
		b.give(first, throttledFor10s)
		synctest.Wait()
		if !errors.Is(waiting.err, errPaused) {
			t.Errorf("who waited for a token got %v, want errPaused", waiting.err)
		}
		if _, err := b.take(t.Context()); !errors.Is(err, errPaused) {
			t.Errorf("a newcomer got %v, want errPaused", err)
		}
		until, _, blocked := b.blocked()
		if left := until.Sub(b.clock.Now()); !blocked || left != 10*time.Second {
			t.Errorf("blocked for %v (%v), want 10s", left, blocked)
		}
		rest(b, 5*time.Second)
		// It was begun before the pause: neither news of a throttle nor of its end.
		b.give(inFlight, throttledFor10s)
		if again, _, _ := b.blocked(); !again.Equal(until) {
			t.Errorf("a late answer moved the end of the pause by %v", again.Sub(until))
		}
	})
}

// paused returns a bucket at the end of its first pause.
func paused(t *testing.T, qps float64, burst int) *bucket {
	t.Helper()
	b := testBucket(qps, burst)
	b.give(mustTake(t, b), throttledFor10s)
	rest(b, 10*time.Second)
	return b
}

func TestPauseEndsWithOneProbe(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		resumes bool
	}{
		"an answer":               {nil, true},
		"a refusal":               {failureOf(cloudassistant.ClassDenied), true},
		"a refusal of the query":  {failureOf(cloudassistant.ClassInvalid), true},
		"an expired page token":   {failureOf(cloudassistant.ClassTokenExpired), true},
		"no answer tells nothing": {failureOf(cloudassistant.ClassUnavailable), false},
		"a cancelled probe":       {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := paused(t, 10, 10)
				probe := mustTake(t, b)
				second, third := take(t.Context(), b), take(t.Context(), b)
				rest(b, time.Second)
				if second.ended || third.ended {
					t.Fatal("a second call was made while the probe was under way")
				}
				if _, _, blocked := b.blocked(); !blocked {
					t.Error("the bucket does not say that it waits for a probe")
				}
				b.give(probe, c.err)
				rest(b, time.Second)
				if !second.ended && !third.ended {
					t.Fatal("nobody followed the probe")
				}
				if both := second.ended && third.ended; both != c.resumes {
					t.Errorf("both followed: %v, want %v", both, c.resumes)
				}
				if healthy := b.failure() == nil; healthy != c.resumes {
					t.Errorf("healthy: %v, want %v", healthy, c.resumes)
				}
				for _, late := range []*taking{second, third} {
					if late.ended {
						b.give(late.ticket, nil)
						rest(b, time.Second)
					}
				}
				if !second.ended || !third.ended {
					t.Error("somebody waits for ever")
				}
			})
		})
	}
}

func TestThrottledProbePausesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := paused(t, 16, 4)
		since := b.failure().Since
		for n := range 5 {
			probe := mustTake(t, b)
			waiting := take(t.Context(), b)
			b.give(probe, throttledFor10s)
			synctest.Wait()
			if !errors.Is(waiting.err, errPaused) {
				t.Errorf("round %d: who waited for the probe got %v", n, waiting.err)
			}
			rest(b, 10*time.Second)
		}
		failure := b.failure()
		if !failure.Since.Equal(since) || failure.At.Sub(since) != 50*time.Second {
			t.Errorf("the series is from %v to %v, want one of 50s", failure.Since, failure.At)
		}
		// Halved six times from 16, it stops at the least share.
		if got := b.rate(b.clock.Now()); got != 1 {
			t.Errorf("the rate is %v, want the floor of 1", got)
		}
	})
}

// The first throttle answers at full speed show what the quota is.
func TestRateFallsToWhatPassed(t *testing.T) {
	for name, c := range map[string]struct {
		passed int
		want   float64
	}{
		"little less than was allowed":     {570, 9 * 0.95},
		"more than was allowed, by bursts": {620, 9},
		"two thirds":                       {400, 6},
		"less than half":                   {200, 5},
		"next to nothing":                  {1, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := testBucket(10, 1000)
				for range c.passed {
					b.give(mustTake(t, b), nil)
				}
				b.give(mustTake(t, b), throttledFor10s)
				rest(b, 10*time.Second)
				b.give(mustTake(t, b), nil)
				if got := b.perSecond(); math.Abs(got-c.want) > 1e-9 {
					t.Errorf("the rate is %v, want %v", got, c.want)
				}
			})
		})
	}
}

// What passed before the pause says nothing about a probe that is throttled after it.
func TestThrottledProbeHalvesTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(10, 1000)
		for range 500 {
			b.give(mustTake(t, b), nil)
		}
		b.give(mustTake(t, b), throttledFor10s)
		rest(b, 10*time.Second)
		b.give(mustTake(t, b), throttledFor10s)
		if got, want := b.perSecond(), 0.9*500/60/2; math.Abs(got-want) > 1e-9 {
			t.Errorf("the rate is %v, want %v", got, want)
		}
	})
}

// That a probe is throttled says that the quota is used up still, by whoever: not that the rate before was too high.
func TestRateBeforeAThrottledProbeIsSoonTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(10, 1000)
		b.give(mustTake(t, b), throttledFor10s)
		for range 2 {
			rest(b, 10*time.Second)
			b.give(mustTake(t, b), throttledFor10s)
		}
		rest(b, 10*time.Second)
		b.give(mustTake(t, b), nil)
		if got, most := b.perSecond(), 1.25; got > most {
			t.Errorf("at first the rate is %v, want at most %v", got, most)
		}
		<-b.clock.After(3 * time.Minute)
		if got, least := b.perSecond(), 7.5; got < least {
			t.Errorf("after three minutes the rate is %v, want at least %v", got, least)
		}
	})
}

// Answers that have nothing to do with our calls, each minutes after the other, must not wear the rate down.
func TestThrottleAnswersToFewCallsDoNotAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(10, 10)
		call := func(outcome error) {
			t.Helper()
			ticket, err := b.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b.give(ticket, outcome)
		}
		// It was throttled in use once, long ago.
		b.base, b.level = 2, 2
		rest(b, 10*time.Minute)
		for n := range 10 {
			for range 4 * 60 * 3 {
				call(nil)
				rest(b, 250*time.Millisecond)
			}
			if got := b.perSecond(); got < 8 {
				t.Errorf("three minutes after throttle answer %d the rate is %v, want at least 8", n, got)
			}
			call(throttledFor10s)
			rest(b, 10*time.Second)
			call(nil)
			if got := b.perSecond(); got > 5.001 {
				t.Errorf("at first the rate is %v, want half of it at most", got)
			}
		}
	})
}

// A rate that was used up while it rose has been tried, even though less passed in that minute than it is by now.
func TestARateThatRoseInUseHasBeenTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(10, 10)
		b.base = b.full * floor
		b.empty(b.since)
		for begun := b.since; b.clock.Since(begun) < 90*time.Second; {
			ticket, err := b.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b.give(ticket, nil)
		}
		passed := float64(b.passed.count(b.clock.Now())) / 60
		ticket, err := b.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.give(ticket, throttledFor10s)
		rest(b, 10*time.Second)
		b.give(mustTake(t, b), nil)
		rest(b, 3*time.Minute)
		if got := b.perSecond(); got > passed*1.1 {
			t.Errorf("three minutes after it was throttled at %v calls a second the rate is %v", passed, got)
		}
	})
}

func TestRateLevelsOffWhereItWasThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(10, 1000)
		for range 360 {
			b.give(mustTake(t, b), nil)
		}
		b.give(mustTake(t, b), throttledFor10s)
		rest(b, 10*time.Second)
		b.give(mustTake(t, b), nil)
		before, fell := b.perSecond(), false
		near := 0
		for range 24 {
			rest(b, 30*time.Second)
			now := b.perSecond()
			fell = fell || now < before
			if math.Abs(now-6) < 0.1 {
				near++
			}
			before = now
		}
		// From 5.4 it is within a tenth of 6 for three minutes, and back at 10 after eight.
		if fell || near < 6 || before != 10 {
			t.Errorf("the rate fell: %v; it was near 6 for %d half minutes, and is %v", fell, near, before)
		}
	})
}

func TestTheFullRateIsBackInTenMinutesFromAnywhere(t *testing.T) {
	for sixteenths := 1; sixteenths <= 16; sixteenths++ {
		synctest.Test(t, func(t *testing.T) {
			b := testBucket(16, 10)
			// It was throttled before, and had come back to this when it is again.
			b.base, b.level = rate.Limit(sixteenths), rate.Limit(sixteenths)
			b.give(mustTake(t, b), throttledFor10s)
			rest(b, 10*time.Second)
			b.give(mustTake(t, b), nil)
			rest(b, 10*time.Minute)
			if got := b.perSecond(); got != 16 {
				t.Errorf("ten minutes after it was throttled at %d of 16 calls a second it is at %v", sixteenths, got)
			}
		})
	}
}

// The minute may turn while the answer is under way: the next one is not lost for that.
func TestPauseIsOfTheMinuteInWhichTheCallWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBucket(10, 10)
		rest(b, time.Minute-10*time.Millisecond)
		late := mustTake(t, b)
		rest(b, 100*time.Millisecond)
		b.give(late, failureOf(cloudassistant.ClassThrottled))
		until, _, blocked := b.blocked()
		if left := until.Sub(b.clock.Now()); !blocked || left != pauseAtLeast {
			t.Errorf("blocked for %v (%v), want %v", left, blocked, pauseAtLeast)
		}
	})
}

func TestRateRecoversStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := paused(t, 10, 5)
		b.give(mustTake(t, b), nil)
		// Few calls were made before it was throttled: where the quota ends is soon tried.
		for _, want := range []float64{5, 7.26, 8.71, 9.53, 9.90, 10.00, 10, 10} {
			if got := float64(b.rate(b.clock.Now())); math.Abs(got-want) > 0.006 {
				t.Errorf("the rate is %v, want %v", got, want)
			}
			if idle := b.idle(); idle != (b.rate(b.clock.Now()) == 10) {
				t.Errorf("at a rate of %v idle is %v", want, idle)
			}
			// Calls that pass meanwhile do not begin the recovery anew.
			rest(b, 30*time.Second)
			b.give(mustTake(t, b), nil)
			rest(b, 30*time.Second)
		}
		for range 5 {
			take(t.Context(), b)
		}
		next := take(t.Context(), b)
		rest(b, time.Minute)
		if next.after != 100*time.Millisecond {
			t.Errorf("the recovered bucket gives the next ticket after %v, want 100ms", next.after)
		}
	})
}

func TestBurstIsNotThereAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := paused(t, 10, 10)
		b.give(mustTake(t, b), nil)
		next, another := take(t.Context(), b), take(t.Context(), b)
		rest(b, time.Minute)
		// The rate grows while they wait.
		if next.after != 200*time.Millisecond || another.after > 400*time.Millisecond || another.after < 399*time.Millisecond {
			t.Errorf("waited %v and %v, want 200ms and little less than 400ms at half the rate", next.after, another.after)
		}
	})
}

func TestHungProbeIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := paused(t, 10, 10)
		hung := mustTake(t, b)
		next := take(t.Context(), b)
		rest(b, probePatience)
		if next.after != probePatience {
			t.Fatalf("the next probe was sent after %v, want %v", next.after, probePatience)
		}
		b.give(hung, failureOf(cloudassistant.ClassUnavailable))
		third := take(t.Context(), b)
		if third.ended {
			t.Error("the end of the hung probe let another call pass beside its successor")
		}
		b.give(next.ticket, nil)
		rest(b, time.Minute)
		if _, _, blocked := b.blocked(); blocked {
			t.Error("the bucket waits on after a probe that passed")
		}
	})
}

func TestCancelledProbeMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := paused(t, 1, 1)
		b.give(mustTake(t, b), failureOf(cloudassistant.ClassUnavailable))
		// The one token is used, so the next probe has to wait for its own.
		ctx, cancel := context.WithCancel(t.Context())
		leaver := take(ctx, b)
		waiting := take(t.Context(), b)
		rest(b, time.Second)
		if leaver.ended || waiting.ended {
			t.Fatal("a call was made without a token")
		}
		cancel()
		rest(b, 2*time.Second)
		if !errors.Is(leaver.err, context.Canceled) || !waiting.ended || waiting.err != nil {
			t.Errorf("the leaver got %v; the next %+v", leaver.err, *waiting)
		}
	})
}
