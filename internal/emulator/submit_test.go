package emulator_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// What RunCommand refuses. Nothing may be left behind by a refusal.
func TestRunCommandRefusals(t *testing.T) {
	b := newBench(t, emulator.Options{})
	must(t, b.e.AddInstance(emulator.Instance{ID: "i-win", OSType: emulator.OSWindows}))
	r := b.raw(nil)
	var manyPlaceholders string
	for n := range 21 {
		manyPlaceholders += fmt.Sprintf("{{p%d}}", n)
	}
	hundred := make([]string, 0, 202)
	for n := range 101 {
		hundred = append(hundred, fmt.Sprintf("InstanceId.%d", n+1), firstID)
	}
	tests := []struct {
		name       string
		parameters []string
		status     int
		code       string
	}{
		{"no type", []string{"Type", ""}, 400, "MissingParameter.Type"},
		{"unknown type", []string{"Type", "RunPerlScript"}, 403, "InvalidCmdType.NotFound"},
		{"no content", []string{"CommandContent", ""}, 400, "MissingParameter.CommandContent"},
		{"content that is no Base64", []string{"ContentEncoding", "Base64", "CommandContent", "%%"}, 400, "CmdContent.DecodeError"},
		{"content over 24 KB once encoded", []string{"CommandContent", strings.Repeat("x", 18*1024+1)}, 403, "CmdContent.ExceedLimit"},
		{"no instance", []string{"InstanceId.1", "i-nobody"}, 404, "InvalidInstance.NotFound"},
		{"an instance of another region", []string{"RegionId", "cn-beijing"}, 404, "InvalidInstance.NotFound"},
		{"more than 100 instances", hundred, 403, "InstanceIds.ExceedLimit"},
		{"a timeout that is no number", []string{"Timeout", "soon"}, 400, "InvalidParam.Timeout"},
		{"no timeout at all", []string{"Timeout", "0"}, 400, "InvalidParam.Timeout"},
		{"unknown repeat mode", []string{"RepeatMode", "Sometimes"}, 404, "InvalidRepeatMode.NotFound"},
		{"a period without frequency", []string{"RepeatMode", "Period"}, 400, "MissingParam.Frequency"},
		{"a frequency that is none", []string{"Frequency", "rate(5)"}, 400, "InvalidParam.Frequency"},
		{"a cron expression that runs every nine seconds", []string{"Frequency", "0/9 * * * * ?"}, 400, "InvalidParam.Frequency"},
		{"a cron expression that runs within the timeout", []string{"Frequency", "0 * * * * ?", "Timeout", "61"}, 400, "InvalidParam.Frequency"},
		{"a frequency below a minute", []string{"Frequency", "rate(59s)"}, 400, "InvalidParam.Frequency"},
		{"unknown termination mode", []string{"TerminationMode", "Gently"}, 404, "InvalidTerminationMode.NotFound"},
		{"a user name over 255 characters", []string{"Username", strings.Repeat("x", 256)}, 403, "Username.ExceedLimit"},
		{"a working directory over 200 characters", []string{"WorkingDir", strings.Repeat("x", 201)}, 400, "InvalidParameter.WorkingDir"},
		{"a launcher over 1 KB", []string{"Launcher", strings.Repeat("x", 1025)}, 403, "InvalidLauncher.LengthLimitExceeded"},
		{"parameters without EnableParameter", []string{"Parameters", `{"a":"b"}`}, 400, "Parameter.Disabled"},
		{"parameters that are no JSON", []string{"EnableParameter", "true", "Parameters", "secret"}, 400, "InvalidParameter.Parameters"},
		{"a parameter without placeholder", []string{"EnableParameter", "true", "Parameters", `{"a":"secret"}`}, 403, "Parameter.NotMatched"},
		{"a placeholder without parameter", []string{"EnableParameter", "true", "CommandContent", "echo {{a}}"}, 400, "Parameter.MissingValue"},
		{"a placeholder of another name", []string{"EnableParameter", "true", "CommandContent", "echo {{a}}", "Parameters", `{"b":"secret"}`}, 403, "Parameter.NotMatched"},
		{"a parameter name over 64 characters", []string{"EnableParameter", "true", "Parameters", `{"` + strings.Repeat("n", 65) + `":"secret"}`}, 403, "ParameterKey.ExceedLimit"},
		{"a placeholder without name", []string{"EnableParameter", "true", "CommandContent", "echo {{ }}"}, 400, "CmdParam.EmptyKey"},
		{"a placeholder whose name is none", []string{"EnableParameter", "true", "CommandContent", "echo {{a b}}"}, 400, "CmdParam.InvalidParamName"},
		{"a placeholder with a name over 64 characters", []string{"EnableParameter", "true", "CommandContent", "echo {{" + strings.Repeat("n", 65) + "}}"}, 403, "CmdParamName.ExceedLimit"},
		{"more than 20 placeholders", []string{"EnableParameter", "true", "CommandContent", manyPlaceholders}, 403, "CmdParamCount.ExceedLimit"},
		{"a name over 128 characters", []string{"Name", strings.Repeat("x", 129)}, 403, "CmdName.ExceedLimit"},
		{"a description over 512 characters", []string{"Description", strings.Repeat("x", 513)}, 403, "CmdDesc.ExceedLimit"},
		{"a password name over 255 characters", []string{"WindowsPasswordName", strings.Repeat("x", 256)}, 403, "WindowsPasswordName.ExceedLimit"},
		{"another user of Windows without password", []string{"InstanceId.1", "i-win", "Username", "deploy"}, 403, "WindowsPasswordName.Missed"},
		{"instances by ID and by tag", []string{"ResourceTag.1.Key", "role"}, 400, "InvalidResourceTag.ConflictWithInstanceIds"},
		{"a tag of instances without key", []string{"ResourceTag.1.Value", "web"}, 400, "MissingParameter.ResourceTagKey"},
		{"a tag of instances whose key is none", []string{"ResourceTag.1.Key", "acs:x"}, 400, "InvalidResourceTagKey.Malformed"},
		{"a tag of instances whose value is none", []string{"ResourceTag.1.Key", "x", "ResourceTag.1.Value", "http://x"}, 400, "InvalidResourceTagValue.Malformed"},
		{"a tag of instances twice", []string{"ResourceTag.1.Key", "x", "ResourceTag.2.Key", "x"}, 400, "Duplicate.ResourceTagKey"},
		{"more than 20 tags of instances", []string{"ResourceTag.21.Key", "x"}, 400, "NumberExceed.ResourceTags"},
		{
			"more than 10 parameters",
			[]string{"EnableParameter", "true", "Parameters", `{"1":"","2":"","3":"","4":"","5":"","6":"","7":"","8":"","9":"","10":"","11":""}`},
			403, "ParameterCount.ExceedLimit",
		},
		{"a client token over 64 characters", []string{"ClientToken", strings.Repeat("x", 65)}, 400, "InvalidClientToken.Malformed"},
		{"a client token that is not ASCII", []string{"ClientToken", "中"}, 400, "InvalidClientToken.Malformed"},
		{"a delivery to no bucket", []string{"OssOutputDelivery", "oss:///prefix"}, 400, "InvalidParameter.OssOutputDelivery"},
		{"a delivery to a file", []string{"OssOutputDelivery", "file://bucket/prefix"}, 400, "InvalidParameter.OssOutputDelivery"},
		{"a delivery out of its bucket", []string{"OssOutputDelivery", "oss://bucket/../other"}, 400, "InvalidParameter.OssOutputDelivery"},
		{"a delivery that is too long", []string{"OssOutputDelivery", "oss://bucket/" + strings.Repeat("x", 1023)}, 400, "InvalidParameter.OssOutputDelivery"},
		{"a bad tag", []string{"Tag.1.Value", "x"}, 400, "MissingParameter.TagKey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := append([]string{"Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID}, tt.parameters...)
			got := r.call(t, "RunCommand", all...)
			got.wantCode(t, tt.status, tt.code)
			if strings.Contains(got.body, "secret") {
				t.Errorf("the refusal shows a parameter of the command: %s", got.body)
			}
		})
	}
	r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true").wantCode(t, 400, "MissingParam.InstanceId")
	if rows := r.call(t, list).rows(t); len(rows) != 0 {
		t.Errorf("refused commands left %v", rows)
	}
}

