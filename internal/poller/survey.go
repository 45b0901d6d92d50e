package poller

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// survey asks about all runs of a lane at once. It either sweeps: lists the unfinished, whose absence from there is a
// suspicion, and collects the suspects among the ended as long as that is cheaper than asking for each; or it harvests:
// looks through the ended only, where whoever is found has ended, and whoever is not has told nothing.
//
// A row is a fact wherever it is seen. What is concluded from absence is only ever that a run is to be asked about by
// itself.
type survey struct {
	lane   *lane
	cancel context.CancelFunc
	began  time.Time
	// runs is the number of runs that it was begun for.
	runs int

	api *meteredAPI
	// plan is empty before it is chosen.
	plan SurveyPlan
	// pages is the number of those asked for, and bytes what they came to.
	pages int
	bytes int64
	// besideFrom is when the next question that is due by its schedule alone may be asked. The Poller's lock guards it.
	besideFrom time.Time
	// rested is for how long the bucket has kept it from going on.
	rested time.Duration
	// moved is when it last got on. The Poller's lock guards it.
	moved time.Time
	// sought are the questions that need an answer of their own, or all their rows.
	sought map[*question]bool
	// met are the rows that the walk under way has met of runs of which it has not met all.
	met map[string][]cloudassistant.Record
	// short says that it has not listed all of the unfinished, so that whom it misses may be behind.
	short bool
	// ours is how many rows the walk under way has met of runs that are watched.
	ours int
	// listing is all that it has met.
	listing *listing
}

// run is one round.
func (s *survey) run(ctx context.Context) {
	defer s.cancel()
	err := s.round(ctx)
	s.end(ctx, err)
	s.surveyed(ctx, err)
}

func (s *survey) round(ctx context.Context) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = panicError(recovered)
		}
	}()
	l := s.lane
	p := l.poller
	session, err := p.sessions.Session(ctx, l.key.identity, l.key.regionID)
	if err != nil {
		return p.refused(l, asError(err))
	}
	b := p.enter(l, session.Account())
	defer p.exit(b)
	s.api = &meteredAPI{api: session, bucket: b.bucket, clock: p.options.Clock}
	s.plan = s.choose()
	switch s.plan {
	case SurveyHarvest:
		return s.harvest(ctx)
	case SurveyDiscover:
		err = s.discover(ctx)
	default:
		err = s.sweep(ctx)
	}
	if err != nil {
		return err
	}
	return s.collect(ctx)
}

// choose is the plan of this round.
func (s *survey) choose() SurveyPlan {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	now := l.poller.options.Clock.Now()
	return choose(surveyCosts{
		runs: l.runs, awaiting: l.awaiting, unfinished: l.unfinishedNow(), ended: l.endedPages, harvest: l.harvestPages(),
		departures: l.departures(now), ordered: l.trust.ordered(now), doubted: l.trust.doubted(now),
		measured: !l.swept.IsZero() && !l.outgrown(), overdue: now.Sub(l.swept) >= l.sweepEvery(),
	})
}

// discover lists everything, down to the begin of the oldest run that is watched, as far as it pays. Whoever nothing was
// known of before, and nothing is after, is sought from then on.
func (s *survey) discover(ctx context.Context) error {
	l := s.lane
	began := l.poller.options.Clock.Now()
	purse := purse{waste: max(4, s.runs/surveyPays)}
	horizon := s.horizon()
	going, gone, ours, through := 0, 0, 0, false
	_, whole, err := s.walk(ctx, everything, func(page []cloudassistant.Record, seen seen) bool {
		for i := range page {
			switch page[i].InvokeRecordStatus {
			case unfinished.status:
				going++
			case ended[0].status:
				gone++
			}
		}
		purse.pages++
		purse.found += seen.met / surveyPays
		// How old those are of whom nothing is known is guessed only.
		through = olderThan(page, horizon) && s.ours == ours
		ours = s.ours
		return !purse.empty() && !through
	})
	if err != nil {
		return err
	}
	through = through || whole
	if through {
		l.measured(going, min(going, s.ours), s.runs, true, began)
		s.dug(0, (gone+l.poller.options.pageRows)/l.poller.options.pageRows, horizon)
	}
	s.seek(func(q *question) bool {
		return q.since.Before(began) && (q.awaits || through && q.seen.Before(began))
	})
	return nil
}

