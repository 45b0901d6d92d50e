// Package projection turns what the API answered, and the status as it was, into the status as it should be.
// It is pure: no clock, no network, no memory but the status itself. Projecting its own output with the same
// observation gives exactly the same status, so that nothing is written without a change, also after a restart.
package projection

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// graceTime is how long a run may have no records before NoRecords. A run that exists shows within
	// seconds; the rest is for a resource applied before its run is started.
	graceTime = 5 * time.Minute
	// goneTime is how long records once seen must be missing from complete answers before RecordsExpired.
	goneTime = 5 * time.Minute
	// youngAge is the age from which one complete answer is enough to end a run. Before, its rows may still
	// become visible one by one.
	youngAge = 30 * time.Second
	// settleTime is how far apart two identical complete answers must have begun to end a young run.
	settleTime = 5 * time.Second
	// recordSettleTime is how long, at most, InvokeRecordStatus delays the end of an unfiltered run.
	recordSettleTime = time.Minute
	// slowTime is how long after the first observation one that is asked about slowly is given up. The API itself
	// forgets runs by then.
	slowTime = 30 * 24 * time.Hour
	// historyWait and owedTime bound how long a run that ended is still asked about: for the history of its last run, and
	// for output that is not in its Secret yet.
	historyWait = time.Minute
	owedTime    = time.Hour
	// deliveryWait is how long the delivery of an output to OSS is asked about at the usual pace, and
	// maxDeliveryInterval the longest interval after that.
	deliveryWait        = time.Hour
	maxDeliveryInterval = 24 * time.Hour

	defaultTimeout      = 24 * time.Hour
	defaultMaxBytes     = 1024
	defaultHistoryLimit = 10
)

// SlowInterval is how often a run is asked about that has little hope of news: one given up as TimedOut, one without
// records, a question that was refused.
const SlowInterval = 10 * time.Minute

// Input is everything that a projection depends on. Nothing of it is changed.
type Input struct {
	Now        time.Time
	Generation int64
	Spec       *v1alpha1.InvocationResultSpec
	// Previous is the status as it was last written, or nil. Its LastHandledReconcileAt is carried over.
	Previous *v1alpha1.InvocationResultStatus
	// Observation must belong to the question that Spec and Previous ask: spec.match while Previous.InvokeID is
	// empty, the run itself from then on.
	Observation Observation
	// OutputSecrets are the Secrets that hold the outputs which an earlier Project of the same gave out to be kept;
	// those that Previous names are known without.
	OutputSecrets []string
	Settings      Settings
}

// Observation is the newest state of the answers to the question, as the poller has it.
type Observation struct {
	// Live is the newest answer about the live rows; nil before the first.
	Live *cloudassistant.Answer
	// UnchangedSince is when the first of the unbroken series of complete answers that say the same as Live was
	// begun. Zero means that Live stands alone.
	UnchangedSince time.Time
	// History is the newest answer about earlier runs; nil without one.
	History *cloudassistant.Answer
	// Failure is why the latest attempt gave no answer; nil when it gave one.
	Failure *cloudassistant.Error
	// OverdueAt is when a missing answer becomes worth telling; zero for never.
	OverdueAt time.Time
}

// Settings are the operator's own limits and defaults.
type Settings struct {
	// MaxStatusBytes bounds the status as JSON: 0 means 96 KiB, at least 8 KiB, at most 1 MiB.
	MaxStatusBytes int
	// DefaultOutputPolicy is for resources without one; empty means Tail.
	DefaultOutputPolicy v1alpha1.OutputPolicy
	// MaxOutputPolicy limits every resource; empty means no limit.
	MaxOutputPolicy v1alpha1.OutputPolicy
	// DefaultTimeout is for resources without polling.timeoutSeconds; 0 means 24 hours.
	DefaultTimeout time.Duration
}

// Output is the status to write, and what to do next.
type Output struct {
	// Status may share memory with Input.Previous.
	Status v1alpha1.InvocationResultStatus
	// Keep are the outputs that belong in a Secret.
	Keep Keep
	// Events tell of what changed since the previous status.
	Events []Event
	// Finished: the observation is over, nothing is asked ever again unless somebody forces it.
	Finished bool
	// LeastInterval, if not zero, is how long it takes at least until the next answer is worth its call, because none is
	// likely to change anything soon.
	LeastInterval time.Duration
	// AnswerFrom, if not zero, demands an answer begun at that time or later: the run looks over, and one more
	// answer makes it sure.
	AnswerFrom time.Time
	// Requeue, if not zero, is when time alone changes the outcome.
	Requeue time.Time
}

