package cloudassistant

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
)

// clearEnvironment removes all that configures credentials on the machine that runs the test.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		envAccessKeyID, envAccessKeySecret, envSecurityToken, envOIDCTokenFile, envOIDCProviderARN, envRoleARN,
		envRoleSessionName, envCLIProfileDisabled, envCredentialsFile, envCredentialsURI, envInstanceRole,
		"ALIBABA_CLOUD_PROFILE", "ALIBABA_CLOUD_IMDSV1_DISABLED",
	} {
		t.Setenv(name, "")
	}
	t.Setenv(envMetadataDisabled, "true")
	t.Setenv("HOME", t.TempDir())
}

func wantCredentials(t *testing.T, p CredentialProvider, want Credentials) {
	t.Helper()
	if got, err := p.Credentials(t.Context()); err != nil || got != want {
		t.Fatalf("key ID %q, error %v; want %q", got.AccessKeyID, err, want.AccessKeyID)
	}
}

// commandLineConfig makes a home with a configuration of the command line tool.
func commandLineConfig(t *testing.T, content string) {
	t.Helper()
	path := writeFile(t, ".aliyun/config.json", content)
	t.Setenv("HOME", filepath.Dir(filepath.Dir(path)))
}

const cliProfile = `{"current":"default","profiles":[
	{"name":"default","mode":"AK","access_key_id":"cli-id","access_key_secret":"cli-secret"},
	{"name":"temporary","mode":"StsToken","access_key_id":"sts-id","access_key_secret":"sts-secret","sts_token":"sts-token"}]}`

const iniProfileText = "[default]\ntype = access_key\naccess_key_id = ini-id\naccess_key_secret = ini-secret\n"

func TestNothingConfigured(t *testing.T) {
	clearEnvironment(t)
	client := newTestClient(t, newTestServer(t, respond(200, "")))
	provider := client.DefaultCredentials()
	_, err := provider.Credentials(t.Context())
	got := wantError(t, err, ClassDenied, CodeNoCredentials)
	for _, name := range []string{envAccessKeyID, envAccessKeySecret, envRoleARN, envCredentialsURI, "~/.aliyun/config.json"} {
		if !strings.Contains(got.Message, name) {
			t.Errorf("%q does not tell of %s", got.Message, name)
		}
	}
	if len(got.Message) > maxMessageBytes {
		t.Errorf("the message has %d bytes", len(got.Message))
	}
	// That nothing was found is not pinned.
	t.Setenv(envAccessKeyID, "env-id")
	t.Setenv(envAccessKeySecret, "env-secret")
	wantCredentials(t, provider, Credentials{AccessKeyID: "env-id", AccessKeySecret: "env-secret"})
}

// The sources in their order: each hides the ones set up before it.
func TestSourcesInOrder(t *testing.T) {
	clearEnvironment(t)
	var asked string
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + r.URL.Query().Get("Action")
		if r.URL.Path == "/credentials" {
			respond(200, `{"Code":"Success","AccessKeyId":"uri-id","AccessKeySecret":"uri-secret","SecurityToken":"uri-token","Expiration":"2099-01-01T00:00:00Z"}`)(w, r)
			return
		}
		respond(200, assumed("2099-01-01T00:00:00Z"))(w, r)
	})
	client := newTestClient(t, server)

	t.Setenv(envCredentialsURI, server.URL+"/credentials")
	wantCredentials(t, client.DefaultCredentials(),
		Credentials{AccessKeyID: "uri-id", AccessKeySecret: "uri-secret", SecurityToken: "uri-token"})

	home := t.TempDir()
	t.Setenv("HOME", home)
	write := func(name, content string) {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".alibabacloud/credentials", iniProfileText)
	wantCredentials(t, client.DefaultCredentials(), Credentials{AccessKeyID: "ini-id", AccessKeySecret: "ini-secret"})

	t.Setenv(envCredentialsFile, writeFile(t, "elsewhere", strings.ReplaceAll(iniProfileText, "ini-id", "file-id")))
	wantCredentials(t, client.DefaultCredentials(), Credentials{AccessKeyID: "file-id", AccessKeySecret: "ini-secret"})

	write(".aliyun/config.json", cliProfile)
	wantCredentials(t, client.DefaultCredentials(), Credentials{AccessKeyID: "cli-id", AccessKeySecret: "cli-secret"})
	t.Setenv(envCLIProfileDisabled, "True")
	wantCredentials(t, client.DefaultCredentials(), Credentials{AccessKeyID: "file-id", AccessKeySecret: "ini-secret"})
	t.Setenv(envCLIProfileDisabled, "")

	t.Setenv(envOIDCTokenFile, writeFile(t, "token", "eyJ0"))
	t.Setenv(envOIDCProviderARN, "acs:ram::1:oidc-provider/x")
	t.Setenv(envRoleARN, roleARN)
	wantCredentials(t, client.DefaultCredentials(), assumedCredentials)
	if asked != "/AssumeRoleWithOIDC" {
		t.Errorf("asked for %s", asked)
	}

	t.Setenv(envAccessKeyID, "env-id")
	t.Setenv(envAccessKeySecret, "env-secret")
	t.Setenv(envSecurityToken, "env-token")
	wantCredentials(t, client.DefaultCredentials(),
		Credentials{AccessKeyID: "env-id", AccessKeySecret: "env-secret", SecurityToken: "env-token"})
}

