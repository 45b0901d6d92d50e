package projection

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	defaultStatusBytes = 96 << 10
	// minStatusBytes has room for the conditions, whose messages are never cut for space.
	minStatusBytes = 8 << 10
	maxStatusBytes = 1 << 20

	// textOverhead is what a text takes beside itself, its truncatedBytes included.
	textOverhead = len(`"text":"","encoding":"PlainText","truncatedBytes":9223372036854775807,`)
	// listOverhead is what the two lists take beside their entries.
	listOverhead = len(`"instances":[],"history":[],`)
	// shareRounds is how often the room that short outputs leave is offered to the long ones.
	shareRounds = 6
)

// item is an entry with what it takes in the status.
type item struct {
	*entry
	show *showable
	// start is where the text begins, used what it takes.
	start, used int
}

// fit fills what room there is, in order of importance: the instances, their outputs, the earlier runs, their
// outputs; failed instances first. What does not fit is counted.
//
// Everything is given out in one fixed order, each according to what those before it left. That makes the result
// the same when it is computed again from itself, with and without the rows of the API at hand; shares computed
// from the sizes of all would not be.
func (p *projection) fit(status *v1alpha1.InvocationResultStatus) {
	frame := *status
	// Room for whatever is echoed there after the projection.
	frame.LastHandledReconcileAt = strings.Repeat("<", maxName)
	frame.Truncated = &v1alpha1.TruncatedStatus{Instances: math.MaxInt32, History: math.MaxInt32, OutputBytes: math.MaxInt64}
	left := p.maxStatusBytes() - listOverhead - jsonSize(frame)

	instances := p.take(p.instances, &left)
	failed := 0
	for failed < len(instances) && instances[failed].outcome() == cloudassistant.OutcomeFailed {
		failed++
	}
	share(instances[:failed], &left)
	share(instances[failed:], &left)
	earlier := p.earlierThan(instances)
	history := p.take(p.newest(earlier), &left)
	share(history, &left)

	truncated := p.hidden(p.instances[len(instances):], without(earlier, history))
	status.Instances = results(instances, &truncated.OutputBytes)
	status.History = results(history, &truncated.OutputBytes)
	if truncated != (v1alpha1.TruncatedStatus{}) {
		status.Truncated = &truncated
	}
}

func (p *projection) maxStatusBytes() int {
	if p.Settings.MaxStatusBytes == 0 {
		return defaultStatusBytes
	}
	return min(max(p.Settings.MaxStatusBytes, minStatusBytes), maxStatusBytes)
}

// take takes the first entries that fit, without the text of their outputs, but with room to say that there is one.
func (p *projection) take(entries []*entry, left *int) []*item {
	charset := p.charset()
	var items []*item
	for _, e := range entries[:min(len(entries), v1alpha1.MaxStatusItems)] {
		it := &item{entry: e, show: e.output.prepare(p.maxShown(e.output), charset)}
		bare := e.InstanceResult
		if it.show != nil {
			bare.Output = &it.show.known
			it.start = len(it.show.body)
		}
		size := jsonSize(bare) + len(",")
		if e.output.total() > 0 {
			size += textOverhead
		}
		if size > *left {
			break
		}
		*left -= size
		items = append(items, it)
	}
	return items
}

// share gives what is left to the outputs of items: in each round, an equal share of what those before it left over
// to each that could show more.
func share(items []*item, left *int) {
	for range shareRounds {
		var hungry []*item
		for _, it := range items {
			if it.show != nil && it.show.wantsMoreThan(it.start) {
				hungry = append(hungry, it)
			}
		}
		for i, it := range hungry {
			start, used := it.show.fit(it.used + *left/(len(hungry)-i))
			*left -= used - it.used
			it.start, it.used = start, used
		}
	}
}

// results are the finished entries; what their outputs do not show is added to hidden.
func results(items []*item, hidden *int64) []v1alpha1.InstanceResult {
	var list []v1alpha1.InstanceResult
	for _, it := range items {
		result := it.InstanceResult
		if it.show != nil {
			result.Output = it.show.from(it.start)
			*hidden += result.Output.TruncatedBytes
		}
		list = append(list, result)
	}
	return list
}

// without are the entries that are not among items.
func without(entries []*entry, items []*item) []*entry {
	among := make(map[*entry]bool, len(items))
	for _, it := range items {
		among[it.entry] = true
	}
	return slices.DeleteFunc(entries, func(e *entry) bool { return among[e] })
}

// hidden counts what the status does not hold: the instances and earlier runs given here, and what was dropped
// before them.
//
// What was dropped before is known by its number only. What is dropped now is in that number, unless the status held it
// until now, or it is newer than all that the status held of its place. A changed spec counts anew if everything is at
// hand.
func (p *projection) hidden(instances, runs []*entry) v1alpha1.TruncatedStatus {
	var droppedRuns, givenRuns int32
	isNew := p.newlyDropped()
	for _, e := range runs {
		given := p.history.answered[e.run()]
		if given {
			givenRuns++
		}
		if !given || isNew(e) {
			droppedRuns++
		}
	}
	var droppedBytes, givenBytes int64
	for _, e := range slices.Concat(instances, runs) {
		if e.output.raw != nil {
			givenBytes += e.output.total()
		} else {
			droppedBytes += e.output.total()
		}
	}
	before, bytesBefore := hiddenBefore(&p.previous)
	if p.countsAnew() {
		before, bytesBefore = 0, 0
	}
	return v1alpha1.TruncatedStatus{
		Instances:   p.unseen.Total + int32(len(instances)),
		History:     max(givenRuns, before+droppedRuns),
		OutputBytes: max(givenBytes, bytesBefore+droppedBytes),
	}
}

// newlyDropped says which of the runs that are not kept were not counted as hidden before, though the API gives them.
func (p *projection) newlyDropped() func(*entry) bool {
	held := map[run]bool{}
	newest := map[place]*entry{}
	for _, result := range p.previous.History {
		e := stored(result)
		held[e.run()] = true
		if known := newest[e.place()]; known == nil || compareRuns(e, known) < 0 {
			newest[e.place()] = e
		}
	}
	return func(e *entry) bool {
		horizon := newest[e.place()]
		return held[e.run()] || horizon != nil && compareRuns(e, horizon) < 0
	}
}

// countsAnew says whether everything that was ever dropped is at hand, so that what was counted before is moot.
func (p *projection) countsAnew() bool {
	if !p.knownInFull() {
		return false
	}
	answer := p.Observation.History
	return !p.Spec.IncludeHistory || p.Generation != p.previous.ObservedGeneration && answer != nil && answer.Complete
}

// hiddenBefore is what a status counts as hidden: earlier runs, and bytes in entries that it does not hold.
func hiddenBefore(status *v1alpha1.InvocationResultStatus) (runs int32, bytes int64) {
	if status.Truncated == nil {
		return 0, 0
	}
	bytes = status.Truncated.OutputBytes
	for _, list := range [][]v1alpha1.InstanceResult{status.Instances, status.History} {
		for _, result := range list {
			if result.Output != nil {
				bytes -= result.Output.TruncatedBytes
			}
		}
	}
	return status.Truncated.History, max(0, bytes)
}

// jsonSize is the size of v as the API server stores it.
func jsonSize(v any) int {
	// What a status holds, strings, numbers and times, always marshals.
	text, _ := json.Marshal(v)
	return len(text)
}
