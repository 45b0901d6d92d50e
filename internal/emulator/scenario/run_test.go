package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func parsed(t *testing.T, text string) *Scenario {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func noEnvironment(string) string { return "" }

// stage is an emulator on which a scenario runs.
type stage struct {
	*testing.T
	e       *emulator.Emulator
	clock   *clocktesting.FakeClock
	address string
	log     *bytes.Buffer
	// end waits for the end of Run.
	end func() error
}

func play(t *testing.T, text string) *stage {
	t.Helper()
	s := parsed(t, text)
	fake := clocktesting.NewFakeClock(noon)
	options := emulator.Options{Clock: fake}
	if err := s.Configure(&options, noEnvironment); err != nil {
		t.Fatal(err)
	}
	e, err := emulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Apply(e); err != nil {
		t.Fatal(err)
	}
	url, err := e.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &stage{T: t, e: e, clock: fake, address: strings.TrimPrefix(url, "http://"), log: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(p.log, nil))
	go func() { done <- s.Run(ctx, e, p.address, log) }()
	p.end = func() error {
		defer cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("the scenario does not end")
		}
	}
	t.Cleanup(cancel)
	return p
}

// step moves the clock once the scenario waits for it.
func (p *stage) step(d time.Duration) {
	p.Helper()
	p.until("the scenario waits", p.clock.HasWaiters)
	p.clock.Step(d)
}

func (p *stage) until(what string, condition func() bool) {
	p.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-look.C:
		case <-deadline.C:
			p.Fatalf("waited in vain until %s", what)
		}
	}
}

func (p *stage) row(invokeID string) emulator.Row {
	p.Helper()
	rows := p.e.Rows(invokeID)
	if len(rows) == 0 {
		p.Fatalf("%s has no row", invokeID)
	}
	return rows[0]
}

func TestTimeline(t *testing.T) {
	p := play(t, `
invocations:
- id: t-1
  rows:
  - instanceID: i-1
    timeline:
    - {at: 10s, invocationStatus: Success, output: "all"}
    - {at: 5s, invocationStatus: Running, output: "some"}
- id: t-2
  age: 1h
  rows:
  - instanceID: i-1
    invocationStatus: Running
    timeline:
    - {at: 10s, invocationStatus: Failed, exitCode: 3, errorCode: ExitCodeNonzero, errorInfo: why}
`)
	if diff := cmp.Diff(emulator.Row{
		InvokeID: "t-1", CommandID: "c-t-1", InstanceID: "i-1", InvocationStatus: "Pending", InvokeRecordStatus: "Running",
		Username: "root", TerminationMode: "Process",
	}, p.row("t-1")); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	if got := p.row("t-2"); !got.StartTime.Equal(noon.Add(-time.Hour)) || got.Repeats != 0 {
		t.Errorf("at the start the row is %+v", got)
	}
	p.step(5 * time.Second)
	p.until("it runs", func() bool { return p.row("t-1").InvocationStatus == "Running" })
	p.step(5 * time.Second)
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	zero, three := int64(0), int64(3)
	if diff := cmp.Diff(emulator.Row{
		InvokeID: "t-1", CommandID: "c-t-1", InstanceID: "i-1", InvocationStatus: "Success", InvokeRecordStatus: "Finished",
		Username: "root", TerminationMode: "Process", ExitCode: &zero, Output: []byte("all"), Repeats: 1,
		StartTime: noon.Add(5 * time.Second), FinishedTime: noon.Add(10 * time.Second),
	}, p.row("t-1")); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(emulator.Row{
		InvokeID: "t-2", CommandID: "c-t-2", InstanceID: "i-1", InvocationStatus: "Failed", InvokeRecordStatus: "Finished",
		Username: "root", TerminationMode: "Process", ExitCode: &three, ErrorCode: "ExitCodeNonzero", ErrorInfo: "why", Repeats: 1,
		StartTime: noon.Add(-time.Hour), FinishedTime: noon.Add(10 * time.Second),
	}, p.row("t-2")); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
}

