package emulator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc/oidctest"
)

// A bench that was set up over HTTP alone answers as one that was set up in Go.
func TestAdminSetsUp(t *testing.T) {
	b := newBench(t, emulator.Options{AccessKeys: []emulator.AccessKey{}, Instances: []emulator.Instance{}})
	a := b.admin()
	r := b.raw(nil)

	r.call(t, list).wantCode(t, 404, "InvalidAccessKeyId.NotFound")
	a.want(204, "POST", "/accesskeys", `{"id":"test-key","secret":"test-secret"}`)
	r.call(t, list).wantCode(t, 200, "")
	a.want(204, "POST", "/accesskeys", `{"id":"test-key","secret":"test-secret","userName":"eve",
		"policies":[{"Version":"1","Statement":[{"Effect":"Allow","Action":"ecs:DescribeInvocationResults","Resource":"*"}]}]}`)
	r.call(t, list).wantCode(t, 200, "")
	r.call(t, "DescribeInvocations").wantCode(t, 403, "Forbidden.RAM")
	a.want(400, "POST", "/accesskeys", `{"id":"x"}`)
	a.want(400, "POST", "/accesskeys", `{"secret":"x"}`)
	a.want(400, "POST", "/accesskeys", `{"id":"x","secret":"x","policies":[{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}]}`)
	a.want(204, "POST", "/accesskeys", `{"id":"other","secret":"s"}`)
	a.want(204, "DELETE", "/accesskeys/other", "")
	a.want(204, "POST", "/accesskeys", `{"id":"test-key","secret":"test-secret"}`)

	const own = "acs:ram::" + emulator.DefaultAccountID + ":"
	a.want(204, "POST", "/roles", `{"name":"reader","trust":{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"`+own+`user/eve"}}]}}`)
	a.want(400, "POST", "/roles", `{"name":"a/b"}`)
	r.call(t, "AssumeRole", "Version", "2015-04-01", "RoleArn", own+"role/reader", "RoleSessionName", "session").wantCode(t, 403, "NoPermission")
	a.want(204, "POST", "/oidcproviders", `{"name":"ack","issuer":"https://issuer","clientIDs":["sts"],"jwks":`+string(oidctest.New(t).JWKS())+`}`)
	a.want(400, "POST", "/oidcproviders", `{"name":"ack","jwks":{}}`)

	a.want(204, "POST", "/instances", `{"id":"i-1","name":"one"}`)
	a.want(400, "POST", "/instances", `{"id":"i-1"}`)
	b.status(b.run("true", nil, "i-1"), "i-1", emulator.StatusSuccess)

	boot := b.run("true", func(request *ecs.RunCommandRequest) { request.RepeatMode = "NextRebootOnly" }, "i-1")
	a.want(204, "POST", "/instances/i-1/reboot", "")
	b.status(boot, "i-1", emulator.StatusSuccess)
	a.want(204, "POST", "/instances/i-1", `{"status":"Stopped"}`)
	a.want(400, "POST", "/instances/i-1/reboot", "")
	a.want(204, "POST", "/instances", `{"id":"i-9"}`)
	pending := b.run("sleep 1000", nil, "i-9")
	b.status(pending, "i-9", emulator.StatusRunning)
	a.want(204, "POST", "/instances/i-9/agent/restart", "")
	if row := b.status(pending, "i-9", emulator.StatusError); row.ErrorCode != "ClientRestarted" {
		t.Errorf("after its agent's restart the run has %q", row.ErrorCode)
	}
	a.want(204, "DELETE", "/instances/i-9", "")
	a.want(404, "DELETE", "/instances/i-9", "")
	a.want(400, "POST", "/instances/i-9/agent/restart", "")

	a.want(204, "PUT", "/settings", `{"rowOrder":"OldestFirst"}`)
	a.want(400, "PUT", "/settings", `{"rowOrder":"Random"}`)
	a.want(204, "PUT", "/invocations", `{"id":"t-1","repeatMode":"Period","rows":[{"instanceID":"i-1","invocationStatus":"Success","exitCode":0,"output":"b2s="}]}`)
	a.want(400, "PUT", "/invocations", `{}`)
	a.want(204, "PUT", "/invocations/t-1/rows/i-2", `{"invocationStatus":"Running"}`)
	a.want(400, "PUT", "/invocations/t-2/rows/i-2", `{}`)
	a.want(204, "POST", "/invocations/t-1/history", `{"instanceID":"i-1","invocationStatus":"Failed","exitCode":1}`)
	a.want(400, "POST", "/invocations/t-2/history", `{}`)
	rows := r.call(t, list, "InvokeId", "t-1", "ContentEncoding", "PlainText").rows(t)
	if got := keys(rows); !slices.Equal(got, []string{"t-1/i-1", "t-1/i-2"}) || rows[0]["Output"] != "ok" || rows[0]["ExitCode"] != 0.0 {
		t.Errorf("rows %v", rows)
	}
	if past := r.call(t, list, "InvokeId", "t-1", "IncludeHistory", "true").rows(t); len(past) != 1 || past[0]["InvocationStatus"] != "Failed" {
		t.Errorf("history %v", past)
	}

	a.want(204, "PATCH", "/invocations/t-1/rows/i-1", `{"hidden":true,"shownStatus":"Exploded"}`)
	if got := keys(r.call(t, list, "InvokeId", "t-1").rows(t)); !slices.Equal(got, []string{"t-1/i-2"}) {
		t.Errorf("rows %v, want the hidden one out", got)
	}
	a.want(204, "PATCH", "/invocations/t-1/rows/i-1", `{"hidden":false}`)
	if got := r.call(t, list, "InvokeId", "t-1").rows(t)[0]["InvocationStatus"]; got != "Exploded" {
		t.Errorf("InvocationStatus %v, want the one shown in its place still", got)
	}
	a.want(400, "PATCH", "/invocations/t-1/rows/i-3", `{}`)
	var truth []emulator.Row
	a.get("/invocations/t-1/rows", &truth)
	if len(truth) != 2 || truth[0].InvocationStatus != "Success" || string(truth[0].Output) != "ok" {
		t.Errorf("rows %+v, want the truth", truth)
	}
	a.get("/invocations/t-2/rows", &truth)
	if len(truth) != 0 {
		t.Errorf("an unknown invocation has the rows %v", truth)
	}
}

