package projection

import (
	"cmp"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// run identifies one run at a place. The API gives runs no ID: it is the second in which they began. Repeats does not
// tell runs apart, because nobody says whether it counts up to that run or up to now; it helps those that never
// began.
type run struct {
	place
	began   int64
	repeats int64
}

func (e *entry) run() run {
	if e.StartTime != nil {
		return run{place: e.place(), began: e.StartTime.Unix()}
	}
	return run{place: e.place(), repeats: e.Repeats}
}

// historyView is what is known of the runs that ended.
type historyView struct {
	// runs are all of them, newest first.
	runs []*entry
	// answered are those that the newest answer has.
	answered map[run]bool
}

// mergeHistory merges the history of the previous status, which outlives the API's, with the newest answer. Runs
// that have not ended are the live row's to tell.
func (p *projection) mergeHistory() {
	if !p.Spec.IncludeHistory {
		return
	}
	runs := map[run]*entry{}
	add := func(e *entry) bool {
		if o := e.outcome(); o == cloudassistant.OutcomePending || o == cloudassistant.OutcomeRunning {
			return false
		}
		if before := runs[e.run()]; before != nil {
			e = merge(before, e)
		}
		runs[e.run()] = e
		return true
	}
	for _, result := range p.previous.History {
		add(stored(result))
	}
	p.history.answered = map[run]bool{}
	if answer := p.Observation.History; answer != nil && !p.unresolved() {
		for i := range answer.Records {
			if r := &answer.Records[i]; p.asked(r) {
				e := received(r)
				if add(e) {
					p.history.answered[e.run()] = true
				}
			}
		}
	}
	for _, e := range runs {
		p.history.runs = append(p.history.runs, e)
	}
	slices.SortFunc(p.history.runs, compareRuns)
}

// earlierThan are the runs that none of these instances shows itself, newest first.
//
// The last run of a schedule that goes on is among them: its live row waits for the next one and shows no output.
// Of one that was stopped between two runs it is, too: the live row tells of the stop.
func (p *projection) earlierThan(instances []*item) []*entry {
	shown := map[run]string{}
	for _, it := range instances {
		shown[it.run()] = it.Status
	}
	var earlier []*entry
	for _, e := range p.history.runs {
		if status, isShown := shown[e.run()]; !isShown || status != e.Status {
			earlier = append(earlier, e)
		}
	}
	return earlier
}

// HistoryLimit is how many earlier runs of each place are kept: spec.historyLimit, or 10.
func HistoryLimit(spec *v1alpha1.InvocationResultSpec) int {
	if spec.HistoryLimit != nil {
		return int(*spec.HistoryLimit)
	}
	return defaultHistoryLimit
}

// newest keeps the newest runs of each place.
func (p *projection) newest(runs []*entry) []*entry {
	limit := HistoryLimit(p.Spec)
	admitted := p.admission(runs)
	perPlace := map[place]int{}
	var kept []*entry
	for _, e := range runs {
		if !admitted(e) {
			continue
		}
		if perPlace[e.place()]++; perPlace[e.place()] <= limit {
			kept = append(kept, e)
		}
	}
	return kept
}

// admission says which of the earlier runs may be kept. Where some were hidden before, for want of room, older ones than
// those kept at the same place stay out: they would take turns with those that the API shows at one time and not at
// another. A changed spec, such as another limit, lets all compete anew.
func (p *projection) admission(earlier []*entry) func(*entry) bool {
	hidden, _ := hiddenBefore(&p.previous)
	if hidden == 0 || p.Generation != p.previous.ObservedGeneration {
		return func(*entry) bool { return true }
	}
	among := make(map[run]bool, len(earlier))
	for _, e := range earlier {
		among[e.run()] = true
	}
	kept := map[run]bool{}
	oldest := map[place]*entry{}
	var oldestOfAll *entry
	for _, result := range p.previous.History {
		// One that an instance shows by now leaves its place to others.
		if e := stored(result); among[e.run()] {
			kept[e.run()], oldest[e.place()], oldestOfAll = true, e, e
		}
	}
	return func(e *entry) bool {
		horizon := cmp.Or(oldest[e.place()], oldestOfAll)
		return kept[e.run()] || horizon != nil && compareRuns(e, horizon) < 0
	}
}

// compareRuns puts the newer run first.
func compareRuns(a, b *entry) int {
	began := func(e *entry) time.Time {
		if e.StartTime != nil {
			return e.StartTime.Time
		}
		return time.Time{}
	}
	return cmp.Or(began(b).Compare(began(a)), cmp.Compare(b.Repeats, a.Repeats), a.place().compare(b.place()))
}
