package app_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// newSecretWorld makes a world whose operator may write Secrets, by the role of config/output-secrets bound in its
// namespace alone, and runs. It watches other namespaces besides.
func newSecretWorld(t *testing.T, others ...string) *world {
	t.Helper()
	w := newWorld(t)
	w.options.WatchNamespaces = append(w.options.WatchNamespaces, others...)
	w.options.MaxOutputPolicy = v1alpha1.OutputSecret
	w.allowSecrets(t)
	w.start(t)
	return w
}

// allowSecrets lets the operator write Secrets in the namespace.
func (w *world) allowSecrets(t *testing.T) {
	t.Helper()
	manifests, err := os.ReadFile(filepath.Join(testenv.Root(), "config", "output-secrets", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	role, _, _ := strings.Cut(string(manifests), "\n---\n")
	// All tests apply this role, some of them at the same time.
	if applied := w.kubectl.Apply(t.Context(), role, "--server-side"); applied.ExitCode != 0 {
		t.Fatal(applied.Stderr)
	}
	w.run(t, "create", "rolebinding", "output-secrets", "--clusterrole=cloud-assistant-operator-output-secrets",
		"--serviceaccount=cloud-assistant-system:cloud-assistant-operator-manager")
}

// printed is a row of 24 KB that no two instances have alike, control characters included.
func printed(n int) emulator.Row {
	row := running(n)
	succeed(&row)
	row.Output = bytes.Repeat([]byte(fmt.Sprintf("\x1b[%04dm\xff\n", n)), 24<<10/9)
	return row
}

// All of 60 outputs of 24 KB are kept byte for byte, in as many Secrets as it takes, which belong to the result; none of
// them is in the status.
func TestOutputInSecrets(t *testing.T) {
	const instances = 60
	w := newSecretWorld(t)
	rows := make([]emulator.Row, instances)
	for n := range rows {
		rows[n] = printed(n + 1)
	}
	w.script(t, "t-secret", rows...)
	w.apply(t, "secret", fmt.Sprintf("{regionID: %s, invokeID: t-secret, output: {policy: Secret}}", region))
	result := w.untilReason(t, "secret", v1alpha1.ReasonSucceeded)
	if len(result.Status.OutputSecrets) != 2 {
		t.Fatalf("the status names the Secrets %v, want 2 for 1.4 MB", result.Status.OutputSecrets)
	}
	kept, versions := map[string][]byte{}, map[string]string{}
	for _, name := range result.Status.OutputSecrets {
		secret := &corev1.Secret{}
		if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, secret); err != nil {
			t.Fatal(err)
		}
		versions[name] = secret.ResourceVersion
		if !metav1.IsControlledBy(secret, result) {
			t.Errorf("Secret %s is owned by %v", name, secret.OwnerReferences)
		}
		for key, data := range secret.Data {
			kept[key] = data
		}
	}
	for n, row := range rows {
		if !bytes.Equal(kept[instance(n+1)], row.Output) {
			t.Errorf("of the output of %s %d bytes are kept, want %d", instance(n+1), len(kept[instance(n+1)]), len(row.Output))
		}
	}
	for _, entry := range result.Status.Instances {
		if entry.Output == nil || entry.Output.Text != "" || entry.Output.SHA256 == "" {
			t.Errorf("the status says of the output of %s: %+v", entry.InstanceID, entry.Output)
		}
	}
	// A restart finds everything in its place.
	w.stop()
	w.start(t)
	w.run(t, "annotate", "ir/secret", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	w.until(t, "secret", "asked again", func(result *v1alpha1.InvocationResult) bool { return result.Status.LastHandledReconcileAt == "now" })
	for name, version := range versions {
		secret := &corev1.Secret{}
		if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, secret); err != nil {
			t.Fatal(err)
		}
		if secret.ResourceVersion != version {
			t.Errorf("Secret %s was written again after a restart", name)
		}
	}
	// Asked again, it puts back what somebody has deleted.
	w.run(t, "delete", "secret", result.Status.OutputSecrets[0])
	w.run(t, "annotate", "--overwrite", "ir/secret", v1alpha1.AnnotationReconcileRequestedAt+"=again")
	w.until(t, "secret", "asked once more", func(result *v1alpha1.InvocationResult) bool { return result.Status.LastHandledReconcileAt == "again" })
	w.run(t, "get", "secret", result.Status.OutputSecrets[0])
}

// While Secrets cannot be written for a reason that may pass, whoever waits gets the end; the output is put into a Secret
// once that works.
func TestOutputIsOwedWhileSecretsCannotBeWritten(t *testing.T) {
	for name, restart := range map[string]bool{"the operator goes on": false, "the operator is restarted": true} {
		t.Run(name, func(t *testing.T) { owesOutput(t, restart) })
	}
}

func owesOutput(t *testing.T, restart bool) {
	t.Helper()
	w := newSecretWorld(t)
	broken := fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: %[1]s}
webhooks:
- name: nobody.example.com
  clientConfig: {url: "https://127.0.0.1:1/nobody"}
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 1
  admissionReviewVersions: [v1]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}]