func TestAdminQuotasAndTime(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	b := newBench(t, emulator.Options{Clock: fake})
	a, r := b.admin(), b.raw(fake)
	a.want(204, "PUT", "/quotas", `[{"action":"DescribeInvocationResults","perMinute":1}]`)
	a.want(400, "PUT", "/quotas", `[{"perMinute":-1}]`)
	r.call(t, list).wantCode(t, 200, "")
	r.call(t, list).wantCode(t, 400, "Throttling.User")
	a.want(204, "POST", "/clock/advance", `{"millis":60000}`)
	r.call(t, list).wantCode(t, 200, "")
	a.want(400, "POST", "/clock/advance", `{"millis":-1}`)
}

func TestAdminState(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	b := newBench(t, emulator.Options{
		Clock: clocktesting.NewFakeClock(now),
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: "hidden-1"}, {ID: "session", Secret: "hidden-2", SecurityToken: "hidden-3", ExpiresAt: now},
		},
		Roles:         []emulator.Role{{Name: "reader"}},
		OIDCProviders: []emulator.OIDCProvider{{Name: "ack", JWKS: oidctest.New(t).JWKS()}},
		Quotas:        []emulator.Quota{{PerMinute: 7}},
	})
	a := b.admin()
	b.put(emulator.Scripted{ID: "t-1", RepeatMode: emulator.RepeatPeriod, Rows: []emulator.Row{
		{InstanceID: "i-1", InvocationStatus: "Running"}, {InstanceID: "i-2", InvocationStatus: "Running"}, {InstanceID: "i-3", InvocationStatus: "Failed"},
	}})
	if err := b.e.PutHistory(emulator.Row{InvokeID: "t-1", InstanceID: "i-1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.e.Advance(1500 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	b.inject(emulator.Fault{Kind: emulator.FaultLatency, Delay: 2 * time.Second, Count: 3})
	b.inject(emulator.Fault{Kind: emulator.FaultError})

	_, text := a.do("GET", "/state", "")
	if strings.Contains(text, "hidden") {
		t.Errorf("the state shows a secret: %s", text)
	}
	var got struct {
		Now                  time.Time
		AheadMillis          int64
		RegionIDs            []string
		Settings             emulator.Settings
		Quotas               []emulator.Quota
		Faults               []map[string]any
		AccessKeys           []map[string]any
		Roles, OIDCProviders []string
		Instances            []emulator.Instance
		Commands             int
		Invocations          int
		Rows                 map[string]int
		HistoryRows          int
	}
	a.get("/state", &got)
	const own = "acs:ram::" + emulator.DefaultAccountID + ":"
	for name, pair := range map[string][2]any{
		"now":            {got.Now, now.Add(1500 * time.Millisecond)},
		"ahead":          {got.AheadMillis, 1500},
		"regions":        {got.RegionIDs, emulator.DefaultRegionIDs},
		"settings":       {got.Settings, b.e.Settings()},
		"quotas":         {got.Quotas, []emulator.Quota{{PerMinute: 7}}},
		"roles":          {got.Roles, []string{own + "role/reader"}},
		"OIDC providers": {got.OIDCProviders, []string{own + "oidc-provider/ack"}},
		"counts":         {[]int{len(got.Instances), got.Commands, got.Invocations, got.HistoryRows}, []int{3, 0, 1, 1}},
		"rows":           {got.Rows, map[string]int{"Running": 2, "Failed": 1}},
		"first instance": {got.Instances[0].ID, firstID},
		"faults": {got.Faults, []map[string]any{
			{"kind": "Latency", "count": 3, "left": 3, "code": "Throttling.User", "delayMillis": 2000}, {"kind": "Error", "code": "Throttling.User"},
		}},
		"access keys": {got.AccessKeys, []map[string]any{
			{"id": "session", "accountID": emulator.DefaultAccountID, "limited": false, "disabled": false, "expiresAt": "2026-11-24T12:00:00Z"},
			{"id": testKeyID, "accountID": emulator.DefaultAccountID, "limited": false, "disabled": false},
		}},
	} {
		if g, w := canonical(t, pair[0]), canonical(t, pair[1]); g != w {
			t.Errorf("%s: %s, want %s", name, g, w)
		}
	}

	var faults []map[string]any
	a.get("/faults", &faults)
	if len(faults) != 2 || faults[1]["left"] != nil {
		t.Errorf("faults %v, want a second one without an end", faults)
	}
}

// A web page that a developer looks at must not drive the emulator.
func TestAdminRefusesWebPages(t *testing.T) {
	b := newBench(t, emulator.Options{})
	a := b.admin()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, tt := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"a cross-site request":          {header("Sec-Fetch-Site", "cross-site"), 403},
		"another origin":                {header("Origin", "https://example.com"), 403},
		"the own origin":                {header("Origin", a.url), 204},
		"another name for this machine": {host("rebound.example.com"), 403},
		"another machine's address":     {host("192.0.2.1:80"), 403},
		"localhost":                     {host("localhost:1"), 204},
		"a loopback address, bare":      {host("[::1]"), 204},
	} {
		if status, text := a.do("DELETE", "/faults", "", tt.change); status != tt.status {
			t.Errorf("%s: %d %s, want %d", name, status, text, tt.status)
		}
	}
}

