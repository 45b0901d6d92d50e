package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ACS3Algorithm is the algorithm's name, the first word of its Authorization header.
const ACS3Algorithm = "ACS3-HMAC-SHA256"

// Authorization is what an ACS3 Authorization header says.
type Authorization struct {
	AccessKeyID string
	// SignedHeaders are lower-case names in the order in which the client declared them.
	SignedHeaders []string
	// Signature is lower-case hexadecimal.
	Signature string
}

var errAuthorization = errors.New("the Authorization header is not of the form " +
	"\"ACS3-HMAC-SHA256 Credential=<access key>,SignedHeaders=<names>,Signature=<hex>\"")

// ParseAuthorization reads an Authorization header of the ACS3 scheme. Spaces after the commas are accepted.
// The error never quotes the header.
func ParseAuthorization(header string) (Authorization, error) {
	algorithm, rest, found := strings.Cut(header, " ")
	if !found || algorithm != ACS3Algorithm {
		return Authorization{}, errAuthorization
	}
	var a Authorization
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			a.AccessKeyID = value
		case "SignedHeaders":
			a.SignedHeaders = strings.Split(value, ";")
		case "Signature":
			a.Signature = value
		}
	}
	if a.AccessKeyID == "" || len(a.SignedHeaders) == 0 || a.Signature == "" {
		return Authorization{}, errAuthorization
	}
	return a, nil
}

// Signs says whether the header of this lower-case name is covered by the signature.
func (a Authorization) Signs(name string) bool {
	return slices.Contains(a.SignedHeaders, name)
}

// ACS3Request is the part of an HTTP request that an ACS3 signature covers.
type ACS3Request struct {
	Method string
	Path   string
	Query  url.Values
	// Host is the Host header, with a port that is not the scheme's own.
	Host          string
	Header        http.Header
	SignedHeaders []string
	Body          []byte
}

// CanonicalRequest is the request in the form that is hashed and signed.
func (r ACS3Request) CanonicalRequest() string {
	names := slices.Sorted(slices.Values(r.SignedHeaders))
	var headers strings.Builder
	for _, name := range names {
		value := r.Host
		if name != "host" {
			value = strings.Join(r.Header.Values(name), ",")
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	return strings.Join([]string{
		r.Method, r.Path, Canonical(r.Query), headers.String(), strings.Join(names, ";"), HashHex(r.Body),
	}, "\n")
}

// StringToSign is the text that the signature covers.
func (r ACS3Request) StringToSign() string {
	return ACS3Algorithm + "\n" + HashHex([]byte(r.CanonicalRequest()))
}

// ACS3 is the hexadecimal HMAC-SHA256 of stringToSign under the bare secret.
func ACS3(secret, stringToSign string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stringToSign))
	return hex.EncodeToString(mac.Sum(nil))
}

// HashHex is the hexadecimal SHA-256 of data, as the header x-acs-content-sha256 carries it.
func HashHex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
