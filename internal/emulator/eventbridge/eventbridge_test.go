package eventbridge_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

var at = time.UnixMilli(1612167546574)

func newSigner(t *testing.T) (*eventbridge.Signer, *x509.Certificate) {
	t.Helper()
	signer, err := eventbridge.NewSigner(at)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(signer.Certificate())
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatalf("no certificate in PEM: %s", signer.Certificate())
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return signer, certificate
}

func request(token string) eventbridge.Request {
	return eventbridge.Request{
		URL: "https://h/p?q=1", CertificateURL: "https://c/x.pem", Token: token, At: at, Body: []byte("{}"),
	}
}

func decoded(t *testing.T, header http.Header, name string) []byte {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(header.Get(name))
	if err != nil || len(text) == 0 {
		t.Fatalf("%s: %q", name, header.Get(name))
	}
	return text
}

// The signed texts, letter by letter as they are documented and as the vendor's samples write them.
func TestSignedTexts(t *testing.T) {
	signer, certificate := newSigner(t)
	key := certificate.PublicKey.(*rsa.PublicKey)
	const (
		common  = "x-eventbridge-signature-version: 1.0\nx-eventbridge-signature-url: https://c/x.pem\n"
		started = "https://h/p?q=1\nx-eventbridge-signature-timestamp: 1612167546574\n"
		withRSA = started + "x-eventbridge-hash-method: SHA256\n" + common
		withMAC = started + "x-eventbridge-signature-method: HMAC-SHA1\n" + common
		line    = "x-eventbridge-signature-token: T\n"
	)
	tests := []struct {
		name    string
		token   string
		variant eventbridge.Variant
		after   string
	}{
		{"as documented", "T", eventbridge.Variant{}, line + "{}"},
		{"as documented, without a token", "", eventbridge.Variant{}, "{}"},
		{"as the older sample", "T", eventbridge.Variant{NewlineAfterBody: true}, line + "{}\n"},
		{"as the current sample", "T", eventbridge.Variant{NewlineAfterBody: true, NoTokenLine: true}, "{}\n"},
		{"the fourth", "T", eventbridge.Variant{NoTokenLine: true}, "{}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if err := signer.SignRSA(header, request(tt.token), tt.variant); err != nil {
				t.Fatal(err)
			}
			digest := sha256.Sum256([]byte(withRSA + tt.after))
			if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], decoded(t, header, "x-eventbridge-signature-v2")); err != nil {
				t.Errorf("RSA: another text is signed: %v", err)
			}
			header = http.Header{}
			if err := signer.SignHMAC(header, request(tt.token), tt.variant); err != nil {
				t.Fatal(err)
			}
			// 00 01 FF … FF 00 and the secret.
			block := new(big.Int).SetBytes(decoded(t, header, "x-eventbridge-signature-secret"))
			padded := block.Exp(block, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
			padding, secret, _ := bytes.Cut(padded[2:], []byte{0})
			if padded[0] != 0 || padded[1] != 1 || len(bytes.Trim(padding, "\xff")) != 0 || len(secret) != 16 {
				t.Fatalf("the secret is padded as %x", padded)
			}
			mac := hmac.New(sha1.New, secret)
			mac.Write([]byte(withMAC + tt.after))
			if !hmac.Equal(mac.Sum(nil), decoded(t, header, "x-eventbridge-signature")) {
				t.Error("HMAC: another text is signed")
			}
			if got := header.Get("x-eventbridge-signature-token"); got != tt.token {
				t.Errorf("token %q", got)
			}
		})
	}
}

func TestTheCertificateIsValidForAYear(t *testing.T) {
	_, certificate := newSigner(t)
	if from, to := at.Sub(certificate.NotBefore), certificate.NotAfter.Sub(at); from < 0 || to < 364*24*time.Hour {
		t.Errorf("valid from %s to %s", certificate.NotBefore, certificate.NotAfter)
	}
	if bits := certificate.PublicKey.(*rsa.PublicKey).N.BitLen(); bits != 2048 {
		t.Errorf("%d bits", bits)
	}
}
