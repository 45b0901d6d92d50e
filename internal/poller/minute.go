package poller

import "time"

// lastMinute counts what has happened in the last minute, to the second.
type lastMinute struct {
	// seconds are those counts, by the second of the clock, as far as they are not older than a minute before latest.
	seconds [60]int
	latest  int64
}

func (m *lastMinute) add(now time.Time) {
	m.forget(now)
	m.seconds[now.Unix()%60]++
}

func (m *lastMinute) count(now time.Time) (n int) {
	m.forget(now)
	for _, second := range m.seconds {
		n += second
	}
	return n
}

func (m *lastMinute) forget(now time.Time) {
	at := now.Unix()
	for past := max(m.latest, at-60) + 1; past <= at; past++ {
		m.seconds[past%60] = 0
	}
	m.latest = max(m.latest, at)
}
