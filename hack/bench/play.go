package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"
)

// moment is when something happens to a run.
type moment struct {
	at    time.Duration
	ended bool
	run   int
}

func moments(runs []run) []moment {
	all := make([]moment, 0, 2*len(runs))
	for n, r := range runs {
		all = append(all, moment{at: r.Start, run: n}, moment{at: r.EndSeen, ended: true, run: n})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return all
}

// play lets the runs happen from zero on, and tells of each that it was started. It returns how late the latest of it
// was: what a machine that is too slow for the pace adds to every lag.
func (w *cloud) play(ctx context.Context, runs []run, zero time.Time, outputBytes int, started chan<- run) (late time.Duration, err error) {
	defer close(started)
	output := bytes.Repeat([]byte("line of output\n"), outputBytes/15+1)[:outputBytes]
	for _, m := range moments(runs) {
		if err := w.until(ctx, zero.Add(m.at)); err != nil {
			return late, err
		}
		late = max(late, w.clock.Since(zero.Add(m.at)))
		r := runs[m.run]
		if m.ended {
			err = w.end(r, zero, output)
		} else if err = w.start(r, zero); err == nil {
			started <- r
		}
		if err != nil {
			return late, err
		}
	}
	return late, nil
}

func (w *cloud) until(ctx context.Context, at time.Time) error {
	return sleepUntil(ctx, w.clock, at)
}
