package poller

import "time"

// Nudge hints that a run has news, wherever that was heard. It is not believed: it only makes the engine ask sooner, within
// the rate that it has anyway.
type Nudge struct {
	// AccountID is whose run it is; empty if that is not known, and then anybody's.
	AccountID string
	RegionID  string
	// InvokeID names the run; empty means any of the region.
	InvokeID string
	// InstanceID is where it has news; empty means anywhere.
	InstanceID string
}

// concerns says whether the hint may be of what an identity reads.
func (n Nudge) concerns(key laneKey, account string) bool {
	return key.regionID == n.RegionID && (n.AccountID == "" || account == "" || n.AccountID == account)
}

// Nudge asks soon about the run that has news, for whoever watches it, and says whether anybody does. It is remembered for
// a while, for whoever comes to watch it before the API shows the news. It never waits.
func (p *Poller) Nudge(n Nudge) (watched bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nudge(n)
}

// nudge is Nudge under the lock.
func (p *Poller) nudge(n Nudge) (watched bool) {
	now := p.options.Clock.Now()
	if n.InvokeID != "" {
		p.remember(n, now)
	}
	for key, l := range p.lanes {
		if n.concerns(key, l.account) && l.nudge(n, now) {
			watched = true
		}
	}
	return watched
}

// remember keeps a hint about a run for those who come later, and counts it for what hints are worth.
func (p *Poller) remember(n Nudge, now time.Time) {
	for key, r := range p.reputations {
		if n.concerns(key, r.account) {
			r.announced(n)
		}
	}
	p.rumours.add(n, now)
}

// nudge takes a hint in, and says whether anybody watches what it is about.
func (l *lane) nudge(n Nudge, now time.Time) (watched bool) {
	if n.InvokeID == "" {
		return l.nudgeAll(now)
	}
	for _, q := range l.byRun[n.InvokeID] {
		if q.concernedBy(n) {
			watched = true
			q.hinted(n.InstanceID, now, now)
			l.plan(q)
		}
	}
	return watched
}

// nudgeAll takes in that something has ended, whatever that is: a survey finds out, if there may be one. Whoever is watched
// alone is it.
func (l *lane) nudgeAll(now time.Time) (watched bool) {
	alone := l.asksOne()
	if !alone && !l.surveying() {
		return false
	}
	for _, q := range l.questions {
		switch {
		case len(q.interests) == 0:
			continue
		case alone:
			q.hinted("", now, now)
			l.plan(q)
		default:
			l.surveySoon = true
			l.rouse()
		}
		return true
	}
	return false
}

// asksOne says that a single question is of interest; others may be left over until an attempt at them has ended.
func (l *lane) asksOne() bool {
	wanted := 0
	for _, q := range l.questions {
		if len(q.interests) > 0 {
			wanted++
		}
		if wanted > 1 {
			return false
		}
	}
	return wanted == 1
}

// concernedBy says whether a hint about the run is about what the question asks.
func (q *question) concernedBy(n Nudge) bool {
	return len(q.interests) > 0 && (n.InstanceID == "" || q.key.instanceID == "" || n.InstanceID == q.key.instanceID)
}

// nudgedPlaces is how many attempts that hints led to may be under way at once, besides Options.Concurrency others: as many
// as it takes to use the rate, were a round trip to take nudgedTrip, but few where calls are so scarce that they would only
// stand in the way of surveys.
func (l *lane) nudgedPlaces() int {
	return min(max(int(l.perSecond()*nudgedTrip.Seconds()), l.poller.options.Concurrency), nudgedAtOnce)
}

// flood is how many of the hinted questions are due if these are so many that a survey is the cheaper and faster way to
// answer them; 0 otherwise.
func (l *lane) flood(now time.Time) int {
	if l.nudged.empty() || l.surveyFailures > 0 || !l.surveying() {
		return 0
	}
	pages := l.unfinishedNow()
	if l.trust.ordered(now) && l.endedPages > 0 {
		pages = min(pages, l.harvestPages())
	}
	most := max(int(l.perSecond()*floodTime.Seconds()), pages, surveyFrom)
	if due := l.nudged.due(now, 2*most); due > most {
		return due
	}
	return 0
}

// leftToSurvey says that the hinted questions wait for the survey under way, and until when at most.
func (l *lane) leftToSurvey(now time.Time) (until time.Time, yes bool) {
	if l.survey == nil || l.flood(now) == 0 {
		return time.Time{}, false
	}
	until = l.survey.moved.Add(stalled)
	return until, now.Before(until)
}