func TestDryRunLeavesNothing(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	dry := []string{"Type", "RunShellScript", "CommandContent", "true", "RepeatMode", "DryRun", "InstanceId.1"}
	r.call(t, "RunCommand", append(dry, firstID)...).wantCode(t, 200, "")
	r.call(t, "RunCommand", append(dry, "i-nobody")...).wantCode(t, 404, "InvalidInstance.NotFound")
	if rows := r.call(t, list).rows(t); len(rows) != 0 {
		t.Errorf("a dry run left %v", rows)
	}
}

func TestClientTokenStartsOnce(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	submit := func(token, content string) answer {
		return r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", content, "InstanceId.1", firstID, "ClientToken", token)
	}
	ids := func(a answer) string {
		object := a.object(t)
		return fmt.Sprint(object["InvokeId"], " ", object["CommandId"])
	}
	first, again := submit("token", "true"), submit("token", "true")
	if ids(first) != ids(again) || first.object(t)["RequestId"] == again.object(t)["RequestId"] {
		t.Errorf("first %s, again %s; want the same IDs and another RequestId", first.body, again.body)
	}
	submit("token", "false").wantCode(t, 403, "IdempotentParameterMismatch")
	if other := submit("other", "true"); ids(other) == ids(first) {
		t.Error("another token started nothing")
	}
	if rows := r.call(t, list).rows(t); len(rows) != 2 {
		t.Errorf("%d rows, want 2", len(rows))
	}
}

