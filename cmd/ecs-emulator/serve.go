package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// drainTime is how long calls in flight may take to end once a signal came.
const drainTime = 3 * time.Second

// serve runs the emulator until ctx ends.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) (err error) {
	log := slog.New(newLineHandler(stderr))
	s.options.Logger = log
	e, err := emulator.New(s.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if s.scenario != nil {
		if err := s.scenario.Apply(e); err != nil {
			return fmt.Errorf("--scenario: %w", err)
		}
	}
	if s.adminListen != "" {
		url, err := e.StartAdmin(s.adminListen)
		if err != nil {
			return fmt.Errorf("--admin-listen: %w", err)
		}
		_, _ = fmt.Fprintf(stdout, "admin listening on %s\n", url)
	}
	url, err := e.Start(s.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	address := strings.TrimPrefix(url, "http://")
	_, _ = fmt.Fprint(stderr, s.welcome(address, e.OSSDir()))
	// Programs wait for this line and read the URL from it.
	_, _ = fmt.Fprintf(stdout, "listening on %s\n", url)

	if err := s.play(ctx, e, address, log); err != nil {
		return err
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := e.Drain(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// play runs the scenario and waits for ctx, or for a scenario that cannot go on.
func (s *settings) play(ctx context.Context, e *emulator.Emulator, address string, log *slog.Logger) error {
	if s.scenario != nil {
		if err := s.scenario.Run(ctx, e, address, log); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// welcome says what the emulator is and how to call it, for people: the lines that begin with export can be pasted
// into a shell. The secret is not among them; it is what the user gave.
func (s *settings) welcome(address, ossDir string) string {
	var text strings.Builder
	runs := "commands sent to " + address + " RUN ON THIS MACHINE"
	if len(s.options.Simulations) > 0 {
		runs += ", but for those that the scenario simulates"
	}
	fmt.Fprintf(&text, "%s; instances: %d\nto call it over plain HTTP with the endpoint %s:\n", runs, len(s.options.Instances), address)
	key := s.options.AccessKeys[0]
	fmt.Fprintf(&text, "  export ALIBABA_CLOUD_ACCESS_KEY_ID=%s\n", quote(key.ID))
	region := s.region
	if len(s.options.Instances) > 0 {
		region = cmp.Or(s.options.Instances[0].RegionID, s.options.RegionIDs[0])
	}
	fmt.Fprintf(&text, "  export ALIBABA_CLOUD_REGION_ID=%s\n", quote(region))
	text.WriteString("and ALIBABA_CLOUD_ACCESS_KEY_SECRET, which is not shown: it is what you gave\n")
	fmt.Fprintf(&text, "what is delivered to OSS is in %s\n", oneLine(ossDir))
	return text.String()
}

// quote makes one line, and one word of a shell, out of text.
func quote(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(oneLine(text), "'", `'\''`) + "'"
}
