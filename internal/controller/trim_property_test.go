package controller

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

func drawSettings(t *rapid.T, label string) Settings {
	return Settings{
		Projection: projection.Settings{
			MaxStatusBytes:      rapid.SampledFrom([]int{0, 0, 0, 8 << 10}).Draw(t, label+": most bytes"),
			DefaultOutputPolicy: rapid.SampledFrom([]v1alpha1.OutputPolicy{"", "", v1alpha1.OutputNone}).Draw(t, label+": default policy"),
			MaxOutputPolicy:     rapid.SampledFrom([]v1alpha1.OutputPolicy{v1alpha1.OutputSecret, v1alpha1.OutputSecret, v1alpha1.OutputTail, v1alpha1.OutputNone}).Draw(t, label+": greatest policy"),
		},
		DefaultTTL: rapid.SampledFrom([]time.Duration{0, 0, time.Hour}).Draw(t, label+": time to live"),
	}
}

func drawSpec(t *rapid.T) v1alpha1.InvocationResultSpec {
	spec := v1alpha1.InvocationResultSpec{
		RegionID: "cn-hangzhou", InvokeID: "t-1",
		IncludeHistory: rapid.Bool().Draw(t, "history"),
	}
	if rapid.Bool().Draw(t, "has a time to live") {
		spec.TTLSecondsAfterFinished = ptr.To(rapid.SampledFrom([]int32{0, 60, 86400 * 365}).Draw(t, "time to live"))
	}
	if rapid.Bool().Draw(t, "has output") {
		spec.Output = &v1alpha1.OutputSpec{
			Policy:   rapid.SampledFrom([]v1alpha1.OutputPolicy{"", v1alpha1.OutputNone, v1alpha1.OutputTail, v1alpha1.OutputSecret, v1alpha1.OutputSecret}).Draw(t, "policy"),
			MaxBytes: rapid.SampledFrom([]int32{0, 1, 24576}).Draw(t, "most bytes of an output"),
		}
	}
	return spec
}

// drawAnswer is about t-1, begun at that time.
func drawAnswer(t *rapid.T, at time.Time, label string) *cloudassistant.Answer {
	answer := &cloudassistant.Answer{StartedAt: at, EndedAt: at, Complete: rapid.IntRange(0, 4).Draw(t, label+": complete") > 0}
	for n := range rapid.IntRange(0, 3).Draw(t, label+": rows") {
		row := cloudassistant.Record{
			InvokeID: "t-1", InstanceID: fmt.Sprint("i-", n), StartTime: at.Add(-time.Hour), FinishedTime: at.Add(-time.Minute),
			InvocationStatus: rapid.SampledFrom([]cloudassistant.InvocationStatus{
				cloudassistant.StatusSuccess, cloudassistant.StatusSuccess, cloudassistant.StatusFailed, cloudassistant.StatusCancelled,
				cloudassistant.StatusRunning, cloudassistant.StatusScheduled,
			}).Draw(t, label+": status"),
			Repeats: rapid.SampledFrom([]int64{0, 1, 5}).Draw(t, label+": repeats"),
			Output:  make([]byte, rapid.SampledFrom([]int{0, 10, 20000}).Draw(t, label+": output")),
		}
		if rapid.IntRange(0, 4).Draw(t, label+": delivered") == 0 {
			row.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: rapid.SampledFrom([]string{"", "InProgress", "Finished"}).Draw(t, label+": delivery")}
		}
		answer.Records = append(answer.Records, row)
	}
	return answer
}

func drawSnapshot(t *rapid.T, at time.Time, label string) poller.Snapshot {
	var snapshot poller.Snapshot
	switch rapid.IntRange(0, 3).Draw(t, label+": is") {
	case 0:
	case 1:
		snapshot.Failure = &poller.Failure{Began: at, At: at, Err: &cloudassistant.Error{
			Class: rapid.SampledFrom([]cloudassistant.Class{cloudassistant.ClassDenied, cloudassistant.ClassInvalid, cloudassistant.ClassThrottled}).Draw(t, label+": failure"),
		}}
	default:
		snapshot.Live = drawAnswer(t, at, label)
		snapshot.UnchangedSince = at.Add(-time.Hour)
		if rapid.Bool().Draw(t, label+": has history") {
			snapshot.History = drawAnswer(t, at, label+" of earlier runs")
		}
	}
	return snapshot
}

var someTimes = []time.Duration{0, time.Second, 30 * time.Second, 61 * time.Second, 10 * time.Minute, 2 * time.Hour, 25 * time.Hour, 40 * 24 * time.Hour}

