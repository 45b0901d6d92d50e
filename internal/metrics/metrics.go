package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/controller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// Metrics are those of one operator. They are a prometheus.Collector, a poller.Observer, a controller.Observer and an
// events.Observer, and safe for many goroutines.
type Metrics struct {
	clock clock.PassiveClock

	places     shelf[place]
	namespaces shelf[string]

	calls, throttled, sessionFailures, surveys, completed, writes, skips *prometheus.CounterVec
	callDuration, walkPages, walkRows                                    *prometheus.HistogramVec
	detectionLag                                                         prometheus.Histogram
	truncated, deletions                                                 prometheus.Counter
	events                                                               *eventMetrics

	mu sync.Mutex
	// engine and results are what is read at a scrape; nil before Read.
	engine  Engine
	results Results
}

// Engine is what is read of the observation engine, poller.Poller.
type Engine interface {
	Stats() []poller.Stats
}

// Results is what is read of the reconciler.
type Results interface {
	// Namespaces are those with results.
	Namespaces() []string
}

// mostPlaces bounds the pairs of region and account that have series of their own: both are what users write into specs
// and Secrets. The others are counted together.
const mostPlaces = 100

// New returns metrics that have counted nothing yet.
func New(clock clock.PassiveClock) *Metrics {
	m := &Metrics{
		clock:  clock,
		places: shelf[place]{most: mostPlaces},

		calls: calls.counters(), throttled: throttled.counters(), sessionFailures: sessionFailures.counters(),
		surveys: surveys.counters(), completed: completed.counters(), writes: writes.counters(), skips: skips.counters(),
		callDuration: callDuration.histograms(), walkPages: walkPages.histograms(), walkRows: walkRows.histograms(),
		detectionLag: detectionLag.histograms().WithLabelValues().(prometheus.Histogram),
		truncated:    truncated.counters().WithLabelValues(), deletions: deletions.counters().WithLabelValues(),
		events: newEventMetrics(),
	}
	m.zero()
	return m
}

// zero makes the series whose labels are known from the start: a counter that begins with its first event has an increase
// that nobody sees.
func (m *Metrics) zero() {
	for _, kind := range poller.WalkKinds {
		m.walkPages.WithLabelValues(string(kind))
		m.walkRows.WithLabelValues(string(kind))
	}
	for _, plan := range poller.SurveyPlans {
		for _, outcome := range poller.SurveyOutcomes {
			m.surveys.WithLabelValues(string(plan), string(outcome))
		}
	}
	for _, kind := range controller.WriteKinds {
		m.writes.WithLabelValues(string(kind))
	}
	for _, reason := range controller.SkipReasons {
		m.skips.WithLabelValues(string(reason))
	}
}

// Read has the state of the engine and of the results read at each scrape from now on.
func (m *Metrics) Read(engine Engine, results Results) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.engine, m.results = engine, results
}

// Register makes the metrics part of a registry until unregister is called. It fails if those of another operator are:
// series of two would be one.
func (m *Metrics) Register(registry prometheus.Registerer) (unregister func(), err error) {
	if err := registry.Register(m); err != nil {
		return nil, err
	}
	return func() { registry.Unregister(m) }, nil
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range definitions {
		descs <- d.desc()
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	engine, results := m.engine, m.results
	m.mu.Unlock()
	if engine != nil {
		m.collectStats(engine.Stats(), metrics)
	}
	if results != nil {
		m.keepNamespaces(results.Namespaces())
	}
	m.dropUnused()
	for _, c := range append([]prometheus.Collector{
		m.calls, m.throttled, m.sessionFailures, m.surveys, m.completed, m.writes, m.skips,
		m.callDuration, m.walkPages, m.walkRows, m.detectionLag, m.truncated, m.deletions,
	}, m.events.collectors()...) {
		c.Collect(metrics)
	}
}

// dropUnused drops the series of places and namespaces where nothing is left.
func (m *Metrics) dropUnused() {
	now := m.clock.Now()
	m.places.drop(now, func(p place) {
		for _, vector := range []*prometheus.MetricVec{m.calls.MetricVec, m.throttled.MetricVec, m.callDuration.MetricVec} {
			vector.DeletePartialMatch(prometheus.Labels{labelRegion: p.region, labelAccount: p.account})
		}
		if p.account == unknown {
			m.sessionFailures.DeletePartialMatch(prometheus.Labels{labelRegion: p.region})
		}
	})
	m.namespaces.drop(now, func(namespace string) {
		m.completed.DeletePartialMatch(prometheus.Labels{labelNamespace: namespace})
	})
}
