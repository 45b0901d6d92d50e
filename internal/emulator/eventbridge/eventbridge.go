// Package eventbridge does what EventBridge does with an event for an HTTP target: it signs requests, with a key and a
// certificate of its own, and sends them at least once.
//
// Sources: "Signature algorithm" of EventBridge's documentation, in its older and its current edition, and the vendor's
// sample code where that differs; "Retry policies and dead-letter queues".
package eventbridge

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	keyBits     = 2048
	secretBytes = 16
	serialBits  = 120
	// validity is as long as the vendor's certificates are good for, about.
	validity = 365 * 24 * time.Hour
)

// Signer has the private key of a certificate.
type Signer struct {
	key *rsa.PrivateKey
	pem []byte
}

// NewSigner makes a key and a certificate for it that is valid for a year, from a day ago.
func NewSigner(now time.Time) (*Signer, error) {
	return NewSignerFor(now.Add(-24*time.Hour), now.Add(validity), keyBits)
}

// NewSignerFor makes a key of so many bits and a certificate with these dates.
func NewSignerFor(notBefore, notAfter time.Time, bits int) (*Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "eventbridge.emulator"},
		NotBefore: notBefore, NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &Signer{key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

// Certificate is the certificate in PEM.
func (s *Signer) Certificate() []byte { return s.pem }

// Request is what a signature covers.
type Request struct {
	// URL is the target's, as it is configured.
	URL string
	// CertificateURL is where the receiver finds the certificate.
	CertificateURL string
	// Token is the target's; empty if it has none.
	Token string
	// At is when the request is signed.
	At   time.Time
	Body []byte
}

// Variant is how the signed text is spelled where documentation and sample code differ. The zero value is documented.
type Variant struct {
	// NewlineAfterBody is what the sample code of both forms does.
	NewlineAfterBody bool
	// NoTokenLine is what the sample code of the current form does.
	NoTokenLine bool
}

// Variants are all of them.
var Variants = []Variant{{}, {NewlineAfterBody: true}, {NoTokenLine: true}, {NewlineAfterBody: true, NoTokenLine: true}}

// SignRSA sets the headers of the current form: RSA with SHA-256.
func (s *Signer) SignRSA(header http.Header, r Request, v Variant) error {
	const algorithm = "SHA256"
	digest := sha256.Sum256(r.text("x-eventbridge-hash-method", algorithm, v))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	r.setCommon(header)
	header.Set("x-eventbridge-hash-method", algorithm)
	header.Set("x-eventbridge-signature-v2", base64.StdEncoding.EncodeToString(signature))
	return nil
}

// SignHMAC sets the headers of the older form: HMAC-SHA1 under a secret that is encrypted with the private key.
func (s *Signer) SignHMAC(header http.Header, r Request, v Variant) error {
	secret := []byte(rand.Text()[:secretBytes])
	encrypted, err := s.EncryptWithPrivateKey(secret)
	if err != nil {
		return err
	}
	s.SignHMACWith(header, r, v, secret, encrypted)
	return nil
}

// SignHMACWith does with a secret that was used before, as a forger does who has received one: he needs no key.
func (*Signer) SignHMACWith(header http.Header, r Request, v Variant, secret, encrypted []byte) {
	const algorithm = "HMAC-SHA1"
	mac := hmac.New(sha1.New, secret)
	mac.Write(r.text("x-eventbridge-signature-method", algorithm, v))
	r.setCommon(header)
	header.Set("x-eventbridge-signature-method", algorithm)
	header.Set("x-eventbridge-signature-secret", base64.StdEncoding.EncodeToString(encrypted))
	header.Set("x-eventbridge-signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// EncryptWithPrivateKey is RSA with the private key and PKCS #1 v1.5 padding of block type 1, which is a signature of bytes
// that are no digest.
func (s *Signer) EncryptWithPrivateKey(secret []byte) ([]byte, error) {
	encrypted, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.Hash(0), secret)
	if err != nil {
		return nil, fmt.Errorf("encrypting a secret: %w", err)
	}
	return encrypted, nil
}

func (r Request) timestamp() string { return strconv.FormatInt(r.At.UnixMilli(), 10) }

func (r Request) text(algorithmHeader, algorithm string, v Variant) []byte {
	lines := []string{
		r.URL,
		"x-eventbridge-signature-timestamp: " + r.timestamp(),
		algorithmHeader + ": " + algorithm,
		"x-eventbridge-signature-version: 1.0",
		"x-eventbridge-signature-url: " + r.CertificateURL,
	}
	if r.Token != "" && !v.NoTokenLine {
		lines = append(lines, "x-eventbridge-signature-token: "+r.Token)
	}
	text := append([]byte(strings.Join(lines, "\n")+"\n"), r.Body...)
	if v.NewlineAfterBody {
		text = append(text, '\n')
	}
	return text
}

func (r Request) setCommon(header http.Header) {
	header.Set("x-eventbridge-signature-timestamp", r.timestamp())
	header.Set("x-eventbridge-signature-version", "1.0")
	header.Set("x-eventbridge-signature-url", r.CertificateURL)
	if r.Token != "" {
		header.Set("x-eventbridge-signature-token", r.Token)
	}
}
