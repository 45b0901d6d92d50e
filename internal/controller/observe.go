package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// Observer is told what the reconciler does. Its methods are called from any goroutine, and must not block.
type Observer interface {
	// Wrote tells of a status that was written, Skipped of one that was not.
	Wrote(namespace string, write Write)
	Skipped(SkipReason)
	// Deleted tells that a result was deleted at the end of its time to live.
	Deleted()
}

// WriteKind is what a write of a status was for.
type WriteKind string

// The kinds of writes.
const (
	// WriteEnd tells of the end of an observation, WriteTransition of something else that is written at once, and
	// WriteProgress of the rest.
	WriteEnd        WriteKind = "end"
	WriteTransition WriteKind = "transition"
	WriteProgress   WriteKind = "progress"
)

// WriteKinds are all of them.
var WriteKinds = []WriteKind{WriteEnd, WriteTransition, WriteProgress}

// SkipReason is why a status was not written.
type SkipReason string

// The reasons to write nothing: it would change nothing, or it is progress and too soon.
const (
	SkipUnchanged SkipReason = "unchanged"
	SkipPaced     SkipReason = "paced"
)

// SkipReasons are all of them.
var SkipReasons = []SkipReason{SkipUnchanged, SkipPaced}

// CompletionReasons are all that Write.Completed may hold.
var CompletionReasons = []string{
	v1alpha1.ReasonSucceeded, v1alpha1.ReasonCommandFailed, v1alpha1.ReasonStopped, v1alpha1.ReasonRecordsExpired,
	v1alpha1.ReasonInvalidQuery, v1alpha1.ReasonTimedOut, projection.EventRunFailed,
}

// Write is what a write of a status told.
type Write struct {
	Kind WriteKind
	// RegionID and InvokeID name the run; InvokeID is empty while it is not known.
	RegionID, InvokeID string
	// Completed are the reasons for which an observation, or a run of a scheduled command that failed, has ended.
	Completed []string
	// Detected says that the command has ended, and Lag how long it took to tell: from its end, or from the first
	// observation if that is later.
	Detected bool
	Lag      time.Duration
	// TruncatedBytes are those of output that this status lacks and the one before it did not.
	TruncatedBytes int64
}

// tell says what a status that was written at now over another tells, with the events that it was written with.
func tell(before, after *v1alpha1.InvocationResultStatus, events []projection.Event, now time.Time) Write {
	write := Write{Kind: WriteProgress, TruncatedBytes: max(0, truncatedBytes(after)-truncatedBytes(before))}
	if projection.Urgent(before, after) {
		write.Kind = WriteTransition
	}
	if reason := completion(after); reason != "" && reason != completion(before) {
		write.Kind = WriteEnd
		write.Completed = append(write.Completed, reason)
		if end := after.CompletionTime; end != nil && before.CompletionTime == nil {
			from := end.Time
			if since := after.ObservedSince; since != nil && since.After(from) {
				from = since.Time
			}
			write.Detected, write.Lag = true, max(0, now.Sub(from))
		}
	}
	for _, event := range events {
		if event.Reason == projection.EventRunFailed {
			write.Completed = append(write.Completed, event.Reason)
		}
	}
	return write
}

// completion is the reason for which an observation has ended; empty if it has not.
func completion(status *v1alpha1.InvocationResultStatus) string {
	completed := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionCompleted)
	if completed == nil || completed.Status != metav1.ConditionTrue {
		return ""
	}
	return completed.Reason
}

func truncatedBytes(status *v1alpha1.InvocationResultStatus) int64 {
	if status.Truncated == nil {
		return 0
	}
	return status.Truncated.OutputBytes
}

// nobody is told and says nothing.
type nobody struct{}

func (nobody) Wrote(string, Write) {}
func (nobody) Skipped(SkipReason)  {}
func (nobody) Deleted()            {}

// observer is whom to tell.
func (r *InvocationResultReconciler) observer() Observer {
	if r.Observer == nil {
		return nobody{}
	}
	return r.Observer
}

// Namespaces are those with results.
func (r *InvocationResultReconciler) Namespaces() []string { return r.memories.namespaces() }

// namespaces are those of the owners.
func (m *memories) namespaces() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	names := make([]string, 0, len(m.perNamespace))
	for name := range m.perNamespace {
		names = append(names, name)
	}
	return names
}

// count keeps perNamespace right when an owner comes or goes.
func (m *memories) count(namespace string, change int) {
	if m.perNamespace == nil {
		m.perNamespace = map[string]int{}
	}
	if m.perNamespace[namespace] += change; m.perNamespace[namespace] == 0 {
		delete(m.perNamespace, namespace)
	}
}
