package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/controller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// operator is one that is made up. It implements Engine, Results and cloudassistant.Sessions.
type operator struct {
	*Metrics
	clock      *clocktesting.FakeClock
	registry   *prometheus.Registry
	stats      []poller.Stats
	namespaces []string
	// account, opened and answered are what sessions give; every call takes a second.
	account          string
	opened, answered error
	panics           bool
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	o := &operator{Metrics: New(clock), clock: clock, registry: prometheus.NewPedanticRegistry(), account: "1234567890123456"}
	o.Read(o, o)
	if _, err := o.Register(o.registry); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *operator) Stats() []poller.Stats { return o.stats }
func (o *operator) Namespaces() []string  { return o.namespaces }
func (o *operator) Account() string       { return o.account }

func (o *operator) Session(context.Context, cloudassistant.Identity, string) (cloudassistant.Session, error) {
	return o, o.opened
}

func (o *operator) DescribeInvocationResults(context.Context, cloudassistant.Query, cloudassistant.Paging) (*cloudassistant.Page, error) {
	o.clock.Step(time.Second)
	if o.panics {
		panic("scripted")
	}
	return &cloudassistant.Page{}, o.answered
}

// ask makes a call in a region, as the engine does.
func (o *operator) ask(ctx context.Context, region string) error {
	session, err := o.Sessions(o).Session(ctx, cloudassistant.Identity{}, region)
	if err != nil {
		return err
	}
	_, err = session.DescribeInvocationResults(ctx, cloudassistant.Query{RegionID: region}, cloudassistant.Paging{})
	return err
}

// scrape is the value of each series, by its name and labels; of histograms, their sum and count.
func (o *operator) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := o.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, pair := range metric.GetLabel() {
				labels = append(labels, pair.GetName()+"="+pair.GetValue())
			}
			name := fmt.Sprintf("%s{%s}", family.GetName(), strings.Join(labels, ","))
			switch {
			case metric.GetHistogram() != nil:
				series[name+" sum"] = metric.GetHistogram().GetSampleSum()
				series[name+" count"] = float64(metric.GetHistogram().GetSampleCount())
			case metric.GetGauge() != nil:
				series[name] = metric.GetGauge().GetValue()
			default:
				series[name] = metric.GetCounter().GetValue()
			}
		}
	}
	return series
}

func expect(t *testing.T, series map[string]float64, name string, want float64) {
	t.Helper()
	if got, found := series[name]; !found || math.Abs(got-want) > 1e-9 {
		t.Errorf("%s is %v (there: %v), want %v", name, got, found, want)
	}
}

// naming are the series whose name or labels hold a text.
func naming(series map[string]float64, text string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(series)), func(name string) bool { return !strings.Contains(name, text) })
}

func TestCallsAreCountedByWhatCameOfThem(t *testing.T) {
	t.Parallel()
	const secret = "LTAIsecret"
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	known := func(class cloudassistant.Class, code string) error {
		return &cloudassistant.Error{Class: class, Code: code, Message: secret}
	}
	for name, test := range map[string]struct {
		ctx       context.Context
		err       error
		code      string
		throttled float64
	}{
		"an answer":                  {err: nil, code: "OK"},
		"a throttle answer":          {err: known(cloudassistant.ClassThrottled, "Throttling.User"), code: "Throttling.User", throttled: 1},
		"a throttle of another code": {err: known(cloudassistant.ClassThrottled, "Throttling."+secret), code: "Other", throttled: 1},
		"a refusal":                  {err: known(cloudassistant.ClassDenied, "Forbidden.RAM"), code: "Forbidden.RAM"},
		"a failure of the network":   {err: known(cloudassistant.ClassUnavailable, cloudassistant.CodeNetwork), code: "Client.Network"},
		"a wrapped one":              {err: fmt.Errorf("%s: %w", secret, known(cloudassistant.ClassInvalid, "NumberExceed.Tags")), code: "NumberExceed.Tags"},
		"a code that is a secret":    {err: known(cloudassistant.ClassUnavailable, secret), code: "Other"},
		"no code at all":             {err: errors.New(secret), code: "Other"},
		"nobody waits any more":      {ctx: canceled, err: context.Canceled, code: "Client.Canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			o.answered = test.err
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			if err := o.ask(ctx, "cn-hangzhou"); !errors.Is(err, test.err) {
				t.Errorf("the call fails with %v, want what the API said, %v", err, test.err)
			}
			series := o.scrape(t)
			const of = "account=1234567890123456,api=DescribeInvocationResults,"
			expect(t, series, "cloudassistant_api_calls_total{"+of+"code="+test.code+",region=cn-hangzhou}", 1)
			expect(t, series, "cloudassistant_api_call_duration_seconds{"+of+"region=cn-hangzhou} sum", 1)
			expect(t, series, "cloudassistant_api_throttled_total{"+of+"region=cn-hangzhou}", test.throttled)
			if leaks := naming(series, secret); len(leaks) > 0 {
				t.Errorf("a secret is a label: %q", leaks)
			}
		})
	}
}

