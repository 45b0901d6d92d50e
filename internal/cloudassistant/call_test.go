package cloudassistant

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

func TestRefusals(t *testing.T) {
	const requestID = "473469C7-AA6F-4DC5-B3DB-A3DC0DE00000"
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   Error
	}{
		{
			"throttling", 400, `{"RequestId":"` + requestID + `","HostId":"ecs.aliyuncs.com","Code":"Throttling.User",` +
				`"Message":"Request was denied due to user flow control.","Recommend":"https://error-center"}`,
			Error{
				Class: ClassThrottled, Code: "Throttling.User", Message: "Request was denied due to user flow control.",
				RequestID: requestID, RetryAfter: 1500 * time.Millisecond,
			},
		},
		{
			"clock skew", 400, `{"Code":"InvalidTimeStamp.Expired","Message":"Specified time stamp or date value is expired."}`,
			Error{
				Class: ClassUnavailable, Code: "InvalidTimeStamp.Expired",
				Message: "Specified time stamp or date value is expired. (" + adviceClock + ")",
			},
		},
		{
			"no RAM permission", 403, `{"RequestId":"` + requestID + `","Code":"Forbidden.RAM","Message":"User not authorized to operate on the specified resource, or this API doesn't support RAM.","AccessDeniedDetail":"odd"}`,
			Error{
				Class: ClassDenied, Code: "Forbidden.RAM", RequestID: requestID,
				Message: "User not authorized to operate on the specified resource, or this API doesn't support RAM. (" + adviceRAM + ")",
			},
		},
		{
			"signature", 400, `{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId%3D` + testCredentials.AccessKeyID + `"}`,
			Error{
				Class: ClassDenied, Code: "SignatureDoesNotMatch",
				Message: "Specified signature is not matched with our calculation. (" + adviceKey + ")",
			},
		},
		{
			"a number for a code", 400, `{"Code":400,"Message":"Throttling"}`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "400 Bad Request instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"a spelled number for a code", 404, `{"Code":"-404.0","Message":"not found"}`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "404 Not Found instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"no word for a code", 400, `{"Code":" \u0001","Message":"not found"}`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "400 Bad Request instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"a truth for a code", 404, `{"Code":true,"Message":"not found"}`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "404 Not Found instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{"a number for a message", 500, `{"Code":"InternalError","Message":17}`, Error{Class: ClassUnavailable, Code: "InternalError", Message: "17"}},
		{"code of an unknown kind", 404, `{"Code":"No.Such","Message":null}`, Error{Class: ClassInvalid, Code: "No.Such"}},
		{
			"object for a message", 503, `{"Code":"ServiceUnavailable","Message":{"a":1}}`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "503 Service Unavailable instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"HTML", 502, `<html><h1>502 Bad Gateway</h1></html>`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "502 Bad Gateway instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"HTML by a proxy that limits", 429, `slow down`,
			Error{Class: ClassThrottled, Code: CodeHTTPStatus, Message: "429 Too Many Requests instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"HTML by a proxy that refuses", 403, `<html>`,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "403 Forbidden instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
		{
			"success without content", 204, ``,
			Error{Class: ClassUnavailable, Code: CodeHTTPStatus, Message: "204 No Content instead of an answer of the API; a proxy or a load balancer on the way may be at fault"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := askServer(t, func(w http.ResponseWriter, r *http.Request) {
				if tc.want.RetryAfter > 0 {
					w.Header().Set("x-acs-retry-after", strconv.FormatInt(tc.want.RetryAfter.Milliseconds(), 10))
				}
				respond(tc.status, tc.body)(w, r)
			})
			tc.want.HTTPStatus = tc.status
			if got := wantError(t, err, tc.want.Class, tc.want.Code); got != tc.want {
				t.Errorf("got  %#v\nwant %#v", got, tc.want)
			}
		})
	}
}

func TestRequestIDFromHeader(t *testing.T) {
	_, err := askServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-acs-request-id", "R-7")
		respond(500, `{"Code":"InternalError","Message":"x"}`)(w, r)
	})
	if got := wantError(t, err, ClassUnavailable, "InternalError"); got.Error() != "InternalError: x (request R-7)" {
		t.Errorf("error %q", got.Error())
	}
}