// A created command is invoked with parameters, by the vendor's client.
func TestCreateAndInvokeCommand(t *testing.T) {
	b := newBench(t, emulator.Options{})
	create := ecs.CreateCreateCommandRequest()
	create.Name, create.Type, create.EnableParameter = "greet", "RunShellScript", "true"
	create.CommandContent = base64.StdEncoding.EncodeToString([]byte("echo {{ greeting }} {{name}} from {{ACS::CommandId}}"))
	created, err := b.sdk.CreateCommand(create)
	if err != nil {
		t.Fatal(err)
	}
	invoke := ecs.CreateInvokeCommandRequest()
	invoke.CommandId, invoke.InstanceId = created.CommandId, &[]string{firstID, firstID}
	invoke.Parameters = map[string]any{"greeting": "hello", "name": "{{ACS::InstanceId}}"}
	invoke.Timeout = requests.NewInteger(20)
	invoked, err := b.sdk.InvokeCommand(invoke)
	if err != nil {
		t.Fatal(err)
	}
	row := b.status(invoked.InvokeId, firstID, emulator.StatusSuccess)
	if want := "hello " + firstID + " from " + created.CommandId + "\n"; string(row.Output) != want {
		t.Errorf("output %q, want %q", row.Output, want)
	}

	describe := ecs.CreateDescribeInvocationsRequest()
	describe.InvokeId, describe.IncludeOutput, describe.ContentEncoding = invoked.InvokeId, "true", "PlainText"
	described, err := b.sdk.DescribeInvocations(describe)
	if err != nil {
		t.Fatal(err)
	}
	if len(described.Invocations.Invocation) != 1 {
		t.Fatalf("%d invocations, want 1", len(described.Invocations.Invocation))
	}
	got := described.Invocations.Invocation[0]
	if got.CommandName != "greet" || got.InvocationStatus != "Success" || got.InvokeStatus != "Finished" || got.Timeout != 20 ||
		got.RepeatMode != "Once" || got.Parameters != `{"greeting":"hello","name":"{{ACS::InstanceId}}"}` ||
		got.CommandContent != "echo {{ greeting }} {{name}} from {{ACS::CommandId}}" || got.CommandType != "RunShellScript" {
		t.Errorf("described as %+v", got)
	}

	r := b.raw(nil)
	r.call(t, "InvokeCommand", "InstanceId.1", firstID).wantCode(t, 400, "MissingParameter.CommandId")
	r.call(t, "InvokeCommand", "InstanceId.1", firstID, "CommandId", "c-0").wantCode(t, 404, "InvalidCmdId.NotFound")
	r.call(t, "InvokeCommand", "InstanceId.1", firstID, "CommandId", created.CommandId, "Timeout", "9",
		"Parameters", `{"greeting":"","name":""}`).wantCode(t, 400, "InvalidParam.Timeout")
	r.call(t, "InvokeCommand", "InstanceId.1", firstID, "CommandId", created.CommandId).wantCode(t, 400, "Parameter.MissingValue")
	r.call(t, "CreateCommand", "Type", "RunShellScript", "CommandContent", "dHJ1ZQ==").wantCode(t, 400, "MissingParameter.Name")
	r.call(t, "CreateCommand", "Name", strings.Repeat("x", 129), "Type", "RunShellScript", "CommandContent", "dHJ1ZQ==").wantCode(t, 403, "CmdName.ExceedLimit")
	r.call(t, "CreateCommand", "Name", "x", "Type", "RunShellScript", "CommandContent", "echo plain").wantCode(t, 400, "CmdContent.DecodeError")
}

