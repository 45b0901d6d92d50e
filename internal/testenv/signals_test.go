package testenv

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// A server that hangs up stops nothing; somebody's wish does.
func TestABrokenConnectionIsNoInterruption(t *testing.T) {
	ctx, stop := Interruptible(t.Context())
	defer stop()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(peer.Close(), listener.Close()); err != nil {
		t.Fatal(err)
	}
	for !errors.Is(err, syscall.EPIPE) {
		_, err = connection.Write(make([]byte, 1<<10))
	}
	if err := connection.Close(); err != nil {
		t.Error(err)
	}
	// The signal of the broken connection came before this one.
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("the wish to stop was not heard")
	}
	if cause := context.Cause(ctx); cause == nil || cause.Error() != "terminated signal received" {
		t.Errorf("the context ended by %v, want the wish to stop", cause)
	}
}