// drawPauses is how much time passes after each look: whatever it is, or as much as it takes for a run to be given up, and
// then not to be asked for any more.
func drawPauses(t *rapid.T) []time.Duration {
	if rapid.IntRange(0, 2).Draw(t, "given up") == 0 {
		return []time.Duration{25 * time.Hour, rapid.SampledFrom(someTimes).Draw(t, "held for"), 40 * 24 * time.Hour, 0}
	}
	return rapid.SliceOfN(rapid.SampledFrom(someTimes), 1, 3).Draw(t, "passes")
}

// drawSituation is one that the operator may get into: a status that it wrote itself, perhaps with other settings, or
// whatever the JSON holds, something that somebody changed since, and what is remembered.
func drawSituation(t *rapid.T, handWritten []byte) situation {
	s := situation{settings: drawSettings(t, "settings"), stored: &v1alpha1.InvocationResult{Spec: drawSpec(t)}}
	s.stored.Namespace, s.stored.Name, s.stored.UID, s.stored.ResourceVersion, s.stored.Generation = "ops", "any", "uid-1", "100", 1
	began := trimNow
	settings := s.settings
	if rapid.IntRange(0, 4).Draw(t, "other settings before") == 0 {
		settings = drawSettings(t, "settings before")
	}
	for n, passes := range drawPauses(t) {
		s.stored.Spec.Suspend = rapid.IntRange(0, 5).Draw(t, "suspended") == 0
		s.stored.Status = projection.Project(projection.Input{
			Now: began, Generation: 1, Spec: &s.stored.Spec, Previous: s.stored.Status.DeepCopy(), Settings: settings.Projection,
			Observation: observationOf(drawSnapshot(t, began, fmt.Sprint("look ", n))),
		}).Status
		began = began.Add(passes)
	}
	if handWritten != nil {
		s.stored.Status = v1alpha1.InvocationResultStatus{}
		if err := json.Unmarshal(handWritten, &s.stored.Status); err != nil {
			s.stored.Status = v1alpha1.InvocationResultStatus{} // It is none.
		}
		began = endedAt
		if rapid.IntRange(0, 4).Draw(t, "the operator looked at it") > 0 {
			s.stored.Status = projection.Project(projection.Input{
				Now: began, Generation: 1, Spec: &s.stored.Spec, Previous: s.stored.Status.DeepCopy(), Settings: settings.Projection,
			}).Status
		}
		began = began.Add(rapid.SampledFrom(someTimes).Draw(t, "passes"))
	}
	switch rapid.IntRange(0, 12).Draw(t, "somebody") {
	case 0:
		s.stored.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
	case 1:
		s.stored.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		s.stored.Status.LastHandledReconcileAt = "now"
	case 2:
		s.stored.Spec.Output, s.stored.Generation = &v1alpha1.OutputSpec{MaxBytes: 5}, 2
	case 3:
		s.stored.Spec.Suspend, s.stored.Generation = !s.stored.Spec.Suspend, 2
	case 4:
		s.stored.Labels = map[string]string{"team": "a"}
	case 5:
		s.stored.DeletionTimestamp = &metav1.Time{Time: began}
	case 6:
		s.stored.Status.OutputSecrets = []string{"kept-output-1"}
	}
	switch rapid.IntRange(0, 6).Draw(t, "remembered") {
	case 0:
		s.memory = memory{begun: true, owed: true}
	case 1:
		s.memory = memory{begun: true, secrets: []string{"kept-output-1"}}
	case 2:
		s.memory = memory{begun: true, forced: "now", forcedAt: began}
	case 3:
		s.memory = memory{begun: true, writtenVersion: rapid.SampledFrom([]string{"99", "100", "101"}).Draw(t, "written"), writtenAt: began}
	}
	s.cachedAt = began
	s.at = began.Add(rapid.SampledFrom(someTimes).Draw(t, "passes at last"))
	s.snapshot = drawSnapshot(t, s.at, "at last")
	return s
}

// What a reconcile decides from a trimmed copy is what it decides from the whole: the same patch, if any, the same
// deletion, the same events, the same watch and the same time to come back.
func TestATrimmedCacheDecidesAsAWholeOne(t *testing.T) {
	for name, isHandWritten := range map[string]bool{"what the operator wrote": false, "what somebody wrote": true} {
		t.Run(name, func(t *testing.T) {
			tree := parse(t, endedStatus)
			whole, rested := 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				var handWritten []byte
				if isHandWritten {
					var err error
					if handWritten, err = json.Marshal(mutate(rt, tree)); err != nil {
						rt.Fatal(err)
					}
				}
				isTrimmed, reads := drawSituation(rt, handWritten).check(rt)
				switch {
				case !isTrimmed:
					whole++
				case reads == 0:
					rested++
				}
			})
			if whole == 0 || rested == 0 {
				t.Errorf("%d copies were whole, %d trimmed and enough: the generator tests nothing", whole, rested)
			}
		})
	}
}
