package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// What is wrong with a token. No error says what the token holds.
var (
	ErrParts     = errors.New("a token has three parts with dots between them")
	ErrEncoding  = errors.New("a part of the token is not base64url")
	ErrAlgorithm = errors.New("the token is signed with another algorithm than RS256 and ES256")
	ErrContent   = errors.New("the token's header or claims are not the JSON of a token with iss, sub, aud and exp")
	ErrSignature = errors.New("no key of the provider has signed the token")
)

// Token is what a provider says about somebody. Only Verify makes it worth anything.
type Token struct {
	Issuer   string
	Subject  string
	Audience []string
	// Expires ends it. NotBefore and IssuedAt are zero where the token has none.
	Expires, NotBefore, IssuedAt time.Time

	algorithm, keyID string
	signed           []byte
	signature        []byte
}

// ParseToken reads a token in compact form. It verifies nothing.
func ParseToken(text string) (*Token, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, ErrParts
	}
	var decoded [3][]byte
	for n, part := range parts {
		var err error
		if decoded[n], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, ErrEncoding
		}
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Sub string
		Aud      audience
		Exp      *float64
		Nbf, Iat float64
	}
	if json.Unmarshal(decoded[0], &header) != nil {
		return nil, ErrContent
	}
	if header.Alg != RS256 && header.Alg != ES256 {
		return nil, ErrAlgorithm
	}
	if json.Unmarshal(decoded[1], &claims) != nil || claims.Iss == "" || claims.Sub == "" || len(claims.Aud) == 0 || claims.Exp == nil {
		return nil, ErrContent
	}
	return &Token{
		Issuer: claims.Iss, Subject: claims.Sub, Audience: claims.Aud, Expires: seconds(*claims.Exp),
		NotBefore: seconds(claims.Nbf), IssuedAt: seconds(claims.Iat),
		algorithm: header.Alg, keyID: header.Kid, signed: []byte(parts[0] + "." + parts[1]), signature: decoded[2],
	}, nil
}

// audience is a text or a list of texts.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// seconds is a NumericDate of RFC 7519, in whole seconds; zero for 0.
func seconds(unix float64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(int64(unix), 0).UTC()
}

// Verify says whether a key of the set has signed the token: the one that the token names, or any if it names none.
// It fails with ErrSignature.
func (t *Token) Verify(keys KeySet) error {
	digest := sha256.Sum256(t.signed)
	for _, k := range keys.keys {
		if (t.keyID == "" || t.keyID == k.id) && t.algorithm == k.algorithm && k.verify(digest[:], t.signature) {
			return nil
		}
	}
	return ErrSignature
}
