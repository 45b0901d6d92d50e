package emulator

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whoever calls cannot make the counts grow for ever: neither by names of actions nor by IDs.
func TestCallCountsAreBounded(t *testing.T) {
	e, err := New(Options{ScratchDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for n := range 10 {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("/?Version=2014-05-26&Action=Nonsense%d&InvokeId=t-%d", n, n), nil)
		e.ServeHTTP(httptest.NewRecorder(), request)
	}
	if got := e.Calls(); len(got) != 0 {
		t.Errorf("calls of unknown actions are counted: %v", got)
	}
	const calls = maxCountedInvocations + 10
	for n := range calls {
		e.calls.count(CallKey{"DescribeInvocationResults", fmt.Sprint("t-", n)})
	}
	got := e.Calls()
	if len(got) > maxCountedInvocations+1 {
		t.Errorf("%d counts, want %d and one for all others", len(got), maxCountedInvocations)
	}
	if total := got.Total("DescribeInvocationResults"); total != calls {
		t.Errorf("%d calls in all, want %d", total, calls)
	}
}
