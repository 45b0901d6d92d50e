// Package signature computes the two signatures that Alibaba Cloud's gateway accepts: the RPC one
// (HMAC-SHA1, version 1.0) and ACS3-HMAC-SHA256. It is pure: it reads no clock and knows no access key.
//
// Sources: "Request syntax and signature method V2 for RPC API" and "V3 request body and signature" of the
// vendor's documentation, whose test vectors are the tests of this package.
package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// Escape percent-encodes s as RFC 3986 does: everything but A-Z a-z 0-9 - _ . ~, and a space as %20.
func Escape(s string) string {
	// QueryEscape differs in three places only: it makes a space "+", and it leaves nothing else that
	// RFC 3986 reserves, so "*" and "~" need no care.
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// Canonical joins parameters as both signatures want them: sorted by key in byte order, key and value
// escaped, of a repeated key the first value.
func Canonical(parameters url.Values) string {
	keys := make([]string, 0, len(parameters))
	for key := range parameters {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(Escape(key) + "=" + Escape(parameters.Get(key)))
	}
	return b.String()
}

// RPCStringToSign is the text that the RPC signature covers: parameters are those of the query and of a form
// body together, empty ones included; Signature itself is left out.
func RPCStringToSign(method string, parameters url.Values) string {
	signed := make(url.Values, len(parameters))
	for key, values := range parameters {
		if key != "Signature" {
			signed[key] = values
		}
	}
	return method + "&" + Escape("/") + "&" + Escape(Canonical(signed))
}

// RPC is the Base64 HMAC-SHA1 of stringToSign. The key is the secret with an "&" behind it.
func RPC(secret, stringToSign string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(stringToSign))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Equal compares two signatures in constant time.
func Equal(a, b string) bool {
	return hmac.Equal([]byte(a), []byte(b))
}
