package events

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"k8s.io/utils/clock"
)

// Window is how old a signature may be, and how far ahead of our clock.
const Window = time.Minute

// The headers of a signature. The names in the signed text are these, in lower case.
const (
	headerTimestamp      = "x-eventbridge-signature-timestamp"
	headerVersion        = "x-eventbridge-signature-version"
	headerCertificateURL = "x-eventbridge-signature-url"
	headerToken          = "x-eventbridge-signature-token"

	headerRSA  = "x-eventbridge-signature-v2"
	headerHash = "x-eventbridge-hash-method"

	headerHMAC   = "x-eventbridge-signature"
	headerMethod = "x-eventbridge-signature-method"
	headerSecret = "x-eventbridge-signature-secret"
)

const (
	signatureVersion = "1.0"
	hashSHA256       = "SHA256"
	methodHMAC       = "HMAC-SHA1"
)

// Certificates are where the keys of signatures come from. An error that is no Refusal means that there is none now.
type Certificates interface {
	// Check refuses a URL that no certificate is taken from. It must be quick and ask nobody.
	Check(url string) error
	// Key is the key of the certificate at a URL that Check has passed.
	Key(ctx context.Context, url string) (*rsa.PublicKey, error)
}

// Verifier checks EventBridge's signatures.
type Verifier struct {
	publicURL, token string
	acceptHMAC       bool
	clock            clock.PassiveClock
	certificates     Certificates
}

// VerifierOptions configure a Verifier.
type VerifierOptions struct {
	// PublicURL is the receiver's URL, letter by letter as the rule's target names it.
	PublicURL string
	// Token is what the target is configured with. With an empty one the rules of every customer pass: see the package.
	Token string
	// AcceptHMAC accepts the older signatures too. It wants a Token, because those prove next to nothing: see the package.
	AcceptHMAC bool
	// Clock is what signatures age by.
	Clock clock.PassiveClock
	// Certificates are a CertificateFile or a CertificateStore.
	Certificates Certificates
}

// NewVerifier fails if the options make no sense, and says how they would.
func NewVerifier(o VerifierOptions) (*Verifier, error) {
	parsed, err := url.Parse(o.PublicURL)
	switch {
	case err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http"):
		return nil, errors.New("the public URL of the events receiver must be the one that the EventBridge target posts to, such as https://events.example.com/eventbridge")
	case parsed.User != nil || parsed.Fragment != "":
		return nil, errors.New("the public URL of the events receiver has a user or a fragment: leave them out")
	case o.AcceptHMAC && o.Token == "":
		return nil, errors.New("the older signatures of EventBridge can be forged by anybody who has ever received one: accept them together with a token only")
	case !headerValue(o.Token):
		return nil, errors.New("the token holds a space, a line break or another character that cannot be sent in a header: write it without (echo adds a line break, printf does not)")
	case o.Clock == nil || o.Certificates == nil:
		return nil, errors.New("a verifier needs a clock and certificates")
	}
	return &Verifier{
		publicURL: o.PublicURL, token: o.Token, acceptHMAC: o.AcceptHMAC, clock: o.Clock, certificates: o.Certificates,
	}, nil
}

func headerValue(text string) bool {
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}

// Claim is what the headers of a request claim. Nothing of it is proved yet.
type Claim struct {
	timestamp, algorithm, certificateURL, token string
	hasToken                                    bool
	signature, secret                           []byte
}

// older says whether the claim is of the older form.
func (c *Claim) older() bool { return c.secret != nil }

// Claim reads and judges the headers, as far as that is possible without the body and without asking anybody.
func (v *Verifier) Claim(header http.Header) (*Claim, error) {
	h := headers{header: header}
	c := &Claim{timestamp: h.one(headerTimestamp), certificateURL: h.one(headerCertificateURL)}
	version := h.one(headerVersion)
	c.token, c.hasToken = h.optional(headerToken)
	var wantAlgorithm string
	switch {
	case h.has(headerRSA):
		c.algorithm, wantAlgorithm = h.one(headerHash), hashSHA256
		c.signature = h.base64(headerRSA)
	case h.has(headerHMAC):
		c.algorithm, wantAlgorithm = h.one(headerMethod), methodHMAC
		c.signature, c.secret = h.base64(headerHMAC), h.base64(headerSecret)
	default:
		return nil, refused(ReasonUnsigned)
	}
	switch {
	case h.bad:
		return nil, refused(ReasonUnsigned)
	case version != signatureVersion, c.algorithm != wantAlgorithm, c.older() && !v.acceptHMAC:
		return nil, refused(ReasonUnsupported)
	}
	if err := v.checkAge(c.timestamp); err != nil {
		return nil, err
	}
	if v.token != "" && !equal(c.token, v.token) {
		return nil, refused(ReasonToken)
	}
	if err := v.certificates.Check(c.certificateURL); err != nil {
		return nil, err
	}
	return c, nil
}

