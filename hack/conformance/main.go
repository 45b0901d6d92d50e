// Command conformance proves that clients which nobody here wrote agree on what the emulator says: the vendor's Go and
// Node SDKs run the script steps.json, each against an emulator of its own, and what they decoded is compared, element
// by element, with each other and with what was expected. `make conformance` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	region          = "cn-hangzhou"
	accessKeyID     = "conformance"
	accessKeySecret = "conformance-secret"
	// patience is how long a step is repeated until it holds.
	patience = 30 * time.Second
	// pause is between two calls of such a step.
	pause = 50 * time.Millisecond
)

// versions are the API versions of the products.
var versions = map[string]string{"Ecs": "2014-05-26", "Sts": "2015-04-01"}

func main() { os.Exit(untilSignal()) }

// untilSignal returns the exit status.
func untilSignal() int {
	directory := flag.String("directory", "hack/conformance", "Where the script and the Node driver are.")
	binary := flag.String("emulator", "bin/ecs-emulator", "The emulator to run.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *directory, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 1
	}
	return 0
}

// bench is a client and the emulator that only it calls.
type bench struct {
	name     string
	quirks   quirks
	emulator *emulatorProcess
	client   client
	captured captures
}

func run(ctx context.Context, directory, binary string) (err error) {
	steps, err := loadScript(filepath.Join(directory, "steps.json"))
	if err != nil {
		return err
	}
	var benches []*bench
	defer func() {
		for _, b := range benches {
			err = errors.Join(err, b.close())
		}
	}()
	for _, kind := range clients {
		b := &bench{name: kind.name, quirks: kind.quirks}
		benches = append(benches, b)
		if b.emulator, err = startEmulator(ctx, binary); err != nil {
			return err
		}
		// The address differs from one emulator to the next, as a captured value does.
		b.captured = captures{"endpoint": b.emulator.endpoint}
		if b.client, err = kind.start(ctx, filepath.Join(directory, "node"), b.emulator.endpoint); err != nil {
			return err
		}
	}
	failed := 0
	for _, s := range steps {
		complaints := runStep(ctx, benches, s)
		mark := "✓"
		if len(complaints) > 0 {
			mark = "✗"
			failed++
		}
		fmt.Println(mark, s.Name)
		for _, complaint := range complaints {
			fmt.Println("   ", complaint)
		}
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d steps failed", failed, len(steps))
	}
	fmt.Printf("%d steps, %d clients: %s\n", len(steps), len(benches), strings.Join(names(benches), ", "))
	return nil
}

// clients are those that run the script. The first shows what was sent, which the others are compared with.
var clients = []struct {
	name   string
	quirks quirks
	start  func(ctx context.Context, node, endpoint string) (client, error)
}{
	{"Go SDK v1 (RPC signature, JSON)", goV1Quirks, func(_ context.Context, _, endpoint string) (client, error) {
		return &goV1Client{endpoint, "JSON"}, nil
	}},
	{"Go SDK v1 (RPC signature, XML)", goV1Quirks, func(_ context.Context, _, endpoint string) (client, error) {
		return &goV1Client{endpoint, "XML"}, nil
	}},
	{"Node SDK (ACS3 signature)", nodeQuirks, func(ctx context.Context, node, endpoint string) (client, error) {
		return startNode(ctx, node, endpoint, "")
	}},
	{"Node SDK (RPC signature)", nodeQuirks, func(ctx context.Context, node, endpoint string) (client, error) {
		return startNode(ctx, node, endpoint, "v2")
	}},
}

func names(benches []*bench) []string {
	list := make([]string, len(benches))
	for n, b := range benches {
		list[n] = b.name
	}
	return list
}

// runStep lets every client make the step's call, and lists what is wrong with their replies.
func runStep(ctx context.Context, benches []*bench, s step) []string {
	replies := make([]reply, len(benches))
	unmet := make([][]string, len(benches))
	var all sync.WaitGroup
	for n, b := range benches {
		all.Go(func() { replies[n], unmet[n] = b.runStep(ctx, s) })
	}
	all.Wait()
	var complaints []string
	// What was sent is known only if the first client took part.
	sent := benches[0].captured.normalise("", replies[0].wire)
	for n, b := range benches {
		if len(unmet[n]) == 0 && sent != nil {
			unmet[n] = b.quirks.compare("", sent, b.captured.normalise("", replies[n].Decoded), s.Varies)
		}
		for _, complaint := range unmet[n] {
			complaints = append(complaints, b.name+": "+complaint)
		}
	}
	return complaints
}

// runStep makes the step's call, again and again if the step waits for something.
func (b *bench) runStep(ctx context.Context, s step) (reply, []string) {
	if s.ClockSkewSeconds != 0 && b.quirks.noClockSkew {
		return reply{}, nil
	}
	for _, request := range s.Before {
		if err := b.emulator.administer(ctx, request); err != nil {
			return reply{}, []string{err.Error()}
		}
	}
	c, err := b.captured.call(s)
	if err != nil {
		return reply{}, []string{err.Error()}
	}
	until, err := b.captured.fill(s.Until)
	if err != nil {
		return reply{}, []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r, err := b.client.call(ctx, c)
		if err != nil {
			return r, []string{err.Error()}
		}
		waiting := b.quirks.expect(r.Decoded, until.(map[string]any))
		if r.Decoded == nil || len(waiting) == 0 {
			return r, b.judge(s, r)
		}
		select {
		case <-ctx.Done():
			return r, append([]string{"it did not come to what the step waits for"}, waiting...)
		case <-time.After(pause):
		}
	}
}

// judge lists what is wrong with a reply, and captures what the step names.
func (b *bench) judge(s step, r reply) []string {
	switch {
	case r.Failure != "":
		return []string{"the client failed: " + r.Failure}
	case s.Refused != nil && r.Refusal == nil:
		return []string{fmt.Sprintf("answered, want the refusal %d %s", s.Refused.Status, s.Refused.Code)}
	case s.Refused != nil:
		return b.quirks.refused(r.Refusal, *s.Refused)
	case r.Refusal != nil:
		return []string{fmt.Sprintf("refused with %d %s: %s", r.Refusal.Status, r.Refusal.Code, r.Refusal.Message)}
	}
	expectations, err := b.captured.fill(s.Expect)
	if err != nil {
		return []string{err.Error()}
	}
	unmet := b.quirks.expect(r.Decoded, expectations.(map[string]any))
	for name, path := range s.Capture {
		captured, found := at(r.Decoded, path)
		text, isText := captured.(string)
		if !found || !isText {
			unmet = append(unmet, fmt.Sprintf("%s is %v, which cannot be captured", path, captured))
		}
		b.captured[name] = text
	}
	return slices.Clip(unmet)
}

func (b *bench) close() error {
	var err error
	if b.client != nil {
		err = b.client.close()
	}
	if b.emulator != nil {
		err = errors.Join(err, b.emulator.stop())
	}
	return err
}
