package emulator_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/signature"
)

// answer is what came back over the socket.
type answer struct {
	status int
	header http.Header
	body   string
}

// object decodes a body of JSON.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(a.body), &object); err != nil {
		t.Fatalf("the body is no JSON object: %v\n%s", err, a.body)
	}
	return object
}

// rows are the results in an answer of DescribeInvocationResults.
func (a answer) rows(t *testing.T) []map[string]any {
	t.Helper()
	invocation := a.invocation(t)
	list := invocation["InvocationResults"].(map[string]any)["InvocationResult"].([]any)
	rows := make([]map[string]any, len(list))
	for n, element := range list {
		rows[n] = element.(map[string]any)
	}
	return rows
}

func (a answer) invocation(t *testing.T) map[string]any {
	t.Helper()
	invocation, ok := a.object(t)["Invocation"].(map[string]any)
	if a.status != http.StatusOK || !ok {
		t.Fatalf("not an answer of DescribeInvocationResults: %d %s", a.status, a.body)
	}
	return invocation
}

func (a answer) code(t *testing.T) string {
	t.Helper()
	code, _ := a.object(t)["Code"].(string)
	return code
}

// wantCode checks a refusal.
func (a answer) wantCode(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.code(t) != code {
		t.Errorf("answer %d %s, want %d %s", a.status, a.body, status, code)
	}
}

// raw signs requests itself, by either method, at the time of any clock.
type raw struct {
	url, keyID, secret, token string
	clock                     clock.PassiveClock
}

func (b *bench) raw(c clock.PassiveClock) *raw {
	if c == nil {
		c = clock.RealClock{}
	}
	return &raw{url: b.url, keyID: testKeyID, secret: testSecret, clock: c}
}

// pairs makes parameters out of names and values in turn.
func pairs(namesAndValues ...string) url.Values {
	values := url.Values{}
	for pair := range slices.Chunk(namesAndValues, 2) {
		values.Set(pair[0], pair[1])
	}
	return values
}

// rpc is a request in the older style, before it is signed. Of common parameters those in parameters win.
func (r *raw) rpc(action string, parameters url.Values) url.Values {
	all := pairs(
		"Action", action, "Version", "2014-05-26", "Format", "JSON", "RegionId", testRegion,
		"AccessKeyId", r.keyID, "SignatureMethod", "HMAC-SHA1", "SignatureVersion", "1.0",
		"SignatureNonce", rand.Text(), "Timestamp", r.clock.Now().UTC().Format(time.RFC3339),
	)
	if r.token != "" {
		all.Set("SecurityToken", r.token)
	}
	for name, values := range parameters {
		all[name] = values
	}
	return all
}

func (r *raw) sign(method string, parameters url.Values) url.Values {
	parameters.Set("Signature", signature.RPC(r.secret, signature.RPCStringToSign(method, parameters)))
	return parameters
}

// call asks in the older style, by POST and with the parameters in the query, as the vendor's Go SDK does.
func (r *raw) call(t *testing.T, action string, namesAndValues ...string) answer {
	t.Helper()
	parameters := r.sign(http.MethodPost, r.rpc(action, pairs(namesAndValues...)))
	return r.send(t, http.MethodPost, "?"+parameters.Encode(), nil, "")
}

// acs3 asks for results in the newer style: business parameters in the query, all else in headers.
func (r *raw) acs3(t *testing.T, parameters url.Values, change func(http.Header), body string) answer {
	t.Helper()
	header := http.Header{}
	header.Set("x-acs-action", list)
	header.Set("x-acs-version", "2014-05-26")
	header.Set("x-acs-date", r.clock.Now().UTC().Format(time.RFC3339))
	header.Set("x-acs-signature-nonce", rand.Text())
	header.Set("x-acs-content-sha256", signature.HashHex([]byte(body)))
	if r.token != "" {
		header.Set("x-acs-security-token", r.token)
	}
	if body != "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	signed := []string{"host"}
	for name := range header {
		signed = append(signed, strings.ToLower(name))
	}
	slices.Sort(signed)
	request := signature.ACS3Request{
		Method: http.MethodPost, Path: "/", Query: parameters, Host: strings.TrimPrefix(r.url, "http://"),
		Header: header, SignedHeaders: signed, Body: []byte(body),
	}
	header.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+r.keyID+",SignedHeaders="+strings.Join(signed, ";")+
		",Signature="+signature.ACS3(r.secret, request.StringToSign()))
	if change != nil {
		change(header)
	}
	return r.send(t, http.MethodPost, "?"+parameters.Encode(), header, body)
}

func (r *raw) send(t *testing.T, method, path string, header http.Header, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(data)}
}
