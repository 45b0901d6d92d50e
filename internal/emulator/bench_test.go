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
		rows[0].InvocationStatus = map[bool]string{true: emulator.StatusRunning, false: emulator.StatusSuccess}[n%10 == 0]
		if err := e.PutInvocation(emulator.Scripted{ID: fmt.Sprintf("t-%d", n), CommandID: fmt.Sprintf("c-%d", n%100), Rows: rows}); err != nil {
			b.Fatal(err)
		}
	}
	r := (&bench{e: e}).raw(nil)
	for name, filter := range map[string][]string{
		"newest": nil, "running": {"InvokeRecordStatus", "Running"}, "command": {"CommandId", "c-7"}, "invocation": {"InvokeId", "t-5"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				parameters := r.rpc(list, pairs(append([]string{"MaxResults", "50"}, filter...)...))
				query := r.sign(http.MethodGet, parameters).Encode()
				recorder := httptest.NewRecorder()
				e.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/?"+query, nil))
				if recorder.Code != http.StatusOK {
					b.Fatalf("answer %d %s", recorder.Code, recorder.Body)
				}
			}
		})
	}
}
