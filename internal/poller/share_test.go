package poller

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// quota is what an API allows, however it counts.
type quota interface {
	// admits counts a call, and says whether it passes.
	admits(now time.Time) bool
}

// minuteQuota counts anew whenever the minute turns.
type minuteQuota struct {
	most, used int
	minute     time.Time
}

func (q *minuteQuota) admits(now time.Time) bool {
	if minute := now.Truncate(time.Minute); !minute.Equal(q.minute) {
		q.minute, q.used = minute, 0
	}
	q.used++
	return q.used <= q.most
}

// slidingQuota counts those that passed in the last minute.
type slidingQuota struct {
	most   int
	passed []time.Time
}

func (q *slidingQuota) admits(now time.Time) bool {
	for len(q.passed) > 0 && now.Sub(q.passed[0]) >= time.Minute {
		q.passed = q.passed[1:]
	}
	if len(q.passed) >= q.most {
		return false
	}
	q.passed = append(q.passed, now)
	return true
}

// sharers are operators that always have something to ask, and share a quota.
type sharers struct {
	quota
	mu      sync.Mutex
	buckets []*bucket
	passed  []int
	refused []int
}

// share lets buckets of such rates, in calls a second, use a quota, until stop.
func share(t *testing.T, q quota, rates ...float64) (s *sharers, stop func()) {
	t.Helper()
	s = &sharers{quota: q, passed: make([]int, len(rates)), refused: make([]int, len(rates))}
	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for n, qps := range rates {
		b := newBucket(clock.RealClock{}, rand.New(rand.NewPCG(uint64(n), 1)).Float64, qps, 10)
		s.buckets = append(s.buckets, b)
		users.Go(func() { s.use(ctx, n, b) })
	}
	return s, func() {
		cancel()
		users.Wait()
	}
}

func (s *sharers) use(ctx context.Context, n int, b *bucket) {
	for ctx.Err() == nil {
		t, err := b.take(ctx)
		if err != nil {
			_ = b.rest(ctx)
			continue
		}
		b.give(t, s.call(n))
	}
}

func (s *sharers) call(n int) error {
	<-time.After(50 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admits(time.Now()) {
		s.passed[n]++
		return nil
	}
	s.refused[n]++
	return failureOf(cloudassistant.ClassThrottled)
}

// tell returns the counts since it was last called.
func (s *sharers) tell() (passed, refused []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	passed, refused = s.passed, s.refused
	s.passed, s.refused = make([]int, len(passed)), make([]int, len(passed))
	return passed, refused
}

// inTenMinutes is what everybody has got in the last ten minutes of so many.
func (s *sharers) inTenMinutes(minutes int) (passed, refused []int) {
	rest(s.buckets[0], time.Duration(minutes-10)*time.Minute)
	s.tell()
	rest(s.buckets[0], 10*time.Minute)
	return s.tell()
}

func TestOneOperatorUsesTheQuotaWithFewThrottleAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		quota  quota
		passes int
	}{
		"counted by the minute":        {&minuteQuota{most: 100}, 950},
		"counted over the last minute": {&slidingQuota{most: 100}, 800},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, stop := share(t, c.quota, 5)
				defer stop()
				for range 3 {
					passed, refused := s.inTenMinutes(20)
					if passed[0] < c.passes || refused[0] > 4 {
						t.Errorf("%d of 1,000 calls passed in ten minutes, and %d were refused; want at least %d, and at most 4",
							passed[0], refused[0], c.passes)
					}
				}
			})
		})
	}
}

func TestOperatorsThatShareAQuotaAllGetOn(t *testing.T) {
	for name, c := range map[string]struct {
		quota quota
		rates []float64
		least int
	}{
		"two, one of which begins slowly": {&minuteQuota{most: 100}, []float64{5, 5}, 350},
		"the same, over the last minute":  {&slidingQuota{most: 100}, []float64{5, 5}, 250},
		"a small one beside a large one":  {&minuteQuota{most: 100}, []float64{5, 1}, 200},
		"three, of which one is slow":     {&minuteQuota{most: 100}, []float64{2, 2, 2}, 150},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, stop := share(t, c.quota, c.rates...)
				defer stop()
				slow := s.buckets[1]
				slow.mu.Lock()
				slow.base = slow.full * floor
				slow.level = slow.base
				slow.mu.Unlock()
				passed, refused := s.inTenMinutes(60)
				all, no := 0, 0
				for n := range passed {
					all, no = all+passed[n], no+refused[n]
					if passed[n] < c.least {
						t.Errorf("operator %d got %d calls in ten minutes, want at least %d; all: %v", n, passed[n], c.least, passed)
					}
				}
				if all < 800 || no > 12 {
					t.Errorf("%v of 1,000 calls passed, %v were refused", passed, refused)
				}
			})
		})
	}
}

// Whoever asks little, now more and now less than others leave, is throttled about every other minute.
func TestAskingLittleBesideOthersWhoUseTheQuotaUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sharers{quota: &minuteQuota{most: 150}, passed: []int{0}, refused: []int{0}}
		b := newBucket(clock.RealClock{}, rand.New(rand.NewPCG(0, 1)).Float64, 10, 10)
		for minute := range 120 {
			ends := b.clock.Now().Add(time.Minute)
			for asked := 0; asked < 60+120*(minute%2) && b.clock.Now().Before(ends); {
				ticket, err := b.take(t.Context())
				if err != nil {
					_ = b.rest(t.Context())
					continue
				}
				b.give(ticket, s.call(0))
				asked++
			}
			rest(b, ends.Sub(b.clock.Now()))
		}
		passed, refused := s.tell()
		if refused[0] > 65 || passed[0] < 12_000 {
			t.Errorf("in two hours %d calls passed, and %d were refused; want at least 12,000 and at most 65", passed[0], refused[0])
		}
	})
}

// Somebody who asks without a pause takes all there is, and leaves.
func TestTheRateComesBackWhenOthersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := share(t, &minuteQuota{most: 300}, 5)
		defer stop()
		noise, silence := context.WithCancel(t.Context())
		var noisy sync.WaitGroup
		noisy.Go(func() {
			for noise.Err() == nil {
				s.mu.Lock()
				s.admits(time.Now())
				s.mu.Unlock()
				<-time.After(10 * time.Millisecond)
			}
		})
		rest(s.buckets[0], 10*time.Minute)
		if passed, refused := s.tell(); passed[0] < 20 || refused[0] > 15 {
			t.Errorf("beside one who takes all %d calls passed, and %d were refused", passed[0], refused[0])
		}
		silence()
		noisy.Wait()
		rest(s.buckets[0], 11*time.Minute)
		if got := s.buckets[0].perSecond(); got != 5 {
			t.Errorf("after eleven minutes alone the rate is %v, want 5", got)
		}
	})
}
