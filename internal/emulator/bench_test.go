package emulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// A page of 50 rows out of 100,000, signed and encoded as JSON, without a socket: the cost of a call.
func BenchmarkPageOf50From100000(b *testing.B) {
	e, err := emulator.New(emulator.Options{AccessKeys: []emulator.AccessKey{{ID: testKeyID, Secret: testSecret}}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for n := range 10_000 {
		rows := make([]emulator.Row, 10)
		for i := range rows {
			rows[i] = emulator.Row{InstanceID: fmt.Sprintf("i-%d", i), InvocationStatus: emulator.StatusSuccess, ExitCode: pointer(int64(0))}
		}
		// Few run, and those are the oldest; few instances, commands, groups and tags are as rare.
		s := emulator.Scripted{ID: fmt.Sprintf("t-%d", n), CommandID: fmt.Sprintf("c-%d", n/100), Rows: rows}
		if n < 10 {
			rows[0].InvocationStatus, rows[1].InstanceID = emulator.StatusRunning, "i-rare"
			s.ResourceGroupID, s.Tags = "rg-rare", []emulator.Tag{{Key: "rare", Value: "1"}}
		}
		if err := e.PutInvocation(s); err != nil {
			b.Fatal(err)
		}
	}
	r := (&bench{e: e}).raw(nil)
	for _, filter := range [][]string{
		{"InvokeId", ""},
		{"InvokeId", "t-5"},
		{"InstanceId", "i-5"},
		{"InstanceId", "i-rare"},
		{"CommandId", "c-0"},
		{"ResourceGroupId", "rg-rare"},
		{"Tag.1.Key", "rare", "Tag.1.Value", "1"},
		{"InvokeRecordStatus", "Running"},
		{"InvokeRecordStatus", "Finished"},
		{"InvokeRecordStatus", "Success"},
		{"InvokeRecordStatus", "Stopped"},
	} {
		benchmarkCalls(b, e, r, list, append([]string{"MaxResults", "50"}, filter...))
		benchmarkCalls(b, e, r, list, append([]string{"PageSize", "50", "PageNumber", "2"}, filter...))
	}
	for _, parameters := range [][]string{nil, {"PageSize", "50"}, {"InstanceId", "i-rare"}, {"InstanceId", "i-5"}, {"InvokeStatus", "Finished"}} {
		benchmarkCalls(b, e, r, "DescribeInvocations", parameters)
	}
	benchmarkCalls(b, e, r, list, nil)
}

// benchmarkCalls measures one call by its parameters.
func benchmarkCalls(b *testing.B, e *emulator.Emulator, r *raw, action string, parameters []string) {
	b.Helper()
	b.Run(action+"?"+pairs(parameters...).Encode(), func(b *testing.B) {
		for b.Loop() {
			query := r.sign(http.MethodGet, r.rpc(action, pairs(parameters...))).Encode()
			recorder := httptest.NewRecorder()
			e.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/?"+query, nil))
			if recorder.Code != http.StatusOK {
				b.Fatalf("answer %d %s", recorder.Code, recorder.Body)
			}
		}
	})
}

// One more record where there are as many as are kept: the cost does not grow with their number.
func BenchmarkRecordOverTheLimit(b *testing.B) {
	for _, limit := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			e, err := emulator.New(emulator.Options{Retention: emulator.Retention{MaxRecords: limit}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			n := 0
			put := func() {
				n++
				if err := e.PutInvocation(emulator.Scripted{
					ID: fmt.Sprintf("t-%d", n), Tags: []emulator.Tag{{Key: "a", Value: "1"}},
					Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusSuccess}},
				}); err != nil {
					b.Fatal(err)
				}
			}
			for range limit {
				put()
			}
			for b.Loop() {
				put()
			}
		})
	}
}
