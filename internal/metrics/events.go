package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/lru"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/relay"
)

// Labels of events.
const (
	labelForm    = "form"
	labelWatched = "watched"
)

// What came of fetching a certificate.
const (
	fetchCompleted = "completed"
	fetchFailed    = "failed"
)

var (
	eventsAnswered = definition{
		"cloudassistant_events_answered_total", counter,
		"Requests to the receiver of events, by the form of event that they were to be, and why they were answered as they were. One that was passed on counts on both replicas.",
		[]string{labelForm, labelReason},
		nil,
	}
	eventsTurnedAway = definition{
		"cloudassistant_events_connections_turned_away_total", counter,
		"Connections to the receiver of events that had to give way to others, or waited in vain.",
		nil, nil,
	}
	certificateFetches = definition{
		"cloudassistant_events_certificate_fetches_total", counter,
		"Attempts to get the certificate that events are signed with from the vendor, by how they ended.",
		[]string{labelOutcome},
		nil,
	}
	eventsForwarded = definition{
		"cloudassistant_events_forwarded_total", counter,
		"Events that were to be passed on to the replica that works, by what came of it.",
		[]string{labelOutcome},
		nil,
	}
	eventsNudges = definition{
		"cloudassistant_events_nudges_total", counter,
		"Events that reached the engine, by whether a result waits for what they announce; not one that has yet to find its run by match.",
		[]string{labelWatched},
		nil,
	}
	eventsDelay = definition{
		"cloudassistant_events_delay_seconds", histogram,
		"From the end of a command that a result waits for until the event of it came, by what the event says.",
		nil, ofEventLag,
	}
	announcedLag = definition{
		"cloudassistant_events_detection_lag_seconds", histogram,
		"Of cloudassistant_detection_lag_seconds, the runs whose end an event announced before it was written.",
		nil, ofLag,
	}
	statusLag = definition{
		"cloudassistant_events_status_lag_seconds", histogram,
		"From the event of the end of a run until that was written: what the operator, and the API by showing the end later, add to the delay of events.",
		nil, ofEventLag,
	}
)

const (
	// maxAnnounced runs are remembered for announcedAge, which is longer than a status takes.
	maxAnnounced = 16384
	announcedAge = time.Hour
	// announcedSlack is by how much an event may tell of an earlier end than the API does.
	announcedSlack = 2 * time.Second
)

// eventMetrics are those of events.
type eventMetrics struct {
	answered, fetches, forwarded, nudges *prometheus.CounterVec
	turnedAway                           prometheus.Counter
	delay, lag, statusLag                prometheus.Histogram
	// announced are the runs that results wait for, by when an event came last.
	announced *lru.Cache
}

type announcedRun struct{ regionID, invokeID string }

// announcement is when an event was heard, and what it says of when the run ended; zero if nothing.
type announcement struct{ heard, endedAt time.Time }

func newEventMetrics() *eventMetrics {
	m := &eventMetrics{
		answered: eventsAnswered.counters(), fetches: certificateFetches.counters(),
		forwarded: eventsForwarded.counters(), nudges: eventsNudges.counters(),
		turnedAway: eventsTurnedAway.counters().WithLabelValues(),
		delay:      eventsDelay.histograms().WithLabelValues().(prometheus.Histogram),
		lag:        announcedLag.histograms().WithLabelValues().(prometheus.Histogram),
		statusLag:  statusLag.histograms().WithLabelValues().(prometheus.Histogram),
		announced:  lru.New(maxAnnounced),
	}
	for _, form := range events.Forms {
		for _, reason := range events.Reasons {
			m.answered.WithLabelValues(string(form), string(reason))
		}
	}
	for _, outcome := range []string{fetchCompleted, fetchFailed} {
		m.fetches.WithLabelValues(outcome)
	}
	for _, outcome := range relay.Outcomes {
		m.forwarded.WithLabelValues(string(outcome))
	}
	for _, watched := range []bool{false, true} {
		m.nudges.WithLabelValues(strconv.FormatBool(watched))
	}
	return m
}

func (m *eventMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.answered, m.fetches, m.forwarded, m.nudges, m.turnedAway, m.delay, m.lag, m.statusLag}
}

// Answered implements events.Observer.
func (m *Metrics) Answered(form events.Form, reason events.Reason) {
	m.events.answered.WithLabelValues(string(form), string(reason)).Inc()
}

// TurnedAway is told of every connection to the receiver that had to give way to others, or waited in vain.
func (m *Metrics) TurnedAway() { m.events.turnedAway.Inc() }

// Fetched is told of every attempt to get a certificate from the vendor.
func (m *Metrics) Fetched(ok bool) {
	outcome := fetchFailed
	if ok {
		outcome = fetchCompleted
	}
	m.events.fetches.WithLabelValues(outcome).Inc()
}

// Forwarded is told of every event that was to be passed on.
func (m *Metrics) Forwarded(outcome relay.Outcome) {
	m.events.forwarded.WithLabelValues(string(outcome)).Inc()
}

// Announcement is what an event says: which run has ended somewhere, and when. What is not known is empty.
type Announcement struct {
	RegionID, InvokeID string
	EndedAt            time.Time
}

// Nudged is told of every announcement that reached the engine, and whether a result waits for it.
func (m *Metrics) Nudged(a Announcement, watched bool) {
	m.events.nudges.WithLabelValues(strconv.FormatBool(watched)).Inc()
	if !watched {
		return
	}
	now := m.clock.Now()
	if !a.EndedAt.IsZero() {
		m.events.delay.Observe(max(0, now.Sub(a.EndedAt)).Seconds())
	}
	if a.InvokeID != "" {
		m.events.announced.Add(announcedRun{a.RegionID, a.InvokeID}, announcement{heard: now, endedAt: a.EndedAt})
	}
}

// announced says whether an event announced the end of a run that is known now, so long after it, and how long ago. An event
// of something else, such as the end on another instance, is of an earlier time: by the clock of the vendor, as that of the
// end is, or by that of its coming.
func (m *Metrics) announced(regionID, invokeID string, lag time.Duration) (ago time.Duration, yes bool) {
	value, found := m.events.announced.Get(announcedRun{regionID, invokeID})
	if !found {
		return 0, false
	}
	a := value.(announcement)
	ended := m.clock.Now().Add(-lag - announcedSlack)
	if a.endedAt.IsZero() && a.heard.Before(ended) || !a.endedAt.IsZero() && a.endedAt.Before(ended) {
		return 0, false
	}
	ago = m.clock.Since(a.heard)
	return ago, ago < announcedAge
}
