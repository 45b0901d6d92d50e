package main

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/fastclock"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// Case is what the contestants are measured on. Everything random in it comes from Seed.
type Case struct {
	// Runs is how many runs there are, each on one instance and watched by one InvocationResult.
	Runs int
	// Quota is how many calls the API accepts in a minute, of each action.
	Quota int
	Seed  uint64

	// RoundTrip is how long a call is on its way, there and back.
	RoundTrip time.Duration
	Tokens    emulator.TokenKind
	Order     emulator.RowOrder
	// Visibility is how late a change of a row is seen at most: that it is there, and that it has ended.
	Visibility time.Duration

	// EventDelay is how late at most an event says that a run has ended, to who receives events.
	EventDelay time.Duration

	// Starts is the time within which the runs start, evenly.
	Starts time.Duration
	// Median, Sigma and Longest describe how long they take: lognormally spread, and cut at Longest unless that is 0.
	Median  time.Duration
	Sigma   float64
	Longest time.Duration
	// FailRate is the share of the runs that exit with 3.
	FailRate float64
	// OutputBytes is what each has printed by its end.
	OutputBytes int
	// Commands is how many commands the runs are of; 0 is one for each run, as RunCommand makes them.
	Commands int
	// Foreign is how many scheduled invocations of somebody else are in the account, of one row each.
	Foreign int

	// QPS is --api-qps of our operator; 0 is the quota, as who knows it would set it.
	QPS float64
	// Grace is how long after the end of the last run its completion is waited for.
	Grace time.Duration
	// Idle is how long the contestant is watched once everything has completed; it should do nothing.
	Idle time.Duration
	Pace fastclock.Pace
}

func defaultCase() Case {
	return Case{
		Seed: 1, RoundTrip: 120 * time.Millisecond, Tokens: emulator.TokensKeyset, Order: emulator.OrderNewestFirst,
		Visibility: 3 * time.Second, EventDelay: time.Second, Starts: time.Minute, Median: 3 * time.Minute, Sigma: 0.8, Longest: 15 * time.Minute, FailRate: 0.1, OutputBytes: 500,
		Grace: 2 * time.Hour, Pace: fastclock.Pace{{Scale: 10}},
	}
}

// bind makes flags of everything but Runs and Quota. What c holds are the defaults.
func (c *Case) bind(flags *flag.FlagSet) {
	flags.Uint64Var(&c.Seed, "seed", c.Seed, "Where everything random comes from.")
	flags.DurationVar(&c.RoundTrip, "round-trip", c.RoundTrip, "How long a call is on its way, there and back.")
	flags.Func("tokens", fmt.Sprintf("Kind of page tokens, %s or %s (default %s).", emulator.TokensKeyset, emulator.TokensOffset, c.Tokens), func(text string) error {
		c.Tokens = emulator.TokenKind(text)
		return nil
	})
	flags.Func("order", fmt.Sprintf("Order of the rows: NewestFirst, OldestFirst, ByInstance or Shuffled (default %s).", c.Order), func(text string) error {
		c.Order = emulator.RowOrder(text)
		return nil
	})
	flags.DurationVar(&c.Visibility, "visibility", c.Visibility, "How late a change of a row is seen at most.")
	flags.DurationVar(&c.EventDelay, "event-delay", c.EventDelay, "How late an event says that a run has ended, at most.")
	flags.DurationVar(&c.Starts, "starts", c.Starts, "The time within which the runs start.")
	flags.DurationVar(&c.Median, "median", c.Median, "Median of the durations.")
	flags.Float64Var(&c.Sigma, "sigma", c.Sigma, "Their spread: the standard deviation of their logarithm.")
	flags.DurationVar(&c.Longest, "longest", c.Longest, "The most that a run takes; 0 is no limit.")
	flags.Float64Var(&c.FailRate, "fail-rate", c.FailRate, "Share of the runs that exit with 3.")
	flags.IntVar(&c.OutputBytes, "output", c.OutputBytes, "Bytes that each run prints.")
	flags.IntVar(&c.Commands, "commands", c.Commands, "How many commands the runs are of; 0 is one for each.")
	flags.IntVar(&c.Foreign, "foreign", c.Foreign, "Scheduled invocations of somebody else in the account.")
	flags.Float64Var(&c.QPS, "qps", c.QPS, "--api-qps of our operator; 0 is the quota.")
	flags.DurationVar(&c.Grace, "grace", c.Grace, "How long after the end of the last run its completion is waited for.")
	flags.DurationVar(&c.Idle, "idle", c.Idle, "How long the contestant is watched once everything has completed.")
	flags.Func("pace", fmt.Sprintf("How many seconds pass in a real one, such as 20, or 1:15m+20 for a quarter of an hour in real time and then faster (default %s).", c.Pace), func(text string) (err error) {
		c.Pace, err = fastclock.ParsePace(text)
		return err
	})
}

