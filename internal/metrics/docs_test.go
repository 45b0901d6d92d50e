package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/controller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/relay"
)

// repository reads a file of the repository.
func repository(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// table is the table of docs/metrics.md.
func table() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, d := range definitions {
		labels := ""
		for n, label := range d.labels {
			if n > 0 {
				labels += ", "
			}
			labels += "`" + label + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, d.kind, labels, d.help)
	}
	return b.String()
}

func TestTheTableIsThatOfTheMetrics(t *testing.T) {
	t.Parallel()
	if want := table(); !strings.Contains(repository(t, "docs/metrics.md"), "\n\n"+want+"\n") {
		t.Errorf("docs/metrics.md lacks this table, or has another:\n%s", want)
	}
}

// The values of a label with words of ours are all told.
func TestTheValuesOfLabelsAreExplained(t *testing.T) {
	t.Parallel()
	text := repository(t, "docs/metrics.md")
	values := append([]string{codeOK, codeCanceled, codeOther, unknown, other}, controller.CompletionReasons...)
	values = append(values, words(poller.WalkKinds)...)
	values = append(values, words(poller.SurveyPlans)...)
	values = append(values, words(poller.SurveyOutcomes)...)
	values = append(values, words(controller.WriteKinds)...)
	values = append(values, words(controller.SkipReasons)...)
	values = append(values, words(events.Forms)...)
	values = append(values, words(events.Reasons)...)
	values = append(values, words(relay.Outcomes)...)
	for _, value := range values {
		if !strings.Contains(text, "`"+value+"`") {
			t.Errorf("docs/metrics.md does not name %s", value)
		}
	}
}

// What to do is told of every reason why a request is answered as it is.
func TestTheReasonsOfEventsAreExplained(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(repository(t, "docs/events.md"), "\n## When events do not come\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, reason := range events.Reasons {
		if !strings.Contains(section, "`"+string(reason)+"`") {
			t.Errorf("docs/events.md does not say what to do about %s", reason)
		}
	}
}

func words[W ~string](values []W) (texts []string) {
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return texts
}

var (
	named    = regexp.MustCompile(`cloudassistant_[a-z_]+`)
	selected = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouped  = regexp.MustCompile(`\b(?:by|on|ignoring|without)\s*\(([^)]*)\)`)
)

// checkQuery says what a query asks of the metrics that they do not have.
func checkQuery(query string) (problems []string) {
	var labels []string
	metrics := named.FindAllString(query, -1)
	for _, name := range metrics {
		n := slices.IndexFunc(definitions, func(d definition) bool {
			return d.name == name || d.kind == histogram && slices.Contains([]string{d.name + "_bucket", d.name + "_sum", d.name + "_count"}, name)
		})
		if n < 0 {
			problems = append(problems, "there is no metric "+name)
			continue
		}
		labels = append(labels, definitions[n].labels...)
		if definitions[n].kind == histogram {
			labels = append(labels, "le")
		}
	}
	if len(metrics) == 0 {
		problems = append(problems, "it asks of no metric of the operator")
	}
	var used []string
	for _, match := range selected.FindAllStringSubmatch(query, -1) {
		used = append(used, match[1])
	}
	for _, match := range grouped.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(match[1], ",") {
			used = append(used, strings.TrimSpace(label))
		}
	}
	for _, label := range used {
		if !slices.Contains(labels, label) {
			problems = append(problems, "none of its metrics has the label "+label)
		}
	}
	return problems
}

func TestTheCheckOfQueriesFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for query, wrong := range map[string]int{
		`cloudassistant_api_breaker_open == 1`: 0,
		`histogram_quantile(0.99, sum by (le) (rate(cloudassistant_detection_lag_seconds_bucket[1h])))`: 0,
		`sum by (region) (rate(cloudassistant_api_calls_total{code=~"Throttling.*", account="1"}[5m]))`: 0,
		`cloudassistant_breaker_open`:                             1,
		`cloudassistant_api_calls_total_bucket`:                   1,
		`cloudassistant_api_breaker_open{code="OK"}`:              1,
		`sum by (name, region) (cloudassistant_api_breaker_open)`: 1,
		`up == 0`: 1,
	} {
		if problems := checkQuery(query); len(problems) != wrong {
			t.Errorf("of %s is said %q, want %d problems", query, problems, wrong)
		}
	}
}

func TestTheQueriesOfTheDocumentAreOfMetricsThatAreThere(t *testing.T) {
	t.Parallel()
	found := 0
	for _, block := range regexp.MustCompile("(?ms)^```promql\n(.*?)^```$").FindAllStringSubmatch(repository(t, "docs/metrics.md"), -1) {
		for query := range strings.SplitSeq(strings.TrimSpace(block[1]), "\n\n") {
			found++
			if problems := checkQuery(query); len(problems) > 0 {
				t.Errorf("%s: %q", query, problems)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d queries were found: the search is broken", found)
	}
}

func TestTheAlertsAreOfMetricsThatAreThere(t *testing.T) {
	t.Parallel()
	var rule struct {
		APIVersion string
		Kind       string
		Spec       struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Alert, Expr, For    string
					Labels, Annotations map[string]string
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(repository(t, "config/prometheus/rules.yaml")), &rule); err != nil {
		t.Fatal(err)
	}
	text, alerts := repository(t, "docs/metrics.md"), 0
	for _, group := range rule.Spec.Groups {
		for _, alert := range group.Rules {
			alerts++
			if problems := checkQuery(alert.Expr); len(problems) > 0 {
				t.Errorf("%s: %q", alert.Alert, problems)
			}
			if alert.Labels["severity"] == "" || alert.Annotations["summary"] == "" || alert.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity, a summary or a description", alert.Alert)
			}
			if !strings.Contains(text, "`"+alert.Alert+"`") {
				t.Errorf("docs/metrics.md does not say what to do about %s", alert.Alert)
			}
		}
	}
	if rule.Kind != "PrometheusRule" || rule.APIVersion != "monitoring.coreos.com/v1" || alerts < 3 {
		t.Errorf("%s %s has %d alerts", rule.APIVersion, rule.Kind, alerts)
	}
}
