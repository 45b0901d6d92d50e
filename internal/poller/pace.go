package poller

import (
	"math"
	"time"
)

const (
	// surveyFrom is the number of runs from which surveys may pay: fewer cost less by their own backoff.
	surveyFrom = 2
	// surveyPays is how many runs a page of a survey must stand for.
	surveyPays = 2
	// roundAtLeast is the least time between two surveys.
	roundAtLeast = 4 * time.Second
	// lagPrice is what a second of not knowing that a run has ended is worth, in calls: it makes the time between
	// surveys grow with the square root of what they cost, and shrink with that of the number of runs.
	lagPrice = 0.002
	// spareShare of the rate is there to be used, however few runs there are.
	spareShare = 0.03
	// ageShare of its age may pass until the end of a run is known.
	ageShare = 250
	// newcomersShare of the rate is for asking about new runs at once, newcomersAtOnce for several of them: whoever
	// waits for one run does not wait for a survey. Crowds do.
	newcomersShare  = 0.1
	newcomersAtOnce = 5
	// slowest is about the longest interval at which single runs are asked about, so the budget of surveys, too.
	slowest = 55 * time.Second
	// patient questions, by the least interval that they ask for, do not hurry and are no reason for a survey.
	// impatient ones, by the longest that they allow, do not wait for it.
	patient   = time.Minute
	impatient = 8 * time.Second
	// collectFrom is how many runs must have left the list of the unfinished for a walk of the ended to be tried.
	collectFrom = 3
	// sweepAtLeast is how often the unfinished are listed even where the ended are cheaper to look through.
	sweepAtLeast = time.Minute
	// rounds of coverage: how many surveys may miss a run that goes on until it is asked about by itself.
	coverage = 3
	// coveredAtMost is how long a run is left to surveys that do not see it: they can take long, under a low quota.
	coveredAtMost = 10 * time.Minute
	// refusedAtFirst is how long runs are asked about singly after lists were refused twice.
	refusedAtFirst = time.Minute
	// stalled is how long a survey may stand still until runs are not left to it any more.
	stalled = 15 * time.Second
	// bytesPerSecond is what surveys may read: pages of running commands carry all that these have printed, up to 1.6 MB,
	// and are read again every round.
	bytesPerSecond = 1 << 20
	// singlesAtOnce is how many runs that a survey misses may always be asked about by themselves, and singlesShare the share
	// of the rate that they may take until the next: a high one is there to be used.
	singlesAtOnce = 25
	singlesShare  = 0.25
	// harvestOnly is how long a run may go unseen where only the ended are looked through.
	harvestOnly = 2 * time.Minute
	// leaveTaking is how long the owners of a run that has ended have to leave until it is asked about again.
	leaveTaking = time.Minute
	// measuredFor is how long the length of a list is taken for known, and a new run left to surveys.
	measuredFor = 5 * time.Minute
)

// spareInterval is the time from an answer about a run to the next call, where few are asked about one by one.
func spareInterval(runs int, age time.Duration, rate float64) time.Duration {
	spare := time.Duration(float64(runs) / (spareShare * rate) * float64(time.Second))
	return max(spare, roundAtLeast, min(age/ageShare, slowest))
}

// pays says whether a survey of so many pages is cheaper than to ask about the runs one by one.
func pays(pages, runs int) bool {
	return runs >= surveyFrom && runs >= surveyPays*pages
}

// roundInterval is the time from the begin of a survey of so many pages to the next one, at a rate of so many calls a
// second. youngest is the age of the youngest run.
func roundInterval(pages, runs int, youngest time.Duration, rate float64) time.Duration {
	p, n := float64(max(pages, 1)), float64(max(runs, 1))
	worth := math.Sqrt(2 * p / (lagPrice * n))
	single := slowest.Seconds() * p / n
	spare := p / (spareShare * rate)
	interval := time.Duration(min(max(worth, single), spare) * float64(time.Second))
	return max(interval, roundAtLeast, min(youngest/ageShare, slowest))
}

// purse is what a walk may spend on pages that bring nothing: it goes on as long as it pays.
type purse struct {
	pages, found, waste int
}

// collecting is the purse of a walk that looks for so many runs: should it find none, asking for each costs a quarter
// more than without the walk.
func collecting(sought int) purse {
	return purse{waste: max(2, sought/4)}
}

// empty says that the walk has stopped to pay.
func (p purse) empty() bool { return p.pages-p.found > p.waste }

// depth is how many pages of a list are newer than the oldest run that is sought, as last measured.
type depth struct {
	pages int
	// window is the age of that run then.
	window time.Duration
}

// now estimates the depth for another age: the same number of runs a second begin now as then.
func (d depth) now(window time.Duration) int {
	if d.window <= 0 {
		return 1
	}
	return max(1, int(math.Ceil(float64(d.pages)*window.Seconds()/d.window.Seconds())))
}

// surveyCosts is what a plan is chosen by.
type surveyCosts struct {
	// runs are watched, of awaiting nothing is known yet, and departures have probably ended.
	runs, awaiting, departures int
	// unfinished and ended are the pages of these lists, as far as they are of interest, and harvest those of all lists of the
	// ended that a harvest looks through.
	unfinished, ended, harvest int
	// ordered: lists are sorted by the begin of runs. doubted: they were found wrong of late. measured: the length of the list
	// of the unfinished is known; overdue: it was listed too long ago.
	ordered, doubted, measured, overdue bool
}

// harvestGain is how much cheaper a harvest must be: it tells less.
const harvestGain = 0.85

// choose takes the plan that costs the fewest calls.
func choose(c surveyCosts) SurveyPlan {
	if !c.measured || !c.ordered {
		return SurveySweep
	}
	sweep := c.unfinished + min(c.departures, c.ended)
	harvest := c.harvest + c.awaiting
	affordable := pays(c.unfinished, c.runs)
	switch {
	case float64(harvest) < harvestGain*float64(sweep) && (!c.overdue && !c.doubted || !affordable):
		return SurveyHarvest
	case c.awaiting > c.unfinished && c.awaiting > singlesAtOnce && affordable && !c.doubted:
		return SurveyDiscover
	}
	return SurveySweep
}
