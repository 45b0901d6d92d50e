package events

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// certificateAge is how long a certificate is taken without asking whether another one stands at its URL.
	certificateAge = 24 * time.Hour
	// A URL that gave something else than a certificate is not asked again for refusalAge, one that gave nothing for
	// failureAge.
	refusalAge = 10 * time.Minute
	failureAge = 10 * time.Second
	// fetchTimeout is for one certificate, from the name's look-up to the last byte.
	fetchTimeout = 5 * time.Second
	// fetchInterval and fetchBurst bound the fetches, of whatever URLs.
	fetchInterval = 10 * time.Second
	fetchBurst    = 5

	maxCertificates = 16
	maxFailures     = 256
	maxURLBytes     = 512
)

// The vendor's hosts are buckets of its object storage, where everybody may have a bucket of a name that is free. So no
// pattern of names is safe, only those of regions that exist.
const (
	hostAccelerated = "%[1]s-eventbridge.oss-accelerate.aliyuncs.com"
	hostRegional    = "%[1]s-eventbridge.oss-%[1]s.aliyuncs.com"
)

// certificateURL is the only form of URL that is understood: no port, user, query, fragment, escape, dot segment or capital
// letter in the host, so that there is nothing to be understood in two ways.
var certificateURL = regexp.MustCompile(`^https://([a-z0-9-]+(?:\.[a-z0-9-]+)+)((?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+)$`)

var pinPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// CertificateStore gets certificates from the vendor's hosts and keeps them.
//
// Whoever can reach the receiver chooses the URL, so a request costs a fetch only if the URL is one of the configured
// regions', was not asked in vain a short while ago, and fewer than one in ten seconds were fetched lately, after a burst
// of five. With a token, strangers do not get as far as that. A certificate that was there is kept even while others
// cannot be fetched, and goes on to be used while it is valid if it cannot be fetched again.
type CertificateStore struct {
	hosts map[string]bool
	// pins are the fingerprints of the keys that are taken; empty takes every key.
	pins map[string]bool
	// waiting has a place for each who waits for a fetch; nil has any number.
	waiting  chan struct{}
	clock    clock.PassiveClock
	client   *http.Client
	fetched  func(ok bool)
	limiter  *rate.Limiter
	flights  singleflight.Group
	kept     *lru.Cache
	failures *lru.Cache
}

// CertificateStoreOptions configure a CertificateStore.
type CertificateStoreOptions struct {
	// RegionIDs are those whose EventBridge may send events, at least one.
	RegionIDs []string
	// Pins are the SHA-256 of the public keys that are taken, in hexadecimal, lower case; none takes whatever key stands at
	// those hosts.
	Pins []string
	// MaxWaiting is how many may wait for certificates at a time, 0 any number; to others they are unavailable.
	MaxWaiting int
	// Clock is what certificates are valid and kept by.
	Clock clock.PassiveClock
	// Transport is what the fetches go through; nil is one of its own, which follows the environment's proxy settings.
	Transport http.RoundTripper
	// Fetched is told of every fetch; nil tells nobody.
	Fetched func(ok bool)
}

type keptCertificate struct {
	*certificate
	at time.Time
}

type failure struct {
	err error
	at  time.Time
}

func (f failure) age() time.Duration {
	var refusal *Refusal
	if errors.As(f.err, &refusal) {
		return refusalAge
	}
	return failureAge
}

