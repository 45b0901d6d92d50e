package fastclock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/fastclock"
)

func pace(t *testing.T, text string) fastclock.Pace {
	t.Helper()
	p, err := fastclock.ParsePace(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPacesAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{"1", "20", "2.5", "1:15m+20", "1.5:1m30s+10:1h+60"} {
		if got := pace(t, text).String(); got != text {
			t.Errorf("%q is written %q", text, got)
		}
	}
	for _, text := range []string{"", "0", "-1", "fast", "1:15m", "1+20", "1:x+20", "1:0s+20", "NaN", "Inf"} {
		if _, err := fastclock.ParsePace(text); err == nil {
			t.Errorf("%q is taken for a pace", text)
		}
	}
}

func TestThePaceOfRealTimeIsTheRealClock(t *testing.T) {
	if c := fastclock.New(time.Now(), pace(t, "1:5m+1")); c != clock.WithTickerAndDelayedExecution(clock.RealClock{}) {
		t.Errorf("it is a %T", c)
	}
}

func TestTheClockRunsAtItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		origin := time.Now()
		c := fastclock.New(origin, pace(t, "2:10s+10"))
		for _, step := range []struct{ sleep, shows time.Duration }{
			{0, 0},
			{time.Second, 2 * time.Second},
			{4 * time.Second, 10 * time.Second},
			{time.Second, 20 * time.Second},
			{6 * time.Minute, 20*time.Second + time.Hour},
		} {
			<-time.After(step.sleep) // on the bubble's clock, as all time here
			if got := c.Since(origin); got != step.shows {
				t.Errorf("after %v more the clock has run %v, want %v", step.sleep, got, step.shows)
			}
		}
		// Another process joins later and sees the same.
		if got := fastclock.New(origin, pace(t, "2:10s+10")).Now(); !got.Equal(c.Now()) {
			t.Errorf("a clock made later shows %v, want %v", got, c.Now())
		}
	})
}

func TestTimersFireWhenTheirTimeHasPassedOnTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := fastclock.New(began, pace(t, "2:10s+10"))
		took := func(what string, want time.Duration) {
			t.Helper()
			if got := time.Since(began).Round(time.Microsecond); got != want {
				t.Errorf("%s after %v, want %v", what, got, want)
			}
		}
		timer := c.NewTimer(20 * time.Second)
		if at := <-timer.C(); at.Sub(began) < 20*time.Second {
			t.Errorf("the timer fired at %v, before its time", at.Sub(began))
		}
		took("the timer fired", 6*time.Second)
		if timer.Stop() {
			t.Error("a timer that has fired could be stopped")
		}
		timer.Reset(10 * time.Second)
		<-timer.C()
		took("the timer fired again", 7*time.Second)
		c.Sleep(10 * time.Second)
		took("Sleep returned", 8*time.Second)
		<-c.After(10 * time.Second)
		took("After fired", 9*time.Second)
		called := make(chan struct{})
		c.AfterFunc(10*time.Second, func() { close(called) })
		<-called
		took("the function was called", 10*time.Second)
		stopped := c.AfterFunc(time.Second, func() { t.Error("a stopped function was called") })
		if !stopped.Stop() {
			t.Error("a function that waits could not be stopped")
		}
		ticker := c.NewTicker(10 * time.Second)
		<-ticker.C()
		<-ticker.C()
		took("the second tick came", 12*time.Second)
		ticker.Stop()
		<-time.After(time.Minute)
		select {
		case <-ticker.C():
			t.Error("a stopped ticker ticked")
		default:
		}
	})
}

func TestRealTimeOfADuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fastclock.New(time.Now(), pace(t, "10"))
		if got := fastclock.Real(c, 5*time.Second); got != 500*time.Millisecond {
			t.Errorf("5 s take %v at ten times the speed", got)
		}
		if got := fastclock.Real(clock.RealClock{}, 5*time.Second); got != 5*time.Second {
			t.Errorf("5 s of the real clock take %v", got)
		}
	})
}

// Whatever the pace, a timer is never early, and late by rounding alone.
func TestTimersAreNeverEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stretch := rapid.Custom(func(t *rapid.T) fastclock.Stretch {
			return fastclock.Stretch{
				Scale: rapid.Float64Range(0.1, 100).Draw(t, "scale"),
				For:   time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "for")),
			}
		})
		p := fastclock.Pace(rapid.SliceOfN(stretch, 1, 4).Draw(t, "pace"))
		p[len(p)-1].For = 0
		d := time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "d"))
		if got := fastclock.Ahead(p, fastclock.Takes(p, d)); got < d || got > d+time.Microsecond {
			t.Fatalf("%v is over when %v have passed", d, got)
		}
	})
}
