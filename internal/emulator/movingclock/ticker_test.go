package movingclock_test

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/movingclock"
)

// However the base runs and the clock is advanced in turn: a ticker has ticked exactly if a multiple of its interval has
// come, with the first that did, once for all of them, and not once it was stopped.
func TestTickersFollowTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fake := clocktesting.NewFakeClock(noon)
		moving := movingclock.New(fake)
		interval := time.Duration(rapid.IntRange(1, 30).Draw(t, "interval")) * time.Second
		ticking := moving.NewTicker(interval)
		now, due, stopped := noon, noon.Add(interval), false
		span := func() time.Duration {
			return time.Duration(rapid.IntRange(0, 90).Draw(t, "by")) * time.Second
		}
		advance := func(d time.Duration) {
			if err := moving.Advance(d); err != nil {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"the base runs": func(*rapid.T) {
				d := span()
				fake.Step(d)
				now = now.Add(d)
			},
			"the clock is advanced": func(*rapid.T) {
				d := span()
				advance(d)
				now = now.Add(d)
			},
			"the ticker is stopped": func(*rapid.T) {
				ticking.Stop()
				stopped = true
			},
			"": func(t *rapid.T) {
				if !stopped && !due.After(now) {
					// It comes in its own time after the base's alarm.
					if at := <-ticking.C(); !at.Equal(due) {
						t.Fatalf("at %v it ticks for %v, want %v", now, at, due)
					}
					for !due.After(now) {
						due = due.Add(interval)
					}
					// Returns once the ticker has gone on.
					advance(0)
				}
				select {
				case at := <-ticking.C():
					t.Fatalf("at %v it ticks for %v; the next is due at %v, stopped: %v", now, at, due, stopped)
				default:
				}
				want := 1
				if stopped {
					want = 0
				}
				if got := fake.Waiters(); got != want {
					t.Fatalf("the base keeps %d alarms, want %d", got, want)
				}
			},
		})
	})
}

// Ticks that nobody receives do not pile up, nor hold up the clock.
func TestATickThatNobodyReceives(t *testing.T) {
	moving := movingclock.New(clocktesting.NewFakeClock(noon))
	ticks := moving.Tick(time.Minute)
	for range 3 {
		if err := moving.Advance(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if at := <-ticks; !at.Equal(noon.Add(time.Minute)) {
		t.Errorf("the first tick is for %v", at)
	}
	select {
	case at := <-ticks:
		t.Errorf("another tick, for %v, was kept", at)
	default:
	}
}

func TestAnIntervalOfATickerIsPositive(t *testing.T) {
	moving := movingclock.New(clocktesting.NewFakeClock(noon))
	if moving.Tick(0) != nil {
		t.Error("without an interval it ticks")
	}
	defer func() {
		if recover() == nil {
			t.Error("a ticker without an interval was made")
		}
	}()
	moving.NewTicker(0)
}

// Sleep and After end when the clock is advanced, not before.
func TestSleepEndsWhenTheClockIsAdvanced(t *testing.T) {
	moving := movingclock.New(clocktesting.NewFakeClock(noon))
	hour := moving.After(time.Hour)
	woke := make(chan time.Time)
	go func() {
		moving.Sleep(time.Hour)
		woke <- moving.Now()
	}()
	var at time.Time
	for at.IsZero() {
		// The sleeper may not have begun when the first hour passes.
		if err := moving.Advance(time.Hour); err != nil {
			t.Fatal(err)
		}
		select {
		case at = <-woke:
		default:
		}
	}
	if at.Before(noon.Add(time.Hour)) {
		t.Errorf("it slept until %v", at)
	}
	if got := <-hour; !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("the hour ended for %v", got)
	}
}
