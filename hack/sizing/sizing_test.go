package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// What is measured are results that ended, as the operator itself would leave them: it has nothing to add.
func TestObjectsAreWhatTheOperatorLeaves(t *testing.T) {
	for _, s := range sizes {
		t.Run(s.name, func(t *testing.T) {
			object := s.object("ns", 7, now)
			if !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionSucceeded) {
				t.Errorf("conditions %+v", object.Status.Conditions)
			}
			if !projection.Finished(&object.Spec, &object.Status, now) {
				t.Error("the operator would go on asking")
			}
			again := projection.Project(projection.Input{
				Now: now, Generation: 1, Spec: &object.Spec, Previous: &object.Status,
				Settings: projection.Settings{MaxStatusBytes: s.budget},
			})
			if !projection.Equal(&object.Status, &again.Status) {
				t.Errorf("the operator would write (-object +projected):\n%s", cmp.Diff(object.Status, again.Status))
			}
			if !again.Finished {
				t.Error("another projection is not finished")
			}
			object.Generation = 1 // as the API server numbers it
			if !projection.Settled(object, projection.Settings{MaxStatusBytes: s.budget}, now) {
				t.Error("the operator would keep it whole")
			}
		})
	}
}

func TestSizesAreWhatTheyAreCalled(t *testing.T) {
	for _, test := range []struct {
		size         string
		least, most  int
		instances    int
		someHistory  bool
		outputIsFull bool
	}{
		{size: "one", least: 1000, most: 2000, instances: 1, outputIsFull: true},
		{size: "hundred", least: 90 << 10, most: 96 << 10, instances: 100},
		{size: "schedule", least: 80 << 10, most: 96 << 10, instances: 1, someHistory: true, outputIsFull: true},
		{size: "full", least: 1000 << 10, most: 1024 << 10, instances: 100},
	} {
		i := slices.IndexFunc(sizes, func(s size) bool { return s.name == test.size })
		status := sizes[i].object("ns", 0, now).Status
		text, err := json.Marshal(status)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) < test.least || len(text) > test.most {
			t.Errorf("%s: a status of %d bytes, want %d to %d", test.size, len(text), test.least, test.most)
		}
		if len(status.Instances) != test.instances || len(status.History) > 0 != test.someHistory {
			t.Errorf("%s: %d instances, %d earlier runs", test.size, len(status.Instances), len(status.History))
		}
		if full := status.Instances[0].Output.TruncatedBytes == 0; full != test.outputIsFull {
			t.Errorf("%s: the first output is shown whole: %t", test.size, full)
		}
	}
}

func TestObjectsAreMadeUpTheSameEveryTime(t *testing.T) {
	s := sizes[0]
	if diff := cmp.Diff(s.object("ns", 3, now), s.object("ns", 3, now)); diff != "" {
		t.Errorf("two objects of one number differ:\n%s", diff)
	}
	if a, b := s.object("ns", 3, now), s.object("ns", 4, now); a.Spec.InvokeID == b.Spec.InvokeID ||
		a.Status.Instances[0].Output.Text == b.Status.Instances[0].Output.Text {
		t.Error("two objects of different numbers share what they are about")
	}
}