// Half an access key is a mistake to tell, not a reason to be somebody else.
func TestHalfAnAccessKey(t *testing.T) {
	clearEnvironment(t)
	commandLineConfig(t, cliProfile)
	t.Setenv(envAccessKeySecret, "env-secret")
	client := newTestClient(t, newTestServer(t, respond(200, emptyPage)))
	_, err := client.Session(client.DefaultCredentials(), "1").
		DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
	wantError(t, err, ClassDenied, CodeNoCredentials)
}

func TestProfileIsReadAgainWhenRefused(t *testing.T) {
	clearEnvironment(t)
	commandLineConfig(t, cliProfile)
	t.Setenv("ALIBABA_CLOUD_PROFILE", "temporary")
	provider := newTestClient(t, newTestServer(t, respond(200, ""))).DefaultCredentials()
	old := Credentials{AccessKeyID: "sts-id", AccessKeySecret: "sts-secret", SecurityToken: "sts-token"}
	wantCredentials(t, provider, old)
	commandLineConfig(t, strings.ReplaceAll(cliProfile, "sts-", "new-"))
	wantCredentials(t, provider, old)
	provider.Invalidate(old)
	wantCredentials(t, provider, Credentials{AccessKeyID: "new-id", AccessKeySecret: "new-secret", SecurityToken: "new-token"})
}

// The SDK would print the whole file.
func TestBrokenProfileStaysUntold(t *testing.T) {
	clearEnvironment(t)
	commandLineConfig(t, `{"profiles":[{"access_key_secret":"cli-secret"`)
	provider := newTestClient(t, newTestServer(t, respond(200, ""))).DefaultCredentials()
	_, err := provider.Credentials(t.Context())
	got := wantError(t, err, ClassDenied, CodeCredentials)
	if strings.Contains(got.Message, "cli-secret") || !strings.Contains(got.Message, "~/.aliyun/config.json") {
		t.Errorf("message %q", got.Message)
	}
	// Mended, it is read.
	commandLineConfig(t, cliProfile)
	wantCredentials(t, provider, Credentials{AccessKeyID: "cli-id", AccessKeySecret: "cli-secret"})
}

func TestCredentialsURIFailures(t *testing.T) {
	clearEnvironment(t)
	for _, tc := range []struct {
		name   string
		status int
		body   string
		class  Class
		code   string
	}{
		{"refused", 403, `{"AccessKeySecret":"uri-secret"}`, ClassDenied, CodeCredentials},
		{"broken", 500, `uri-secret`, ClassUnavailable, CodeHTTPStatus},
		{"incomplete", 200, `{"AccessKeySecret":"uri-secret"}`, ClassUnavailable, CodeMalformedResponse},
		{"not JSON", 200, `uri-secret`, ClassUnavailable, CodeMalformedResponse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := newTestServer(t, respond(tc.status, tc.body))
			t.Setenv(envCredentialsURI, server.URL+"/?token=hunter2")
			_, err := newTestClient(t, server).DefaultCredentials().Credentials(t.Context())
			got := wantError(t, err, tc.class, tc.code)
			if strings.Contains(got.Message, "uri-secret") || strings.Contains(got.Message, "hunter2") {
				t.Errorf("message %q", got.Message)
			}
		})
	}
}

func TestCredentialsURIThatIsNone(t *testing.T) {
	clearEnvironment(t)
	t.Setenv(envCredentialsURI, "http://hunter2\x7f")
	_, err := newTestClient(t, newTestServer(t, respond(200, ""))).DefaultCredentials().Credentials(t.Context())
	if got := wantError(t, err, ClassDenied, CodeCredentials); got.Message != envCredentialsURI+" is not a URL" {
		t.Errorf("message %q", got.Message)
	}
}

