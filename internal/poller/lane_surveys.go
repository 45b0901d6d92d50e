package poller

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// surveys is what a lane keeps of its surveys from one to the next.
type surveys struct {
	// byRun has the questions by run. runs is the number of those that surveys can answer and that are in a hurry.
	byRun map[string][]*question
	runs  int
	// newcomers says who of the new questions is asked at once rather than left to the next survey.
	newcomers *rate.Limiter
	// awaiting is how many questions the next survey is to tell of.
	awaiting int

	// survey is the one under way; nil when there is none. telling says that it is telling owners of a page.
	survey     *survey
	telling    bool
	nextSurvey time.Time
	// surveySoon says that somebody has a reason for one before that.
	surveySoon bool
	// took is how long the latest one took, without the pauses of the bucket: the next one may have none.
	took time.Duration
	// surveyFailures counts those that failed since the latest that did not, and refusals those of them that were refused.
	// refusedUntil is until when none is begun because lists of everything are.
	surveyFailures int
	refusals       int
	refusedUntil   time.Time

	// unfinishedRows is the length of the list of the unfinished as last measured, at the time swept, when so many runs
	// were watched.
	unfinishedRows int
	sweptRuns      int
	// sweptOurs is how many of these rows were of runs that are watched.
	sweptOurs int
	swept     time.Time
	// sweptWhole: it was listed to its end.
	sweptWhole bool
	// endedPages is how many pages of the ended are newer than the oldest run that is watched, by an estimate.
	endedPages int
	// watched is what the latest round found to be watched.
	watched watched
	// ends counts the runs whose end became known since endsSince, the begin of the latest round; endRate is how many
	// did a second before.
	ends      int
	endsSince time.Time
	endRate   float64
	trust     trust
	// turn goes through the shorter lists of the ended. endings is what is known of each: only the survey under way changes it.
	turn    int
	endings [len(ended)]ending
	// vain is a command that others run so much that its list is of no use, until vainUntil. Only the survey under way uses
	// them.
	vain      string
	vainUntil time.Time
}

// ending is what is known of a list of the ended.
type ending struct {
	// fruitful says that it told of an end when it was last looked through, or since. Ends that were known, of runs whose owners
	// stay, do not count.
	fruitful bool
	depth    depth
}

// told lets questions be asked again after the owners were told of a page.
func (l *lane) told() {
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	l.telling = false
	l.rouse()
}

// add registers a question.
func (l *lane) add(q *question) {
	l.questions[q.key] = q
	if q.key.invokeID != "" {
		l.byRun[q.key.invokeID] = append(l.byRun[q.key.invokeID], q)
	}
}

// remove takes a question out of the books. It is in no queue any more.
func (l *lane) remove(q *question) {
	delete(l.questions, q.key)
	q.await(false)
	if q.key.invokeID == "" {
		return
	}
	id := q.key.invokeID
	l.byRun[id] = slices.DeleteFunc(l.byRun[id], func(other *question) bool { return other == q })
	if len(l.byRun[id]) == 0 {
		delete(l.byRun, id)
	}
}

// count keeps lane.runs right after a change of who wants to know what.
func (l *lane) count(q *question) {
	counts := len(q.interests) > 0 && q.surveyed()
	if counts == q.counted {
		return
	}
	q.counted = counts
	covering := l.covering()
	if counts {
		l.runs++
	} else {
		l.runs--
		// Whoever has joined does not wait for surveys.
		q.coveredUntil = time.Time{}
		q.await(false)
	}
	if l.covering() != covering {
		l.standDown()
		l.rouse()
	}
}

// standDown gives all questions back to their own schedules, unless surveys go on standing in for these.
func (l *lane) standDown() {
	if l.covering() {
		return
	}
	for _, q := range l.questions {
		if q.awaits || !q.coveredUntil.IsZero() {
			q.await(false)
			q.coveredUntil = time.Time{}
			l.plan(q)
		}
	}
}

// surveying says whether the lane's runs are asked about together.
func (l *lane) surveying() bool {
	now := l.poller.options.Clock.Now()
	switch {
	case l.poller.options.AskSingly || l.runs < surveyFrom || now.Before(l.refusedUntil):
		return false
	case l.unmeasured(now) || pays(l.unfinishedNow(), l.runs):
		return true
	}
	return l.trust.ordered(now) && pays(l.harvestPages(), l.runs)
}

// measured takes in how many rows the list of the unfinished had, in a sweep that was begun for so many runs. One that was
// not listed whole goes on longer than it pays to know, for so many.
func (l *lane) measured(rows, ours, runs int, whole bool, began time.Time) {
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	l.unfinishedRows, l.swept, l.sweptRuns, l.sweptWhole = rows, began, l.runs, whole
	// Who was not to be seen yet will have a row, too.
	l.sweptOurs = max(ours, l.runs)
	if !whole {
		l.unfinishedRows, l.sweptRuns = max(rows, runs*l.poller.options.pageRows), runs
	}
}

// unmeasured says that the length of the list of the unfinished is not known by now.
func (l *lane) unmeasured(now time.Time) bool {
	return l.swept.IsZero() || now.Sub(l.swept) > measuredFor || l.outgrown()
}

// outgrown says that the list of the unfinished did not pay for so few runs as were watched then, and may by now.
func (l *lane) outgrown() bool {
	return !l.sweptWhole && l.runs >= 2*l.sweptRuns
}

