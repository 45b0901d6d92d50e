package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
)

// runCommand submits a shell command to instances 1 to n through the vendor's SDK and returns the ID of the run.
func (s *stage) runCommand(n int, script string, set func(*ecs.RunCommandRequest)) (string, error) {
	request := ecs.CreateRunCommandRequest()
	request.Type = "RunShellScript"
	request.CommandContent = script
	request.EnableParameter = requests.NewBoolean(true) // for {{ACS::InstanceId}}
	instances := make([]string, n)
	for i := range instances {
		instances[i] = fmt.Sprintf("i-emulator%010d", i+1)
	}
	request.InstanceId = &instances
	if set != nil {
		set(request)
	}
	response, err := s.ecs.RunCommand(request)
	if err != nil {
		return "", fmt.Errorf("RunCommand: %w", err)
	}
	fmt.Printf("RunCommand on %d instances: %s\n", n, response.InvokeId)
	return response.InvokeId, nil
}

// untilRepeated waits until a scheduled command has begun so many runs.
func (s *stage) untilRepeated(ctx context.Context, id string, times int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	request := ecs.CreateDescribeInvocationResultsRequest()
	request.InvokeId = id
	for {
		response, err := s.ecs.DescribeInvocationResults(request)
		if err != nil {
			return fmt.Errorf("DescribeInvocationResults: %w", err)
		}
		if rows := response.Invocation.InvocationResults.InvocationResult; len(rows) > 0 && rows[0].Repeats >= times {
			fmt.Printf("It runs every 2 s, and has begun %d runs\n", rows[0].Repeats)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has not begun %d runs: %w", id, times, ctx.Err())
		case <-ticker.C:
		}
	}
}

// apply shows kubectl apply of a manifest.
func (s *stage) apply(ctx context.Context, manifest string) error {
	return s.show(ctx, "kubectl apply -f - <<'YAML'\n"+manifest+"YAML")
}

func (s *stage) showAll(ctx context.Context, scripts ...string) error {
	for _, script := range scripts {
		if err := s.show(ctx, script); err != nil {
			return err
		}
	}
	return nil
}

func oneOfThreeFails(ctx context.Context, s *stage) error {
	say("A command on three instances, one of which will exit with 3")
	const script = `echo "upgrading {{ACS::InstanceId}} on $(uname -s)"
sleep 4
case {{ACS::InstanceId}} in *3) echo "no space left on device" >&2; exit 3;; esac
echo "done"`
	id, err := s.runCommand(3, script, nil)
	if err != nil {
		return err
	}
	if err := s.apply(ctx, fmt.Sprintf(`apiVersion: ecs.k8s.alibabacloud/v1alpha1
kind: InvocationResult
metadata: {name: upgrade}
spec: {regionID: %s, invokeID: %s}
`, region, id)); err != nil {
		return err
	}
	return s.showAll(ctx,
		"kubectl wait ir/upgrade --for=jsonpath='{.status.summary.total}'=3 --timeout=30s",
		"kubectl get invocationresults",
		"kubectl wait invocationresult/upgrade --for=condition=Completed --timeout=60s",
		"kubectl get invocationresults -o wide",
		"kubectl describe invocationresult upgrade",
		"kubectl get ir upgrade -o yaml",
		"# A pipeline step that ends as the run did:\n"+pipelineStep+"\necho \"the step exits with $?\"",
	)
}

// pipelineStep is the README's, in a subshell so that the demo goes on.
const pipelineStep = `(
  kubectl wait invocationresult/upgrade --for=condition=Completed --timeout=10m || exit 1
  code=$(kubectl get invocationresult upgrade -o jsonpath='{.status.exitCode}')
  kubectl get invocationresult upgrade -o jsonpath='{.status.conditions[?(@.type=="Ready")].message}{"\n"}'
  exit "${code:-1}"
)`

func foundByTag(ctx context.Context, s *stage) error {
	say("A run found by its tag: the resource is there first, as in a GitOps repository")
	if err := s.apply(ctx, fmt.Sprintf(`apiVersion: ecs.k8s.alibabacloud/v1alpha1
kind: InvocationResult
metadata: {name: deploy-9f3c2e1}
spec: {regionID: %s, match: {tags: [{key: deploy, value: 9f3c2e1}]}}
`, region)); err != nil {
		return err
	}
	if err := s.show(ctx, "kubectl wait ir/deploy-9f3c2e1 --for=jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason}'=AwaitingRecords --timeout=30s"); err != nil {
		return err
	}
	if _, err := s.runCommand(2, "echo deployed 9f3c2e1", func(request *ecs.RunCommandRequest) {
		request.Tag = &[]ecs.RunCommandTag{{Key: "deploy", Value: "9f3c2e1"}}
	}); err != nil {
		return err
	}
	return s.showAll(ctx,
		"kubectl wait ir/deploy-9f3c2e1 --for=condition=Succeeded --timeout=90s",
		"kubectl get ir deploy-9f3c2e1 -o wide",
	)
}

func scheduled(ctx context.Context, s *stage) error {
	say("A scheduled command with the history of its runs")
	id, err := s.runCommand(1, `echo "run at $(date -u +%T)"`, func(request *ecs.RunCommandRequest) {
		request.RepeatMode = "Period"
		request.Frequency = "rate(2s)"
		request.Timed = requests.NewBoolean(true)
	})
	if err != nil {
		return err
	}
	// kubectl wait fails where a list is there and too short, so it must not be there before it is long enough.
	if err := s.untilRepeated(ctx, id, 3); err != nil {
		return err
	}
	if err := s.apply(ctx, fmt.Sprintf(`apiVersion: ecs.k8s.alibabacloud/v1alpha1
kind: InvocationResult
metadata: {name: heartbeat}
spec: {regionID: %s, invokeID: %s, includeHistory: true, historyLimit: 3, polling: {maxIntervalSeconds: 2}}
`, region, id)); err != nil {
		return err
	}
	if err := s.showAll(ctx,
		"kubectl wait ir/heartbeat --for=condition=Ready --timeout=60s",
		"kubectl wait ir/heartbeat --for=jsonpath='{.status.history[1].status}'=Success --timeout=90s",
		"kubectl get ir heartbeat",
		`kubectl get ir heartbeat -o jsonpath='{range .status.history[*]}{.startTime}{"  exit "}{.exitCode}{"  "}{.output.text}{end}'`,
	); err != nil {
		return err
	}
	fmt.Println("StopInvocation", id)
	stop := ecs.CreateStopInvocationRequest()
	stop.InvokeId = id
	instances := []string{"i-emulator0000000001"}
	stop.InstanceId = &instances
	if _, err := s.ecs.StopInvocation(stop); err != nil {
		return fmt.Errorf("StopInvocation: %w", err)
	}
	return s.showAll(ctx,
		"kubectl wait ir/heartbeat --for=condition=Completed --timeout=60s",
		"kubectl get invocationresults",
		"kubectl get events",
	)
}
