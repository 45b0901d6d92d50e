package cloudassistant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// vault obtains numbered credentials that live an hour, or fails.
type vault struct {
	clock    *clocktesting.FakePassiveClock
	lifetime time.Duration // 0: it does not say
	err      error
	calls    int
	anew     []bool
	gate     chan struct{} // if set, each call waits for it
}

func newVault() *vault {
	return &vault{
		clock:    clocktesting.NewFakePassiveClock(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)),
		lifetime: time.Hour,
	}
}

func (v *vault) obtain(ctx context.Context, anew bool) (lease, error) {
	v.calls++
	v.anew = append(v.anew, anew)
	if v.gate != nil {
		select {
		case <-v.gate:
		case <-ctx.Done():
			return lease{}, ctx.Err()
		}
	}
	if v.err != nil {
		return lease{}, v.err
	}
	got := lease{credentials: seal(Credentials{AccessKeyID: fmt.Sprint("key-", v.calls)})}
	if v.lifetime > 0 {
		got.expires = v.clock.Now().Add(v.lifetime)
	}
	return got, nil
}

func (v *vault) provider() *leaseProvider { return newLeaseProvider(v.clock, v.obtain) }

func (v *vault) pass(d time.Duration) { v.clock.SetTime(v.clock.Now().Add(d)) }

func wantKey(t *testing.T, p CredentialProvider, want string) {
	t.Helper()
	got, err := p.Credentials(t.Context())
	if err != nil || got.AccessKeyID != want {
		t.Fatalf("got %q, %v; want %q", got.AccessKeyID, err, want)
	}
}

func TestRenewalOf(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	for lifetime, want := range map[time.Duration]time.Duration{
		time.Hour: 55 * time.Minute, 15 * time.Minute: 10 * time.Minute, 10 * time.Minute: 5 * time.Minute,
		time.Minute: 30 * time.Second, 0: 0,
	} {
		if got := renewalOf(lease{expires: now.Add(lifetime)}, now); !got.Equal(now.Add(want)) {
			t.Errorf("a lease of %s is renewed after %s, want %s", lifetime, got.Sub(now), want)
		}
	}
	if got := renewalOf(lease{}, now); !got.IsZero() {
		t.Errorf("a lease without an end is renewed at %s", got)
	}
}

func TestLeaseIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	v := newVault()
	p := v.provider()
	wantKey(t, p, "key-1")
	v.pass(55*time.Minute - time.Nanosecond)
	wantKey(t, p, "key-1")
	v.pass(time.Nanosecond)
	wantKey(t, p, "key-2")
	wantKey(t, p, "key-2")
	if v.calls != 2 {
		t.Errorf("%d calls", v.calls)
	}
}

func TestSourceThatKeepsItsOwn(t *testing.T) {
	v := newVault()
	v.lifetime = 0
	p := v.provider()
	wantKey(t, p, "key-1")
	wantKey(t, p, "key-2")
}

func TestFailedEarlyRenewalServesTheOldLease(t *testing.T) {
	v := newVault()
	p := v.provider()
	wantKey(t, p, "key-1")
	v.pass(56 * time.Minute)
	v.err = errors.New("STS is down")
	wantKey(t, p, "key-1")
	wantKey(t, p, "key-1")
	if v.calls != 2 {
		t.Errorf("%d calls; the failed renewal was repeated at once", v.calls)
	}
	v.pass(renewPause)
	wantKey(t, p, "key-1")
	if v.calls != 3 {
		t.Errorf("%d calls; the renewal was not tried again", v.calls)
	}
	v.pass(4*time.Minute - renewPause)
	for want := 4; want <= 5; want++ {
		// The lease has ended. Now each call tries, and the failure is not pinned.
		if _, err := p.Credentials(t.Context()); !errors.Is(err, v.err) || v.calls != want {
			t.Fatalf("error %v after %d calls", err, v.calls)
		}
	}
	v.err = nil
	wantKey(t, p, "key-6")
}

// A pause after a failed renewal never outlasts the lease.
func TestPauseEndsWithTheLease(t *testing.T) {
	v := newVault()
	p := v.provider()
	wantKey(t, p, "key-1")
	v.pass(time.Hour - time.Second)
	v.err = errors.New("STS is down")
	wantKey(t, p, "key-1")
	v.pass(time.Second)
	if _, err := p.Credentials(t.Context()); !errors.Is(err, v.err) {
		t.Errorf("error %v; expired credentials were served", err)
	}
}

func TestInvalidate(t *testing.T) {
	v := newVault()
	p := v.provider()
	p.Invalidate(Credentials{}) // before there are any
	wantKey(t, p, "key-1")
	p.Invalidate(Credentials{AccessKeyID: "key-0"}) // replaced long ago
	wantKey(t, p, "key-1")
	p.Invalidate(Credentials{AccessKeyID: "key-1"})
	v.err = errors.New("STS is down")
	if _, err := p.Credentials(t.Context()); !errors.Is(err, v.err) {
		t.Errorf("error %v; refused credentials were served", err)
	}
	v.err = nil
	wantKey(t, p, "key-3")
	wantKey(t, p, "key-3")
	if want := fmt.Sprint([]bool{false, true, true}); fmt.Sprint(v.anew) != want {
		t.Errorf("asked anew: %v, want %s", v.anew, want)
	}
}

func TestRenewalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault()
		v.gate = make(chan struct{})
		p := v.provider()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if got, err := p.Credentials(t.Context()); err != nil || got.AccessKeyID != "key-1" {
					t.Errorf("got %q, %v", got.AccessKeyID, err)
				}
			})
		}
		synctest.Wait()
		close(v.gate)
		group.Wait()
		if v.calls != 1 {
			t.Errorf("%d calls", v.calls)
		}
	})
}

// Who finds nothing cached just before a renewal ends must not begin another one.
func TestRenewalFindsTheLeaseRenewed(t *testing.T) {
	v := newVault()
	p := v.provider()
	wantKey(t, p, "key-1")
	if got, err := p.renew(t.Context()); err != nil || got.AccessKeyID != "key-1" || v.calls != 1 {
		t.Errorf("got %q, %v after %d calls", got.AccessKeyID, err, v.calls)
	}
}

func TestWaiterThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault()
		v.gate = make(chan struct{})
		p := v.provider()
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() {
			_, err := p.Credentials(ctx)
			gaveUp <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		// The renewal that the first caller began goes on, and serves the next one.
		close(v.gate)
		wantKey(t, p, "key-1")
		if v.calls != 1 {
			t.Errorf("%d calls", v.calls)
		}
	})
}

// A renewal that hangs ends by itself, whoever waits.
func TestRenewalIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault()
		v.gate = make(chan struct{})
		began := time.Now()
		if _, err := v.provider().Credentials(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != renewTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

func TestPanickingSource(t *testing.T) {
	p := newLeaseProvider(newVault().clock, func(context.Context, bool) (lease, error) { panic("secret") })
	_, err := p.Credentials(t.Context())
	wantError(t, err, ClassUnavailable, CodeInternal)
}
