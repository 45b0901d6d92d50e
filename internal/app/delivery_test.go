package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// newCloud puts another cloud into the place of the one that a world begins with.
func (w *world) newCloud(t *testing.T, options emulator.Options) {
	t.Helper()
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	options.AccessKeys = []emulator.AccessKey{{ID: accessKeyID, Secret: accessKeySecret}}
	options.Instances = emulator.NumberedInstances(3, region, emulator.DefaultAccountID)
	var err error
	if w.cloud, err = emulator.New(options); err != nil {
		t.Fatal(err)
	}
	w.recorder.cloud.Store(w.cloud)
	if w.cloudURL, err = w.cloud.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.options.ECSEndpoint = w.cloudURL
}

// The delivery of an output to OSS takes three days longer than the command. Whoever waits for the command does not wait
// for it; the result follows it to its end, across a restart, and no further.
func TestADeliveryIsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	w.newCloud(t, emulator.Options{OSSBuckets: []string{"bucket"}, OSSDelay: 3 * day})
	w.options.Clock = w.cloud.Clock()
	w.start(t)
	wants := map[string]v1alpha1.OSSOutputStatus{
		"delivered": {Delivery: "oss://bucket/logs", Status: "Finished", URI: "oss://bucket/logs/%s/" + instance(1) + ".txt"},
		"lost":      {Delivery: "oss://mirage/logs", Status: "Failed", ErrorCode: "NoSuchBucket", ErrorInfo: "The specified bucket does not exist."},
	}
	const polling = "polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}"
	ids := map[string]string{}
	for name, want := range wants {
		ids[name] = w.runCommand(t, 1, "echo out; exit 3", func(request *ecs.RunCommandRequest) {
			request.QueryParams["OssOutputDelivery"] = want.Delivery
		})
		w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s, %s}", region, ids[name], polling))
	}
	for name, want := range wants {
		ended := w.until(t, name, "Completed", func(result *v1alpha1.InvocationResult) bool {
			return meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionCompleted)
		})
		got := ended.Status.Instances[0].OSSOutput
		if got == nil || got.Status != "InProgress" || got.Delivery != want.Delivery || *ended.Status.ExitCode != 3 {
			t.Errorf("%s ended with exit code %v and the delivery %+v, want 3 and one under way", name, ended.Status.ExitCode, got)
		}
	}
	w.pass(t, day)
	w.stop()
	w.start(t)
	w.pass(t, 2*day)
	for name, want := range wants {
		if strings.Contains(want.URI, "%s") {
			want.URI = fmt.Sprintf(want.URI, ids[name])
		}
		followed := w.until(t, name, "told of the delivery's end", func(result *v1alpha1.InvocationResult) bool {
			return result.Status.Instances[0].OSSOutput.Status != "InProgress"
		})
		if got := *followed.Status.Instances[0].OSSOutput; got != want {
			t.Errorf("%s: the delivery is %+v, want %+v", name, got, want)
		}
		if ready := meta.FindStatusCondition(followed.Status.Conditions, v1alpha1.ConditionReady); ready.Reason != v1alpha1.ReasonCommandFailed {
			t.Errorf("%s: the end of the delivery made it %s", name, ready.Reason)
		}
	}
	// While another run is asked about, these are not any more.
	w.script(t, "t-going", running(1))
	w.apply(t, "going", fmt.Sprintf("{regionID: %s, invokeID: t-going, %s}", region, polling))
	w.untilCalled(t, "t-going", 3)
	w.cloud.ResetCalls()
	w.untilCalled(t, "t-going", 3)
	for name, id := range ids {
		if n := w.calls(id); n != 0 {
			t.Errorf("%s has been asked about %d times after the end of its delivery", name, n)
		}
	}
}

// What is delivered on one instance does not slow down the look for the end on another.
func TestADeliveryDoesNotHoldUpTheRest(t *testing.T) {
	w := newWorld(t)
	w.newCloud(t, emulator.Options{OSSBuckets: []string{"bucket"}, OSSDelay: 3 * day})
	w.options.Clock = w.cloud.Clock()
	w.start(t)
	delivering := func(n int) emulator.Row {
		row := running(n)
		row.OSSOutput = emulator.OSSOutput{Delivery: "oss://bucket/logs", Status: "InProgress"}
		return row
	}
	w.script(t, "t-two", delivering(1), delivering(2))
	w.apply(t, "two", fmt.Sprintf("{regionID: %s, invokeID: t-two, polling: {%s}}", region, quick))
	w.untilReason(t, "two", v1alpha1.ReasonRunning)
	w.update(t, "t-two", 1, succeed)
	w.until(t, "two", "told of the first end", func(result *v1alpha1.InvocationResult) bool { return result.Status.Summary.Succeeded == 1 })
	w.pass(t, 4*hour)
	w.still(t, "two", v1alpha1.ReasonRunning)
	w.update(t, "t-two", 2, succeed)
	w.pass(t, 10*time.Second)
	w.untilReason(t, "two", v1alpha1.ReasonSucceeded)
}
