package poller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// questionKey is a Query in comparable form, without what the lane's key says and without IncludeHistory.
type questionKey struct {
	resourceGroupID, invokeID, instanceID, commandID string
	invokeRecordStatus                               cloudassistant.InvokeRecordStatus
	contentEncoding                                  cloudassistant.ContentEncoding
	tags                                             string
}

// canonical gives equal questions one form: filters combine with AND, so the order of tags means nothing.
// IncludeHistory is left to each attempt.
func canonical(query cloudassistant.Query) (cloudassistant.Query, questionKey) {
	query.ContentEncoding = cmp.Or(query.ContentEncoding, cloudassistant.EncodingBase64)
	key := questionKey{
		resourceGroupID: query.ResourceGroupID, invokeID: query.InvokeID, instanceID: query.InstanceID,
		commandID: query.CommandID, invokeRecordStatus: query.InvokeRecordStatus,
		contentEncoding: query.ContentEncoding,
	}
	if len(query.Tags) > 0 {
		query.Tags = slices.Clone(query.Tags)
		slices.SortFunc(query.Tags, func(a, b cloudassistant.Tag) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
		})
		key.tags = fmt.Sprintf("%q", query.Tags)
	}
	return query, key
}

// surveyable says that surveys can answer the question: it is of one run, and of what the API lists.
func (k questionKey) surveyable() bool {
	return k.invokeID != "" && k.contentEncoding == cloudassistant.EncodingBase64 && k == questionKey{
		invokeID: k.invokeID, instanceID: k.instanceID, contentEncoding: k.contentEncoding,
	}
}

// interest is what one owner wants of a question.
type interest struct {
	owner    Owner
	question *question
	history  bool
	limit    int
	bounds   bounds
	// own is Watch.MaxInterval: zero where the owner leaves it to the engine.
	own time.Duration
	// demand is Watch.AnswerFrom, and owed since when its answer is due for the sake of OverdueAt.
	demand time.Time
	owed   time.Time
	// judged is Watch.Judged, and announced when the newest answer was begun of which the owner was told.
	judged, announced time.Time
	// demandFailed says that the failure of an attempt to meet the demand has been announced.
	demandFailed bool
	// shownTrouble says that the owner was last shown a failure that was somebody else's, the
	// end of which nobody would announce otherwise.
	shownTrouble bool
}

// unmet says that live is not the answer that is demanded.
func (i *interest) unmet(live *cloudassistant.Answer) bool {
	return !i.demand.IsZero() && (live == nil || live.StartedAt.Before(i.demand))
}

// question is a query that somebody wants the answer of, and all that is known of it. The Poller's lock guards
// it.
type question struct {
	lane  *lane
	key   questionKey
	query cloudassistant.Query
	// tenant is that of whoever wanted it first.
	tenant string

	interests []*interest
	bounds    bounds
	// own is the shortest of the longest intervals that owners have asked for; zero if none has.
	own time.Duration
	// attempt is the one under way, possibly abandoned by its owners; nil when there is none.
	attempt *attempt
	// due is when to ask next, and index the place in the lane's heap; -1 outside of it.
	due   time.Time
	index int
	// in is the queue that it was last put in.
	in *queue
	// since is when it was first wanted.
	since time.Time
	// counted says that lane.runs counts it.
	counted bool
	// awaits says that nothing is known yet and the next survey is to tell.
	awaits bool

	knowledge
}

