package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// listener is the part of an Emulator that an outage takes away.
type listener struct {
	mu     sync.Mutex
	server *http.Server
	done   chan struct{}
	calls  *inFlight
}

// inFlight wraps a handler and knows when no call of it is left.
type inFlight struct {
	handler http.Handler
	mu      sync.Mutex
	idle    sync.Cond
	count   int
}

func newInFlight(handler http.Handler) *inFlight {
	f := &inFlight{handler: handler}
	f.idle.L = &f.mu
	return f
}

func (f *inFlight) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.add(1)
	defer f.add(-1)
	f.handler.ServeHTTP(w, r)
}

func (f *inFlight) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count += n
	f.idle.Broadcast()
}

func (f *inFlight) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.count > 0 {
		f.idle.Wait()
	}
}

// Start listens on an address such as 127.0.0.1:0 and serves until Stop or Close. It returns the URL of the
// API. After Stop it may be called again, with the same address, and all state is as it was.
func (e *Emulator) Start(address string) (string, error) {
	if err := e.checkAddress(address); err != nil {
		return "", err
	}
	e.listener.mu.Lock()
	defer e.listener.mu.Unlock()
	if e.ctx.Err() != nil {
		return "", errClosed
	}
	if e.listener.server != nil {
		return "", errors.New("the emulator is listening already; call Stop first")
	}
	socket, err := (&net.ListenConfig{}).Listen(e.ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("cannot listen on %s; choose another address: %w", address, err)
	}
	calls := newInFlight(e)
	server := &http.Server{Handler: calls, ReadHeaderTimeout: 30 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(socket)
	}()
	e.listener.server, e.listener.done, e.listener.calls = server, done, calls
	return "http://" + socket.Addr().String(), nil
}

// Stop closes the listener and every connection at once, as an outage does. Commands go on. Calls in flight
// have ended when it returns.
func (e *Emulator) Stop() error {
	e.listener.mu.Lock()
	defer e.listener.mu.Unlock()
	if e.listener.server == nil {
		return nil
	}
	err := e.listener.server.Close()
	<-e.listener.done
	// The handlers were told by their contexts; the server waits for none of them.
	e.listener.calls.wait()
	e.listener.server = nil
	return err
}

// Shutdown closes the listener and waits for the calls in flight, until ctx ends.
func (e *Emulator) Shutdown(ctx context.Context) error {
	e.listener.mu.Lock()
	server := e.listener.server
	e.listener.mu.Unlock()
	if server == nil {
		return nil
	}
	return errors.Join(server.Shutdown(ctx), e.Stop())
}

// checkAddress refuses to expose the emulator beyond this machine unless that was asked for.
func (e *Emulator) checkAddress(address string) error {
	if e.options.AllowRemote {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q is not of the form host:port: %w", address, err)
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %q is not loopback: whoever reaches the emulator can run commands on this machine; "+
		"use 127.0.0.1, or allow remote access if that is what you want", address)
}
