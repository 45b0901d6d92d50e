package emulator_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc/oidctest"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

const (
	rrsaProvider = "acs:ram::42:oidc-provider/ack"
	rrsaRole     = "acs:ram::42:role/reader"
)

// rrsa is an emulator with a role that trusts one service account of a cluster.
func rrsa(t *testing.T, issuer *oidctest.Issuer, c *clocktesting.FakeClock) *bench {
	t.Helper()
	trust, err := ram.ParseTrust([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Federated":"` + rrsaProvider + `"},"Condition":{"StringEquals":{"oidc:sub":"system:serviceaccount:ns:sa"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return newBench(t, emulator.Options{
		Clock: c, Roles: []emulator.Role{{Name: "reader", AccountID: "42", Trust: &trust, Policies: []ram.Policy{
			{Version: "1", Statement: []ram.Statement{{Effect: ram.Allow, Action: ram.Strings{"ecs:Describe*"}, Resource: ram.Strings{"*"}}}},
		}}},
		OIDCProviders: []emulator.OIDCProvider{{
			Name: "ack", AccountID: "42", Issuer: "https://issuer", ClientIDs: []string{"sts.aliyuncs.com"}, JWKS: issuer.JWKS(),
		}},
	})
}

// assumeWithToken calls as the pod of a cluster does: unsigned, the token in a form body.
func (b *bench) assumeWithToken(t *testing.T, form url.Values) answer {
	t.Helper()
	all := pairs("RoleArn", rrsaRole, "OIDCProviderArn", rrsaProvider, "RoleSessionName", "operator", "DurationSeconds", "900")
	for name, values := range form {
		all[name] = values
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return b.raw(nil).send(t, http.MethodPost, "?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON", header, all.Encode())
}

func TestAssumeRoleWithOIDC(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	fake := clocktesting.NewFakeClock(now)
	issuer := oidctest.New(t)
	b := rrsa(t, issuer, fake)
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			token := issuer.Token(map[string]any{"alg": algorithm}, map[string]any{
				"iss": "https://issuer", "sub": "system:serviceaccount:ns:sa", "aud": []string{"sts.aliyuncs.com"},
				"exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
			})
			assumed := b.assumeWithToken(t, pairs("OIDCToken", token))
			assumed.wantCode(t, 200, "")
			object := assumed.object(t)
			about := object["OIDCTokenInfo"].(map[string]any)
			if about["Subject"] != "system:serviceaccount:ns:sa" || about["Issuer"] != "https://issuer" ||
				about["ClientIds"] != "sts.aliyuncs.com" || about["IssuanceTime"] != "2026-11-24T12:00:00Z" ||
				about["ExpirationTime"] != "2026-11-24T13:00:00Z" {
				t.Errorf("OIDCTokenInfo %v", about)
			}
			if user := object["AssumedRoleUser"].(map[string]any); user["Arn"] != "acs:ram::42:assumed-role/reader/operator" {
				t.Errorf("AssumedRoleUser %v", user)
			}
			r := b.session(fake, object)
			r.call(t, list).wantCode(t, 200, "")
			denied := r.call(t, "CreateCommand", "Name", "n", "Type", "RunShellScript", "CommandContent", "dHJ1ZQ==")
			denied.wantCode(t, 403, "Forbidden.RAM")
			if detail := denied.object(t)["AccessDeniedDetail"].(map[string]any); detail["AuthPrincipalType"] != "AssumedRoleUser" ||
				detail["AuthPrincipalDisplayName"] != "reader:operator" || detail["AuthPrincipalOwnerId"] != "42" {
				t.Errorf("AccessDeniedDetail %v", detail)
			}
		})
	}
}

// session is a sender with the credentials in an answer of STS.
func (b *bench) session(c clock.PassiveClock, assumed map[string]any) *raw {
	b.Helper()
	temporary := assumed["Credentials"].(map[string]any)
	r := b.raw(c)
	r.keyID, r.secret = temporary["AccessKeyId"].(string), temporary["AccessKeySecret"].(string)
	r.token = temporary["SecurityToken"].(string)
	return r
}