// RunCommand's command can be invoked again only if it was kept.
func TestKeepCommand(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	for _, keep := range []string{"true", "false"} {
		answer := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID, "KeepCommand", keep)
		commandID := answer.object(t)["CommandId"].(string)
		again := r.call(t, "InvokeCommand", "CommandId", commandID, "InstanceId.1", firstID)
		if want := map[string]int{"true": 200, "false": 404}[keep]; again.status != want {
			t.Errorf("KeepCommand=%s: invoking again gives %d %s, want %d", keep, again.status, again.body, want)
		}
	}
}

func TestDescribeInvocations(t *testing.T) {
	b, r := newPageBench(t)
	ask := func(namesAndValues ...string) []string {
		t.Helper()
		answer := r.call(t, "DescribeInvocations", namesAndValues...)
		answer.wantCode(t, 200, "")
		var found []string
		for _, element := range answer.object(t)["Invocations"].(map[string]any)["Invocation"].([]any) {
			invocation := element.(map[string]any)
			instances := invocation["InvokeInstances"].(map[string]any)["InvokeInstance"].([]any)
			found = append(found, fmt.Sprint(invocation["InvokeId"], " ", invocation["InvocationStatus"], " ", len(instances)))
		}
		return found
	}
	tests := []struct {
		name       string
		parameters []string
		want       []string
	}{
		{"all, newest first", nil, []string{"t-3 Success 1", "t-2 Running 1", "t-1 PartialFailed 2"}},
		{"InvokeId", []string{"InvokeId", "t-1"}, []string{"t-1 PartialFailed 2"}},
		{"InvokeId of another account", []string{"InvokeId", "t-4"}, nil},
		{"InvokeId that does not exist", []string{"InvokeId", "t-0"}, nil},
		{"InstanceId narrows the instances too", []string{"InstanceId", "i-1"}, []string{"t-2 Running 1", "t-1 PartialFailed 1"}},
		{"CommandId", []string{"CommandId", "c-1"}, []string{"t-1 PartialFailed 2"}},
		{"ResourceGroupId", []string{"ResourceGroupId", "rg-1"}, []string{"t-1 PartialFailed 2"}},
		{"Tag", []string{"Tag.1.Key", "c", "Tag.1.Value", "2"}, []string{"t-2 Running 1"}},
		{"CommandName", []string{"CommandName", "t-2"}, []string{"t-2 Running 1"}},
		{"CommandName is ignored with InstanceId", []string{"CommandName", "t-2", "InstanceId", "i-3"}, []string{"t-3 Success 1"}},
		{"CommandType", []string{"CommandType", "RunBatScript"}, nil},
		{"RepeatMode", []string{"RepeatMode", "Period"}, []string{"t-3 Success 1"}},
		{"InvokeStatus", []string{"InvokeStatus", "Running"}, []string{"t-2 Running 1"}},
		{"the first page", []string{"MaxResults", "2"}, []string{"t-3 Success 1", "t-2 Running 1"}},
		{"a page", []string{"PageNumber", "2", "PageSize", "2"}, []string{"t-1 PartialFailed 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(tt.parameters...); !slices.Equal(got, tt.want) {
				t.Errorf("invocations %v, want %v", got, tt.want)
			}
		})
	}
	token := r.call(t, "DescribeInvocations", "MaxResults", "2").object(t)["NextToken"].(string)
	if got := ask("MaxResults", "2", "NextToken", token); !slices.Equal(got, []string{"t-1 PartialFailed 2"}) {
		t.Errorf("the next page is %v", got)
	}
	r.call(t, list, "NextToken", token).wantCode(t, 400, "InvalidParameter.NextToken")
	r.call(t, "DescribeInvocations", "IncludeOutput", "true").wantCode(t, 400, "InvalidParameter.IncludeOutput")
	r.call(t, "DescribeInvocations", "Tag.1.Value", "x").wantCode(t, 400, "MissingParameter.TagKey")
	r.call(t, "DescribeInvocations", "MaxResults", "x").wantCode(t, 400, "InvalidParameter.MaxResults")
	if err := b.e.HideRow("t-2", "i-1", true); err != nil {
		t.Fatal(err)
	}
	if got := ask("InvokeId", "t-2"); got != nil {
		t.Errorf("an invocation without visible rows is shown: %v", got)
	}
}
