package ram_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

const (
	provider = "acs:ram::42:oidc-provider/ack"
	// rrsa is the trust policy that a cluster's service account needs, in the vendor's form.
	rrsa = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Federated":["acs:ram::42:oidc-provider/ack"]},
		"Condition":{"StringEquals":{"oidc:iss":"https://issuer","oidc:aud":["sts.aliyuncs.com"],"oidc:sub":"system:serviceaccount:ns:sa"}}}]}`
)

func mustTrust(t *testing.T, document string) ram.TrustPolicy {
	t.Helper()
	p, err := ram.ParseTrust([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ram.ParseTrust(encoded); err != nil || !reflect.DeepEqual(again, p) {
		t.Errorf("encoded and decoded again it is %+v (%v), want %+v", again, err, p)
	}
	return p
}

func TestTrust(t *testing.T) {
	claims := func(issuer, audience, subject string) map[string][]string {
		return map[string][]string{ram.KeyIssuer: {issuer}, ram.KeyAudience: {"other", audience}, ram.KeySubject: {subject}}
	}
	own := claims("https://issuer", "sts.aliyuncs.com", "system:serviceaccount:ns:sa")
	const (
		anyOf42 = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::42:root"}}]}`
		butBob  = `{"Version":"1","Statement":[
			{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::42:user/bob"}},
			{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"acs:ram::42:root"}}]}`
		namespace = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
			"Principal":{"Federated":"acs:ram::42:oidc-provider/ack"},"Condition":{"StringLike":{"oidc:sub":"system:serviceaccount:ns:*"}}}]}`
	)
	tests := []struct {
		name, document string
		candidate      ram.Candidate
		want           bool
	}{
		{"the service account", rrsa, ram.Candidate{Federated: provider, Claims: own}, true},
		{"another provider", rrsa, ram.Candidate{Federated: provider + "2", Claims: own}, false},
		{"another issuer", rrsa, ram.Candidate{Federated: provider, Claims: claims("https://other", "sts.aliyuncs.com", "system:serviceaccount:ns:sa")}, false},
		{"another audience", rrsa, ram.Candidate{Federated: provider, Claims: claims("https://issuer", "sts", "system:serviceaccount:ns:sa")}, false},
		{"another service account", rrsa, ram.Candidate{Federated: provider, Claims: claims("https://issuer", "sts.aliyuncs.com", "system:serviceaccount:ns:sa2")}, false},
		{"no claims", rrsa, ram.Candidate{Federated: provider}, false},
		{"a key, where a provider is trusted", rrsa, ram.Candidate{RAM: []string{"acs:ram::42:root"}, Claims: own}, false},
		{"a service account by a pattern", namespace, ram.Candidate{Federated: provider, Claims: own}, true},
		{"one beside the pattern", namespace, ram.Candidate{Federated: provider, Claims: claims("", "", "system:serviceaccount:other:sa")}, false},
		{"a user of a trusted account", anyOf42, ram.Candidate{RAM: []string{"acs:ram::42:user/bob", "acs:ram::42:root"}}, true},
		{"a user of another account", anyOf42, ram.Candidate{RAM: []string{"acs:ram::43:user/bob", "acs:ram::43:root"}}, false},
		{"a provider, where an account is trusted", anyOf42, ram.Candidate{Federated: provider}, false},
		{"a user kept out by name", butBob, ram.Candidate{RAM: []string{"acs:ram::42:user/bob", "acs:ram::42:root"}}, false},
		{"another user of that account", butBob, ram.Candidate{RAM: []string{"acs:ram::42:user/eve", "acs:ram::42:root"}}, true},
		{"nobody", anyOf42, ram.Candidate{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustTrust(t, tt.document).Trusts(tt.candidate); got != tt.want {
				t.Errorf("trusted %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseTrustRefuses(t *testing.T) {
	for want, statement := range map[string]string{
		"cannot be read":                 `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Moon":"x"}}`,
		`"Resource"`:                     `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"x"},"Resource":"*"}`,
		"no Principal":                   `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{}}`,
		`the Action ["*"]`:               `{"Effect":"Allow","Action":"*","Principal":{"RAM":"x"}}`,
		`the Effect ""`:                  `{"Action":"sts:AssumeRole","Principal":{"RAM":"x"}}`,
		"a Condition IpAddress":          `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"x"},"Condition":{"IpAddress":{}}}`,
		"a Condition on acs:SourceIp":    `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":"x"},"Condition":{"StringLike":{"acs:SourceIp":"*"}}}`,
		"list of texts or a single text": `{"Effect":"Allow","Action":7,"Principal":{"RAM":"x"}}`,
	} {
		if _, err := ram.ParseTrust([]byte(`{"Version":"1","Statement":[` + statement + `]}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one about %q", statement, err, want)
		}
	}
	if _, err := ram.ParseTrust([]byte(`{"Version":"7"}`)); err == nil {
		t.Error("another version was accepted")
	}
}
