// Command ecs-emulator serves the Cloud Assistant part of the ECS API on this machine. Commands sent to it really
// run, as local processes.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(untilSignal()) }

// untilSignal executes the command until it ends or a signal asks it to: SIGTERM is what container runtimes and
// service managers send.
func untilSignal() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
}

// execute returns the exit code: 2 if the arguments are wrong, 1 if anything else is.
func execute(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	settings, err := parse(args, getenv, stdout)
	switch {
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "ecs-emulator: %v\nRun 'ecs-emulator --help' for usage.\n", err)
		return 2
	case settings == nil:
		return 0
	}
	if err := serve(ctx, *settings, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "ecs-emulator: %v\n", err)
		return 1
	}
	return 0
}
