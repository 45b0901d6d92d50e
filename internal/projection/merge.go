package projection

import (
	"slices"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// liveView is what the live answer means for what is known of the run.
type liveView struct {
	// complete: there is an answer about the run, and absence from it means something.
	complete bool
	// rows of the answer, one per place.
	rows map[place]*entry
	// allTerminal: every row of the answer is terminal. True of an empty one.
	allTerminal bool
	// recordOpen: a row's InvokeRecordStatus says that the invocation as a whole is not over.
	recordOpen bool
	// missing are the places of known rows that the answer lacks, sorted.
	missing []place
	// lacking: the answer lacks known rows, be they missing or unseen.
	lacking bool
}

// resolveMatch latches the run that spec.match stands for, or lists the candidates.
func (p *projection) resolveMatch() {
	live := p.Observation.Live
	if !p.unresolved() || live == nil {
		return
	}
	for i := range live.Records {
		if id := live.Records[i].InvokeID; id != "" {
			p.candidates = append(p.candidates, clean(id, maxName))
		}
	}
	slices.Sort(p.candidates)
	p.candidates = slices.Compact(p.candidates)
	if live.Complete && len(p.candidates) == 1 {
		p.invokeID, p.latched = p.candidates[0], true
	}
}

// unresolved says whether the question is still spec.match.
func (p *projection) unresolved() bool {
	return p.invokeID == ""
}

// mergeLive merges the rows of the live answer with those of the previous status.
//
// Rows that did not fit in the previous status are known by their number only. A complete answer stands for them
// if its new rows can contain them; new rows of any other answer are left for the next one, because taking them
// would count rows twice or let a terminal one be forgotten.
func (p *projection) mergeLive() {
	before := make([]*entry, 0, len(p.previous.Instances))
	for _, result := range p.previous.Instances {
		before = append(before, stored(result))
	}
	p.unseen = unseenIn(&p.previous)
	p.instances = before
	if live := p.Observation.Live; live != nil && !p.unresolved() && !p.latched {
		p.view(live)
		p.takeLive(before)
	}
	sortInstances(p.instances)
	p.scheduled = p.isScheduled()
}

// view reads the answer: what was not asked for is left out, and rows given twice are merged.
func (p *projection) view(live *cloudassistant.Answer) {
	p.live = liveView{complete: live.Complete, allTerminal: true, rows: map[place]*entry{}}
	for i := range live.Records {
		r := &live.Records[i]
		if !p.asked(r) {
			continue
		}
		e := received(r)
		if twin := p.live.rows[e.place()]; twin != nil {
			e = merge(twin, e)
		}
		p.live.rows[e.place()] = e
	}
	for _, e := range p.live.rows {
		p.live.allTerminal = p.live.allTerminal && e.terminal()
		switch cloudassistant.InvokeRecordStatus(e.InvokeRecordStatus) {
		case cloudassistant.RecordRunning, cloudassistant.RecordStopping:
			p.live.recordOpen = true
		}
	}
}

// asked says whether a row belongs to the question. The API filters; this is for when it does not.
func (p *projection) asked(r *cloudassistant.Record) bool {
	return clean(r.InvokeID, maxName) == p.invokeID &&
		(p.Spec.InstanceID == "" || r.InstanceID == p.Spec.InstanceID)
}

func (p *projection) takeLive(before []*entry) {
	merged := make([]*entry, 0, max(len(before), len(p.live.rows)))
	known := make(map[place]bool, len(before))
	for _, e := range before {
		known[e.place()] = true
		if later := p.live.rows[e.place()]; later != nil {
			e = merge(e, later)
		} else {
			p.live.missing = append(p.live.missing, e.place())
		}
		merged = append(merged, e)
	}
	slices.SortFunc(p.live.missing, place.compare)

	var fresh []*entry
	for at, e := range p.live.rows {
		if !known[at] && (e.terminal() || !p.ended) {
			fresh = append(fresh, e)
		}
	}
	if p.unseen.Total == 0 || p.live.complete && contains(count(fresh), p.unseen) {
		p.unseen = v1alpha1.InvocationSummary{}
		merged = append(merged, fresh...)
	}
	p.live.lacking = len(p.live.missing) > 0 || p.unseen.Total > 0
	p.instances = merged
}

// knownInFull says whether every row ever counted is at hand.
func (p *projection) knownInFull() bool {
	return p.unseen.Total == 0
}

// contains says whether rows counted as rows can be those counted as unseen, some of which may have ended since.
func contains(rows, unseen v1alpha1.InvocationSummary) bool {
	return rows.Total >= unseen.Total &&
		rows.Succeeded >= unseen.Succeeded && rows.Failed >= unseen.Failed && rows.Stopped >= unseen.Stopped
}

// unseenIn counts the rows that a status has counted but does not hold.
func unseenIn(status *v1alpha1.InvocationResultStatus) v1alpha1.InvocationSummary {
	if status.Summary == nil {
		return v1alpha1.InvocationSummary{}
	}
	unseen := *status.Summary
	for _, result := range status.Instances {
		*counter(&unseen, cloudassistant.InvocationStatus(result.Status).Outcome())--
		unseen.Total--
	}
	if min(unseen.Total, unseen.Pending, unseen.Running, unseen.Succeeded, unseen.Failed, unseen.Stopped, unseen.Other) < 0 {
		// Somebody wrote the status by hand: the entries are all there is to go by.
		return v1alpha1.InvocationSummary{}
	}
	return unseen
}

// count counts entries by outcome.
func count(entries []*entry) v1alpha1.InvocationSummary {
	var s v1alpha1.InvocationSummary
	for _, e := range entries {
		*counter(&s, e.outcome())++
		s.Total++
	}
	return s
}

func counter(s *v1alpha1.InvocationSummary, outcome cloudassistant.Outcome) *int32 {
	switch outcome {
	case cloudassistant.OutcomePending:
		return &s.Pending
	case cloudassistant.OutcomeRunning:
		return &s.Running
	case cloudassistant.OutcomeSucceeded:
		return &s.Succeeded
	case cloudassistant.OutcomeFailed:
		return &s.Failed
	case cloudassistant.OutcomeStopped:
		return &s.Stopped
	}
	return &s.Other
}

// summary counts all rows, also those that do not fit in the status; nil before there are any.
func (p *projection) summary() *v1alpha1.InvocationSummary {
	s := count(p.instances)
	s.Total += p.unseen.Total
	s.Pending += p.unseen.Pending
	s.Running += p.unseen.Running
	s.Succeeded += p.unseen.Succeeded
	s.Failed += p.unseen.Failed
	s.Stopped += p.unseen.Stopped
	s.Other += p.unseen.Other
	if s.Total == 0 {
		return nil
	}
	return &s
}
