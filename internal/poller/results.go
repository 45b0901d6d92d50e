package poller

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// answeredLive takes in an answer about the live rows, which ended at now, and returns the owners to whom that
// is news. differs and moved compare it with the answer before.
func (q *question) answeredLive(answer *cloudassistant.Answer, differs, moved bool, now time.Time, jitter float64) []Owner {
	before := q.live
	news := differs || q.failure != nil
	var owners []Owner
	for _, i := range q.interests {
		if news || i.shownTrouble || i.unmet(before) && !i.unmet(answer) {
			owners = append(owners, i.owner)
			i.announced = answer.StartedAt
		}
		i.shownTrouble = false
	}

	q.learn(answer, now)
	q.accountFor(answer, now)
	q.blame(answer, now)
	if q.unfinished() && !goesOn(answer.Records) {
		q.lane.ends++
	}
	kind := outcomeUnchanged
	if completed := q.live != nil && !q.live.Complete && answer.Complete; moved || differs && !completed {
		kind = outcomeChanged
	}
	if differs || !answer.Complete {
		q.unchangedSince = answer.StartedAt
	}
	if moved {
		q.historyStale, q.staleSince = true, now
	}
	q.live, q.glimpse = answer, nil
	q.answered = q.answered.after(now, kind, jitter)
	q.failure, q.failed, q.forced = nil, plan{}, false
	q.await(false)
	q.sought, q.coveredUntil, q.leftUntil, q.missedAt = false, time.Time{}, time.Time{}, time.Time{}
	q.leaveToSurveys(before, now)
	q.looked(answer, rowsOf(before), now)
	return owners
}

// leaveToSurveys leaves the question to them, until when they should have told of it.
func (q *question) leaveToSurveys(before *cloudassistant.Answer, now time.Time) {
	switch {
	case !q.surveyed() || !q.lane.covering():
	case before == nil && len(q.live.Records) == 0:
		// The run is too young to be shown. The next survey finds it, or it is asked about again.
		q.await(true)
	case q.unfinished():
		q.coveredUntil = q.lane.coveredUntil(now)
	}
}

// blame has lists read to their end for a while, if a run that one did not show goes on.
func (q *question) blame(answer *cloudassistant.Answer, now time.Time) {
	if q.sought && q.behind && goesOn(answer.Records) && answer.StartedAt.Sub(q.bornAt()) >= settledAge {
		q.lane.trust.deepUntil = now.Add(distrust)
	}
}

// answeredHistory takes in an answer about the earlier runs. It is always news: it is asked for only when there
// is some.
func (q *question) answeredHistory(answer *cloudassistant.Answer) []Owner {
	q.history = answer
	q.historyStale = false
	q.historyFailure, q.historyFailed = nil, plan{}
	return q.historyOwners()
}

// failedLive takes in that an attempt, begun and ended at these times, gave no answer about the live rows.
func (q *question) failedLive(err *cloudassistant.Error, began, now time.Time, jitter float64) []Owner {
	news := !q.failure.tells(err)
	var owners []Owner
	for _, i := range q.interests {
		tried := i.unmet(q.live) && !i.demandFailed && !began.Before(i.demand)
		i.demandFailed = i.demandFailed || tried
		if news || tried {
			owners = append(owners, i.owner)
		}
	}
	q.failure = q.failure.followedBy(err, began, now)
	q.failed = q.failed.after(now, outcomeOf(err.Class), jitter)
	return owners
}

// failedHistory takes in that an attempt gave no answer about the earlier runs. That they cannot be asked for
// is the ordinary case of a run that is not scheduled, and no failure.
func (q *question) failedHistory(err *cloudassistant.Error, began, now time.Time, jitter float64) []Owner {
	before := q.historyFailure
	if err.Class == cloudassistant.ClassInvalid {
		q.historyStale = false
		q.historyFailure, q.historyFailed = nil, plan{}
		if before == nil {
			return nil
		}
		return q.historyOwners()
	}
	q.historyFailure = before.followedBy(err, began, now)
	q.historyFailed = q.historyFailed.after(now, outcomeOf(err.Class), jitter)
	if before.tells(err) {
		return nil
	}
	return q.historyOwners()
}

func (q *question) historyOwners() []Owner {
	var owners []Owner
	for _, i := range q.interests {
		if i.history {
			owners = append(owners, i.owner)
		}
	}
	return owners
}

// tells says that the series f, nil for none, tells of err already: its cause is the same, to the sentence.
func (f *Failure) tells(err *cloudassistant.Error) bool {
	return f != nil && f.Err.Class == err.Class && f.Err.Code == err.Code && f.Err.Message == err.Message
}

// followedBy is the series f, nil for none, continued by another failure.
func (f *Failure) followedBy(err *cloudassistant.Error, began, now time.Time) *Failure {
	since := now
	if f != nil {
		since = f.Since
	}
	return &Failure{Err: err, Since: since, Began: began, At: now}
}
