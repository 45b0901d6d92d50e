package events_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

func TestACertificateFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eventbridge.pem")
	clock := clocktesting.NewFakePassiveClock(start)
	file := events.NewCertificateFile(path, clock)
	// As a mounted Secret is changed: another file takes the name.
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	check := func(step string, want *rsa.PublicKey) {
		t.Helper()
		for range 2 {
			key, err := file.Key(t.Context(), "anything")
			if (err != nil) != (want == nil) || want != nil && !sameKey(key, want) {
				t.Errorf("%s: key %v (%v)", step, key != nil, err)
			}
		}
	}
	if err := file.Check("anything"); err != nil {
		t.Errorf("a URL is refused though it is not used: %v", err)
	}
	check("no file", nil)
	write(vendor().Certificate())
	check("a file", keyOf(t, vendor().Certificate()))
	write(stranger().Certificate())
	check("another file", keyOf(t, stranger().Certificate()))
	write([]byte("soon"))
	check("a file that is no certificate", nil)
	if err := os.Rename(path, path+".bad"); err != nil {
		t.Fatal(err)
	}
	write(vendor().Certificate())
	check("another one", keyOf(t, vendor().Certificate()))
	if err := os.Link(path, path+".good"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".bad", path); err != nil {
		t.Fatal(err)
	}
	check("the bad one again", nil)
	if err := os.Rename(path+".good", path); err != nil {
		t.Fatal(err)
	}
	check("the good one again, the very same", keyOf(t, vendor().Certificate()))
	write(shortKey().Certificate())
	check("a short key", nil)
	write(vendor().Certificate())
	check("mended", keyOf(t, vendor().Certificate()))
	clock.SetTime(start.AddDate(2, 0, 0))
	check("two years later", nil)
	clock.SetTime(start)
	check("back", keyOf(t, vendor().Certificate()))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("removed", nil)
}

// A file may also be written anew as it is. What tells that then is its time, or its size.
func TestACertificateFileIsReadAgainWhenItIsWrittenInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eventbridge.pem")
	file := events.NewCertificateFile(path, clocktesting.NewFakePassiveClock(start))
	for n, step := range []struct {
		name string
		text []byte
		size int
		at   time.Time
	}{
		{"the first", vendor().Certificate(), 4096, start},
		{"another one of this size", stranger().Certificate(), 4096, start.Add(time.Second)},
		{"another one of this time", vendor().Certificate(), 4097, start.Add(time.Second)},
	} {
		text := append(bytes.Clone(step.text), bytes.Repeat([]byte{'\n'}, step.size-len(step.text))...)
		if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chtimes(path, step.at, step.at)); err != nil {
			t.Fatal(err)
		}
		if key, err := file.Key(t.Context(), "anything"); err != nil || !sameKey(key, keyOf(t, step.text)) {
			t.Errorf("step %d, %s: it is not read: %v", n, step.name, err)
		}
	}
}

// A key that is too short proves little, and one that is too long keeps whoever verifies with it busy.
func TestTheLengthsOfKeysThatAreTaken(t *testing.T) {
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for bits, taken := range map[int]bool{2047: false, 2048: true, 8192: true, 8193: false, 16384: false} {
		// No key of that length has to be found: nothing is signed with it.
		modulus := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		key := &rsa.PublicKey{N: modulus.Add(modulus, big.NewInt(1)), E: 65537}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start.AddDate(0, 0, -1), NotAfter: start.AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key, issuer)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "eventbridge.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := events.NewCertificateFile(path, clocktesting.NewFakePassiveClock(start)).Key(t.Context(), certificateURL)
		switch {
		case taken && (err != nil || !sameKey(got, key)):
			t.Errorf("a key of %d bits is refused: %v", bits, err)
		case !taken && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d bits", bits))):
			t.Errorf("a key of %d bits is taken, or refused for another reason: %v", bits, err)
		}
	}
}

func ecdsaCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start.AddDate(0, 0, -1), NotAfter: start.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// A certificate that is not fit to verify with is none, and neither is what is something else.
func TestUnfitCertificates(t *testing.T) {
	redirect := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/elsewhere") {
			_, _ = w.Write(vendor().Certificate())
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}
	block, _ := pem.Decode(vendor().Certificate())
	expired := newSigner(start.AddDate(-1, 0, 0), start.Add(-time.Second), 2048)().Certificate()
	early := newSigner(start.Add(time.Second), start.AddDate(1, 0, 0), 2048)().Certificate()
	const unavailable = events.ReasonCertificateUnavailable
	tests := []struct {
		name   string
		answer http.HandlerFunc
		err    error
		want   events.Reason
	}{
		{name: "fit", answer: serving(http.StatusOK, vendor().Certificate())},
		{name: "not valid any more", answer: serving(http.StatusOK, expired), want: events.ReasonCertificate},
		{name: "not valid yet", answer: serving(http.StatusOK, early), want: events.ReasonCertificate},
		{name: "a short key", answer: serving(http.StatusOK, shortKey().Certificate()), want: events.ReasonCertificate},
		{name: "a key that is not RSA", answer: serving(http.StatusOK, ecdsaCertificate(t)), want: events.ReasonCertificate},
		{name: "a bare key", answer: serving(http.StatusOK, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: block.Bytes})), want: events.ReasonCertificate},
		{name: "no PEM", answer: serving(http.StatusOK, block.Bytes), want: events.ReasonCertificate},
		{name: "cut off", answer: serving(http.StatusOK, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes[:50]})), want: events.ReasonCertificate},
		{name: "empty", answer: serving(http.StatusOK, nil), want: events.ReasonCertificate},
		{name: "endless", answer: serving(http.StatusOK, append(vendor().Certificate(), make([]byte, 64<<10)...)), want: events.ReasonCertificate},
		{name: "elsewhere", answer: redirect, want: events.ReasonCertificate},
		{name: "not there", answer: serving(http.StatusNotFound, vendor().Certificate()), want: events.ReasonCertificate},
		{name: "a server that fails", answer: serving(http.StatusBadGateway, nil), want: unavailable},
		{name: "a server that is busy", answer: serving(http.StatusTooManyRequests, nil), want: unavailable},
		{name: "no connection", err: errors.New("no route to host"), want: unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			network := &internet{answer: tt.answer, err: tt.err}
			fetched := []bool{}
			store, err := events.NewCertificateStore(events.CertificateStoreOptions{
				RegionIDs: []string{"cn-hangzhou"}, Clock: clocktesting.NewFakePassiveClock(start), Transport: network,
				Fetched: func(ok bool) { fetched = append(fetched, ok) },
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				key, err := store.Key(t.Context(), certificateURL)
				got := reasonOf(err)
				if !errors.As(err, new(*events.Refusal)) && err != nil {
					got = unavailable
				}
				if got != tt.want || err == nil && !sameKey(key, keyOf(t, vendor().Certificate())) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				if err != nil && (key != nil || strings.Contains(err.Error(), "x509_public")) {
					t.Errorf("a key, or what the request says, comes with the error %v", err)
				}
			}
			if network.calls() != 1 || !slices.Equal(fetched, []bool{tt.want == ""}) {
				t.Errorf("%d fetches, told %v, want one", network.calls(), fetched)
			}
		})
	}
}
