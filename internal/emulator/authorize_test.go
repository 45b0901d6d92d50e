package emulator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// policy is one statement; resources are relative to the test's account and region, unless they are "*".
func policy(effect ram.Effect, action string, resources ...string) ram.Policy {
	for n, resource := range resources {
		if resource != "*" {
			resources[n] = "acs:ecs:" + testRegion + ":" + emulator.DefaultAccountID + ":" + resource
		}
	}
	return ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: effect, Action: ram.Strings{action}, Resource: resources}}}
}

// as is a sender with a key that has these policies.
func (b *bench) as(policies ...ram.Policy) *raw {
	if policies == nil {
		policies = []ram.Policy{}
	}
	b.e.AddAccessKey(emulator.AccessKey{ID: "limited", Secret: "s", Policies: policies})
	r := b.raw(nil)
	r.keyID, r.secret = "limited", "s"
	return r
}

func TestAuthorization(t *testing.T) {
	b := newBench(t, emulator.Options{Settings: emulator.Settings{AuthorizeByInvocation: true}})
	strict := newBench(t, emulator.Options{})
	for _, e := range []*bench{b, strict} {
		e.put(emulator.Scripted{ID: "t-1", CommandID: "c-1", Rows: []emulator.Row{{InstanceID: firstID}, {InstanceID: secondID}}})
		e.put(emulator.Scripted{ID: "t-other", CommandID: "c-2", AccountID: "42", Rows: []emulator.Row{{InstanceID: firstID}}})
	}
	const anyAction = "ecs:*"
	tests := []struct {
		name     string
		policies []ram.Policy
		action   string
		request  []string
		// strict and matched are whether it is allowed without and with AuthorizeByInvocation.
		strict, matched bool
	}{
		{"no policy", nil, list, nil, false, false},
		{"everything", []ram.Policy{policy(ram.Allow, "*", "*")}, list, nil, true, true},
		{"the page's policy", []ram.Policy{policy(ram.Allow, "ecs:"+list, "command/*", "instance/*")}, list, nil, true, true},
		{"commands only", []ram.Policy{policy(ram.Allow, anyAction, "command/*")}, list, nil, false, false},
		{"instances only", []ram.Policy{policy(ram.Allow, anyAction, "instance/*")}, list, nil, false, false},
		{"a denial of an instance, by name", []ram.Policy{policy(ram.Allow, "*", "*"), policy(ram.Deny, "*", "instance/"+firstID)}, list, []string{"InstanceId", firstID}, false, false},
		{"a denial of an instance, not named", []ram.Policy{policy(ram.Allow, "*", "*"), policy(ram.Deny, "*", "instance/"+firstID)}, list, nil, true, true},
		{"an instance, named", []ram.Policy{policy(ram.Allow, anyAction, "command/*", "instance/"+firstID)}, list, []string{"InstanceId", firstID}, true, true},
		{"an instance, another named", []ram.Policy{policy(ram.Allow, anyAction, "command/*", "instance/"+firstID)}, list, []string{"InstanceId", secondID}, false, false},
		{"an instance, none named", []ram.Policy{policy(ram.Allow, anyAction, "command/*", "instance/"+firstID)}, list, nil, false, false},
		{"a command, named", []ram.Policy{policy(ram.Allow, anyAction, "command/c-1", "instance/*")}, list, []string{"CommandId", "c-1"}, true, true},
		{"a command, by its invocation", []ram.Policy{policy(ram.Allow, anyAction, "command/c-1", "instance/*")}, list, []string{"InvokeId", "t-1"}, true, true},
		{"a command, by an unknown invocation", []ram.Policy{policy(ram.Allow, anyAction, "command/c-1", "instance/*")}, list, []string{"InvokeId", "t-2"}, false, false},
		{"a command, by another account's invocation", []ram.Policy{policy(ram.Allow, anyAction, "command/c-2", "instance/*")}, list, []string{"InvokeId", "t-other"}, false, false},
		{"an invocation's instances", []ram.Policy{policy(ram.Allow, anyAction, "command/c-1", "instance/"+firstID, "instance/"+secondID)}, list, []string{"InvokeId", "t-1"}, false, true},
		{"one of an invocation's instances", []ram.Policy{policy(ram.Allow, anyAction, "command/c-1", "instance/"+firstID)}, list, []string{"InvokeId", "t-1"}, false, false},
		{
			"running on one instance",
			[]ram.Policy{policy(ram.Allow, anyAction, "command/*", "instance/"+firstID)},
			"RunCommand",
			[]string{"Type", "RunShellScript", "CommandContent", "true", "RepeatMode", "DryRun", "InstanceId.1", firstID},
			true, true,
		},
		{
			"running on one instance too many",
			[]ram.Policy{policy(ram.Allow, anyAction, "command/*", "instance/"+firstID)},
			"RunCommand",
			[]string{"Type", "RunShellScript", "CommandContent", "true", "RepeatMode", "DryRun", "InstanceId.1", firstID, "InstanceId.2", secondID},
			false, false,
		},
		{"reading only", []ram.Policy{policy(ram.Allow, "ecs:Describe*", "*")}, "StopInvocation", []string{"InvokeId", "t-1"}, false, false},
		{
			"creating",
			[]ram.Policy{policy(ram.Allow, "ecs:CreateCommand", "command/*")},
			"CreateCommand",
			[]string{"Name", "n", "Type", "RunShellScript", "CommandContent", "dHJ1ZQ=="},
			true, true,
		},
		{
			"describing named instances",
			[]ram.Policy{policy(ram.Allow, anyAction, "instance/"+firstID)},
			"DescribeInstances",
			[]string{"InstanceIds", `["` + firstID + `"]`},
			true, true,
		},
		{"describing all instances", []ram.Policy{policy(ram.Allow, anyAction, "instance/"+firstID)}, "DescribeInstances", nil, false, false},
		{
			"stopping an instance, without a region",
			[]ram.Policy{policy(ram.Allow, "ecs:StopInstance", "instance/"+thirdID)},
			"StopInstance",
			[]string{"RegionId", "", "InstanceId", thirdID},
			true, true,
		},
		{
			"stopping another instance, without a region",
			[]ram.Policy{policy(ram.Allow, "ecs:StopInstance", "instance/"+thirdID)},
			"StopInstance",
			[]string{"RegionId", "", "InstanceId", secondID},
			false, false,
		},
		{
			"stopping an unknown instance, without a region",
			[]ram.Policy{policy(ram.Allow, "ecs:StopInstance", "instance/i-x")},
			"StopInstance",
			[]string{"RegionId", "", "InstanceId", "i-x"},
			false, false,
		},
		{"the regions", []ram.Policy{policy(ram.Allow, "ecs:DescribeRegions", "*")}, "DescribeRegions", nil, true, true},
		{"the regions, not allowed", []ram.Policy{policy(ram.Allow, anyAction, "instance/*")}, "DescribeRegions", nil, false, false},
		{"who I am needs no permission", nil, "GetCallerIdentity", []string{"Version", "2015-04-01"}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for e, allowed := range map[*bench]bool{strict: tt.strict, b: tt.matched} {
				got := e.as(tt.policies...).call(t, tt.action, tt.request...)
				if allowed {
					got.wantCode(t, 200, "")
				} else {
					got.wantCode(t, 403, "Forbidden.RAM")
				}
			}
		})
	}
}

