package cloudassistant

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testCredentials look like the vendor's, so that a leak of any part is found.
var testCredentials = Credentials{
	AccessKeyID:     "LTAI5tExampleKeyId000001",
	AccessKeySecret: "s3cr+t/KeyOf=Thirty~Characters*",
	SecurityToken:   "CAISsecurity+token/with=all&kinds of~chars*",
}

// newTestClient returns a client whose ECS and STS are the given server, and closes both at the test's end.
func newTestClient(tb testing.TB, server *httptest.Server, adjust ...func(*Options)) *Client {
	tb.Helper()
	opts := Options{Endpoint: server.URL, STSEndpoint: server.URL}
	for _, f := range adjust {
		f(&opts)
	}
	client, err := New(opts)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	tb.Cleanup(client.CloseIdleConnections)
	return client
}

func newTestServer(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return server
}

// askServer asks one question of a server and returns its answer.
func askServer(tb testing.TB, handler http.HandlerFunc, adjust ...func(*Options)) (*Page, error) {
	tb.Helper()
	client := newTestClient(tb, newTestServer(tb, handler), adjust...)
	return client.Session(Static(testCredentials), "1").
		DescribeInvocationResults(tb.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
}

// wantError asserts that err is an *Error of the class and code, and returns what it says.
func wantError(tb testing.TB, err error, class Class, code string) Error {
	tb.Helper()
	var got *Error
	if !errors.As(err, &got) {
		tb.Fatalf("error is %T (%v), want an *Error", err, err)
	}
	if got.Class != class || got.Code != code {
		tb.Fatalf("error is %s %s (%s), want %s %s", got.Class, got.Code, got.Message, class, code)
	}
	return *got
}

// rpcSignature computes the RPC signature (HMAC-SHA1) of a call independently of the SDK, from the vendor's
// description: https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism
func rpcSignature(method string, parameters url.Values, secret string) string {
	encode := func(s string) string {
		return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
	}
	var pairs []string
	for name, values := range parameters {
		if name != "Signature" {
			pairs = append(pairs, name+"\x00"+encode(name)+"="+encode(values[0]))
		}
	}
	slices.Sort(pairs)
	for i, pair := range pairs {
		_, pairs[i], _ = strings.Cut(pair, "\x00")
	}
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(method + "&%2F&" + encode(strings.Join(pairs, "&"))))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

const emptyPage = `{"RequestId":"R-1","Invocation":{"PageSize":0,"PageNumber":0,"TotalCount":0,"NextToken":"",` +
	`"InvocationResults":{"InvocationResult":[]}}}`

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// providerFunc is a CredentialProvider that does not cache.
type providerFunc func(context.Context) (Credentials, error)

func (f providerFunc) Credentials(ctx context.Context) (Credentials, error) { return f(ctx) }

// rotating is an Invalidator that moves on to its next credentials when the current ones are refused.
type rotating struct {
	mu          sync.Mutex
	keys        []Credentials
	err         error // after the first invalidation, if set
	invalidated int
}

func (r *rotating) Credentials(context.Context) (Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil && r.invalidated > 0 {
		return Credentials{}, r.err
	}
	return r.keys[0], nil
}

func (r *rotating) Invalidate(stale Credentials) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.invalidated++
	if r.keys[0] == stale && len(r.keys) > 1 {
		r.keys = r.keys[1:]
	}
}

func mustURL(tb testing.TB, text string) *url.URL {
	tb.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}

func date(tb testing.TB, text string) time.Time {
	tb.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}