// dug notes how many pages of a list of the ended are newer than the horizon.
func (s *survey) dug(n, pages int, horizon time.Time) {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	if n > 0 {
		// Most often there is one, empty or nearly so, which does not grow with the time that is looked back on.
		pages--
	}
	l.endings[n].depth = depth{pages: pages, window: l.poller.options.Clock.Since(horizon) - outOfOrder}
}

// yielded notes whether a list of the ended was fruitful. One that was not looked through may have been, further down.
func (s *survey) yielded(n int, fruitful, through bool) {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	l.endings[n].fruitful = fruitful || l.endings[n].fruitful && !through
}

// horizon is the begin of the oldest run that is watched, with some room. Of runs that nothing is known of yet, it is
// guessed to be shortly before somebody wanted to know.
func (s *survey) horizon() time.Time {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	return s.began.Add(-l.watching(s.began).oldest - outOfOrder)
}

// seek adds those questions to the sought that are still unanswered, and of which that holds.
func (s *survey) seek(holds func(q *question) bool) {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	for _, q := range l.questions {
		if q.surveyed() && q.unfinished() && q.attempt == nil && holds(q) {
			s.sought[q] = true
		}
	}
}

// sweep lists the unfinished, down to where only others' runs are left. Whoever was watched before it began and is not
// among them is sought from then on.
func (s *survey) sweep(ctx context.Context) error {
	l := s.lane
	began := l.poller.options.Clock.Now()
	purse := purse{waste: max(4, s.runs/surveyPays)}
	horizon := s.horizon()
	rows, others := 0, 0
	enough := (l.poller.options.pageRows + 1) / 2
	_, whole, err := s.walk(ctx, unfinished, func(page []cloudassistant.Record, seen seen) bool {
		rows += len(page)
		for i := range page {
			others++
			if s.met[page[i].InvokeID] != nil || !othersFrom(&page[i], horizon) {
				others = 0
			}
		}
		purse.pages++
		purse.found += seen.met / surveyPays
		s.short = others >= enough && s.shallow()
		return !purse.empty() && !s.short
	})
	if err != nil {
		return err
	}
	s.short = s.short && !whole
	if s.short {
		// A page that is full for that is no reason to expect another.
		rows--
	}
	l.measured(rows, s.ours, s.runs, whole || s.short, began)
	if whole || s.short {
		s.seek(func(q *question) bool { return q.since.Before(began) && q.seen.Before(began) })
	}
	return nil
}

// othersFrom says whether a run began before a time, or is of a command that runs again and again: its place in a list is
// that of its first run, and its start that of its latest.
func othersFrom(r *cloudassistant.Record, at time.Time) bool {
	return isRepeated(r) || !r.StartTime.IsZero() && r.StartTime.Before(at)
}

// shallow says that lists need not be walked to their end, because they are sorted so that ours come first.
func (s *survey) shallow() bool {
	p := s.lane.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.lane.trust.shallow(p.options.Clock.Now())
}

// collect looks for the sought among the ended, and has those asked for that it does not find.
func (s *survey) collect(ctx context.Context) error {
	defer s.askForTheRest()
	for n, list := range ended {
		list.commandID = s.commonCommand()
		unseen, promising := s.unseen(), n == 0 || s.lane.endings[n].fruitful
		length := s.lengthOf(n)
		if list.commandID != "" && promising {
			// The list is that of the command alone.
			length = 0
		}
		if unseen < max(collectFrom, length/2) {
			continue
		}
		purse := collecting(unseen)
		if !promising {
			purse.waste = 1
		}
		if err := s.collectAmong(ctx, n, list, purse); err != nil {
			return err
		}
	}
	return nil
}

