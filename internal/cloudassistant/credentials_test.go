package cloudassistant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/utils/clock"
	"pgregory.net/rapid"
)

// leaks returns the first secret of the credentials that the text holds, as it is or percent-encoded.
func leaks(text string, credentials Credentials) string {
	for _, secret := range []string{credentials.AccessKeyID, credentials.AccessKeySecret, credentials.SecurityToken} {
		for _, form := range []string{secret, url.QueryEscape(secret), url.QueryEscape(url.QueryEscape(secret))} {
			if secret != "" && strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

func TestCredentialsAreRedacted(t *testing.T) {
	lease := newLeaseProvider(clock.RealClock{}, func(context.Context, bool) (lease, error) {
		return lease{credentials: seal(testCredentials)}, nil
	})
	if got, err := lease.Credentials(t.Context()); err != nil || got != testCredentials {
		t.Fatalf("credentials %v, error %v", got, err)
	}
	holders := map[string]any{
		"value": testCredentials, "pointer": &testCredentials, "slice": []Credentials{testCredentials},
		"static": Static(testCredentials), "lease": lease,
		"session of a static key": (&Client{}).Session(Static(testCredentials), "1"),
		"session of a lease":      (&Client{}).Session(lease, "1"),
	}
	for name, holder := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t"} {
			if text := fmt.Sprintf(verb, holder); leaks(text, testCredentials) != "" ||
				strings.Contains(text, fmt.Sprintf("%x", testCredentials.AccessKeySecret)) {
				t.Errorf("%s of the %s prints %s", verb, name, text)
			}
		}
		encoded, err := json.Marshal(holder)
		if err != nil || leaks(string(encoded), testCredentials) != "" {
			t.Errorf("JSON of the %s: %s, %v", name, encoded, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "holder", holder)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "holder", holder)
		if leaks(log.String(), testCredentials) != "" {
			t.Errorf("the log of the %s: %s", name, log.String())
		}
	}
	if testCredentials.String() != "[redacted]" || testCredentials.GoString() != "[redacted]" ||
		testCredentials.LogValue().String() != "[redacted]" {
		t.Error("credentials do not say that they are redacted")
	}
}

func TestProvidersFailures(t *testing.T) {
	client, err := New(Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	denied := &Error{Class: ClassDenied, Code: CodeNoCredentials, Message: "no such Secret"}
	for _, tc := range []struct {
		name     string
		provider providerFunc
		class    Class
		code     string
	}{
		{"its own class", func(context.Context) (Credentials, error) {
			return Credentials{}, fmt.Errorf("wrapped: %w", denied)
		}, ClassDenied, CodeNoCredentials},
		{"a plain error", func(context.Context) (Credentials, error) {
			return Credentials{}, errors.New("the disk is on fire")
		}, ClassUnavailable, CodeCredentials},
		{"no key ID", func(context.Context) (Credentials, error) {
			return Credentials{AccessKeySecret: "x"}, nil
		}, ClassDenied, CodeNoCredentials},
		{"no secret", func(context.Context) (Credentials, error) {
			return Credentials{AccessKeyID: "x"}, nil
		}, ClassDenied, CodeNoCredentials},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := client.Session(tc.provider, "1").
				DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
			wantError(t, err, tc.class, tc.code)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Session(providerFunc(func(context.Context) (Credentials, error) {
		return Credentials{}, errors.New("gave up") // does not say why
	}), "1").DescribeInvocationResults(ctx, Query{RegionID: "cn-hangzhou"}, Paging{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// acceptOnly refuses every access key but one, with the given code.
func acceptOnly(keyID, code string, calls *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Query().Get("AccessKeyId") != keyID {
			respond(400, `{"Code":"`+code+`","Message":"no"}`)(w, r)
			return
		}
		respond(200, emptyPage)(w, r)
	}
}

func TestRefusedCredentialsAreRenewedOnce(t *testing.T) {
	stale, fresh := testCredentials, testCredentials
	fresh.AccessKeyID = "LTAI5tFresh0000000000001"
	const expired = "InvalidSecurityToken.Expired"
	broken := &Error{Class: ClassUnavailable, Code: CodeCredentials, Message: "STS is down"}
	for _, tc := range []struct {
		name     string
		provider CredentialProvider
		accepted string
		code     string
		calls    int32
		class    Class // "" for success
		want     string
	}{
		{"renewed", &rotating{keys: []Credentials{stale, fresh}}, fresh.AccessKeyID, expired, 2, "", ""},
		{"a rotated key", &rotating{keys: []Credentials{stale, fresh}}, fresh.AccessKeyID, "InvalidAccessKeyId.NotFound", 2, "", ""},
		{"renewed and still refused", &rotating{keys: []Credentials{stale, fresh}}, "another", expired, 2, ClassUnavailable, expired},
		{"nothing newer", &rotating{keys: []Credentials{stale}}, fresh.AccessKeyID, expired, 1, ClassDenied, expired},
		{"nothing that renews", Static(stale), fresh.AccessKeyID, expired, 1, ClassDenied, expired},
		{"a failing renewal", &rotating{keys: []Credentials{stale}, err: broken}, fresh.AccessKeyID, expired, 1, ClassUnavailable, CodeCredentials},
		{"not about credentials", &rotating{keys: []Credentials{stale, fresh}}, fresh.AccessKeyID, "Forbidden.RAM", 1, ClassDenied, "Forbidden.RAM"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls atomic.Int32
			client := newTestClient(t, newTestServer(t, acceptOnly(tc.accepted, tc.code, &calls)))
			_, err := client.Session(tc.provider, "1").
				DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
			if tc.class != "" {
				wantError(t, err, tc.class, tc.want)
			} else if err != nil {
				t.Error(err)
			}
			if calls.Load() != tc.calls {
				t.Errorf("%d calls, want %d", calls.Load(), tc.calls)
			}
		})
	}
}

// hostileServer answers with whatever of the request it likes, in the places that end up in an error.
func hostileServer(t *testing.T) (*Client, func(status int, form, place string)) {
	t.Helper()
	var status atomic.Int64
	var form, place atomic.Value
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		echo := r.URL.RawQuery
		switch form.Load() {
		case "decoded":
			echo, _ = url.QueryUnescape(echo)
		case "twice":
			echo = url.QueryEscape(echo)
		}
		body := map[string]any{"Code": "InternalError", "Message": "m", "RequestId": "R"}
		switch place.Load() {
		case "body":
			w.WriteHeader(int(status.Load()))
			_, _ = w.Write([]byte(echo))
			return
		case "content type":
			w.Header().Set("Content-Type", "text/"+strings.Map(func(r rune) rune {
				if r < ' ' {
					return -1
				}
				return r
			}, echo))
		case "request ID header":
			delete(body, "RequestId")
			w.Header().Set("X-Acs-Request-Id", echo)
		default:
			body[place.Load().(string)] = echo
		}
		w.WriteHeader(int(status.Load()))
		_ = json.NewEncoder(w).Encode(body)
	})
	return newTestClient(t, server), func(newStatus int, newForm, newPlace string) {
		status.Store(int64(newStatus))
		form.Store(newForm)
		place.Store(newPlace)
	}
}

// No failure shows a secret, even if the server says all that it was sent.
func TestNoErrorHoldsASecret(t *testing.T) {
	client, misbehave := hostileServer(t)
	name := rapid.StringMatching(`[A-Za-z0-9+/=&~*-]{12,30}`)
	rapid.Check(t, func(rt *rapid.T) {
		credentials := Credentials{
			AccessKeyID:     "LTAI" + name.Draw(rt, "key ID"),
			AccessKeySecret: name.Draw(rt, "secret"),
			SecurityToken:   name.Draw(rt, "token"),
		}
		var signature string
		spy := *client
		spy.http = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			signature = r.URL.Query().Get("Signature")
			if rapid.IntRange(0, 5).Draw(rt, "cut") == 0 {
				return nil, fmt.Errorf("cannot send %s", r.URL)
			}
			return client.http.Transport.RoundTrip(r)
		})}
		misbehave(
			rapid.SampledFrom([]int{200, 400, 403, 404, 429, 500, 502}).Draw(rt, "status"),
			rapid.SampledFrom([]string{"raw", "decoded", "twice"}).Draw(rt, "form"),
			rapid.SampledFrom([]string{"body", "content type", "request ID header", "Code", "Message", "RequestId"}).Draw(rt, "place"),
		)
		page, err := spy.Session(Static(credentials), "1").
			DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
		if err == nil {
			rt.Fatalf("page %+v of a hostile server", page)
		}
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		if leak := leaks(text, credentials); leak != "" {
			rt.Fatalf("%q holds %q", text, leak)
		}
		if signature == "" || leaks(text, Credentials{AccessKeyID: signature}) != "" {
			rt.Fatalf("%q holds the signature %q", text, signature)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSessionAccount(t *testing.T) {
	if got := (&Client{}).Session(Static(testCredentials), "1234567890123456").Account(); got != "1234567890123456" {
		t.Errorf("account %q", got)
	}
}