func TestAssumeRoleWithOIDCRefuses(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	issuer, stranger := oidctest.New(t), oidctest.New(t)
	b := rrsa(t, issuer, clocktesting.NewFakeClock(now))
	claims := func(name string, value any) map[string]any {
		all := map[string]any{"iss": "https://issuer", "sub": "system:serviceaccount:ns:sa", "aud": "sts.aliyuncs.com", "exp": now.Unix() + 1}
		all[name] = value
		return all
	}
	header := map[string]any{"alg": "RS256", "kid": "rsa"}
	proper := issuer.Token(header, claims("nbf", now.Unix()))
	b.assumeWithToken(t, pairs("OIDCToken", proper)).wantCode(t, 200, "")
	const invalid = "AuthenticationFail.OIDCToken.Invalid"
	tests := []struct {
		name    string
		form    url.Values
		status  int
		code    string
		message string
	}{
		{"no token", nil, 401, invalid, "can not empty"},
		{"no JWT", pairs("OIDCToken", "token"), 401, invalid, "3 parts"},
		{"no base64url", pairs("OIDCToken", "+.+.+"), 401, invalid, "Cannot decode"},
		{"no JSON", pairs("OIDCToken", "AAAA.AAAA.AAAA"), 401, invalid, "cannot be recognized"},
		{"HS256", pairs("OIDCToken", issuer.Token(map[string]any{"alg": "HS256"}, claims("x", 1))), 401, invalid, "algorithm"},
		{"another key", pairs("OIDCToken", stranger.Token(header, claims("x", 1))), 401, "AuthenticationFail.OIDCToken.InvalidSignature", ""},
		{"another issuer", pairs("OIDCToken", issuer.Token(header, claims("iss", "https://other"))), 401, "AuthenticationFail.OIDCToken.IssuerNotMatch", ""},
		{"expired just now", pairs("OIDCToken", issuer.Token(header, claims("exp", now.Unix()))), 401, "AuthenticationFail.OIDCToken.Expired", ""},
		{"not valid yet", pairs("OIDCToken", issuer.Token(header, claims("nbf", now.Unix()+1))), 401, invalid, "not valid yet"},
		{"another audience", pairs("OIDCToken", issuer.Token(header, claims("aud", []string{"other"}))), 401, "AuthenticationFail.OIDCToken.AudienceNotMatch", ""},
		{"another service account", pairs("OIDCToken", issuer.Token(header, claims("sub", "system:serviceaccount:ns:other"))), 401, "AuthenticationFail.NoPermission", "There is no permission"},
		{"no provider", pairs("OIDCToken", proper, "OIDCProviderArn", ""), 400, "MissingParameter.OIDCProviderArn", ""},
		{"an unknown provider", pairs("OIDCToken", proper, "OIDCProviderArn", rrsaProvider+"2"), 401, "AuthenticationFail.NoPermission", "No such OIDC Provider"},
		{"another account's role", pairs("OIDCToken", proper, "RoleArn", "acs:ram::43:role/reader"), 401, "AuthenticationFail.NoPermission", "No such OIDC Provider"},
		{"an unknown role", pairs("OIDCToken", proper, "RoleArn", "acs:ram::42:role/writer"), 404, "EntityNotExist.Role", "acs:ram::42:role/writer"},
		{"no role", pairs("OIDCToken", proper, "RoleArn", ""), 400, "InvalidParameter.RoleArn", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := b.assumeWithToken(t, tt.form)
			got.wantCode(t, tt.status, tt.code)
			if message := got.object(t)["Message"].(string); !strings.Contains(message, tt.message) {
				t.Errorf("message %q, want one about %q", message, tt.message)
			}
			if token := tt.form.Get("OIDCToken"); len(token) > 20 && strings.Contains(got.body, token) {
				t.Errorf("the answer shows the token: %s", got.body)
			}
		})
	}
}

