package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/docs/examples/waiter"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
)

// What docs/wait.md says of kubectl wait, of a run that succeeded and of one that failed.
func TestKubectlWaits(t *testing.T) {
	w := newRunningWorld(t)
	for n, end := range []string{"exit 0", "exit 3"} {
		name := fmt.Sprintf("waited-%d", n)
		w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s}", region, w.runCommand(t, 1, end, nil)))
		w.run(t, "wait", "ir/"+name, "--for=condition=Completed", "--timeout=90s")
	}
	for _, test := range []struct {
		result, wait string
		ok           bool
	}{
		{"waited-0", "condition=Succeeded", true},
		{"waited-0", "condition=Ready=True", true},
		{"waited-0", "jsonpath={.status.exitCode}=0", true},
		{"waited-1", "condition=Succeeded", false},
		{"waited-1", "condition=Succeeded=False", true},
		{"waited-1", "condition=Ready=True", false},
		{"waited-1", "condition=Ready=False", true},
		{"waited-1", "jsonpath={.status.exitCode}=3", true},
	} {
		waited := w.kubectl.Run(t.Context(), "wait", "ir/"+test.result, "--for="+test.wait, "--timeout=1s")
		if ok := waited.ExitCode == 0; ok != test.ok {
			t.Errorf("kubectl wait ir/%s --for=%s: exit %d: %s%s", test.result, test.wait, waited.ExitCode, waited.Stdout, waited.Stderr)
		}
	}
}

// The script of the Tekton step of docs/wait.md ends as the command did, and tells its exit code.
func TestTheTektonStep(t *testing.T) {
	task, err := documented("wait.md", "tekton")
	if err != nil {
		t.Fatal(err)
	}
	steps, _, err := unstructured.NestedSlice(task, "spec", "steps")
	if err != nil || len(steps) != 1 {
		t.Fatalf("the Task has %d steps, want 1: %v", len(steps), err)
	}
	script, _ := steps[0].(map[string]any)["script"].(string)
	w := newRunningWorld(t)
	w.apply(t, "step", fmt.Sprintf("{regionID: %s, invokeID: %s}", region, w.runCommand(t, 2, "exit 7", nil)))
	written := filepath.Join(t.TempDir(), "exit-code")
	ran := w.kubectl.Shell(t.Context(), fmt.Sprintf("RESULT=step TIMEOUT=90s EXIT_CODE_PATH=%s\n%s", written, script))
	code, err := os.ReadFile(written)
	if err != nil || ran.ExitCode != 7 || string(code) != "7" || !strings.Contains(ran.Stdout, "2 of 2 instances failed") {
		t.Errorf("the step exits with %d, tells %q and prints %q, want 7 and the sentence of Ready: %v %s", ran.ExitCode, code, ran.Stdout, err, ran.Stderr)
	}
}

// A tag in Git finds the run; a second attempt is another result.
func TestTheJourneyOfATag(t *testing.T) {
	w := newRunningWorld(t)
	manifest, err := block("wait.md", "match", "yaml")
	if err != nil {
		t.Fatal(err)
	}
	if applied := w.kubectl.Apply(t.Context(), manifest); applied.ExitCode != 0 {
		t.Fatal(applied.Stderr)
	}
	w.untilReason(t, "deploy-9f3c2e1", v1alpha1.ReasonAwaitingRecords)
	tagged := func(value string) func(*ecs.RunCommandRequest) {
		return func(request *ecs.RunCommandRequest) {
			request.Tag = &[]ecs.RunCommandTag{{Key: "deploy", Value: value}}
		}
	}
	id := w.runCommand(t, 1, "exit 1", tagged("9f3c2e1"))
	if first := w.untilReason(t, "deploy-9f3c2e1", v1alpha1.ReasonCommandFailed); first.Status.InvokeID != id {
		t.Errorf("the tag found %s, want %s", first.Status.InvokeID, id)
	}

	retry := strings.ReplaceAll(manifest, "9f3c2e1", "9f3c2e1-2")
	sameName := strings.Replace(retry, "name: deploy-9f3c2e1-2", "name: deploy-9f3c2e1", 1)
	if refused := w.kubectl.Apply(t.Context(), sameName); refused.ExitCode == 0 || !strings.Contains(refused.Stderr, "create an InvocationResult with another name") {
		t.Errorf("another tag under the same name: exit %d: %s", refused.ExitCode, refused.Stderr)
	}
	if applied := w.kubectl.Apply(t.Context(), retry); applied.ExitCode != 0 {
		t.Fatal(applied.Stderr)
	}
	w.runCommand(t, 1, "exit 0", tagged("9f3c2e1-2"))
	w.untilReason(t, "deploy-9f3c2e1-2", v1alpha1.ReasonSucceeded)
}

// The example of a controller goes on when the command has ended, and learns how.
func TestAControllerThatWaits(t *testing.T) {
	w := newRunningWorld(t)
	manager, err := ctrl.NewManager(controlPlane.Admin, ctrl.Options{
		Scheme:     app.Scheme(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&waiter.Reconciler{Client: manager.GetClient()}).SetupWithManager(manager); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for name, script := range map[string]string{"good": "exit 0", "bad": "exit 1"} {
		waiting := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: name, Annotations: map[string]string{waiter.WaitsFor: name},
		}}
		if err := w.client.Create(t.Context(), waiting); err != nil {
			t.Fatal(err)
		}
		w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s}", region, w.runCommand(t, 1, script, nil)))
	}
	for name, want := range map[string]string{"good": "Succeeded", "bad": "Failed"} {
		w.run(t, "wait", "configmap/"+name, `--for=jsonpath={.metadata.annotations.example\.com/outcome}=`+want, "--timeout=90s")
	}
}
