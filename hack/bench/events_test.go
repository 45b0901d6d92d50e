package main

import (
	"context"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// What the announcer sends is what a receiver takes, and names the run that has ended.
func TestAnEndIsAnnounced(t *testing.T) {
	a, err := startAnnouncer(t.Context(), clock.RealClock{}, t.TempDir(), Case{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	verifier, err := events.NewVerifier(events.VerifierOptions{
		PublicURL: eventsURL(a.address), Clock: clock.RealClock{}, Certificates: events.NewCertificateFile(a.certificate, clock.RealClock{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	hints := make(chan events.Hint, 1)
	receiver, err := events.NewReceiver(events.ReceiverOptions{
		Verifier: verifier, Clock: clock.RealClock{}, Logger: logr.Discard(),
		Sink: func(_ context.Context, hint events.Hint) error { hints <- hint; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", a.address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(receiver)
	server.Listener = socket
	server.Start()
	defer server.Close()
	zero := time.Now().UTC().Truncate(time.Second)
	r := run{InvokeID: "t-bench00001", InstanceID: "i-bench001", CommandID: "c-bench00001", End: time.Minute}
	if err := a.announce(r, zero); err != nil {
		t.Fatal(err)
	}
	hint := <-hints
	if hint.InvokeID != r.InvokeID || hint.InstanceID != r.InstanceID || hint.RegionID != region ||
		hint.AccountID != emulator.DefaultAccountID || !hint.FinishedAt.Equal(zero.Add(r.End)) {
		t.Errorf("the hint is %+v", hint)
	}
}
