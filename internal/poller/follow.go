package poller

import (
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// followFor is how long a run is followed after a hint until that is given up, and deafAtMost the longest time that it
	// is not followed again after hints that came to nothing.
	followFor  = 90 * time.Second
	deafAtMost = time.Hour
	// lookAgain is the wait after the first look that was too early; it doubles.
	lookAgain = 500 * time.Millisecond
	// progressEvery is how often hints may ask about a run that goes on elsewhere.
	progressEvery = 10 * time.Second
	// againAtMost is how many hints at what was hinted before are heeded while a run is followed.
	againAtMost = 2
	// placesAtMost bounds the instances that are remembered as hinted: a run has at most 100.
	placesAtMost = 128
	// floodTime is how much of the rate hinted questions may need before a survey answers them.
	floodTime = time.Second
	// nudgedAtOnce bounds the attempts that hints led to, and nudgedTrip is the round trip that they are enough for.
	nudgedAtOnce = 16
	nudgedTrip   = 200 * time.Millisecond
)

// following is what came of the hints about a question. They only say when to look.
type following struct {
	// places are the instances that were hinted; the empty one is any.
	places map[string]bool
	// owed are the instances that were hinted before that, and are still to be shown to have ended.
	owed map[string]bool
	// next is when to look because of a hint; zero when none asks for that.
	next time.Time
	// until is until when hints are followed; zero when there is none to follow.
	until time.Time
	// whole says that all that is known to go on was hinted: the end is looked for again and again.
	whole bool
	// looks counts those since then that were too early. heard is when the hint came; zero if the first look was not made
	// by that.
	looks int
	heard time.Time
	// heeded is when the latest hint was, and again counts those that told of what had been hinted before.
	heeded time.Time
	again  int
	// misled counts the times in a row that following came to nothing, and deafUntil is until when it is not tried again.
	misled    int
	deafUntil time.Time
}

// hinted takes in a hint that was heard at some time before now: one of its kind counts once, unless it comes much later than
// the first, and only if it tells of what is not known.
func (q *question) hinted(place string, heard, now time.Time) {
	f := &q.following
	if f.next.IsZero() && !now.Before(later(f.until, f.deafUntil)) {
		*f = following{misled: f.misled, owed: q.stillOwed()}
	}
	again := f.places[place] || now.Before(f.deafUntil)
	goes, heeded := q.heeds(place, now)
	if !heeded || f.places[place] && !goes {
		return
	}
	if f.places == nil {
		f.places = map[string]bool{}
	}
	f.places[place] = true
	first := later(now, heard.Add(q.lane.reputation.delay))
	if again {
		if !goes || !f.begunAnew(heard) {
			return
		}
		heard = time.Time{}
	}
	f.heeded = now
	if f.until.IsZero() || goes {
		f.until = now.Add(followFor)
	}
	switch {
	case f.whole || q.known() != nil && !goesOn(q.live.Records):
	case q.wholeHinted():
		f.follow(first)
		f.heard = heard
	case f.next.IsZero():
		f.next = later(first, q.answered.from.Add(progressEvery))
	}
}

// begunAnew says whether a hint that was heard then is followed from its beginning, though what it tells of was hinted before.
// The one before was wrong, or too early, and by now is looked into rarely or not at all; but whoever forges hints gets no more
// than a few looks by that.
func (f *following) begunAnew(heard time.Time) bool {
	if f.again == againAtMost || heard.Before(f.heeded.Add(progressEvery)) {
		return false
	}
	f.again++
	f.whole = false
	return true
}

// heeds says whether a hint tells of something that is not known, and whether that is the end of what is known to go on.
func (q *question) heeds(place string, now time.Time) (goes, heeded bool) {
	f := &q.following
	known := false
	for _, row := range q.known() {
		if place == "" || row.InstanceID == place {
			known = true
			goes = goes || !row.InvocationStatus.Terminal()
		}
	}
	if goes {
		return true, true
	}
	return false, !known && len(f.places) < placesAtMost && (q.known() == nil || !q.knowsAll(now))
}

// follow begins to look for the end.
func (f *following) follow(first time.Time) {
	f.whole, f.looks, f.next, f.heard = true, 0, first, time.Time{}
}

// wholeHinted says that no place is known that goes on and was not hinted.
func (q *question) wholeHinted() bool {
	goes, unhinted := 0, 0
	for _, row := range q.known() {
		if !row.InvocationStatus.Terminal() {
			goes++
			if !q.following.told(row.InstanceID) {
				unhinted++
			}
		}
	}
	return unhinted == 0 || q.following.places[""] && goes == 1
}

