package app_test

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// The Deployment as it was installed, by the control plane's own copy.
func deployment(t *testing.T) (*appsv1.Deployment, client.Client) {
	t.Helper()
	admin, err := client.New(controlPlane.Admin, client.Options{Scheme: app.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	installed := &appsv1.Deployment{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: testenv.OperatorNamespace, Name: "cloud-assistant-operator-manager"}, installed); err != nil {
		t.Fatal(err)
	}
	return installed, admin
}

func TestThePodIsOfTheRestrictedProfile(t *testing.T) {
	t.Parallel()
	installed, admin := deployment(t)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.OperatorNamespace, Name: "manager"},
		Spec:       installed.Spec.Template.Spec,
	}
	if err := admin.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("a pod of the Deployment is refused: %v", err)
	}
	// The profile is in force: the same pod with a right too many is refused.
	pod.ResourceVersion = ""
	escalates := true
	pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = &escalates
	if err := admin.Create(t.Context(), pod, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "restricted") {
		t.Errorf("a pod that may gain privileges is answered with %v, want a refusal by the restricted profile", err)
	}
	if read := pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
		t.Error("the root file system is writable")
	}
}

func TestTheDeploymentsFlagsExist(t *testing.T) {
	t.Parallel()
	installed, _ := deployment(t)
	var options app.Options
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	options.Bind(flags)
	if err := flags.Parse(installed.Spec.Template.Spec.Containers[0].Args); err != nil {
		t.Fatal(err)
	}
	if err := options.Validate(); err != nil {
		t.Error(err)
	}
	if !options.LeaderElect || !options.MetricsSecure || *installed.Spec.Replicas < 2 {
		t.Errorf("the install is not one of two replicas with leader election and guarded metrics: %+v", options)
	}
}

func TestTheInstallerSetsTheImage(t *testing.T) {
	t.Parallel()
	assets, err := testenv.Assets()
	if err != nil {
		t.Fatal(err)
	}
	installer := func(image string) (string, error) {
		command := exec.CommandContext(t.Context(), "hack/installer.sh", assets+"/kubectl", image)
		command.Dir = testenv.Root()
		output, err := command.CombinedOutput()
		return string(output), err
	}
	manifests, err := installer("example.com:5000/team/operator:v1")
	if err != nil || !strings.Contains(manifests, "image: example.com:5000/team/operator:v1\n") {
		t.Errorf("the installer fails with %v, or does not set the image:\n%.2000s", err, manifests)
	}
	for _, kind := range []string{"CustomResourceDefinition", "ClusterRole", "ServiceAccount", "Deployment", "PodDisruptionBudget", "Namespace"} {
		if !strings.Contains(manifests, "\nkind: "+kind+"\n") {
			t.Errorf("the installer leaves out the %s", kind)
		}
	}
	if refusal, err := installer("operator"); err == nil || !strings.Contains(refusal, "IMG must be NAME:TAG") {
		t.Errorf("an image without a tag is answered with %v: %s", err, refusal)
	}
}

// Whatever can be installed from config, the API server takes, without a warning: nothing of it is unknown or goes out of
// use. The parts are taken with the wholes that name them, for they lack a prefix and the namespace of these.
func TestEveryKustomizationIsTaken(t *testing.T) {
	t.Parallel()
	parts := map[string]string{"manager": "default", "rbac": "default"}
	config := filepath.Join(testenv.Root(), "config")
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	wholes := 0
	err := filepath.WalkDir(config, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir // what build-installer makes and takes away again, in another test
		}
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		folder, err := filepath.Rel(config, filepath.Dir(path))
		if err != nil {
			return err
		}
		if whole, isPart := parts[folder]; isPart {
			text, err := os.ReadFile(filepath.Join(config, whole, "kustomization.yaml"))
			if !strings.Contains(string(text), "\n- ../"+folder+"\n") {
				t.Errorf("config/%s is no part of config/%s", folder, whole)
			}
			return err
		}
		wholes++
		built := kubectl.Run(t.Context(), "kustomize", filepath.Dir(path))
		objects := strings.Count("\n"+built.Stdout, "\nkind: ")
		applied := kubectl.Run(t.Context(), "apply", "--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict", "--kustomize", filepath.Dir(path))
		if applied.ExitCode != 0 || applied.Stderr != "" || objects == 0 || strings.Count(applied.Stdout, " serverside-applied (server dry run)\n") != objects {
			t.Errorf("%d objects of config/%s are applied with exit %d: %s%s%s", objects, folder, applied.ExitCode, built.Stderr, applied.Stdout, applied.Stderr)
		}
		return nil
	})
	if err != nil || wholes < 6 {
		t.Errorf("config has %d kustomizations to install: the search is broken: %v", wholes, err)
	}
}

// The overlay that lets outputs go into Secrets is the install, with the flag and the role.
func TestTheOverlayForOutputSecrets(t *testing.T) {
	t.Parallel()
	kubectl := controlPlane.AdminKubectl(t, testenv.OperatorNamespace)
	built := kubectl.Run(t.Context(), "kustomize", testenv.Root()+"/config/output-secrets")
	if built.ExitCode != 0 {
		t.Fatal(built.Stderr)
	}
	for _, want := range []string{"- --max-output-policy=Secret\n", "kind: Deployment\n", "kind: CustomResourceDefinition\n"} {
		if !strings.Contains(built.Stdout, want) {
			t.Errorf("the overlay lacks %q", want)
		}
	}
	// The API server finds every object of it right, and no name wrong.
	applied := kubectl.Run(t.Context(), "apply", "--server-side", "--dry-run=server", "--force-conflicts", "--kustomize", testenv.Root()+"/config/output-secrets")
	for _, want := range []string{"clusterrolebinding.rbac.authorization.k8s.io/cloud-assistant-operator-output-secrets", "deployment.apps/cloud-assistant-operator-manager"} {
		if applied.ExitCode != 0 || !strings.Contains(applied.Stdout, want) {
			t.Errorf("applying the overlay tells nothing of %s: exit %d\n%s%s", want, applied.ExitCode, applied.Stdout, applied.Stderr)
		}
	}
	if !strings.Contains(built.Stdout, "  name: "+testenv.OperatorServiceAccount+"\n  namespace: "+testenv.OperatorNamespace) {
		t.Error("the role is bound to somebody else")
	}
}
