package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// wall is what terminals obey and YAML refuses: escape sequences, invalid UTF-8, DEL, C1 controls, noncharacters, and
// what takes six bytes in JSON.
const wall = "\x1b[2J\x1b]0;owned\a\x00\x7f\u0085\u009b31m\ufffe\uffff\u2028<&>\"\\\xff\xc3(\xed\xa0\x80\u202e\r\n"

// load is what the API sends of a run.
type load struct {
	rows, history []emulator.Row
	tags          []emulator.Tag
	// endless says that the history is longer than what one look at it takes in.
	endless bool
}

// heavy is a row of an instance that failed or succeeded, with an output.
func heavy(n int, failed bool, output string) emulator.Row {
	row := running(n)
	succeed(&row)
	row.Output = []byte(output)
	if failed {
		code := int64(3)
		row.InvocationStatus, row.ExitCode, row.ErrorCode = emulator.StatusFailed, &code, "ExitCodeNonzero"
	}
	return row
}

// pastRun is the n-th run of a schedule on the first instance.
func pastRun(n int) emulator.Row {
	row := heavy(1, n%10 == 0, fmt.Sprintf("run %05d\n", n))
	row.StartTime = longAgo.Add(time.Duration(n-20_000) * minute)
	row.FinishedTime, row.Repeats = row.StartTime.Add(time.Second), n
	return row
}

func pastRuns(count int) []emulator.Row {
	rows := make([]emulator.Row, count)
	for n := range rows {
		rows[n] = pastRun(n + 1)
	}
	return rows
}

// stopped is the live row of a schedule of which so many runs have ended, and that somebody has stopped.
func stopped(runs int) emulator.Row {
	return emulator.Row{
		InstanceID: instance(1), InvocationStatus: emulator.StatusTerminated, Repeats: runs,
		StartTime: longAgo, FinishedTime: longAgo.Add(minute), StopTime: longAgo,
	}
}

func loads() map[string]load {
	const megabyte = 1 << 20
	all := map[string]load{
		"history":         {rows: []emulator.Row{stopped(900)}, history: pastRuns(900)},
		"endless-history": {rows: []emulator.Row{stopped(10_000)}, history: pastRuns(10_000), endless: true},
	}
	var outputs, walls load
	for n := 1; n <= 100; n++ {
		// The last ones by ID fail: they have to come first.
		outputs.rows = append(outputs.rows, heavy(n, n > 80, strings.Repeat(fmt.Sprintf("%03d\n", n), 6<<10)))
		row := heavy(n, n > 80, strings.Repeat(wall, 500))
		row.ErrorInfo, row.Launcher, row.Username, row.ErrorCode = strings.Repeat(wall, 50), wall, wall, wall
		row.ContainerName, row.TerminationMode = wall, wall
		row.OSSOutput = emulator.OSSOutput{Delivery: wall, URI: wall, Status: wall, ErrorCode: wall, ErrorInfo: wall}
		walls.rows = append(walls.rows, row)
	}
	for n := range 100 {
		walls.tags = append(walls.tags, emulator.Tag{Key: fmt.Sprint(n, wall), Value: wall})
	}
	long := load{tags: []emulator.Tag{{Key: strings.Repeat("k", megabyte), Value: strings.Repeat("v", megabyte)}}}
	long.rows = []emulator.Row{heavy(1, true, "")}
	long.rows[0].ErrorInfo, long.rows[0].Launcher = strings.Repeat("e", megabyte), strings.Repeat("l", megabyte)
	all["long-strings"], all["full-outputs"], all["walls"] = long, outputs, walls
	return all
}

// Whatever the API sends: the result is written and Completed, kubectl shows it and breaks no terminal, it keeps within
// its budget, and what it leaves out is counted, the same after a restart and when it is asked again.
func TestTheBudgetOfAStatus(t *testing.T) {
	for _, budget := range []int{8 << 10, 96 << 10, 1 << 20} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			w := newWorld(t)
			w.options.MaxStatusBytes = budget
			w.start(t)
			all := loads()
			for name, sent := range all {
				mode := ""
				if sent.history != nil {
					mode = emulator.RepeatPeriod
				}
				err := w.cloud.PutInvocation(emulator.Scripted{
					ID: runOf(name), RegionID: region, CreatedAt: longAgo, Rows: sent.rows, Tags: sent.tags, RepeatMode: mode,
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range sent.history {
					row.InvokeID = runOf(name)
					if err := w.cloud.PutHistory(row); err != nil {
						t.Fatal(err)
					}
				}
				w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s, includeHistory: %t, historyLimit: 1000, output: {maxBytes: 24576}}",
					region, runOf(name), sent.history != nil))
			}
			before := map[string]*v1alpha1.InvocationResult{}
			for name, sent := range all {
				before[name] = w.until(t, name, "Completed", func(result *v1alpha1.InvocationResult) bool {
					return meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionCompleted) &&
						(sent.history == nil || hiddenRuns(result) > 0 || len(result.Status.History) > 0)
				})
				checkBudget(t, name, budget, sent, &before[name].Status)
				w.checkShown(t, before[name])
			}
			w.stop()
			w.start(t)
			for name := range all {
				after := w.askAgain(t, name, "now")
				after.Status.LastHandledReconcileAt = ""
				if diff := cmp.Diff(before[name].Status, after.Status); diff != "" {
					t.Errorf("%s: asked again after a restart the status is another (-before +after):\n%.3000s", name, diff)
				}
			}
		})
	}
}