func TestACallThatPanicsIsCounted(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.panics = true
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		_ = o.ask(t.Context(), "cn-hangzhou")
	}()
	expect(t, o.scrape(t), "cloudassistant_api_calls_total{account=1234567890123456,api=DescribeInvocationResults,code=Client.Internal,region=cn-hangzhou}", 1)
}

func TestAnAccountIsItsIDOrUnknown(t *testing.T) {
	t.Parallel()
	for account, label := range map[string]string{
		"1234567890123456":            "1234567890123456",
		"":                            "unknown",
		"of ops/ecs-reader ":          "unknown",
		"of  acs:ram::123:role/admin": "unknown",
		strings.Repeat("1", 21):       "unknown",
		"LTAI5t":                      "unknown",
	} {
		o := newOperator(t)
		o.account = account
		if err := o.ask(t.Context(), "cn-hangzhou"); err != nil {
			t.Fatal(err)
		}
		o.stats = []poller.Stats{{RegionID: "cn-hangzhou", Account: account, Watched: 1}}
		series := o.scrape(t)
		expect(t, series, "cloudassistant_api_calls_total{account="+label+",api=DescribeInvocationResults,code=OK,region=cn-hangzhou}", 1)
		expect(t, series, "cloudassistant_questions_watched{account="+label+",region=cn-hangzhou}", 1)
	}
}

func TestSessionsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.opened = &cloudassistant.Error{Class: cloudassistant.ClassDenied, Code: cloudassistant.CodeCredentials}
	if err := o.ask(t.Context(), "cn-hangzhou"); err == nil {
		t.Error("the failure is swallowed")
	}
	series := o.scrape(t)
	expect(t, series, "cloudassistant_session_failures_total{code=Client.Credentials,region=cn-hangzhou}", 1)
	if calls := naming(series, "api_calls_total"); len(calls) > 0 {
		t.Errorf("no call was made, and counted are %q", calls)
	}
	o.clock.Step(keepUnused)
	if left := naming(o.scrape(t), "cn-hangzhou"); len(left) > 0 {
		t.Errorf("of a region where nothing is left remain %q", left)
	}
}

func TestTheStateOfTheEngine(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.stats = []poller.Stats{
		{
			RegionID: "cn-hangzhou", Account: "1", Watched: 9, Awaited: 8, Hinted: 3, Stretched: 4, Refused: 1, Due: 5, Overdue: 2, OldestDue: 90 * time.Second,
			Bucket: true, Throttled: true, Rate: 2.5, Tokens: -3,
		},
		{RegionID: "cn-beijing", Watched: 1, Refused: 1},
	}
	series := o.scrape(t)
	for name, want := range map[string]float64{
		"questions_watched": 9, "questions_awaited": 8, "questions_hinted": 3, "questions_stretched": 4, "questions_refused": 1, "questions_due": 5, "questions_overdue": 2,
		"oldest_due_answer_age_seconds": 90, "api_breaker_open": 1, "api_allowed_calls_per_second": 2.5, "api_tokens": -3,
	} {
		expect(t, series, "cloudassistant_"+name+"{account=1,region=cn-hangzhou}", want)
	}
	expect(t, series, "cloudassistant_questions_watched{account=unknown,region=cn-beijing}", 1)
	if buckets := naming(series, "api_breaker_open{account=unknown"); len(buckets) > 0 {
		t.Errorf("without a bucket there is %q", buckets)
	}
	o.stats[0].Throttled = false
	expect(t, o.scrape(t), "cloudassistant_api_breaker_open{account=1,region=cn-hangzhou}", 0)
	o.stats = nil
	if left := naming(o.scrape(t), "cn-"); len(left) > 0 {
		t.Errorf("where nothing is watched remain %q", left)
	}
}

