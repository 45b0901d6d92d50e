package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const (
	stopTimeout = 30 * time.Second
	// pollEvery is how often an operator that starts is looked at, and so how exact its start-up time is.
	pollEvery = 20 * time.Millisecond
)

// operatorCost is what one start of the operator takes.
type operatorCost struct {
	// ready is the time from its start until it is Ready, done until it has been through all objects.
	ready, done time.Duration
	// memory is what it holds when it is at rest, and the most it ever held.
	memory memory
}

// startOperator runs the operator, waits until it has been through so many objects, all of them finished, and stops
// it. That it asks the cloud anything or writes a status is an error: what was measured would be something else.
func startOperator(ctx context.Context, o options, controlPlane *testenv.ControlPlane, budget, objects int) (cost operatorCost, err error) {
	var asked atomic.Int64
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer cloud.Close()
	kubeconfig, err := controlPlane.Kubeconfig(controlPlane.Operator, "default")
	if err != nil {
		return cost, err
	}
	health, err := testenv.FreeAddress(ctx)
	if err != nil {
		return cost, err
	}
	metrics, err := testenv.FreeAddress(ctx)
	if err != nil {
		return cost, err
	}
	log, err := os.CreateTemp("", "cloud-assistant-sizing-manager-")
	if err != nil {
		return cost, err
	}
	defer func() {
		err = errors.Join(err, log.Close())
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.Remove(log.Name()))
		} else {
			err = fmt.Errorf("%w (see %s)", err, log.Name())
		}
	}()
	// In a group of its own, so that Ctrl-C in the terminal does not end it before its turn.
	command := exec.CommandContext(context.WithoutCancel(ctx), o.manager, "--ecs-endpoint="+cloud.URL, "--metrics-secure=false",
		"--metrics-bind-address="+metrics, "--health-probe-bind-address="+health, "--max-status-bytes="+strconv.Itoa(budget))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "POD_NAMESPACE="+testenv.OperatorNamespace,
		"ALIBABA_CLOUD_ACCESS_KEY_ID=sizing", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=sizing")
	command.Env = append(command.Env, o.env...)
	command.Stdout, command.Stderr = log, log
	started := time.Now()
	if err := command.Start(); err != nil {
		return cost, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	defer func() { err = errors.Join(err, stop(command, ended)) }()

	if err := until(ctx, ended, func() bool { return getOK(ctx, "http://"+health+"/readyz", io.Discard) }); err != nil {
		return cost, err
	}
	cost.ready = time.Since(started)
	scrape := func() []byte {
		var text bytesBuffer
		getOK(ctx, "http://"+metrics+"/metrics", &text)
		return text
	}
	if err := until(ctx, ended, func() bool { return throughAll(scrape(), objects) }); err != nil {
		return cost, err
	}
	cost.done = time.Since(started)
	if err := wait(ctx, o.rest); err != nil {
		return cost, err
	}
	if cost.memory, err = memoryOf(command.Process.Pid); err != nil {
		return cost, err
	}
	if n := asked.Load(); n > 0 {
		return cost, fmt.Errorf("the operator asked the cloud %d times, though everything had ended", n)
	}
	if patches, err := metric(scrape(), "rest_client_requests_total", `method="PATCH"`); err == nil {
		return cost, fmt.Errorf("the operator wrote %v times, though everything had ended", patches)
	}
	return cost, nil
}

// throughAll says whether the operator has reconciled so many objects and has none before it.
func throughAll(metrics []byte, objects int) bool {
	reconciled, err := metric(metrics, "controller_runtime_reconcile_total", `controller="invocationresult"`, `result="success"`)
	if err != nil || int(reconciled) < objects {
		return false
	}
	depth, err := metric(metrics, "workqueue_depth", `name="invocationresult"`)
	return err == nil && depth == 0
}

// until waits for a condition, as long as the operator runs.
func until(ctx context.Context, ended chan error, condition func() bool) error {
	for !condition() {
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the operator ended: %v", err) //nolint:errorlint // an end without an error is one here
		default:
		}
		if err := wait(ctx, pollEvery); err != nil {
			return err
		}
	}
	return nil
}

func stop(command *exec.Cmd, ended chan error) error {
	// One that has ended already is told by what Wait returned.
	_ = command.Process.Signal(syscall.SIGTERM)
	killer := time.AfterFunc(stopTimeout, func() { _ = command.Process.Kill() })
	defer killer.Stop()
	if err := <-ended; err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(command.Path), err)
	}
	return nil
}

func getOK(ctx context.Context, url string, into io.Writer) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_, err = io.Copy(into, response.Body)
	return errors.Join(err, response.Body.Close()) == nil && response.StatusCode == http.StatusOK
}
