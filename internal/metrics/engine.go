package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// Walked implements poller.Observer.
func (m *Metrics) Walked(kind poller.WalkKind, extent poller.Extent) {
	m.walkPages.WithLabelValues(string(kind)).Observe(float64(extent.Pages))
	m.walkRows.WithLabelValues(string(kind)).Observe(float64(extent.Rows))
}

// Surveyed implements poller.Observer.
func (m *Metrics) Surveyed(plan poller.SurveyPlan, outcome poller.SurveyOutcome) {
	m.surveys.WithLabelValues(string(plan), string(outcome)).Inc()
}

// collectStats gives out the state of the engine.
func (m *Metrics) collectStats(stats []poller.Stats, metrics chan<- prometheus.Metric) {
	byPlace := map[place]poller.Stats{}
	for _, s := range stats {
		p := m.place(s.RegionID, s.Account)
		byPlace[p] = together(byPlace[p], s)
	}
	for p, s := range byPlace {
		give := func(d definition, value float64) {
			metrics <- prometheus.MustNewConstMetric(d.desc(), prometheus.GaugeValue, value, p.region, p.account)
		}
		give(watched, float64(s.Watched))
		give(awaited, float64(s.Awaited))
		give(hinted, float64(s.Hinted))
		give(stretched, float64(s.Stretched))
		give(refused, float64(s.Refused))
		give(due, float64(s.Due))
		give(overdue, float64(s.Overdue))
		give(oldestDue, s.OldestDue.Seconds())
		if !s.Bucket {
			continue
		}
		open := 0.0
		if s.Throttled {
			open = 1
		}
		give(breakerOpen, open)
		give(rateAllowed, s.Rate)
		give(tokens, s.Tokens)
	}
}

// together is the state of two places that are counted as one.
func together(a, b poller.Stats) poller.Stats {
	return poller.Stats{
		Watched: a.Watched + b.Watched, Awaited: a.Awaited + b.Awaited, Hinted: a.Hinted + b.Hinted, Stretched: a.Stretched + b.Stretched, Refused: a.Refused + b.Refused,
		Due: a.Due + b.Due, Overdue: a.Overdue + b.Overdue, OldestDue: max(a.OldestDue, b.OldestDue),
		Bucket: a.Bucket || b.Bucket, Throttled: a.Throttled || b.Throttled,
		Rate: a.Rate + b.Rate, Tokens: a.Tokens + b.Tokens,
	}
}
