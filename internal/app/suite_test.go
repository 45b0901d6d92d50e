// The suites run the operator as users get it: wired by app.Run, under its own ServiceAccount and generated RBAC, on
// a real kube-apiserver, over a real socket to the emulator, through the vendor's SDK.
package app_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const (
	region          = "cn-hangzhou"
	accessKeyID     = "suite"
	accessKeySecret = "suite-secret"
	patience        = 90 * time.Second
)

var controlPlane *testenv.ControlPlane

func TestMain(m *testing.M) {
	var logging zap.Options
	flags := flag.NewFlagSet("", flag.PanicOnError)
	logging.BindFlags(flags)
	if err := flags.Parse([]string{"--zap-log-level=error"}); err != nil {
		panic(err)
	}
	log.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	for name, value := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     accessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": accessKeySecret,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	testenv.RunSuite(m, &controlPlane, "testdata/neighbors")
}

// reconcilePanics is how often a reconciler panicked, in all operators of this process together.
func reconcilePanics(t *testing.T) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() == "controller_runtime_reconcile_panics_total" {
			for _, metric := range family.GetMetric() {
				total += metric.GetCounter().GetValue()
			}
		}
	}
	return total
}

// world is one test's: a namespace, an emulated cloud, and an operator that watches them.
type world struct {
	namespace string
	cloud     *emulator.Emulator
	cloudURL  string
	kubectl   *testenv.Kubectl
	client    client.WithWatch
	options   app.Options
	recorder  *recorder
	// stop ends the operator that runs, if one does, and waits until it has.
	stop func()
}

// newWorld makes a world whose operator does not run yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, eventbridge.Publishing{})
}

// newWorldOf makes one whose cloud publishes events.
func newWorldOf(t *testing.T, publishing eventbridge.Publishing) *world {
	t.Helper()
	t.Parallel()
	w := &world{namespace: controlPlane.NewNamespace(t), stop: func() {}}
	w.kubectl = controlPlane.AdminKubectl(t, w.namespace)
	var err error
	if w.client, err = client.NewWithWatch(controlPlane.Admin, client.Options{Scheme: app.Scheme()}); err != nil {
		t.Fatal(err)
	}
	w.recorder = record(t, w.client, w.namespace)
	w.cloud, err = emulator.New(emulator.Options{
		AccessKeys: []emulator.AccessKey{{ID: accessKeyID, Secret: accessKeySecret}},
		Instances:  emulator.NumberedInstances(3, region, emulator.DefaultAccountID),
		MinRate:    time.Second,
		Events:     publishing,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.recorder.cloud.Store(w.cloud)
	t.Cleanup(func() {
		if err := w.cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.cloudURL, err = w.cloud.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.options = app.Options{
		ECSEndpoint:            w.cloudURL,
		WatchNamespaces:        []string{w.namespace},
		MetricsBindAddress:     "0",
		HealthProbeBindAddress: "0",
		MaxStatusBytes:         96 << 10,
		DefaultOutputPolicy:    v1alpha1.OutputTail,
		MaxOutputPolicy:        v1alpha1.OutputTail,
		APIQPS:                 100,
		APIBurst:               100,
	}
	w.options.AllowSeveralInOneProcess()
	return w
}

// start runs the operator until the test ends or w.stop.
func (w *world) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	options := w.options
	go func() { ended <- app.Run(ctx, controlPlane.Operator, options) }()
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the operator ended with: %v", err)
		}
		w.stop = func() {}
	}
	t.Cleanup(func() { w.stop() })
}

// newRunningWorld makes a world whose operator runs.
func newRunningWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.start(t)
	return w
}

// apply applies an InvocationResult with kubectl.
func (w *world) apply(t *testing.T, name, spec string) {
	t.Helper()
	manifest := fmt.Sprintf("apiVersion: ecs.k8s.alibabacloud/v1alpha1\nkind: InvocationResult\nmetadata: {name: %s}\nspec: %s\n", name, spec)
	if result := w.kubectl.Apply(t.Context(), manifest); result.ExitCode != 0 {
		t.Fatalf("kubectl apply: %s", result.Stderr)
	}
}