func TestTheSeriesOfAPlaceGoWhenNothingIsLeftThere(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	for _, region := range []string{"cn-hangzhou", "cn-beijing"} {
		if err := o.ask(t.Context(), region); err != nil {
			t.Fatal(err)
		}
	}
	o.stats = []poller.Stats{{RegionID: "cn-beijing", Account: o.account, Watched: 1}}
	o.clock.Step(keepUnused - 10*time.Second)
	if series := o.scrape(t); len(naming(series, "cn-hangzhou")) == 0 {
		t.Error("the last values of a region are gone before anybody could scrape them")
	}
	o.clock.Step(10 * time.Second)
	series := o.scrape(t)
	if left := naming(series, "cn-hangzhou"); len(left) > 0 {
		t.Errorf("of a region where nothing is left remain %q", left)
	}
	expect(t, series, "cloudassistant_api_calls_total{account=1234567890123456,api=DescribeInvocationResults,code=OK,region=cn-beijing}", 1)
}

// Regions and accounts are what users write into specs and Secrets: they cannot make as many series as they like.
func TestThereAreOnlySoManyPlaces(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	for n := range 3 * mostPlaces {
		region := fmt.Sprintf("cn-region-%d", n)
		if err := o.ask(t.Context(), region); err != nil {
			t.Fatal(err)
		}
		o.stats = append(o.stats, poller.Stats{RegionID: region, Account: o.account, Watched: 1, Due: 1, OldestDue: time.Duration(n) * time.Second})
	}
	series := o.scrape(t)
	if got := len(naming(series, "api_calls_total")); got != mostPlaces+1 {
		t.Errorf("calls have %d series, want %d and one for all others", got, mostPlaces)
	}
	expect(t, series, "cloudassistant_api_calls_total{account=other,api=DescribeInvocationResults,code=OK,region=other}", 2*mostPlaces)
	expect(t, series, "cloudassistant_questions_watched{account=other,region=other}", 2*mostPlaces)
	expect(t, series, "cloudassistant_oldest_due_answer_age_seconds{account=other,region=other}", 3*mostPlaces-1)
	// Room that is left is room for others.
	o.stats = nil
	o.clock.Step(keepUnused)
	o.scrape(t)
	if err := o.ask(t.Context(), "cn-hangzhou"); err != nil {
		t.Fatal(err)
	}
	expect(t, o.scrape(t), "cloudassistant_api_calls_total{account=1234567890123456,api=DescribeInvocationResults,code=OK,region=cn-hangzhou}", 1)
}

func TestWritesAreCounted(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.Wrote("ops", controller.Write{Kind: controller.WriteEnd, Completed: []string{v1alpha1.ReasonSucceeded}, Detected: true, Lag: 4 * time.Second, TruncatedBytes: 7})
	o.Wrote("ops", controller.Write{Kind: controller.WriteProgress, TruncatedBytes: 3})
	for range 2 {
		o.Wrote("lost", controller.Write{Kind: controller.WriteEnd, Completed: []string{v1alpha1.ReasonRecordsExpired}})
	}
	o.Skipped(controller.SkipPaced)
	o.Deleted()
	series := o.scrape(t)
	for name, want := range map[string]float64{
		"runs_completed_total{namespace=ops,reason=Succeeded}":       1,
		"runs_completed_total{namespace=lost,reason=RecordsExpired}": 2,
		"status_writes_total{kind=end}":                              3,
		"status_writes_total{kind=transition}":                       0,
		"status_writes_total{kind=progress}":                         1,
		"status_writes_skipped_total{reason=paced}":                  1,
		"status_writes_skipped_total{reason=unchanged}":              0,
		"detection_lag_seconds{} sum":                                4,
		"detection_lag_seconds{} count":                              1,
		"output_truncated_bytes_total{}":                             10,
		"results_deleted_total{}":                                    1,
	} {
		expect(t, series, "cloudassistant_"+name, want)
	}
}

