package projection

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// visibleWithin is how long after a run began its last row shows at the latest, and walkWithin how long a walk takes.
	// Together they stay within settleTime: that is what it is for.
	visibleWithin = 3 * time.Second
	walkWithin    = 2 * time.Second
)

// trueRow is what really happens on an instance.
type trueRow struct {
	shows, begins, ends time.Time
	final               cloudassistant.Record
}

// at is the row as the API has it at some time; false before it shows.
func (r *trueRow) at(now time.Time) (cloudassistant.Record, bool) {
	switch {
	case now.Before(r.shows):
		return cloudassistant.Record{}, false
	case now.Before(r.begins):
		return row(r.final.InstanceID, pending, func(rec *cloudassistant.Record) { rec.StartTime = time.Time{} }), true
	case now.Before(r.ends):
		return row(r.final.InstanceID, running, func(rec *cloudassistant.Record) { rec.StartTime = r.begins }), true
	}
	return r.final, true
}

// trueRun is a run of a command, and an operator that observes it through an API that never lies about a row, but loses,
// repeats and shuffles rows, breaks off walks and fails.
type trueRun struct {
	now, began time.Time
	spec       *v1alpha1.InvocationResultSpec
	settings   Settings
	rows       []trueRow
	// record is the InvokeRecordStatus of all rows, if it is not the truth.
	record     cloudassistant.InvokeRecordStatus
	truthful   bool
	generation int64
	status     *v1alpha1.InvocationResultStatus
	seen       Observation
	// lost says that the newest answer lost a row. It is not lost twice in a row: rows that stay away have expired.
	lost bool
}

var anyEnd = rapid.SampledFrom([]cloudassistant.InvocationStatus{
	success, success, success, failed, timeout, cancelled, cloudassistant.StatusTerminated, cloudassistant.StatusAborted,
	cloudassistant.StatusInvalid, cloudassistant.StatusError,
})

func newTrueRun(t *rapid.T) *trueRun {
	seconds := func(name string, choice ...int) time.Duration {
		return time.Duration(rapid.SampledFrom(choice).Draw(t, name)) * time.Second
	}
	r := &trueRun{now: t0, began: t0, spec: run1(), generation: 1}
	switch rapid.IntRange(0, 3).Draw(t, "question") {
	case 0:
		// Looked for before it begins.
		r.spec = byMatch()
		r.began = t0.Add(seconds("begins", 0, 1, 29, 31, 200, 3000))
	case 1:
		r.spec.InstanceID = "i-01"
		r.now = r.now.Add(seconds("asked", 0, 2, 28, 60))
	default:
		r.now = r.now.Add(seconds("asked", 0, 2, 28, 60))
	}
	r.truthful = rapid.Bool().Draw(t, "truthful record")
	if !r.truthful {
		r.record = rapid.SampledFrom([]cloudassistant.InvokeRecordStatus{"", cloudassistant.RecordRunning, cloudassistant.RecordFinished, "Weird"}).Draw(t, "record")
	}
	fat := ""
	if rapid.IntRange(0, 3).Draw(t, "tight") == 0 {
		r.settings.MaxStatusBytes, fat = minStatusBytes, strings.Repeat("<", 500)
	}
	n := rapid.SampledFrom([]int{1, 2, 3, 12}).Draw(t, "instances")
	for i := range n {
		one := trueRow{shows: r.began.Add(time.Duration(rapid.Int64Range(0, int64(visibleWithin)).Draw(t, "shows")))}
		one.begins = r.began.Add(seconds("waits", 0, 0, 1, 20))
		one.ends = one.begins.Add(seconds("lasts", 0, 1, 4, 40, 400))
		one.final = row(fmt.Sprintf("i-%02d", i+1), anyEnd.Draw(t, "end"), printed(fmt.Sprintf("printed by %d\n", i)), func(rec *cloudassistant.Record) {
			rec.StartTime, rec.FinishedTime, rec.Launcher = one.begins, one.ends, fat
			if rec.InvocationStatus == cancelled || rec.InvocationStatus == cloudassistant.StatusAborted {
				rec.StartTime = time.Time{}
			}
		})
		r.rows = append(r.rows, one)
	}
	return r
}

