package poller

import (
	"slices"
	"time"
)

const (
	// rumourFor is how long a hint is remembered for those who come later: a run is often made, and may even end, before
	// somebody watches it.
	rumourFor = 2 * time.Minute
	// rumoursAtMost bounds them, and rumoursOfRun those of one run, which has at most 100 instances.
	rumoursAtMost = 10_000
	rumoursOfRun  = 128
)

// rumours are the hints of late, the oldest first. A question hears them once, when it is first watched: of those that come
// later it is told at once.
type rumours struct {
	byRun map[runKey][]rumour
	order []rumour
}

type rumour struct {
	nudge Nudge
	heard time.Time
}

// runKey names a run in whatever account.
type runKey struct {
	regionID, invokeID string
}

func (n Nudge) run() runKey { return runKey{n.RegionID, n.InvokeID} }

// add remembers a hint, at the cost of the oldest if there are too many.
func (r *rumours) add(n Nudge, now time.Time) {
	r.forget(now)
	known := r.byRun[n.run()]
	if len(known) >= rumoursOfRun || slices.ContainsFunc(known, func(other rumour) bool { return other.nudge == n }) {
		return
	}
	if len(r.order) == rumoursAtMost {
		r.drop()
	}
	if r.byRun == nil {
		r.byRun = map[runKey][]rumour{}
	}
	r.byRun[n.run()] = append(known, rumour{n, now})
	r.order = append(r.order, rumour{n, now})
}

// forget drops those that are too old.
func (r *rumours) forget(now time.Time) {
	for len(r.order) > 0 && now.Sub(r.order[0].heard) >= rumourFor {
		r.drop()
	}
}

// drop drops the oldest, which is the oldest of its run, too.
func (r *rumours) drop() {
	run := r.order[0].nudge.run()
	r.order = r.order[1:]
	if rest := r.byRun[run][1:]; len(rest) > 0 {
		r.byRun[run] = rest
	} else {
		delete(r.byRun, run)
	}
}

// hear gives a question that is watched from now on the hints that came before.
func (q *question) hear(now time.Time) {
	r := &q.lane.poller.rumours
	r.forget(now)
	for _, heard := range r.byRun[runKey{q.lane.key.regionID, q.key.invokeID}] {
		if heard.nudge.concerns(q.lane.key, q.lane.account) && q.concernedBy(heard.nudge) {
			q.hinted(heard.nudge.InstanceID, heard.heard, now)
		}
	}
}
