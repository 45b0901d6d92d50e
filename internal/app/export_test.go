package app

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// AllowSeveralInOneProcess lets tests run operators side by side; in a process of its own, two controllers of one
// name would be a mistake.
func (o *Options) AllowSeveralInOneProcess() { o.skipNameValidation = true }

// ServeMetrics has this one of them serve its metrics at an address, in the clear.
func (o *Options) ServeMetrics(address string) {
	o.metrics, o.MetricsBindAddress, o.MetricsSecure = ctrlmetrics.Registry, address, false
}

// CollectMetrics has this one of them collect its metrics where nobody serves them.
func (o *Options) CollectMetrics() prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	o.metrics = registry
	return registry
}
