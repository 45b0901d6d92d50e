package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/fastclock"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const (
	namespace = "default"
	// creators is how many objects are made at once.
	creators = 8
	// readyTimeout is for the start of a contestant.
	readyTimeout = time.Minute
)

// stage is what one contestant is measured on: an API server, an API, and nobody else.
type stage struct {
	c            Case
	runs         []run
	controlPlane *testenv.ControlPlane
	admin        client.WithWatch
	clock        clock.WithTickerAndDelayedExecution
	cloud        *cloud
	child        *child
	observer     *observer
	scratch      string
}

// contest measures one contestant on one case. Everything is made anew, so that nobody inherits anything.
func contest(ctx context.Context, c Case, who contestant) (result Result, err error) {
	s := &stage{c: c, runs: plan(c)}
	defer func() { err = errors.Join(err, s.tearDown()) }()
	if s.scratch, err = os.MkdirTemp("", "cloud-assistant-bench-"); err != nil {
		return Result{}, err
	}
	if s.controlPlane, err = testenv.Start(ctx); err != nil {
		return Result{}, err
	}
	unlimited := rest.CopyConfig(s.controlPlane.Admin)
	unlimited.QPS = -1
	if s.admin, err = client.NewWithWatch(unlimited, client.Options{Scheme: app.Scheme()}); err != nil {
		return Result{}, err
	}
	if err := s.start(ctx, who); err != nil {
		return Result{}, err
	}
	return s.measure(ctx, who)
}

// start brings the cloud and the contestant up.
func (s *stage) start(ctx context.Context, who contestant) (err error) {
	origin := time.Now()
	s.clock = fastclock.New(origin, s.c.Pace)
	s.observer = newObserver(s.clock, s.c.Runs)
	if s.cloud, err = startCloud(ctx, s.c, s.clock); err != nil {
		return err
	}
	if err := s.cloud.populate(s.c.Foreign); err != nil {
		return err
	}
	kubeconfig, err := s.controlPlane.Kubeconfig(s.controlPlane.Operator, namespace)
	if err != nil {
		return err
	}
	health, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	told := settings{endpoint: s.cloud.URL, health: health, qps: s.c.qps(), origin: origin.UnixNano(), pace: s.c.Pace}
	environment := []string{
		"KUBECONFIG=" + kubeconfig, "POD_NAMESPACE=" + testenv.OperatorNamespace,
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + accessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + accessKeySecret,
	}
	if s.child, err = startChild(ctx, s.scratch, health, environment, told.args(who.name)...); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return s.child.ready(ready)
}

// measure lets the runs of the case happen and waits for their completions.
func (s *stage) measure(ctx context.Context, who contestant) (Result, error) {
	// The minute of the quota begins with the case, whenever that is.
	zero := s.clock.Now().Truncate(time.Minute).Add(time.Minute)
	began, own, all := time.Now(), ownCPU(), machineCPU()
	started := make(chan run, s.c.Runs)
	var late time.Duration

	parts, within := errgroup.WithContext(ctx)
	within, finish := context.WithCancel(within)
	defer finish()
	watching := make(chan struct{})
	parts.Go(func() error { return s.observer.watch(within, s.admin, func() { close(watching) }) })
	select {
	case <-watching:
	case <-within.Done():
		return Result{}, errors.Join(parts.Wait(), ctx.Err())
	}
	parts.Go(func() (err error) {
		late, err = s.cloud.play(within, s.runs, zero, s.c.OutputBytes, started)
		return ignoreCanceled(err)
	})
	for range creators {
		parts.Go(func() error { return s.create(within, started) })
	}
	parts.Go(func() error { return s.tell(within, who, zero) })
	finished := time.Time{}
	var tally tally
	var requests int
	idle := &Idle{}
	parts.Go(func() (err error) {
		defer finish()
		if err := s.await(within, zero.Add(lastEnd(s.runs)+s.c.Grace)); err != nil {
			return err
		}
		finished = s.clock.Now()
		tally = s.cloud.tally()
		if requests, err = statusRequests(within, s.controlPlane.Admin); err != nil {
			return err
		}
		*idle, err = s.idle(within)
		return err
	})
	if err := parts.Wait(); err != nil {
		return Result{}, err
	}
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	cost, err := s.child.stop()
	s.child = nil
	if err != nil {
		return Result{}, err
	}
	result := s.judge(zero)
	result.Contestant = who.title
	result.count(tally, s.cloud.roundTrips())
	result.StatusRequests = requests
	result.CPUSeconds, result.PeakRSS = cost.CPU.Seconds(), cost.PeakRSS
	result.ModelSeconds, result.RealSeconds = finished.Sub(zero).Seconds(), time.Since(began).Seconds()
	result.LateSeconds, result.BenchCPUSeconds = late.Seconds(), (ownCPU() - own).Seconds()
	result.OtherCores = ((machineCPU() - all).Seconds() - result.BenchCPUSeconds - result.CPUSeconds) / result.RealSeconds
	if s.c.Idle > 0 {
		result.Idle = idle
	}
	return result, nil
}