// hijack takes over the connection and writes raw bytes before it cuts it.
func hijack(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = buffer.WriteString(raw)
		_ = buffer.Flush()
		_ = connection.Close()
	}
}

func TestBrokenConnections(t *testing.T) {
	for name, raw := range map[string]string{
		"cut before the answer": "",
		"cut in the header":     "HTTP/1.1 200 OK\r\nContent-Le",
		"cut in the body":       "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + emptyPage,
		"cut in a chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" + emptyPage,
		"not HTTP":              "SSH-2.0-OpenSSH_9.6\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := askServer(t, hijack(raw))
			got := wantError(t, err, ClassUnavailable, CodeNetwork)
			if strings.Contains(got.Message, "Signature") || strings.Contains(got.Message, "http://") {
				t.Errorf("message %q shows the URL", got.Message)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := newTestClient(t, server).Session(Static(testCredentials), "1").
		DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
	got := wantError(t, err, ClassUnavailable, CodeNetwork)
	// Without the URL in the first place, that is, and not for its redaction.
	if !strings.HasPrefix(got.Message, "the call failed on the network: dial tcp 127.0.0.1:") ||
		!strings.Contains(got.Message, "connection refused") {
		t.Errorf("message %q", got.Message)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	target := newTestServer(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	_, err := askServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+"/?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	})
	wantError(t, err, ClassUnavailable, CodeHTTPStatus)
	if elsewhere.Load() != 0 {
		t.Error("the signed request went to another host")
	}
}

func TestResponseSizeIsBounded(t *testing.T) {
	limit := func(o *Options) { o.MaxResponseBytes = int64(len(emptyPage)) }
	if _, err := askServer(t, respond(200, emptyPage), limit); err != nil {
		t.Errorf("an answer as large as the limit: %v", err)
	}
	_, err := askServer(t, respond(200, emptyPage+" "), limit)
	wantError(t, err, ClassUnavailable, CodeResponseTooLarge)
	// The bound holds for one that never ends, too, and for errors.
	_, err = askServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		for {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}, limit)
	if got := wantError(t, err, ClassUnavailable, CodeResponseTooLarge); got.HTTPStatus != http.StatusBadGateway {
		t.Errorf("status %d", got.HTTPStatus)
	}
}

// hang answers only when the caller has gone.
func hang(before string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, before)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func TestCallTimeout(t *testing.T) {
	for name, before := range map[string]string{"silent": "", "in the body": emptyPage[:20]} {
		t.Run(name, func(t *testing.T) {
			_, err := askServer(t, hang(before), func(o *Options) { o.CallTimeout = 50 * time.Millisecond })
			wantError(t, err, ClassUnavailable, CodeTimeout)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error("our own deadline passes for the caller's")
			}
		})
	}
}

func TestCancellation(t *testing.T) {
	asked := make(chan struct{})
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		hang("")(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := newTestClient(t, server).Session(Static(testCredentials), "1").
		DescribeInvocationResults(ctx, Query{RegionID: "cn-hangzhou"}, Paging{})
	var apiError *Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &apiError) {
		t.Errorf("error %#v, want context.Canceled", err)
	}
	if strings.Contains(err.Error(), "Signature") {
		t.Errorf("error %q shows the URL", err)
	}
}

func TestCallersDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := newTestClient(t, newTestServer(t, hang(""))).Session(Static(testCredentials), "1").
		DescribeInvocationResults(ctx, Query{RegionID: "cn-hangzhou"}, Paging{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want context.DeadlineExceeded", err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ask := func(version uint16) error {
		server := httptest.NewUnstartedServer(respond(200, emptyPage))
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		transport := newTransport()
		transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		_, err := newTestClient(t, server, func(o *Options) { o.Transport = transport }).
			Session(Static(testCredentials), "1").
			DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
		return err
	}
	wantError(t, ask(tls.VersionTLS11), ClassUnavailable, CodeNetwork)
	if err := ask(tls.VersionTLS12); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
}

func TestUnknownCertificateIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(respond(200, emptyPage))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := newTestClient(t, server).Session(Static(testCredentials), "1").
		DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
	if got := wantError(t, err, ClassUnavailable, CodeNetwork); !strings.Contains(got.Message, "certificate") {
		t.Errorf("message %q does not tell of the certificate", got.Message)
	}
}

// A host that is not one reaches neither a panic nor an error that shows the request.
func TestUnbuildableRequest(t *testing.T) {
	client, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.send(t.Context(), endpoint{scheme: "HTTP", host: "a b\x7f"}, testCredentials,
		describeRequest(Query{RegionID: "cn-hangzhou"}, Paging{}))
	if got := wantError(t, err, ClassUnavailable, CodeInternal); strings.Contains(got.Error(), "LTAI") {
		t.Errorf("error %q", got.Error())
	}
}

// brokenRequest is a request that the SDK can neither sign nor survive.
type brokenRequest struct {
	requests.AcsRequest
	style string
}

func (r brokenRequest) GetStyle() string { return r.style }

func TestSDKFailuresAreContained(t *testing.T) {
	good := describeRequest(Query{RegionID: "cn-hangzhou"}, Paging{})
	for name, request := range map[string]requests.AcsRequest{
		"panic": &brokenRequest{style: requests.RPC},
		"error": &brokenRequest{AcsRequest: good, style: "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			err := contain(func() error { return sign(request, endpoint{scheme: "HTTP", host: "h"}, testCredentials) })
			wantError(t, err, ClassUnavailable, CodeInternal)
		})
	}
}

