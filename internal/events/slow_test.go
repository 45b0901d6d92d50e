package events_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// pipes is a listener whose connections take no time, and have a remote address.
type pipes struct {
	arriving chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{arriving: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.arriving:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// connection comes from an address.
type connection struct {
	net.Conn
	from net.Addr
}

func (c connection) RemoteAddr() net.Addr { return c.from }

// dial connects from an address such as 192.0.2.1.
func (p *pipes) dial(from string) net.Conn {
	here, there := net.Pipe()
	p.arriving <- connection{Conn: there, from: &net.TCPAddr{IP: net.ParseIP(from), Port: 1024}}
	return here
}

// serve serves a receiver until the test ends.
func serve(t *testing.T, h *house, listener net.Listener, config *tls.Config) {
	t.Helper()
	server, listener := events.NewServer(h, listener, config, logr.Discard(), func() { h.turnedAway.Add(1) })
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// head is that of a request to a path whose body has so many bytes.
func head(method, path string, header http.Header, bytes int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: events.example.com\r\nContent-Length: %d\r\n", method, path, bytes)
	_ = header.Write(&text)
	return text.String() + "\r\n"
}

// exchange sends a text, and tells how it is answered, and how long after that the connection is closed.
func exchange(t *testing.T, c net.Conn, text string) (status int, open time.Duration) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(c)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	answered := time.Now()
	if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection ends with %v", err)
	}
	return response.StatusCode, time.Since(answered)
}

// Who is refused by the head of a request, and declares a body that never comes, does not hold the connection.
func TestARefusalWaitsForNoBody(t *testing.T) {
	for name, test := range map[string]struct {
		method, path string
		status       int
	}{
		"unsigned":      {http.MethodPost, "/eventbridge", http.StatusUnauthorized},
		"a wrong token": {http.MethodPost, "/cloudmonitor?token=x", http.StatusUnauthorized},
		"PUT":           {http.MethodPut, "/eventbridge", http.StatusMethodNotAllowed},
		"nowhere":       {http.MethodPost, "/", http.StatusNotFound},
		"an odd path":   {http.MethodPost, "//eventbridge", http.StatusTemporaryRedirect},
		"no path":       {http.MethodOptions, "*", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := newPipes()
				serve(t, newHouse(t), listener, nil)
				c := listener.dial("192.0.2.1")
				defer func() { _ = c.Close() }()
				began := time.Now()
				status, open := exchange(t, c, head(test.method, test.path, nil, events.MaxBodyBytes))
				if took := time.Since(began) - open; status != test.status || took > 0 || open > 250*time.Millisecond {
					t.Errorf("it is answered with %d after %v, and the connection open for %v then", status, took, open)
				}
			})
		})
	}
}

// Who connects and says too little is not waited for.
func TestWhoSaysTooLittleIsNotWaitedFor(t *testing.T) {
	certificate, _ := hostCertificateFor(t, "events.example.com")
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}}
	for name, test := range map[string]struct {
		config *tls.Config
		says   string
	}{
		"nothing":             {nil, ""},
		"half a head":         {nil, "POST /eventbridge HTTP/1.1\r\nHost: x\r\n"},
		"no handshake":        {secure, ""},
		"half of a handshake": {secure, "\x16\x03\x01\x01\x00\x01\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := newPipes()
				serve(t, newHouse(t), listener, test.config)
				c := listener.dial("192.0.2.1")
				defer func() { _ = c.Close() }()
				began := time.Now()
				if _, err := io.WriteString(c, test.says); err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("the connection is closed after %v, want 2s", took)
				}
			})
		})
	}
}

// A body has two seconds to arrive, however slowly it comes.
func TestABodyHasTwoSeconds(t *testing.T) {
	for name, comes := range map[string]func(net.Conn){
		"never": func(net.Conn) {},
		"byte by byte": func(c net.Conn) {
			for range time.Tick(100 * time.Millisecond) {
				if _, err := c.Write([]byte{' '}); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, listener := newHouse(t), newPipes()
				serve(t, h, listener, nil)
				var group sync.WaitGroup
				defer group.Wait()
				c := listener.dial("192.0.2.1")
				defer func() { _ = c.Close() }()
				header, _ := h.announced(completed)
				began := time.Now()
				group.Go(func() {
					if _, err := io.WriteString(c, head(http.MethodPost, "/eventbridge", header, len(completed))); err == nil {
						comes(c)
					}
				})
				status, open := exchange(t, c, "")
				if took := time.Since(began) - open; status != http.StatusBadRequest || took != 2*time.Second || open > 250*time.Millisecond {
					t.Errorf("it is answered with %d after %v, and the connection open for %v then", status, took, open)
				}
			})
		})
	}
}

// Time that a body may take is no time that judging it may take: a certificate is fetched, or the leader asked.
func TestJudgingMayTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		h := newHouse(t, func(o *events.ReceiverOptions) {
			o.Sink = func(ctx context.Context, _ events.Hint) error {
				select {
				case <-time.After(15 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		serve(t, h, listener, nil)
		c := listener.dial("192.0.2.1")
		defer func() { _ = c.Close() }()
		header, _ := h.announced(completed)
		if status, _ := exchange(t, c, head(http.MethodPost, "/eventbridge", header, len(completed))+completed); status != http.StatusOK {
			t.Errorf("it is answered with %d", status)
		}
	})
}

// Over a real socket: the answer reaches who sends all of its body before it listens.
func TestARefusalReachesWhoSendsItsBody(t *testing.T) {
	certificate, roots := hostCertificateFor(t, "events.example.com")
	for name, config := range map[string]*tls.Config{"in the clear": nil, "by TLS": {Certificates: []tls.Certificate{certificate}}} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		serve(t, newHouse(t), listener, config)
		for range 20 {
			var dialer interface {
				DialContext(context.Context, string, string) (net.Conn, error)
			} = &net.Dialer{}
			if config != nil {
				dialer = &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "events.example.com"}}
			}
			c, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			body := strings.Repeat("x", events.MaxBodyBytes/4)
			if status, _ := exchange(t, c, head(http.MethodPost, "/eventbridge", nil, len(body))+body); status != http.StatusUnauthorized {
				t.Errorf("%s it is answered with %d", name, status)
			}
			_ = c.Close()
		}
	}
}
