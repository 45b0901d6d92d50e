package emulator

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/signature"
)

const (
	// clockTolerance is how far a request's timestamp may be from the gateway's clock, either way.
	clockTolerance = 15 * time.Minute
	// nonceMemory is how long a nonce is remembered at least: a request is valid for no longer.
	nonceMemory = 2 * clockTolerance
	// sessionMemory is how long an expired session is remembered, so that whoever comes late with it learns that it has
	// expired. The vendor sees that in the token itself.
	sessionMemory = time.Hour
)

// AccessKey is a pair that may sign requests, and whoever it speaks for. It is plain data: encoded as JSON, secret and
// all, and decoded again, it is the same.
type AccessKey struct {
	ID     string
	Secret string
	// AccountID is the account that calls are counted against; empty is DefaultAccountID.
	AccountID string
	// SecurityToken, if set, must accompany every request, as with temporary credentials.
	SecurityToken string
	// ExpiresAt ends temporary credentials; zero is never.
	ExpiresAt time.Time
	// Disabled refuses the key with InvalidAccessKeyId.Inactive.
	Disabled bool
	// UserName is the RAM user that the key belongs to. Empty is the account itself; with Policies, it is the ID.
	UserName string
	// Policies are what the key may do. Nil is everything, as its account's owner may, and an empty list nothing.
	Policies []ram.Policy
	// SessionPolicy, if set, must allow as well what Policies allow: the parameter Policy of AssumeRole.
	SessionPolicy *ram.Policy
	// AssumedRole is what AssumeRole gave these credentials for, as acs:ram::{account}:assumed-role/{role}/{session}.
	AssumedRole string
}

// keyring holds the access keys and the nonces seen. It is safe for many goroutines.
type keyring struct {
	mu   sync.Mutex
	keys map[string]AccessKey
	// recent and older are two generations of nonces: forgetting a generation at once costs a call nothing,
	// where looking through all of them would.
	recent, older map[string]struct{}
	recentSince   time.Time
	// crowded is the number of keys from which on sessions are looked through for expired ones.
	crowded int
}

func newKeyring() *keyring {
	return &keyring{keys: map[string]AccessKey{}, recent: map[string]struct{}{}}
}

func (k *keyring) add(key AccessKey) {
	if key.AccountID == "" {
		key.AccountID = DefaultAccountID
	}
	if key.Policies != nil && key.UserName == "" && key.AssumedRole == "" {
		key.UserName = key.ID
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[key.ID] = key
}

// addSession is add for temporary credentials, which come without end: those that nobody can use go. They are looked
// through when there are twice as many keys as were left the last time, so that a call costs little.
func (k *keyring) addSession(key AccessKey, now time.Time) {
	k.add(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) > k.crowded {
		maps.DeleteFunc(k.keys, func(_ string, key AccessKey) bool { return key.forgotten(now) })
		k.crowded = max(2*len(k.keys), 100)
	}
}

// forgotten says whether the key is a session that expired long ago.
func (k AccessKey) forgotten(now time.Time) bool {
	return k.AssumedRole != "" && !k.ExpiresAt.IsZero() && now.Sub(k.ExpiresAt) > sessionMemory
}

func (k *keyring) remove(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, id)
}

// hasAccount says whether any key belongs to the account.
func (k *keyring) hasAccount(accountID string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if key.AccountID == accountID {
			return true
		}
	}
	return false
}

// String names the key and not its secret, so that a key printed by accident gives nothing away.
func (k AccessKey) String() string { return "AccessKey(" + k.ID + ")" }

// GoString is String.
func (k AccessKey) GoString() string { return k.String() }

// proof is what a request brings to show who sends it, whichever way it is signed.
type proof struct {
	accessKeyID, securityToken, timestamp, nonce, signature string
	// stringToSign is computed from the request as it arrived.
	stringToSign string
	// sign makes the signature that is expected of the key's secret.
	sign func(secret, stringToSign string) string
}

// authenticate checks a request in the gateway's order: access key, security token, timestamp, nonce,
// signature. The nonce is used up by a request whose signature is right only.
func (k *keyring) authenticate(p proof, now time.Time) (AccessKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, known := k.keys[p.accessKeyID]
	switch {
	case !known:
		return AccessKey{}, refuse("InvalidAccessKeyId.NotFound")
	case key.Disabled:
		return AccessKey{}, refuse("InvalidAccessKeyId.Inactive")
	case key.SecurityToken != "" && p.securityToken == "":
		return AccessKey{}, refuse("MissingSecurityToken")
	case key.SecurityToken != p.securityToken:
		return AccessKey{}, refuse("InvalidSecurityToken.MismatchWithAccessKey")
	case !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
		return AccessKey{}, refuse("InvalidSecurityToken.Expired")
	}
	if err := checkTimestamp(p.timestamp, now); err != nil {
		return AccessKey{}, err
	}
	if now.Sub(k.recentSince) > nonceMemory {
		k.recent, k.older, k.recentSince = map[string]struct{}{}, k.recent, now
	}
	nonce := p.accessKeyID + "\n" + p.nonce
	if k.used(nonce) {
		return AccessKey{}, refuse("SignatureNonceUsed")
	}
	if !signature.Equal(p.sign(key.Secret, p.stringToSign), p.signature) {
		err := refuse("SignatureDoesNotMatch")
		// The vendor's SDKs compare this text with their own, to tell a wrong secret from a wrong computation.
		err.message += " server string to sign is:" + p.stringToSign
		return AccessKey{}, err
	}
	k.recent[nonce] = struct{}{}
	return key, nil
}

