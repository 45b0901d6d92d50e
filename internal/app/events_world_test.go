package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

const (
	eventsHost  = "events.example.com"
	eventsURL   = "https://" + eventsHost + "/eventbridge"
	eventsToken = "the-token-of-the-rule"
	hooksToken  = "the-token-of-the-webhook"

	// slow never asks by itself while a test lasts.
	slow = "minIntervalSeconds: 300, maxIntervalSeconds: 300"
)

// eventWorld is a world whose cloud publishes events, to whatever address is in front of the operator now.
type eventWorld struct {
	*world
	front   *front
	folder  string
	token   string
	metrics prometheus.Gatherer
}

// newEventWorld makes one whose operator receives events, and does not run yet.
func newEventWorld(t *testing.T) *eventWorld {
	t.Helper()
	return newEventWorldOf(t, eventsToken)
}

// newEventWorldOf makes one in which EventBridge has a token of its own.
func newEventWorldOf(t *testing.T, token string) *eventWorld {
	t.Helper()
	return newEventWorldThrough(t, eventbridge.Publishing{Targets: []eventbridge.Target{{URL: eventsURL, Token: token}}})
}

// newEventWorldThrough makes one whose events fare as told on their way to the one target.
func newEventWorldThrough(t *testing.T, publishing eventbridge.Publishing) *eventWorld {
	t.Helper()
	token := publishing.Targets[0].Token
	w := &eventWorld{folder: t.TempDir(), token: token, front: newFront()}
	publishing.Transport = w.front
	w.world = newWorldOf(t, publishing)
	t.Cleanup(w.front.close)
	certificate, err := w.cloud.EventsCertificate()
	if err != nil {
		t.Fatal(err)
	}
	w.renew(t)
	w.options.Events = app.EventsOptions{
		PublicURL: eventsURL, Secure: true, PodIP: "127.0.0.1",
		CertificateFile:       w.write(t, "eventbridge.pem", certificate),
		TokenFile:             w.write(t, "token", []byte(token)),
		CloudMonitorTokenFile: w.write(t, "webhook-token", []byte(hooksToken)),
		TLSCertFile:           filepath.Join(w.folder, "tls", "tls.crt"), TLSKeyFile: filepath.Join(w.folder, "tls", "tls.key"),
	}
	w.nextReplica(t)
	return w
}

// nextReplica prepares for another operator, which the front leads to.
func (w *eventWorld) nextReplica(t *testing.T) (address string) {
	t.Helper()
	address = freeAddress(t)
	w.options.Events.BindAddress = address
	w.metrics = w.options.CollectMetrics()
	w.front.lead(address)
	return address
}

func (w *eventWorld) write(t *testing.T, name string, text []byte) (path string) {
	t.Helper()
	path = filepath.Join(w.folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// renew makes another certificate for the operator and puts it where a mounted Secret has it, as the kubelet does: a folder
// for each version, and a link to the newest.
func (w *eventWorld) renew(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), DNSNames: []string{eventsHost}, NotBefore: now.Add(-hour), NotAfter: now.Add(day),
		IsCA: true, BasicConstraintsValid: true,
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	mount := filepath.Join(w.folder, "tls")
	version, data := filepath.Join(mount, fmt.Sprintf("..%d", now.UnixNano())), filepath.Join(mount, "..data")
	before, _ := os.Readlink(data)
	steps := []error{os.MkdirAll(version, 0o700)}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: encoded}, "tls.key": {Type: "PRIVATE KEY", Bytes: encodedKey},
	} {
		steps = append(steps, os.WriteFile(filepath.Join(version, name), pem.EncodeToMemory(block), 0o600))
		if before == "" {
			steps = append(steps, os.Symlink(filepath.Join("..data", name), filepath.Join(mount, name)))
		}
	}
	steps = append(steps, os.Symlink(version, data+"_tmp"), os.Rename(data+"_tmp", data))
	if before != "" {
		steps = append(steps, os.RemoveAll(before))
	}
	parsed, err := x509.ParseCertificate(encoded)
	for _, err := range append(steps, err) {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.front.trust(parsed)
	return parsed
}

// value is that of a series, by its name without what all have in common.
func (w *eventWorld) value(t *testing.T, series string) (value float64, found bool) {
	t.Helper()
	return valueIn(t, w.metrics, series)
}

func valueIn(t *testing.T, gatherer prometheus.Gatherer, series string) (value float64, found bool) {
	t.Helper()
	families, err := gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			var pairs []string
			for _, name := range slices.Sorted(maps.Keys(labels)) {
				pairs = append(pairs, fmt.Sprintf("%s=%q", name, labels[name]))
			}
			called := strings.TrimPrefix(family.GetName(), "cloudassistant_")
			if len(pairs) > 0 {
				called += "{" + strings.Join(pairs, ",") + "}"
			}
			if called != series {
				continue
			}
			switch {
			case metric.GetHistogram() != nil:
				return float64(metric.GetHistogram().GetSampleCount()), true
			case metric.GetGauge() != nil:
				return metric.GetGauge().GetValue(), true
			}
			return metric.GetCounter().GetValue(), true
		}
	}
	return 0, false
}

// answered is the series of the requests to EventBridge's path that were answered for a reason.
func answered(reason string) string {
	return fmt.Sprintf(`events_answered_total{form="eventbridge",reason=%q}`, reason)
}

// expectValues compares some series; of histograms, how much they have counted.
func (w *eventWorld) expectValues(t *testing.T, want map[string]float64) {
	t.Helper()
	for series, value := range want {
		if got, found := w.value(t, series); !found || got != value {
			t.Errorf("%s is %v (there: %v), want %v", series, got, found, value)
		}
	}
}

// untilTrue waits for what has no event of its own.
func untilTrue(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// untilServed waits until somebody serves at an address.
func untilServed(t *testing.T, address string) {
	t.Helper()
	untilTrue(t, "somebody serves at "+address, func() bool {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

// front is what stands in front of the operator for the rest of the world. It keeps what was posted.
type front struct {
	transport *http.Transport

	mu      sync.Mutex
	address string
	roots   *x509.CertPool
	posted  []posted
}

type posted struct {
	header http.Header
	body   []byte
	status int
}

func newFront() *front {
	f := &front{roots: x509.NewCertPool()}
	f.transport = &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			f.mu.Lock()
			address, roots := f.address, f.roots.Clone()
			f.mu.Unlock()
			return (&tls.Dialer{Config: &tls.Config{ServerName: eventsHost, RootCAs: roots}}).DialContext(ctx, network, address)
		},
	}
	return f
}

func (f *front) close() { f.transport.CloseIdleConnections() }

// lead has requests come out at an address from now on.
func (f *front) lead(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.address = address
}

func (f *front) trust(certificate *x509.Certificate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.roots.AddCert(certificate)
}

// RoundTrip implements http.RoundTripper, for the cloud.
func (f *front) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	response, err := f.transport.RoundTrip(request)
	p := posted{header: request.Header.Clone(), body: body}
	if err == nil {
		p.status = response.StatusCode
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = append(f.posted, p)
	return response, err
}

// events are what the cloud has posted.
func (f *front) events() []posted {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.posted)
}

// send posts something by itself, to a path, and returns how it is answered.
func (f *front) send(t *testing.T, path string, header http.Header, body []byte) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+eventsHost+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	response, err := f.transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
