package cloudassistant

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

var assumedCredentials = Credentials{
	AccessKeyID: "STS.NUgYrLnoC37mZZCNnAbez", AccessKeySecret: "assumedSecret0000000000000", SecurityToken: "CAISassumed+/=",
}

// assumed is the answer of AssumeRole.
func assumed(expiration string) string {
	body, err := json.Marshal(map[string]any{
		"RequestId":       "R",
		"AssumedRoleUser": map[string]string{"Arn": "acs:ram::123:role/reader/s", "AssumedRoleId": "3:s"},
		"Credentials": map[string]string{
			"AccessKeyId": assumedCredentials.AccessKeyID, "AccessKeySecret": assumedCredentials.AccessKeySecret,
			"SecurityToken": assumedCredentials.SecurityToken, "Expiration": expiration,
		},
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}

const roleARN = "acs:ram::1234567890123456:role/reader"

func TestAssumeRole(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(date(t, "2026-11-23T15:00:00Z"))
	var requests []captured
	server := newTestServer(t, capture(&requests, respond(200, assumed("2026-11-23T16:00:00Z"))))
	client := newTestClient(t, server, func(o *Options) { o.Clock = clock })
	provider, err := client.AssumeRole(Static(testCredentials), roleARN)
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) != 0 {
		t.Error("the role was assumed before anybody asked")
	}
	for range 2 {
		if got, err := provider.Credentials(t.Context()); err != nil || got != assumedCredentials {
			t.Fatalf("credentials are wrong, or error %v", err)
		}
	}
	if len(requests) != 1 {
		t.Fatalf("%d calls", len(requests))
	}
	query := requests[0].query
	for name, want := range map[string]string{
		"Action": "AssumeRole", "Version": "2015-04-01", "RoleArn": roleARN, "DurationSeconds": "3600",
		"RoleSessionName": "cloud-assistant-operator", "AccessKeyId": testCredentials.AccessKeyID,
		"SecurityToken": testCredentials.SecurityToken,
		"Signature":     rpcSignature(http.MethodPost, query, testCredentials.AccessKeySecret),
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	clock.SetTime(date(t, "2026-11-23T15:55:00Z"))
	if _, err := provider.Credentials(t.Context()); err != nil || len(requests) != 2 {
		t.Errorf("%d calls five minutes before the end, error %v", len(requests), err)
	}
}

func TestAssumeRoleFailures(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		class  Class
		code   string
	}{
		{"no such role", 404, `{"Code":"EntityNotExist.Role","Message":"The role not exists."}`, ClassDenied, "EntityNotExist.Role"},
		{"not trusted", 403, `{"Code":"NoPermission","Message":"You are not authorized to do this action."}`, ClassDenied, "NoPermission"},
		{"throttled", 400, `{"Code":"Throttling.User","Message":"x"}`, ClassThrottled, "Throttling.User"},
		{"broken", 500, `{"Code":"InternalError","Message":"x"}`, ClassUnavailable, "InternalError"},
		{"no credentials", 200, `{"RequestId":"R"}`, ClassUnavailable, CodeMalformedResponse},
		{"null credentials", 200, `{"RequestId":"R","Credentials":null}`, ClassUnavailable, CodeMalformedResponse},
		{"not JSON", 200, `<html>`, ClassUnavailable, CodeMalformedResponse},
		{"no end", 200, assumed(""), ClassUnavailable, CodeMalformedResponse},
		{"no secret", 200, strings.ReplaceAll(assumed("2026-11-23T16:00:00Z"), assumedCredentials.AccessKeySecret, ""), ClassUnavailable, CodeMalformedResponse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := newTestClient(t, newTestServer(t, respond(tc.status, tc.body)))
			provider, err := client.AssumeRole(Static(testCredentials), roleARN)
			if err != nil {
				t.Fatal(err)
			}
			_, err = provider.Credentials(t.Context())
			got := wantError(t, err, tc.class, tc.code)
			if answered := tc.status != 200; leaks(got.Error(), assumedCredentials) != "" || answered != (got.RoleARN == roleARN) {
				t.Errorf("error %q of the role %q", got.Error(), got.RoleARN)
			}
		})
	}
	client := newTestClient(t, newTestServer(t, respond(200, "")))
	provider, err := client.AssumeRole(Static(testCredentials), "reader")
	wantError(t, err, ClassDenied, CodeInvalidRoleARN)
	if provider != nil {
		t.Error("a provider came with the error")
	}
}

func TestRoleAccount(t *testing.T) {
	for arn, want := range map[string]string{
		roleARN: "1234567890123456", "acs:ram::1:role/a.b_c-d@E": "1",
		"": "", "reader": "", "acs:ram::x:role/a": "", "acs:ram::1:user/a": "", "acs:ram::1:role/": "",
		"acs:ram::1:role/a b": "", " " + roleARN: "", roleARN + "\n": "",
	} {
		got, err := RoleAccount(arn)
		if got != want {
			t.Errorf("RoleAccount(%q) = %q", arn, got)
		}
		if want == "" {
			wantError(t, err, ClassDenied, CodeInvalidRoleARN)
		} else if err != nil {
			t.Errorf("RoleAccount(%q): %v", arn, err)
		}
	}
}