// parseCase reads RUNS/QUOTA, with settings of its own after it: 1000/300,foreign=5000,pace=1. Settings that it does
// not name are those of base.
func parseCase(base Case, text string) (Case, error) {
	c := base
	size, settings, _ := strings.Cut(text, ",")
	runs, quota, found := strings.Cut(size, "/")
	var errRuns, errQuota error
	c.Runs, errRuns = strconv.Atoi(runs)
	c.Quota, errQuota = strconv.Atoi(quota)
	if !found || errRuns != nil || errQuota != nil || c.Runs < 1 || c.Quota < 1 {
		return Case{}, fmt.Errorf("case %q does not begin with RUNS/QUOTA, such as 1000/300", text)
	}
	flags := flag.NewFlagSet(text, flag.ContinueOnError)
	c.bind(flags)
	for setting := range strings.SplitSeq(settings, ",") {
		if setting == "" {
			continue
		}
		name, value, _ := strings.Cut(setting, "=")
		if err := flags.Set(name, value); err != nil {
			return Case{}, fmt.Errorf("case %q: %s: %w", text, name, err)
		}
	}
	return c, c.check(text)
}

func (c Case) check(text string) error {
	switch {
	case c.Median <= 0 || c.Sigma < 0:
		return fmt.Errorf("case %q: durations need a median above 0 and a sigma of at least 0", text)
	case c.FailRate < 0 || c.FailRate > 1:
		return fmt.Errorf("case %q: fail-rate is a share, from 0 to 1", text)
	case c.RoundTrip < 0 || c.Visibility < 0 || c.EventDelay < 0 || c.Starts < 0 || c.Longest < 0 || c.Grace <= 0 || c.Idle < 0 || c.QPS < 0 ||
		c.OutputBytes < 0 || c.Commands < 0 || c.Foreign < 0:
		return fmt.Errorf("case %q: a setting is negative, or grace is 0", text)
	}
	return nil
}

// Name is RUNS/QUOTA.
func (c Case) Name() string { return fmt.Sprintf("%d/%d", c.Runs, c.Quota) }

// String is the case as parseCase reads it.
func (c Case) String() string {
	text := c.Name()
	settings := c.Settings()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		text += "," + name + "=" + settings[name]
	}
	return text
}

// Settings are all others, by the names of their flags.
func (c Case) Settings() map[string]string {
	return map[string]string{
		"seed": strconv.FormatUint(c.Seed, 10), "round-trip": c.RoundTrip.String(), "tokens": string(c.Tokens), "order": string(c.Order),
		"visibility": c.Visibility.String(), "event-delay": c.EventDelay.String(), "starts": c.Starts.String(), "median": c.Median.String(), "sigma": number(c.Sigma),
		"longest": c.Longest.String(), "fail-rate": number(c.FailRate), "output": strconv.Itoa(c.OutputBytes),
		"commands": strconv.Itoa(c.Commands), "foreign": strconv.Itoa(c.Foreign), "qps": number(c.qps()),
		"grace": c.Grace.String(), "idle": c.Idle.String(), "pace": c.Pace.String(),
	}
}

func (c Case) qps() float64 {
	if c.QPS > 0 {
		return c.QPS
	}
	return float64(c.Quota) / 60
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// The cases of the table. Where one has to be in real time it is so until all but a few runs have ended; the
// long tail of the durations goes faster. Ten thousand objects are made as fast as an API server on two processors
// takes them, so that time must not run ahead meanwhile. The start of a contestant takes some of a first stretch, too.
var allCases = []string{
	"100/100,pace=20", "100/300,pace=20", "100/1000,pace=20", "100/6000,pace=20",
	"1000/100,pace=10", "1000/300,pace=1:10m+20", "1000/1000,pace=1:10m+20", "1000/6000,pace=4",
	"10000/100,pace=1:3m+10", "10000/300,pace=1:3m+10", "10000/1000,pace=1:3m+5", "10000/6000,pace=1:10m+10",
	"100/300,foreign=5000,pace=10",
}

// quickCases end in about two minutes.
var quickCases = []string{"100/300,pace=20,longest=10m"}
