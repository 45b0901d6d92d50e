package scenario

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`
regionIDs: [mars-1]
instances:
- &one {id: i-1, users: [me], status: Stopped}
- {count: 2, agent: Silent}
settings: {minRate: 1s, visibilityFirst: 200ms, rowOrder: Shuffled, authorizeByInvocation: true}
simulations:
- {instanceID: "i-*", duration: 1m30s, sigma: 1, seed: 18446744073709551615, failRate: 0.25, exitCode: -1}
quotas: [{perMinute: 7, omitRetryAfter: true}]
invocations:
- id: t-1
  createdAt: 2026-11-23T14:00:00+02:00
  tags: [{key: a, value: "1"}]
  rows: [{instanceID: i-1, exitCode: 3, output: !!binary "/wA=", ossOutput: {uri: "oss://b/k"}, timeline: [{at: 0s, hidden: true}]}]
events:
- {at: 2m, fault: {kind: Latency, delay: 3s, for: 4s}}
`))
	if err != nil {
		t.Fatal(err)
	}
	three, hidden := int64(3), true
	want := &Scenario{
		RegionIDs: []string{"mars-1"},
		Instances: []Instances{
			{Instance: emulator.Instance{ID: "i-1", Users: []string{"me"}, Status: emulator.InstanceStopped}},
			{Instance: emulator.Instance{Agent: emulator.AgentSilent}, Count: 2},
		},
		Settings: Settings{
			MinRate: time.Second, VisibilityFirst: 200 * time.Millisecond,
			Settings: emulator.Settings{RowOrder: emulator.OrderShuffled, AuthorizeByInvocation: true},
		},
		Simulations: []emulator.Simulation{
			{InstanceID: "i-*", Duration: 90 * time.Second, Sigma: 1, Seed: 1<<64 - 1, FailRate: 0.25, ExitCode: -1},
		},
		Quotas: []emulator.Quota{{PerMinute: 7, OmitRetryAfter: true}},
		Invocations: []Invocation{{
			Scripted: emulator.Scripted{
				ID: "t-1", CreatedAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Tags: []emulator.Tag{{Key: "a", Value: "1"}},
			},
			Rows: []Row{{
				Row: emulator.Row{
					InstanceID: "i-1", ExitCode: &three, Output: []byte{0xff, 0}, OSSOutput: emulator.OSSOutput{URI: "oss://b/k"},
				},
				Timeline: []Step{{Hidden: &hidden}},
			}},
		}},
		Events: []Event{{At: 2 * time.Minute, Fault: &Fault{Fault: emulator.Fault{Kind: emulator.FaultLatency, Delay: 3 * time.Second}, For: 4 * time.Second}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parsed is %+v\nwant %+v", got, want)
	}
}

// What is wrong is said in one sentence with its place.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "the scenario is empty"},
		{"a comment only", "# hello\n", "the scenario"},
		{"no map", "- a", "line 1: the scenario: give keys and values: accessKeys, events"},
		{"no YAML", "a: [", "no YAML: yaml: line 1"},
		{"two documents", "regionIDs: []\n---\nregionIDs: []", "more than one document"},
		{"unknown key", "regions: []", "line 1: regions: this key is unknown; known are accessKeys, "},
		{"unknown key below", "instances:\n- id: i-1\n- id: i-2\n  stauts: Stopped", "line 4: instances[1].stauts: this key is unknown"},
		{"key of another case", "instances:\n- ID: i-1", "line 2: instances[0].ID: this key is unknown"},
		{"key twice", "instances:\n- id: i-1\n  id: i-2", "line 3: instances[0].id: this key is there twice"},
		{"function", "events:\n- fault: {match: a}", "events[0].fault.match: this key is unknown"},
		{"no list", "instances: {}", "line 1: instances: give a list"},
		{"no scalar", "instances:\n- id: []", "line 2: instances[0].id: give one value"},
		{"number for text", "instances:\n- {id: i-1, accountID: 1234}", `instances[0].accountID: "1234" is no text; put it in quotes`},
		{"nothing for text", "instances:\n- id:", `instances[0].id: "" is no text`},
		{"text for a number", "instances:\n- count: two", `"two" is no whole number`},
		{"huge number", "instances:\n- count: 99999999999999999999", "out of range"},
		{"negative seed", "simulations:\n- seed: -1", "out of range"},
		{"text for a share", "simulations:\n- failRate: half", `"half" is no number`},
		{"text for yes", "accessKeys:\n- disabled: sometimes", "neither true nor false"},
		{"number for a duration", "settings: {minRate: 5}", `settings.minRate: "5" is no duration`},
		{"negative duration", "events:\n- at: -5s", `"-5s" is no duration`},
		{"no time", "invocations:\n- createdAt: yesterday", `"yesterday" is no time`},
		{"number for output", "invocations:\n- rows: [{output: 5}]", `"5" is no text; put it in quotes, or give Base64`},
		{"no Base64", "invocations:\n- rows: [{output: !!binary \"?\"}]", "Base64"},
		{"policy", "roles:\n- name: r\n  policies:\n  - {Version: '1', Statement: [{Effect: Perhaps}]}", "line 4: roles[0].policies[0]: "},
		{"no JSON", "oidcProviders:\n- jwks: {? [a] : b}", "line 2: oidcProviders[0].jwks: "},
		{"secret", "accessKeys:\n- {id: a, secret: b}", "accessKeys[0].secret: this key is unknown"},
		{"no secret", "accessKeys:\n- id: a", "accessKeys[0] needs id and secretEnv"},
		{"no instance", "instances:\n- name: a", "instances[0]: give an id, or a count"},
		{"negative count", "instances:\n- count: -1", "instances[0]: count is -1"},
		{"counted with an ID", "instances:\n- {id: i-1, count: 2}", "instances[0]: counted instances"},
		{"simulation", "simulations:\n- {}\n- exitCode: 3", "simulations[1]: a simulation says how runs fail"},
		{"no ID", "invocations:\n- rows: []", "invocations[0]: give an id"},
		{"ID twice", "invocations:\n- id: t-1\n- id: t-1", `invocations[1]: there is another with the ID "t-1"`},
		{"age and time", "invocations:\n- {id: t-1, age: 1h, createdAt: 2026-11-23T12:00:00Z}", "age and createdAt"},
		{"history of one run", "invocations:\n- {id: t-1, history: [{instanceID: i-1}]}", "repeatMode Period"},
		{"history without instance", "invocations:\n- {id: t-1, repeatMode: Period, history: [{}]}", "history[0]: give an instanceID"},
		{"row without instance", "invocations:\n- {id: t-1, rows: [{}]}", "rows[0]: give an instanceID"},
		{"row twice", "invocations:\n- {id: t-1, rows: [{instanceID: i-1}, {instanceID: i-1}]}", "rows[1]: give an instanceID that no other row has"},
		{"row of another", "invocations:\n- {id: t-1, rows: [{instanceID: i-1, invokeID: t-2}]}", "leave it out"},
		{"event of nothing", "events:\n- at: 5s", "events[0] has 0 actions"},
		{"event of two", "events:\n- {throttle: 5s, outage: 5s}", "events[0] has 2 actions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestKeyOf(t *testing.T) {
	for field, want := range map[string]string{
		"ID": "id", "RegionID": "regionID", "RegionIDs": "regionIDs", "OSSOutput": "ossOutput", "OSType": "osType",
		"URI": "uri", "At": "at", "MinRate": "minRate",
	} {
		if got := keyOf(field); got != want {
			t.Errorf("the key of %s is %s, want %s", field, got, want)
		}
	}
}

// examples are the scenarios of the documentation.
func examples(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("../../../docs/examples/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no examples: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = data
	}
	return all
}

// Whatever a file holds, it is a scenario or an error of one line.
func FuzzParse(f *testing.F) {
	for _, data := range examples(f) {
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("instances: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if (s == nil) == (err == nil) {
			t.Fatalf("scenario %v and error %v", s, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("error of several lines: %q", err)
		}
		if err == nil && !slices.IsSortedFunc(s.plan(""), func(a, b planned) int { return cmp.Compare(a.at, b.at) }) {
			t.Fatal("the plan is out of order")
		}
	})
}
