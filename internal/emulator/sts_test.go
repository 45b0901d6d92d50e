package emulator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// The vendor's clients assume a role, work with what they get, and lose it in time.
func TestAssumeRole(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now())
	b := newBench(t, emulator.Options{
		Clock: fake, AccessKeys: []emulator.AccessKey{{ID: testKeyID, Secret: testSecret, AccountID: "42"}},
		Instances: emulator.NumberedInstances(1, testRegion, "42"),
	})
	stsClient := func(keyID, secret, token string) *sts.Client {
		t.Helper()
		client, err := sts.NewClientWithOptions(testRegion, sdk.NewConfig().WithScheme("HTTP"), credentials.NewStsTokenCredential(keyID, secret, token))
		if err != nil {
			t.Fatal(err)
		}
		client.Domain = strings.TrimPrefix(b.url, "http://")
		return client
	}
	own := stsClient(testKeyID, testSecret, "")
	identity, err := own.GetCallerIdentity(sts.CreateGetCallerIdentityRequest())
	if err != nil {
		t.Fatal(err)
	}
	if identity.AccountId != "42" || identity.Arn != "acs:ram::42:root" || identity.IdentityType != "Account" {
		t.Errorf("the key's identity is %+v", identity)
	}

	request := sts.CreateAssumeRoleRequest()
	request.RoleArn, request.RoleSessionName = "acs:ram::42:role/reader", "session"
	request.DurationSeconds = requests.NewInteger(900)
	assumed, err := own.AssumeRole(request)
	if err != nil {
		t.Fatal(err)
	}
	temporary := assumed.Credentials
	expiration, err := time.Parse(time.RFC3339, temporary.Expiration)
	if err != nil || expiration.Sub(fake.Now()) > 15*time.Minute || expiration.Sub(fake.Now()) <= 15*time.Minute-time.Second {
		t.Errorf("Expiration %q (%v), want fifteen minutes from %v", temporary.Expiration, err, fake.Now())
	}
	identity, err = stsClient(temporary.AccessKeyId, temporary.AccessKeySecret, temporary.SecurityToken).
		GetCallerIdentity(sts.CreateGetCallerIdentityRequest())
	if err != nil {
		t.Fatal(err)
	}
	if identity.AccountId != "42" || identity.Arn != "acs:ram::42:assumed-role/reader/session" || identity.IdentityType != "AssumedRoleUser" {
		t.Errorf("the role's identity is %+v", identity)
	}
	ecsClient := b.client(credentials.NewStsTokenCredential(temporary.AccessKeyId, temporary.AccessKeySecret, temporary.SecurityToken))
	if _, err := ecsClient.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest()); err != nil {
		t.Errorf("temporary credentials do not work: %v", err)
	}
	fake.SetTime(expiration)
	_, err = ecsClient.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest())
	wantRefusal(t, err, 400, "InvalidSecurityToken.Expired")

	r := b.raw(fake)
	for _, tt := range []struct {
		status     int
		code       string
		parameters []string
	}{
		{400, "InvalidParameter.RoleArn", []string{"RoleArn", "reader"}},
		{400, "InvalidParameter.RoleSessionName", []string{"RoleSessionName", ""}},
		{400, "InvalidParameter.DurationSeconds", []string{"DurationSeconds", "899"}},
		{400, "InvalidParameter.DurationSeconds", []string{"DurationSeconds", "3601"}},
		{404, "EntityNotExist.Role", []string{"RoleArn", "acs:ram::43:role/reader"}},
	} {
		all := append([]string{"Version", "2015-04-01", "RoleArn", "acs:ram::42:role/reader", "RoleSessionName", "session"}, tt.parameters...)
		r.call(t, "AssumeRole", all...).wantCode(t, tt.status, tt.code)
	}
	b.e.RemoveAccessKey(testKeyID)
	r.call(t, list).wantCode(t, 404, "InvalidAccessKeyId.NotFound")
}

func TestAccountsAreApart(t *testing.T) {
	b := newBench(t, emulator.Options{AccessKeys: []emulator.AccessKey{
		{ID: testKeyID, Secret: testSecret}, {ID: "other", Secret: "s", AccountID: "42"},
	}})
	invokeID := b.run("true", nil)
	other := b.raw(nil)
	other.keyID, other.secret = "other", "s"
	if rows := other.call(t, list, "InvokeId", invokeID).rows(t); len(rows) != 0 {
		t.Errorf("another account sees %v", rows)
	}
	other.call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 404, "InvalidInvokeId.NotFound")
	other.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID).
		wantCode(t, 404, "InvalidInstance.NotFound")
}

func TestSecretsAreNotPrinted(t *testing.T) {
	key := emulator.AccessKey{ID: "id", Secret: "hidden", SecurityToken: "hidden"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, key); strings.Contains(text, "hidden") || !strings.Contains(text, "id") {
			t.Errorf("%s prints %q", format, text)
		}
		if text := fmt.Sprintf(format, []emulator.AccessKey{key}); strings.Contains(text, "hidden") {
			t.Errorf("%s prints %q", format, text)
		}
	}
}
