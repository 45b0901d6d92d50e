package emulator_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func (b *bench) inject(f emulator.Fault) (clearFault func()) {
	b.Helper()
	clearFault, err := b.e.Inject(f)
	if err != nil {
		b.Fatal(err)
	}
	return clearFault
}

// A fault refuses with the status and the words that a code has, or with those that it is told.
func TestFaultErrorsAreTrue(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	tests := []struct {
		fault   emulator.Fault
		status  int
		message string
	}{
		{emulator.Fault{Code: "Forbidden.RiskControl"}, 403, "This operation is forbidden by the risk control system."},
		{emulator.Fault{Code: "InvalidSecurityToken.Malformed"}, 400, "Specified SecurityToken is malformed."},
		{emulator.Fault{Code: "IllegalTimestamp"}, 400, "The input parameter Timestamp is not supported."},
		{emulator.Fault{Code: "NoSuchVersion"}, 404, "Specified parameter Version is not valid."},
		{emulator.Fault{Code: "InvalidApi.NotFound"}, 404, "Specified api is not found, please check your url and method."},
		{emulator.Fault{Code: "ServiceUnavailable", Status: 503}, 503, "The request has failed due to a temporary failure of the server."},
		{emulator.Fault{Code: "Of.My.Own", Status: 409, Message: "not today"}, 409, "not today"},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Code, func(t *testing.T) {
			tt.fault.Kind, tt.fault.Count = emulator.FaultError, 1
			b.inject(tt.fault)
			got := r.call(t, list)
			got.wantCode(t, tt.status, tt.fault.Code)
			if message := got.object(t)["Message"]; message != tt.message {
				t.Errorf("message %q, want %q", message, tt.message)
			}
		})
	}
	for _, status := range []int{-1, 200, 399, 600} {
		if _, err := b.e.Inject(emulator.Fault{Kind: emulator.FaultError, Status: status}); err == nil || !strings.Contains(err.Error(), "400 to 599") {
			t.Errorf("status %d: error %v, want one that says what to use", status, err)
		}
	}
}

// refused are faults whose answer is a refusal; the vendor's client understands it.
func TestFaultsThatRefuse(t *testing.T) {
	b := newBench(t, emulator.Options{})
	for _, tt := range []struct {
		code   string
		status int
		want   string
	}{
		{"", 400, "Throttling.User"},
		{"Throttling", 400, "Throttling"},
		{"Throttling.Api", 400, "Throttling.Api"},
		{"Forbidden.RAM", 403, "Forbidden.RAM"},
		{"ServiceUnavailable", 500, "ServiceUnavailable"},
		{"InvalidSecurityToken.Expired", 400, "InvalidSecurityToken.Expired"},
		{"A.Code.Nobody.Knows", 400, "A.Code.Nobody.Knows"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			b.inject(emulator.Fault{Kind: emulator.FaultError, Code: tt.code, Count: 1})
			_, err := b.sdk.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest())
			wantRefusal(t, err, tt.status, tt.want)
			if _, err = b.sdk.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest()); err != nil {
				t.Errorf("a fault for one call met a second: %v", err)
			}
		})
	}
	if _, err := b.e.Inject(emulator.Fault{Kind: "Gremlin"}); err == nil {
		t.Error("a fault of unknown kind was accepted")
	}
}

func TestThrottlingHeader(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.inject(emulator.Fault{Kind: emulator.FaultError, RetryAfter: 1500 * time.Millisecond, Count: 1})
	got := b.raw(nil).call(t, list)
	got.wantCode(t, 400, "Throttling.User")
	if after := got.header.Get("x-acs-retry-after"); after != "1500" {
		t.Errorf("x-acs-retry-after %q, want 1500", after)
	}
}

func TestFaultsMeetTheCallsTheyName(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	b.inject(emulator.Fault{Kind: emulator.FaultError, Code: "Throttling", Action: list, InvokeID: "t-1"})
	unfiltered := func(c *emulator.Call) bool { return c.Action == list && c.Parameter("InvokeId") == "" }
	clearDenial := b.inject(emulator.Fault{Kind: emulator.FaultError, Code: "Forbidden.RAM", Match: unfiltered})

	r.call(t, list, "InvokeId", "t-1").wantCode(t, 400, "Throttling")
	r.call(t, list, "InvokeId", "t-2").wantCode(t, 200, "")
	r.call(t, list).wantCode(t, 403, "Forbidden.RAM")
	r.call(t, "DescribeInvocations", "InvokeId", "t-1").wantCode(t, 200, "")
	clearDenial()
	r.call(t, list).wantCode(t, 200, "")
	r.call(t, list, "InvokeId", "t-1").wantCode(t, 400, "Throttling")
	b.e.ClearFaults()
	r.call(t, list, "InvokeId", "t-1").wantCode(t, 200, "")
	r.secret = "wrong"
	b.inject(emulator.Fault{Kind: emulator.FaultError, Count: 1})
	r.call(t, list).wantCode(t, 400, "SignatureDoesNotMatch")
	r.secret = testSecret
	r.call(t, list).wantCode(t, 400, "Throttling.User")
}

