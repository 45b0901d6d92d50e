package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// emulatorProcess is a running bin/ecs-emulator.
type emulatorProcess struct {
	process *exec.Cmd
	// endpoint is host:port of the API; adminURL is the URL of the admin API.
	endpoint, adminURL string
	log                bytes.Buffer
}

// startEmulator returns once the emulator listens.
func startEmulator(ctx context.Context, binary string) (*emulatorProcess, error) {
	e := &emulatorProcess{process: exec.CommandContext(ctx, binary, "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
		"--instances=3", "--region="+region, "--min-rate=1s", "--access-key-id="+accessKeyID)}
	e.process.Env = append(os.Environ(), "ALIBABA_CLOUD_ACCESS_KEY_SECRET="+accessKeySecret)
	e.process.Stderr = &e.log
	stdout, err := e.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := e.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the emulator; run make build: %w", err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, found := strings.CutPrefix(lines.Text(), "admin listening on "); found {
			e.adminURL = url
		}
		if url, found := strings.CutPrefix(lines.Text(), "listening on http://"); found {
			e.endpoint = url
			return e, nil
		}
	}
	_ = e.process.Wait()
	return nil, fmt.Errorf("the emulator ended before it listened: %s", &e.log)
}

// administer sends a request to the admin API.
func (e *emulatorProcess) administer(ctx context.Context, a adminRequest) error {
	request, err := http.NewRequestWithContext(ctx, a.Method, e.adminURL+a.Path, bytes.NewReader(a.Body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("the admin API refuses %s %s: %s", a.Method, a.Path, bytes.TrimSpace(text))
	}
	return nil
}

// stop ends the emulator and waits for it.
func (e *emulatorProcess) stop() error {
	if err := e.process.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// A context that ended has killed it.
	var exit *exec.ExitError
	if err := e.process.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}
