package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLastMinuteCountsWhatIsNotOlder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		var m lastMinute
		var all []int64
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "after")) / 4)
			m.add(now)
			all = append(all, now.Unix())
			want := 0
			for _, at := range all {
				if now.Unix()-at < 60 {
					want++
				}
			}
			if got := m.count(now); got != want {
				t.Fatalf("counted %d, want %d", got, want)
			}
		}
	})
}

func TestLastMinuteOutlivesAClockThatIsSetBack(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	var m lastMinute
	m.add(now)
	m.add(now.Add(-time.Hour))
	if got := m.count(now.Add(2 * time.Minute)); got != 0 {
		t.Errorf("counted %d two minutes later, want 0", got)
	}
}
