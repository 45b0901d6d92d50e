// Command sizing measures what InvocationResults that have ended cost an API server, its etcd and the operator, on a
// real control plane on this machine, and prints it as Markdown. `make sizing` runs it, on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

type options struct {
	manager string
	env     []string
	only    string
	rounds  int
	starts  int
	lists   int
	patches int
	rest    time.Duration
}

func main() {
	var o options
	var env string
	flag.StringVar(&o.manager, "manager", filepath.Join(testenv.Root(), "bin", "manager"), "The operator to measure.")
	flag.StringVar(&env, "manager-env", "", "Variables to set for the operator, separated by commas, such as GOMEMLIMIT=460MiB.")
	flag.StringVar(&o.only, "only", "", "Only these cases, separated by commas, such as one:1000,full:300. Empty: all.")
	flag.IntVar(&o.rounds, "rounds", 2, "How often each case is measured, each time in a new control plane.")
	flag.IntVar(&o.starts, "starts", 2, "How often the operator is started in each round.")
	flag.IntVar(&o.lists, "lists", 5, "How often each kind of list is asked for in each round.")
	flag.IntVar(&o.patches, "patches", 100, "How many status patches are timed in each round.")
	flag.DurationVar(&o.rest, "rest", 10*time.Second, "How long processes are left alone before what they keep is read.")
	flag.Parse()
	if env != "" {
		o.env = strings.Split(env, ",")
	}
	os.Exit(sizing(o))
}

// sizing returns the exit status.
func sizing(o options) int {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := testenv.Interruptible(context.Background())
	defer stop()
	err := run(ctx, o)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "Interrupted; everything has been stopped.")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "sizing:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options) error {
	cases, err := choose(allCases(), o.only)
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.manager); err != nil {
		return fmt.Errorf("%w: run make build", err)
	}
	machine, err := describeMachine()
	if err != nil {
		return err
	}
	results, err := measureAll(ctx, o, cases)
	if len(results) > 0 {
		// What was measured before an error, or Ctrl-C, took its time.
		fmt.Print(report(machine, results))
	}
	return err
}

// measureAll measures the cases one by one, and returns the rounds that it got through.
func measureAll(ctx context.Context, o options, cases []sizingCase) (results []result, err error) {
	for _, c := range cases {
		for round := range o.rounds {
			started := time.Now()
			m, err := measure(ctx, o, c)
			if err != nil {
				return results, fmt.Errorf("%s, round %d: %w", c, round+1, err)
			}
			if round == 0 {
				results = append(results, result{name: c.name, objects: c.objects})
			}
			one := &results[len(results)-1]
			one.rounds = append(one.rounds, m)
			fmt.Fprintf(os.Stderr, "sizing: %s, round %d of %d: %d s\n", c, round+1, o.rounds, int(time.Since(started).Seconds()))
		}
	}
	return results, nil
}

// measure measures one case in a control plane of its own.
func measure(ctx context.Context, o options, c sizingCase) (m measurement, err error) {
	controlPlane, err := testenv.Start(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, controlPlane.Stop()) }()
	b, err := newBench(o, c, controlPlane)
	if err != nil {
		return m, err
	}
	for _, step := range []func(context.Context, *measurement) error{
		b.warmUp, b.before, b.load, b.stored, b.lists, b.watched, b.patches,
	} {
		if err := step(ctx, &m); err != nil {
			return m, err
		}
	}
	return m, nil
}
