package emulator

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// quotaWindow is the vendor's window: what is refused in one minute is accepted again in the next.
const quotaWindow = time.Minute

// Quota limits the calls of each account to each action in each region, counted apart, as the vendor's flow control
// does. Which numbers the vendor uses is not published; without a Quota the emulator has none.
type Quota struct {
	// AccountID, RegionID and Action say which calls it is for; an empty one is any. The limit is never shared: a
	// Quota for any account gives each account the whole of it. A call that needs no RegionId is counted in the
	// region "" unless it names one.
	AccountID string `json:"accountID,omitempty"`
	RegionID  string `json:"regionID,omitempty"`
	Action    string `json:"action,omitempty"`
	// PerMinute is how many calls are accepted in each minute of the emulator's clock; 0 accepts none.
	PerMinute int `json:"perMinute"`
	// Code is the error code of a refusal; empty is Throttling.User.
	Code string `json:"code,omitempty"`
	// OmitRetryAfter leaves the headers x-acs-retry-after (milliseconds until the minute turns, read by the vendor's
	// Node SDK) and Retry-After (the same in whole seconds, the emulator's choice) out of a refusal. The vendor does
	// not promise them.
	OmitRetryAfter bool `json:"omitRetryAfter,omitempty"`
}

func (q Quota) matches(key quotaKey) bool {
	return (q.AccountID == "" || q.AccountID == key.accountID) &&
		(q.RegionID == "" || q.RegionID == key.regionID) &&
		(q.Action == "" || q.Action == key.action)
}

// quotaKey is what the vendor counts by.
type quotaKey struct{ accountID, regionID, action string }

// quotaSet counts calls in the window that goes on. It is safe for many goroutines.
type quotaSet struct {
	mu     sync.Mutex
	quotas []Quota
	// window is when the window began whose accepted calls are counted. Earlier counts are of no use, so the memory
	// is bounded by the calls of one minute.
	window   time.Time
	accepted map[quotaKey]int
}

// set replaces the quotas. What was counted in this minute stays counted.
func (s *quotaSet) set(quotas []Quota) error {
	for _, q := range quotas {
		if q.PerMinute < 0 {
			return fmt.Errorf("the quota of %d calls per minute is negative; use 0 to refuse all calls", q.PerMinute)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quotas = slices.Clone(quotas)
	return nil
}

// take uses up one call at a time, or returns the quota that forbids it and how long the window goes on.
func (s *quotaSet) take(key quotaKey, now time.Time) (exceeded *Quota, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	window := now.Truncate(quotaWindow)
	if s.accepted == nil || !window.Equal(s.window) {
		s.window, s.accepted = window, map[quotaKey]int{}
	}
	n := slices.IndexFunc(s.quotas, func(q Quota) bool { return q.matches(key) })
	if n >= 0 && s.accepted[key] >= s.quotas[n].PerMinute {
		exceeded := s.quotas[n]
		return &exceeded, window.Add(quotaWindow).Sub(now)
	}
	s.accepted[key]++
	return nil, 0
}

// SetQuotas replaces all quotas from now on, the calls already accepted in this minute included. Of several that
// match a call the first applies. It fails if one is negative.
func (e *Emulator) SetQuotas(quotas ...Quota) error { return e.quotas.set(quotas) }

// checkQuota refuses a call over its quota. A refused call uses up nothing. The place of this check, after
// authentication and before permissions and parameters, is inference: the vendor counts by account, so it knows the
// caller by then.
func (e *Emulator) checkQuota(c *Call) error {
	exceeded, wait := e.quotas.take(quotaKey{c.AccountID, c.RegionID, c.Action}, e.clock.Now())
	if exceeded == nil {
		return nil
	}
	refusal := refuse(firstOf(exceeded.Code, "Throttling.User"))
	if !exceeded.OmitRetryAfter {
		// Rounded up: a client that waits exactly so long must not be refused again.
		refusal.retryAfterMillis = int64((wait + time.Millisecond - 1) / time.Millisecond)
	}
	return refusal
}