// equal takes the same time for all texts that are not equal, however long they are.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// checkAge refuses a timestamp, in milliseconds, that is not within the window.
func (v *Verifier) checkAge(timestamp string) error {
	milliseconds, err := strconv.ParseUint(timestamp, 10, 63)
	if err != nil {
		return refused(ReasonExpired)
	}
	now := v.clock.Now()
	signed := time.UnixMilli(int64(milliseconds))
	if signed.Before(now.Add(-Window)) || signed.After(now.Add(Window)) {
		return refused(ReasonExpired)
	}
	return nil
}

// Verify fails unless the claim holds for these bytes.
func (v *Verifier) Verify(ctx context.Context, c *Claim, body []byte) error {
	key, err := v.certificates.Key(ctx, c.certificateURL)
	if err != nil {
		var refusal *Refusal
		if errors.As(err, &refusal) {
			return err
		}
		return &Refusal{Reason: ReasonCertificateUnavailable, Cause: err}
	}
	check := rsaCheck(key, c.signature)
	if c.older() {
		if check, err = hmacCheck(key, c.secret, c.signature); err != nil {
			return refused(ReasonSignature)
		}
	}
	for _, text := range v.signedTexts(c, body) {
		if check(text) {
			return nil
		}
	}
	return refused(ReasonSignature)
}

func rsaCheck(key *rsa.PublicKey, signature []byte) func([]byte) bool {
	return func(text []byte) bool {
		digest := sha256.Sum256(text)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
}

func hmacCheck(key *rsa.PublicKey, encrypted, signature []byte) (func([]byte) bool, error) {
	secret, err := decryptWithPublicKey(key, encrypted)
	if err != nil {
		return nil, err
	}
	return func(text []byte) bool {
		// SHA-1 is broken where somebody looks for collisions; under HMAC that is of no use to him.
		mac := hmac.New(sha1.New, secret)
		mac.Write(text)
		return hmac.Equal(mac.Sum(nil), signature)
	}, nil
}

// signedTexts are the texts that the sender may have signed, as documented first: the newline after the body and the
// token's line are where the vendor's documentation and code disagree.
func (v *Verifier) signedTexts(c *Claim, body []byte) [][]byte {
	algorithmHeader := headerHash
	if c.older() {
		algorithmHeader = headerMethod
	}
	head := fmt.Sprintf("%s\n%s: %s\n%s: %s\n%s: %s\n%s: %s\n", v.publicURL,
		headerTimestamp, c.timestamp, algorithmHeader, c.algorithm, headerVersion, signatureVersion, headerCertificateURL, c.certificateURL)
	heads := []string{head}
	if c.hasToken {
		heads = []string{head + headerToken + ": " + c.token + "\n", head}
	}
	texts := make([][]byte, 0, 4)
	for _, head := range heads {
		text := append([]byte(head), body...)
		texts = append(texts, text, append(bytes.Clone(text), '\n'))
	}
	return texts
}

var errPadding = errors.New("the secret is not encrypted as PKCS #1 block type 1")

// decryptWithPublicKey undoes an encryption with the private key: PKCS #1 v1.5, block type 1, the padding of signatures. It
// takes no other spelling of a block than the one that encryption writes. All that it handles is public.
func decryptWithPublicKey(key *rsa.PublicKey, encrypted []byte) ([]byte, error) {
	number := new(big.Int).SetBytes(encrypted)
	if len(encrypted) != key.Size() || number.Cmp(key.N) >= 0 {
		return nil, errPadding
	}
	block := new(big.Int).Exp(number, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	const minPadding = 8
	padding, secret, found := bytes.Cut(block[2:], []byte{0})
	if block[0] != 0 || block[1] != 1 || !found || len(padding) < minPadding || len(secret) == 0 {
		return nil, errPadding
	}
	for _, b := range padding {
		if b != 0xff {
			return nil, errPadding
		}
	}
	return secret, nil
}

// headers reads headers that must be there once: of a header that is repeated, sender and receiver may mean another one.
type headers struct {
	header http.Header
	bad    bool
}

func (h *headers) has(name string) bool { return len(h.header.Values(name)) > 0 }

func (h *headers) optional(name string) (string, bool) {
	values := h.header.Values(name)
	if len(values) == 0 {
		return "", false
	}
	h.bad = h.bad || len(values) > 1
	return values[0], true
}

func (h *headers) one(name string) string {
	value, ok := h.optional(name)
	h.bad = h.bad || !ok || value == ""
	return value
}

// base64 has one spelling only of the same bytes.
func (h *headers) base64(name string) []byte {
	decoded, err := base64.StdEncoding.Strict().DecodeString(h.one(name))
	h.bad = h.bad || err != nil || len(decoded) == 0
	return decoded
}
