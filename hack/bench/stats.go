package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// quantile is the smallest of the values that at least a share q of them does not exceed; 0 of none. The values are
// sorted.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	n := int(math.Ceil(q*float64(len(values)))) - 1
	return values[min(max(n, 0), len(values)-1)]
}

// span is from when an end can be seen until when it is known.
type span struct{ from, to time.Duration }

// fewestCalls is how many calls nobody can do without who knows each end within its span, even if told beforehand when
// the ends come: one look within every span, and one call for every page of rows.
func fewestCalls(spans []span, page int) int {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.to, b.to) })
	looks, last := 0, time.Duration(math.MinInt64)
	for _, s := range spans {
		if s.from > last {
			looks, last = looks+1, s.to
		}
	}
	return max(looks, (len(spans)+page-1)/page)
}
