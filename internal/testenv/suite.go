package testenv

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// RunSuite is for TestMain: it starts the control plane that all tests of a package share, with the manifests of some
// folders applied besides the operator's, stores it where shared points, runs the tests, and exits with their status.
func RunSuite(m *testing.M, shared **ControlPlane, folders ...string) {
	os.Exit(runSuite(m, shared, folders))
}

func runSuite(m *testing.M, shared **ControlPlane, folders []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	controlPlane, err := Start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*shared = controlPlane
	code := 1
	if err := controlPlane.apply(ctx, folders); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := controlPlane.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// apply applies the manifests of some folders, and waits until the kinds that they define are served.
func (c *ControlPlane) apply(ctx context.Context, folders []string) error {
	admin, err := c.Kubectl(c.Admin, "default")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		for _, args := range [][]string{
			{"apply", "--server-side", "--validate=strict", "--filename", folder},
			{"wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"},
		} {
			if result := admin.Run(ctx, args...); result.ExitCode != 0 {
				return fmt.Errorf("kubectl %v: exit %d: %s", args, result.ExitCode, result.Stderr)
			}
		}
	}
	return nil
}

// NewNamespace makes a namespace for one test.
func (c *ControlPlane) NewNamespace(t *testing.T) string {
	t.Helper()
	clients, err := kubernetes.NewForConfig(c.Admin)
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := clients.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// AdminKubectl is kubectl as admin in a namespace.
func (c *ControlPlane) AdminKubectl(t *testing.T, namespace string) *Kubectl {
	t.Helper()
	kubectl, err := c.Kubectl(c.Admin, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return kubectl
}