// The SDK's own provider prints the address. Nothing of ours may, to either stream.
func TestCredentialsURIPrintsNothing(t *testing.T) {
	const address = "http://127.0.0.1:1/?token=hunter2"
	if os.Getenv(envCredentialsURI) == address {
		client, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.DefaultCredentials().Credentials(t.Context())
		wantError(t, err, ClassUnavailable, CodeNetwork)
		return
	}
	clearEnvironment(t)
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCredentialsURIPrintsNothing$", "-test.v=true")
	run.Env = append(os.Environ(), envCredentialsURI+"="+address)
	output, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS") || strings.Contains(string(output), "hunter2") {
		t.Errorf("%v:\n%s", err, output)
	}
}

// metadata stands in for the instance metadata service. The SDK asks 100.100.100.200, through a transport cloned
// from the default one, and that through a proxy.
func metadata(t *testing.T, handler http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(handler)
	original := http.DefaultTransport
	http.DefaultTransport = &http.Transport{
		Proxy:             func(*http.Request) (*url.URL, error) { return url.Parse(server.URL) },
		DisableKeepAlives: true, // the SDK makes a transport a call and never closes it
	}
	t.Cleanup(func() {
		http.DefaultTransport = original
		server.Close()
	})
}

func instanceMetadata(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/latest/api/token":
		_, _ = io.WriteString(w, "metadata-token")
	case "/latest/meta-data/ram/security-credentials/":
		_, _ = io.WriteString(w, "node-role")
	case "/latest/meta-data/ram/security-credentials/node-role":
		respond(200, `{"Code":"Success","AccessKeyId":"ecs-id","AccessKeySecret":"ecs-secret","SecurityToken":"ecs-token","Expiration":"2000-01-01T00:00:00Z"}`)(w, r)
	default:
		respond(404, "")(w, r)
	}
}

var instanceCredentials = Credentials{AccessKeyID: "ecs-id", AccessKeySecret: "ecs-secret", SecurityToken: "ecs-token"}

func TestInstanceRole(t *testing.T) {
	client := newTestClient(t, newTestServer(t, respond(200, "")))
	for name, role := range map[string]string{"named": "node-role", "whatever there is": ""} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv(envMetadataDisabled, "")
			t.Setenv(envInstanceRole, role)
			metadata(t, instanceMetadata)
			wantCredentials(t, client.DefaultCredentials(), instanceCredentials)
		})
	}
}

// The metadata service is asked where nothing is configured. That there is none is no outage then; after it has
// worked once, it is.
func TestInstanceRoleFailures(t *testing.T) {
	client := newTestClient(t, newTestServer(t, respond(200, "")))
	clearEnvironment(t)
	t.Setenv(envMetadataDisabled, "")
	up := false
	metadata(t, func(w http.ResponseWriter, r *http.Request) {
		if !up {
			respond(503, "")(w, r)
			return
		}
		instanceMetadata(w, r)
	})
	provider := client.DefaultCredentials()
	_, err := provider.Credentials(t.Context())
	wantError(t, err, ClassDenied, CodeNoCredentials)
	up = true
	wantCredentials(t, provider, instanceCredentials)
	up = false
	_, err = provider.Credentials(t.Context())
	wantError(t, err, ClassUnavailable, CodeCredentials)

	t.Setenv(envInstanceRole, "node-role")
	_, err = client.DefaultCredentials().Credentials(t.Context())
	wantError(t, err, ClassUnavailable, CodeCredentials)
}

func TestSDKFailures(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		class Class
		want  string
	}{
		{"refused", sdkerrors.NewServerError(403, `{"Code":"NoPermission","Message":"x"}`, ""), ClassDenied, "Forbidden NoPermission"},
		{"no such role", sdkerrors.NewServerError(404, `{"Code":"EntityNotExist.Role","Message":"x"}`, ""), ClassDenied, "EntityNotExist.Role"},
		{"throttled", sdkerrors.NewServerError(400, `{"Code":"Throttling.User","Message":"x"}`, ""), ClassThrottled, "Throttling.User"},
		{"down", sdkerrors.NewServerError(502, `<html>`, ""), ClassUnavailable, "Bad Gateway"},
		{"network", &url.Error{Op: "Post", URL: "https://sts/?Signature=hunter2", Err: errors.New("no route to host")}, ClassUnavailable, "no route to host"},
		{"else", errors.New("hunter2"), ClassDenied, "do this"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := sdkFailure(tc.err, ClassDenied, "do this")
			if got.Class != tc.class || !strings.Contains(got.Message, tc.want) || strings.Contains(got.Message, "hunter2") {
				t.Errorf("%+v", got)
			}
		})
	}
	_, err := fromSDK(func() (sdkProvider, error) { return nil, errors.New("hunter2") }, ClassDenied, "do this")(t.Context(), false)
	wantError(t, err, ClassDenied, CodeCredentials)
}