// collectAmong looks for the sought in one list of the ended.
func (s *survey) collectAmong(ctx context.Context, n int, list list, purse purse) error {
	horizon := s.horizon()
	fruitful, through := false, false
	pages, whole, err := s.walk(ctx, list, func(page []cloudassistant.Record, seen seen) bool {
		fruitful = fruitful || seen.ended > 0
		purse.pages++
		purse.found += seen.found
		through = olderThan(page, horizon) && s.ordered()
		return !purse.empty() && s.unseen() > 0 && !through
	})
	if err != nil {
		return err
	}
	all := list.commandID == "" && (whole || through)
	s.yielded(n, fruitful, all)
	switch {
	case all:
		s.dug(n, pages, horizon)
	case list.commandID != "" && n == 0 && purse.found == 0:
		s.lane.vain, s.lane.vainUntil = list.commandID, s.lane.poller.options.Clock.Now().Add(measuredFor)
	}
	return nil
}

// ordered says that lists are sorted, as far as is known.
func (s *survey) ordered() bool {
	p := s.lane.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.lane.trust.ordered(p.options.Clock.Now())
}

// lengthOf is how many pages of a list of the ended are of interest, by an estimate; 0 if it was never looked through. Of one
// that was not fruitful of late, it is that of the longest.
func (s *survey) lengthOf(n int) int {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	if n > 0 && l.endings[n].fruitful {
		return l.endings[n].depth.now(l.watched.oldest)
	}
	return l.endedPages
}

// unseen is how many of the sought no list has shown yet, although one might.
func (s *survey) unseen() int {
	s.lane.poller.mu.Lock()
	defer s.lane.poller.mu.Unlock()
	unseen := 0
	now := s.lane.poller.options.Clock.Now()
	for q := range s.sought {
		if len(q.interests) > 0 && q.glimpse == nil && q.listable(now) {
			unseen++
		}
	}
	return unseen
}

// commonCommand is the command of all that are sought; empty if they have several, if that of one is not known, or if others
// run it so much that none of them was found by it of late.
func (s *survey) commonCommand() (id string) {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	for q := range s.sought {
		if q.live == nil || len(q.live.Records) == 0 {
			return ""
		}
		command := q.live.Records[0].CommandID
		if command == "" || id != "" && id != command {
			return ""
		}
		id = command
	}
	if id == l.vain && l.poller.options.Clock.Now().Before(l.vainUntil) {
		return ""
	}
	return id
}

// askForTheRest has the sought that were not found asked about one by one, those first that were missed first, and no
// more than the next survey will cost, which is cheaper than many calls. Where there are more than that it is needed anyway,
// and a few are asked about.
func (s *survey) askForTheRest() {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	now := l.poller.options.Clock.Now()
	var rest []*question
	for q := range s.sought {
		// Who has failed has its own time, and must not take the place of others until then.
		backsOff := q.failure != nil && !q.putOff() && q.due.After(now)
		if l.questions[q.key] == q && len(q.interests) > 0 && !backsOff {
			rest = append(rest, q)
		}
	}
	for _, q := range rest {
		if q.missedAt.IsZero() {
			q.missedAt = now
		}
	}
	slices.SortFunc(rest, func(a, b *question) int { return cmp.Or(a.missedAt.Compare(b.missedAt), a.due.Compare(b.due)) })
	takeTurns(rest)
	spare := singlesAtOnce
	if !l.trusting() {
		spare = max(spare, int(singlesShare*l.perSecond()*roundAtLeast.Seconds()))
	}
	most := max(spare, l.endedPages/2)
	if s.plan != SurveyDiscover {
		// The next one will be like it, but everything is walked through only for those of whom nothing is known.
		most = max(most, s.pages)
	}
	if len(rest) > most {
		most = spare
	}
	for n, q := range rest {
		if n < most || q.awaits && len(rest) <= s.pages {
			q.sought, q.behind = true, s.short
			q.await(false)
		} else if q.surveyed() {
			q.coveredUntil = l.coveredUntil(now)
		}
		l.plan(q)
	}
}