// What comes back is no answer of the API at all.
func TestFaultsThatGarble(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	tests := []struct {
		kind   emulator.FaultKind
		status int
		check  func(body string) bool
	}{
		{emulator.FaultEmpty, 200, func(body string) bool { return body == "" }},
		{emulator.FaultHTML, 502, func(body string) bool { return strings.HasPrefix(body, "<html>") }},
		{emulator.FaultTruncated, 200, func(body string) bool {
			return strings.HasPrefix(body, `{"RequestId":"`) && !strings.HasSuffix(body, "}")
		}},
		{emulator.FaultNumericCode, 400, func(body string) bool { return strings.Contains(body, `"Code":400,`) }},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			b.inject(emulator.Fault{Kind: tt.kind, Count: 1})
			got := r.call(t, list)
			if got.status != tt.status || !tt.check(got.body) {
				t.Errorf("answer %d %q", got.status, got.body)
			}
			r.call(t, list).wantCode(t, 200, "")
		})
	}
	t.Run("Cut", func(t *testing.T) {
		b.inject(emulator.Fault{Kind: emulator.FaultCut, Count: 1})
		if err := r.try(t.Context(), t); !errors.Is(err, io.EOF) {
			t.Errorf("error %v, want a connection closed without an answer", err)
		}
		r.call(t, list).wantCode(t, 200, "")
	})
}

// Every call leaves one line, whatever a fault makes of it, and no line shows what only the caller may know.
func TestEveryCallIsLogged(t *testing.T) {
	var log strings.Builder
	b := newBench(t, emulator.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	r := b.raw(nil)
	b.inject(emulator.Fault{Kind: emulator.FaultCut, Count: 1})
	b.inject(emulator.Fault{Kind: emulator.FaultHTML, Count: 1})
	if err := r.try(t.Context(), t); err == nil {
		t.Error("a cut connection gave an answer")
	}
	r.call(t, list, "InvokeId", "t-1")
	r.call(t, list, "MaxResults", "x")
	r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "echo {{p}}", "EnableParameter", "true",
		"Parameters", `{"p":"classified"}`, "InstanceId.1", firstID, "ClientToken", "classified")
	b.inject(emulator.Fault{Kind: emulator.FaultBareTags, Count: 1})
	r.call(t, list)
	// The handlers have ended when Stop returns, and with them the writing of the log.
	if err := b.e.Stop(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	want := []string{
		"msg=" + list + " account=1234567890123456 region=cn-hangzhou code=\"fault Cut\"",
		"msg=" + list + " account=1234567890123456 region=cn-hangzhou InvokeId=t-1 code=\"fault HTML\"",
		"msg=" + list + ` account=1234567890123456 region=cn-hangzhou code="400 InvalidParameter.MaxResults"`,
		"msg=RunCommand account=1234567890123456 region=cn-hangzhou InstanceId.1=" + firstID + " code=OK ",
		"msg=" + list + " account=1234567890123456 region=cn-hangzhou code=\"OK fault BareTags\"",
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), log.String())
	}
	for n := range want {
		if !strings.Contains(lines[n], want[n]) {
			t.Errorf("line %q, want %q", lines[n], want[n])
		}
	}
	for _, secret := range []string{"classified", "echo", "Signature", testSecret} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows %q:\n%s", secret, log.String())
		}
	}
}

// try sends a DescribeInvocationResults whose answer may not come, and returns the error of the connection.
func (r *raw) try(ctx context.Context, t *testing.T) error {
	t.Helper()
	parameters := r.sign(http.MethodPost, r.rpc(list, nil))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/?"+parameters.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}
	return err
}

// A call that hangs ends when its sender gives up, or when the service goes away.
func TestHang(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	b.inject(emulator.Fault{Kind: emulator.FaultHang})
	hang := func(ctx context.Context) <-chan error {
		before := b.e.Calls().Total(list)
		ended := make(chan error, 1)
		go func() { ended <- r.try(ctx, t) }()
		eventually(t, "the call to arrive", func() bool { return b.e.Calls().Total(list) > before })
		return ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := hang(ctx)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("given up, the call ended with %v", err)
	}
	ended = hang(t.Context())
	if err := b.e.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the call was answered after the service had stopped")
	}
}

