package eventbridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// The policy BACKOFF_RETRY: three times, each after a random time of 10 to 20 seconds.
const (
	retries       = 3
	minRetryDelay = 10 * time.Second
	maxRetryDelay = 20 * time.Second
)

const (
	// attemptTimeout is how long a target may take.
	attemptTimeout = 5 * time.Second
	maxConnections = 64
)

// DefaultCertificateURL is where the vendor's requests say that the certificate is. Nothing of an emulator's stands there:
// its receivers take the certificate from a file.
const DefaultCertificateURL = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_emulator.pem"

// Form is which signatures requests have.
type Form string

// The forms: empty is FormRSA.
const (
	FormRSA  Form = "RSA"
	FormHMAC Form = "HMAC"
	FormBoth Form = "Both"
)

// Target is an HTTP target of a rule.
type Target struct {
	URL string
	// Token is sent with every request; empty is none.
	Token string
}

// Publishing says where events go and what goes wrong on their way. The zero value publishes nothing.
type Publishing struct {
	Targets []Target
	// Delay passes before an event is sent, and a random part of Jitter: events overtake each other with it.
	Delay, Jitter time.Duration
	// Loss and Duplicates are shares, from 0 to 1, of what is not sent at all, and sent twice.
	Loss, Duplicates float64
	// Seed is what all that is random depends on, together with the order of the events.
	Seed uint64
	// Form is which signatures requests have, Variant how their text is spelled.
	Form    Form
	Variant Variant
	// CertificateURL: empty is DefaultCertificateURL.
	CertificateURL string
	// Transport is what requests go through; nil is one that trusts what this machine trusts.
	Transport http.RoundTripper
}

// Check fails if the settings make no sense. It quotes no URL but for its host: a query may hold a token.
func (p Publishing) Check() error {
	for _, target := range p.Targets {
		parsed, err := url.Parse(target.URL)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			return errors.New("a target of events is not a URL such as https://127.0.0.1:9443/eventbridge")
		}
	}
	switch {
	case p.Loss < 0 || p.Loss > 1 || p.Duplicates < 0 || p.Duplicates > 1:
		return errors.New("the shares of events that are lost and sent twice are numbers from 0 to 1")
	case p.Delay < 0 || p.Jitter < 0:
		return errors.New("the delay of events is not negative, and neither is its jitter")
	case p.Form != "" && p.Form != FormRSA && p.Form != FormHMAC && p.Form != FormBoth:
		return fmt.Errorf("the signature %q is unknown; use %s, %s or %s", p.Form, FormRSA, FormHMAC, FormBoth)
	}
	return nil
}

// Clock is what waits on its way and what signs.
type Clock interface {
	NewTimer(time.Duration) clock.Timer
}

// Publisher sends events. Close must be called.
type Publisher struct {
	Publishing
	signer *Signer
	timers Clock
	now    func() time.Time
	log    *slog.Logger
	client *http.Client

	// ctx ends with Close; sends counts what is on its way.
	ctx    context.Context
	cancel context.CancelFunc
	sends  sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
}

// NewPublisher makes a publisher that waits by a clock and signs by another, which is the receivers'.
func NewPublisher(p Publishing, signer *Signer, timers Clock, now func() time.Time, log *slog.Logger) (*Publisher, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.CertificateURL == "" {
		p.CertificateURL = DefaultCertificateURL
	}
	transport := p.Transport
	if transport == nil {
		transport = &http.Transport{MaxConnsPerHost: maxConnections, IdleConnTimeout: attemptTimeout}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Publisher{
		Publishing: p, signer: signer, timers: timers, now: now, log: log, ctx: ctx, cancel: cancel,
		client: &http.Client{
			Transport: transport, Timeout: attemptTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		random: rand.New(rand.NewPCG(p.Seed, p.Seed)),
	}, nil
}

// Close takes back what is on its way and returns when nothing is.
func (p *Publisher) Close() {
	p.cancel()
	p.sends.Wait()
	p.client.CloseIdleConnections()
}

// Publish sends an event, a CloudEvent in JSON, to every target, some time after it has returned. It must not be called
// once Close was.
func (p *Publisher) Publish(event []byte) {
	for _, target := range p.Targets {
		for _, delay := range p.fate() {
			p.sends.Go(func() { p.deliver(target, event, delay) })
		}
	}
}

// fate is when an event is sent: never, once or twice.
func (p *Publisher) fate() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	// All are drawn for every event: what becomes of one does not depend on the settings of the others.
	lost, doubled := p.random.Float64() < p.Loss, p.random.Float64() < p.Duplicates
	delays := []time.Duration{p.delay(), p.delay()}
	switch {
	case lost:
		return nil
	case doubled:
		return delays
	}
	return delays[:1]
}

func (p *Publisher) delay() time.Duration {
	return p.Delay + time.Duration(p.random.Float64()*float64(p.Jitter))
}

func (p *Publisher) retryDelay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return minRetryDelay + time.Duration(p.random.Float64()*float64(maxRetryDelay-minRetryDelay))
}

func (p *Publisher) deliver(target Target, event []byte, delay time.Duration) {
	for attempt := range 1 + retries {
		if attempt > 0 {
			delay = p.retryDelay()
		}
		if !p.wait(delay) {
			return
		}
		err := p.post(target, event)
		if err == nil || p.ctx.Err() != nil {
			return
		}
		p.log.Warn("an event was not taken", "attempt", attempt+1, "of", 1+retries, "error", err)
	}
}

// wait says false if nothing is to be sent any more.
func (p *Publisher) wait(delay time.Duration) bool {
	if delay <= 0 {
		return p.ctx.Err() == nil
	}
	timer := p.timers.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-p.ctx.Done():
		return false
	}
}

func (p *Publisher) post(target Target, event []byte) error {
	request, err := http.NewRequestWithContext(p.ctx, http.MethodPost, target.URL, bytes.NewReader(event))
	if err != nil {
		return errors.New("the target is no URL")
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	if err := p.sign(request.Header, Request{
		URL: target.URL, CertificateURL: p.CertificateURL, Token: target.Token, At: p.now(), Body: event,
	}); err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			// Without the URL, whose query may hold a token.
			err = wrapped.Err
		}
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the answer is %d", response.StatusCode)
	}
	return nil
}

func (p *Publisher) sign(header http.Header, r Request) error {
	if p.Form != FormHMAC {
		if err := p.signer.SignRSA(header, r, p.Variant); err != nil {
			return err
		}
	}
	if p.Form == FormHMAC || p.Form == FormBoth {
		return p.signer.SignHMAC(header, r, p.Variant)
	}
	return nil
}