func TestTheSeriesOfANamespaceComeAndGoWithItsResults(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.namespaces = []string{"ops"}
	series := o.scrape(t)
	// Before anything has failed, for an increase to be seen when it does.
	expect(t, series, "cloudassistant_runs_completed_total{namespace=ops,reason=CommandFailed}", 0)
	if got := len(naming(series, "namespace=ops")); got != len(controller.CompletionReasons) {
		t.Errorf("the namespace has %d series, want one for each of %q", got, controller.CompletionReasons)
	}
	o.Wrote("ops", controller.Write{Completed: []string{v1alpha1.ReasonCommandFailed}})
	o.clock.Step(24 * time.Hour)
	expect(t, o.scrape(t), "cloudassistant_runs_completed_total{namespace=ops,reason=CommandFailed}", 1)
	o.namespaces = nil
	o.clock.Step(keepUnused - time.Second)
	expect(t, o.scrape(t), "cloudassistant_runs_completed_total{namespace=ops,reason=CommandFailed}", 1)
	o.clock.Step(time.Second)
	if left := naming(o.scrape(t), "ops"); len(left) > 0 {
		t.Errorf("of a namespace without results remain %q", left)
	}
}

func TestTheEnginesEventsAreCounted(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.Walked(poller.WalkSweep, poller.Extent{Pages: 3, Rows: 120})
	o.Surveyed(poller.SurveySweep, poller.SurveyCompleted)
	series := o.scrape(t)
	expect(t, series, "cloudassistant_walk_pages{kind=sweep} sum", 3)
	expect(t, series, "cloudassistant_walk_rows{kind=sweep} sum", 120)
	expect(t, series, "cloudassistant_walk_rows{kind=single} count", 0)
	expect(t, series, "cloudassistant_surveys_total{outcome=completed,plan=sweep}", 1)
	expect(t, series, "cloudassistant_surveys_total{outcome=failed,plan=none}", 0)
}

// The series of two operators would be one.
func TestTwoOperatorsNeedTwoRegistries(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	unregister, err := New(clocktesting.NewFakeClock(time.Now())).Register(registry)
	if err != nil {
		t.Fatal(err)
	}
	second := New(clocktesting.NewFakeClock(time.Now()))
	if _, err := second.Register(registry); err == nil {
		t.Error("two operators share a registry")
	}
	unregister()
	if _, err := second.Register(registry); err != nil {
		t.Errorf("one after the other: %v", err)
	}
}

// everything is an operator with a series of every metric.
func everything(t *testing.T) *operator {
	t.Helper()
	o := newOperator(t)
	if err := o.ask(t.Context(), "cn-hangzhou"); err != nil {
		t.Fatal(err)
	}
	o.opened = errors.New("scripted")
	if err := o.ask(t.Context(), "cn-hangzhou"); err == nil {
		t.Fatal("the session opens")
	}
	o.stats = []poller.Stats{{RegionID: "cn-hangzhou", Account: o.account, Bucket: true}}
	o.namespaces = []string{"ops"}
	return o
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	families, err := everything(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != len(definitions) {
		t.Errorf("%d metrics are given out, and %d defined", len(families), len(definitions))
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "cloudassistant_") {
			t.Errorf("%s has another prefix", family.GetName())
		}
		n := slices.IndexFunc(definitions, func(d definition) bool { return d.name == family.GetName() })
		if n < 0 {
			t.Fatalf("%s is not defined", family.GetName())
		}
		if got := strings.ToLower(family.GetType().String()); got != definitions[n].kind {
			t.Errorf("%s is a %s, and said to be a %s", family.GetName(), got, definitions[n].kind)
		}
	}
}
