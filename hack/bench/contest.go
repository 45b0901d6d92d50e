package main

import (
	"context"
	"errors"
	"fmt"
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
	// The API server has settled when so many objects in a row are made within that time each.
	settledAfter  = 200
	settledWithin = 100 * time.Millisecond
	settleTimeout = 30 * time.Second
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
	health, err := testenv.FreeAddress(ctx)
	if err != nil {
		return err
	}
	told := settings{endpoint: s.cloud.URL, health: health, qps: s.c.qps(), origin: origin.UnixNano(), pace: s.c.Pace}
	if who.events {
		if s.cloud.announcer, err = startAnnouncer(ctx, s.clock, s.scratch, s.c); err != nil {
			return err
		}
		told.events, told.certificate = s.cloud.announcer.address, s.cloud.announcer.certificate
	}
	environment := []string{
		"KUBECONFIG=" + kubeconfig, "POD_NAMESPACE=" + testenv.OperatorNamespace,
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + accessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + accessKeySecret,
	}
	if s.child, err = startChild(ctx, s.scratch, health, environment, told.args(who.name)...); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.child.ready(ready); err != nil {
		return err
	}
	return s.settle(ctx)
}

// settle waits until the API server has behind it what it does first, which takes seconds: until a row of objects, that
// are not kept, are made quickly. On a machine that is never quick it gives up; how late objects were is in the result.
func (s *stage) settle(ctx context.Context) error {
	object := &v1alpha1.InvocationResult{
		ObjectMeta: metav1.ObjectMeta{Name: "settle", Namespace: namespace},
		Spec:       v1alpha1.InvocationResultSpec{RegionID: region, InvokeID: "t-settle"},
	}
	quick := 0
	for began := time.Now(); quick < settledAfter && time.Since(began) < settleTimeout; quick++ {
		asked := time.Now()
		if err := s.admin.Create(ctx, object.DeepCopy(), client.DryRunAll); err != nil {
			return fmt.Errorf("waiting for the API server to settle: %w", err)
		}
		if time.Since(asked) > settledWithin {
			quick = 0
		}
	}
	return nil
}

// measure lets the runs of the case happen and waits for their completions.
func (s *stage) measure(ctx context.Context, who contestant) (Result, error) {
	// The minute of the quota begins with the case, whenever that is.
	zero := s.clock.Now().Truncate(time.Minute).Add(time.Minute)
	result, err := s.conduct(ctx, who, zero)
	if err != nil {
		return Result{}, errors.Join(err, ctx.Err())
	}
	cost, err := s.child.stop()
	s.child = nil
	if err != nil {
		return Result{}, err
	}
	result.Case, result.Settings, result.Contestant, result.Runs = s.c.Name(), s.c.Settings(), who.title, s.c.Runs
	result.CPUSeconds, result.PeakRSS = cost.CPU.Seconds(), cost.PeakRSS
	result.roundTrips(s.cloud.roundTrips())
	s.judge(&result, zero)
	return result, nil
}

// conduct runs everything that a measurement consists of, until all has completed. It returns what it counted.
func (s *stage) conduct(ctx context.Context, who contestant, zero time.Time) (Result, error) {
	var result Result
	parts, within := errgroup.WithContext(ctx)
	within, finish := context.WithCancel(within)
	defer finish()
	watching, started := make(chan struct{}), make(chan run, s.c.Runs)
	parts.Go(func() error { return s.observer.watch(within, s.admin, func() { close(watching) }) })
	parts.Go(func() error {
		late, err := s.cloud.play(within, s.runs, zero, s.c.OutputBytes, started)
		result.LateSeconds = late.Seconds()
		return ignoreCanceled(err)
	})
	for range creators {
		parts.Go(func() error { return s.create(within, started) })
	}
	parts.Go(func() error { return s.tell(within, who, zero) })
	parts.Go(func() (err error) {
		defer finish()
		select {
		case <-watching:
		case <-within.Done():
			return within.Err()
		}
		if err := sleepUntil(within, s.clock, zero); err != nil {
			return err
		}
		before := s.spend(time.Now())
		if err := s.await(within, zero.Add(lastEnd(s.runs)+s.c.Grace)); err != nil {
			return err
		}
		result.ModelSeconds = s.clock.Since(zero).Seconds()
		result.spent(before, s.spend(time.Now()))
		result.count(s.cloud.tally())
		if result.StatusRequests, err = statusRequests(within, s.controlPlane.Admin); err != nil {
			return err
		}
		result.Idle, err = s.idle(within)
		return err
	})
	err := parts.Wait()
	return result, err
}

// spending is what has been used up at a time.
type spending struct {
	at                        time.Time
	contestant, bench, system time.Duration
}

func (s *stage) spend(now time.Time) spending {
	return spending{at: now, contestant: s.child.cpu(), bench: ownCPU(), system: machineCPU()}
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
func (s *stage) idle(ctx context.Context) (*Idle, error) {
	if s.c.Idle == 0 {
		return nil, nil
	}
	calls, cpu := s.cloud.tally().total(), s.child.cpu()
	requests, err := statusRequests(ctx, s.controlPlane.Admin)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := sleepUntil(ctx, s.clock, s.clock.Now().Add(s.c.Idle)); err != nil {
		return nil, err
	}
	idle := &Idle{
		ModelSeconds: s.c.Idle.Seconds(), RealSeconds: time.Since(began).Seconds(),
		Calls: s.cloud.tally().total() - calls, CPUSeconds: (s.child.cpu() - cpu).Seconds(),
	}
	after, err := statusRequests(ctx, s.controlPlane.Admin)
	idle.StatusRequests = after - requests
	return idle, err
}

// judge compares what was seen with what has happened.
func (s *stage) judge(result *Result, zero time.Time) {
	s.observer.mu.Lock()
	defer s.observer.mu.Unlock()
	result.StatusChanges = s.observer.changes
	var made, lags, limits []time.Duration
	var spans []span
	for _, r := range s.runs {
		seen := s.observer.seen[r.Name]
		if seen == nil {
			continue
		}
		made = append(made, seen.made.Sub(zero)-r.Start)
		if seen.completed.IsZero() {
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
	slices.Sort(made)
	result.MadeP99 = quantile(made, 0.99).Seconds()
	slices.Sort(lags)
	slices.Sort(limits)
	result.lags(lags, limits)
	result.FewestCalls = fewestCalls(spans, pageRows)
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
			if s.clock.Now().Before(zero) {
				continue
			}
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
