package emulator_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"go.uber.org/goleak"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testRegion = "cn-hangzhou"
	testKeyID  = "test-key"
	testSecret = "test-secret"
	firstID    = "i-emulator0000000001"
	secondID   = "i-emulator0000000002"
	thirdID    = "i-emulator0000000003"
	// patience bounds waits for real processes. It is never waited out by a passing test.
	patience = 30 * time.Second
)

// bench is a running emulator with three instances, and the vendor's client of it.
type bench struct {
	*testing.T
	e   *emulator.Emulator
	url string
	sdk *ecs.Client
}

func newBench(t *testing.T, options emulator.Options) *bench {
	t.Helper()
	if options.AccessKeys == nil {
		options.AccessKeys = []emulator.AccessKey{{ID: testKeyID, Secret: testSecret}}
	}
	if options.Instances == nil {
		options.Instances = emulator.NumberedInstances(3, testRegion, "")
	}
	e, err := emulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	url, err := e.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, e: e, url: url}
	b.sdk = b.client(credentials.NewAccessKeyCredential(testKeyID, testSecret))
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if err := e.CheckIndexes(); err != nil {
			t.Errorf("after the test: %v", err)
		}
	})
	return b
}

// client is the vendor's client with other credentials.
func (b *bench) client(credential auth.Credential) *ecs.Client {
	b.Helper()
	transport := &http.Transport{}
	client, err := ecs.NewClientWithOptions(testRegion, sdk.NewConfig().WithScheme("HTTP").WithHttpTransport(transport), credential)
	if err != nil {
		b.Fatal(err)
	}
	client.Domain = strings.TrimPrefix(b.url, "http://")
	b.Cleanup(transport.CloseIdleConnections)
	return client
}

// run submits a shell script to instances, the first one if none is given.
func (b *bench) run(script string, change func(*ecs.RunCommandRequest), instanceIDs ...string) string {
	b.Helper()
	request := ecs.CreateRunCommandRequest()
	request.Type, request.CommandContent = "RunShellScript", script
	if len(instanceIDs) == 0 {
		instanceIDs = []string{firstID}
	}
	request.InstanceId = &instanceIDs
	if change != nil {
		change(request)
	}
	response, err := b.sdk.RunCommand(request)
	if err != nil {
		b.Fatalf("RunCommand: %v", err)
	}
	return response.InvokeId
}

// results asks for the rows of an invocation by the vendor's client.
func (b *bench) results(invokeID string) []ecs.InvocationResult {
	b.Helper()
	request := ecs.CreateDescribeInvocationResultsRequest()
	request.InvokeId, request.MaxResults = invokeID, requests.NewInteger(50)
	response, err := b.sdk.DescribeInvocationResults(request)
	if err != nil {
		b.Fatalf("DescribeInvocationResults: %v", err)
	}
	return response.Invocation.InvocationResults.InvocationResult
}

// row waits until a row of the invocation satisfies the condition.
func (b *bench) row(invokeID, instanceID, what string, condition func(emulator.Row) bool) emulator.Row {
	b.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		var last emulator.Row
		for _, row := range b.e.Rows(invokeID) {
			if row.InstanceID == instanceID {
				last = row
				if condition(row) {
					if err := b.e.CheckIndexes(); err != nil {
						b.Errorf("while %s is %s: %v", invokeID, what, err)
					}
					return row
				}
			}
		}
		select {
		case <-look.C:
		case <-deadline.C:
			b.Fatalf("the row of %s on %s is not %s; it is %+v", invokeID, instanceID, what, last)
		}
	}
}

func (b *bench) status(invokeID, instanceID, status string) emulator.Row {
	b.Helper()
	return b.row(invokeID, instanceID, status, func(r emulator.Row) bool { return r.InvocationStatus == status })
}

func decode(t *testing.T, output string) string {
	t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(output)
	if err != nil {
		t.Fatalf("output %q is no Base64: %v", output, err)
	}
	return string(decoded)
}

// wantRefusal checks the HTTP status and the code of an error of the vendor's client.
func wantRefusal(t *testing.T, err error, status int, code string) {
	t.Helper()
	var refusal *sdkerrors.ServerError
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v, want the refusal %d %s", err, status, code)
	}
	if refusal.HttpStatus() != status || refusal.ErrorCode() != code {
		t.Errorf("refused with %d %s, want %d %s", refusal.HttpStatus(), refusal.ErrorCode(), status, code)
	}
	if refusal.RequestId() == "" || refusal.Message() == "" {
		t.Errorf("the refusal lacks RequestId or Message: %+v", refusal)
	}
}
