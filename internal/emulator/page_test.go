package emulator_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func pointer[T any](value T) *T { return &value }

// put adds a scripted invocation or fails.
func (b *bench) put(s emulator.Scripted) {
	b.Helper()
	if err := b.e.PutInvocation(s); err != nil {
		b.Fatal(err)
	}
}

// keys are what identifies the rows of an answer, in its order.
func keys(rows []map[string]any) []string {
	list := make([]string, len(rows))
	for n, row := range rows {
		list[n] = fmt.Sprint(row["InvokeId"], "/", row["InstanceId"])
	}
	return list
}

// newPageBench has four invocations, t-1 to t-4, whose differences every filter can tell.
func newPageBench(t *testing.T) (*bench, *raw) {
	t.Helper()
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{
		Clock: fake,
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: testSecret}, {ID: "foreign", Secret: testSecret, AccountID: "42"},
		},
	})
	b.put(emulator.Scripted{
		ID: "t-1", CommandID: "c-1", ResourceGroupID: "rg-1", Tags: []emulator.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: ""}},
		Rows: []emulator.Row{
			{InstanceID: "i-1", InvocationStatus: emulator.StatusSuccess, ExitCode: pointer(int64(0)), Output: []byte("out\xff\n")},
			{InstanceID: "i-2", InvocationStatus: emulator.StatusFailed, ExitCode: pointer(int64(3)), ErrorCode: "ExitCodeNonzero"},
		},
	})
	b.put(emulator.Scripted{
		ID: "t-2", CommandID: "c-2", Tags: []emulator.Tag{{Key: "a", Value: "1"}, {Key: "c", Value: "2"}},
		Rows: []emulator.Row{{InstanceID: "i-1", InvocationStatus: emulator.StatusRunning}},
	})
	b.put(emulator.Scripted{
		ID: "t-3", CommandID: "c-2", RepeatMode: emulator.RepeatPeriod,
		Rows: []emulator.Row{{InstanceID: "i-3", InvocationStatus: emulator.StatusSuccess, ExitCode: pointer(int64(0))}},
	})
	b.put(emulator.Scripted{ID: "t-4", AccountID: "42", Rows: []emulator.Row{{InstanceID: "i-4"}}})
	b.put(emulator.Scripted{ID: "t-5", RegionID: "cn-beijing", Rows: []emulator.Row{{InstanceID: "i-5"}}})
	for n := range 3 {
		if err := b.e.PutHistory(emulator.Row{InvokeID: "t-3", InstanceID: "i-3", Repeats: n + 1, InvocationStatus: emulator.StatusSuccess}); err != nil {
			t.Fatal(err)
		}
	}
	return b, b.raw(fake)
}

// page is a section of the page of DescribeInvocationResults. All its rows are written down, in its order: one that
// nobody tests is a failure, as is a test of what the page does not have.
type page struct {
	*testing.T
	written, tested []string
}

func newPage(t *testing.T, rows []string) *page {
	t.Helper()
	return &page{T: t, written: rows}
}

// row ticks a row off, and names its test.
func (p *page) row(name string) string {
	p.tested = append(p.tested, name)
	return name
}

// done compares what was ticked off with what is written.
func (p *page) done() {
	p.Helper()
	if !slices.Equal(p.tested, p.written) {
		p.Errorf("the rows tested are %q, want those of the page, %q", p.tested, p.written)
	}
}

