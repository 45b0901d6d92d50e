package oidc_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc/oidctest"
)

func claims() map[string]any {
	return map[string]any{
		"iss": "https://issuer", "sub": "system:serviceaccount:ns:sa", "aud": []string{"sts.aliyuncs.com"},
		"exp": 1800000000, "nbf": 1700000000, "iat": 1700000000.5,
	}
}

func header(algorithm, keyID string) map[string]any {
	if keyID == "" {
		return map[string]any{"alg": algorithm}
	}
	return map[string]any{"alg": algorithm, "kid": keyID}
}

func TestVerify(t *testing.T) {
	issuer, stranger := oidctest.New(t), oidctest.New(t)
	keys, err := oidc.ParseKeys(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	swap := func(token, part string, n int) string {
		parts := strings.Split(token, ".")
		parts[n] = part
		return strings.Join(parts, ".")
	}
	rs, es := issuer.Token(header("RS256", "rsa"), claims()), issuer.Token(header("ES256", "ec"), claims())
	tests := []struct {
		name, token string
		want        error
	}{
		{"RS256", rs, nil},
		{"ES256", es, nil},
		{"RS256 without a key ID", issuer.Token(header("RS256", ""), claims()), nil},
		{"ES256 without a key ID", issuer.Token(header("ES256", ""), claims()), nil},
		{"an unknown key ID", issuer.Token(header("RS256", "other"), claims()), oidc.ErrSignature},
		{"the key of another algorithm", issuer.Token(header("RS256", "ec"), claims()), oidc.ErrSignature},
		{"the other key of another algorithm", issuer.Token(header("ES256", "rsa"), claims()), oidc.ErrSignature},
		{"another issuer's RSA key", stranger.Token(header("RS256", "rsa"), claims()), oidc.ErrSignature},
		{"another issuer's EC key", stranger.Token(header("ES256", "ec"), claims()), oidc.ErrSignature},
		{"another token's claims", swap(rs, strings.Split(issuer.Token(header("RS256", "rsa"), map[string]any{
			"iss": "i", "sub": "s", "aud": "a", "exp": 1,
		}), ".")[1], 1), oidc.ErrSignature},
		{"an ES256 signature that is too short", swap(es, "AAAA", 2), oidc.ErrSignature},
		{"no signature", swap(es, "", 2), oidc.ErrSignature},
		{"two parts", rs[:strings.LastIndex(rs, ".")], oidc.ErrParts},
		{"four parts", rs + ".x", oidc.ErrParts},
		{"empty", "", oidc.ErrParts},
		{"no base64url", swap(rs, "a+b", 1), oidc.ErrEncoding},
		{"no JSON in the header", swap(rs, "AAAA", 0), oidc.ErrContent},
		{"no JSON in the claims", swap(rs, "AAAA", 1), oidc.ErrContent},
		{"alg none", swap(issuer.Token(header("none", ""), claims()), "", 2), oidc.ErrAlgorithm},
		{"HS256", issuer.Token(header("HS256", "rsa"), claims()), oidc.ErrAlgorithm},
		{"no algorithm", issuer.Token(map[string]any{}, claims()), oidc.ErrAlgorithm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, err := oidc.ParseToken(tt.token)
			if err == nil {
				err = token.Verify(keys)
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	if token, err := oidc.ParseToken(rs); err != nil || !errors.Is(token.Verify(oidc.KeySet{}), oidc.ErrSignature) {
		t.Errorf("no keys have verified a token (%v)", err)
	}
}

func TestClaims(t *testing.T) {
	issuer := oidctest.New(t)
	token, err := oidc.ParseToken(issuer.Token(header("RS256", "rsa"), claims()))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{token.Issuer, token.Subject, token.Audience, token.Expires, token.NotBefore, token.IssuedAt}
	want := []any{
		"https://issuer", "system:serviceaccount:ns:sa",
		[]string{"sts.aliyuncs.com"},
		time.Unix(1800000000, 0).UTC(), time.Unix(1700000000, 0).UTC(), time.Unix(1700000000, 0).UTC(),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	for name, change := range map[string]func(map[string]any){
		"one audience": func(c map[string]any) { c["aud"] = "one" }, "no times": func(c map[string]any) { delete(c, "nbf"); delete(c, "iat") },
	} {
		all := claims()
		change(all)
		if _, err := oidc.ParseToken(issuer.Token(header("RS256", ""), all)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(map[string]any){
		"no issuer": func(c map[string]any) { delete(c, "iss") }, "no subject": func(c map[string]any) { delete(c, "sub") },
		"no audience": func(c map[string]any) { delete(c, "aud") }, "no end": func(c map[string]any) { delete(c, "exp") },
		"an end in words": func(c map[string]any) { c["exp"] = "tomorrow" }, "an audience of numbers": func(c map[string]any) { c["aud"] = []int{1} },
	} {
		all := claims()
		change(all)
		if _, err := oidc.ParseToken(issuer.Token(header("RS256", ""), all)); !errors.Is(err, oidc.ErrContent) {
			t.Errorf("%s: error %v, want %v", name, err, oidc.ErrContent)
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	for _, tt := range []struct{ jwks, want string }{
		{`keys`, "Key Set is wanted"},
		{`{"keys":[]}`, "is empty"},
		{`{"keys":[{"kty":"oct","kid":"k"}]}`, `key "k": kty "oct"`},
		{`{"keys":[{"kty":"EC","crv":"P-384"}]}`, `crv "P-384"`},
		{`{"keys":[{"kty":"RSA","n":"*","e":"AQAB"}]}`, "n or e"},
		{`{"keys":[{"kty":"RSA","n":"AQAB","e":"*"}]}`, "n or e"},
		{`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ"}]}`, "n or e"},
		{`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQABAQAB"}]}`, "n or e"},
		{`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQABAQABAQABAQABAQ"}]}`, "n or e"},
		{`{"keys":[{"kty":"RSA","e":"AQAB"}]}`, "n or e"},
		{`{"keys":[{"kty":"EC","crv":"P-256","x":"*","y":""}]}`, "x or y"},
		{`{"keys":[{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}]}`, "no point"},
	} {
		if _, err := oidc.ParseKeys([]byte(tt.jwks)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one about %q", tt.jwks, err, tt.want)
		}
	}
}

// Whatever text is taken for a token, a changed one does not verify.
func TestChangedTokensDoNotVerify(t *testing.T) {
	issuer := oidctest.New(t)
	keys, err := oidc.ParseKeys(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]string{"RS256": issuer.Token(header("RS256", "rsa"), claims()), "ES256": issuer.Token(header("ES256", "ec"), claims())}
	rapid.Check(t, func(t *rapid.T) {
		token := []byte(whole[rapid.SampledFrom([]string{"RS256", "ES256"}).Draw(t, "algorithm")])
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		old := token[at]
		token[at] = rapid.Byte().Draw(t, "byte")
		parsed, err := oidc.ParseToken(string(token))
		if err != nil || token[at] == old {
			return
		}
		if parsed.Verify(keys) == nil {
			t.Fatalf("%s verifies", token)
		}
	})
}
