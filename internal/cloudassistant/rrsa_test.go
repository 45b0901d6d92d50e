package cloudassistant_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc/oidctest"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// A pod's token becomes the credentials of a RAM role (RRSA), if the cluster's issuer signed it for the ServiceAccount
// that the role trusts.
func TestRRSA(t *testing.T) {
	const (
		issuerURL = "https://oidc.example.com"
		trusted   = "system:serviceaccount:cloud-assistant-system:cloud-assistant-operator-manager"
		provider  = "acs:ram::" + emulator.DefaultAccountID + ":oidc-provider/ack-rrsa"
	)
	e, client := newBench(t)
	issuer := oidctest.New(t)
	policy, err := ram.Parse([]byte(`{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "ecs:DescribeInvocationResults", "Resource": "*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ram.ParseTrust([]byte(`{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": {"Federated": "` + provider + `"}, "Condition": {"StringEquals": {"oidc:sub": "` + trusted + `"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddOIDCProvider(emulator.OIDCProvider{Name: "ack-rrsa", Issuer: issuerURL, ClientIDs: []string{"sts.aliyuncs.com"}, JWKS: issuer.JWKS()}); err != nil {
		t.Fatal(err)
	}
	if err := e.AddRole(emulator.Role{Name: "operator", Policies: []ram.Policy{policy}, Trust: &trust}); err != nil {
		t.Fatal(err)
	}
	put(t, e, emulator.Scripted{ID: "t-1", Rows: numbered(1)})

	tokenFile := filepath.Join(t.TempDir(), "token")
	for name, value := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "",
		"ALIBABA_CLOUD_ROLE_ARN":          "acs:ram::" + emulator.DefaultAccountID + ":role/operator",
		"ALIBABA_CLOUD_OIDC_PROVIDER_ARN": provider, "ALIBABA_CLOUD_OIDC_TOKEN_FILE": tokenFile,
	} {
		t.Setenv(name, value)
	}
	token := func(subject string, expires time.Duration) {
		t.Helper()
		now := time.Now()
		signed := issuer.Token(map[string]any{"alg": "RS256", "kid": "rsa"}, map[string]any{
			"iss": issuerURL, "aud": []string{"sts.aliyuncs.com"}, "sub": subject, "iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(expires).Unix(),
		})
		if err := os.WriteFile(tokenFile, []byte(signed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() error {
		t.Helper()
		session := client.Session(client.DefaultCredentials(), emulator.DefaultAccountID)
		answer, err := cloudassistant.Walk(t.Context(), session, cloudassistant.Query{RegionID: region, InvokeID: "t-1"}, cloudassistant.WalkOptions{})
		if err == nil && len(answer.Records) != 1 {
			t.Errorf("%d records, want 1", len(answer.Records))
		}
		return err
	}

	token(trusted, time.Hour)
	if err := ask(); err != nil {
		t.Errorf("the pod of the operator is refused: %v", err)
	}
	for name, write := range map[string]func(){
		"the token of another ServiceAccount": func() { token("system:serviceaccount:default:default", time.Hour) },
		"a token that has expired":            func() { token(trusted, -time.Minute) },
	} {
		write()
		var refusal *cloudassistant.Error
		if err := ask(); !errors.As(err, &refusal) || refusal.Class != cloudassistant.ClassDenied || refusal.RoleARN == "" {
			t.Errorf("%s is answered with %v, want a denial that names the role", name, err)
		}
	}
}
