package metrics

import "github.com/cloud-assistant-operator/cloud-assistant-operator/internal/controller"

// Wrote implements controller.Observer.
func (m *Metrics) Wrote(namespace string, write controller.Write) {
	m.writes.WithLabelValues(string(write.Kind)).Inc()
	m.truncated.Add(float64(write.TruncatedBytes))
	for _, reason := range write.Completed {
		m.completion(namespace, reason).Inc()
	}
	if write.Detected {
		m.detectionLag.Observe(write.Lag.Seconds())
		if ago, announced := m.announced(write.RegionID, write.InvokeID, write.Lag); announced {
			m.events.lag.Observe(write.Lag.Seconds())
			m.events.statusLag.Observe(ago.Seconds())
		}
	}
}

// Skipped implements controller.Observer.
func (m *Metrics) Skipped(reason controller.SkipReason) {
	m.skips.WithLabelValues(string(reason)).Inc()
}

// Deleted implements controller.Observer.
func (m *Metrics) Deleted() { m.deletions.Inc() }

type incrementer interface{ Inc() }

func (m *Metrics) completion(namespace, reason string) incrementer {
	m.namespaces.use(namespace, m.clock.Now())
	return m.completed.WithLabelValues(namespace, reason)
}

// keepNamespaces keeps the series of the namespaces with results, and makes those that they lack: an alert on the first
// failure in a namespace needs the 0 before it.
func (m *Metrics) keepNamespaces(namespaces []string) {
	for _, namespace := range namespaces {
		for _, reason := range controller.CompletionReasons {
			m.completion(namespace, reason)
		}
	}
}