// run runs kubectl, which must succeed, and returns what it printed.
func (w *world) run(t *testing.T, args ...string) string {
	t.Helper()
	result := w.kubectl.Run(t.Context(), args...)
	if result.ExitCode != 0 {
		t.Fatalf("kubectl %v: exit %d: %s%s", args, result.ExitCode, result.Stdout, result.Stderr)
	}
	return result.Stdout
}

// runCommand submits a shell command to the first n instances through the vendor's SDK.
func (w *world) runCommand(t *testing.T, n int, script string, set func(*ecs.RunCommandRequest)) string {
	t.Helper()
	request := ecs.CreateRunCommandRequest()
	request.Type = "RunShellScript"
	request.CommandContent = script
	request.EnableParameter = requests.NewBoolean(true) // for {{ACS::InstanceId}}
	instances := make([]string, n)
	for i := range instances {
		instances[i] = instance(i + 1)
	}
	request.InstanceId = &instances
	if set != nil {
		set(request)
	}
	response, err := w.ecs(t).RunCommand(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.InvokeId
}

func (w *world) ecs(t *testing.T) *ecs.Client {
	t.Helper()
	vendor, err := ecs.NewClientWithOptions(region, sdk.NewConfig().WithScheme("HTTP"), credentials.NewAccessKeyCredential(accessKeyID, accessKeySecret))
	if err != nil {
		t.Fatal(err)
	}
	vendor.Domain = w.cloudURL[len("http://"):]
	return vendor
}

func instance(n int) string { return fmt.Sprintf("i-emulator%010d", n) }

// calls is how often results were asked for with an invoke ID.
func (w *world) calls(invokeID string) int {
	return w.cloud.Calls()[emulator.CallKey{Action: "DescribeInvocationResults", InvokeID: invokeID}]
}

// until watches a result until it satisfies done, and returns it. Every status on the way is checked.
func (w *world) until(t *testing.T, name, what string, done func(*v1alpha1.InvocationResult) bool) *v1alpha1.InvocationResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watcher, err := w.client.Watch(ctx, &v1alpha1.InvocationResultList{}, &client.ListOptions{
		Namespace: w.namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", name),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	var last *v1alpha1.InvocationResult
	for event := range watcher.ResultChan() {
		result, ok := event.Object.(*v1alpha1.InvocationResult)
		if !ok {
			t.Fatalf("watching %s: %v", name, event.Object)
		}
		last = result
		checkStatus(t, result)
		if done(result) {
			return result
		}
	}
	t.Fatalf("%s was not %s within %v; its status is:\n%+v", name, what, patience, last.Status)
	return nil
}

// untilReason watches until the Ready condition has a reason.
func (w *world) untilReason(t *testing.T, name, reason string) *v1alpha1.InvocationResult {
	t.Helper()
	return w.until(t, name, reason, func(result *v1alpha1.InvocationResult) bool {
		ready := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == reason
	})
}

// untilEvent waits for an event of the namespace with a reason, whose note holds a text, and returns it.
func (w *world) untilEvent(t *testing.T, reason, text string) *corev1.Event {
	t.Helper()
	return w.untilEvents(t, reason, text, 1)
}

// untilEvents waits for that many of them, and returns the last.
func (w *world) untilEvents(t *testing.T, reason, text string, count int) *corev1.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watcher, err := w.client.Watch(ctx, &corev1.EventList{}, client.InNamespace(w.namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	found := map[types.UID]bool{}
	var seen []string
	for change := range watcher.ResultChan() {
		event, ok := change.Object.(*corev1.Event)
		if !ok {
			t.Fatalf("watching events: %v", change.Object)
		}
		if event.Reason == reason && strings.Contains(event.Message, text) {
			found[event.UID] = true
		}
		if len(found) >= count {
			return event
		}
		seen = append(seen, event.Reason+": "+event.Message)
	}
	t.Fatalf("%d events %s with %q within %v, want %d, but:\n%s", len(found), reason, text, patience, count, strings.Join(seen, "\n"))
	return nil
}