// told says that an instance was hinted by its name.
func (f *following) told(instanceID string) bool {
	return f.places[instanceID] || f.owed[instanceID]
}

// stillOwed are the instances that were hinted and are not known to have ended: however long ago that was, their end was
// announced. The runs of a schedule are announced one by one.
func (q *question) stillOwed() map[string]bool {
	if repeats(q.known()) {
		return nil
	}
	owed := map[string]bool{}
	for _, row := range q.known() {
		if !row.InvocationStatus.Terminal() && q.following.told(row.InstanceID) {
			owed[row.InstanceID] = true
		}
	}
	return owed
}

// looked takes in an answer, whoever asked for it: either it is what hints told of, or there is another look, or nothing
// came of them. before are the rows that were known before.
func (q *question) looked(answer *cloudassistant.Answer, before []cloudassistant.Record, now time.Time) {
	f := &q.following
	if f.until.IsZero() {
		return
	}
	onTime := !f.next.IsZero() && !answer.StartedAt.Before(f.next)
	if q.known() != nil && !goesOn(answer.Records) {
		if f.whole && onTime && !f.heard.IsZero() {
			q.lane.reputation.learn(answer.StartedAt.Sub(f.heard), f.looks > 0)
		}
		f.next, f.whole, f.misled = time.Time{}, false, 0
		return
	}
	if ended, waiting := q.between(before); ended || waiting {
		q.lookedBetween(ended, waiting, onTime, now)
		return
	}
	switch whole := q.wholeHinted(); {
	case whole && !f.whole && now.Before(f.until):
		f.follow(now.Add(lookAgain))
	case onTime && !whole:
		f.next, f.whole = time.Time{}, false
	case onTime:
		q.lookLater(now)
	}
}

// lookLater plans another look, in vain if that comes too late.
func (q *question) lookLater(now time.Time) {
	f := &q.following
	f.next = now.Add(lookAgain << f.looks)
	f.looks++
	if f.next.After(f.until) {
		q.giveUp(now)
	}
}

// overlooked takes in that a survey, begun at some time before now, has told nothing of a question that waited for it. That
// says little about the run, but must not lead to survey after survey.
func (q *question) overlooked(began, now time.Time) {
	f := &q.following
	switch {
	case f.next.IsZero() || f.next.After(began) || q.sought || q.failure != nil || !q.surveyed():
		return
	case f.whole:
		q.lookLater(now)
	default:
		f.next = time.Time{}
	}
	q.lane.plan(q)
}

// lookedBetween takes in that a command that runs again and again waits for its next run: whether any of its runs that hints
// told of has ended by now, and whether any has not.
func (q *question) lookedBetween(ended, waiting, onTime bool, now time.Time) {
	f := &q.following
	if ended {
		f.misled = 0
	}
	switch {
	case !waiting:
		f.next, f.whole = time.Time{}, false
	case onTime && f.whole:
		q.lookLater(now)
	case onTime:
		f.follow(now.Add(lookAgain))
	}
}

// between says whether a command that runs again and again has ended runs that hints told of, where it waits for the next
// now, and forgets these hints: there will be others. waiting says that it waits where it has ended none since.
func (q *question) between(before []cloudassistant.Record) (ended, waiting bool) {
	places, known := q.following.places, byKey(before)
	var hinted []string
	for _, row := range q.known() {
		if row.InvocationStatus != cloudassistant.StatusScheduled || !places[row.InstanceID] && !places[""] {
			continue
		}
		if i, found := known[keyOf(&row)]; !found || moved(&before[i], &row) {
			ended = true
			delete(places, row.InstanceID)
		} else {
			hinted = append(hinted, row.InstanceID)
		}
	}
	if ended {
		delete(places, "")
	}
	return ended, slices.ContainsFunc(hinted, func(id string) bool { return places[id] || places[""] })
}

// giveUp follows no hint for a while, longer each time in a row: whoever forges them must not keep a run asked for.
func (q *question) giveUp(now time.Time) {
	misled := q.following.misled
	rest := min(followFor<<min(misled, 6), deafAtMost)
	q.following = following{
		misled: misled + 1, deafUntil: now.Add(rest), owed: q.stillOwed(), again: q.following.again, heeded: q.following.heeded,
	}
}

// followed says that the question is due for no other reason than hints and its schedule, so that it has places of its own
// among the attempts, and may wait for a survey where too many are.
func (q *question) followed() bool {
	if q.following.next.IsZero() || q.failure != nil || q.forced || q.sought || !q.surveyed() {
		return false
	}
	for _, i := range q.interests {
		if i.unmet(q.live) {
			return false
		}
	}
	return true
}
