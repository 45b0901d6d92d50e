package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// eventsToken is what the events of the demo carry.
const eventsToken = "demo-token"

// toldByEvents compares two results of one run: of one the operator has to ask, of the other an event tells it. They are
// divided by a label among two operators.
func toldByEvents(ctx context.Context, s *stage) error {
	say("The same run twice: once it has to be asked for, once an event tells that it has ended")
	if err := s.saveEventsCertificate(ctx); err != nil {
		return err
	}
	if err := s.startOperator(ctx, "manager-with-events", "--leader-elect=false",
		"--watch-label-selector="+announced, "--events-bind-address="+s.eventsAddress, "--events-secure=false",
		"--events-public-url="+s.eventsURL(), "--events-token-file="+s.eventsFile("token"), "--events-certificate-file="+s.eventsFile("certificate")); err != nil {
		return err
	}
	ended := filepath.Join(s.scratch, "ended")
	id, err := s.runCommand(1, fmt.Sprintf("sleep 32; date +%%s.%%N > %s", ended), nil)
	if err != nil {
		return err
	}
	if err := s.apply(ctx, fmt.Sprintf(`apiVersion: ecs.k8s.alibabacloud/v1alpha1
kind: InvocationResult
metadata: {name: polled}
spec: {regionID: %[1]s, invokeID: %[2]s, polling: {minIntervalSeconds: 20, maxIntervalSeconds: 20}}
---
apiVersion: ecs.k8s.alibabacloud/v1alpha1
kind: InvocationResult
metadata: {name: announced, labels: {ends: announced}}
spec: {regionID: %[1]s, invokeID: %[2]s, polling: {minIntervalSeconds: 20, maxIntervalSeconds: 20}}
`, region, id)); err != nil {
		return err
	}
	fmt.Println("The command takes half a minute; both are asked about every 20 s …")
	polled, told, err := s.whenCompleted(ctx)
	if err != nil {
		return err
	}
	at, err := readTime(ended)
	if err != nil {
		return err
	}
	if err := s.show(ctx, "kubectl get ir polled announced"); err != nil {
		return err
	}
	fmt.Printf("Completed came %.2f s after the end where it was polled, and %.2f s after it where an event told.\n",
		polled.Sub(at).Seconds(), told.Sub(at).Seconds())
	return nil
}

// announced selects the results of the operator that receives events.
const announced = "ends=announced"

// whenCompleted is when Completed was seen of both results.
func (s *stage) whenCompleted(ctx context.Context) (polled, told time.Time, err error) {
	waits, ctx := errgroup.WithContext(ctx)
	for name, at := range map[string]*time.Time{"polled": &polled, "announced": &told} {
		waits.Go(func() error {
			waited := s.kubectl.Run(ctx, "wait", "ir/"+name, "--for=condition=Completed", "--timeout=120s")
			if waited.ExitCode != 0 {
				return errors.New(waited.Stderr)
			}
			*at = time.Now()
			return nil
		})
	}
	return polled, told, waits.Wait()
}

func readTime(file string) (time.Time, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	// The date of macOS knows no fractions, and writes an N for them.
	seconds, err := strconv.ParseFloat(strings.TrimRight(strings.TrimSpace(string(text)), ".N"), 64)
	return time.UnixMicro(int64(seconds * 1e6)), err
}

func (s *stage) eventsURL() string { return "http://" + s.eventsAddress + "/eventbridge" }

func (s *stage) eventsFile(name string) string { return filepath.Join(s.scratch, "events-"+name) }

// saveEventsCertificate saves what the emulator signs with, and the token, as the operator reads them.
func (s *stage) saveEventsCertificate(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.adminAddress+"/events/certificate", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	certificate, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.eventsFile("certificate"), certificate, 0o600),
		os.WriteFile(s.eventsFile("token"), []byte(eventsToken), 0o600),
	)
}
