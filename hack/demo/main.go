// Command demo shows the operator at work on this machine alone: a real kube-apiserver and etcd, the emulator of
// Cloud Assistant, the operator under its own ServiceAccount, and commands that really run. `make demo` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	keep := flag.Bool("keep", false, "Leave everything running until Ctrl-C, and print how to use it.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, *keep)
	switch {
	case ctx.Err() != nil && !*keep:
		fmt.Println("\nInterrupted; everything has been stopped.")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, keep bool) (err error) {
	started := time.Now()
	play := &stage{}
	defer func() {
		say("Stopping everything")
		err = errors.Join(err, play.tearDown())
	}()
	if err := play.setUp(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context, *stage) error{oneOfThreeFails, foundByTag, scheduled} {
		if err := act(ctx, play); err != nil {
			return err
		}
	}
	say("Done in %d s, of which the control plane took %d s to start", int(time.Since(started).Seconds()), int(play.startup.Seconds()))
	if keep {
		play.explain()
		<-ctx.Done()
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("\n\033[1m=== "+format+"\033[0m\n", args...)
}