// asked are the rows that the question is about.
func (r *trueRun) asked() []trueRow {
	if r.spec.InstanceID != "" {
		return r.rows[:1]
	}
	return r.rows
}

// over is when the last of them ends.
func (r *trueRun) over() time.Time {
	over := r.began
	for _, one := range r.asked() {
		if one.ends.After(over) {
			over = one.ends
		}
	}
	return over
}

// walk is an answer begun at that time, each of whose rows is as it was at the begin or is at the end.
func (r *trueRun) walk(from time.Time, asOf func() time.Time) *cloudassistant.Answer {
	a := answer(from)
	a.EndedAt = r.now
	record := r.record
	if r.truthful {
		record = cloudassistant.RecordRunning
		if !slices.ContainsFunc(r.rows, func(one trueRow) bool { return one.ends.After(from) }) {
			record = cloudassistant.RecordFinished
		}
	}
	for _, one := range r.asked() {
		if rec, shows := one.at(asOf()); shows {
			rec.InvokeRecordStatus = record
			a.Records = append(a.Records, rec)
		}
	}
	return a
}

// answered takes an answer in as the poller does.
func (r *trueRun) answered(a *cloudassistant.Answer) {
	told := func(a *cloudassistant.Answer) string {
		var rows []string
		for _, rec := range a.Records {
			rows = append(rows, fmt.Sprintf("%+v", rec))
		}
		slices.Sort(rows)
		return strings.Join(rows, "\n")
	}
	if before := r.seen.Live; before == nil || !before.Complete || !a.Complete || told(before) != told(a) {
		r.seen.UnchangedSince = a.StartedAt
	}
	r.seen.Live, r.seen.Failure, r.seen.OverdueAt = a, nil, time.Time{}
}

// knows says that the status counts every row, so that the lack of one is noticed.
func (r *trueRun) knows() bool {
	return r.status != nil && r.status.Summary != nil && int(r.status.Summary.Total) == len(r.asked())
}

// pass lets time pass: some, or until something happens on an instance.
func (r *trueRun) pass(t *rapid.T) {
	next := r.now.Add(time.Duration(rapid.SampledFrom([]int{0, 500, 1000, 2000, 5000, 6000, 30000, 70000}).Draw(t, "milliseconds")) * time.Millisecond)
	one := rapid.SampledFrom(r.rows).Draw(t, "instance")
	if at := rapid.SampledFrom([]time.Time{next, r.began, one.shows, one.begins, one.ends}).Draw(t, "until"); at.After(r.now) {
		next = at
	}
	r.now = next
}

// step lets time pass and something happen.
func (r *trueRun) step(t *rapid.T) {
	r.pass(t)
	from := r.now.Add(-time.Duration(rapid.Int64Range(0, int64(walkWithin)).Draw(t, "walk")))
	if r.status != nil && from.Before(r.status.ObservedSince.Time) || r.seen.Live != nil && from.Before(r.seen.Live.EndedAt) {
		from = r.now
	}
	a := r.walk(from, func() time.Time { return rapid.SampledFrom([]time.Time{from, r.now}).Draw(t, "as of") })
	event := rapid.SampledFrom([]string{"truth", "truth", "truth", "repeats", "breaks off", "loses", "restart", "fails", "suspend", "nothing"}).Draw(t, "event")
	pick := func() int { return rapid.IntRange(0, len(a.Records)-1).Draw(t, "row") }
	switch {
	case event == "restart":
		r.seen = Observation{}
		return
	case event == "suspend":
		r.spec.Suspend = !r.spec.Suspend
		r.generation++
		r.seen = Observation{}
		return
	case event == "fails":
		r.seen.Failure = failure(rapid.SampledFrom([]cloudassistant.Class{cloudassistant.ClassDenied, cloudassistant.ClassThrottled, cloudassistant.ClassUnavailable}).Draw(t, "class"))
		r.seen.OverdueAt = r.now
		return
	case event == "nothing" || r.spec.Suspend:
		return
	case event == "repeats" && len(a.Records) > 0:
		// A page that moved between two calls shows a row twice, the first time as it was before.
		before := r.walk(from, func() time.Time { return from })
		a.Records = append(before.Records[:min(len(before.Records), 1)], a.Records...)
		a.Records = rapid.Permutation(a.Records).Draw(t, "order")
	case event == "breaks off":
		a.Complete = false
		if len(a.Records) > 0 {
			a.Records = a.Records[:pick()]
		}
	case event == "loses" && !r.lost && r.knows() && len(a.Records) > 0:
		// A page that moved between two calls hides a row, in a walk that passes for complete.
		at := pick()
		a.Records = slices.Delete(a.Records, at, at+1)
		r.answered(a)
		r.lost = true
		return
	}
	r.answered(a)
	r.lost = false
}

