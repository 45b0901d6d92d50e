package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
)

// served is the command, while it serves.
type served struct {
	*ecs.Client
	address string
	log     *lockedBuffer
	// stop ends it and returns its exit code.
	stop func() int
}

func serveCommand(t *testing.T, environment map[string]string, args ...string) *served {
	t.Helper()
	stdout, stdoutWriter := io.Pipe()
	s := &served{log: &lockedBuffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		code := execute(ctx, append([]string{"--listen", "127.0.0.1:0"}, args...), func(name string) string { return environment[name] }, stdoutWriter, s.log)
		_ = stdoutWriter.Close()
		exit <- code
	}()
	s.stop = func() int {
		cancel()
		code := <-exit
		exit <- code
		return code
	}
	t.Cleanup(func() { s.stop() })
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	address, ok := strings.CutPrefix(lines.Text(), "listening on http://")
	if !ok {
		t.Fatalf("line %q on standard output, and on standard error\n%s", lines.Text(), s.log)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := ecs.NewClientWithOptions("mars-1", sdk.NewConfig().WithScheme("HTTP").WithHttpTransport(transport).WithAutoRetry(false),
		credentials.NewAccessKeyCredential("tester", "hidden"))
	if err != nil {
		t.Fatal(err)
	}
	client.Domain = address
	s.Client, s.address = client, address
	return s
}

// A scenario brings instances, a key, rows that change and runs that are pretended; the state outlives the process.
func TestServeScenario(t *testing.T) {
	directory := t.TempDir()
	file, state := filepath.Join(directory, "scenario.yaml"), filepath.Join(directory, "state.json")
	if err := os.WriteFile(file, []byte(`
regionIDs: [mars-1]
accessKeys: [{id: tester, secretEnv: TESTER_SECRET}]
instances: [{id: i-mars, regionID: mars-1}]
simulations: [{content: rover, output: "rolling"}]
invocations: [{id: t-told, regionID: mars-1, rows: [{instanceID: i-mars, timeline: [{at: 1ms, invocationStatus: Success}]}]}]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"TESTER_SECRET": "hidden"}
	args := []string{"--scenario", file, "--state", state, "--quota", "CreateCommand=1", "--quota", "*=1000", "--max-records", "3"}
	s := serveCommand(t, environment, args...)
	request := ecs.CreateRunCommandRequest()
	request.Type, request.CommandContent, request.InstanceId = "RunShellScript", "rover forward", &[]string{"i-mars"}
	submitted, err := s.RunCommand(request)
	if err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, s, submitted.InvokeId, "cm9sbGluZw==")
	wantSuccess(t, s, "t-told", "")
	create := ecs.CreateCreateCommandRequest()
	create.Name, create.Type, create.CommandContent = "a", "RunShellScript", "dHJ1ZQ=="
	_, first := s.CreateCommand(create)
	_, second := s.CreateCommand(create)
	var refusal *sdkerrors.ServerError
	if first != nil || !errors.As(second, &refusal) || refusal.ErrorCode() != "Throttling.User" {
		t.Errorf("with a quota of one the calls gave %v and %v", first, second)
	}
	for range 4 {
		if submitted, err = s.RunCommand(request); err != nil {
			t.Fatal(err)
		}
		wantSuccess(t, s, submitted.InvokeId, "cm9sbGluZw==")
	}
	response, err := s.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest())
	if err != nil || response.Invocation.TotalCount != 3 {
		t.Errorf("%d records are kept, %v; want 3", response.Invocation.TotalCount, err)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	log := s.log.String()
	for _, want := range []string{
		" RUN ON THIS MACHINE, but for those that the scenario simulates; instances: 1\n",
		"  export ALIBABA_CLOUD_ACCESS_KEY_ID=tester\n  export ALIBABA_CLOUD_REGION_ID=mars-1\n",
		"\nwhat is delivered to OSS is in " + state + ".oss\n",
		" scenario at=1ms what=step of t-told on i-mars\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "hidden") {
		t.Errorf("the log shows the secret:\n%s", log)
	}

	again := serveCommand(t, environment, args...)
	wantSuccess(t, again, submitted.InvokeId, "cm9sbGluZw==")
}

// wantSuccess waits until the one row of an invocation is Success.
func wantSuccess(t *testing.T, s *served, invokeID, output string) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		request := ecs.CreateDescribeInvocationResultsRequest()
		request.InvokeId = invokeID
		response, err := s.DescribeInvocationResults(request)
		if err != nil {
			t.Fatal(err)
		}
		rows := response.Invocation.InvocationResults.InvocationResult
		if len(rows) == 1 && rows[0].InvocationStatus == "Success" {
			if rows[0].Output != output {
				t.Errorf("the output is %q, want %q", rows[0].Output, output)
			}
			return
		}
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("%s has the rows %+v, want Success", invokeID, rows)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{"a-1": "a-1", "": "''", "it's $HOME": `'it'\''s $HOME'`, "a\nb": "'a?b'"} {
		if got := quote(text); got != want {
			t.Errorf("%q is quoted as %s, want %s", text, got, want)
		}
	}
}
