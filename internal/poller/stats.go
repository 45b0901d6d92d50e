package poller

import (
	"maps"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Stats is the state of what is asked with one account in one region.
type Stats struct {
	// Account is empty as long as no session could be opened.
	RegionID, Account string

	// Watched is how many questions somebody wants the answer of. Of these, Awaited are left to the next survey to tell
	// of for the first time.
	Watched, Awaited int
	// Hinted is how many questions are about to be asked because of a hint, and Stretched how many are left to hints, but
	// for an answer now and then.
	Hinted, Stretched int
	// Refused is how many questions somebody has to mend something for: credentials, a policy, the question itself.
	Refused int
	// Due is how many other questions lack an answer that was to be there by now, and Overdue how many of these lack it
	// for so long that their owners tell (Snapshot.OverdueAt). OldestDue is for how long the first of them lacks it.
	Due, Overdue int
	OldestDue    time.Duration

	// Bucket is false before the first call; the rest then says nothing.
	Bucket bool
	// Throttled says that calls rest after a throttle answer, or that none has passed since.
	Throttled bool
	// Rate is how many calls a second are allowed now, and Tokens how many at once; negative is how many wait for one.
	Rate, Tokens float64
}

// statsAtOnce is how many questions are looked at in one go: whoever has news must not wait for ten thousand.
const statsAtOnce = 500

// Stats is the state of everything that is watched, by region and account in no order. It never takes the engine's lock
// for long, so what changes meanwhile may be counted as it was or as it is.
func (p *Poller) Stats() []Stats {
	type asked struct {
		of        bucketKey
		questions []*question
	}
	var lanes []asked
	found := map[bucketKey]*Stats{}

	p.mu.Lock()
	now := p.options.Clock.Now()
	for _, l := range p.lanes {
		of := bucketKey{account: l.account, regionID: l.key.regionID}
		s := found[of]
		if s == nil {
			s = &Stats{RegionID: of.regionID, Account: of.account}
			found[of] = s
		}
		s.Awaited += l.awaiting
		if b := l.bucket; b != nil && !s.Bucket {
			s.Bucket = true
			s.Throttled, s.Rate, s.Tokens = b.state()
		}
		lanes = append(lanes, asked{of: of, questions: slices.Collect(maps.Values(l.questions))})
	}
	p.mu.Unlock()

	for _, l := range lanes {
		for some := range slices.Chunk(l.questions, statsAtOnce) {
			p.mu.Lock()
			for _, q := range some {
				found[l.of].add(q, now)
			}
			p.mu.Unlock()
		}
	}
	var all []Stats
	for _, s := range found {
		all = append(all, *s)
	}
	return all
}

// add counts a question.
func (s *Stats) add(q *question, now time.Time) {
	if len(q.interests) == 0 {
		return
	}
	s.Watched++
	if !q.following.next.IsZero() {
		s.Hinted++
	}
	if q.stretched() {
		s.Stretched++
	}
	if q.failure != nil && (q.failure.Err.Class == cloudassistant.ClassDenied || q.failure.Err.Class == cloudassistant.ClassInvalid) {
		s.Refused++
		return
	}
	late, overdue := q.lateness(now)
	if late < 0 {
		return
	}
	s.Due++
	s.OldestDue = max(s.OldestDue, late)
	if overdue {
		s.Overdue++
	}
}

// lateness is for how long an answer has been due to the owner who lacks it longest, negative if it is not yet, and
// whether any is told so.
func (q *question) lateness(now time.Time) (late time.Duration, overdue bool) {
	late = -1
	for _, i := range q.interests {
		due, interval := q.owedTo(i)
		if due.After(now) {
			continue
		}
		late = max(late, now.Sub(due))
		overdue = overdue || !overdueAt(due, interval).After(now)
	}
	return late, overdue
}

// state is whether the bucket rests, or no call has passed since it did, and what it allows now.
func (b *bucket) state() (throttled bool, perSecond, tokens float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	if now.Before(b.until) {
		return true, 0, 0
	}
	return b.resuming, float64(b.rate(now)), b.limiter.TokensAt(now) - float64(b.waiting.Load())
}