func TestAccountID(t *testing.T) {
	var requests []captured
	client := newTestClient(t, newTestServer(t, capture(&requests,
		respond(200, `{"RequestId":"R","AccountId":"1234567890123456","Arn":"acs:ram::1234567890123456:user/x"}`))))
	got, err := client.AccountID(t.Context(), Static(testCredentials))
	if err != nil || got != "1234567890123456" {
		t.Errorf("account %q, error %v", got, err)
	}
	query := requests[0].query
	if query.Get("Action") != "GetCallerIdentity" || query.Get("Version") != "2015-04-01" ||
		query.Get("Signature") != rpcSignature(http.MethodPost, query, testCredentials.AccessKeySecret) {
		t.Errorf("asked %v", query)
	}
	for body, code := range map[string]string{
		`{"RequestId":"R"}`: CodeMalformedResponse, `<html>`: CodeMalformedResponse,
	} {
		_, err := newTestClient(t, newTestServer(t, respond(200, body))).AccountID(t.Context(), Static(testCredentials))
		wantError(t, err, ClassUnavailable, code)
	}
	_, err = newTestClient(t, newTestServer(t, respond(404, `{"Code":"InvalidAction.NotFound","Message":"x"}`))).
		AccountID(t.Context(), Static(testCredentials))
	wantError(t, err, ClassDenied, "InvalidAction.NotFound")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.AccountID(ctx, Static(testCredentials)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// writeFile writes a file below a new directory and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServiceAccountRole(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.service.account"
	clearEnvironment(t)
	t.Setenv(envOIDCTokenFile, writeFile(t, "token", token))
	t.Setenv(envOIDCProviderARN, "acs:ram::1234567890123456:oidc-provider/ack-rrsa")
	t.Setenv(envRoleARN, roleARN)
	clock := clocktesting.NewFakePassiveClock(date(t, "2026-11-23T15:00:00Z"))
	var form, query url.Values
	status, body := 200, assumed("2026-11-23T16:00:00Z")
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Query()
		if err := r.ParseForm(); err != nil {
			t.Errorf("form: %v", err)
		}
		form = r.PostForm
		respond(status, body)(w, r)
	})
	client := newTestClient(t, server, func(o *Options) { o.Clock = clock })
	provider := client.DefaultCredentials()
	if got, err := provider.Credentials(t.Context()); err != nil || got != assumedCredentials {
		t.Fatalf("credentials are wrong, or error %v", err)
	}
	for name, want := range map[string]string{
		"RoleArn": roleARN, "OIDCProviderArn": "acs:ram::1234567890123456:oidc-provider/ack-rrsa",
		"OIDCToken": token, "RoleSessionName": "cloud-assistant-operator", "DurationSeconds": "3600",
	} {
		if form.Get(name) != want || query.Has(name) {
			t.Errorf("%s = %q, want %q in the body only", name, form.Get(name), want)
		}
	}
	if query.Get("Action") != "AssumeRoleWithOIDC" || query.Get("Timestamp") != "2026-11-23T15:00:00Z" {
		t.Errorf("asked %v", query)
	}

	// The token is rotated, and the service refuses the new one, all of which it repeats.
	clock.SetTime(date(t, "2026-11-23T15:00:00Z").Add(2 * time.Hour))
	t.Setenv(envOIDCTokenFile, writeFile(t, "token", token+"2"))
	t.Setenv(envRoleSessionName, "my-session")
	status, body = 400, `{"Code":"AuthenticationFail.OIDCToken.Expired","Message":"`+token+`2 is expired"}`
	_, err := provider.Credentials(t.Context())
	if got := wantError(t, err, ClassDenied, "AuthenticationFail.OIDCToken.Expired"); got.Message != "[redacted] is expired" {
		t.Errorf("message %q", got.Message)
	}
	if form.Get("OIDCToken") != token+"2" || form.Get("RoleSessionName") != "my-session" {
		t.Errorf("sent %v", form)
	}

	t.Setenv(envOIDCTokenFile, filepath.Join(t.TempDir(), "missing"))
	_, err = provider.Credentials(t.Context())
	wantError(t, err, ClassDenied, CodeCredentials)
}

// A failure of the base credentials is shared by all who wait for them; the role that one of them wanted is not.
func TestAFailureOfTheBaseNamesNoRoleOfOthers(t *testing.T) {
	shared := &Error{Class: ClassUnavailable, Code: "Some.Code", Message: "x"}
	base := providerFunc(func(context.Context) (Credentials, error) { return Credentials{}, shared })
	client := newTestClient(t, newTestServer(t, respond(200, "")))
	provider, err := client.AssumeRole(base, roleARN)
	if err != nil {
		t.Fatal(err)
	}
	var own *Error
	if _, err := provider.Credentials(t.Context()); !errors.As(err, &own) || own.RoleARN != roleARN {
		t.Errorf("the failure is %v of the role %q", err, own.RoleARN)
	}
	if shared.RoleARN != "" {
		t.Errorf("all others are told of the role %s", shared.RoleARN)
	}
}