`, w.namespace)
	if applied := w.kubectl.Apply(t.Context(), broken); applied.ExitCode != 0 {
		t.Fatal(applied.Stderr)
	}
	t.Cleanup(func() {
		w.kubectl.Run(context.Background(), "delete", "validatingwebhookconfiguration", w.namespace, "--ignore-not-found")
	})
	// The API server takes a moment to heed it.
	w.script(t, "t-owed", printed(1))
	for created := 0; ; created++ {
		tried := w.kubectl.Run(t.Context(), "create", "secret", "generic", fmt.Sprint("probe-", created))
		if tried.ExitCode != 0 {
			break
		}
	}
	w.apply(t, "owed", fmt.Sprintf("{regionID: %s, invokeID: t-owed, output: {policy: Secret}}", region))
	ended := w.untilReason(t, "owed", v1alpha1.ReasonSucceeded)
	if len(ended.Status.OutputSecrets) > 0 {
		t.Errorf("the status names the Secrets %v, which cannot be", ended.Status.OutputSecrets)
	}
	w.untilEvent(t, "OutputNotKept", "tried again by itself")
	if restart {
		w.stop()
	}
	w.run(t, "delete", "validatingwebhookconfiguration", w.namespace)
	if restart {
		w.start(t)
	}
	w.until(t, "owed", "kept", func(result *v1alpha1.InvocationResult) bool { return len(result.Status.OutputSecrets) == 1 })
}

// Whoever waits gets the end of the command, and an event says why its output is not in a Secret.
func TestOutputThatCannotBeKept(t *testing.T) {
	for name, test := range map[string]struct {
		newWorld func(*testing.T) *world
		// before runs once the resource exists and has not ended.
		before func(*testing.T, *world, *v1alpha1.InvocationResult)
		// after runs at the end.
		after func(*testing.T, *world, *v1alpha1.InvocationResult)
		want  string
	}{
		"no right to write Secrets": {
			newWorld: func(t *testing.T) *world {
				t.Helper()
				w := newWorld(t)
				w.options.MaxOutputPolicy = v1alpha1.OutputSecret
				w.start(t)
				return w
			},
			want: "let the operator write Secrets there",
		},
		"not allowed by the operator": {newWorld: newRunningWorld, want: "--max-output-policy does not allow"},
		"a Secret of somebody else": {
			newWorld: func(t *testing.T) *world {
				t.Helper()
				return newSecretWorld(t)
			},
			before: func(t *testing.T, w *world, result *v1alpha1.InvocationResult) {
				t.Helper()
				foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "kept-output-" + string(result.UID)[:8]}, StringData: map[string]string{"mine": "untouched"}}
				if err := w.client.Create(t.Context(), foreign); err != nil {
					t.Fatal(err)
				}
			},
			after: func(t *testing.T, w *world, result *v1alpha1.InvocationResult) {
				t.Helper()
				foreign := &corev1.Secret{}
				if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "kept-output-" + string(result.UID)[:8]}, foreign); err != nil {
					t.Fatal(err)
				}
				if len(foreign.Data) != 1 || string(foreign.Data["mine"]) != "untouched" {
					t.Errorf("the Secret of somebody else holds %d keys now", len(foreign.Data))
				}
			},
			want: "belongs to somebody else",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := test.newWorld(t)
			w.script(t, "t-kept", running(1))
			w.apply(t, "kept", fmt.Sprintf("{regionID: %s, invokeID: t-kept, output: {policy: Secret}, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}}", region))
			result := w.untilReason(t, "kept", v1alpha1.ReasonRunning)
			if test.before != nil {
				test.before(t, w, result)
			}
			w.update(t, "t-kept", 1, succeed)
			ended := w.untilReason(t, "kept", v1alpha1.ReasonSucceeded)
			if len(ended.Status.OutputSecrets) > 0 || ended.Status.Instances[0].Output.Text != "" {
				t.Errorf("the output is in %v, and %q in the status", ended.Status.OutputSecrets, ended.Status.Instances[0].Output.Text)
			}
			w.untilEvent(t, "OutputNotKept", test.want)
			if !meta.IsStatusConditionTrue(ended.Status.Conditions, v1alpha1.ConditionCompleted) {
				t.Error("the run is not Completed")
			}
			if test.after != nil {
				test.after(t, w, ended)
			}
		})
	}
}