// The help, the doc comment and what is served are the same list.
func TestAdminHelpIsComplete(t *testing.T) {
	b := newBench(t, emulator.Options{})
	a := b.admin()
	status, help := a.do("GET", "/", "")
	route := regexp.MustCompile(`(?m)^\s*((?:GET|PUT|POST|PATCH|DELETE) +/\S+) `)
	list := func(text string) []string {
		var routes []string
		for _, match := range route.FindAllStringSubmatch(text, -1) {
			routes = append(routes, strings.Join(strings.Fields(match[1]), " "))
		}
		return routes
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), "admin.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var comment string
	for _, declaration := range parsed.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Name.Name == "AdminHandler" {
			comment = f.Doc.Text()
		}
	}
	if status != 200 || len(list(help)) < 20 || !slices.Equal(list(help), list(comment)) {
		t.Errorf("%d: the help has %q, the doc comment %q", status, list(help), list(comment))
	}
	for _, kind := range emulator.FaultKinds() {
		if !strings.Contains(help, string(kind)) {
			t.Errorf("the help lacks the fault kind %s", kind)
		}
	}
	for _, r := range list(help) {
		method, path, _ := strings.Cut(r, " ")
		if got, text := a.do(method, path, "not JSON"); got == 404 && method != "DELETE" || got == 405 {
			t.Errorf("%s is not served: %d %s", r, got, text)
		}
	}
	a.want(404, "GET", "/nowhere", "")
}
