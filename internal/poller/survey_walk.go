package poller

import (
	"context"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// seen is what a page told: of how many questions it showed rows, how many of the sought it answered, and how many had not
// been known to have ended.
type seen struct {
	met, found, ended int
}

// walk asks for the pages of a list as long as visit wants more, and takes their rows in. It returns how many there
// were, and whether that was the whole list. What a page fails with is tried again, for a walk is long and a failure
// short; what a page told stays told.
func (s *survey) walk(ctx context.Context, list list, visit func(page []cloudassistant.Record, seen seen) bool) (pages int, whole bool, err error) {
	s.met, s.listing, s.ours = map[string][]cloudassistant.Record{}, newListing(), 0
	visit, done := s.metered(list, visit)
	defer done()
	query := list.query(s.lane.key.regionID)
	query.ContentEncoding = cloudassistant.EncodingBase64
	paging := cloudassistant.Paging{MaxResults: s.lane.poller.options.pageRows}
	restarts := 0
	tokens := map[string]bool{}
	for {
		page, began, err := s.page(ctx, query, paging)
		if cloudassistant.ClassOf(err) == cloudassistant.ClassTokenExpired && restarts < maxRestarts {
			restarts++
			paging.NextToken = ""
			s.met, s.listing, s.ours = map[string][]cloudassistant.Record{}, newListing(), 0
			continue
		}
		if err != nil {
			return pages, false, err
		}
		pages++
		s.pages++
		s.bytes += page.Bytes
		told := s.take(page, paging.NextToken == "", began)
		more := visit(page.Records, told)
		if page.NextToken == "" {
			return pages, true, nil
		}
		if !more || pages >= maxSurveyPages || tokens[page.NextToken] {
			return pages, false, nil
		}
		tokens[page.NextToken] = true
		paging.NextToken = page.NextToken
	}
}

const (
	// maxPageRows is how many rows the API gives on a page at most.
	maxPageRows = 50
	// maxSurveyPages is all that the API keeps in a region, by the larger of its statements.
	maxSurveyPages = 2000
	// maxRestarts bounds the walks begun anew after an expired page token.
	maxRestarts = 3
	// pageTries is how often a page is asked for that fails, and pageRetry the wait after the first time.
	pageTries = 3
	pageRetry = time.Second
)

// page asks for one page, waiting out the pauses of the bucket.
func (s *survey) page(ctx context.Context, query cloudassistant.Query, paging cloudassistant.Paging) (*cloudassistant.Page, time.Time, error) {
	clock := s.lane.poller.options.Clock
	for failures := 0; ; {
		s.api.paused = false
		page, err := s.api.DescribeInvocationResults(ctx, query, paging)
		switch {
		case err == nil:
			return page, s.api.began, nil
		case ctx.Err() != nil:
			return nil, time.Time{}, ctx.Err()
		case cloudassistant.ClassOf(err) == cloudassistant.ClassThrottled:
			throttled := clock.Now()
			if err := s.api.bucket.rest(ctx); err != nil {
				return nil, time.Time{}, err
			}
			s.lane.poller.mu.Lock()
			s.moved = clock.Now()
			s.rested += s.moved.Sub(throttled)
			s.lane.poller.mu.Unlock()
			continue
		case cloudassistant.ClassOf(err) != cloudassistant.ClassUnavailable || failures == pageTries-1 || s.stuck():
			return nil, time.Time{}, err
		}
		failures++
		select {
		case <-clock.After(pageRetry * time.Duration(failures)):
		case <-ctx.Done():
			return nil, time.Time{}, ctx.Err()
		}
	}
}

// stuck says that the survey has not got on for so long that runs are better not left to it.
func (s *survey) stuck() bool {
	p := s.lane.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	return !s.moves(p.options.Clock.Now())
}

// moves says that the survey gets on.
func (s *survey) moves(now time.Time) bool { return now.Sub(s.moved) < stalled }

// mayTellOf says whether a question that is due by its schedule alone is left to the survey under way: to one that was begun
// about when it came due, not to each of those that follow. These may be harvests, which tell nothing of whoever goes on.
func (s *survey) mayTellOf(q *question, now time.Time) bool {
	return s.moves(now) && q.covered() && s.began.Before(q.uncoveredAt().Add(s.lane.roundEstimate()))
}

// goesBefore says whether a question that is due by its schedule alone waits: beside a survey that gets on, such questions have
// singlesShare of the rate. Each call of the survey tells of many.
func (s *survey) goesBefore(q *question, now time.Time) bool {
	return s.moves(now) && now.Before(s.besideFrom) && q.covered()
}

// askedBeside takes in that a question is asked while the survey goes on.
func (s *survey) askedBeside(q *question, now time.Time) {
	if q.covered() {
		s.besideFrom = now.Add(time.Duration(float64(time.Second) / (singlesShare * s.lane.perSecond())))
	}
}

// notice is what an owner is told: that there is news, and whether it is the end of the run.
type notice struct {
	owner Owner
	ended bool
}

func noticesOf(owners []Owner, ended bool) []notice {
	notices := make([]notice, 0, len(owners))
	for _, owner := range owners {
		notices = append(notices, notice{owner, ended})
	}
	return notices
}

// take takes the rows of a page in and tells the owners of what is news to them. Nothing is asked until they are told,
// so that the news of a question come one after the other.
func (s *survey) take(page *cloudassistant.Page, first bool, began time.Time) seen {
	news, told := s.settle(page.Records, within(page.Records, first, page.NextToken == ""), began)
	for _, n := range news {
		s.lane.poller.options.Notify(n.owner, n.ended)
	}
	s.lane.told()
	return told
}

func (s *survey) settle(page []cloudassistant.Record, whole map[string]bool, began time.Time) (news []notice, told seen) {
	l := s.lane
	p := l.poller
	dropPartialOutput(page)
	order, rows := runsOf(page)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.options.Clock.Now()
	l.passed(now)
	s.moved = now
	l.telling = true
	s.listing.add(page, &l.trust, now)
	believed, owners := l.believe(now)
	news = noticesOf(owners, true)
	for _, q := range believed {
		delete(s.sought, q)
	}
	for _, id := range order {
		questions := l.byRun[id]
		if !slices.ContainsFunc(questions, func(q *question) bool { return q.key.surveyable() }) {
			continue
		}
		s.ours += len(rows[id])
		all, isWhole := rows[id], whole[id] && l.trust.ordered(now)
		if before := s.met[id]; before != nil {
			all, isWhole = mergeRows(before, all), false
		}
		s.met[id] = all
		for _, q := range questions {
			if len(q.interests) == 0 || !q.key.surveyable() {
				continue
			}
			open := q.unfinished()
			what, owners := q.sight(all, isWhole, began, now, p.options.Jitter())
			news = append(news, noticesOf(owners, what == sightEnded)...)
			switch what {
			case sightNothing:
				if goesOn(q.asked(all)) {
					// It is not missing: somebody asks about it just now.
					q.seen = now
				}
				continue
			case sightDoubtful:
				s.sought[q] = true
				continue
			case sightGoesOn:
				delete(s.sought, q)
			case sightEnded:
				if open {
					told.ended++
				}
				if s.sought[q] {
					delete(s.sought, q)
					told.found++
				}
			}
			told.met++
			q.seen = now
			l.plan(q)
		}
	}
	return news, told
}