func TestChoose(t *testing.T) {
	for only, want := range map[string]string{
		"":                  "[one:1000 one:10000 hundred:300 hundred:2000 schedule:500 full:30 full:300]",
		"one:5":             "[one:5]",
		"full:2,schedule:3": "[full:2 schedule:3]",
	} {
		cases, err := choose(allCases(), only)
		if got := fmt.Sprint(cases); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", only, got, err, want)
		}
	}
	for _, only := range []string{"one", "one:", "one:0", "one:x", "two:5", "one:5,"} {
		if cases, err := choose(allCases(), only); err == nil {
			t.Errorf("%q is taken for %v", only, cases)
		}
	}
}

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("Name:\tetcd\nVmPeak:\t  900 kB\nVmHWM:\t  500 kB\nVmRSS:\t  400 kB\n")
	if err != nil || got != (memory{rss: 400 << 10, peak: 500 << 10}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, status := range []string{"", "VmRSS: 4 kB\n", "VmRSS: x kB\nVmHWM: 5 kB\n"} {
		if got, err := parseMemory(status); err == nil {
			t.Errorf("%q is taken for %+v", status, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	pid, command, parent, ok := parseStat("42 (a) b (c)) S 7 42 42 0")
	if !ok || pid != 42 || command != "a) b (c)" || parent != 7 {
		t.Errorf("%d, %q, %d, %t", pid, command, parent, ok)
	}
	for _, stat := range []string{"", "42", "42 (etcd)", "x (etcd) S 7", ") 42 ("} {
		if _, _, _, ok := parseStat(stat); ok {
			t.Errorf("%q is taken for a process", stat)
		}
	}
}

func TestAProcessIsMeasured(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if err != nil || m.rss < 1<<20 || m.peak < m.rss {
		t.Errorf("%+v, %v", m, err)
	}
	if pid, err := child("no-such-program"); err == nil {
		t.Errorf("a child that nobody started is %d", pid)
	}
	machine, err := describeMachine()
	if err != nil || !strings.Contains(machine, "go1.") {
		t.Errorf("%q, %v", machine, err)
	}
}

func TestMetric(t *testing.T) {
	const text = "# TYPE depth gauge\ndepth 3\ndepth_total 9\n" +
		"done{result=\"success\",name=\"a\"} 4\ndone{result=\"success\",name=\"b\"} 1e+01\ndone{result=\"error\",name=\"a\"} 2\n"
	for _, test := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{name: "depth", want: 3},
		{name: "done", want: 16},
		{name: "done", labels: []string{`result="success"`}, want: 14},
		{name: "done", labels: []string{`name="a"`, `result="success"`}, want: 4},
	} {
		if got, err := metric([]byte(text), test.name, test.labels...); err != nil || got != test.want {
			t.Errorf("%s%v is %v, %v, want %v", test.name, test.labels, got, err, test.want)
		}
	}
	for _, name := range []string{"dep", "other"} {
		if got, err := metric([]byte(text), name); err == nil {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got, err := metric([]byte("broken x\n"), "broken"); err == nil {
		t.Errorf("what is no number is %v", got)
	}
}

func TestThroughAll(t *testing.T) {
	const text = `controller_runtime_reconcile_total{controller="invocationresult",result="success"} 5
controller_runtime_reconcile_total{controller="invocationresult",result="error"} 9
workqueue_depth{controller="invocationresult",name="invocationresult",priority="0"} `
	for _, test := range []struct {
		metrics string
		objects int
		want    bool
	}{
		{text + "0\n", 5, true},
		{text + "0\n", 6, false},
		{text + "1\n", 5, false},
		{"", 0, false},
	} {
		if got := throughAll([]byte(test.metrics), test.objects); got != test.want {
			t.Errorf("%d objects, %q: %t", test.objects, test.metrics, got)
		}
	}
}

// pagesOf serves an object a page, as an API server does.
func pagesOf(objects ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at := 0
		next := r.URL.Query().Get("continue")
		if next != "" {
			at = slices.Index(objects, next)
		}
		following := ""
		if at+1 < len(objects) {
			following = objects[at+1]
		}
		_, _ = fmt.Fprintf(w, `{"items":[%s],"metadata":{"continue":%q}}`, objects[at], following)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	objects := []string{
		`{"metadata":{"managedFields":[1,2]},"status":{"a":1}}`,
		`{"metadata":{},"status":{}}`,
	}
	server := httptest.NewServer(pagesOf(objects...))
	defer server.Close()
	api := apiServer{client: server.Client(), host: server.URL}
	var m measurement
	seen := 0
	got, err := api.list(t.Context(), "/things", asJSON, func(page []byte) error {
		n, err := m.addObjects(page)
		seen += n
		return err
	})
	if err != nil || seen != 2 || got.requests != 2 {
		t.Fatalf("%d objects, %+v, %v", seen, got, err)
	}
	if m.object != int64(len(objects[0])+len(objects[1])) || m.status != int64(len(`{"a":1}{}`)) || m.managedFields != int64(len("[1,2]")) {
		t.Errorf("%+v", m)
	}
	if got.bytes <= m.object || got.wire != got.bytes || got.took <= 0 {
		t.Errorf("%+v", got)
	}
}

func TestARefusalOfTheServersIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := apiServer{client: server.Client(), host: server.URL}.listAtOnce(t.Context(), "/things")
	if err == nil || !strings.Contains(err.Error(), "GET /things?resourceVersion=0: 404") {
		t.Errorf("error %v", err)
	}
	if _, err := (etcd{server.URL}).defragmented(t.Context()); err == nil || !strings.Contains(err.Error(), "/v3/kv/range: 404") {
		t.Errorf("error %v", err)
	}
}

// The database is compacted up to now and defragmented before its size is read.
func TestDefragmented(t *testing.T) {
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct{ Revision string }
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			t.Error(err)
		}
		calls = append(calls, r.URL.Path+" "+ask.Revision)
		_, _ = fmt.Fprint(w, `{"header":{"revision":"17"},"dbSize":"4096"}`)
	}))
	defer server.Close()
	got, err := etcd{server.URL}.defragmented(t.Context())
	if err != nil || got != 4096 {
		t.Errorf("%d, %v", got, err)
	}
	want := []string{"/v3/kv/range ", "/v3/kv/compaction 17", "/v3/maintenance/defragment ", "/v3/maintenance/status "}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(ctx, time.Hour); err == nil {
		t.Error("an hour has passed")
	}
	if err := wait(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestSpread(t *testing.T) {
	r := result{rounds: []measurement{
		{api: 3 << 20, patches: []time.Duration{5 * time.Millisecond, 9 * time.Millisecond}},
		{api: 3 << 20, patches: []time.Duration{2 * time.Second}},
	}}
	if got := spread(r, func(m measurement) []int64 { return []int64{m.api} }, binary); got != "3.0 MiB" {
		t.Errorf("without a spread: %s", got)
	}
	if got := spread(r, func(m measurement) []time.Duration { return m.patches }, seconds); got != "9.0 ms (5.0 ms–2.0 s)" {
		t.Errorf("of all rounds: %s", got)
	}
	if got := spread(r, func(measurement) []int64 { return nil }, binary); got != "not measured" {
		t.Errorf("of nothing: %s", got)
	}
}

func TestFormats(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 96 << 10: "96 KiB", 5 << 20: "5.0 MiB", 3 << 29: "1.5 GiB", -2048: "-2.0 KiB", -20 << 10: "-20 KiB",
	} {
		if got := binary(bytes); got != want {
			t.Errorf("%d bytes are %s, want %s", bytes, got, want)
		}
	}
	for took, want := range map[time.Duration]string{
		1500 * time.Microsecond: "1.5 ms", 250 * time.Millisecond: "250 ms", 2340 * time.Millisecond: "2.3 s", time.Minute: "60 s",
	} {
		if got := seconds(took); got != want {
			t.Errorf("%v is %s, want %s", took, got, want)
		}
	}
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 10_020: "10,020", 1_000_003: "1,000,003"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	memoryOf := func(mib int64) memory { return memory{rss: mib << 20, peak: 2 * mib << 20} }
	text := report("a machine", []result{{name: "one", objects: 2000, rounds: []measurement{{
		object: 2048, databaseBefore: 1 << 20, database: 1<<20 + 8_192_000, apiHeap: 2000 * 1024,
		table: []transfer{{took: time.Second}}, operatorBefore: operatorCost{memory: memoryOf(50)},
		operator: []operatorCost{{ready: time.Second, memory: memoryOf(75)}},
	}}}})
	for _, want := range []string{
		"Machine: a machine.",
		"- `one`: one instance, 200 bytes of output",
		"| one | 2,000 | 2.0 KiB | 0 B | 0 B | 7.8 MiB | 4.0 KiB | 0 B |",
		"| one | 2,000 | 0 B | 0 B | 1.0 KiB | 0 B | 0 B |",
		"| one | 2,000 | 1.0 s | not measured |",
		"| one | 2,000 | 1.0 s | 0.0 ms | 50 MiB | 75 MiB | 150 MiB | 13 KiB | 26 KiB |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %s:\n%s", want, text)
		}
	}
	// Every row of a table has as many cells as its head.
	columns := 0
	for line := range strings.Lines(text) {
		cells := strings.Count(line, "|")
		if cells > 0 && columns > 0 && cells != columns {
			t.Errorf("%d cells, want %d: %s", cells, columns, line)
		}
		columns = cells
	}
}
