// Package oidc verifies the tokens of OpenID Connect providers, with the standard library's cryptography only. It
// knows the algorithms RS256 and ES256, which clusters of Kubernetes sign with.
package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// The algorithms that tokens may be signed with.
const (
	RS256 = "RS256"
	ES256 = "ES256"
)

// maxExponent is the largest public exponent of an RSA key that is taken.
const maxExponent = 1<<31 - 1

// KeySet are the public keys of a provider. The zero value has none, and verifies nothing.
type KeySet struct{ keys []key }

// key is a public key, which verifies one algorithm: a token must not choose how a key is used.
type key struct {
	id, algorithm string
	verify        func(digest, signature []byte) bool
}

// ParseKeys reads a JSON Web Key Set. It fails if the text is none, has no key, or one that is not RSA or P-256.
func ParseKeys(jwks []byte) (KeySet, error) {
	var wire struct {
		Keys []struct{ Kty, Kid, Crv, N, E, X, Y string }
	}
	if err := json.Unmarshal(jwks, &wire); err != nil {
		return KeySet{}, fmt.Errorf("a JSON Web Key Set is wanted: %w", err)
	}
	if len(wire.Keys) == 0 {
		return KeySet{}, errors.New("the key set is empty; give at least one key")
	}
	var set KeySet
	for _, k := range wire.Keys {
		read := key{id: k.Kid}
		var err error
		switch {
		case k.Kty == "RSA":
			read.algorithm = RS256
			read.verify, err = rsaKey(k.N, k.E)
		case k.Kty == "EC" && k.Crv == "P-256":
			read.algorithm = ES256
			read.verify, err = ecKey(k.X, k.Y)
		default:
			err = fmt.Errorf("kty %q and crv %q are not supported; use RSA, or EC with P-256", k.Kty, k.Crv)
		}
		if err != nil {
			return KeySet{}, fmt.Errorf("key %q: %w", k.Kid, err)
		}
		set.keys = append(set.keys, read)
	}
	return set, nil
}

func rsaKey(n, e string) (verify func(digest, signature []byte) bool, err error) {
	modulus, nErr := base64.RawURLEncoding.DecodeString(n)
	exponent, eErr := base64.RawURLEncoding.DecodeString(e)
	value := new(big.Int).SetBytes(exponent)
	if nErr != nil || eErr != nil || len(modulus) == 0 || !value.IsInt64() || value.Int64() < 3 || value.Int64() > maxExponent {
		return nil, errors.New("n or e is not the number of an RSA key in base64url")
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(value.Int64())}
	return func(digest, signature []byte) bool {
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
	}, nil
}

func ecKey(x, y string) (verify func(digest, signature []byte) bool, err error) {
	point := []byte{4}
	for _, text := range []string{x, y} {
		coordinate, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("x or y is not base64url")
		}
		point = append(point, coordinate...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errors.New("x and y are no point of P-256")
	}
	return func(digest, signature []byte) bool {
		if len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest, r, s)
	}, nil
}