// used says whether the nonce was seen. The caller holds k.mu.
func (k *keyring) used(nonce string) bool {
	_, recently := k.recent[nonce]
	_, before := k.older[nonce]
	return recently || before
}

func checkTimestamp(timestamp string, now time.Time) error {
	at, err := time.Parse(time.RFC3339, timestamp)
	if err != nil || !strings.HasSuffix(timestamp, "Z") {
		return refuse("InvalidTimeStamp.Format")
	}
	if now.Sub(at).Abs() > clockTolerance {
		return refuse("InvalidTimeStamp.Expired")
	}
	return nil
}

// readProof reads whichever signature the request has. The emulator knows no bearer tokens, and of the vendor's
// algorithms not SM3, RSA, HMAC-SHA256 in the RPC style, nor ACS4; those are refused by name, not as wrong signatures.
func readProof(r *http.Request, parameters url.Values, body []byte) (proof, error) {
	algorithm, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := firstOf(parameters.Get("SignatureType"), parameters.Get("BearerToken"),
		r.Header.Get("x-acs-signature-type"), r.Header.Get("x-acs-bearer-token"))
	switch {
	case bearer != "" || algorithm != "" && algorithm != signature.ACS3Algorithm:
		return proof{}, unknownSignature()
	case algorithm != "":
		return acs3Proof(r, body)
	}
	return rpcProof(r.Method, parameters)
}

func unknownSignature() error {
	return refuseSaying("InvalidSignatureMethod", "Specified signature method is not valid: the emulator verifies "+
		"HMAC-SHA1 with SignatureVersion 1.0 and "+signature.ACS3Algorithm+", and takes no bearer tokens.")
}

// rpcProof reads the RPC signature out of the parameters of the query and a form body.
func rpcProof(method string, parameters url.Values) (proof, error) {
	for _, required := range []struct{ name, code string }{
		{"AccessKeyId", "MissingAccessKeyId"},
		{"Signature", "IncompleteSignature"},
		{"Timestamp", "MissingTimestamp"},
		{"SignatureNonce", "MissingSignatureNonce"},
	} {
		if parameters.Get(required.name) == "" {
			return proof{}, refuse(required.code)
		}
	}
	if parameters.Get("SignatureMethod") != "HMAC-SHA1" || parameters.Get("SignatureVersion") != "1.0" {
		return proof{}, unknownSignature()
	}
	return proof{
		accessKeyID:   parameters.Get("AccessKeyId"),
		securityToken: parameters.Get("SecurityToken"),
		timestamp:     parameters.Get("Timestamp"),
		nonce:         parameters.Get("SignatureNonce"),
		signature:     parameters.Get("Signature"),
		stringToSign:  signature.RPCStringToSign(method, parameters),
		sign:          signature.RPC,
	}, nil
}

// acs3Required are the headers without which an ACS3 signature would protect nothing.
var acs3Required = []string{
	"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256",
}

// acs3Proof reads the ACS3 signature out of the headers.
func acs3Proof(r *http.Request, body []byte) (proof, error) {
	authorization, err := signature.ParseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return proof{}, refuse("IncompleteSignature")
	}
	for _, name := range acs3Required {
		if !authorization.Signs(name) {
			return proof{}, refuse("IncompleteSignature")
		}
	}
	if r.Header.Get("x-acs-signature-nonce") == "" {
		return proof{}, refuse("MissingSignatureNonce")
	}
	request := signature.ACS3Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Host: r.Host, Header: r.Header,
		SignedHeaders: authorization.SignedHeaders, Body: body,
	}
	return proof{
		accessKeyID:   authorization.AccessKeyID,
		securityToken: r.Header.Get("x-acs-security-token"),
		timestamp:     r.Header.Get("x-acs-date"),
		nonce:         r.Header.Get("x-acs-signature-nonce"),
		signature:     authorization.Signature,
		stringToSign:  request.StringToSign(),
		sign:          signature.ACS3,
	}, nil
}