func TestRolesAndProvidersAreChecked(t *testing.T) {
	b := newBench(t, emulator.Options{})
	keys := oidctest.New(t).JWKS()
	for name, err := range map[string]error{
		"a role without a name":    b.e.AddRole(emulator.Role{}),
		"a role with a bad name":   b.e.AddRole(emulator.Role{Name: "a/b"}),
		"a provider without name":  b.e.AddOIDCProvider(emulator.OIDCProvider{JWKS: keys}),
		"a provider without keys":  b.e.AddOIDCProvider(emulator.OIDCProvider{Name: "ack"}),
		"options with a bad role":  newFails(emulator.Options{Roles: []emulator.Role{{Name: "a b"}}}),
		"options with no provider": newFails(emulator.Options{OIDCProviders: []emulator.OIDCProvider{{Name: "ack"}}}),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func newFails(options emulator.Options) error {
	e, err := emulator.New(options)
	if err == nil {
		return e.Close()
	}
	return err
}

// A session may do what its role and its own policy both allow, and what its role's trust policy lets in.
func TestRoles(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	allow := func(action string) ram.Policy {
		return ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: ram.Allow, Action: ram.Strings{action}, Resource: ram.Strings{"*"}}}}
	}
	trust := func(arn string) *ram.TrustPolicy {
		return &ram.TrustPolicy{Version: "1", Statement: []ram.TrustStatement{{
			Effect: ram.Allow, Action: ram.Strings{"sts:AssumeRole"}, Principal: ram.Principal{RAM: ram.Strings{arn}},
		}}}
	}
	const own = "acs:ram::" + emulator.DefaultAccountID + ":"
	b := newBench(t, emulator.Options{
		Clock: fake,
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: testSecret},
			{ID: "alice", Secret: testSecret, UserName: "alice"},
			{ID: "bob", Secret: testSecret, UserName: "bob", Policies: []ram.Policy{allow("ecs:*")}},
		},
		Roles: []emulator.Role{
			{Name: "open"},
			{Name: "nothing", Policies: []ram.Policy{}},
			{Name: "reader", Policies: []ram.Policy{allow("ecs:Describe*")}, Trust: trust(own + "user/alice")},
			{Name: "chained", Trust: trust(own + "role/reader")},
			{Name: "account", Trust: trust(own + "root")},
		},
	})
	assume := func(r *raw, role string, parameters ...string) answer {
		t.Helper()
		all := append([]string{"Version", "2015-04-01", "RoleArn", own + "role/" + role, "RoleSessionName", "session"}, parameters...)
		return r.call(t, "AssumeRole", all...)
	}
	as := func(keyID string) *raw {
		r := b.raw(fake)
		r.keyID = keyID
		return r
	}
	identity := as("alice").call(t, "GetCallerIdentity", "Version", "2015-04-01").object(t)
	if identity["Arn"] != own+"user/alice" || identity["IdentityType"] != "RAMUser" || len(identity["UserId"].(string)) != 18 {
		t.Errorf("alice is %v", identity)
	}
	assume(as("alice"), "unknown").wantCode(t, 404, "EntityNotExist.Role")
	assume(as(testKeyID), "reader").wantCode(t, 403, "NoPermission")
	assume(as(testKeyID), "account").wantCode(t, 200, "")
	assume(as("alice"), "account").wantCode(t, 200, "")

	untrusted := assume(as(testKeyID), "reader").object(t)["AccessDeniedDetail"].(map[string]any)
	if untrusted["PolicyType"] != "AssumeRolePolicy" || untrusted["AuthAction"] != "sts:AssumeRole" || untrusted["AuthPrincipalType"] != "Account" {
		t.Errorf("AccessDeniedDetail %v", untrusted)
	}
	unauthorized := assume(as("bob"), "open")
	unauthorized.wantCode(t, 403, "NoPermission")
	if detail := unauthorized.object(t)["AccessDeniedDetail"].(map[string]any); detail["PolicyType"] != "AccountLevelIdentityBasedPolicy" {
		t.Errorf("AccessDeniedDetail %v", detail)
	}

	nothing := b.session(fake, assume(as("alice"), "nothing").object(t))
	nothing.call(t, list).wantCode(t, 403, "Forbidden.RAM")
	reader := b.session(fake, assume(as("alice"), "reader").object(t))
	reader.call(t, list).wantCode(t, 200, "")
	reader.call(t, "StopInvocation", "InvokeId", "t-1").wantCode(t, 403, "Forbidden.RAM")
	assume(reader, "chained").wantCode(t, 403, "NoPermission")

	const narrow = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["ecs:DescribeInvocations","ecs:StopInvocation","sts:*"],"Resource":"*"}]}`
	narrowed := b.session(fake, assume(as("alice"), "reader", "Policy", narrow).object(t))
	narrowed.call(t, "DescribeInvocations").wantCode(t, 200, "")
	narrowed.call(t, "StopInvocation", "InvokeId", "t-1").wantCode(t, 403, "Forbidden.RAM")
	refused := narrowed.call(t, list)
	refused.wantCode(t, 403, "Forbidden.RAM")
	if detail := refused.object(t)["AccessDeniedDetail"].(map[string]any); detail["PolicyType"] != "SessionPolicy" {
		t.Errorf("AccessDeniedDetail %v", detail)
	}
	assume(as("alice"), "open", "Policy", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}`).
		wantCode(t, 400, "InvalidParameter.PolicyGrammar")

	// A role that may assume roles goes from one to the next.
	if err := b.e.AddRole(emulator.Role{Name: "reader", Policies: []ram.Policy{allow("sts:AssumeRole")}}); err != nil {
		t.Fatal(err)
	}
	chained := b.session(fake, assume(b.session(fake, assume(as("alice"), "reader").object(t)), "chained").object(t))
	chained.call(t, list).wantCode(t, 200, "")
}

// No policies and an empty list of them are as different after a restart as before.
func TestSessionsKeepTheirPoliciesOverARestart(t *testing.T) {
	roles := []emulator.Role{{Name: "nothing", Policies: []ram.Policy{}}, {Name: "everything"}}
	before := newBench(t, emulator.Options{Roles: roles})
	var sessions []*raw
	for _, role := range roles {
		assumed := before.raw(nil).call(t, "AssumeRole", "Version", "2015-04-01", "RoleSessionName", "session",
			"RoleArn", "acs:ram::"+emulator.DefaultAccountID+":role/"+role.Name).object(t)
		sessions = append(sessions, before.session(nil, assumed))
	}
	var state bytes.Buffer
	if err := before.e.SaveState(&state); err != nil {
		t.Fatal(err)
	}
	after := newBench(t, emulator.Options{})
	if err := after.e.LoadState(&state); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*bench{before, after} {
		sessions[0].url, sessions[1].url = b.url, b.url
		sessions[0].call(t, list).wantCode(t, 403, "Forbidden.RAM")
		sessions[1].call(t, list).wantCode(t, 200, "")
	}
}