// eventually waits for a condition that something else brings about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestLatency(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	b.inject(emulator.Fault{Kind: emulator.FaultLatency, Delay: time.Second, Count: 1})
	b.inject(emulator.Fault{Kind: emulator.FaultError, Count: 1})
	b.inject(emulator.Fault{Kind: emulator.FaultLatency, Delay: 2 * time.Second, Count: 1})
	answered := make(chan answer, 1)
	go func() { answered <- r.call(t, list) }()
	waitForWaiters(t, fake, 1)
	fake.Step(3*time.Second - 1)
	select {
	case got := <-answered:
		t.Fatalf("answered too early: %+v", got)
	default:
	}
	fake.Step(1)
	(<-answered).wantCode(t, 400, "Throttling.User")
	r.call(t, list).wantCode(t, 200, "")

	b.inject(emulator.Fault{Kind: emulator.FaultLatency, Delay: time.Hour, Count: 1})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.try(ctx, t) }()
	waitForWaiters(t, fake, 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("given up, the call ended with %v", err)
	}
	eventually(t, "the timer to be stopped", func() bool { return !fake.HasWaiters() })
}

// A page is lost in the middle of a walk, and nothing in the answers tells.
func TestLosePage(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	for _, id := range []string{"t-1", "t-2", "t-3", "t-4", "t-5"} {
		b.put(emulator.Scripted{ID: id, Rows: []emulator.Row{{InstanceID: "i"}}})
	}
	walk := func() []string {
		t.Helper()
		var all []string
		for token := ""; ; {
			answer := r.call(t, list, "MaxResults", "2", "NextToken", token)
			all = append(all, keys(answer.rows(t))...)
			if token = answer.invocation(t)["NextToken"].(string); token == "" {
				return all
			}
		}
	}
	whole := []string{"t-5/i", "t-4/i", "t-3/i", "t-2/i", "t-1/i"}
	if got := walk(); !slices.Equal(got, whole) {
		t.Fatalf("walk %v, want %v", got, whole)
	}
	b.inject(emulator.Fault{Kind: emulator.FaultLosePage, Count: 1})
	if got, want := walk(), []string{"t-5/i", "t-4/i", "t-1/i"}; !slices.Equal(got, want) {
		t.Errorf("walk %v, want %v", got, want)
	}
	if got := walk(); !slices.Equal(got, whole) {
		t.Errorf("walk after the fault %v, want %v", got, whole)
	}
}

func TestVisibility(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	b.e.SetVisibilityLag(time.Second, 2*time.Second)
	submitted := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true",
		"InstanceId.1", firstID, "InstanceId.2", secondID).object(t)
	invokeID := submitted["InvokeId"].(string)
	visible := func() int { return len(r.call(t, list, "InvokeId", invokeID).rows(t)) }
	for _, tt := range []struct {
		step time.Duration
		want int
	}{{0, 0}, {time.Second - 1, 0}, {1, 1}, {2*time.Second - 1, 1}, {1, 2}} {
		fake.Step(tt.step)
		if got := visible(); got != tt.want {
			t.Errorf("%v after the start %d rows are visible, want %d", fake.Since(noon), got, tt.want)
		}
	}
	for _, hidden := range []bool{true, false} {
		if err := b.e.HideRow(invokeID, firstID, hidden); err != nil {
			t.Fatal(err)
		}
		if got, want := visible(), map[bool]int{true: 1, false: 2}[hidden]; got != want {
			t.Errorf("hidden %v: %d rows, want %d", hidden, got, want)
		}
	}
	b.status(invokeID, firstID, emulator.StatusSuccess)
	for _, want := range []string{"Exploded", "Success"} {
		override := map[string]string{"Exploded": "Exploded"}[want]
		if err := b.e.OverrideStatus(invokeID, firstID, override); err != nil {
			t.Fatal(err)
		}
		rows := r.call(t, list, "InvokeId", invokeID, "InstanceId", firstID).rows(t)
		if rows[0]["InvocationStatus"] != want {
			t.Errorf("overridden by %q, InvocationStatus is %v", override, rows[0]["InvocationStatus"])
		}
	}
	if err := b.e.ForgetInvocation(invokeID); err != nil {
		t.Fatal(err)
	}
	if got := visible() + len(r.call(t, list).rows(t)); got != 0 || b.e.Rows(invokeID) != nil {
		t.Errorf("%d rows of a forgotten invocation are visible", got)
	}
	for name, err := range map[string]error{
		"HideRow": b.e.HideRow(invokeID, firstID, true), "OverrideStatus": b.e.OverrideStatus(invokeID, firstID, "x"),
		"ForgetInvocation": b.e.ForgetInvocation(invokeID),
	} {
		if err == nil {
			t.Errorf("%s found a forgotten invocation", name)
		}
	}
}