func TestEvents(t *testing.T) {
	p := play(t, `
instances:
- {id: i-1}
- {id: i-2}
simulations: [{duration: 1h}]
invocations:
- {id: t-1, rows: [{instanceID: i-1, timeline: [{at: 1s, hidden: true}, {at: 2s, override: Strange}, {at: 9s, hidden: false}]}]}
events:
- {at: 1s, outage: 1s}
- {at: 3s, forget: t-1}
- {at: 4s, stopInstance: i-1}
- {at: 5s, setAgent: {instanceID: i-2, agent: Silent}}
- {at: 6s, startInstance: i-1}
- {at: 6s, rebootInstance: i-1}
- {at: 6s, restartAgent: i-1}
- {at: 6s, removeInstance: i-1}
- {at: 7s, advanceClock: 24h}
- {at: 24h, throttle: 1h}
`)
	answers := func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address, nil)
		if err != nil {
			return err
		}
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	p.step(time.Second)
	p.until("the outage begins", func() bool { return answers() != nil })
	p.step(time.Second)
	p.until("the outage ends", func() bool { return answers() == nil })
	p.step(time.Second)
	p.until("the invocation is forgotten", func() bool { return p.e.Rows("t-1") == nil })
	for range 4 {
		p.step(time.Second)
	}
	// The leap of 24 hours makes all due that was left, but for the end of the throttling.
	p.until("the clock leaps", func() bool { return p.e.Clock().Now().Sub(noon) > 24*time.Hour })
	p.step(time.Hour)
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	log := p.log.String()
	var whats []string
	for line := range strings.Lines(log) {
		_, what, _ := strings.Cut(line, "what=")
		whats = append(whats, strings.TrimSpace(what))
	}
	want := []string{
		`"step of t-1 on i-1"`, `outage`, `"step of t-1 on i-1"`, `"end of the outage"`, `"forget t-1"`, `"stop instance i-1"`,
		`"agent of i-2 is Silent"`, `"start instance i-1"`, `"reboot instance i-1"`, `"restart the agent of i-1"`,
		`"remove instance i-1"`, `"advance the clock by 24h0m0s"`, `"step of t-1 on i-1"`,
		`"step of t-1 on i-1" error="invocation \"t-1\" does not exist; submit or put it first"`,
		`"fault Error"`, `"end of fault Error"`,
	}
	if !slices.Equal(whats, want) {
		t.Errorf("the log is\n%s\nwant\n%s", log, strings.Join(want, "\n"))
	}
}

// An outage that cannot be ended ends the scenario: nobody would hear of anything any more.
func TestOutageThatCannotBeEnded(t *testing.T) {
	s := parsed(t, "events: [{outage: 1ns}, {at: 1h, forget: t-1}]")
	e, err := emulator.New(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	err = s.Run(t.Context(), e, "example.com:80", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "cannot go on after end of the outage") {
		t.Errorf("error %v", err)
	}
}

func TestConfigure(t *testing.T) {
	s := parsed(t, `
regionIDs: [mars-1, cn-hangzhou]
accessKeys: [{id: a, secretEnv: SECRET_OF_A, accountID: "42"}, {id: b, secretEnv: SECRET_OF_B, disabled: true}]
instances: [{count: 2, accountID: "42"}, {id: i-x}, {count: 1, regionID: mars-1}]
settings: {minRate: 1s, deliveryTimeout: 2s, ossBuckets: [logs], ossDelay: 3s}
retention: {maxAge: 1h}
quotas: [{perMinute: 5}]
simulations: [{output: first}]
roles: [{name: reader, policies: [{Version: "1", Statement: [{Effect: Allow, Action: "ecs:Describe*", Resource: ["*"]}]}]}, {name: nobody, policies: []}]
oidcProviders: [{name: p, issuer: "https://example.com", clientIDs: [sts.aliyuncs.com], jwks: {keys: [{kty: EC, crv: P-256, x: MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4, y: 4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM, kid: a}]}}]
`)
	options := emulator.Options{
		Instances:   []emulator.Instance{{ID: "i-emulator0000000002"}},
		Simulations: []emulator.Simulation{{Output: "second"}}, MinRate: time.Hour,
		Retention: emulator.Retention{MaxRecords: 9},
	}
	getenv := func(name string) string { return "secret of " + name }
	if err := s.Configure(&options, getenv); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(slices.Clone(emulator.DefaultRegionIDs), "mars-1"), options.RegionIDs); diff != "" {
		t.Error(diff)
	}
	keys := []emulator.AccessKey{
		{ID: "a", Secret: "secret of SECRET_OF_A", AccountID: "42"}, {ID: "b", Secret: "secret of SECRET_OF_B", Disabled: true},
	}
	if fmt.Sprintf("%+v", keys) != fmt.Sprintf("%+v", options.AccessKeys) || options.AccessKeys[0].Secret != keys[0].Secret {
		t.Errorf("the access keys are %+v", options.AccessKeys)
	}
	if diff := cmp.Diff([]emulator.Instance{
		{ID: "i-emulator0000000002"},
		{ID: "i-emulator0000000001", Name: "emulator-1", AccountID: "42"},
		{ID: "i-emulator0000000003", Name: "emulator-3", AccountID: "42"},
		{ID: "i-x"},
		{ID: "i-emulator0000000004", Name: "emulator-4", RegionID: "mars-1"},
	}, options.Instances); diff != "" {
		t.Error(diff)
	}
	if allow := options.Roles[0].Policies[0].Statement[0]; !slices.Equal(allow.Action, ram.Strings{"ecs:Describe*"}) || options.Roles[1].Policies == nil ||
		!strings.Contains(string(options.OIDCProviders[0].JWKS), `"kid":"a"`) {
		t.Errorf("the roles are %+v, the providers %+v", options.Roles, options.OIDCProviders)
	}
	if !slices.Equal(options.OSSBuckets, []string{"logs"}) || options.OSSDelay != 3*time.Second {
		t.Errorf("the buckets are %v, a delivery takes %v", options.OSSBuckets, options.OSSDelay)
	}
	if options.MinRate != time.Second || options.DeliveryTimeout != 2*time.Second || options.Quotas[0].PerMinute != 5 ||
		options.Retention != (emulator.Retention{MaxAge: time.Hour, MaxRecords: 9}) ||
		options.Simulations[0].Output != "first" || options.Simulations[1].Output != "second" {
		t.Errorf("the options are %+v", options)
	}
}

