package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestDelay(t *testing.T) {
	usual := bounds{min: 2 * time.Second, max: time.Minute}
	for _, c := range []struct {
		name    string
		b       bounds
		outcome outcome
		streak  int
		jitter  float64
		want    time.Duration
	}{
		{"not asked yet", usual, outcomeNone, 0, 0.5, 0},
		{"a change falls back to the minimum", usual, outcomeChanged, 7, 0.5, 2 * time.Second},
		{"jitter may not go below the minimum", usual, outcomeChanged, 0, 0, 2 * time.Second},
		{"jitter lengthens", usual, outcomeChanged, 0, 0.999999, 2199999 * time.Microsecond},
		{"first without a change", usual, outcomeUnchanged, 0, 0.5, 3 * time.Second},
		{"second without a change", usual, outcomeUnchanged, 1, 0.5, 4500 * time.Millisecond},
		{"the maximum leaves room for jitter", usual, outcomeUnchanged, 50, 0.5, 54545454545},
		{"an endless streak does not overflow", usual, outcomeUnchanged, 1 << 40, 0.5, 54545454545},
		{"a fixed interval", bounds{time.Minute, time.Minute}, outcomeUnchanged, 9, 0.9, time.Minute},
		{"the bucket knows when", usual, outcomeThrottled, 3, 0.5, 0},
		{"unavailable", usual, outcomeUnavailable, 0, 0.5, 2 * time.Second},
		{"unavailable doubles", usual, outcomeUnavailable, 3, 0.5, 16 * time.Second},
		{"unavailable at most", usual, outcomeUnavailable, 90, 0.5, 2 * time.Minute},
		{"unavailable shaken down", usual, outcomeUnavailable, 0, 0, 1800 * time.Millisecond},
		{"denied", usual, outcomeDenied, 0, 0.5, 30 * time.Second},
		{"denied at most", usual, outcomeDenied, 2000, 0.5, 10 * time.Minute},
		{"invalid", usual, outcomeInvalid, 0, 0.5, 10 * time.Minute},
		{"invalid at most", usual, outcomeInvalid, 2, 0.5, 30 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := delay(c.b, c.outcome, c.streak, c.jitter)
			if d := got - c.want; d < -time.Microsecond || d > time.Microsecond {
				t.Errorf("delay = %v, want %v", got, c.want)
			}
		})
	}
}

func TestDelayStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "min"))
		b := bounds{min: least, max: least + time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "more"))}
		o := outcome(rapid.IntRange(int(outcomeNone), int(outcomeInvalid)).Draw(t, "outcome"))
		streak := rapid.IntRange(0, 1<<30).Draw(t, "streak")
		jitter := rapid.Float64Range(0, 0.999999).Draw(t, "jitter")
		got := delay(b, o, streak, jitter)

		low, high := time.Duration(0), time.Duration(0)
		switch o {
		case outcomeChanged, outcomeUnchanged:
			low, high = b.min, b.max
		case outcomeUnavailable, outcomeDenied, outcomeInvalid:
			low, high = retries[o].first*9/10, retries[o].most*11/10
		}
		if got < low || got > high {
			t.Fatalf("delay = %v, want %v to %v", got, low, high)
		}
		if longer := delay(b, o, streak+1, jitter); longer < got {
			t.Fatalf("the delay shrinks from %v to %v as the streak grows", got, longer)
		}
	})
}

func TestPlanCountsOutcomesOfOneKind(t *testing.T) {
	now := time.Unix(1000, 0)
	b := bounds{min: 2 * time.Second, max: time.Minute}
	p := plan{from: now}
	if due := p.due(b); !due.Equal(now) {
		t.Errorf("the first question is due at %v, want at once", due)
	}
	if got := p.interval(b); got != b.min {
		t.Errorf("the first interval is %v, want the minimum", got)
	}
	var got []time.Duration
	for _, o := range []outcome{outcomeUnavailable, outcomeUnavailable, outcomeUnavailable, outcomeDenied, outcomeUnavailable} {
		p = p.after(now, o, 0.5)
		got = append(got, p.due(b).Sub(now))
	}
	want := []time.Duration{2, 4, 8, 30, 2}
	for n := range want {
		if got[n] != want[n]*time.Second {
			t.Errorf("delay %d is %v, want %v s", n, got[n], int(want[n]))
		}
	}
}

func TestOverdueAt(t *testing.T) {
	due := time.Unix(1000, 0)
	if got := overdueAt(due, 2*time.Second).Sub(due); got != 2*time.Minute {
		t.Errorf("short intervals are overdue after %v, want 2m", got)
	}
	if got := overdueAt(due, time.Hour).Sub(due); got != 3*time.Hour {
		t.Errorf("long intervals are overdue after %v, want 3h", got)
	}
}

func TestPauseEnd(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 15, 42, 0, time.UTC)
	for _, c := range []struct {
		name       string
		now        time.Time
		late       time.Duration
		retryAfter time.Duration
		jitter     float64
		want       time.Duration
	}{
		{"unsaid: the next minute", at, 0, 0, 0, 18 * time.Second},
		{"and a jitter of up to a second", at, 0, 0, 0.5, 18*time.Second + 500*time.Millisecond},
		{"as the API says", at, 0, 7 * time.Second, 0, 7 * time.Second},
		{"at least a second", at, 0, time.Millisecond, 0, time.Second},
		{"at least a second before the minute turns", at.Add(17900 * time.Millisecond), 0, 0, 0, time.Second},
		{"in a zone of broken minutes", at.In(time.FixedZone("", 1234)), 0, 0, 0, 18 * time.Second},
		{"of a call that was made in this minute", at, 41 * time.Second, 0, 0, 18 * time.Second},
		{"of one that was made in the minute before", at, 43 * time.Second, 0, 0, time.Second},
		{"as the API says, from its answer on", at, 43 * time.Second, 7 * time.Second, 0, 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := pauseEnd(c.now, c.now.Add(-c.late), c.retryAfter, c.jitter).Sub(c.now); got != c.want {
				t.Errorf("the pause takes %v, want %v", got, c.want)
			}
		})
	}
}

func TestOutcomeOf(t *testing.T) {
	for class, want := range map[cloudassistant.Class]outcome{
		cloudassistant.ClassThrottled:    outcomeThrottled,
		cloudassistant.ClassUnavailable:  outcomeUnavailable,
		cloudassistant.ClassDenied:       outcomeDenied,
		cloudassistant.ClassInvalid:      outcomeInvalid,
		cloudassistant.ClassTokenExpired: outcomeUnavailable,
		"a class of tomorrow":            outcomeUnavailable,
	} {
		if got := outcomeOf(class); got != want {
			t.Errorf("outcomeOf(%s) = %v, want %v", class, got, want)
		}
	}
}
