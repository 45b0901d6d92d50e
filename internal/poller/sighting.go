package poller

import (
	"math"
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
// met so far. What goes on is a fact, and so is an end if no known row is missing; it is never concluded from rows of
// a run that nothing was known of, because a filtered list may lack the others.
func (q *question) sight(rows []cloudassistant.Record, whole bool, began, now time.Time, jitter float64) (sighting, []Owner) {
	rows = q.asked(rows)
	if len(rows) == 0 || q.attempt != nil {
		return sightNothing, nil
	}
	var known []cloudassistant.Record
	complete := false
	if q.live != nil {
		known, complete = q.live.Records, q.live.Complete
		if q.live.StartedAt.After(began) {
			return sightNothing, nil
		}
	}
	answer := &cloudassistant.Answer{StartedAt: began, EndedAt: now, Pages: 1}
	what := sightGoesOn
	switch {
	case goesOn(rows):
		answer.Records, answer.Complete = mergeRows(known, rows), complete
	case covers(rows, known) || known == nil && whole && q.lane.trusted >= trustFrom:
		what, answer.Records, answer.Complete = sightEnded, rows, true
	case known == nil && whole && q.lane.trusted >= 0:
		answer.Records, answer.Complete = rows, true
		q.glimpse = answer
		return sightDoubtful, nil
	default:
		return sightDoubtful, nil
	}
	dropPartialOutput(answer)
	differs := q.live == nil || q.live.Complete != answer.Complete || changed(known, answer.Records)
	if !differs {
		answer.Records = known
	}
	moved := differs && progressed(known, answer.Records)
	return what, q.answeredLive(answer, differs, moved, now, jitter)
}

// learn compares what a survey has shown of a run with the answer about it alone: only a lane whose lists were right so
// far believes them of runs that nothing else is known of.
func (q *question) learn(answer *cloudassistant.Answer) {
	if q.glimpse == nil || q.glimpse == answer || !answer.Complete {
		return
	}
	if covers(q.glimpse.Records, answer.Records) {
		q.lane.trusted++
	} else {
		q.lane.trusted = math.MinInt
	}
	q.glimpse = nil
}

// believe takes in what surveys have shown of runs that ended before anything was known of them, if lists turned out to
// be right, and returns the owners to tell.
func (l *lane) believe(now time.Time) (owners []Owner) {
	if l.trusted < trustFrom {
		return nil
	}
	for _, q := range l.questions {
		if glimpse := q.glimpse; glimpse != nil && q.live == nil && q.attempt == nil && len(q.interests) > 0 {
			q.glimpse = nil
			owners = append(owners, q.answeredLive(glimpse, true, true, now, l.poller.options.Jitter())...)
			l.plan(q)
		}
	}
	return owners
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
	return !history && !q.coveredUntil.IsZero() && !q.sought && !q.forced && q.failure == nil &&
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
