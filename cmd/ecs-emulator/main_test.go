package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noEnvironment(string) string { return "" }

// lockedBuffer is a writer that may be read while others write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestArguments(t *testing.T) {
	key := []string{"--access-key-id", "id", "--access-key-secret", "hidden"}
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	file := func(text string) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	tests := []struct {
		name string
		args []string
		exit int
		// want must appear on standard error, or on standard output where the exit code is 0.
		want string
	}{
		{"help", []string{"--help"}, 0, "IT RUNS COMMANDS"},
		{"no access key", nil, 2, "--access-key-id"},
		{"no secret", key[:2], 2, "--access-key-secret"},
		{"unknown flag", append([]string{"--port", "1"}, key...), 2, "unknown flag: --port"},
		{"an argument", append([]string{"serve"}, key...), 2, `unexpected argument "serve"`},
		{"negative instances", append([]string{"--instances", "-1"}, key...), 2, "--instances is -1"},
		{"no rate", append([]string{"--min-rate", "0s"}, key...), 2, "--min-rate is 0s"},
		{"negative retention", append([]string{"--retention", "-1s"}, key...), 2, "--retention or --max-records is negative"},
		{"negative records", append([]string{"--max-records", "-1"}, key...), 2, "--retention or --max-records is negative"},
		{"no number of a quota", append([]string{"--quota", "DescribeInvocationResults"}, key...), 2, `--quota "DescribeInvocationResults" is not of the form`},
		{"negative quota", append([]string{"--quota", "*=-1"}, key...), 2, `--quota "*=-1" is not`},
		{"no action of a quota", append([]string{"--quota", "=1"}, key...), 2, `--quota "=1" is not`},
		{"events to nowhere", append([]string{"--events-target", "nowhere"}, key...), 2, "a target of events is not a URL"},
		{"more events lost than there are", append([]string{"--events-loss", "2"}, key...), 2, "numbers from 0 to 1"},
		{"events signed in a way of one's own", append([]string{"--events-signature", "MD5"}, key...), 2, `the signature "MD5" is unknown`},
		{"no file of certificates", append([]string{"--events-ca", missing}, key...), 2, "--events-ca: open " + missing},
		{"no certificates in the file", append([]string{"--events-ca", file("hello")}, key...), 2, "no certificate in PEM"},
		{"no scenario file", append([]string{"--scenario", missing}, key...), 2, "--scenario: open " + missing},
		{"bad scenario", append([]string{"--scenario", file("instances:\n- status: Running\n  size: big")}, key...), 2, "line 3: instances[0].size: this key is unknown"},
		{"scenario that no emulator takes", append([]string{"--scenario", file("instances: [{id: i-1, regionID: mars}]")}, key...), 2, "region mars"},
		{"key of a scenario without a secret", []string{"--scenario", file("accessKeys: [{id: a, secretEnv: NOT_SET}]")}, 2, "NOT_SET"},
		{"half a key beside a scenario", append([]string{"--scenario", file("accessKeys: [{id: a, secretEnv: NOT_SET}]")}, key[:2]...), 2, "--access-key-secret"},
		{"bad state", append([]string{"--state", file("hello")}, key...), 1, "this is no state of an emulator"},
		{"exposed", append([]string{"--listen", "0.0.0.0:0"}, key...), 1, "--listen: listen address \"0.0.0.0:0\" is not loopback"},
		{"admin exposed", append([]string{"--admin-listen", ":0"}, key...), 1, "--admin-listen: listen address \":0\" is not loopback"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			exit := execute(t.Context(), tt.args, noEnvironment, &stdout, &stderr)
			text := stderr.String()
			if exit == 0 {
				text = stdout.String()
			}
			if exit != tt.exit || !strings.Contains(text, tt.want) {
				t.Errorf("exit code %d, output %q; want %d and %q", exit, text, tt.exit, tt.want)
			}
			if strings.Contains(stdout.String()+stderr.String(), "hidden") {
				t.Error("the secret is printed")
			}
		})
	}
}