// departures is how many of the runs have probably ended by the time that the unfinished will have been listed.
func (l *lane) departures(now time.Time) int {
	round := max(roundAtLeast, time.Duration(float64(l.unfinishedNow())/l.perSecond()*float64(time.Second)))
	departures := int(l.endRate * (now.Sub(l.endsSince) + round).Seconds())
	if l.trusting() {
		// Hints have led to most of them by now.
		departures = max(departures-l.ends, 0)
	}
	return max(departures, l.flood(now))
}

// surveyDue is when to begin the next survey, unless one is under way.
func (l *lane) surveyDue(now time.Time) time.Time {
	due := l.nextSurvey
	if l.surveyFailures > 0 {
		return due
	}
	if l.trusting() && l.awaiting == 0 {
		due = later(due, l.listedAt().Add(l.stretch(l.watched.own)))
	}
	switch soon := l.endsSince.Add(max(progressEvery, l.took)); {
	case l.flood(now) > 0:
		return now
	case l.surveySoon && soon.Before(due):
		return soon
	}
	return due
}

// listedAt is when surveys last told of what goes on, or could have.
func (l *lane) listedAt() time.Time {
	if pays(l.unfinishedNow(), l.runs) {
		return l.swept
	}
	return l.endsSince
}

// startSurvey begins a round.
func (l *lane) startSurvey(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	l.survey = &survey{lane: l, cancel: cancel, began: now, moved: now, runs: l.runs, sought: map[*question]bool{}}
	s := l.survey
	if elapsed := now.Sub(l.endsSince).Seconds(); !l.endsSince.IsZero() && elapsed > 0 {
		l.endRate = (l.endRate + float64(l.ends)/elapsed) / 2
	}
	l.ends, l.endsSince, l.surveySoon = 0, now, false
	l.poller.running.Go(func() { s.run(ctx) })
}

// watched is a summary of the runs that surveys watch.
type watched struct {
	// youngest and oldest are the ages of these runs, as far as is known.
	youngest, oldest time.Duration
	// least and most are the shortest of the least and of the longest intervals that anybody asked for.
	least, most time.Duration
	// own is the shortest of the longest intervals that hold where hints are trusted, too, if surveys are the cheaper way
	// to keep them; zero if not.
	own time.Duration
}

func (l *lane) watching(now time.Time) (w watched) {
	first, own := true, 0
	for _, q := range l.questions {
		if !q.counted || !q.unfinished() {
			continue
		}
		age := time.Duration(0)
		if at := q.startedAt(); !at.IsZero() {
			age = max(now.Sub(at), 0)
		}
		if first {
			w = watched{youngest: age, oldest: age, least: q.bounds.min, most: q.bounds.max}
			first = false
		}
		w.youngest, w.oldest = min(w.youngest, age), max(w.oldest, age)
		w.least, w.most = min(w.least, q.bounds.min), min(w.most, q.bounds.max)
		if longest := q.longest(); longest > 0 {
			if own++; own == 1 || longest < w.own {
				w.own = longest
			}
		}
	}
	if own <= l.unfinishedNow() {
		w.own = 0
	}
	return w
}

// longest is the longest interval of the question that holds whatever hints are worth: one that an owner has asked for, or
// that of what no hint tells of, or has told of wrongly; zero if there is none.
func (q *question) longest() time.Duration {
	if !q.announced() || q.following.misled > 0 {
		return q.bounds.max
	}
	return q.own
}

// spare is the longest that a question needs to wait where there is rate to spare.
func (l *lane) spare(q *question) time.Duration {
	return spareInterval(len(l.questions), l.poller.options.Clock.Now().Sub(q.bornAt()), l.perSecond())
}

// interval is the time from the begin of the latest round to the next.
func (l *lane) interval() time.Duration {
	pages := l.unfinishedNow()
	if !pays(pages, l.runs) {
		pages = l.harvestPages()
	}
	interval := roundInterval(pages, l.runs, l.watched.youngest, l.perSecond())
	return min(max(interval, l.watched.least), max(l.watched.most, roundAtLeast))
}

// covering says whether runs are left to surveys: not while these fail, which a single one may.
func (l *lane) covering() bool { return l.surveying() && l.surveyFailures < 2 && l.refusals == 0 }

// coveredUntil is until when a run that goes on, as was just seen, is left to surveys.
func (l *lane) coveredUntil(now time.Time) time.Time {
	safety := l.sweepEvery()
	if !pays(l.unfinishedNow(), l.runs) {
		safety = harvestOnly
	}
	round := l.roundEstimate()
	// Whether to list the unfinished is decided but once in an interval.
	safety += max(l.interval()-round, 0)
	return now.Add(min(coverage*round+safety, coveredAtMost))
}

// sweepEvery is how often the unfinished are listed at least.
func (l *lane) sweepEvery() time.Duration { return max(sweepAtLeast, 4*l.took) }

// unfinishedNow is how many pages the list of the unfinished has by an estimate: it grows and shrinks with what is
// watched.
func (l *lane) unfinishedNow() int {
	rows := l.runs
	if l.sweptRuns > 0 {
		rows = l.unfinishedRows + l.sweptOurs*(l.runs-l.sweptRuns)/l.sweptRuns
	}
	page := l.poller.options.pageRows
	return (rows + page) / page
}

// roundEstimate is about how long it takes until every run has been seen once more, as far as that is waited for.
func (l *lane) roundEstimate() time.Duration {
	estimate := max(l.took, roundAtLeast)
	pages := float64(l.unfinishedNow())
	return min(max(estimate, time.Duration(pages/l.perSecond()*float64(time.Second))), coveredAtMost)
}

// perSecond is the rate of calls now.
func (l *lane) perSecond() float64 {
	if l.bucket == nil {
		return l.poller.options.QPS
	}
	return l.bucket.perSecond()
}
