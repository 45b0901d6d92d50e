package emulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// admin is the admin API of a bench.
type admin struct {
	*testing.T
	url string
}

func (b *bench) admin() admin {
	b.Helper()
	url, err := b.e.StartAdmin("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return admin{b.T, url}
}

func (a admin) do(method, path, body string, change ...func(*http.Request)) (int, string) {
	a.Helper()
	request, err := http.NewRequestWithContext(a.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	for _, c := range change {
		c(request)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (a admin) want(status int, method, path, body string) {
	a.Helper()
	if got, text := a.do(method, path, body); got != status {
		a.Errorf("%s %s %s: %d %s, want %d", method, path, body, got, text, status)
	}
}

// get decodes an answer.
func (a admin) get(path string, into any) {
	a.Helper()
	status, text := a.do("GET", path, "")
	if err := json.Unmarshal([]byte(text), into); status != http.StatusOK || err != nil {
		a.Fatalf("GET %s: %d %s (%v)", path, status, text, err)
	}
}

func TestAdmin(t *testing.T) {
	b := newBench(t, emulator.Options{})
	a := b.admin()
	do, want := func(method, path, body string) (int, string) { return a.do(method, path, body) }, a.want
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

// A number of milliseconds that no duration holds is refused, and changes nothing.
func TestAdminRefusesDurationsThatDoNotFit(t *testing.T) {
	b := newBench(t, emulator.Options{})
	a := b.admin()
	for _, n := range []string{"9223372036854775807", "-9223372036854775808", "18446744073710"} {
		a.want(400, "POST", "/clock/advance", `{"millis":`+n+`}`)
		a.want(400, "PUT", "/retention", `{"maxAgeMillis":`+n+`}`)
		a.want(400, "POST", "/visibility", `{"firstMillis":`+n+`}`)
		a.want(400, "POST", "/visibility", `{"stepMillis":`+n+`}`)
		a.want(400, "POST", "/faults", `{"kind":"Latency","delayMillis":`+n+`}`)
		a.want(400, "POST", "/faults", `{"kind":"Error","retryAfterMillis":`+n+`}`)
	}
	if ahead := b.e.Clock().Ahead(); ahead != 0 {
		t.Errorf("the clock is ahead by %v", ahead)
	}
	a.want(204, "POST", "/clock/advance", `{"millis":60000}`)
}
