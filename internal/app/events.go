package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/metrics"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/relay"
)

const (
	// maxSecretBytes is more than any token has.
	maxSecretBytes = 4 << 10
	// eventsShutdown is for requests that are being answered when the operator ends.
	eventsShutdown = 5 * time.Second
)

// intake receives events and tells the engine; nil receives none. Every replica has one, and only the one that leads has an
// engine that works: the others pass on what they have verified.
type intake struct {
	options  EventsOptions
	listener net.Listener
	// election is nil where nobody is elected.
	election *election
}

// newIntake opens the address of the events, if there is one.
func newIntake(cluster *rest.Config, options Options) (*intake, error) {
	if !options.Events.enabled() {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", options.Events.BindAddress)
	if err != nil {
		return nil, fmt.Errorf("--events-bind-address: %w", err)
	}
	i := &intake{options: options.Events, listener: listener}
	if options.LeaderElect {
		if i.election, err = newElection(cluster, options, listener.Addr()); err != nil {
			return nil, errors.Join(err, i.listener.Close())
		}
	}
	return i, nil
}

// close closes the address, if nothing serves there yet.
func (i *intake) close() {
	if i != nil {
		_ = i.listener.Close()
	}
}

// elect has the manager take part in the election by an identity that says where events are received.
func (i *intake) elect(options *ctrl.Options) {
	if i != nil && i.election != nil {
		options.LeaderElectionResourceLockInterface = i.election.lock
	}
}

// addTo has the manager receive events, for the engine.
func (i *intake) addTo(m ctrl.Manager, engine *poller.Poller, meters *metrics.Metrics) error {
	if i == nil {
		return nil
	}
	logger := m.GetLogger().WithName("events")
	s := &sink{engine: engine, meters: meters, elected: m.Elected()}
	receiver, err := i.newReceiver(s, meters, logger)
	if err != nil {
		return err
	}
	handler := http.Handler(receiver)
	if i.election != nil {
		i.election.record(m)
		s.relay = &relay.Relay{
			Holder: i.election.holder, Leading: s.leading, Told: meters.Forwarded, Clock: clock.RealClock{}, Logger: logger,
		}
		handler = s.relay.Handler(receiver)
	}
	config, err := i.tlsConfig(m)
	if err != nil {
		return err
	}
	var server *http.Server
	server, i.listener = events.NewServer(handler, i.listener, config, logger, meters.TurnedAway)
	if i.options.PublicURL != "" && i.options.TokenFile == "" {
		logger.Info("Without --events-token-file the rules of every customer of the vendor are as good as yours: they can make the operator ask, within its limits")
	}
	return errors.Join(
		m.Add(s),
		m.Add(&manager.Server{Name: "events", Server: server, Listener: i.listener, ShutdownTimeout: ptr.To(eventsShutdown)}),
	)
}

func (i *intake) newReceiver(s *sink, meters *metrics.Metrics, logger logr.Logger) (*events.Receiver, error) {
	// Signatures age by the time of whoever signs.
	options := events.ReceiverOptions{Sink: s.take, Observer: meters, Clock: clock.RealClock{}, Logger: logger}
	var err error
	if options.MonitorToken, err = secretIn("events-cloudmonitor-token-file", i.options.CloudMonitorTokenFile); err != nil {
		return nil, err
	}
	if i.options.PublicURL != "" {
		if options.Verifier, err = i.newVerifier(meters); err != nil {
			return nil, err
		}
	}
	return events.NewReceiver(options)
}

func (i *intake) newVerifier(meters *metrics.Metrics) (*events.Verifier, error) {
	token, err := secretIn("events-token-file", i.options.TokenFile)
	if err != nil {
		return nil, err
	}
	options := events.VerifierOptions{
		PublicURL: i.options.PublicURL, Token: token, AcceptHMAC: i.options.AcceptHMAC, Clock: clock.RealClock{},
	}
	if i.options.CertificateFile != "" {
		options.Certificates = events.NewCertificateFile(i.options.CertificateFile, clock.RealClock{})
		return events.NewVerifier(options)
	}
	fetching := i.options.certificates()
	fetching.Fetched = meters.Fetched
	options.Certificates, err = events.NewCertificateStore(fetching)
	if err != nil {
		return nil, err
	}
	return events.NewVerifier(options)
}

// tlsConfig is what events are received with, by the newest certificate that is there; nil is in the clear.
func (i *intake) tlsConfig(m ctrl.Manager) (*tls.Config, error) {
	if !i.options.Secure {
		return nil, nil
	}
	watcher, err := certwatcher.New(i.options.TLSCertFile, i.options.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--events-tls-cert-file, --events-tls-key-file: %w", err)
	}
	if err := m.Add(watcher); err != nil {
		return nil, err
	}
	config := &tls.Config{GetCertificate: watcher.GetCertificate, MinVersion: tls.VersionTLS12}
	if i.election != nil {
		config = i.election.identity.Certificates(config)
	}
	return config, nil
}

// secretIn is what a file of a flag holds; empty without a file.
func secretIn(flag, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("--%s: %w", flag, err)
	case len(text) == 0:
		return "", fmt.Errorf("--%s: %s is empty", flag, path)
	case len(text) > maxSecretBytes:
		return "", fmt.Errorf("--%s: %s has %d bytes, which is no token", flag, path, len(text))
	}
	return string(text), nil
}

// sink is where hints go: to the engine of the replica that leads. It is a runnable of the manager, to know when that ends.
type sink struct {
	engine  *poller.Poller
	meters  *metrics.Metrics
	elected <-chan struct{}
	// relay is nil where nobody is elected.
	relay *relay.Relay
	ended atomic.Bool
}

// Start implements manager.Runnable.
func (s *sink) Start(ctx context.Context) error {
	<-ctx.Done()
	s.ended.Store(true)
	if s.relay != nil {
		s.relay.Close()
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: all replicas receive.
func (*sink) NeedLeaderElection() bool { return false }

func (s *sink) leading() bool {
	select {
	case <-s.elected:
		return true
	default:
		return false
	}
}

// take implements events.Sink.
func (s *sink) take(ctx context.Context, hint events.Hint) error {
	switch {
	case s.ended.Load():
		return errors.New("the operator is ending")
	case !s.leading() && s.relay == nil:
		return errors.New("the operator is starting")
	case !s.leading():
		return s.relay.Pass(ctx)
	}
	watched := s.engine.Nudge(poller.Nudge{
		AccountID: hint.AccountID, RegionID: hint.RegionID, InvokeID: hint.InvokeID, InstanceID: hint.InstanceID,
	})
	s.meters.Nudged(metrics.Announcement{RegionID: hint.RegionID, InvokeID: hint.InvokeID, EndedAt: hint.FinishedAt}, watched)
	return nil
}
