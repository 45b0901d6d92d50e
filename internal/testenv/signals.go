package testenv

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible is a context that ends when somebody asks the program to stop. A pipe or a connection that breaks is an
// error where it is written to, and no such wish: caught together with the others, its signal would stop everything
// because a server hung up.
func Interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