func hiddenRuns(result *v1alpha1.InvocationResult) int {
	if result.Status.Truncated == nil {
		return 0
	}
	return int(result.Status.Truncated.History)
}

// checkBudget holds what was shown of a load against what was sent.
func checkBudget(t *testing.T, name string, budget int, sent load, status *v1alpha1.InvocationResultStatus) {
	t.Helper()
	stored, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) > budget {
		t.Errorf("%s: the status takes %d bytes, more than %d", name, len(stored), budget)
	}
	hidden := v1alpha1.TruncatedStatus{}
	if status.Truncated != nil {
		hidden = *status.Truncated
	}
	if got := len(status.Instances) + int(hidden.Instances); got != len(sent.rows) || int(status.Summary.Total) != len(sent.rows) {
		t.Errorf("%s: %d instances and %d left out, %d in all, of %d", name, len(status.Instances), hidden.Instances, status.Summary.Total, len(sent.rows))
	}
	got := len(status.History) + int(hidden.History)
	if got > len(sent.history) || got < len(sent.history) && !sent.endless || sent.endless && got <= 1000 {
		t.Errorf("%s: %d earlier runs and %d left out, of %d", name, len(status.History), hidden.History, len(sent.history))
	}
	shown := checkOutputs(t, name, status)
	var total int64
	for _, row := range slices.Concat(sent.rows, sent.history) {
		total += int64(len(row.Output))
	}
	if !sent.endless && shown+hidden.OutputBytes != total {
		t.Errorf("%s: %d bytes of output are shown and %d left out, of %d", name, shown, hidden.OutputBytes, total)
	}
}

// checkOutputs returns how many bytes of outputs are shown. Failed instances come first, and keep theirs first.
func checkOutputs(t *testing.T, name string, status *v1alpha1.InvocationResultStatus) (total int64) {
	t.Helper()
	least, most := 1<<20, 0
	for n, entry := range slices.Concat(status.Instances, status.History) {
		visible := shownOutput(t, entry.Output)
		total += int64(visible)
		switch {
		case n >= len(status.Instances):
		case entry.Status == emulator.StatusFailed:
			least = min(least, visible)
			if n > 0 && status.Instances[n-1].Status != emulator.StatusFailed {
				t.Errorf("%s: %s has failed and is behind %s", name, entry.InstanceID, status.Instances[n-1].InstanceID)
			}
		default:
			most = max(most, visible)
		}
	}
	if most > least {
		t.Errorf("%s: a failed instance shows %d bytes of its output, another one %d", name, least, most)
	}
	return total
}

// shownOutput is how many bytes of an output are shown.
func shownOutput(t *testing.T, output *v1alpha1.OutputStatus) int {
	t.Helper()
	switch {
	case output == nil:
		return 0
	case output.Encoding != v1alpha1.OutputBase64:
		return len(output.Text)
	}
	decoded, err := base64.StdEncoding.DecodeString(output.Text)
	if err != nil {
		t.Errorf("an output that is no Base64: %v", err)
	}
	return len(decoded)
}

// checkShown has kubectl show a result in all its ways.
func (w *world) checkShown(t *testing.T, result *v1alpha1.InvocationResult) {
	t.Helper()
	printed := w.run(t, "get", "ir", result.Name, "-o", "yaml")
	var parsed v1alpha1.InvocationResult
	if err := yaml.UnmarshalStrict([]byte(printed), &parsed); err != nil {
		t.Errorf("%s: kubectl prints what is no YAML: %v", result.Name, err)
	} else if diff := cmp.Diff(result.Status, parsed.Status); diff != "" {
		t.Errorf("%s: kubectl prints another status (-stored +printed):\n%.2000s", result.Name, diff)
	}
	for _, args := range [][]string{{"get", "ir"}, {"get", "ir", "-o", "wide"}, {"describe", "ir", result.Name}} {
		text := w.run(t, args...)
		if !strings.Contains(text, result.Name) {
			t.Errorf("kubectl %v does not show %s:\n%.500s", args, result.Name, text)
		}
		unfit := func(r rune) bool {
			return r != '\n' && r != '\t' && (unicode.IsControl(r) || r == '\ufffe' || r == '\uffff')
		}
		if at := bytes.IndexFunc([]byte(text), unfit); at >= 0 {
			t.Errorf("kubectl %v of %s prints a control character: %q", args, result.Name, text[max(0, at-50):at+2])
		}
	}
}
