package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const shardLabel = "ecs.k8s.alibabacloud/shard"

// Two operators with the selectors of config/shards observe every result between them, none twice, and hand one over
// when its label changes. They are told apart by what they let into a status: shard a no output.
func TestTwoShardsDivideTheWork(t *testing.T) {
	w := newWorld(t)
	w.options.WatchLabelSelector, w.options.MaxOutputPolicy = shardLabel+"=a", v1alpha1.OutputNone
	w.options.DefaultOutputPolicy = v1alpha1.OutputNone
	w.start(t)
	t.Cleanup(w.stop)
	w.options.WatchLabelSelector, w.options.MaxOutputPolicy = shardLabel+"!=a", v1alpha1.OutputTail
	w.options.DefaultOutputPolicy = v1alpha1.OutputTail
	w.start(t)

	ended := func(row *emulator.Row) { succeed(row); row.Output = []byte("shown") }
	apply := func(name, labels string) {
		t.Helper()
		w.script(t, "t-"+name, running(1))
		manifest := fmt.Sprintf("apiVersion: ecs.k8s.alibabacloud/v1alpha1\nkind: InvocationResult\nmetadata: {name: %s, labels: {%s}}\n"+
			"spec: {regionID: %s, invokeID: t-%s, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}\n", name, labels, region, name)
		if applied := w.kubectl.Apply(t.Context(), manifest); applied.ExitCode != 0 {
			t.Fatal(applied.Stderr)
		}
		w.untilReason(t, name, v1alpha1.ReasonRunning)
	}
	apply("ofa", shardLabel+": a")
	apply("ofb", shardLabel+": b")
	apply("ofnobody", "")
	apply("moved", "")
	w.run(t, "label", "ir/moved", shardLabel+"=a")
	// Once b has let go of it, one operator asks, as often as the result wants.
	asked, began := w.calls("t-moved"), time.Now()
	w.untilCalled(t, "t-moved", asked+5)
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("five calls for one result that wants one a second came within %v: two operators ask", took)
	}
	for name, shown := range map[string]bool{"ofa": false, "ofb": true, "ofnobody": true, "moved": false} {
		w.update(t, "t-"+name, 1, ended)
		result := w.untilReason(t, name, v1alpha1.ReasonSucceeded)
		if output := result.Status.Instances[0].Output; (output != nil && output.Text == "shown") != shown {
			t.Errorf("%s shows %+v: the other shard observed it", name, output)
		}
	}
}

// The overlay is two installs that share the namespace, the CRD and nothing else: each may use its own Lease only.
func TestTheOverlayForShards(t *testing.T) {
	t.Parallel()
	kubectl := controlPlane.AdminKubectl(t, testenv.OperatorNamespace)
	applied := kubectl.Run(t.Context(), "apply", "--server-side", "--dry-run=server", "--force-conflicts", "--kustomize", testenv.Root()+"/config/shards")
	if applied.ExitCode != 0 {
		t.Fatal(applied.Stderr)
	}
	for _, shard := range []string{"a", "b"} {
		for _, object := range []string{"deployment.apps", "serviceaccount", "role.rbac.authorization.k8s.io", "clusterrolebinding.rbac.authorization.k8s.io"} {
			if name := object + "/cloud-assistant-operator-manager-" + shard; !strings.Contains(applied.Stdout, name) {
				t.Errorf("the overlay has no %s:\n%s", name, applied.Stdout)
			}
		}
	}
	built := kubectl.Run(t.Context(), "kustomize", testenv.Root()+"/config/shards")
	for _, want := range []string{
		"- --watch-label-selector=" + shardLabel + "=a\n", "- --watch-label-selector=" + shardLabel + "!=a\n",
		"- --leader-elect-id=cloud-assistant-operator-a.ecs.k8s.alibabacloud\n", "  - cloud-assistant-operator-b.ecs.k8s.alibabacloud\n",
	} {
		if !strings.Contains(built.Stdout, want) {
			t.Errorf("the overlay lacks %q", want)
		}
	}
	divideTheRate(t, built.Stdout)
}

// divideTheRate holds the operators of manifests to rates that add up to the default one: the quota is that of one account,
// whoever asks.
func divideTheRate(t *testing.T, manifests string) {
	t.Helper()
	whole, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	shards := 0
	for manifest := range strings.SplitSeq(manifests, "\n---\n") {
		var operator appsv1.Deployment
		if err := yaml.Unmarshal([]byte(manifest), &operator); err != nil {
			t.Fatal(err)
		}
		if operator.Kind != "Deployment" {
			continue
		}
		shards++
		half, err := parse(t, operator.Spec.Template.Spec.Containers[0].Args...)
		if err != nil {
			t.Errorf("%s: %v", operator.Name, err)
		}
		if half.APIQPS != whole.APIQPS/2 || half.APIBurst != whole.APIBurst/2 {
			t.Errorf("%s may ask %v times a second, %d at once; want half of %v and %d", operator.Name, half.APIQPS, half.APIBurst, whole.APIQPS, whole.APIBurst)
		}
	}
	if shards != 2 {
		t.Errorf("%d operators share the rate, want 2", shards)
	}
}

// The two replicas of a shard elect a leader among themselves by the Lease that the flag names.
func TestTheLeaseHasTheNameOfTheFlag(t *testing.T) {
	w := newWorld(t)
	w.options.LeaderElect, w.options.LeaderElectNamespace = true, testenv.OperatorNamespace
	w.options.LeaderElectID = "cloud-assistant-operator.ecs.k8s.alibabacloud"
	w.start(t)
	w.script(t, "t-led", running(1))
	w.apply(t, "led", fmt.Sprintf("{regionID: %s, invokeID: t-led}", region))
	w.untilReason(t, "led", v1alpha1.ReasonRunning)
	if held := w.run(t, "get", "lease", w.options.LeaderElectID, "-n", testenv.OperatorNamespace, "-o", "jsonpath={.spec.holderIdentity}"); held == "" {
		t.Error("nobody holds the Lease")
	}
}
