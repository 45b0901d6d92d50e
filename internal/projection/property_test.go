package projection

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// world is a poller and an API that do whatever they like.
type world struct {
	now  time.Time
	spec *v1alpha1.InvocationResultSpec
	ids  []string
	fat  string
	seen Observation
	// settings are the operator's; another start may bring others.
	settings Settings
	secrets  []string
	// finals are the stories that the API has told of how rows ended. Where rows fall out of the status for want of
	// room (if tight), and of earlier runs, it sticks to them: another story about what is no longer known cannot be
	// told from the truth.
	finals map[any]cloudassistant.Record
	tight  bool
}

// wild is a string as nobody should send it.
var wild = rapid.OneOf(
	rapid.SampledFrom([]string{
		"", " ", "\x00", `\x00`, "\x1b[2J", "\xff\xfe", "\xe4\xb8", "\u0085", "\u2028", "\u202e", "\uFEFF", "\uFFFE", "<&>", `"\`, "%d%s%!", "é", "💥",
		strings.Repeat("<", 2000), strings.Repeat("中", 300), strings.Repeat("\xff", 1025), "REQ", "a/b", "a.b", "run-0.a", "-", ": #\n---\n",
	}),
	rapid.String(),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
)

var anyStatus = rapid.SampledFrom([]cloudassistant.InvocationStatus{
	pending, waiting, running, cloudassistant.StatusStopping, success, success, success, failed, failed,
	cloudassistant.StatusInvalid, cloudassistant.StatusAborted, cloudassistant.StatusError, timeout, cancelled,
	cloudassistant.StatusTerminated, "Weird", "",
})

func (w *world) record(t *rapid.T, history bool) cloudassistant.Record {
	r := w.anyRecord(t)
	if !w.tight && !history || !r.InvocationStatus.Terminal() {
		return r
	}
	var key any = received(&r).place()
	if history {
		key = received(&r).run()
	}
	if final, told := w.finals[key]; told {
		return final
	}
	w.finals[key] = r
	return r
}

func (w *world) anyRecord(t *rapid.T) cloudassistant.Record {
	r := row(rapid.SampledFrom(w.ids).Draw(t, "instance"), anyStatus.Draw(t, "status"))
	r.StartTime = w.now.Add(-time.Duration(rapid.SampledFrom([]int{0, 1, 20, 40, 3600}).Draw(t, "age")) * time.Second)
	if rapid.IntRange(0, 9).Draw(t, "unusual") == 0 {
		r.StartTime = time.Time{}
		r.InvokeID = rapid.SampledFrom([]string{"t-1", "t-2", ""}).Draw(t, "run")
		r.ContainerName = rapid.SampledFrom([]string{"", "web"}).Draw(t, "container")
		r.Repeats = rapid.SampledFrom([]int64{0, 1, 2, 7}).Draw(t, "repeats")
		r.InvokeRecordStatus = cloudassistant.RecordStopping
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: rapid.SampledFrom([]string{"", "InProgress", "Finished"}).Draw(t, "delivery")}
	}
	if rapid.IntRange(0, 9).Draw(t, "wild") == 0 {
		w.wilder(t, &r)
	}
	if rapid.Bool().Draw(t, "prints") {
		size := rapid.SampledFrom([]int{1, 40, 900, 3000}).Draw(t, "size")
		text := rapid.OneOf(rapid.SampledFrom([]string{"x", "<", "é\n", "\x1b", "\xff", "\xd6\xd0"}), wild).Draw(t, "text")
		r.Output = []byte(strings.Repeat(text, size/max(1, len(text)/8)))
		r.Dropped = rapid.SampledFrom([]int64{0, 0, 17}).Draw(t, "dropped")
	}
	r.Launcher = w.fat
	return r
}

// wilder makes anything of the fields that do not say which row this is.
func (w *world) wilder(t *rapid.T, r *cloudassistant.Record) {
	for _, field := range []*string{
		&r.CommandID, &r.ErrorCode, &r.ErrorInfo, &r.Username, &r.TerminationMode, &r.OSSOutput.Delivery, &r.OSSOutput.URI,
		&r.OSSOutput.Status, &r.OSSOutput.ErrorCode, &r.OSSOutput.ErrorInfo,
	} {
		*field = wild.Draw(t, "text")
	}
	r.InvokeRecordStatus = cloudassistant.InvokeRecordStatus(wild.Draw(t, "record status"))
	r.ExitCode = rapid.Ptr(rapid.Int64(), true).Draw(t, "exit code")
	for _, at := range []*time.Time{&r.StartTime, &r.FinishedTime, &r.StopTime} {
		*at = time.Unix(rapid.Int64Range(-1<<36, 1<<39).Draw(t, "second"), rapid.Int64Range(0, 1e9).Draw(t, "nanosecond"))
	}
	for range rapid.SampledFrom([]int{0, 1, 70}).Draw(t, "tags") {
		r.Tags = append(r.Tags, cloudassistant.Tag{Key: wild.Draw(t, "key"), Value: wild.Draw(t, "value")})
	}
}

func (w *world) answer(t *rapid.T, most int, history bool) *cloudassistant.Answer {
	a := answer(w.now)
	for range rapid.IntRange(0, most).Draw(t, "rows") {
		a.Records = append(a.Records, w.record(t, history))
	}
	a.Complete = rapid.IntRange(0, 3).Draw(t, "complete") != 0
	return a
}

// step lets time pass and something happen to the answers.
func (w *world) step(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 4, 5, 29, 61, 301, 3601, 90000, 31 * 86400}).Draw(t, "seconds")) * time.Second)
	switch rapid.SampledFrom([]string{"answer", "answer", "answer", "same", "same", "empty", "history", "restart", "fail", "nothing"}).Draw(t, "event") {
	case "answer":
		w.seen.Live, w.seen.UnchangedSince, w.seen.Failure = w.answer(t, len(w.ids)*3/2, false), w.now, nil
		if !w.seen.Live.Complete {
			w.seen.UnchangedSince = time.Time{}
		}
	case "same":
		w.seen.Failure = nil
		if before := w.seen.Live; before != nil && before.Complete {
			w.seen.Live = answer(w.now, before.Records...)
		}
	case "empty":
		w.seen.Live, w.seen.UnchangedSince, w.seen.Failure = answer(w.now), w.now, nil
	case "history":
		if w.spec.IncludeHistory {
			w.seen.History = w.answer(t, len(w.ids)*3, true)
		}
	case "restart":
		w.seen = Observation{}
		if w.tight {
			w.settings = anySettings(t)
		}
	case "fail":
		class := rapid.SampledFrom([]cloudassistant.Class{cloudassistant.ClassDenied, cloudassistant.ClassInvalid, cloudassistant.ClassThrottled, cloudassistant.ClassUnavailable}).Draw(t, "class")
		w.seen.Failure = failure(class)
		if rapid.Bool().Draw(t, "wild") {
			w.seen.Failure.Code, w.seen.Failure.Message = wild.Draw(t, "code"), wild.Draw(t, "message")
			w.seen.Failure.RoleARN = rapid.SampledFrom([]string{"", "acs:ram::1:role/reader"}).Draw(t, "role")
		}
		w.seen.OverdueAt = w.now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "overdue")) * time.Minute)
	}
}

func anySpec(t *rapid.T) *v1alpha1.InvocationResultSpec {
	spec := run1()
	switch rapid.IntRange(0, 5).Draw(t, "question") {
	case 0:
		spec = byMatch()
	case 1:
		spec.InstanceID = "i-01"
	}
	spec.IncludeHistory = rapid.Bool().Draw(t, "includeHistory")
	tune(t, spec)
	return spec
}

// edit changes what of a spec may change.
func (w *world) edit(t *rapid.T) {
	spec := w.spec.DeepCopy()
	if rapid.Bool().Draw(t, "suspend") {
		spec.Suspend = !spec.Suspend
	} else {
		spec.Output, spec.HistoryLimit, spec.Polling = nil, nil, nil
		tune(t, spec)
	}
	w.spec = spec
}

// tune sets what of a spec may change, besides suspend.
func tune(t *rapid.T, spec *v1alpha1.InvocationResultSpec) {
	if rapid.IntRange(0, 3).Draw(t, "polling") == 0 {
		spec.Polling = &v1alpha1.PollingSpec{TimeoutSeconds: rapid.SampledFrom([]int32{1, 60, 7200}).Draw(t, "timeout")}
	}
	if rapid.Bool().Draw(t, "output") {
		spec.Output = &v1alpha1.OutputSpec{
			Policy:   rapid.SampledFrom([]v1alpha1.OutputPolicy{"", v1alpha1.OutputNone, v1alpha1.OutputTail, v1alpha1.OutputSecret}).Draw(t, "policy"),
			MaxBytes: rapid.OneOf(rapid.SampledFrom([]int32{1, 100, 24576}), rapid.Int32Range(1, 24576)).Draw(t, "maxBytes"),
			Charset:  rapid.SampledFrom(append(slices.Sorted(maps.Keys(charsets)), "", "", "GBK", "UTF-8")).Draw(t, "charset"),
		}
	}
	if rapid.Bool().Draw(t, "limited") {
		spec.HistoryLimit = new(rapid.SampledFrom([]int32{0, 1, 3}).Draw(t, "historyLimit"))
	}
}

func anySettings(t *rapid.T) Settings {
	policies := []v1alpha1.OutputPolicy{"", "", v1alpha1.OutputNone, v1alpha1.OutputTail, v1alpha1.OutputSecret}
	return Settings{
		MaxStatusBytes:      rapid.OneOf(rapid.SampledFrom([]int{0, 1, 20000}), rapid.IntRange(-1, 2<<20)).Draw(t, "budget"),
		DefaultOutputPolicy: rapid.SampledFrom(policies).Draw(t, "default policy"),
		MaxOutputPolicy:     rapid.SampledFrom(policies).Draw(t, "most policy"),
		DefaultTimeout:      time.Duration(rapid.SampledFrom([]int{0, 1, 3600}).Draw(t, "timeout")) * time.Second,
	}
}

// Whatever the API answers in whatever order and words, with rows twice, lost, of other runs, going back in time, with
// restarts, other settings, failures and suspensions in between: what checkAlways checks holds.
func TestAnyHistoryOfAnswers(t *testing.T) {
	rapid.Check(t, anyHistory)
}

func anyHistory(t *rapid.T) {
	w := &world{now: t0, spec: anySpec(t), finals: map[any]cloudassistant.Record{}}
	for i := range rapid.SampledFrom([]int{1, 3, 30}).Draw(t, "instances") {
		w.ids = append(w.ids, fmt.Sprintf("i-%02d", i+1))
	}
	if rapid.IntRange(0, 3).Draw(t, "odd") == 0 {
		w.ids = append(w.ids, wild.Draw(t, "instance"))
	}
	w.fat = strings.Repeat("<", rapid.SampledFrom([]int{0, 0, 50, 1000}).Draw(t, "fat"))
	if rapid.Bool().Draw(t, "settings") {
		w.settings = anySettings(t)
	}
	w.tight = w.settings != (Settings{}) || len(w.fat) > 50
	var previous *v1alpha1.InvocationResultStatus
	generation := int64(1)
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		w.step(t)
		if rapid.IntRange(0, 7).Draw(t, "edit") == 0 {
			w.edit(t)
			generation++
		}
		in := Input{
			Now: w.now, Generation: generation, Spec: w.spec, Previous: previous, Observation: w.seen,
			OutputSecrets: w.secrets, Settings: w.settings,
		}
		out := Project(in)
		checkAlways(t, in, out)
		checkFinished(t, in, out)
		if previous == nil || previous.InvokeID != out.Status.InvokeID {
			// From here on another question is asked.
			w.seen = Observation{}
		}
		if len(out.Keep.Outputs) > 0 {
			w.secrets = []string{"outputs"}
		}
		previous = roundTrip(t, &out.Status)
	}
}

// checkFinished: what is finished stays so, as far as can be told from the stored status (invariant 6).
func checkFinished(t *rapid.T, in Input, out Output) {
	if in.Spec.Suspend {
		return
	}
	late := in.Now.Add(31 * 24 * time.Hour)
	if out.Finished && !Finished(in.Spec, &out.Status, late) {
		t.Fatalf("finished, but not later: %s", conditionsText(&out.Status))
	}
	if isCommandEnd(conditionReason(&out.Status, v1alpha1.ConditionCompleted)) && !Finished(in.Spec, &out.Status, late) {
		t.Fatalf("ended, but never finished: %s", conditionsText(&out.Status))
	}
	if !out.Finished {
		return
	}
	in.Previous, in.Now = &out.Status, late
	for _, class := range []cloudassistant.Class{cloudassistant.ClassDenied, cloudassistant.ClassInvalid, cloudassistant.ClassThrottled} {
		in.Observation = Observation{Failure: failure(class), OverdueAt: t0}
		after := Project(in)
		reason := conditionReason(&out.Status, v1alpha1.ConditionCompleted)
		if (isCommandEnd(reason) || reason == v1alpha1.ReasonRecordsExpired) && !Equal(&out.Status, &after.Status) {
			t.Fatalf("a failure (%s) changed what is finished: %s became %s", class, conditionsText(&out.Status), conditionsText(&after.Status))
		}
	}
}