// The detail is an object of texts, and tells the implicit denial from the explicit one.
func TestAccessDeniedDetail(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.as(policy(ram.Allow, "ecs:DescribeInvocationResults", "*"), policy(ram.Deny, "ecs:*", "instance/"+firstID))
	for _, tt := range []struct{ action, instanceID, want string }{
		{list, firstID, "ExplicitDeny"}, {"DescribeInvocations", secondID, "ImplicitDeny"},
	} {
		detail, _ := r.call(t, tt.action, "InstanceId", tt.instanceID).object(t)["AccessDeniedDetail"].(map[string]any)
		principal, _ := detail["AuthPrincipalDisplayName"].(string)
		if detail["AuthAction"] != "ecs:"+tt.action || detail["AuthPrincipalOwnerId"] != emulator.DefaultAccountID ||
			detail["AuthPrincipalType"] != "SubUser" || detail["PolicyType"] != "AccountLevelIdentityBasedPolicy" ||
			detail["NoPermissionType"] != tt.want || len(principal) != 18 || len(detail) != 6 {
			t.Errorf("%s: AccessDeniedDetail %v", tt.action, detail)
		}
	}
	if body := r.call(t, list, "InstanceId", firstID, "Format", "XML").body; !strings.Contains(body,
		"<AccessDeniedDetail><AuthAction>ecs:DescribeInvocationResults</AuthAction>") {
		t.Errorf("XML %s", body)
	}
	client := b.client(credentials.NewAccessKeyCredential("limited", "s"))
	_, err := client.DescribeInvocations(ecs.CreateDescribeInvocationsRequest())
	wantRefusal(t, err, 403, "Forbidden.RAM")
	var refusal *sdkerrors.ServerError
	if !errors.As(err, &refusal) || refusal.AccessDeniedDetail()["NoPermissionType"] != "ImplicitDeny" {
		t.Errorf("the vendor's client reads %v", err)
	}
}

// A denial of a command holds whatever else the call says of commands.
func TestDenialOfACommand(t *testing.T) {
	b := newBench(t, emulator.Options{})
	id := b.create("drop-db", "true", nil)
	b.put(emulator.Scripted{ID: "t-1", CommandID: id, Rows: []emulator.Row{{InstanceID: firstID, InvocationStatus: "Running"}}})
	r := b.as(policy(ram.Allow, "*", "*"), policy(ram.Deny, "*", "command/"+id))
	r.call(t, "InvokeCommand", "CommandId", id, "InstanceId.1", firstID).wantCode(t, 403, "Forbidden.RAM")
	for _, action := range []string{"InvokeCommand", "DeleteCommand", "ModifyCommand"} {
		r.call(t, action, "CommandId", "drop-db", "InstanceId.1", firstID).wantCode(t, 404, "InvalidCmdId.NotFound")
	}
	r.call(t, "StopInvocation", "InvokeId", "t-1", "CommandId", "c-other").wantCode(t, 403, "Forbidden.RAM")
	if rows := b.e.Rows("t-1"); rows[0].InvocationStatus != "Running" {
		t.Errorf("the invocation of the denied command is %s", rows[0].InvocationStatus)
	}
}
