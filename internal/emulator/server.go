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

// listener is a socket and its server: the part of an Emulator that an outage takes away.
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
	return e.start(&e.api, address, e)
}

// StartAdmin serves AdminHandler on an address of its own, until Close. It returns its URL.
func (e *Emulator) StartAdmin(address string) (string, error) {
	return e.start(&e.admin, address, e.AdminHandler())
}

// Stop closes the listener of the API and every connection at once, as an outage does. Commands go on. Calls in
// flight have ended when it returns.
func (e *Emulator) Stop() error { return e.api.stop() }

// Drain closes the listener of the API and waits for the calls in flight to end, or ctx. Stop or Close must
// follow.
func (e *Emulator) Drain(ctx context.Context) error {
	e.api.mu.Lock()
	server := e.api.server
	e.api.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Shutdown(ctx)
}

func (e *Emulator) start(l *listener, address string, handler http.Handler) (string, error) {
	if err := e.checkAddress(address); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.ctx.Err() != nil:
		return "", errClosed
	case l.server != nil:
		return "", errors.New("the emulator is listening already; call Stop first")
	}
	socket, err := (&net.ListenConfig{}).Listen(e.ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("cannot listen on %s; choose another address: %w", address, err)
	}
	calls := newInFlight(handler)
	server := &http.Server{Handler: calls, ReadHeaderTimeout: 30 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(socket)
	}()
	l.server, l.done, l.calls = server, done, calls
	return "http://" + socket.Addr().String(), nil
}

// stop ends the listener. The handlers learn it from their contexts; it waits for them.
func (l *listener) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server == nil {
		return nil
	}
	err := l.server.Close()
	<-l.done
	l.calls.wait()
	l.server = nil
	return err
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
