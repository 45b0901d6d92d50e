package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

const (
	region          = "cn-hangzhou"
	accessKeyID     = "bench"
	accessKeySecret = "bench-secret"
)

// cloud is the API that a contestant asks: the emulator behind a round trip and a count.
type cloud struct {
	URL string

	emulator *emulator.Emulator
	clock    clock.WithTickerAndDelayedExecution
	server   *http.Server
	served   chan struct{}
	oneWay   time.Duration
	// announcer is nil where nobody receives events.
	announcer *announcer

	mu        sync.Mutex
	calls     map[string]int
	throttled int
	// took are by the clock, from the arrival of a request to the departure of its answer.
	took []time.Duration
}

// tally is what was asked of a cloud until now.
type tally struct {
	calls     map[string]int
	throttled int
}

func (t tally) total() int {
	sum := 0
	for _, n := range t.calls {
		sum += n
	}
	return sum
}

// startCloud serves the emulator of a case on a free port. stop must follow.
func startCloud(ctx context.Context, c Case, clk clock.WithTickerAndDelayedExecution) (*cloud, error) {
	e, err := emulator.New(emulator.Options{
		Clock: clk, ClientClock: clock.RealClock{},
		AccessKeys: []emulator.AccessKey{{ID: accessKeyID, Secret: accessKeySecret}},
		RegionIDs:  []string{region},
		Quotas:     []emulator.Quota{{PerMinute: c.Quota}},
		Settings:   emulator.Settings{RowOrder: c.Order, PageTokens: c.Tokens, Seed: c.Seed},
		Retention:  emulator.Retention{MaxRecords: 10 * (c.Runs + c.Foreign)},
	})
	if err != nil {
		return nil, err
	}
	w := &cloud{emulator: e, clock: clk, oneWay: c.RoundTrip / 2, served: make(chan struct{}), calls: map[string]int{}}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	w.URL = "http://" + socket.Addr().String()
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: 30 * time.Second}
	go func() {
		defer close(w.served)
		_ = w.server.Serve(socket)
	}()
	return w, nil
}

func (w *cloud) stop() error {
	w.announcer.close()
	err := w.server.Close()
	<-w.served
	return errors.Join(err, w.emulator.Close())
}

// ServeHTTP lets the emulator judge a request half a round trip after it was sent, as the quota and the rows are then.
func (w *cloud) ServeHTTP(to http.ResponseWriter, request *http.Request) {
	arrived := w.clock.Now()
	if w.travel(request.Context()) != nil {
		return
	}
	answer := recording{header: http.Header{}, status: http.StatusOK}
	w.emulator.ServeHTTP(&answer, request)
	if w.travel(request.Context()) != nil {
		return
	}
	w.count(request, &answer, w.clock.Since(arrived))
	maps.Copy(to.Header(), answer.header)
	to.Header().Set("Content-Length", strconv.Itoa(answer.body.Len()))
	to.WriteHeader(answer.status)
	_, _ = answer.body.WriteTo(to)
}

func (w *cloud) travel(ctx context.Context) error {
	timer := w.clock.NewTimer(w.oneWay)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *cloud) count(request *http.Request, answer *recording, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[request.URL.Query().Get("Action")]++
	w.took = append(w.took, took)
	if answer.status == http.StatusBadRequest && bytes.Contains(answer.body.Bytes(), []byte("Throttling.")) {
		w.throttled++
	}
}

func (w *cloud) tally() tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tally{calls: maps.Clone(w.calls), throttled: w.throttled}
}

// roundTrips are how long all calls took, sorted.
func (w *cloud) roundTrips() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.took))
}

// recording is an answer that is not sent yet.
type recording struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recording) Header() http.Header         { return r.header }
func (r *recording) WriteHeader(status int)      { r.status = status }
func (r *recording) Write(p []byte) (int, error) { return r.body.Write(p) }

// populate adds what was in the account before: the schedules of somebody else, made over the last month.
func (w *cloud) populate(foreign int) error {
	now := w.clock.Now()
	for n := range foreign {
		age := 28 * 24 * time.Hour * time.Duration(foreign-n) / time.Duration(foreign+1)
		err := w.emulator.PutInvocation(emulator.Scripted{
			ID: fmt.Sprintf("t-foreign%05d", n), RegionID: region, RepeatMode: emulator.RepeatPeriod, CreatedAt: now.Add(-age),
			Rows: []emulator.Row{{InstanceID: fmt.Sprintf("i-foreign%03d", n%instances), InvocationStatus: emulator.StatusScheduled, Repeats: 1}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// start makes a run that has begun at a time.
func (w *cloud) start(r run, zero time.Time) error {
	return w.emulator.PutInvocation(emulator.Scripted{
		ID: r.InvokeID, RegionID: region, CommandID: r.CommandID, CreatedAt: zero.Add(r.Start), VisibleAt: zero.Add(r.Seen),
		Rows: []emulator.Row{{InstanceID: r.InstanceID, InvocationStatus: emulator.StatusRunning, StartTime: zero.Add(r.Start)}},
	})
}

// end makes a run show that it has ended.
func (w *cloud) end(r run, zero time.Time, output []byte) error {
	return w.emulator.UpdateRow(r.InvokeID, r.InstanceID, func(row *emulator.Row) {
		*row = r.ended(*row, zero)
		row.Output = output
	})
}

// ended is the row of a run that has ended.
func (r run) ended(row emulator.Row, zero time.Time) emulator.Row {
	row.InvocationStatus = emulator.StatusSuccess
	row.ExitCode, row.FinishedTime, row.Repeats = &r.ExitCode, zero.Add(r.End), 1
	if r.ExitCode != 0 {
		row.InvocationStatus, row.ErrorCode, row.ErrorInfo = emulator.StatusFailed, "ExitCodeNonzero", "ExitCode is not zero."
	}
	return row
}
