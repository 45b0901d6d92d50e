// Package testenv brings up what the suites and the demo stand on: a real kube-apiserver and etcd with the
// operator's own manifests applied, exactly as `make deploy` would.
package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Where config/default installs the operator.
const (
	OperatorNamespace      = "cloud-assistant-system"
	OperatorServiceAccount = "cloud-assistant-operator-manager"
)

// startTimeout is enough for a machine that compiles on all of its processors at the same time.
const startTimeout = 2 * time.Minute

// ControlPlane is a running kube-apiserver and etcd with the operator's manifests applied. No controllers
// run in it, but for those of RunControllers: the Deployment of the operator is accepted and nothing more.
type ControlPlane struct {
	// Admin may do anything.
	Admin *rest.Config
	// Operator is what the operator runs as: a token of its own ServiceAccount, judged by the real authorizer.
	Operator *rest.Config

	environment *envtest.Environment
	assets      string
	scratch     string
}

// Root is the top folder of the repository, found from the working directory: the tests and the demo run within it.
func Root() string {
	working, err := os.Getwd()
	if err != nil {
		return "."
	}
	for folder := working; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "config", "default")); err == nil {
			return folder
		}
	}
	return working
}

// Assets is the folder of etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS, else bin/controlplane.
func Assets() (string, error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		assets = filepath.Join(Root(), "bin", "controlplane")
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if _, err := os.Stat(filepath.Join(assets, name)); err != nil {
			return "", fmt.Errorf("no %s in %s: run make controlplane, or set KUBEBUILDER_ASSETS to a folder that has it", name, assets)
		}
	}
	return assets, nil
}

// Start brings a control plane up on free ports. On an error nothing is left running.
func Start(ctx context.Context) (*ControlPlane, error) {
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "cloud-assistant-operator-")
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{
		environment: &envtest.Environment{BinaryAssetsDirectory: assets, ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: time.Minute},
		assets:      assets,
		scratch:     scratch,
	}
	c.Admin, err = c.environment.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the control plane: %w", err), c.Stop())
	}
	if err := c.install(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Stop ends every process and removes every file of the control plane.
func (c *ControlPlane) Stop() error {
	return errors.Join(c.environment.Stop(), os.RemoveAll(c.scratch))
}

func (c *ControlPlane) install(ctx context.Context) error {
	admin, err := c.Kubectl(c.Admin, "default")
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "--kustomize", filepath.Join(Root(), "config", "default")},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/invocationresults.ecs.k8s.alibabacloud"},
	} {
		if result := admin.Run(ctx, args...); result.ExitCode != 0 {
			return fmt.Errorf("kubectl %v: exit %d: %s", args, result.ExitCode, result.Stderr)
		}
	}
	clients, err := kubernetes.NewForConfig(c.Admin)
	if err != nil {
		return err
	}
	token, err := clients.CoreV1().ServiceAccounts(OperatorNamespace).CreateToken(ctx, OperatorServiceAccount,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(24 * 60 * 60))}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("getting a token of the operator's ServiceAccount: %w", err)
	}
	c.Operator = rest.AnonymousClientConfig(c.Admin)
	c.Operator.BearerToken = token.Status.Token
	return nil
}

// Kubeconfig writes a kubeconfig for config, with a default namespace, and returns its path.
func (c *ControlPlane) Kubeconfig(config *rest.Config, namespace string) (string, error) {
	file, err := os.CreateTemp(c.scratch, "kubeconfig-")
	if err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	const name = "laptop"
	return file.Name(), clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server: config.Host, CertificateAuthorityData: config.CAData, TLSServerName: config.ServerName,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: namespace}},
		CurrentContext: name,
	}, file.Name())
}

// Kubectl is kubectl as the user of config, in a namespace.
func (c *ControlPlane) Kubectl(config *rest.Config, namespace string) (*Kubectl, error) {
	kubeconfig, err := c.Kubeconfig(config, namespace)
	if err != nil {
		return nil, err
	}
	return &Kubectl{
		path: filepath.Join(c.assets, "kubectl"),
		environment: append(os.Environ(),
			"KUBECONFIG="+kubeconfig,
			"KUBECACHEDIR="+filepath.Join(c.scratch, "kubectl-cache"),
			"PATH="+c.assets+string(os.PathListSeparator)+os.Getenv("PATH")),
	}, nil
}

// Kubectl runs kubectl as one user in one namespace.
type Kubectl struct {
	path        string
	environment []string
}

// Result is how a process ended. ExitCode is -1 when it could not run.
type Result struct {
	Stdout   string
	Stderr   string
	ExitCode int
}

// Run runs kubectl with args.
func (k *Kubectl) Run(ctx context.Context, args ...string) Result {
	return run(k.Command(ctx, k.path, args...))
}

// Apply runs kubectl apply of a manifest.
func (k *Kubectl) Apply(ctx context.Context, manifest string, flags ...string) Result {
	command := k.Command(ctx, k.path, append([]string{"apply", "--filename", "-"}, flags...)...)
	command.Stdin = strings.NewReader(manifest)
	return run(command)
}

// Shell runs a script with sh, in which kubectl is this one.
func (k *Kubectl) Shell(ctx context.Context, script string) Result {
	return run(k.Command(ctx, "sh", "-c", script))
}

// Command prepares a command in whose environment kubectl is this one.
func (k *Kubectl) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = k.environment
	return command
}

func run(command *exec.Cmd) Result {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		result.ExitCode = exit.ExitCode()
	case err != nil:
		result.Stderr += err.Error()
		result.ExitCode = -1
	}
	return result
}
