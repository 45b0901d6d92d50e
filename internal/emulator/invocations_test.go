package emulator_test

import (
	"slices"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// invocations are the elements of an answer of DescribeInvocations.
func (a answer) invocations(t *testing.T) []map[string]any {
	t.Helper()
	a.wantCode(t, 200, "")
	var all []map[string]any
	for _, element := range a.object(t)["Invocations"].(map[string]any)["Invocation"].([]any) {
		all = append(all, element.(map[string]any))
	}
	return all
}

// The filter takes every status that the page lists, and finds what shows it.
func TestInvokeStatusFilter(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	for id, statuses := range map[string][]string{
		"t-pending": {"Pending", "Running"}, "t-scheduled": {"Scheduled"}, "t-running": {"Running"}, "t-success": {"Success"},
		"t-failed": {"Failed"}, "t-timeout": {"Timeout"}, "t-partial": {"Success", "Failed"}, "t-stopped": {"Cancelled"},
		"t-stopping": {"Stopping"},
	} {
		s := emulator.Scripted{ID: id}
		for n, status := range statuses {
			s.Rows = append(s.Rows, emulator.Row{InstanceID: []string{"i-1", "i-2"}[n], InvocationStatus: status})
		}
		b.put(s)
	}
	for status, want := range map[string][]string{
		"":              {"t-failed", "t-partial", "t-pending", "t-running", "t-scheduled", "t-stopped", "t-stopping", "t-success", "t-timeout"},
		"Running":       {"t-pending", "t-running", "t-scheduled"},
		"Finished":      {"t-failed", "t-partial", "t-success"},
		"Success":       {"t-success"},
		"Failed":        {"t-failed", "t-timeout"},
		"PartialFailed": {"t-partial"},
		"Stopped":       {"t-stopped"},
		"Stopping":      {"t-stopping"},
		"Pending":       {"t-pending"},
		"Scheduled":     {"t-scheduled"},
	} {
		var got []string
		for _, i := range r.call(t, "DescribeInvocations", "InvokeStatus", status).invocations(t) {
			got = append(got, i["InvokeId"].(string))
			if status != "" && i["InvokeStatus"] != status && i["InvocationStatus"] != status {
				t.Errorf("found by %s: %v", status, i)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("InvokeStatus=%s finds %v, want %v", status, got, want)
		}
	}
	r.call(t, "DescribeInvocations", "InvokeStatus", "Done").wantCode(t, 400, "InvalidParameter.InvokeStatus")
	if got := r.call(t, "DescribeInvocations", "InvokeStatus", "Done", "InstanceId", "i-2").invocations(t); len(got) != 2 {
		t.Errorf("with InstanceId the filter is ignored, and %d are found, want 2", len(got))
	}
}