// Project computes the status from the observation and the previous status.
//
// While spec.match is unresolved, status.invokeID is latched by the first complete answer whose rows all belong
// to one run. The rows of that answer are not projected: the next observation is of the run itself.
//
// Rows of another run or instance than asked for are ignored. The rest is merged with the previous rows by
// instance and container: a row once terminal stays as it is, but for what it lacked (see merge). After the end
// only terminal rows are merged: the end is final, facts found later are added to it.
//
// A run ends when a complete answer has every known row, each of them terminal in it. A run younger than 30 s,
// by the answer's own begin, needs a second identical answer 5 s later. While InvokeRecordStatus says Running or
// Stopping, the end of an unfiltered one-time run waits for at most 60 s.
//
// A Denied or Invalid failure shows until an attempt succeeds, a throttled or unavailable API once the answer is
// overdue; both also across a restart. An observation that ended is not touched by failures.
func Project(in Input) Output {
	p := begin(in)
	p.resolveMatch()
	p.mergeLive()
	p.mergeHistory()
	v := p.judge()

	var out Output
	out.Status = p.status(v)
	p.fit(&out.Status)
	out.Events = p.events(v, &out.Status)
	if p.suspended {
		return out
	}
	out.Keep = p.keep()
	out.Finished = p.finished(&out.Status)
	if !out.Finished {
		out.LeastInterval = p.leastInterval(&out.Status)
	}
	out.AnswerFrom = p.answerFrom
	out.Requeue = p.wakeAt
	return out
}

// Equal says whether writing next over previous would change nothing.
func Equal(previous, next *v1alpha1.InvocationResultStatus) bool {
	return equality.Semantic.DeepEqual(previous, next)
}

// projection is one Project at work.
type projection struct {
	Input
	previous v1alpha1.InvocationResultStatus
	since    time.Time
	// suspended: spec.suspend holds an observation that is not over.
	suspended bool
	// ended: the previous status already has the command's end.
	ended bool

	invokeID string
	// latched: this projection resolved spec.match.
	latched bool
	// candidates are the runs that fit an unresolved spec.match, sorted.
	candidates []string

	live      liveView
	instances []*entry
	// unseen counts rows by outcome that did not fit in the previous status and are not in instances either.
	unseen    v1alpha1.InvocationSummary
	scheduled bool
	history   historyView

	answerFrom time.Time
	wakeAt     time.Time
}

func begin(in Input) *projection {
	p := &projection{Input: in}
	if in.Previous != nil {
		p.previous = *in.Previous
	}
	p.invokeID = p.previous.InvokeID
	if in.Spec.InvokeID != "" {
		p.invokeID = in.Spec.InvokeID
	}
	before := conditionReason(&p.previous, v1alpha1.ConditionCompleted)
	p.ended = isCommandEnd(before)
	p.suspended = in.Spec.Suspend && !p.ended && before != v1alpha1.ReasonRecordsExpired
	if in.Spec.Suspend && !p.ended {
		// An answer that comes nevertheless waits: nothing changes while suspended.
		p.Observation = Observation{}
	}
	if live := p.Observation.Live; live != nil && p.Observation.UnchangedSince.IsZero() {
		p.Observation.UnchangedSince = live.StartedAt
	}
	p.since = p.observedSince()
	return p
}

// observedSince is the first observation, moved forward by the time that a suspension, if it ends now, lasted.
func (p *projection) observedSince() time.Time {
	if p.previous.ObservedSince.IsZero() {
		return p.Now.UTC().Truncate(time.Second)
	}
	since := p.previous.ObservedSince.UTC()
	if held := findCondition(&p.previous, v1alpha1.ConditionSuspended); held != nil && !p.suspended {
		since = since.Add(max(0, p.Now.Sub(held.LastTransitionTime.Time).Truncate(time.Second)))
	}
	return since
}

// wake asks for another projection at t, unless t is past or an earlier one is asked for.
func (p *projection) wake(t time.Time) {
	if t.After(p.Now) && (p.wakeAt.IsZero() || t.Before(p.wakeAt)) {
		p.wakeAt = t
	}
}

// status puts the new status together, but for what has to fit in what the budget leaves.
func (p *projection) status(v verdict) v1alpha1.InvocationResultStatus {
	status := v1alpha1.InvocationResultStatus{
		ObservedGeneration:     p.Generation,
		InvokeID:               p.invokeID,
		LastHandledReconcileAt: p.previous.LastHandledReconcileAt,
		ObservedSince:          timestamp(p.since),
		Summary:                p.summary(),
		StartTime:              p.startTime(),
		OutputSecrets:          p.outputSecrets(),
	}
	if isCommandEnd(v.base) {
		status.CompletionTime = p.completionTime()
		status.ExitCode = p.exitCode(status.Summary)
	}
	status.Conditions = p.conditions(v)
	return status
}
