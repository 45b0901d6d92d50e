package cloudassistant

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
)

const (
	// renewMargin is how long before their end temporary credentials are replaced.
	renewMargin = 5 * time.Minute
	// renewPause is how long a failed early renewal is left alone, while the old credentials still serve.
	renewPause = 30 * time.Second
	// renewTimeout ends a renewal that nobody waits for any more. Each call within it has its own, shorter time.
	renewTimeout = time.Minute
)

// lease is credentials for a time.
type lease struct {
	credentials sealed
	// expires is zero where the source alone knows; it is then asked every time.
	expires time.Time
}

// leaseFunc obtains credentials. anew says that those it gave last were refused, so that nothing it has kept
// will do. It is never called twice at a time.
type leaseFunc func(ctx context.Context, anew bool) (lease, error)

// leaseProvider keeps credentials until shortly before they expire. A renewal is shared by all who wait for it
// and outlives those who give up waiting. A failed one is told to those who waited; the next caller starts
// another, unless the old credentials are still good: then these are served.
type leaseProvider struct {
	opaque
	obtain leaseFunc
	clock  clock.PassiveClock
	flight singleflight.Group

	mu      sync.Mutex
	held    lease
	renewAt time.Time
	anew    bool
}

func newLeaseProvider(now clock.PassiveClock, obtain leaseFunc) *leaseProvider {
	return &leaseProvider{obtain: obtain, clock: now}
}

func (p *leaseProvider) Credentials(ctx context.Context) (Credentials, error) {
	if credentials, good := p.cached(); good {
		return credentials, nil
	}
	// The renewal is not the caller's: it must not fail for others because one caller went away.
	renewal := p.flight.DoChan("", func() (any, error) { return p.renew(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return Credentials{}, fmt.Errorf("getting the credentials: %w", ctx.Err())
	case result := <-renewal:
		if result.Err != nil {
			return Credentials{}, result.Err
		}
		return result.Val.(Credentials), nil
	}
}

// Invalidate implements Invalidator.
func (p *leaseProvider) Invalidate(stale Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held.credentials != nil && p.held.credentials() == stale {
		p.held, p.renewAt, p.anew = lease{}, time.Time{}, true
	}
}

// cached returns the credentials held, if they need no renewal.
func (p *leaseProvider) cached() (Credentials, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.clock.Now().Before(p.renewAt) {
		return Credentials{}, false
	}
	return p.held.credentials(), true
}

func (p *leaseProvider) renew(ctx context.Context) (Credentials, error) {
	// A caller may have found nothing just before the previous renewal ended.
	if credentials, good := p.cached(); good {
		return credentials, nil
	}
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	p.mu.Lock()
	anew := p.anew
	p.mu.Unlock()
	var got lease
	err := contain(func() (err error) {
		got, err = p.obtain(ctx, anew)
		return err
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if err != nil {
		if now.Before(p.held.expires) {
			p.renewAt = sooner(now.Add(renewPause), p.held.expires)
			return p.held.credentials(), nil
		}
		return Credentials{}, err
	}
	p.held, p.renewAt, p.anew = got, renewalOf(got, now), false
	return got.credentials(), nil
}

// renewalOf is when to replace a lease obtained now: five minutes before its end, or halfway if it is short.
func renewalOf(got lease, now time.Time) time.Time {
	if got.expires.IsZero() {
		return time.Time{}
	}
	lifetime := got.expires.Sub(now)
	return now.Add(max(lifetime-renewMargin, lifetime/2))
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
