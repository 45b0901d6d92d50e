package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"
)

// happening is what happens to a run: it starts, it ends, and answers show that it has ended.
type happening int

const (
	starts happening = iota
	ends
	showsItsEnd
)

// moment is when something happens to a run.
type moment struct {
	at   time.Duration
	what happening
	run  int
}

func moments(runs []run) []moment {
	all := make([]moment, 0, 3*len(runs))
	for n, r := range runs {
		all = append(all, moment{r.Start, starts, n}, moment{r.End, ends, n}, moment{r.EndSeen, showsItsEnd, n})
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
		switch m.what {
		case starts:
			if err = w.start(r, zero); err == nil {
				started <- r
			}
		case ends:
			err = w.announcer.announce(r, zero)
		case showsItsEnd:
			err = w.end(r, zero, output)
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
