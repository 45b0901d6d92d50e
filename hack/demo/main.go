// Command demo shows the operator at work on this machine alone: a real kube-apiserver and etcd, the emulator of
// Cloud Assistant, the operator under its own ServiceAccount, and commands that really run. `make demo` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

func main() {
	keep := flag.Bool("keep", false, "Leave everything running until Ctrl-C, and print how to use it.")
	flag.Parse()
	os.Exit(demo(*keep))
}

// demo returns the exit status.
func demo(keep bool) int {
	ctx, stop := testenv.Interruptible(context.Background())
	defer stop()
	err := run(ctx, keep)
	switch {
	case errors.Is(err, errInterrupted):
		fmt.Println("Interrupted; everything has been stopped.")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

var errInterrupted = errors.New("interrupted")

func run(ctx context.Context, keep bool) (err error) {
	started := time.Now()
	play := &stage{}
	defer func() {
		say("Stopping everything")
		err = errors.Join(err, play.tearDown())
	}()
	for _, act := range []func(context.Context, *stage) error{setUp, oneOfThreeFails, foundByTag, scheduled, toldByEvents} {
		if err := act(ctx, play); ctx.Err() != nil {
			return errInterrupted
		} else if err != nil {
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
