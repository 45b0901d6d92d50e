package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// RunControllers runs the real garbage collector and namespace controller until the test ends: without them nothing
// that is owned goes with its owner, and a namespace stays Terminating.
func (c *ControlPlane) RunControllers(t *testing.T) {
	t.Helper()
	binary, err := controllerManager(c.assets)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := c.Kubeconfig(c.Admin, "default")
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	// Not of the test's context, which ends before the cleanup that stops it.
	command := exec.Command(binary, "--kubeconfig="+kubeconfig, "--controllers=garbage-collector-controller,namespace-controller", //nolint:noctx // see above
		"--leader-elect=false", "--secure-port=0")
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("kube-controller-manager ended before the test: %v\n%s", err, output.String())
		}
		if err := <-ended; t.Failed() {
			t.Logf("kube-controller-manager ended with %v:\n%s", err, output.String())
		}
	})
}

// controllerManager is the binary, in the folder of the assets or else where make builds it: assets that somebody
// downloaded lack it.
func controllerManager(assets string) (string, error) {
	const name = "kube-controller-manager"
	for _, folder := range []string{assets, filepath.Join(Root(), "bin", "controlplane")} {
		binary := filepath.Join(folder, name)
		if _, err := os.Stat(binary); !errors.Is(err, os.ErrNotExist) {
			return binary, err
		}
	}
	return "", fmt.Errorf("no %s in %s or bin/controlplane: run make controlplane", name, assets)
}
