package movingclock_test

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/movingclock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// modelTimer is a timer as it should be.
type modelTimer struct {
	clock.Timer
	due            time.Time
	fired, stopped bool
}

func (t *modelTimer) active() bool { return !t.fired && !t.stopped }

// However the base runs and the clock is advanced in turn, and timers are set, reset and stopped meanwhile: a timer has fired
// exactly if its time has come and it was not stopped before, once, and with the time that it was set for.
func TestTimersFollowTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fake := clocktesting.NewFakeClock(noon)
		moving := movingclock.New(fake)
		now := noon
		var timers []*modelTimer
		span := func(label string, least int) time.Duration {
			return time.Duration(rapid.IntRange(least, 90).Draw(t, label)) * time.Second
		}
		t.Repeat(map[string]func(*rapid.T){
			"the base runs": func(*rapid.T) {
				d := span("by", 0)
				fake.Step(d)
				now = now.Add(d)
			},
			"the clock is advanced": func(t *rapid.T) {
				d := span("by", 0)
				if err := moving.Advance(d); err != nil {
					t.Fatal(err)
				}
				now = now.Add(d)
			},
			"a timer is set": func(*rapid.T) {
				d := span("for", -1)
				timers = append(timers, &modelTimer{Timer: moving.NewTimer(d), due: now.Add(d)})
			},
			"a timer is stopped": func(t *rapid.T) {
				if len(timers) == 0 {
					return
				}
				chosen := rapid.SampledFrom(timers).Draw(t, "timer")
				if active := chosen.Stop(); active != chosen.active() {
					t.Fatalf("Stop says %v of a timer that fired: %v, was stopped: %v", active, chosen.fired, chosen.stopped)
				}
				chosen.stopped = true
			},
			"a timer is reset": func(t *rapid.T) {
				if len(timers) == 0 {
					return
				}
				chosen := rapid.SampledFrom(timers).Draw(t, "timer")
				d := span("for", -1)
				if active := chosen.Reset(d); active != chosen.active() {
					t.Fatalf("Reset says %v of a timer that fired: %v, was stopped: %v", active, chosen.fired, chosen.stopped)
				}
				chosen.due, chosen.fired, chosen.stopped = now.Add(d), false, false
			},
			"": func(t *rapid.T) {
				if !moving.Now().Equal(now) || !moving.Base().Now().Equal(fake.Now()) || moving.Since(noon) != now.Sub(noon) {
					t.Fatalf("the clock shows %v over %v, want %v over %v", moving.Now(), moving.Base().Now(), now, fake.Now())
				}
				waiting := 0
				for n, timer := range timers {
					want := timer.active() && !timer.due.After(now)
					select {
					case at := <-timer.C():
						if !want || !at.Equal(timer.due) {
							t.Fatalf("timer %d, due %v, fired with %v at %v", n, timer.due, at, now)
						}
						timer.fired = true
					default:
						if want {
							t.Fatalf("timer %d, due %v, has not fired at %v", n, timer.due, now)
						}
					}
					if !timer.fired && !timer.stopped {
						waiting++
					}
				}
				if fake.Waiters() != waiting {
					t.Fatalf("the base keeps %d alarms for %d timers that wait", fake.Waiters(), waiting)
				}
			},
		})
	})
}

func TestClockDoesNotGoBack(t *testing.T) {
	moving := movingclock.New(clocktesting.NewFakeClock(noon))
	if err := moving.Advance(-time.Second); err == nil || !moving.Now().Equal(noon) {
		t.Errorf("the clock shows %v with error %v, want it refused and unmoved", moving.Now(), err)
	}
}

// Over the real clock an alarm and Advance race for each timer: it fires once all the same.
func TestAdvanceRacesWithTheBase(t *testing.T) {
	moving := movingclock.New(clock.RealClock{})
	advanced := make(chan error)
	go func() {
		defer close(advanced)
		for range 200 {
			if err := moving.Advance(50 * time.Microsecond); err != nil {
				advanced <- err
			}
		}
	}()
	timers := make([]clock.Timer, 200)
	for n := range timers {
		timers[n] = moving.NewTimer(time.Duration(n%20) * 50 * time.Microsecond)
	}
	for err := range advanced {
		t.Error(err)
	}
	for n, timer := range timers {
		<-timer.C()
		if timer.Stop() {
			t.Errorf("timer %d fired, yet it could be stopped", n)
		}
		select {
		case <-timer.C():
			t.Errorf("timer %d fired twice", n)
		default:
		}
	}
}

// Time that does not fit would run backwards.
func TestAdvanceBeyondWhatADurationHolds(t *testing.T) {
	moving := movingclock.New(clocktesting.NewFakeClock(noon))
	const most = time.Duration(math.MaxInt64)
	if err := moving.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := moving.Advance(most); err == nil || moving.Ahead() != time.Hour {
		t.Errorf("advanced by more than fits (%v) to %v", err, moving.Ahead())
	}
	if err := moving.Advance(most - time.Hour); err != nil || moving.Ahead() != most {
		t.Errorf("advanced by all that fits (%v) to %v", err, moving.Ahead())
	}
}