// create makes an object for every run that was started, as its pipeline would.
func (s *stage) create(ctx context.Context, started <-chan run) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r, more := <-started:
			if !more {
				return nil
			}
			object := &v1alpha1.InvocationResult{
				ObjectMeta: metav1.ObjectMeta{Name: r.Name, Namespace: namespace},
				Spec:       v1alpha1.InvocationResultSpec{RegionID: region, InvokeID: r.InvokeID},
			}
			if err := s.admin.Create(ctx, object); err != nil && ctx.Err() == nil {
				return fmt.Errorf("creating %s: %w", r.Name, err)
			}
		}
	}
}

// await waits until everything has completed, or the deadline.
func (s *stage) await(ctx context.Context, deadline time.Time) error {
	timer := s.clock.NewTimer(deadline.Sub(s.clock.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.child.exited:
		return s.child.died()
	case <-s.observer.all:
	case <-timer.C():
	}
	return nil
}

// idle watches a contestant that has nothing to do.
func (s *stage) idle(ctx context.Context) (Idle, error) {
	if s.c.Idle == 0 {
		return Idle{}, nil
	}
	calls, cpu := s.cloud.tally().total(), s.child.cpu()
	requests, err := statusRequests(ctx, s.controlPlane.Admin)
	if err != nil {
		return Idle{}, err
	}
	began := time.Now()
	if err := sleepUntil(ctx, s.clock, s.clock.Now().Add(s.c.Idle)); err != nil {
		return Idle{}, err
	}
	idle := Idle{
		ModelSeconds: s.c.Idle.Seconds(), RealSeconds: time.Since(began).Seconds(),
		Calls: s.cloud.tally().total() - calls, CPUSeconds: (s.child.cpu() - cpu).Seconds(),
	}
	after, err := statusRequests(ctx, s.controlPlane.Admin)
	idle.StatusRequests = after - requests
	return idle, err
}

// judge compares what was seen with what has happened.
func (s *stage) judge(zero time.Time) Result {
	s.observer.mu.Lock()
	defer s.observer.mu.Unlock()
	result := Result{Case: s.c.Name(), Settings: s.c.Settings(), Runs: s.c.Runs, StatusChanges: s.observer.changes}
	var lags, limits []time.Duration
	var spans []span
	for _, r := range s.runs {
		seen := s.observer.seen[r.Name]
		if seen == nil || seen.completed.IsZero() {
			continue
		}
		result.Completed++
		// Nobody knows of a run whose object is not there yet.
		known := max(r.End, seen.made.Sub(zero))
		completed := seen.completed.Sub(zero)
		if completed < r.EndSeen || seen.exitCode == nil || *seen.exitCode != r.ExitCode {
			result.Wrong++
		}
		lags = append(lags, completed-known)
		limits = append(limits, max(r.EndSeen-known, 0)+s.c.RoundTrip)
		spans = append(spans, span{from: max(r.EndSeen, known), to: max(completed, r.EndSeen)})
	}
	slices.Sort(lags)
	slices.Sort(limits)
	result.lags(lags, limits)
	result.FewestCalls = fewestCalls(spans, pageRows)
	return result
}

func (s *stage) tearDown() error {
	var problems []error
	if s.child != nil {
		_, err := s.child.stop()
		problems = append(problems, err)
	}
	if s.cloud != nil {
		problems = append(problems, s.cloud.stop())
	}
	if s.controlPlane != nil {
		problems = append(problems, s.controlPlane.Stop())
	}
	if s.scratch != "" {
		problems = append(problems, os.RemoveAll(s.scratch))
	}
	return errors.Join(problems...)
}

// tell says now and then how it goes.
func (s *stage) tell(ctx context.Context, who contestant, zero time.Time) error {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			completed, _ := s.observer.progress()
			t := s.cloud.tally()
			fmt.Fprintf(os.Stderr, "%s %s: after %s %d of %d completed, %d calls, %d throttled\n", s.c.Name(), who.title,
				s.clock.Since(zero).Round(time.Second), completed, s.c.Runs, t.total(), t.throttled)
		}
	}
}

func sleepUntil(ctx context.Context, clk clock.Clock, at time.Time) error {
	left := at.Sub(clk.Now())
	if left <= 0 {
		return ctx.Err()
	}
	timer := clk.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