// project projects, and checks what is known to be true. It says whether the observation is over.
func (r *trueRun) project(t *rapid.T) bool {
	in := Input{Now: r.now, Generation: r.generation, Spec: r.spec, Previous: r.status, Observation: r.seen, Settings: r.settings}
	out := Project(in)
	checkAlways(t, in, out)
	if r.status == nil || r.status.InvokeID != out.Status.InvokeID {
		r.seen = Observation{}
	}
	r.status = roundTrip(t, &out.Status)
	for _, result := range r.status.Instances {
		at := slices.IndexFunc(r.rows, func(one trueRow) bool { return one.final.InstanceID == result.InstanceID })
		final := r.rows[at].final
		if cloudassistant.InvocationStatus(result.Status).Terminal() && (result.Status != string(final.InvocationStatus) || r.now.Before(r.rows[at].ends)) {
			t.Fatalf("%s is said to be %s; it is %s from %s on", result.InstanceID, result.Status, final.InvocationStatus, r.rows[at].ends)
		}
	}
	completed := findCondition(r.status, v1alpha1.ConditionCompleted)
	if completed.Status == yes {
		r.checkTruth(t, completed.Reason)
	}
	return out.Finished
}

// checkTruth: the observation ended as the run did, and not before.
func (r *trueRun) checkTruth(t *rapid.T, reason string) {
	t.Helper()
	if r.now.Before(r.over()) {
		t.Fatalf("ended at %s by %s, but the run is over at %s", r.now, reason, r.over())
	}
	var want v1alpha1.InvocationSummary
	for _, one := range r.asked() {
		want.Total++
		*counter(&want, one.final.InvocationStatus.Outcome())++
	}
	wantReason := v1alpha1.ReasonSucceeded
	switch {
	case want.Failed > 0:
		wantReason = v1alpha1.ReasonCommandFailed
	case want.Stopped > 0:
		wantReason = v1alpha1.ReasonStopped
	}
	if reason != wantReason || *r.status.Summary != want {
		t.Fatalf("%s with %+v, but in truth %s with %+v", reason, *r.status.Summary, wantReason, want)
	}
	if !r.status.CompletionTime.Time.Equal(r.over()) {
		t.Fatalf("completed at %v, but the run was over at %v", r.status.CompletionTime, r.over())
	}
	for _, result := range r.status.Instances {
		at := slices.IndexFunc(r.rows, func(one trueRow) bool { return one.final.InstanceID == result.InstanceID })
		whole := receivedOutput(r.rows[at].final.Output, 0).known
		if (result.ExitCode == nil) != (r.rows[at].final.ExitCode == nil) || result.Output == nil || result.Output.SHA256 != whole.SHA256 {
			t.Fatalf("%+v is not how %+v ended", result, r.rows[at].final)
		}
	}
}

// Where the API tells the truth, if late and in pieces, the status says that the run ended when it has, on all instances,
// and says how; and it does say so once whole answers come.
func TestATrueRunEndsAsItEnded(t *testing.T) {
	rapid.Check(t, anyTrueRun)
}

func anyTrueRun(t *rapid.T) {
	r := newTrueRun(t)
	for range rapid.IntRange(0, 25).Draw(t, "steps") {
		r.step(t)
		if r.project(t) {
			return
		}
	}
	r.spec.Suspend = false
	if r.now.Before(r.over()) {
		r.now = r.over()
	}
	for begun := r.now; r.now.Sub(begun) <= 2*recordSettleTime; r.now = r.now.Add(settleTime) {
		r.answered(r.walk(r.now, func() time.Time { return r.now }))
		if r.project(t) {
			return
		}
	}
	t.Fatalf("whole answers for two minutes, and no end: %s", conditionsText(r.status))
}