func TestConcurrentCalls(t *testing.T) {
	var calls atomic.Int64
	nonces := sync.Map{}
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		query := r.URL.Query()
		if rpcSignature(r.Method, query, testCredentials.AccessKeySecret) != query.Get("Signature") {
			respond(400, `{"Code":"SignatureDoesNotMatch","Message":"x"}`)(w, r)
			return
		}
		if _, used := nonces.LoadOrStore(query.Get("SignatureNonce"), true); used {
			respond(400, `{"Code":"SignatureNonceUsed","Message":"x"}`)(w, r)
			return
		}
		respond(200, fmt.Sprintf(`{"RequestId":%q,"Invocation":{"InvocationResults":{"InvocationResult":[]}}}`,
			query.Get("InvokeId")))(w, r)
	})
	session := newTestClient(t, server).Session(Static(testCredentials), "1")
	var group sync.WaitGroup
	for worker := range 32 {
		group.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf("t-%d-%d", worker, i)
				page, err := session.DescribeInvocationResults(t.Context(),
					Query{RegionID: "cn-hangzhou", InvokeID: id}, Paging{MaxResults: 50})
				if err != nil {
					t.Errorf("%s: %v", id, err)
				} else if page.RequestID != id {
					t.Errorf("%s got the answer for %s", id, page.RequestID)
				}
			}
		})
	}
	group.Wait()
	if calls.Load() != 640 {
		t.Errorf("%d calls, want 640", calls.Load())
	}
}

func TestProxyIsHonoured(t *testing.T) {
	proxied := make(chan string, 1)
	proxy, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(func() { _ = proxy.Close(); group.Wait() })
	group.Go(func() {
		connection, err := proxy.Accept()
		if err != nil {
			return
		}
		defer func() { _ = connection.Close() }()
		request, err := http.ReadRequest(bufio.NewReader(connection))
		if err != nil {
			return
		}
		proxied <- request.Method + " " + request.Host
		_, _ = io.WriteString(connection, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
	})
	// The environment is read once a process, by whoever is first: the function is replaced, not the variable.
	transport := newTransport()
	if transport.Proxy == nil {
		t.Fatal("the transport knows no proxies")
	}
	transport.Proxy = http.ProxyURL(mustURL(t, "http://operator:hunter2@"+proxy.Addr().String()))
	client, err := New(Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Session(Static(testCredentials), "1").
		DescribeInvocationResults(t.Context(), Query{RegionID: "cn-beijing"}, Paging{})
	got := wantError(t, err, ClassUnavailable, CodeNetwork)
	if strings.Contains(got.Message, "hunter2") || !strings.Contains(got.Message, "Proxy Authentication Required") {
		t.Errorf("message %q", got.Message)
	}
	if asked := <-proxied; asked != "CONNECT ecs.cn-beijing.aliyuncs.com:443" {
		t.Errorf("the proxy was asked to %s", asked)
	}
}
