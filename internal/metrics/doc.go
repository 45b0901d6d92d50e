// Package metrics counts what the operator does, for Prometheus. What counts is told to it: by the engine
// (poller.Observer), by the reconciler (controller.Observer), and by the sessions that it stands before. The state of the
// engine it reads when it is scraped.
//
// Labels have few values, and none that a command, a result or a secret has: regions, accounts by their ID, which is no
// secret, namespaces, and words of ours. The names of results are never one. Series of a region, an account or a namespace
// where nothing is left go after a while, so that whoever scrapes has seen their last value.
package metrics
