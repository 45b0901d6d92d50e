package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// announcer tells a contestant of the ends of runs as EventBridge does, whether the API shows them by then or not. A nil
// one tells nobody.
type announcer struct {
	publisher *eventbridge.Publisher
	// address is where the contestant receives events, and certificate the file that it verifies them with.
	address, certificate string
}

// startAnnouncer makes one that announces each end up to delay late. close must follow.
func startAnnouncer(ctx context.Context, clk clock.WithTickerAndDelayedExecution, scratch string, c Case) (*announcer, error) {
	address, err := testenv.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	signer, err := eventbridge.NewSigner(time.Now())
	if err != nil {
		return nil, err
	}
	a := &announcer{address: address, certificate: filepath.Join(scratch, "eventbridge.pem")}
	if err := os.WriteFile(a.certificate, signer.Certificate(), 0o600); err != nil {
		return nil, err
	}
	publishing := eventbridge.Publishing{Targets: []eventbridge.Target{{URL: eventsURL(address)}}, Jitter: c.EventDelay, Seed: c.Seed}
	// The receiver judges signatures by the real time, whatever the pace.
	if a.publisher, err = eventbridge.NewPublisher(publishing, signer, clk, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	return a, nil
}

func eventsURL(address string) string { return "http://" + address + events.PathEventBridge }

func (a *announcer) close() {
	if a != nil {
		a.publisher.Close()
	}
}

// announce publishes that a run has ended.
func (a *announcer) announce(r run, zero time.Time) error {
	if a == nil {
		return nil
	}
	row := emulator.Row{InvokeID: r.InvokeID, InstanceID: r.InstanceID, CommandID: r.CommandID, StartTime: zero.Add(r.Start)}
	text, err := json.Marshal(emulator.Completion{
		Row: r.ended(row, zero), AccountID: emulator.DefaultAccountID, RegionID: region, RepeatMode: emulator.RepeatOnce, At: zero.Add(r.End),
	})
	if err != nil {
		return err
	}
	a.publisher.Publish(text)
	return nil
}
