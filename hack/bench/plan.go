package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// run is one run as it will be, its times counted from the beginning of the case.
type run struct {
	Name       string
	InvokeID   string
	CommandID  string
	InstanceID string
	ExitCode   int64
	// Start and End are the truth. Seen is from when answers show its row, and EndSeen that it has ended.
	Start, End, Seen, EndSeen time.Duration
}

// instances is how many machines the runs are spread over.
const instances = 100

// plan draws the runs of a case, in the order in which they start.
func plan(c Case) []run {
	random := rand.New(rand.NewPCG(c.Seed, 0))
	late := func() time.Duration { return time.Duration(random.Float64() * float64(c.Visibility)) }
	runs := make([]run, c.Runs)
	for n := range runs {
		r := &runs[n]
		r.Start = time.Duration(random.Float64() * float64(c.Starts))
		took := time.Duration(float64(c.Median) * math.Exp(c.Sigma*random.NormFloat64()))
		if c.Longest > 0 {
			took = min(took, c.Longest)
		}
		r.End = r.Start + took
		r.Seen = r.Start + late()
		r.EndSeen = max(r.End+late(), r.Seen)
		if random.Float64() < c.FailRate {
			r.ExitCode = 3
		}
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.Start, b.Start) })
	for n := range runs {
		command := n
		if c.Commands > 0 {
			command = n % c.Commands
		}
		runs[n].Name = fmt.Sprintf("run-%05d", n)
		runs[n].InvokeID = fmt.Sprintf("t-bench%05d", n)
		runs[n].CommandID = fmt.Sprintf("c-bench%05d", command)
		runs[n].InstanceID = fmt.Sprintf("i-bench%03d", n%instances)
	}
	return runs
}

// lastEnd is when the last of the runs ends.
func lastEnd(runs []run) time.Duration {
	return slices.MaxFunc(runs, func(a, b run) int { return cmp.Compare(a.End, b.End) }).End
}
