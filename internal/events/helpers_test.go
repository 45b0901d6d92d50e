package events_test

import (
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	publicURL      = "https://events.example.com/eventbridge?rule=runs"
	certificateURL = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_1.pem"
	token          = "the-token-of-the-target"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// Keys take a while to make, so the tests share them.
var (
	vendor   = newSigner(start.AddDate(0, 0, -1), start.AddDate(1, 0, 0), 2048)
	stranger = newSigner(start.AddDate(0, 0, -1), start.AddDate(1, 0, 0), 2048)
	shortKey = newSigner(start.AddDate(0, 0, -1), start.AddDate(1, 0, 0), 1024)
)

func newSigner(notBefore, notAfter time.Time, bits int) func() *eventbridge.Signer {
	return sync.OnceValue(func() *eventbridge.Signer {
		signer, err := eventbridge.NewSignerFor(notBefore, notAfter, bits)
		if err != nil {
			panic(err)
		}
		return signer
	})
}

// internet answers whatever is fetched, or fails. It counts what is asked for.
type internet struct {
	mu     sync.Mutex
	asked  int
	answer http.HandlerFunc
	err    error
}

func serving(status int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

func (i *internet) RoundTrip(request *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.asked++
	answer, err := i.answer, i.err
	i.mu.Unlock()
	if err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	answer(recorder, request)
	return recorder.Result(), request.Context().Err()
}

// change is what is answered from now on.
func (i *internet) change(answer http.HandlerFunc, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer, i.err = answer, err
}

func (i *internet) calls() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

func newStore(tb testing.TB, clock *clocktesting.FakePassiveClock, transport http.RoundTripper) *events.CertificateStore {
	tb.Helper()
	store, err := events.NewCertificateStore(events.CertificateStoreOptions{
		RegionIDs: []string{"cn-hangzhou", "ap-southeast-1"}, Clock: clock, Transport: transport,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// reasonOf is why err refuses; "" if there is no error, and the error's text if it is no refusal.
func reasonOf(err error) events.Reason {
	var refusal *events.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Reason
	}
	return events.Reason(err.Error())
}

func sameKey(a, b *rsa.PublicKey) bool { return a != nil && b != nil && a.Equal(b) }