// harvest looks through the ended, down to the begin of the oldest run that is watched: where most of them are, where the
// latest walk was fruitful, and for the rest in turn.
func (s *survey) harvest(ctx context.Context) error {
	defer s.askForTheRest()
	horizon := s.horizon()
	for _, n := range s.harvested() {
		fruitful := false
		pages, _, err := s.walk(ctx, ended[n], func(page []cloudassistant.Record, seen seen) bool {
			fruitful = fruitful || seen.ended > 0
			return !olderThan(page, horizon)
		})
		if err != nil {
			return err
		}
		s.yielded(n, fruitful, true)
		s.dug(n, pages, horizon)
	}
	return nil
}

// harvestPages is how many pages a harvest looks through, by an estimate.
func (l *lane) harvestPages() int {
	always, inTurn := 0, 0
	for _, list := range l.endings[1:] {
		pages := list.depth.now(l.watched.oldest)
		if list.fruitful {
			always += pages
		} else {
			inTurn += pages
		}
	}
	return l.endedPages + max(always+inTurn/(len(ended)-1), 1)
}

// harvested are the lists of the ended to look through.
func (s *survey) harvested() []int {
	l := s.lane
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	lists, shorter := []int{0}, len(ended)-1
	inTurn := min(max(l.endedPages/4, 1), shorter)
	l.turn++
	for n := 1; n <= shorter; n++ {
		if l.endings[n].fruitful || (n-1-l.turn%shorter+shorter)%shorter < inTurn {
			lists = append(lists, n)
		}
	}
	return lists
}

// olderThan says whether everything on a page began before a time.
func olderThan(page []cloudassistant.Record, at time.Time) bool {
	return !slices.ContainsFunc(page, func(r cloudassistant.Record) bool { return r.StartTime.IsZero() || !r.StartTime.Before(at) })
}

// end plans the next round.
func (s *survey) end(ctx context.Context, err error) {
	l := s.lane
	p := l.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	l.survey, l.telling = nil, false
	now := p.options.Clock.Now()
	l.took, l.watched = now.Sub(s.began)-s.rested, l.watching(now)
	l.endedPages = l.endings[0].depth.now(l.watched.oldest)
	failed := err != nil && ctx.Err() == nil
	if failed {
		l.surveyFailed(asError(err), now)
		l.failed(nil, asError(err), s.began, now)
	} else {
		l.surveyFailures, l.refusals = 0, 0
		l.nextSurvey = s.began.Add(max(l.interval(), time.Duration(float64(s.bytes)/bytesPerSecond*float64(time.Second))))
	}
	l.standDown()
	for _, q := range l.questions {
		if q.awaits && (failed || q.since.Before(s.began) && q.missedAt.IsZero()) {
			q.await(false)
			l.plan(q)
		}
		if failed && q.putOff() && q.due.After(now) {
			q.failed = plan{from: now}
			l.plan(q)
		}
		if !failed {
			q.overlooked(s.began, now)
		}
	}
	l.rouse()
}

// surveyFailed plans another try. A policy that refuses lists of everything, or an API that does not know the filter,
// is met by asking singly, unless it was the credentials that have changed: lists are tried again after a minute, which
// doubles up to ten as long as they are refused.
func (l *lane) surveyFailed(err *cloudassistant.Error, now time.Time) {
	kind := outcomeOf(err.Class)
	wait := delay(bounds{}, kind, l.surveyFailures, l.poller.options.Jitter())
	l.surveyFailures++
	if kind == outcomeDenied || kind == outcomeInvalid {
		wait = roundAtLeast
		l.refusals++
		if again := l.refusals - 2; again >= 0 {
			l.refusedUntil = now.Add(min(refusedAtFirst<<min(again, 10), retries[outcomeDenied].most))
		}
	}
	l.nextSurvey = now.Add(max(wait, pauseAtLeast))
}
