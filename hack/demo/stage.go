package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const (
	region          = "cn-hangzhou"
	namespace       = "default"
	accessKeyID     = "demo"
	accessKeySecret = "demo-secret"
	stopTimeout     = 20 * time.Second
)

// stage is everything that runs during the demo.
type stage struct {
	scratch      string
	controlPlane *testenv.ControlPlane
	kubectl      *testenv.Kubectl
	emulatorURL  string
	ecs          *ecs.Client
	processes    []*exec.Cmd
	startup      time.Duration
	// eventsAddress is where the operator of the last act receives events, and adminAddress where the emulator is steered.
	eventsAddress, adminAddress string
}

func setUp(ctx context.Context, s *stage) (err error) {
	if s.scratch, err = os.MkdirTemp("", "cloud-assistant-demo-"); err != nil {
		return err
	}
	say("Starting kube-apiserver and etcd, and installing config/default")
	started := time.Now()
	if s.controlPlane, err = testenv.Start(ctx); err != nil {
		return err
	}
	s.startup = time.Since(started)
	if s.kubectl, err = s.controlPlane.Kubectl(s.controlPlane.Admin, namespace); err != nil {
		return err
	}
	if err := s.show(ctx, "kubectl get crd,clusterrole,serviceaccount,deployment -A -l app.kubernetes.io/name=cloud-assistant-operator -o name; kubectl version | grep Server"); err != nil {
		return err
	}
	say("Starting the emulator of Cloud Assistant, with three instances on which commands really run")
	if err := s.startEmulator(ctx); err != nil {
		return err
	}
	say("Starting the operator, as its own ServiceAccount")
	if err := s.startOperator(ctx, "manager", "--watch-label-selector="+strings.Replace(announced, "=", "!=", 1)); err != nil {
		return err
	}
	if err := s.show(ctx, fmt.Sprintf("kubectl -n %s wait lease/cloud-assistant-operator.ecs.k8s.alibabacloud --for=create --timeout=60s", testenv.OperatorNamespace)); err != nil {
		return fmt.Errorf("%w: see %s", err, s.log("manager"))
	}
	return nil
}

// startEmulator returns once the emulator listens.
func (s *stage) startEmulator(ctx context.Context) error {
	var errEvents, errAdmin error
	s.eventsAddress, errEvents = testenv.FreeAddress(ctx)
	s.adminAddress, errAdmin = testenv.FreeAddress(ctx)
	if err := errors.Join(errEvents, errAdmin); err != nil {
		return err
	}
	command := s.command(ctx, "ecs-emulator", "--listen=127.0.0.1:0", "--instances=3", "--region="+region, "--min-rate=2s",
		"--access-key-id="+accessKeyID, "--access-key-secret="+accessKeySecret,
		"--admin-listen="+s.adminAddress, "--events-target="+s.eventsURL(), "--events-token="+eventsToken)
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.start(command, "ecs-emulator"); err != nil {
		return err
	}
	const ready = "listening on "
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, found := strings.CutPrefix(lines.Text(), ready); found {
			s.emulatorURL = strings.TrimSpace(url)
			fmt.Println("The ECS API is at", s.emulatorURL)
			// The rest of its output has nowhere to go, and must not fill the pipe.
			go func() {
				for lines.Scan() {
				}
			}()
			return s.connect()
		}
	}
	return errors.New("the emulator ended before it was ready: see " + s.log("ecs-emulator"))
}

// connect makes a client of the vendor's SDK, as a pipeline would use it.
func (s *stage) connect() error {
	config := sdk.NewConfig().WithScheme("HTTP")
	client, err := ecs.NewClientWithOptions(region, config, credentials.NewAccessKeyCredential(accessKeyID, accessKeySecret))
	if err != nil {
		return err
	}
	client.Domain = strings.TrimPrefix(s.emulatorURL, "http://")
	s.ecs = client
	return nil
}

func (s *stage) startOperator(ctx context.Context, name string, flags ...string) error {
	kubeconfig, err := s.controlPlane.Kubeconfig(s.controlPlane.Operator, namespace)
	if err != nil {
		return err
	}
	health, err := testenv.FreeAddress(ctx)
	if err != nil {
		return err
	}
	command := s.command(ctx, "manager", append([]string{
		"--ecs-endpoint=" + s.emulatorURL, "--metrics-bind-address=0", "--health-probe-bind-address=" + health,
	}, flags...)...)
	command.Env = append(os.Environ(),
		"KUBECONFIG="+kubeconfig,
		"POD_NAMESPACE="+testenv.OperatorNamespace, "POD_IP=127.0.0.1",
		"ALIBABA_CLOUD_ACCESS_KEY_ID="+accessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET="+accessKeySecret,
	)
	return s.start(command, name)
}

func (s *stage) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(testenv.Root(), "bin", name), args...)
	// In a group of its own, so that Ctrl-C in the terminal does not end it before its turn.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

func (s *stage) start(command *exec.Cmd, name string) error {
	log, err := os.Create(s.log(name))
	if err != nil {
		return err
	}
	command.Stderr = log
	if err := command.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	s.processes = append(s.processes, command)
	return log.Close()
}

func (s *stage) log(name string) string {
	return filepath.Join(s.scratch, name+".log")
}

// show prints a command line as a user would type it, runs it, and shows what it prints.
func (s *stage) show(ctx context.Context, script string) error {
	fmt.Printf("$ %s\n", script)
	command := s.kubectl.Command(ctx, "sh", "-c", script)
	command.Stdout, command.Stderr = os.Stdout, os.Stdout
	// The shell and what it has started end together: a kubectl that goes on watching keeps the API server.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", script, err)
	}
	return nil
}

func (s *stage) explain() {
	kubeconfig, err := s.controlPlane.Kubeconfig(s.controlPlane.Admin, namespace)
	if err != nil {
		kubeconfig = err.Error()
	}
	assets, _ := testenv.Assets()
	say("Left running until Ctrl-C; in another terminal:")
	fmt.Printf(`export KUBECONFIG=%s PATH=%s:$PATH
kubectl get invocationresults
kubectl explain invocationresult.spec

The ECS API: %s (access key %s, secret %s, region %s)
The logs:    %s and %s
`, kubeconfig, assets, s.emulatorURL, accessKeyID, accessKeySecret, region, s.log("manager"), s.log("ecs-emulator"))
}

// tearDown stops what was started, in the reverse order, and removes its files.
func (s *stage) tearDown() error {
	var problems []error
	for i := len(s.processes) - 1; i >= 0; i-- {
		problems = append(problems, stop(s.processes[i]))
	}
	if s.controlPlane != nil {
		problems = append(problems, s.controlPlane.Stop())
	}
	return errors.Join(append(problems, os.RemoveAll(s.scratch))...)
}

func stop(command *exec.Cmd) error {
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	killer := time.AfterFunc(stopTimeout, func() { _ = command.Process.Kill() })
	defer killer.Stop()
	if err := command.Wait(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(command.Path), err)
	}
	return nil
}
