package app_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	m := scraped{text: metricsAt(t, w.options.MetricsBindAddress), series: map[string]float64{}}
	for line := range strings.Lines(m.text) {
		series, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "cloudassistant_")), " ")
		if !strings.HasPrefix(line, "cloudassistant_") {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		m.series[series] = number
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

// The labels of what is counted by region and account.
const (
	ofAccount = `account="` + emulator.DefaultAccountID + `",`
	inPlace   = "{" + ofAccount + `region="` + region + `"}`
	ofCalls   = "{" + ofAccount + `api="DescribeInvocationResults",`
)

// told is a story that the operator lives through, and all that was scraped of it.
type told struct {
	*world
	scrapes []scraped
}

// expect compares some of the series.
func (s *told) expect(t *testing.T, m scraped, want map[string]float64) {
	t.Helper()
	s.scrapes = append(s.scrapes, m)
	for series, value := range want {
		if got, found := m.series[series]; !found || got != value {
			t.Errorf("%s is %v (there: %v), want %v", series, got, found, value)
		}
	}
}

// completed is the series of the runs of the world that ended for a reason.
func (s *told) completed(reason string) string {
	return fmt.Sprintf("runs_completed_total{namespace=%q,reason=%q}", s.namespace, reason)
}

const tellers = 100

// What the metrics tell of a known story: runs that end and one that fails, a throttle answer, deletions. There are as many
// series for a hundred results as for one, and none for what is gone.
func TestTheMetricsTellTheStory(t *testing.T) {
	s := &told{world: newClockWorld(t)}
	s.options.ServeMetrics(freeAddress(t))
	s.start(t)
	s.begin(t)
	s.endThree(t)
	s.throttle(t)
	s.deleteAll(t)
	for _, m := range s.scrapes {
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

// begin has one result observed, then a hundred.
func (s *told) begin(t *testing.T) {
	t.Helper()
	observe := func(from, to int) {
		var manifest strings.Builder
		for n := from; n < to; n++ {
			id := fmt.Sprintf("t-zebra%d", n)
			s.script(t, id, running(1))
			fmt.Fprintf(&manifest, "---\napiVersion: ecs.k8s.alibabacloud/v1alpha1\nkind: InvocationResult\nmetadata: {name: zebra-%d}\nspec: {regionID: %s, invokeID: %s}\n", n, region, id)
		}
		if applied := s.kubectl.Apply(t.Context(), manifest.String()); applied.ExitCode != 0 {
			t.Fatal(applied.Stderr)
		}
	}
	begun := func(n float64) scraped {
		return s.untilScraped(t, fmt.Sprintf("%v have begun", n), func(m scraped) bool {
			return m.series["questions_watched"+inPlace] == n && m.series[`status_writes_total{kind="transition"}`] >= n
		})
	}
	observe(0, 1)
	s.untilReason(t, "zebra-0", v1alpha1.ReasonRunning)
	one := begun(1)
	observe(1, tellers)
	many := begun(tellers)
	s.scrapes = append(s.scrapes, one, many)
	if !slices.Equal(one.names(), many.names()) {
		t.Errorf("one result has the series\n%s\nand %d have\n%s", strings.Join(one.names(), "\n"), tellers, strings.Join(many.names(), "\n"))
	}
}

// endThree ends three of them, one badly, all 40 seconds before anybody can know.
func (s *told) endThree(t *testing.T) {
	t.Helper()
	s.pass(t, minute)
	for n := range 3 {
		s.update(t, fmt.Sprintf("t-zebra%d", n), 1, func(row *emulator.Row) {
			succeed(row)
			row.FinishedTime = s.cloud.Clock().Now().Add(-40 * time.Second)
			if n == 2 {
				three := int64(3)
				row.InvocationStatus, row.ExitCode, row.ErrorCode = "Failed", &three, "ExitCodeNonzero"
				row.Output = []byte(strings.Repeat("x", 2000))
			}
		})
	}
	s.pass(t, minute)
	for n, reason := range []string{v1alpha1.ReasonSucceeded, v1alpha1.ReasonSucceeded, v1alpha1.ReasonCommandFailed} {
		s.untilReason(t, fmt.Sprintf("zebra-%d", n), reason)
	}
	m := s.untilScraped(t, "three have ended, and nothing of them is watched", func(m scraped) bool {
		return m.series[`status_writes_total{kind="end"}`] == 3 && m.series["questions_watched"+inPlace] == tellers-3
	})
	s.expect(t, m, map[string]float64{
		s.completed(v1alpha1.ReasonSucceeded):      2,
		s.completed(v1alpha1.ReasonCommandFailed):  1,
		s.completed(v1alpha1.ReasonRecordsExpired): 0,
		"detection_lag_seconds_count":              3,
		`detection_lag_seconds_bucket{le="30"}`:    0,
		"output_truncated_bytes_total":             2000 - 1024,
		"api_breaker_open" + inPlace:               0,
		"api_allowed_calls_per_second" + inPlace:   100,
	})
	made := 0
	for key, n := range s.cloud.Calls() {
		if key.Action == "DescribeInvocationResults" {
			made += n
		}
	}
	if counted := m.series["api_calls_total"+ofCalls+`code="OK",region="`+region+`"}`]; counted == 0 || counted > float64(made) {
		t.Errorf("%v calls are counted, and %d were made", counted, made)
	}
}

// throttle has one call answered by throttling, for half an hour.
func (s *told) throttle(t *testing.T) {
	t.Helper()
	s.inject(t, emulator.Fault{Kind: emulator.FaultError, Code: "Throttling.User", Action: "DescribeInvocationResults", RetryAfter: hour / 2, Count: 1})
	s.pass(t, minute)
	s.expect(t, s.untilValue(t, "api_breaker_open"+inPlace, 1), map[string]float64{
		"api_calls_total" + ofCalls + `code="Throttling.User",region="` + region + `"}`: 1,
		"api_throttled_total" + ofCalls + `region="` + region + `"}`:                    1,
		"api_allowed_calls_per_second" + inPlace:                                        0,
	})
	s.pass(t, 20*minute)
	s.untilScraped(t, "answers are overdue", func(m scraped) bool {
		return m.series["questions_overdue"+inPlace] > 0 && m.series["oldest_due_answer_age_seconds"+inPlace] > 600
	})
	s.pass(t, 20*minute)
	s.untilScraped(t, "the breaker closes and all is known", func(m scraped) bool {
		return m.series["api_breaker_open"+inPlace] == 0 && m.series["questions_overdue"+inPlace] == 0
	})
}

// deleteAll deletes one at the end of its time to live, then all.
func (s *told) deleteAll(t *testing.T) {
	t.Helper()
	s.merge(t, "zebra-0", `{"spec":{"ttlSecondsAfterFinished":0}}`)
	s.run(t, "wait", "ir/zebra-0", "--for=delete", "--timeout=90s")
	s.untilValue(t, "results_deleted_total", 1)
	if err := s.client.DeleteAllOf(t.Context(), &v1alpha1.InvocationResult{}, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	gone := s.untilScraped(t, "nothing is watched", func(m scraped) bool {
		_, found := m.series["questions_watched"+inPlace]
		return !found
	})
	// Their last values stay until they have been scraped.
	s.expect(t, gone, map[string]float64{s.completed(v1alpha1.ReasonSucceeded): 2})
	s.pass(t, 16*minute)
	last := s.scrape(t)
	s.scrapes = append(s.scrapes, last)
	for _, series := range last.names() {
		if strings.Contains(series, region) || strings.Contains(series, s.namespace) {
			t.Errorf("nothing is left, but %s", series)
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
