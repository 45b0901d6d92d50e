package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const (
	region    = "cn-hangzhou"
	namespace = "default"
	// ttl is how long an ended result stays, so that their number is steady.
	ttl = 30
	// medianRun is how long runs take, the longest about six times as long.
	medianRun = 15 * time.Second
	// settles is how long after its begin a run should be known to have ended, whatever goes wrong in between.
	settles = 5 * time.Minute
)

// soak is everything that runs.
type soak struct {
	duration, faultEvery time.Duration
	perSecond, growth    float64

	controlPlane *testenv.ControlPlane
	cloud        *emulator.Emulator
	ecs          *ecs.Client
	operator     *exec.Cmd
	log          *os.File
	client       client.Client
	metrics      string

	submitted int
	faults    []emulator.Fault
	turn      int
	clear     func()
	figures   []figure
}

func (s *soak) setUp(ctx context.Context) (err error) {
	if s.controlPlane, err = testenv.Start(ctx); err != nil {
		return err
	}
	if s.client, err = client.New(s.controlPlane.Admin, client.Options{Scheme: app.Scheme()}); err != nil {
		return err
	}
	s.cloud, err = emulator.New(emulator.Options{
		AccessKeys: []emulator.AccessKey{{ID: "soak", Secret: "soak-secret"}},
		Instances:  emulator.NumberedInstances(3, region, emulator.DefaultAccountID),
		Quotas:     []emulator.Quota{{Action: "DescribeInvocationResults", PerMinute: 600}},
		Simulations: []emulator.Simulation{
			{Content: v1alpha1.ReasonCommandFailed, Duration: medianRun, Sigma: 0.6, FailRate: 1, ExitCode: 3, Output: "begins\n"},
			{Duration: medianRun, Sigma: 0.6, Output: "begins\n", OutputBytes: 3000},
		},
	})
	if err != nil {
		return err
	}
	url, err := s.cloud.Start("127.0.0.1:0")
	if err != nil {
		return err
	}
	s.ecs, err = ecs.NewClientWithOptions(region, sdk.NewConfig().WithScheme("HTTP"), credentials.NewAccessKeyCredential("soak", "soak-secret"))
	if err != nil {
		return err
	}
	s.ecs.Domain = strings.TrimPrefix(url, "http://")
	s.faults = faults()
	return s.startOperator(ctx, url)
}

// faults are one of each kind, and refusals that heal.
func faults() []emulator.Fault {
	var all []emulator.Fault
	for _, kind := range emulator.FaultKinds() {
		all = append(all, emulator.Fault{Kind: kind, Action: "DescribeInvocationResults", Delay: 200 * time.Millisecond})
	}
	for _, code := range []string{"ServiceUnavailable", "InternalError", "Forbidden.RAM", "InvalidParameter.NextToken"} {
		all = append(all, emulator.Fault{Kind: emulator.FaultError, Code: code, Action: "DescribeInvocationResults"})
	}
	return all
}

func (s *soak) startOperator(ctx context.Context, url string) error {
	kubeconfig, err := s.controlPlane.Kubeconfig(s.controlPlane.Operator, namespace)
	if err != nil {
		return err
	}
	if s.log, err = os.CreateTemp("", "soak-manager-"); err != nil {
		return err
	}
	address, err := testenv.FreeAddress(ctx)
	if err != nil {
		return err
	}
	s.metrics = "http://" + address + "/metrics"
	s.operator = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(testenv.Root(), "bin", "manager"),
		"--ecs-endpoint="+url, "--leader-elect=false", "--metrics-bind-address="+address, "--metrics-secure=false",
		"--health-probe-bind-address=0", "--api-qps=10", "--default-ttl="+fmt.Sprint(ttl)+"s")
	s.operator.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "ALIBABA_CLOUD_ACCESS_KEY_ID=soak", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=soak-secret")
	s.operator.Stderr = s.log
	// In a group of its own, so that Ctrl-C in the terminal does not end it before its turn.
	s.operator.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.operator.Start(); err != nil {
		return err
	}
	fmt.Printf("The operator is process %d and logs to %s\n", s.operator.Process.Pid, s.log.Name())
	return nil
}

// submit starts a run that takes a while, as a client would, and a result that watches it. Every tenth run fails.
func (s *soak) submit(ctx context.Context) error {
	s.submitted++
	request := ecs.CreateRunCommandRequest()
	request.Type, request.CommandContent = "RunShellScript", expected(s.submitted)
	var instances []string
	for n := range 1 + s.submitted%3 {
		instances = append(instances, fmt.Sprintf("i-emulator%010d", n+1))
	}
	request.InstanceId = &instances
	// None of them takes as long: a time-out would be a failure.
	request.Timeout = requests.NewInteger(600)
	run, err := s.ecs.RunCommand(request)
	if err != nil {
		return err
	}
	return s.client.Create(ctx, &v1alpha1.InvocationResult{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("soak-%d", s.submitted)},
		Spec:       v1alpha1.InvocationResultSpec{RegionID: region, InvokeID: run.InvokeId},
	})
}

// expected is how the result of the nth run should end.
func expected(n int) string {
	if n%10 == 0 {
		return v1alpha1.ReasonCommandFailed
	}
	return v1alpha1.ReasonSucceeded
}

// misbehave ends the fault under way, or begins the next.
func (s *soak) misbehave() error {
	if s.clear != nil {
		s.clear()
		s.clear = nil
		return nil
	}
	fault := s.faults[s.turn%len(s.faults)]
	s.turn++
	fmt.Println("fault:", fault.Kind, fault.Code)
	var err error
	s.clear, err = s.cloud.Inject(fault)
	return err
}

// sample takes the figures of the operator, and looks at every result there is.
func (s *soak) sample(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the operator gives no metrics; see %s: %w", s.log.Name(), err)
	}
	defer func() { _ = response.Body.Close() }() // it was read whole, or failed already
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return err
	}
	gauge := func(name string) float64 {
		return families[name].GetMetric()[0].GetGauge().GetValue()
	}
	f := figure{at: time.Now(), memory: gauge("process_resident_memory_bytes"), goroutines: gauge("go_goroutines")}
	results := &v1alpha1.InvocationResultList{}
	if err := s.client.List(ctx, results, client.InNamespace(namespace)); err != nil {
		return err
	}
	f.results = len(results.Items)
	for i := range results.Items {
		if err := check(&results.Items[i], f.at); err != nil {
			return err
		}
	}
	s.figures = append(s.figures, f)
	fmt.Printf("%s  %6.1f MiB  %4.0f goroutines  %4d results, %d runs so far\n",
		f.at.Format(time.TimeOnly), f.memory/(1<<20), f.goroutines, f.results, s.submitted)
	return nil
}

// tearDown stops what was started. The operator has to end by itself when it is asked to.
func (s *soak) tearDown() error {
	var problems []error
	if s.operator != nil && s.operator.Process != nil {
		problems = append(problems, s.operator.Process.Signal(syscall.SIGTERM), s.operator.Wait())
	}
	if s.cloud != nil {
		problems = append(problems, s.cloud.Close())
	}
	if s.controlPlane != nil {
		problems = append(problems, s.controlPlane.Stop())
	}
	if s.log != nil {
		problems = append(problems, s.log.Close())
	}
	return errors.Join(problems...)
}