// The two paging styles, and what each answers.
func TestPagingStyles(t *testing.T) {
	_, r := newPageBench(t)
	tests := []struct {
		name                string
		parameters          []string
		total, number, size float64
		wantToken           bool
	}{
		{name: "outgoing", parameters: []string{"PageNumber", "1", "PageSize", "2"}, total: 4, number: 1, size: 2},
		{name: "outgoing, PageSize defaults to 10", parameters: []string{"PageNumber", "1"}, total: 4, number: 1, size: 10},
		{name: "current", parameters: []string{"MaxResults", "2"}, wantToken: true},
		{name: "current, last page", parameters: []string{"MaxResults", "4"}},
		{name: "neither: both may go on", parameters: nil, total: 4, number: 1, size: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.call(t, list, tt.parameters...).invocation(t)
			if got["TotalCount"] != tt.total || got["PageNumber"] != tt.number || got["PageSize"] != tt.size {
				t.Errorf("TotalCount %v, PageNumber %v, PageSize %v; want %v, %v, %v",
					got["TotalCount"], got["PageNumber"], got["PageSize"], tt.total, tt.number, tt.size)
			}
			if token := got["NextToken"].(string); (token != "") != tt.wantToken {
				t.Errorf("NextToken %q, want one: %v", token, tt.wantToken)
			}
		})
	}
}

// A token is good for the question it was given for and for no other.
func TestNextTokenIsBound(t *testing.T) {
	_, r := newPageBench(t)
	token := r.call(t, list, "MaxResults", "2", "InstanceId", "i-1").invocation(t)["NextToken"].(string)
	if token != "" {
		t.Fatalf("the list has two rows, yet NextToken is %q", token)
	}
	token = r.call(t, list, "MaxResults", "1", "InstanceId", "i-1").invocation(t)["NextToken"].(string)
	if got := keys(r.call(t, list, "NextToken", token, "InstanceId", "i-1").rows(t)); !slices.Equal(got, []string{"t-1/i-1"}) {
		t.Errorf("the next page is %v", got)
	}
	changed := []byte(token)
	changed[3] ^= 1
	refused := map[string][]string{
		"other filters": {"NextToken", token, "InstanceId", "i-2"},
		"fewer filters": {"NextToken", token},
		"more filters":  {"NextToken", token, "InstanceId", "i-1", "CommandId", "c-1"},
		"another region": {
			"NextToken", token, "InstanceId", "i-1", "RegionId", "cn-beijing",
		},
		"a changed token":   {"NextToken", string(changed), "InstanceId", "i-1"},
		"a shortened token": {"NextToken", token[:len(token)-2], "InstanceId", "i-1"},
	}
	for name, parameters := range refused {
		t.Run(name, func(t *testing.T) {
			r.call(t, list, parameters...).wantCode(t, 400, "InvalidParameter.NextToken")
		})
	}
	t.Run("another account", func(t *testing.T) {
		foreign := *r
		foreign.keyID = "foreign"
		foreign.call(t, list, "NextToken", token, "InstanceId", "i-1").wantCode(t, 400, "InvalidParameter.NextToken")
	})
}

// A filter by record status follows the invocation from one status to the next.
func TestRecordStatusFilterFollowsTheRun(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{
		{InstanceID: "i-1", InvocationStatus: emulator.StatusRunning}, {InstanceID: "i-2", InvocationStatus: emulator.StatusSuccess},
	}})
	// The filter by InvokeStatus finds by the InvocationStatus of the whole besides.
	wantOnly := func(status, invocationStatus string) {
		t.Helper()
		for _, filter := range []string{"Running", "Stopping", "Finished", "Success", "Stopped"} {
			found := len(r.call(t, list, "InvokeRecordStatus", filter).rows(t)) == 2
			if found != (filter == status) {
				t.Errorf("InvokeRecordStatus=%s finds the rows: %v, want %s only to find them", filter, found, status)
			}
			listed := len(r.call(t, "DescribeInvocations", "InvokeStatus", filter).invocations(t)) == 1
			if listed != (filter == status || filter == invocationStatus) {
				t.Errorf("InvokeStatus=%s finds the invocation: %v, want %s and %s only to find it", filter, listed, status, invocationStatus)
			}
		}
	}
	wantOnly("Running", "Running")
	must(t, b.e.UpdateRow("t-1", "i-1", func(r *emulator.Row) { r.InvocationStatus = emulator.StatusStopping }))
	wantOnly("Stopping", "Stopping")
	must(t, b.e.UpdateRow("t-1", "i-1", func(r *emulator.Row) { r.InvocationStatus = emulator.StatusTerminated }))
	wantOnly("Finished", "Success")
}