// knowledge is what attempts have found out, and the plans that follow from it.
type knowledge struct {
	live           *cloudassistant.Answer
	unchangedSince time.Time
	answered       plan
	failure        *Failure
	failed         plan
	// forced asks at once, and only once, regardless of failed.
	forced bool

	// following is what came of hints.
	following following

	// seen is when a survey last told anything, and coveredUntil until when surveys stand in for the schedule of a run
	// that goes on. leftUntil is until when it is left to the one that was under way then.
	seen         time.Time
	coveredUntil time.Time
	leftUntil    time.Time
	// sought says that a survey has missed the run, so that it is to be asked about by itself.
	sought bool
	// behind says that it may have missed the run only because it did not list all.
	behind bool
	// missedAt is when a survey first missed it without its being asked about since; zero if none did.
	missedAt time.Time
	// settled says that live has all rows of the run: when they were last asked for by themselves they all were there.
	settled bool
	// entire says the same as far as lists are to be believed: one has shown the rows of live together.
	entire bool
	// unchecked is the answer about the run alone that no list has been compared with; nil if there is none. One is
	// checked for each run.
	unchecked *cloudassistant.Answer
	checked   bool
	// glimpse is what a survey has seen of the end of a run, which is not believed yet; nil if it is.
	glimpse *cloudassistant.Answer

	history *cloudassistant.Answer
	// historyWhole is when the earlier runs were last asked for as far as the budget goes.
	historyWhole time.Time
	// historyKept is the limit of outputs that history was trimmed by then.
	historyKept    int
	historyFailure *Failure
	historyFailed  plan
	// historyStale says that the live rows have told of progress since history was asked for, and staleSince
	// when they did.
	historyStale bool
	staleSince   time.Time
}

// ignorance is the knowledge of a question that was first wanted at now.
func ignorance(now time.Time) knowledge {
	return knowledge{answered: plan{from: now}}
}

// join adds an owner.
func (q *question) join(i *interest) {
	i.question = q
	q.interests = append(q.interests, i)
	q.rebound()
}

// leave takes an owner away. The question itself goes with the last one.
func (q *question) leave(i *interest) {
	i.question = nil
	q.interests = slices.DeleteFunc(q.interests, func(other *interest) bool { return other == i })
	q.rebound()
}

// rebound takes the smallest intervals that any owner wants.
func (q *question) rebound() {
	q.own = 0
	for n, i := range q.interests {
		if n == 0 {
			q.bounds = i.bounds
		}
		q.bounds.min = min(q.bounds.min, i.bounds.min)
		q.bounds.max = min(q.bounds.max, i.bounds.max)
		if i.own > 0 && (q.own == 0 || i.own < q.own) {
			q.own = i.own
		}
	}
	q.lane.count(q)
}

// await sets whether the question is left to the next survey.
func (q *question) await(yes bool) {
	if q.awaits == yes {
		return
	}
	q.awaits = yes
	if yes {
		q.lane.awaiting++
		q.lane.rouse()
	} else {
		q.lane.awaiting--
	}
}

// surveyed says that surveys stand in for the schedule of the question: nobody wants answers more often than they
// come, and somebody wants them soon.
func (q *question) surveyed() bool {
	return q.key.surveyable() && q.bounds.max >= impatient && q.bounds.min <= patient
}

// want changes what an owner wants to what w says.
func (q *question) want(i *interest, w Watch, b bounds, now time.Time) {
	if !w.AnswerFrom.Equal(i.demand) {
		due, _ := q.owedTo(i)
		i.demand, i.demandFailed = w.AnswerFrom, false
		if due.After(now) {
			// An answer that is owed already stays owed since then: demands do not hide that it is missing.
			due = later(i.demand, now)
		}
		i.owed = due
		q.forced = q.forced || i.unmet(q.live) && !i.demand.After(now)
	}
	i.history, i.limit, i.bounds, i.own, i.judged = w.History, w.HistoryLimit, b, w.MaxInterval, w.Judged
	q.rebound()
}

// owedTo is since when the next answer is due to an owner, were there no failures, and the planned interval.
func (q *question) owedTo(i *interest) (time.Time, time.Duration) {
	interval := q.answered.interval(q.bounds)
	if i.unmet(q.live) {
		return i.owed, interval
	}
	return later(q.uncoveredAt(), q.lane.reputation.lostAt), interval
}

