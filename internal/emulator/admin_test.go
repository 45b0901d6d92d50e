package emulator_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestAdmin(t *testing.T) {
	b := newBench(t, emulator.Options{})
	admin, err := b.e.StartAdmin("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path, body string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	want := func(status int, method, path, body string) {
		t.Helper()
		if got, text := do(method, path, body); got != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, got, text, status)
		}
	}
	r := b.raw(nil)

	want(204, "POST", "/faults", `{"kind":"Error","count":1,"action":"DescribeInvocationResults","retryAfterMillis":250}`)
	refused := r.call(t, list)
	refused.wantCode(t, 400, "Throttling.User")
	if after := refused.header.Get("x-acs-retry-after"); after != "250" {
		t.Errorf("x-acs-retry-after %q, want 250", after)
	}
	want(204, "POST", "/faults", `{"kind":"Error","code":"ServiceUnavailable"}`)
	r.call(t, list).wantCode(t, 500, "ServiceUnavailable")
	want(204, "DELETE", "/faults", "")
	r.call(t, list, "InvokeId", "t-1").wantCode(t, 200, "")
	want(400, "POST", "/faults", `{"kind":"Gremlin"}`)
	want(400, "POST", "/faults", `{"kind":"Cut","typo":1}`)
	want(400, "POST", "/faults", `not JSON`)

	if _, text := do("GET", "/calls", ""); text != `[{"action":"DescribeInvocationResults","count":2},`+
		`{"action":"DescribeInvocationResults","invokeID":"t-1","count":1}]`+"\n" {
		t.Errorf("calls %s", text)
	}
	want(204, "DELETE", "/calls", "")
	if _, text := do("GET", "/calls", ""); text != "[]\n" {
		t.Errorf("calls after they were forgotten: %s", text)
	}

	want(204, "POST", "/instances/"+firstID, `{"status":"Stopped"}`)
	aborted := b.run("true", nil)
	b.status(aborted, firstID, emulator.StatusAborted)
	want(204, "POST", "/instances/"+firstID, `{"status":"Running","agent":"Online"}`)
	b.status(b.run("true", nil), firstID, emulator.StatusSuccess)
	want(400, "POST", "/instances/i-nobody", `{"status":"Stopped"}`)
	want(400, "POST", "/instances/"+firstID, `{"status":"Melted"}`)
	want(400, "POST", "/instances/"+firstID, `{"agent":"Asleep"}`)

	want(204, "POST", "/visibility", `{"firstMillis":3600000}`)
	late := b.run("true", nil)
	if rows := r.call(t, list, "InvokeId", late).rows(t); len(rows) != 0 {
		t.Errorf("an hour early, the rows are %v", rows)
	}
	want(204, "DELETE", "/invocations/"+aborted, "")
	if rows := b.e.Rows(aborted); rows != nil {
		t.Errorf("a forgotten invocation has the rows %v", rows)
	}
	want(404, "DELETE", "/invocations/"+aborted, "")
}
