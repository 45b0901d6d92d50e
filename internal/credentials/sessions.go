// Package credentials finds the credentials of an identity, the operator's own or those of a Secret, and opens
// the sessions that ask with them. It stands between Kubernetes, where Secrets are, and the cloud client, which
// knows nothing of Kubernetes.
package credentials

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// secretTTL is how long a Secret is believed before it is read again, unless the API refuses it sooner.
	secretTTL = time.Minute
	// unusedTTL is how long an identity that nobody asks with is kept.
	unusedTTL = time.Hour
	// accountTTL is how long an account that could not be learnt is not asked for again.
	accountTTL = 10 * time.Minute
	// openTimeout bounds the opening of a session, for whoever waits for it.
	openTimeout = 30 * time.Second
)

// Sessions implements cloudassistant.Sessions. What it learns of an identity is shared by all who ask as that
// identity, and by nobody else. It is safe for many goroutines.
type Sessions struct {
	cloud   *cloudassistant.Client
	own     cloudassistant.CredentialProvider
	secrets client.Reader
	clock   clock.PassiveClock
	opening singleflight.Group

	mutex   sync.Mutex
	entries map[cloudassistant.Identity]*entry
}

// entry is what is known of an identity. It is replaced, never changed.
type entry struct {
	provider cloudassistant.CredentialProvider
	// version tells a Secret's contents from other ones.
	version string
	account string
	// secretAt and accountAt are when to look again; zero is never.
	secretAt  time.Time
	accountAt time.Time
	// usedAt is when somebody last asked with it, in Unix nanoseconds.
	usedAt *atomic.Int64
}

// New returns Sessions. own are the operator's own credentials; secrets reads Secrets from the API server itself:
// with a cache, the operator would need the right to list them.
func New(cloud *cloudassistant.Client, own cloudassistant.CredentialProvider, secrets client.Reader, clock clock.PassiveClock) *Sessions {
	return &Sessions{cloud: cloud, own: own, secrets: secrets, clock: clock, entries: map[cloudassistant.Identity]*entry{}}
}

// Session implements cloudassistant.Sessions.
func (s *Sessions) Session(ctx context.Context, identity cloudassistant.Identity, _ string) (cloudassistant.Session, error) {
	known, err := s.open(ctx, identity)
	if err != nil {
		return nil, err
	}
	// A role is assumed before the call, not within it: what STS answers, a throttle say, is no answer of ECS and
	// must not be counted as one.
	if _, err := known.provider.Credentials(ctx); err != nil {
		return nil, err
	}
	return &session{Session: s.cloud.Session(known.provider, known.account), sessions: s, identity: identity, entry: known}, nil
}

// open returns what is known of an identity, finding out once for all who wait what is not.
func (s *Sessions) open(ctx context.Context, identity cloudassistant.Identity) (*entry, error) {
	s.mutex.Lock()
	known := s.entries[identity]
	s.mutex.Unlock()
	if known != nil && !s.due(known.secretAt) && !s.due(known.accountAt) {
		known.usedAt.Store(s.clock.Now().UnixNano())
		return known, nil
	}
	// The work is not the caller's: it must not fail for others because one of them went away.
	opened := s.opening.DoChan(identity.Secret+" "+identity.RoleARN, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
		defer cancel()
		renewed, err := s.renew(ctx, identity, known)
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if err != nil {
			delete(s.entries, identity)
			return nil, err
		}
		s.entries[identity] = renewed
		s.dropUnused()
		return renewed, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-opened:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*entry), nil
	}
}

// dropUnused forgets the identities that nobody has asked with for a while, but for the operator's own: their results
// may be long gone.
func (s *Sessions) dropUnused() {
	latest := s.clock.Now().Add(-unusedTTL).UnixNano()
	maps.DeleteFunc(s.entries, func(identity cloudassistant.Identity, known *entry) bool {
		return identity != cloudassistant.Identity{} && known.usedAt.Load() < latest
	})
}

func (s *Sessions) due(at time.Time) bool {
	return !at.IsZero() && !s.clock.Now().Before(at)
}

// renew finds out what is not known of an identity, or not known any more.
func (s *Sessions) renew(ctx context.Context, identity cloudassistant.Identity, known *entry) (*entry, error) {
	renewed := &entry{provider: s.own, usedAt: &atomic.Int64{}}
	renewed.usedAt.Store(s.clock.Now().UnixNano())
	if identity.Secret != "" {
		secret, err := readSecret(ctx, s.secrets, identity.Secret)
		if err != nil {
			return nil, err
		}
		renewed.provider = cloudassistant.Static(secret.credentials)
		renewed.version, renewed.account = secret.version, secret.accountID
		renewed.secretAt = s.clock.Now().Add(secretTTL)
	}
	if known != nil && known.version == renewed.version {
		// The same credentials: a role assumed with them stays assumed, and the account is the same.
		renewed.provider, renewed.account, renewed.accountAt = known.provider, known.account, known.accountAt
	} else if identity.RoleARN != "" {
		assumed, err := s.cloud.AssumeRole(renewed.provider, identity.RoleARN)
		if err != nil {
			return nil, err
		}
		renewed.provider = assumed
		if renewed.account, err = cloudassistant.RoleAccount(identity.RoleARN); err != nil {
			return nil, err
		}
	}
	if renewed.account == "" || s.due(renewed.accountAt) {
		return renewed, s.learnAccount(ctx, identity, renewed)
	}
	return renewed, nil
}

// learnAccount asks whose the credentials are. Where the answer cannot be had, the identity is counted as an
// account of its own for a while: its calls are limited, if not together with those of others.
func (s *Sessions) learnAccount(ctx context.Context, identity cloudassistant.Identity, known *entry) error {
	account, err := s.cloud.AccountID(ctx, known.provider)
	switch {
	case err == nil:
		known.account, known.accountAt = account, time.Time{}
	case cloudassistant.ClassOf(err) == cloudassistant.ClassDenied:
		return err
	default:
		known.account = "of " + identity.Secret + " " + identity.RoleARN
		known.accountAt = s.clock.Now().Add(accountTTL)
	}
	return nil
}

// doubt has the Secret of an identity read again at the next opening.
func (s *Sessions) doubt(identity cloudassistant.Identity, known *entry) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if identity.Secret != "" && s.entries[identity] == known {
		doubted := *known
		doubted.secretAt = s.clock.Now()
		s.entries[identity] = &doubted
	}
}

// session doubts credentials that the API refuses, so that a Secret that was mended works at the next attempt.
type session struct {
	cloudassistant.Session
	sessions *Sessions
	identity cloudassistant.Identity
	entry    *entry
}

func (s *session) DescribeInvocationResults(ctx context.Context, query cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, error) {
	page, err := s.Session.DescribeInvocationResults(ctx, query, paging)
	var refusal *cloudassistant.Error
	if errors.As(err, &refusal) && refusal.Class == cloudassistant.ClassDenied {
		s.sessions.doubt(s.identity, s.entry)
	}
	return page, err
}
