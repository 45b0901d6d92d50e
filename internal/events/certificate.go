package events

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	maxCertificateBytes = 64 << 10
	minKeyBits          = 2048
	maxKeyBits          = 8192
)

// certificate is a certificate with a key that signatures may be verified with, while it is valid.
type certificate struct {
	key                 *rsa.PublicKey
	notBefore, notAfter time.Time
	// fingerprint is the SHA-256 of the key, as it stands in the certificate.
	fingerprint string
}

// readCertificate reads the first certificate of a PEM text.
func readCertificate(text []byte) (*certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it does not begin with a certificate in PEM")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("its certificate cannot be parsed")
	}
	key, ok := parsed.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, errors.New("its key is not for RSA")
	case key.N.BitLen() < minKeyBits || key.N.BitLen() > maxKeyBits:
		return nil, fmt.Errorf("its key has %d bits, which is not between %d and %d", key.N.BitLen(), minKeyBits, maxKeyBits)
	}
	sum := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	return &certificate{
		key: key, notBefore: parsed.NotBefore, notAfter: parsed.NotAfter, fingerprint: hex.EncodeToString(sum[:]),
	}, nil
}

// check fails unless the certificate is valid at this time.
func (c *certificate) check(now time.Time) error {
	switch {
	case now.Before(c.notBefore):
		return fmt.Errorf("it is valid from %s on only", c.notBefore.UTC().Format(time.RFC3339))
	case now.After(c.notAfter):
		return fmt.Errorf("it was valid until %s", c.notAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// CertificateFile takes the certificate from a file, whatever URL a request names, and asks nobody. A file that has changed
// is read again; while what stands in it is of no use, nothing is verified.
type CertificateFile struct {
	path  string
	clock clock.PassiveClock

	mu   sync.Mutex
	seen os.FileInfo
	read *certificate
}

// NewCertificateFile does not read the file yet: it may come later.
func NewCertificateFile(path string, clock clock.PassiveClock) *CertificateFile {
	return &CertificateFile{path: path, clock: clock}
}

// Check takes every URL.
func (*CertificateFile) Check(string) error { return nil }

// Key is the key of the certificate in the file.
func (f *CertificateFile) Key(context.Context, string) (*rsa.PublicKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); err != nil {
		f.seen = nil
		return nil, fmt.Errorf("the file with EventBridge's certificate: %w", err)
	}
	if err := f.read.check(f.clock.Now()); err != nil {
		return nil, fmt.Errorf("the file with EventBridge's certificate: %w", err)
	}
	return f.read.key, nil
}

func (f *CertificateFile) refresh() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		return nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxCertificateBytes))
	if err != nil {
		return err
	}
	if f.read, err = readCertificate(text); err != nil {
		return err
	}
	f.seen = info
	return nil
}
