package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// machine says what the figures were measured on.
func machine() string {
	model := ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores%s, %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

const tableHead = `| | calls/run | lag p50/p99 s | throttled | status writes/run (changes) | CPU s/1,000 runs (cores) | peak RSS MiB | not completed | wrong |
|---|---|---|---|---|---|---|---|---|
`

// report writes the results of one case as a table: each against the first of them, and against what is possible.
func report(to io.Writer, results []Result) error {
	var b strings.Builder
	first := results[0]
	fmt.Fprintf(&b, "\n### %d runs, quota %s a minute\n\n%s\n\n%s", first.Runs, quotaOf(first.Case), conditions(first.Settings), tableHead)
	for _, r := range results {
		calls, lag := r.perRun(r.Calls), figure(r.LagP50)+"/"+figure(r.LagP99)
		if r.Contestant != first.Contestant {
			lag += fmt.Sprintf(" (%s/%s× %s)", ratio(r.LagP50, first.LagP50), ratio(r.LagP99, first.LagP99), first.Contestant)
		}
		fmt.Fprintf(&b, "| %s | %s (%s× %s, %s× fewest) | %s (%s/%s× limit) | %d | %s (%s) | %s (%s) | %d | %d | %d |\n", r.Contestant,
			figure(calls), ratio(calls, first.perRun(first.Calls)), first.Contestant, ratio(calls, r.perRun(r.FewestCalls)),
			lag, ratio(r.LagP50, r.LimitP50), ratio(r.LagP99, r.LimitP99),
			r.Throttled, figure(r.perRun(r.StatusRequests)), figure(r.perRun(r.StatusChanges)),
			figure(1000*r.perCompleted(r.CPUSeconds)), figure(r.Cores),
			r.PeakRSS>>20, r.Runs-r.Completed, r.Wrong)
	}
	fmt.Fprintf(&b, "| *limit* | %s | %s/%s | 0 | 1 | | | 0 | 0 |\n\n",
		figure(fullPages(first.Runs)), figure(first.LimitP50), figure(first.LimitP99))
	for _, r := range results {
		fmt.Fprintf(&b, "- %s: %.0f s by the clock in %.0f s; calls took p50 %.0f ms, p99 %.0f ms by the clock; the bench used %.0f CPU s, "+
			"and was late by %.0f ms at most, objects p99 %.0f ms; others kept %.1f cores busy.\n",
			r.Contestant, r.ModelSeconds, r.RealSeconds, 1000*r.RoundTripP50, 1000*r.RoundTripP99, r.BenchCPUSeconds, 1000*r.LateSeconds, 1000*r.MadeP99, r.OtherCores)
		if i := r.Idle; i != nil {
			fmt.Fprintf(&b, "  Afterwards, in %.0f s by the clock and %.0f s real: %d calls, %d status writes, %.2f CPU s.\n",
				i.ModelSeconds, i.RealSeconds, i.Calls, i.StatusRequests, i.CPUSeconds)
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// verdict is an error if one of ours missed an end or told a wrong one, which a figure in a table does not say loudly
// enough. What becomes of the naive one is a finding.
func verdict(results []Result) error {
	var failures []string
	for _, r := range results {
		if missed := r.Runs - r.Completed; r.Contestant != theNaive && (missed > 0 || r.Wrong > 0) {
			failures = append(failures, fmt.Sprintf("%s on %s (%d not completed, %d wrong)", r.Contestant, r.Case, missed, r.Wrong))
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return fmt.Errorf("not every run was brought to its right end by %s", strings.Join(failures, "; "))
}

func quotaOf(name string) string {
	_, quota, _ := strings.Cut(name, "/")
	return quota
}

// conditions is the setting in words.
func conditions(s map[string]string) string {
	return fmt.Sprintf("Round trip %s, %s tokens, rows %s, changes seen up to %s late, events up to %s, starts within %s, durations lognormal (median %s, sigma %s, longest %s), "+
		"output %s B, %s foreign schedules, --api-qps %s, seed %s, pace %s.",
		s["round-trip"], s["tokens"], s["order"], s["visibility"], s["event-delay"], s["starts"], s["median"], s["sigma"], s["longest"],
		s["output"], s["foreign"], s["qps"], s["seed"], s["pace"])
}

// fullPages is the calls for each run of one who learns everything from full pages.
func fullPages(runs int) float64 { return float64((runs+pageRows-1)/pageRows) / float64(runs) }

func ratio(value, of float64) string {
	if of == 0 {
		return "–"
	}
	return figure(value / of)
}

// figure has two digits at least, and no more than matter.
func figure(value float64) string {
	switch {
	case value >= 10:
		return fmt.Sprintf("%.0f", value)
	case value >= 1:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}