// NewCertificateStore fails if a region is none, or there is none.
func NewCertificateStore(o CertificateStoreOptions) (*CertificateStore, error) {
	s := &CertificateStore{
		hosts: map[string]bool{}, pins: map[string]bool{}, clock: o.Clock, fetched: o.Fetched,
		limiter: rate.NewLimiter(rate.Every(fetchInterval), fetchBurst),
		kept:    lru.New(maxCertificates), failures: lru.New(maxFailures),
	}
	if s.fetched == nil {
		s.fetched = func(bool) {}
	}
	if len(o.RegionIDs) == 0 {
		return nil, errors.New("no region is named whose EventBridge may send events: name at least one, or give a file with the certificate")
	}
	for _, region := range o.RegionIDs {
		if matching(regionPattern, maxNameBytes, region) == "" {
			return nil, fmt.Errorf("%q is not a region ID such as cn-hangzhou", region)
		}
		s.hosts[fmt.Sprintf(hostAccelerated, region)] = true
		s.hosts[fmt.Sprintf(hostRegional, region)] = true
	}
	if o.MaxWaiting > 0 {
		s.waiting = make(chan struct{}, o.MaxWaiting)
	}
	for _, pin := range o.Pins {
		if !pinPattern.MatchString(pin) {
			return nil, fmt.Errorf("%q is not the SHA-256 of a public key, which has 64 digits of 0-9 and a-f", pin)
		}
		s.pins[pin] = true
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout, MaxResponseHeaderBytes: maxCertificateBytes,
		}
	}
	s.client = &http.Client{
		Transport: transport, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Check refuses a URL that is not one of the configured regions'.
func (s *CertificateStore) Check(text string) error {
	if len(text) > maxURLBytes {
		return refused(ReasonCertificateURL)
	}
	match := certificateURL.FindStringSubmatch(text)
	if match == nil || !s.hosts[match[1]] {
		return refused(ReasonCertificateURL)
	}
	return nil
}

// Key is the key of the certificate at a URL.
func (s *CertificateStore) Key(ctx context.Context, text string) (*rsa.PublicKey, error) {
	if err := s.Check(text); err != nil {
		return nil, err
	}
	if known := s.remembered(text); known != nil {
		return known.key, known.err
	}
	if s.waiting != nil {
		select {
		case s.waiting <- struct{}{}:
			defer func() { <-s.waiting }()
		default:
			return nil, errors.New("too many wait for certificates")
		}
	}
	// The others wait for the first, who does not take its fetch with it when it leaves.
	got, err, _ := s.flights.Do(text, func() (any, error) {
		if known := s.remembered(text); known != nil {
			return known.key, known.err
		}
		return s.refresh(context.WithoutCancel(ctx), text)
	})
	if err != nil {
		return nil, err
	}
	return got.(*rsa.PublicKey), nil
}

// verdict is what came of asking for a certificate.
type verdict struct {
	key *rsa.PublicKey
	err error
}

// remembered is what is known of a URL without asking, nil if nothing is.
func (s *CertificateStore) remembered(text string) *verdict {
	now := s.clock.Now()
	kept, valid := s.valid(text, now)
	if valid && now.Sub(kept.at) < certificateAge {
		return &verdict{key: kept.key}
	}
	value, failed := s.failures.Get(text)
	if !failed || now.Sub(value.(failure).at) >= value.(failure).age() {
		return nil
	}
	if valid {
		return &verdict{key: kept.key}
	}
	return &verdict{err: value.(failure).err}
}

func (s *CertificateStore) valid(text string, now time.Time) (keptCertificate, bool) {
	value, found := s.kept.Get(text)
	if !found {
		return keptCertificate{}, false
	}
	kept := value.(keptCertificate)
	return kept, kept.check(now) == nil
}

// refresh fetches, if that is allowed now. It is called for one URL once at a time.
func (s *CertificateStore) refresh(ctx context.Context, text string) (*rsa.PublicKey, error) {
	now := s.clock.Now()
	kept, valid := s.valid(text, now)
	if !s.limiter.AllowN(now, 1) {
		if valid {
			return kept.key, nil
		}
		return nil, errors.New("too many certificates were asked for; the next is fetched within seconds")
	}
	fetched, err := s.fetch(ctx, text)
	if err == nil {
		if invalid := fetched.check(now); invalid != nil {
			err = &Refusal{Reason: ReasonCertificate, Cause: fmt.Errorf("the certificate that a request names: %w", invalid)}
		}
	}
	s.fetched(err == nil)
	switch {
	case err == nil:
		s.kept.Add(text, keptCertificate{certificate: fetched, at: now})
		return fetched.key, nil
	case valid:
		s.failures.Add(text, failure{err: err, at: now})
		return kept.key, nil
	}
	s.failures.Add(text, failure{err: err, at: now})
	return nil, err
}

func (s *CertificateStore) fetch(ctx context.Context, text string) (*certificate, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, text, nil)
	if err != nil {
		return nil, refused(ReasonCertificateURL)
	}
	response, err := s.client.Do(request)
	if err != nil {
		// The URL is the request's.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("fetching EventBridge's certificate: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("fetching EventBridge's certificate: the answer is %d", response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return nil, &Refusal{Reason: ReasonCertificate, Cause: fmt.Errorf("the certificate that a request names: the answer is %d", response.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxCertificateBytes+1))
	if err != nil {
		return nil, fmt.Errorf("fetching EventBridge's certificate: %w", err)
	}
	if len(body) > maxCertificateBytes {
		return nil, &Refusal{Reason: ReasonCertificate, Cause: errors.New("what stands where a request says that the certificate is, is too large for one")}
	}
	read, err := readCertificate(body)
	if err != nil {
		return nil, &Refusal{Reason: ReasonCertificate, Cause: fmt.Errorf("the certificate that a request names: %w", err)}
	}
	if len(s.pins) > 0 && !s.pins[read.fingerprint] {
		return nil, &Refusal{Reason: ReasonCertificate, Cause: errors.New("the certificate that a request names: its key is none of those that are pinned")}
	}
	return read, nil
}
