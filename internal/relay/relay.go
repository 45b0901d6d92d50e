package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// Outcome is what came of passing a request on.
type Outcome string

// The outcomes.
const (
	// OutcomeTaken: the leader took it.
	OutcomeTaken Outcome = "taken"
	// OutcomeRefused: the leader answered with anything else than that it took it.
	OutcomeRefused Outcome = "refused"
	// OutcomeUnreachable: no answer came from where the Lease says that the leader is.
	OutcomeUnreachable Outcome = "unreachable"
	// OutcomeNoLeader: nobody leads, or the leader does not say where it is, or the Lease could not be read.
	OutcomeNoLeader Outcome = "no_leader"
	// OutcomeAgain: it had been passed on already, to this replica, which does not lead.
	OutcomeAgain Outcome = "again"
)

// Outcomes are all of them.
var Outcomes = []Outcome{OutcomeTaken, OutcomeRefused, OutcomeUnreachable, OutcomeNoLeader, OutcomeAgain}

const (
	// headerForwarded marks what was passed on. It proves nothing: whoever sets it has its request passed on less.
	headerForwarded = "Cloud-Assistant-Operator-Forwarded"

	// timeout is for all of it: senders wait five seconds.
	timeout     = 4 * time.Second
	readTimeout = time.Second
	dialTimeout = 2 * time.Second
	// idleTimeout is a little less than a receiver keeps a connection, and maxIdle what is used at once in a burst.
	idleTimeout = 50 * time.Second
	maxIdle     = 64
	// knownAge is how long the Lease is not read again, failedAge how long not after the leader was in vain looked for there.
	knownAge  = 5 * time.Second
	failedAge = time.Second
	// sayInterval is how often the log says that nothing can be passed on.
	sayInterval = time.Minute
)

// hopByHop are headers that tell of the connection.
var hopByHop = []string{"Connection", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// Relay passes requests on. Close must be called.
type Relay struct {
	// Holder reads who holds the Lease; empty if nobody does.
	Holder func(context.Context) (string, error)
	// Leading says whether this replica leads. Once it does it does for ever.
	Leading func() bool
	// Told is told of every outcome.
	Told func(Outcome)
	// Clock is what the leader is remembered by.
	Clock clock.PassiveClock
	// Logger says, now and then, that nothing can be passed on. Nothing that a request says is in it.
	Logger logr.Logger

	mu     sync.Mutex
	leader *leader
	// readAt is when the Lease was read last, and failure what came of it.
	readAt  time.Time
	failure error
	said    time.Time
}

// leader is one who was found in the Lease.
type leader struct {
	*Identity
	client *http.Client
}

// captured is a request with as much of its body as was read.
type captured struct {
	*http.Request
	body bytes.Buffer
}

type capturedKey struct{}

// Handler is next, in whose requests Pass can be called.
func (r *Relay) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if r.Leading() {
			next.ServeHTTP(w, request)
			return
		}
		c := &captured{Request: request}
		request = request.WithContext(context.WithValue(request.Context(), capturedKey{}, c))
		request.Body = &tee{Reader: io.TeeReader(request.Body, &c.body), Closer: request.Body}
		next.ServeHTTP(w, request)
	})
}

type tee struct {
	io.Reader
	io.Closer
}

// Pass passes the request of this context on, whose body has been read to its end, and fails unless the leader takes it.
func (r *Relay) Pass(ctx context.Context) error {
	c, ok := ctx.Value(capturedKey{}).(*captured)
	if !ok {
		return errors.New("there is no request to pass on")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	outcome, err := r.pass(ctx, c)
	r.Told(outcome)
	if err != nil {
		r.say(outcome, err)
	}
	return err
}

func (r *Relay) pass(ctx context.Context, c *captured) (Outcome, error) {
	if c.Header.Get(headerForwarded) != "" {
		return OutcomeAgain, errors.New("the replica that it was passed on to does not lead")
	}
	found, err := r.locate(ctx, knownAge)
	if err != nil {
		return OutcomeNoLeader, err
	}
	outcome, err := found.send(ctx, c)
	if outcome != OutcomeUnreachable {
		return outcome, err
	}
	// It may have moved since.
	moved, lookErr := r.locate(ctx, failedAge)
	if lookErr != nil {
		return OutcomeNoLeader, lookErr
	}
	if moved == found {
		return outcome, err
	}
	return moved.send(ctx, c)
}

// locate is the leader, by a Lease that was read at most this long ago. While the Lease cannot be read, the last one counts.
func (r *Relay) locate(ctx context.Context, age time.Duration) (*leader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		age = failedAge
	}
	if r.readAt.IsZero() || r.Clock.Since(r.readAt) >= age {
		r.failure = r.read(ctx)
		r.readAt = r.Clock.Now()
	}
	switch {
	case r.leader != nil:
		return r.leader, nil
	case r.failure != nil:
		return nil, r.failure
	}
	return nil, errors.New("nobody leads now")
}

// read takes in who holds the Lease. Those who wait for it wait for each other, so it is short; and what comes of it is for
// all, so it does not end with whoever asked first.
func (r *Relay) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	holder, err := r.Holder(ctx)
	if err != nil {
		return fmt.Errorf("reading the Lease: %w", err)
	}
	return r.know(holder)
}

// know is what follows from who holds the Lease.
func (r *Relay) know(holder string) error {
	if r.leader != nil && r.leader.String() == holder {
		return nil
	}
	r.forget()
	if holder == "" {
		return nil
	}
	identity, err := parse(holder)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: maxIdle,
		DisableCompression: true,
	}
	if identity.fingerprint != inClear {
		transport.TLSClientConfig = identity.clientConfig()
	}
	r.leader = &leader{Identity: identity, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return nil
}

func (r *Relay) forget() {
	if r.leader != nil {
		r.leader.client.CloseIdleConnections()
		r.leader = nil
	}
}

// Close drops the connections that are idle.
func (r *Relay) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
}

func (l *leader) send(ctx context.Context, c *captured) (Outcome, error) {
	request, err := http.NewRequestWithContext(ctx, c.Method, l.url(c.URL.RequestURI()), bytes.NewReader(c.body.Bytes()))
	if err != nil {
		return OutcomeUnreachable, errors.New("the leader has an address that is none")
	}
	request.Host, request.Header = c.Host, c.Header.Clone()
	for _, name := range hopByHop {
		request.Header.Del(name)
	}
	request.Header.Set(headerForwarded, "1")
	response, err := l.client.Do(request)
	if err != nil {
		// Without the URL, whose query may hold a token.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return OutcomeUnreachable, fmt.Errorf("the leader at %s: %w", l.address, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<12))
	if response.StatusCode != http.StatusOK {
		return OutcomeRefused, fmt.Errorf("the leader at %s answers with %d", l.address, response.StatusCode)
	}
	return OutcomeTaken, nil
}

func (r *Relay) say(outcome Outcome, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Clock.Now()
	if !r.said.IsZero() && now.Sub(r.said) < sayInterval {
		return
	}
	r.said = now
	r.Logger.Info("An event could not be passed on to the replica that leads; its sender sends it again", "outcome", outcome, "cause", err.Error())
}