// What an emulator refuses is refused before one is started.
func TestConfigureRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no secret", "accessKeys: [{id: a, secretEnv: NOT_SET}]", "environment variable NOT_SET"},
		{"instance of no region", "instances: [{id: i-1, regionID: mars-1}]", "region mars-1"},
		{"instance twice", "instances: [{id: i-1}, {id: i-1}]", `"i-1" is taken`},
		{"strange status", "instances: [{id: i-1, status: Broken}]", `status "Broken"`},
		{"invocation of no region", "invocations: [{id: t-1, regionID: mars-1}]", `invocations[0]: region "mars-1"`},
		{"settings", "settings: {rowOrder: Random}", `row order "Random"`},
		{"negative retention", "retention: {maxRecords: -1}", "is negative"},
		{"negative quota", "quotas: [{perMinute: -1}]", "negative"},
		{"event without instance", "events: [{}, {stopInstance: i-1}]", "events[0] has 0 actions"},
		{"event of no instance", "events: [{stopInstance: i-1}]", `events[0]: instance "i-1" does not exist`},
		{"agent of nobody", "events: [{setAgent: {agent: Silent}}]", `events[0]: instance "" does not exist`},
		{"agent in no state", "instances: [{id: i-1}]\nevents: [{setAgent: {instanceID: i-1, agent: Sleepy}}]", `events[0]: agent state "Sleepy"`},
		{"fault of no kind", "events: [{fault: {kind: Fire}}]", `events[0]: fault kind "Fire"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse([]byte(tt.text))
			if err == nil {
				err = s.Configure(&emulator.Options{}, noEnvironment)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

// Every example of the documentation plays from its start to its end.
func TestExamples(t *testing.T) {
	for name, data := range examples(t) {
		t.Run(name, func(t *testing.T) {
			p := play(t, string(data))
			// Far beyond the last event of any.
			done := make(chan error, 1)
			go func() { done <- p.end() }()
			p.until("the scenario ends", func() bool {
				select {
				case err := <-done:
					done <- err
					return true
				default:
					if p.clock.HasWaiters() {
						p.clock.Step(24 * time.Hour)
					}
					return false
				}
			})
			if err := <-done; err != nil {
				t.Error(err)
			}
			if strings.Contains(p.log.String(), "level=ERROR") {
				t.Errorf("not all went well:\n%s", p.log)
			}
		})
	}
}
