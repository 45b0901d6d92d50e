package poller

import (
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// provenBy is how many ends in a row must have been hinted before polling found them, for hints to stand in for it.
	provenBy = 10
	// announcedWithin is how long after polling has found an end its hint may still come.
	announcedWithin = 90 * time.Second
	// suspectsAtMost bounds the ends whose hint is still to come: where it lacks for more, it does not come.
	suspectsAtMost = 10_000
	// firstLooks is the share of the first looks after a hint that are to be late enough to show the end, and delayAtMost
	// bounds the wait before them.
	firstLooks  = 0.95
	delayAtMost = 4 * time.Second
	// lookStep is about by how much that wait is changed at first, lookSteps the number of lessons after which that has
	// halved, and lookStepAtLeast what is left of it in the end: many are learned at once, from looks at the same wait.
	lookStep        = 1000 * time.Millisecond
	lookSteps       = 8
	lookStepAtLeast = 40 * time.Millisecond
	// lookLate is by how much a first look may be late to tell anything about that wait.
	lookLate = 250 * time.Millisecond
	// reputationsAtMost bounds the memory of identities that watch nothing.
	reputationsAtMost = 1000
)

// reputation is what the hints to a lane are worth. It outlives the lane.
type reputation struct {
	// account is that of the lane, if known.
	account string
	// hinted counts the ends in a row that were hinted before polling found them.
	hinted int
	// suspects are the ends that polling has found first, and when; order has the oldest first, and some that are none any
	// more.
	suspects map[place]time.Time
	order    []place
	// lostAt is when hints were last found to be missing.
	lostAt time.Time
	// delay is the wait before the first look after a hint: the API may show ends later than the hint of them comes.
	delay time.Duration
	// lessons is how often it was changed.
	lessons int
}

// place is one instance of a run.
type place struct {
	invokeID, instanceID string
}

// learn takes in that a look, so long after a hint, has shown the end, and whether an earlier one had been too early. It moves
// the delay so that the given share of first looks is not, and never beyond what would have been enough.
func (r *reputation) learn(shown time.Duration, early bool) {
	step := float64(max(lookStep*lookSteps/time.Duration(lookSteps+r.lessons), lookStepAtLeast))
	switch {
	case early:
		r.delay = max(r.delay, min(r.delay+time.Duration(firstLooks*step), shown, delayAtMost))
	case shown <= r.delay+lookLate:
		r.delay = max(r.delay-time.Duration((1-firstLooks)*step), 0)
	default:
		return
	}
	r.lessons++
}

// announced takes in a hint: what it tells of is no suspect.
func (r *reputation) announced(n Nudge) {
	if n.InstanceID != "" {
		delete(r.suspects, place{n.InvokeID, n.InstanceID})
		return
	}
	for of := range r.suspects {
		if of.invokeID == n.InvokeID {
			delete(r.suspects, of)
		}
	}
}

// ended takes in that polling has found the end of a run, and where that was not hinted: those are suspects from now on.
func (r *reputation) ended(unhinted []place, now time.Time) {
	if len(unhinted) == 0 {
		r.hinted++
		return
	}
	if r.hinted == 0 {
		return
	}
	if r.suspects == nil {
		r.suspects = map[place]time.Time{}
	}
	for _, of := range unhinted {
		r.suspects[of] = now
		r.order = append(r.order, of)
	}
	if len(r.order) > 2*suspectsAtMost {
		r.order = slices.DeleteFunc(r.order, func(of place) bool { _, suspected := r.suspects[of]; return !suspected })
	}
}

// judge forgets what hints were worth, if some have turned out to be missing.
func (r *reputation) judge(now time.Time) {
	if at, waiting := r.judgeAt(); waiting && (!now.Before(at) || len(r.suspects) > suspectsAtMost) {
		r.hinted, r.suspects, r.order, r.lostAt = 0, nil, nil, now
	}
}

// judgeAt is when hints turn out to be missing, unless they come.
func (r *reputation) judgeAt() (at time.Time, waiting bool) {
	for len(r.order) > 0 {
		if found, suspected := r.suspects[r.order[0]]; suspected {
			return found.Add(announcedWithin), true
		}
		r.order = r.order[1:]
	}
	return time.Time{}, false
}

// reputation finds what is known of the hints to a lane.
func (p *Poller) reputation(of laneKey) *reputation {
	r := p.reputations[of]
	if r == nil {
		for other := range p.reputations {
			if len(p.reputations) >= reputationsAtMost && p.lanes[other] == nil {
				delete(p.reputations, other)
			}
		}
		r = &reputation{}
		p.reputations[of] = r
	}
	return r
}

// trusting says that hints stand in for the most of polling.
func (l *lane) trusting() bool {
	return l.poller.options.EventsInterval > 0 && l.reputation.hinted >= provenBy
}

// judge goes back to polling if hints are missing, and away from it when they have proven reliable.
func (l *lane) judge(now time.Time) {
	l.reputation.judge(now)
	if trusting := l.trusting(); l.trusted != trusting {
		l.trusted = trusting
		for _, q := range l.questions {
			l.plan(q)
		}
	}
}

// stretch is the longest time that goes without an answer where hints are trusted: an interval that somebody has asked for
// holds, unless that is zero.
func (l *lane) stretch(own time.Duration) time.Duration {
	interval := l.poller.options.EventsInterval
	if own > 0 {
		interval = min(interval, own)
	}
	return interval
}

// stretched says that the question is left to hints: it is known to go on, they tell of its end, and none has misled of
// late.
func (q *question) stretched() bool {
	return q.live != nil && q.lane.trusting() && q.announced() && goesOn(q.live.Records) && q.following.misled == 0
}

// announced says that hints tell of the end of what goes on, and that it would show if they ceased to. None tells of a
// question that names no run; and a command that runs again and again goes on whether its runs are announced or not.
func (q *question) announced() bool {
	return q.key.invokeID != "" && !repeats(q.known())
}

// safeUntil is until when the question is left to hints; zero if it is not.
func (q *question) safeUntil() time.Time {
	if !q.stretched() {
		return time.Time{}
	}
	return q.answered.from.Add(q.lane.stretch(q.own))
}

// accountFor takes in the end of a run, if the answer tells of it: what was known to go on, and has ended, ought to have
// been hinted, unless it is of a kind that never is. No hint is understood to be about a question that names no run.
func (q *question) accountFor(answer *cloudassistant.Answer, now time.Time) {
	if q.key.invokeID == "" || q.known() == nil || !goesOn(q.live.Records) || len(answer.Records) == 0 || goesOn(answer.Records) {
		return
	}
	before := byKey(q.live.Records)
	ended := 0
	var unhinted []place
	for n := range answer.Records {
		row := &answer.Records[n]
		i, found := before[keyOf(row)]
		if !found || q.live.Records[i].InvocationStatus.Terminal() || row.InvocationStatus == cloudassistant.StatusError {
			continue
		}
		ended++
		if f := &q.following; !f.told(row.InstanceID) && !f.places[""] {
			unhinted = append(unhinted, place{row.InvokeID, row.InstanceID})
		}
	}
	if ended > 0 {
		q.lane.reputation.ended(unhinted, now)
	}
}
