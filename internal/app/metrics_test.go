package app_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// scraped is what an operator serves: all of it, and the values of its own series, by name and labels.
type scraped struct {
	text   string
	series map[string]float64
}

// scrape asks the operator for its metrics.
func (w *world) scrape(t *testing.T) scraped {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.options.MetricsBindAddress+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("scraping: status %s, error %v", response.Status, err)
	}
	m := scraped{text: string(body), series: map[string]float64{}}
	for line := range strings.Lines(m.text) {
		series, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "cloudassistant_")), " ")
		if !strings.HasPrefix(line, "cloudassistant_") {
			continue
		}
		if m.series[series], err = strconv.ParseFloat(value, 64); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	return m
}

// untilScraped asks for the metrics until they are as wanted: they are told a moment after what they tell of.
func (w *world) untilScraped(t *testing.T, what string, done func(scraped) bool) scraped {
	t.Helper()
	deadline := time.After(patience)
	for {
		m := w.scrape(t)
		if done(m) {
			return m
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within %v:\n%s", what, patience, strings.Join(slices.Sorted(maps.Keys(m.series)), "\n"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// untilValue waits until a series has a value.
func (w *world) untilValue(t *testing.T, series string, want float64) scraped {
	t.Helper()
	return w.untilScraped(t, fmt.Sprintf("%s is %v", series, want), func(m scraped) bool {
		got, found := m.series[series]
		return found && got == want
	})
}

// names are the series, sorted.
func (m scraped) names() []string { return slices.Sorted(maps.Keys(m.series)) }

const ofAccount = `account="` + emulator.DefaultAccountID + `",`

// What the metrics tell of a known story: runs that end and one that fails, a throttle answer, deletions. There are as many
// series for a hundred results as for one, and none for what is gone.
func TestTheMetricsTellTheStory(t *testing.T) {
	const (
		results = 100
		called  = "api_calls_total{" + ofAccount + `api="DescribeInvocationResults",`
		inPlace = "{" + ofAccount + `region="` + region + `"}`
	)
	w := newClockWorld(t)
	w.options.ServeMetrics(freeAddress(t))
	w.start(t)
	completed := func(reason string) string {
		return fmt.Sprintf("runs_completed_total{namespace=%q,reason=%q}", w.namespace, reason)
	}
	observe := func(from, to int) {
		var manifest strings.Builder
		for n := from; n < to; n++ {
			id := fmt.Sprintf("t-zebra%d", n)
			w.script(t, id, running(1))
			fmt.Fprintf(&manifest, "---\napiVersion: ecs.k8s.alibabacloud/v1alpha1\nkind: InvocationResult\nmetadata: {name: zebra-%d}\nspec: {regionID: %s, invokeID: %s}\n", n, region, id)
		}
		if applied := w.kubectl.Apply(t.Context(), manifest.String()); applied.ExitCode != 0 {
			t.Fatal(applied.Stderr)
		}
	}

	observe(0, 1)
	w.untilReason(t, "zebra-0", v1alpha1.ReasonRunning)
	one := w.untilValue(t, "questions_watched"+inPlace, 1)
	observe(1, results)
	for n := range results {
		w.untilReason(t, fmt.Sprintf("zebra-%d", n), v1alpha1.ReasonRunning)
	}
	many := w.untilValue(t, "questions_watched"+inPlace, results)
	if !slices.Equal(one.names(), many.names()) {
		t.Errorf("one result has the series\n%s\nand %d have\n%s", strings.Join(one.names(), "\n"), results, strings.Join(many.names(), "\n"))
	}
	if n := many.series["status_writes_total{kind=\"transition\"}"]; n < results {
		t.Errorf("%v transitions are told of %d results that have begun", n, results)
	}

	// Three of them end, one badly, all 40 seconds before anybody can know.
	w.pass(t, minute)
	for n := range 3 {
		w.update(t, fmt.Sprintf("t-zebra%d", n), 1, func(row *emulator.Row) {
			succeed(row)
			row.FinishedTime = w.cloud.Clock().Now().Add(-40 * time.Second)
			if n == 2 {
				three := int64(3)
				row.InvocationStatus, row.ExitCode, row.ErrorCode = "Failed", &three, "ExitCodeNonzero"
				row.Output = []byte(strings.Repeat("x", 2000))
			}
		})
	}
	w.pass(t, minute)
	for n, reason := range []string{v1alpha1.ReasonSucceeded, v1alpha1.ReasonSucceeded, v1alpha1.ReasonCommandFailed} {
		w.untilReason(t, fmt.Sprintf("zebra-%d", n), reason)
	}
	ended := w.untilValue(t, `status_writes_total{kind="end"}`, 3)
	for series, want := range map[string]float64{
		completed(v1alpha1.ReasonSucceeded):       2,
		completed(v1alpha1.ReasonCommandFailed):   1,
		completed(v1alpha1.ReasonRecordsExpired):  0,
		"detection_lag_seconds_count":             3,
		`detection_lag_seconds_bucket{le="30"}`:   0,
		`detection_lag_seconds_bucket{le="+Inf"}`: 3,
		"output_truncated_bytes_total":            2000 - 1024,
		"questions_watched" + inPlace:             results - 3,
		"api_breaker_open" + inPlace:              0,
		"api_allowed_calls_per_second" + inPlace:  100,
	} {
		if got, found := ended.series[series]; !found || got != want {
			t.Errorf("%s is %v (there: %v), want %v", series, got, found, want)
		}
	}
	calls := w.cloud.Calls()
	total := 0
	for key, n := range calls {
		if key.Action == "DescribeInvocationResults" {
			total += n
		}
	}
	if told := ended.series[called+`code="OK",region="`+region+`"}`]; told == 0 || told > float64(total) {
		t.Errorf("%v calls are told, and %d were made", told, total)
	}

	// A throttle answer.
	w.inject(t, emulator.Fault{Kind: emulator.FaultError, Code: "Throttling.User", Action: "DescribeInvocationResults", RetryAfter: hour / 2, Count: 1})
	w.pass(t, minute)
	throttled := w.untilValue(t, "api_breaker_open"+inPlace, 1)
	for series, want := range map[string]float64{
		called + `code="Throttling.User",region="` + region + `"}`:                                      1,
		"api_throttled_total{" + ofAccount + `api="DescribeInvocationResults",region="` + region + `"}`: 1,
		"api_allowed_calls_per_second" + inPlace:                                                        0,
	} {
		if got := throttled.series[series]; got != want {
			t.Errorf("after a throttle answer %s is %v, want %v", series, got, want)
		}
	}
	w.pass(t, 20*minute)
	w.untilScraped(t, "answers are overdue", func(m scraped) bool {
		return m.series["questions_overdue"+inPlace] > 0 && m.series["oldest_due_answer_age_seconds"+inPlace] > 600
	})
	w.pass(t, 20*minute)
	w.untilScraped(t, "the breaker closes and all is known", func(m scraped) bool {
		return m.series["api_breaker_open"+inPlace] == 0 && m.series["questions_overdue"+inPlace] == 0
	})

	// Deletions, one at the end of its time to live.
	w.merge(t, "zebra-0", `{"spec":{"ttlSecondsAfterFinished":0}}`)
	w.run(t, "wait", "ir/zebra-0", "--for=delete", "--timeout=90s")
	w.untilValue(t, "results_deleted_total", 1)
	w.run(t, "delete", "ir", "--all")
	gone := w.untilScraped(t, "nothing is watched", func(m scraped) bool {
		_, found := m.series["questions_watched"+inPlace]
		return !found
	})
	if got := gone.series[completed(v1alpha1.ReasonSucceeded)]; got != 2 {
		t.Errorf("the runs that have completed are %v before anybody could scrape them last, want 2", got)
	}
	w.pass(t, 16*minute)
	last := w.scrape(t)
	for _, series := range last.names() {
		if strings.Contains(series, region) || strings.Contains(series, w.namespace) {
			t.Errorf("nothing is left, but %s", series)
		}
	}
	for _, m := range []scraped{one, many, ended, throttled, gone, last} {
		if strings.Contains(m.text, "zebra") {
			t.Error("the metrics name a result or a run")
		}
		problems, err := promlint.New(strings.NewReader(m.text)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			if strings.HasPrefix(problem.Metric, "cloudassistant_") {
				t.Errorf("%s: %s", problem.Metric, problem.Text)
			}
		}
	}
}

// The overlay for Prometheus goes with the install: it selects the Service of it, by the port that it has.
func TestTheOverlayForPrometheus(t *testing.T) {
	t.Parallel()
	kubectl := controlPlane.AdminKubectl(t, testenv.OperatorNamespace)
	built := kubectl.Run(t.Context(), "kustomize", testenv.Root()+"/config/prometheus")
	if built.ExitCode != 0 {
		t.Fatal(built.Stderr)
	}
	for _, want := range []string{
		"kind: ServiceMonitor\n", "kind: PrometheusRule\n", "  name: cloud-assistant-operator-alerts\n",
		"  namespace: " + testenv.OperatorNamespace + "\n", "app.kubernetes.io/name: cloud-assistant-operator\n", "port: https-metrics\n",
	} {
		if !strings.Contains(built.Stdout, want) {
			t.Errorf("the overlay lacks %q:\n%s", want, built.Stdout)
		}
	}
	port := kubectl.Run(t.Context(), "get", "service", "-l", "app.kubernetes.io/name=cloud-assistant-operator", "-o", "jsonpath={.items[*].spec.ports[*].name}")
	if port.Stdout != "https-metrics" {
		t.Errorf("the Services that the overlay selects have the ports %q: %s", port.Stdout, port.Stderr)
	}
}
