// Package oidctest signs tokens for tests, as the issuer of a cluster does.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
)

// Issuer has an RSA key, with the ID "rsa", and a P-256 key, with the ID "ec".
type Issuer struct {
	tb  testing.TB
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

// New makes an issuer with new keys.
func New(tb testing.TB) *Issuer {
	tb.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return &Issuer{tb, rsaKey, ecKey}
}

// JWKS are the public keys.
func (i *Issuer) JWKS() []byte {
	i.tb.Helper()
	point, err := i.ec.PublicKey.Bytes()
	if err != nil {
		i.tb.Fatal(err)
	}
	return i.json(map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": encode(i.rsa.N.Bytes()), "e": encode(big.NewInt(int64(i.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "ec", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])},
	}})
}

// Token signs claims by the algorithm that the header names, RS256 or ES256. Any other is signed as RS256.
func (i *Issuer) Token(header, claims map[string]any) string {
	i.tb.Helper()
	signed := encode(i.json(header)) + "." + encode(i.json(claims))
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	if header["alg"] == "ES256" {
		r, s, err := ecdsa.Sign(rand.Reader, i.ec, digest[:])
		if err != nil {
			i.tb.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	} else {
		var err error
		if signature, err = rsa.SignPKCS1v15(nil, i.rsa, crypto.SHA256, digest[:]); err != nil {
			i.tb.Fatal(err)
		}
	}
	return signed + "." + encode(signature)
}

func (i *Issuer) json(value any) []byte {
	i.tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		i.tb.Fatal(err)
	}
	return text
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
