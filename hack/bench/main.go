// Command bench measures the operator on a real API server against the naive one, side by side: calls to the cloud,
// how late a completion is known, writes, processor time and memory. `make bench` runs it; see README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

func main() {
	os.Exit(status(os.Args[1:]))
}

// status is the exit status.
func status(args []string) int {
	ctx, stop := testenv.Interruptible(context.Background())
	defer stop()
	err := dispatch(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted; everything has been stopped.")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		for _, who := range contestants {
			if who.name == args[0] {
				return compete(ctx, who, args[1:])
			}
		}
	}
	return bench(ctx, args)
}

// bench measures the contestants on the cases that the flags name.
func bench(ctx context.Context, args []string) error {
	// envtest has nothing to tell that an error does not.
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	base := defaultCase()
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	base.bind(flags)
	chosen := flags.String("cases", strings.Join(allCases, " "), "What to measure: RUNS/QUOTA, each with settings of its own after it, such as 1000/300,foreign=5000,pace=1; separated by spaces.")
	quick := flags.Bool("quick", false, "Measure a small case only, in about two minutes.")
	names := flags.String("contestants", strings.Join(contestantNames(), ","), "Who is measured.")
	file := flags.String("json", "", "Also write the results into this file, for plots.")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: see --help", flags.Arg(0))
	}
	texts := strings.Fields(*chosen)
	if *quick {
		texts = quickCases
	}
	var cases []Case
	for _, text := range texts {
		c, err := parseCase(base, text)
		if err != nil {
			return err
		}
		cases = append(cases, c)
	}
	who, err := choose(*names)
	if err != nil {
		return err
	}
	fmt.Printf("`bench %s` on %s\n", strings.Join(args, " "), machine())
	var all []Result
	for _, c := range cases {
		results, err := sideBySide(ctx, c, who)
		if err != nil {
			return err
		}
		all = append(all, results...)
		if err := report(os.Stdout, results); err != nil {
			return err
		}
		if err := save(*file, all); err != nil {
			return err
		}
	}
	return verdict(all)
}

// sideBySide measures one contestant after the other: two at a time would share the processors.
func sideBySide(ctx context.Context, c Case, who []contestant) ([]Result, error) {
	var results []Result
	for _, w := range who {
		result, err := contest(ctx, c, w)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.Name(), w.title, err)
		}
		results = append(results, result)
	}
	return results, nil
}

func contestantNames() []string {
	var names []string
	for _, who := range contestants {
		names = append(names, who.name)
	}
	return names
}

func choose(names string) ([]contestant, error) {
	var chosen []contestant
	for name := range strings.SplitSeq(names, ",") {
		n := slices.IndexFunc(contestants, func(who contestant) bool { return who.name == name })
		if n < 0 {
			return nil, fmt.Errorf("there is no contestant %q: choose among %v", name, contestantNames())
		}
		chosen = append(chosen, contestants[n])
	}
	return chosen, nil
}

// save writes the results as JSON, if a file is named.
func save(file string, results []Result) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{"machine": machine(), "results": results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