// uncoveredAt is when to ask by the schedule of the question, for which neither surveys nor hints stand in any more.
func (q *question) uncoveredAt() time.Time {
	return later(later(q.answered.due(q.bounds), q.coveredUntil), later(q.safeUntil(), q.leaveUntil()))
}

// leaveUntil is until when a run is not asked about because it has ended and all is known of it; zero otherwise. Its owners are
// about to leave, or to demand another answer: the ends of thousands take a while to be written. Not so an owner who has judged
// all that it was told of this end, and is still here.
func (q *question) leaveUntil() time.Time {
	if q.key.invokeID == "" || q.live == nil || !q.live.Complete || !hasEnded(q.live.Records) {
		return time.Time{}
	}
	for _, i := range q.interests {
		if !i.judged.Before(later(q.unchangedSince, i.announced)) {
			return time.Time{}
		}
	}
	return q.answered.from.Add(leaveTaking)
}

// liveDue is when to ask for the live rows: at the earliest time that any owner wants. A demand replaces the
// schedule of its owner, but not that of failures.
func (q *question) liveDue() time.Time {
	if q.forced {
		return time.Time{}
	}
	var scheduled time.Time
	switch {
	case q.failure != nil:
		scheduled = q.failed.due(q.bounds)
	case q.sought:
		// Not before those who have waited longer, as after a failure: where more are due than may be asked, there are always
		// some that were just missed.
		scheduled = q.missedAt
	case q.awaits && q.lane.surveying():
		scheduled = later(q.since.Add(measuredFor), later(q.coveredUntil, q.leftUntil))
	case q.coveredUntil.IsZero():
		scheduled = q.answered.due(q.bounds)
		if spare := q.lane.spare(q); q.bounds.min <= patient && scheduled.Sub(q.answered.from) > spare {
			scheduled = q.answered.from.Add(max(spare, q.bounds.min))
		}
		scheduled = later(scheduled, later(q.safeUntil(), q.leaveUntil()))
	default:
		scheduled = later(q.uncoveredAt(), q.leftUntil)
	}
	var due time.Time
	for n, i := range q.interests {
		wish := scheduled
		if i.unmet(q.live) {
			wish = i.demand
			if q.failure != nil {
				wish = later(wish, scheduled)
			}
		}
		if n == 0 || wish.Before(due) {
			due = wish
		}
	}
	if next := q.following.next; q.failure == nil && !next.IsZero() && next.Before(due) {
		return next
	}
	return due
}

// historyDue is when to ask for the earlier runs, if at all: once the live rows are known, and not while they
// cannot be had.
func (q *question) historyDue() (time.Time, bool) {
	wanted := slices.ContainsFunc(q.interests, func(i *interest) bool { return i.history })
	if !wanted || !q.historyStale || q.failure != nil || q.query.InvokeID == "" {
		return time.Time{}, false
	}
	if q.historyFailure != nil {
		return q.historyFailed.due(q.bounds), true
	}
	return q.staleSince, true
}

// next is when to ask next, and whether for the earlier runs: for what is due first, so that neither waits for
// the other for ever.
func (q *question) next() (due time.Time, history bool) {
	due = q.liveDue()
	if at, wanted := q.historyDue(); wanted && at.Before(due) {
		due, history = at, true
	}
	return due, history
}

// snapshot is what an owner is shown at now.
func (q *question) snapshot(i *interest, now time.Time) Snapshot {
	s := Snapshot{Live: q.live, UnchangedSince: q.unchangedSince, Failure: q.failure}
	if i.history {
		s.History = q.history
		if s.Failure == nil {
			s.Failure = q.historyFailure
		}
	}
	due, interval := q.owedTo(i)
	s.OverdueAt = overdueAt(due, interval)
	i.shownTrouble = false
	if s.Failure == nil && !now.Before(due) {
		s.Failure = q.lane.trouble()
		i.shownTrouble = s.Failure != nil
	}
	return s
}
