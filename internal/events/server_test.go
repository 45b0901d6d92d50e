package events_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// Over a real socket with TLS, as EventBridge would post it.
func TestTheServer(t *testing.T) {
	h := newHouse(t)
	hostCertificate, roots := hostCertificateFor(t, "events.example.com")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, limited := events.NewServer(h, listener, &tls.Config{Certificates: []tls.Certificate{hostCertificate}}, logr.Discard(), func() {})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(limited) }()
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
		},
	}}
	header, _ := h.announced(completed)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, publicURL, bytes.NewReader([]byte(completed)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if _, hints := h.take(); response.StatusCode != http.StatusOK || response.ProtoMajor != 1 || len(hints) != 1 {
		t.Errorf("answer %s by %s, hints %v", response.Status, response.Proto, hints)
	}
	if got := response.TLS.NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("of HTTP/2 and HTTP/1.1 the server chooses %q", got)
	}
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Errorf("a client can keep the server busy: %+v", server)
	}
	older := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "events.example.com", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
	if connection, err := older.DialContext(t.Context(), "tcp", listener.Addr().String()); err == nil {
		_ = connection.Close()
		t.Error("TLS 1.1 will do")
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// The header of an event has a few hundred bytes; what has many more is not read to its end.
func TestTheServerReadsNoEndlessHeader(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, listener := events.NewServer(handler, listener, nil, logr.Discard(), func() {})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	// The library reads 4 KiB more than it is told to.
	for size, want := range map[int]int{
		1 << 10: http.StatusNoContent, 7 << 10: http.StatusNoContent, 13 << 10: http.StatusRequestHeaderFieldsTooLarge,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Long", strings.Repeat("x", size))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("a header of %d bytes is answered with %s, want %d", size, response.Status, want)
		}
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
