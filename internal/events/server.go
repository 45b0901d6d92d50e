package events

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
)

// helloTimeout is for the handshake of TLS, and then for the head of a request.
const helloTimeout = 2 * time.Second

// NewServer is a server for a receiver that no client keeps busy by being slow, and what it is to be served on, which lets
// nobody hold all of a listener's connections. The TLS configuration is what it is served with, for example with the
// certificates of a watched file; nil leaves that to whatever is in front. turnedAway is told of each connection that had to
// give way to others or waited in vain; it must not block.
func NewServer(handler http.Handler, listener net.Listener, config *tls.Config, logger logr.Logger, turnedAway func()) (*http.Server, net.Listener) {
	// Senders post one event at a time, for which HTTP/2 has nothing to offer but more that can be exhausted.
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: handler, Protocols: protocols,
		ReadHeaderTimeout: helloTimeout,
		ReadTimeout:       helloTimeout + bodyTimeout,
		// Longer than a certificate takes.
		WriteTimeout:   20 * time.Second,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 4 << 10,
		ErrorLog:       log.New(debugWriter{logger}, "", 0),
		// It would let strangers keep the connection.
		DisableGeneralOptionsHandler: true,
	}
	listener = limitConnections(listener, server, turnedAway)
	if config == nil {
		return server, listener
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return server, tls.NewListener(listener, config)
}

// debugWriter logs what the server says, which tells addresses of clients.
type debugWriter struct{ logger logr.Logger }

func (w debugWriter) Write(line []byte) (int, error) {
	w.logger.V(1).Info(strings.TrimSpace(string(line)))
	return len(line), nil
}
