package poller

import (
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// sighting is what a survey has seen of a run.
type sighting int

const (
	// sightNothing: the rows tell nothing about the question, or somebody asks it just now.
	sightNothing sighting = iota
	// sightGoesOn: the run has not ended.
	sightGoesOn
	// sightEnded: all known rows have ended, and are the answer.
	sightEnded
	// sightDoubtful: all rows given have ended, but there may be more.
	sightDoubtful
)

// sight takes rows of a run in that a survey has met, on a page that was asked for at began. rows are all that it has
// met so far; whole says that they stand together, with others on both sides. What goes on is a fact. That all rows
// given have ended is the end only if there are no others: because all were there when the run was last asked about by
// itself or a list showed them together, because there can be but one, or because lists are believed to keep them together.
func (q *question) sight(rows []cloudassistant.Record, whole bool, began, now time.Time, jitter float64) (sighting, []Owner) {
	rows = q.asked(rows)
	if len(rows) == 0 || q.attempt != nil {
		return sightNothing, nil
	}
	if q.live != nil && q.live.StartedAt.After(began) {
		return sightNothing, nil
	}
	known := q.known()
	if whole {
		q.shown(rows, began, now)
	}
	answer := &cloudassistant.Answer{Records: rows, StartedAt: began, EndedAt: now, Pages: 1, Complete: true}
	switch {
	case goesOn(rows):
		answer.Records, answer.Complete = mergeRows(known, rows), q.live != nil && q.live.Complete
		return sightGoesOn, q.sighted(answer, now, jitter)
	case known != nil && !covers(rows, known):
		return sightDoubtful, nil
	case known != nil && q.knowsAll(now), q.key.instanceID != "" && alone(rows),
		whole && (q.lane.trust.believes(now) || known != nil && q.lane.trust.sorted(now)):
		return sightEnded, q.sighted(answer, now, jitter)
	case whole && !q.lane.trust.doubted(now):
		q.glimpse = answer
	}
	return sightDoubtful, nil
}

// alone says that the instance of the rows has no others: only containers give it several.
func alone(rows []cloudassistant.Record) bool {
	return len(rows) == 1 && rows[0].ContainerID == "" && rows[0].ContainerName == ""
}

// learn compares what a survey has shown of a run with the answer about it alone: only a lane whose lists were right so
// far believes them. A run may have grown since, or its rows be gone.
func (q *question) learn(answer *cloudassistant.Answer, now time.Time) {
	switch {
	case q.glimpse == nil || !answer.Complete || len(answer.Records) == 0:
	case covers(q.glimpse.Records, answer.Records):
		q.lane.trust.right++
	case q.glimpse.StartedAt.Sub(q.bornAt()) >= settledAge:
		q.lane.trust.wrong(now)
	}
}

// shown takes in that a list has shown rows of the run together.
func (q *question) shown(rows []cloudassistant.Record, began, now time.Time) {
	q.check(rows, now)
	if covers(rows, q.known()) && began.Sub(q.bornAt()) >= settledAge && q.lane.trust.sorted(now) {
		q.entire = true
	}
}

// knowsAll says that the known rows are all that the run has.
func (q *question) knowsAll(now time.Time) bool {
	return q.settled || q.entire && q.lane.trust.sorted(now)
}

// listable says that a list of the ended can show that the run has ended.
func (q *question) listable(now time.Time) bool {
	trust, known := &q.lane.trust, q.known()
	return trust.ordered(now) && !trust.doubted(now) || known != nil && q.knowsAll(now) ||
		q.key.instanceID != "" && (known == nil || alone(known))
}

// check compares the answer about a run alone with what a list shows later, as learn does the other way round: it costs no
// call. Rows that were there once the run was old enough stay there.
func (q *question) check(rows []cloudassistant.Record, now time.Time) {
	switch {
	case q.unchecked == nil:
		return
	case covers(rows, q.unchecked.Records):
		q.lane.trust.right++
	case q.unchecked.StartedAt.Sub(q.bornAt()) >= settledAge:
		q.lane.trust.wrong(now)
	}
	q.unchecked, q.checked = nil, true
}

// believe takes in what surveys have shown of the ends of runs, once lists have turned out to be right, and returns the
// owners to tell.
func (l *lane) believe(now time.Time) (believed []*question, owners []Owner) {
	before := l.trust.believed
	l.trust.believed = l.trust.believes(now)
	if before || !l.trust.believed {
		return nil, nil
	}
	for _, q := range l.questions {
		glimpse := q.glimpse
		if glimpse == nil || q.attempt != nil || len(q.interests) == 0 || q.known() != nil && !covers(glimpse.Records, q.known()) {
			continue
		}
		owners = append(owners, q.sighted(glimpse, now, l.poller.options.Jitter())...)
		believed = append(believed, q)
		l.plan(q)
	}
	return believed, owners
}

// known are the rows that are known; nil if there are none.
func (q *question) known() []cloudassistant.Record {
	return rowsOf(q.live)
}

// rowsOf are the rows of an answer; nil if there are none.
func rowsOf(answer *cloudassistant.Answer) []cloudassistant.Record {
	if answer == nil || len(answer.Records) == 0 {
		return nil
	}
	return answer.Records
}

// sighted takes in what a survey has seen as the answer.
func (q *question) sighted(answer *cloudassistant.Answer, now time.Time, jitter float64) []Owner {
	known := q.known()
	differs := q.live == nil || q.live.Complete != answer.Complete || changed(known, answer.Records)
	if !differs {
		answer.Records = known
	}
	moved := differs && progressed(known, answer.Records)
	return q.answeredLive(answer, differs, moved, now, jitter)
}

// asked leaves out rows of other instances than asked for.
func (q *question) asked(rows []cloudassistant.Record) []cloudassistant.Record {
	if q.key.instanceID == "" {
		return rows
	}
	var asked []cloudassistant.Record
	for _, row := range rows {
		if row.InstanceID == q.key.instanceID {
			asked = append(asked, row)
		}
	}
	return asked
}

// unfinished says that the run has not ended, as far as is known.
func (q *question) unfinished() bool {
	return q.live == nil || goesOn(q.live.Records)
}

// covered says that the question is due by its schedule alone, for which surveys stand in.
func (q *question) covered() bool {
	_, history := q.next()
	hinted := !q.following.next.IsZero() && !q.following.next.After(q.due)
	return !history && !hinted && !q.coveredUntil.IsZero() && !q.sought && !q.forced && q.failure == nil &&
		!slices.ContainsFunc(q.interests, func(i *interest) bool { return i.unmet(q.live) })
}

// startedAt is when the run began on the first instance; zero if that is not known.
func (q *question) startedAt() time.Time {
	var started time.Time
	if q.live != nil {
		for i := range q.live.Records {
			at := q.live.Records[i].StartTime
			if started.IsZero() || !at.IsZero() && at.Before(started) {
				started = at
			}
		}
	}
	return started
}

// bornAt is the earliest time at which the run is known to have existed.
func (q *question) bornAt() time.Time {
	if began := q.startedAt(); !began.IsZero() && began.Before(q.since) {
		return began
	}
	return q.since
}