func TestFlagsOfEvents(t *testing.T) {
	token := func(name string) string { return map[string]string{"ECS_EMULATOR_EVENTS_TOKEN": "T"}[name] }
	args := []string{
		"--access-key-id", "id", "--access-key-secret", "s", "--events-target", "https://a/x", "--events-target", "http://b/y",
		"--events-delay", "1s", "--events-jitter", "2s", "--events-loss", "0.25", "--events-duplicates", "0.5",
	}
	tests := []struct {
		name string
		args []string
		want eventbridge.Publishing
	}{
		{"as documented", nil, eventbridge.Publishing{Form: eventbridge.FormRSA}},
		{"as the sample", []string{"--events-sample-text"}, eventbridge.Publishing{
			Form: eventbridge.FormRSA, Variant: eventbridge.Variant{NewlineAfterBody: true, NoTokenLine: true},
		}},
		{"as the older sample", []string{"--events-sample-text", "--events-signature", "HMAC"}, eventbridge.Publishing{
			Form: eventbridge.FormHMAC, Variant: eventbridge.Variant{NewlineAfterBody: true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Targets = []eventbridge.Target{{URL: "https://a/x", Token: "T"}, {URL: "http://b/y", Token: "T"}}
			tt.want.Delay, tt.want.Jitter, tt.want.Loss, tt.want.Duplicates = time.Second, 2*time.Second, 0.25, 0.5
			got, err := parse(append(slices.Clone(args), tt.args...), token, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			got.options.Events.Seed = 0
			if diff := cmp.Diff(tt.want, got.options.Events); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The whole life of the command: it says where it listens, runs a command, logs the calls and ends on a signal.
func TestServe(t *testing.T) {
	environment := map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "hidden"}
	stdout, stdoutWriter := io.Pipe()
	stderr := &lockedBuffer{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	exit := make(chan int, 1)
	go func() {
		exit <- execute(ctx, []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--instances", "2", "--region", "mars-north-1"},
			func(name string) string { return environment[name] }, stdoutWriter, stderr)
	}()
	lines := bufio.NewScanner(stdout)
	read := func(prefix string) string {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("standard output ended: %v\n%s", lines.Err(), stderr)
		}
		address, ok := strings.CutPrefix(lines.Text(), prefix)
		if !ok {
			t.Fatalf("line %q, want %q", lines.Text(), prefix)
		}
		return address
	}
	read("admin listening on http://127.0.0.1:")
	address := read("listening on http://")

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := ecs.NewClientWithOptions("mars-north-1", sdk.NewConfig().WithScheme("HTTP").WithHttpTransport(transport),
		credentials.NewAccessKeyCredential("id", "hidden"))
	if err != nil {
		t.Fatal(err)
	}
	client.Domain = address
	request := ecs.CreateRunCommandRequest()
	request.Type, request.CommandContent = "RunShellScript", "echo {{password}}"
	request.EnableParameter, request.Parameters = "true", map[string]any{"password": "letmein"}
	request.InstanceId = &[]string{"i-emulator0000000001", "i-emulator0000000002"}
	submitted, err := client.RunCommand(request)
	if err != nil {
		t.Fatal(err)
	}
	describe := ecs.CreateDescribeInvocationResultsRequest()
	describe.InvokeId = submitted.InvokeId
	described, err := client.DescribeInvocationResults(describe)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(described.Invocation.InvocationResults.InvocationResult); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
	describe = ecs.CreateDescribeInvocationResultsRequest()
	describe.InvokeId, describe.PageSize = "t-\x1b[31m\nforged", "99"
	if _, err := client.DescribeInvocationResults(describe); err == nil {
		t.Error("a page of 99 was accepted")
	}

	cancel()
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	log := stderr.String()
	for _, want := range []string{
		" RUN ON THIS MACHINE; instances: 2\n",
		"  export ALIBABA_CLOUD_ACCESS_KEY_ID=id\n  export ALIBABA_CLOUD_REGION_ID=mars-north-1\n",
		" RunCommand account=1234567890123456 region=mars-north-1 InstanceId.1=i-emulator0000000001 code=OK ms=",
		" DescribeInvocationResults account=1234567890123456 region=mars-north-1 InvokeId=" + submitted.InvokeId + " code=OK ms=",
		" InvokeId=t-?[31m?forged code=400 InvalidParam.PageSize ms=",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, secret := range []string{"hidden", "letmein", "echo", "Signature"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %q:\n%s", secret, log)
		}
	}
}
