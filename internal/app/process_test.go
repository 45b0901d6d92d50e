package app_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// buildOperator builds the operator's binary.
func buildOperator(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "manager")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/manager")
	build.Dir = testenv.Root()
	// As make build builds it, so that its build cache serves.
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v: %s", err, output)
	}
	return binary
}

// loudOperator is the operator as a process that says all that it can say.
type loudOperator struct {
	command *exec.Cmd
	said    bytes.Buffer
	metrics string
	ended   bool
}

// startLoud runs the operator with all of its log and its metrics in the clear, until the test ends or loudOperator.end.
func (w *world) startLoud(t *testing.T, binary string, environment []string, args ...string) *loudOperator {
	t.Helper()
	kubeconfig, err := controlPlane.Kubeconfig(controlPlane.Operator, w.namespace)
	if err != nil {
		t.Fatal(err)
	}
	o := &loudOperator{metrics: freeAddress(t)}
	// Not of the test's context, which ends before the cleanup that stops it.
	o.command = exec.CommandContext(context.Background(), binary, append([]string{
		"--leader-elect=false", "--health-probe-bind-address=0", "--watch-namespaces=" + w.namespace,
		"--metrics-bind-address=" + o.metrics, "--metrics-secure=false", "--zap-log-level=10", "--max-output-policy=Secret",
	}, args...)...)
	o.command.Env = append(os.Environ(), environment...)
	o.command.Env = append(o.command.Env, "KUBECONFIG="+kubeconfig)
	o.command.Stdout, o.command.Stderr = &o.said, &o.said
	if err := o.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.end(t) })
	return o
}

// end stops the operator and returns what it said.
func (o *loudOperator) end(t *testing.T) string {
	t.Helper()
	if o.ended {
		return o.said.String()
	}
	o.ended = true
	if err := o.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := o.command.Wait(); err != nil {
		t.Errorf("the operator ended with: %v\n%s", err, o.said.String())
	}
	return o.said.String()
}

// scrape is what the operator serves as metrics.
func (o *loudOperator) scrape(t *testing.T) string {
	t.Helper()
	return metricsAt(t, o.metrics)
}

// metricsAt is the text that an operator serves its metrics as.
func metricsAt(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("scraping: status %s, error %v", response.Status, err)
	}
	return string(body)
}

// freeAddress is one of loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := testenv.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}
