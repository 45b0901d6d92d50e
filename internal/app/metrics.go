package app

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// registry is where the operator's metrics go: into the one that the manager serves. Of several operators in one process,
// whose series would be the same there, each has its own, which nobody serves; that a second one comes without saying so
// is an error.
func (o *Options) registry() prometheus.Registerer {
	switch {
	case o.metrics != nil:
		return o.metrics
	case o.skipNameValidation:
		return prometheus.NewRegistry()
	}
	return ctrlmetrics.Registry
}
