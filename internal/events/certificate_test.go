package events_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

func keyOf(tb testing.TB, text []byte) *rsa.PublicKey {
	tb.Helper()
	block, _ := pem.Decode(text)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed.PublicKey.(*rsa.PublicKey)
}

func TestCertificatesComeFromTheVendorsHostsOnly(t *testing.T) {
	const host = "cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com"
	good := []string{
		certificateURL,
		"https://" + host + "/a",
		"https://" + host + "/a/b-c_d.pem",
		"https://cn-hangzhou-eventbridge.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate_1.pem",
		"https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
		"https://ap-southeast-1-eventbridge.oss-ap-southeast-1.aliyuncs.com/x.pem",
	}
	bad := []string{
		"",
		"https://",
		"https://" + host,
		"https://" + host + "/",
		"http://" + host + "/x.pem",
		"HTTPS://" + host + "/x.pem",
		"ftp://" + host + "/x.pem",
		"file:///etc/passwd",
		"//" + host + "/x.pem",
		host + "/x.pem",
		"https:" + host + "/x.pem",
		"https:///" + host + "/x.pem",
		`https:\\` + host + `\x.pem`,
		"https://evil.com/" + host,
		"https://evil.com/" + host + "/x.pem",
		"https://" + host + ".evil.com/x.pem",
		"https://evil.com#" + host + "/x.pem",
		"https://evil.com?" + host + "/x.pem",
		`https://evil.com\` + host + "/x.pem",
		"https://evil.com%2f" + host + "/x.pem",
		"https://evil.com%00." + host + "/x.pem",
		"https://" + host + "@evil.com/x.pem",
		"https://user@" + host + "/x.pem",
		"https://user:password@" + host + "/x.pem",
		"https://@" + host + "/x.pem",
		"https://" + host + ":443/x.pem",
		"https://" + host + ":8443/x.pem",
		"https://" + host + ":/x.pem",
		"https://" + host + "./x.pem",
		"https://." + host + "/x.pem",
		"https://x." + host + "/x.pem",
		"https://CN-HANGZHOU-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-accelerate.AliyunCS.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-accelerate.a\u217ciyuncs.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-accelerate.аliyuncs.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-accelerate.xn--liyuncs-3fg.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-accelerate。aliyuncs。com/x.pem",
		"https://evil-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
		"https://cn-shanghai-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-ap-southeast-1.aliyuncs.com/x.pem",
		"https://cn-hangzhou-eventbridge.oss-cn-hangzhou-internal.aliyuncs.com/x.pem",
		"https://evilcn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
		"https://oss-accelerate.aliyuncs.com/cn-hangzhou-eventbridge/x.pem",
		"https://" + host + "/x.pem?y=1",
		"https://" + host + "/x.pem?",
		"https://" + host + "/x.pem#y",
		"https://" + host + "/../x.pem",
		"https://" + host + "/a/../x.pem",
		"https://" + host + "/%2e%2e/x.pem",
		"https://" + host + "//x.pem",
		"https://" + host + "/x.pem\n",
		"https://" + host + "/x.pem\r\nHost: evil.com",
		" https://" + host + "/x.pem",
		"https://" + host + "/x .pem",
		"https://" + host + "/" + strings.Repeat("x", 512),
		"https://10.0.0.1/x.pem",
		"https://[::1]/x.pem",
	}
	network := &internet{answer: serving(http.StatusOK, vendor().Certificate())}
	store := newStore(t, clocktesting.NewFakePassiveClock(start), network)
	for _, url := range bad {
		if got := reasonOf(store.Check(url)); got != events.ReasonCertificateURL {
			t.Errorf("%q is taken for the vendor's (%q)", url, got)
		}
		if _, err := store.Key(t.Context(), url); reasonOf(err) != events.ReasonCertificateURL {
			t.Errorf("a key from %q (%v)", url, err)
		}
	}
	if network.calls() != 0 {
		t.Errorf("%d fetches", network.calls())
	}
	for _, url := range good {
		if err := store.Check(url); err != nil {
			t.Errorf("%q is refused: %v", url, err)
		}
	}
}

// Who waits for a certificate that is slow to come keeps out a few others who have to wait, and nobody whose certificate is known.
func TestFewMayWaitForCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const host = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/"
		release := make(chan struct{})
		network := &internet{answer: func(w http.ResponseWriter, request *http.Request) {
			if request.URL.Path != "/known.pem" {
				<-release
			}
			serving(http.StatusOK, vendor().Certificate())(w, request)
		}}
		store, err := events.NewCertificateStore(events.CertificateStoreOptions{
			RegionIDs: []string{"cn-hangzhou"}, MaxWaiting: 2, Clock: clocktesting.NewFakePassiveClock(start), Transport: network,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Key(t.Context(), host+"known.pem"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			go func() {
				if _, err := store.Key(t.Context(), host+"slow.pem"); err != nil {
					t.Errorf("who has waited: %v", err)
				}
			}()
		}
		synctest.Wait()
		if _, err := store.Key(t.Context(), host+"slow.pem"); err == nil || !strings.Contains(err.Error(), "too many wait") {
			t.Errorf("a third: %v", err)
		}
		if _, err := store.Key(t.Context(), host+"known.pem"); err != nil {
			t.Errorf("one whose certificate is known: %v", err)
		}
		close(release)
		synctest.Wait()
		if _, err := store.Key(t.Context(), host+"slow.pem"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// Where keys are pinned, no other is taken, whatever host its certificate stands at.
func TestOnlyPinnedKeysAreTaken(t *testing.T) {
	const url = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x.pem"
	pinOf := func(text []byte) string {
		der, err := x509.MarshalPKIXPublicKey(keyOf(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(der))
	}
	other := strings.Repeat("0f", 32)
	for name, test := range map[string]struct {
		pins  []string
		taken bool
	}{
		"none":              {nil, true},
		"this one":          {[]string{pinOf(vendor().Certificate())}, true},
		"another, and this": {[]string{other, pinOf(vendor().Certificate())}, true},
		"another":           {[]string{other}, false},
		"a stranger's":      {[]string{pinOf(stranger().Certificate())}, false},
	} {
		store, err := events.NewCertificateStore(events.CertificateStoreOptions{
			RegionIDs: []string{"cn-hangzhou"}, Pins: test.pins, Clock: clocktesting.NewFakePassiveClock(start),
			Transport: &internet{answer: serving(http.StatusOK, vendor().Certificate())},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Key(t.Context(), url)
		if taken := err == nil; taken != test.taken || !taken && reasonOf(err) != events.ReasonCertificate {
			t.Errorf("pinned is %s: %v", name, err)
		}
	}
}

func TestAStoreSaysWhichRegionsItNeeds(t *testing.T) {
	for _, regions := range [][]string{nil, {"cn-hangzhou", ""}, {"evil.com/"}, {"CN-HANGZHOU"}, {"evil"}} {
		if _, err := events.NewCertificateStore(events.CertificateStoreOptions{RegionIDs: regions}); err == nil {
			t.Errorf("%q are taken for regions", regions)
		}
	}
}

func TestACertificateIsKept(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	network := &internet{answer: serving(http.StatusOK, vendor().Certificate())}
	store := newStore(t, clock, network)
	ask := func(after time.Duration, wantCalls int, want *rsa.PublicKey) {
		t.Helper()
		clock.SetTime(start.Add(after))
		key, err := store.Key(t.Context(), certificateURL)
		if want != nil && !sameKey(key, want) || (want == nil) != (key == nil) || (want == nil) != (err != nil) {
			t.Errorf("after %v: key %v (%v)", after, key != nil, err)
		}
		if network.calls() != wantCalls {
			t.Errorf("after %v: %d fetches, want %d", after, network.calls(), wantCalls)
		}
	}
	const day = 24 * time.Hour
	theirs, other := keyOf(t, vendor().Certificate()), keyOf(t, stranger().Certificate())
	ask(0, 1, theirs)
	network.change(serving(http.StatusOK, stranger().Certificate()), nil)
	ask(day-time.Second, 1, theirs)
	// An outage does not take away what is known, and is not asked about with every event.
	network.change(nil, errors.New("no route to host"))
	ask(day, 2, theirs)
	ask(day+time.Second, 2, theirs)
	ask(day+10*time.Second, 3, theirs)
	network.change(serving(http.StatusNotFound, nil), nil)
	ask(day+20*time.Second, 4, theirs)
	ask(day+10*time.Minute, 4, theirs)
	network.change(serving(http.StatusOK, stranger().Certificate()), nil)
	ask(day+11*time.Minute, 5, other)
	network.change(nil, errors.New("no route to host"))
	ask(400*day, 6, nil)
}

// Whatever URLs are asked for, and however often, few are fetched; what is known goes on to be known.
func TestAFloodOfURLsIsNotFetched(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	network := &internet{answer: serving(http.StatusOK, vendor().Certificate())}
	store := newStore(t, clock, network)
	if _, err := store.Key(t.Context(), certificateURL); err != nil {
		t.Fatal(err)
	}
	network.change(serving(http.StatusNotFound, nil), nil)
	const seconds, perSecond = 300, 50
	for second := range seconds {
		clock.SetTime(start.Add(time.Duration(second) * time.Second))
		for n := range perSecond {
			url := fmt.Sprintf("https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/%d-%d.pem", second, n)
			if _, err := store.Key(t.Context(), url); err == nil {
				t.Fatal("a key from nowhere")
			}
		}
		if _, err := store.Key(t.Context(), certificateURL); err != nil {
			t.Fatalf("second %d: the vendor's own certificate is gone: %v", second, err)
		}
	}
	if most := 5 + seconds/10; network.calls() > most || network.calls() < most-1 {
		t.Errorf("%d fetches in %d s, want %d", network.calls(), seconds, most)
	}
}

// A certificate that is to be fetched again goes on to be used while that is not allowed.
func TestACertificateIsKeptWhileTooManyAreAskedFor(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	network := &internet{answer: serving(http.StatusOK, vendor().Certificate())}
	store := newStore(t, clock, network)
	if _, err := store.Key(t.Context(), certificateURL); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(start.AddDate(0, 0, 1))
	for n := range 5 {
		if _, err := store.Key(t.Context(), fmt.Sprint(certificateURL, n)); err != nil {
			t.Fatal(err)
		}
	}
	key, err := store.Key(t.Context(), certificateURL)
	if err != nil || !sameKey(key, keyOf(t, vendor().Certificate())) {
		t.Errorf("a certificate of yesterday is gone: %v", err)
	}
	if network.calls() != 6 {
		t.Errorf("%d fetches, want 6", network.calls())
	}
}

// aheadOnce is a clock that is a day ahead when it is looked at first.
type aheadOnce struct {
	*clocktesting.FakePassiveClock
	looked bool
}

func (c *aheadOnce) Now() time.Time {
	if c.looked {
		return c.FakePassiveClock.Now()
	}
	c.looked = true
	return c.FakePassiveClock.Now().AddDate(0, 0, 1)
}

// Whoever finds nothing looks again when it is its turn to fetch: somebody else may have fetched since.
func TestWhatWasFetchedMeanwhileIsNotFetchedAgain(t *testing.T) {
	clock := &aheadOnce{FakePassiveClock: clocktesting.NewFakePassiveClock(start), looked: true}
	network := &internet{answer: serving(http.StatusOK, vendor().Certificate())}
	store, err := events.NewCertificateStore(events.CertificateStoreOptions{RegionIDs: []string{"cn-hangzhou"}, Clock: clock, Transport: network})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := store.Key(t.Context(), certificateURL); err != nil {
			t.Fatal(err)
		}
		clock.looked = false
	}
	if network.calls() != 1 {
		t.Errorf("%d fetches, want one", network.calls())
	}
}

func TestManyWhoWantACertificateShareAFetch(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	network := &internet{answer: func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = w.Write(vendor().Certificate())
	}}
	store := newStore(t, clocktesting.NewFakePassiveClock(start), network)
	var group sync.WaitGroup
	errs := make(chan error, 20)
	ask := func(ctx context.Context) {
		group.Go(func() {
			_, err := store.Key(ctx, certificateURL)
			errs <- err
		})
	}
	// The first leaves; what it began is for the others too.
	first, leave := context.WithCancel(t.Context())
	ask(first)
	<-arrived
	leave()
	for range 19 {
		ask(t.Context())
	}
	close(release)
	group.Wait()
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if network.calls() != 1 {
		t.Errorf("%d fetches, want one", network.calls())
	}
}

// Over a real socket with TLS: the host's certificate is checked, and a redirect to another host is not followed.
func TestCertificatesAreFetchedOverTLS(t *testing.T) {
	const host = "cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com"
	server := httptest.NewUnstartedServer(serving(http.StatusOK, vendor().Certificate()))
	hostCertificate, roots := hostCertificateFor(t, host)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{hostCertificate}}
	server.StartTLS()
	defer server.Close()
	get := func(roots *x509.CertPool) error {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if address != host+":443" {
					return nil, fmt.Errorf("dialing %s", address)
				}
				return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
			},
		}
		key, err := newStore(t, clocktesting.NewFakePassiveClock(start), transport).Key(t.Context(), certificateURL)
		if err == nil && !sameKey(key, keyOf(t, vendor().Certificate())) {
			t.Error("another key than the certificate's")
		}
		return err
	}
	if err := get(roots); err != nil {
		t.Errorf("from a host with a trusted certificate: %v", err)
	}
	if err := get(x509.NewCertPool()); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("from a host that nobody vouches for: %v", err)
	}
}

func hostCertificateFor(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
