package emulator_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// create keeps a shell script by the vendor's client.
func (b *bench) create(name, script string, change func(*ecs.CreateCommandRequest)) string {
	b.Helper()
	request := ecs.CreateCreateCommandRequest()
	request.Name, request.Type = name, "RunShellScript"
	request.CommandContent = base64.StdEncoding.EncodeToString([]byte(script))
	if change != nil {
		change(request)
	}
	response, err := b.sdk.CreateCommand(request)
	if err != nil {
		b.Fatalf("CreateCommand: %v", err)
	}
	return response.CommandId
}

func (b *bench) invoke(command string, change func(*ecs.InvokeCommandRequest)) string {
	b.Helper()
	request := ecs.CreateInvokeCommandRequest()
	request.CommandId, request.InstanceId = command, &[]string{firstID}
	if change != nil {
		change(request)
	}
	response, err := b.sdk.InvokeCommand(request)
	if err != nil {
		b.Fatalf("InvokeCommand: %v", err)
	}
	return response.InvokeId
}

func (b *bench) commands(change func(*ecs.DescribeCommandsRequest)) []ecs.Command {
	b.Helper()
	request := ecs.CreateDescribeCommandsRequest()
	if change != nil {
		change(request)
	}
	response, err := b.sdk.DescribeCommands(request)
	if err != nil {
		b.Fatalf("DescribeCommands: %v", err)
	}
	return response.Commands.Command
}

func TestDescribeCommands(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	b := newBench(t, emulator.Options{Clock: fake})
	patch := b.create("patch-web", "echo {{ what }} {{how}} {{what}} {{ACS::InstanceId}}", func(r *ecs.CreateCommandRequest) {
		r.EnableParameter, r.Description, r.WorkingDir, r.Launcher = "true", "patches", "/tmp", "sh {{ACS::ScriptFileName}}"
		r.Timeout, r.ResourceGroupId = requests.NewInteger(90), "rg-1"
		r.Tag = &[]ecs.CreateCommandTag{{Key: "team", Value: "web"}}
	})
	probe := b.create("probe-web", "true", nil)
	b.raw(fake).call(t, "CreateCommand", "Name", "patch-db", "Type", "RunBatScript", "CommandContent", "dHJ1ZQ==").wantCode(t, 200, "")
	b.raw(fake).call(t, "CreateCommand", "Name", "elsewhere", "Type", "RunShellScript", "CommandContent", "dHJ1ZQ==", "RegionId", "cn-beijing").wantCode(t, 200, "")
	b.invoke(probe, nil)
	b.invoke(probe, nil)

	got := b.commands(func(r *ecs.DescribeCommandsRequest) { r.CommandId, r.ContentEncoding = patch, "PlainText" })[0]
	want := ecs.Command{
		CommandId: patch, Name: "patch-web", Type: "RunShellScript", Description: "patches", WorkingDir: "/tmp", Timeout: 90,
		CommandContent: "echo {{ what }} {{how}} {{what}} {{ACS::InstanceId}}", EnableParameter: true, Launcher: "sh {{ACS::ScriptFileName}}",
		CreationTime: fake.Now().UTC().Format(time.RFC3339), ResourceGroupId: "rg-1", Provider: "User", Version: 1, Latest: true,
		ParameterNames: ecs.ParameterNames{ParameterName: []string{"what", "how"}},
		Tags:           ecs.TagsInDescribeCommands{Tag: []ecs.Tag{{TagKey: "team", TagValue: "web"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("described as\n%+v, want\n%+v", got, want)
	}
	tests := []struct {
		name   string
		change func(*ecs.DescribeCommandsRequest)
		want   string
	}{
		{"all, newest first", nil, "patch-db probe-web patch-web"},
		{"a name", func(r *ecs.DescribeCommandsRequest) { r.Name = "patch-web" }, "patch-web"},
		{"a prefix", func(r *ecs.DescribeCommandsRequest) { r.Name = "patch*" }, "patch-db patch-web"},
		{"a suffix", func(r *ecs.DescribeCommandsRequest) { r.Name = "*web" }, "probe-web patch-web"},
		{"a description", func(r *ecs.DescribeCommandsRequest) { r.Description = "*atch*" }, "patch-web"},
		{"a type", func(r *ecs.DescribeCommandsRequest) { r.Type = "RunBatScript" }, "patch-db"},
		{"one's own", func(r *ecs.DescribeCommandsRequest) { r.Provider, r.Name = "User", "*-db" }, "patch-db"},
		{"public commands, of which there are none", func(r *ecs.DescribeCommandsRequest) { r.Provider = "AlibabaCloud" }, ""},
		{"a resource group", func(r *ecs.DescribeCommandsRequest) { r.ResourceGroupId = "rg-1" }, "patch-web"},
		{"a tag", func(r *ecs.DescribeCommandsRequest) { r.Tag = &[]ecs.DescribeCommandsTag{{Key: "team", Value: "web"}} }, "patch-web"},
		{"the first page", func(r *ecs.DescribeCommandsRequest) { r.MaxResults = requests.NewInteger(2) }, "patch-db probe-web"},
		{"a page", func(r *ecs.DescribeCommandsRequest) {
			r.PageNumber, r.PageSize = requests.NewInteger(2), requests.NewInteger(2)
		}, "patch-web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var names []string
			for _, command := range (&bench{T: t, sdk: b.sdk}).commands(tt.change) {
				names = append(names, command.Name)
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("commands %q, want %q", got, tt.want)
			}
		})
	}
	if got := b.commands(func(r *ecs.DescribeCommandsRequest) { r.CommandId = probe })[0]; got.InvokeTimes != 2 || decode(t, got.CommandContent) != "true" {
		t.Errorf("after two invocations the command is %+v", got)
	}
	first := ecs.CreateDescribeCommandsRequest()
	first.MaxResults = requests.NewInteger(2)
	page, err := b.sdk.DescribeCommands(first)
	must(t, err)
	next := b.commands(func(r *ecs.DescribeCommandsRequest) {
		r.MaxResults, r.NextToken = requests.NewInteger(2), page.NextToken
	})
	if len(next) != 1 || next[0].Name != "patch-web" {
		t.Errorf("the next page is %+v", next)
	}
	r := b.raw(fake)
	r.call(t, "DescribeCommands", "Tag.1.Value", "x").wantCode(t, 400, "MissingParameter.TagKey")
	r.call(t, "DescribeCommands", "MaxResults", "51").wantCode(t, 400, "InvalidParameter.MaxResults")
}

// A changed command is another: what was submitted goes on with the old one, a schedule for all its runs.
func TestModifyCommand(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	b := newBench(t, emulator.Options{Clock: fake})
	id := b.create("greet", "echo old", func(r *ecs.CreateCommandRequest) { r.Timeout = requests.NewInteger(60) })
	scheduled := b.invoke(id, func(r *ecs.InvokeCommandRequest) { r.Frequency = "rate(5m)" })
	b.status(scheduled, firstID, emulator.StatusScheduled)

	modify := ecs.CreateModifyCommandRequest()
	modify.CommandId, modify.Name, modify.Description = id, "greet-2", "newer"
	modify.CommandContent = base64.StdEncoding.EncodeToString([]byte("echo new"))
	modify.Timeout, modify.WorkingDir, modify.Launcher = requests.NewInteger(30), "/tmp", "sh {{ACS::ScriptFileName}}"
	_, err := b.sdk.ModifyCommand(modify)
	must(t, err)
	got := b.commands(nil)
	if len(got) != 1 || got[0].Name != "greet-2" || got[0].Description != "newer" || got[0].Timeout != 30 || got[0].WorkingDir != "/tmp" ||
		got[0].Launcher != modify.Launcher || decode(t, got[0].CommandContent) != "echo new" || got[0].InvokeTimes != 1 || got[0].CommandId != id {
		t.Errorf("after ModifyCommand the commands are %+v", got)
	}
	after := b.status(b.invoke(id, nil), firstID, emulator.StatusSuccess)
	if string(after.Output) != "new\n" {
		t.Errorf("the changed command printed %q", after.Output)
	}
	waitForWaiters(t, fake, 1)
	fake.Step(5 * time.Minute)
	if ran := b.row(scheduled, firstID, "run once", func(r emulator.Row) bool { return r.Repeats == 1 }); string(ran.Output) != "old\n" {
		t.Errorf("what was submitted before printed %q", ran.Output)
	}

	r := b.raw(fake)
	r.call(t, "ModifyCommand").wantCode(t, 400, "MissingParameter.CommandId")
	r.call(t, "ModifyCommand", "CommandId", "c-0").wantCode(t, 404, "InvalidCmdId.NotFound")
	r.call(t, "ModifyCommand", "CommandId", id, "Name", "").wantCode(t, 400, "MissingParameter.Name")
	r.call(t, "ModifyCommand", "CommandId", id, "Name", strings.Repeat("x", 129)).wantCode(t, 403, "CmdName.ExceedLimit")
	r.call(t, "ModifyCommand", "CommandId", id, "CommandContent", "%").wantCode(t, 400, "CmdContent.DecodeError")
	r.call(t, "ModifyCommand", "CommandId", id, "Timeout", "0").wantCode(t, 400, "InvalidParam.Timeout")
	if got := b.commands(nil)[0]; got.Name != "greet-2" || got.Timeout != 30 {
		t.Errorf("a refused change left %+v", got)
	}
}

func TestDeleteCommand(t *testing.T) {
	b := newBench(t, emulator.Options{})
	id := b.create("long", "sleep 1000", nil)
	running := b.invoke(id, nil)
	b.status(running, firstID, emulator.StatusRunning)
	remove := func() error {
		request := ecs.CreateDeleteCommandRequest()
		request.CommandId = id
		_, err := b.sdk.DeleteCommand(request)
		return err
	}
	wantRefusal(t, remove(), 403, "InvalidStatus.CmdIdInUse")
	b.raw(nil).call(t, "StopInvocation", "InvokeId", running).wantCode(t, 200, "")
	b.status(running, firstID, emulator.StatusTerminated)
	must(t, remove())
	wantRefusal(t, remove(), 404, "InvalidCmdId.NotFound")
	if got := b.commands(nil); len(got) != 0 {
		t.Errorf("after DeleteCommand there are %+v", got)
	}
	if got := b.results(running); len(got) != 1 || got[0].CommandId != id {
		t.Errorf("its results are %+v, want them to stay", got)
	}
}

func TestMaxCommands(t *testing.T) {
	b := newBench(t, emulator.Options{Settings: emulator.Settings{MaxCommands: 1}})
	r := b.raw(nil)
	b.create("first", "true", nil)
	create := []string{"Name", "second", "Type", "RunShellScript", "CommandContent", "dHJ1ZQ=="}
	r.call(t, "CreateCommand", create...).wantCode(t, 403, "CmdCount.ExceedQuota")
	r.call(t, "CreateCommand", append(create, "RegionId", "cn-beijing")...).wantCode(t, 200, "")
	run := []string{"Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID, "KeepCommand"}
	r.call(t, "RunCommand", append(run, "true")...).wantCode(t, 403, "CmdCount.ExceedQuota")
	r.call(t, "RunCommand", append(run, "false")...).wantCode(t, 200, "")
	if rows := r.call(t, list).rows(t); len(rows) != 1 {
		t.Errorf("%d rows, want that of the command that was not refused", len(rows))
	}
}

// Instances are found by all the tags, in the caller's region; those that join later are not.
func TestResourceTags(t *testing.T) {
	tags := func(values ...string) []emulator.Tag {
		var tags []emulator.Tag
		for n, value := range values {
			tags = append(tags, emulator.Tag{Key: string(rune('a' + n)), Value: value})
		}
		return tags
	}
	b := newBench(t, emulator.Options{Instances: []emulator.Instance{
		{ID: "i-2", Tags: tags("web", "blue")},
		{ID: "i-1", Tags: tags("web", "green")},
		{ID: "i-3", Tags: tags("db")},
		{ID: "i-4", Tags: tags("web"), RegionID: "cn-beijing"},
		{ID: "i-5", Tags: tags("web"), AccountID: "42"},
	}})
	run := func(tags ...ecs.RunCommandResourceTag) string {
		request := ecs.CreateRunCommandRequest()
		request.Type, request.CommandContent, request.ResourceTag = "RunShellScript", "true", &tags
		response, err := b.sdk.RunCommand(request)
		must(t, err)
		var ids []string
		for _, row := range b.e.Rows(response.InvokeId) {
			ids = append(ids, row.InstanceID)
		}
		return strings.Join(ids, " ")
	}
	if got := run(ecs.RunCommandResourceTag{Key: "a", Value: "web"}); got != "i-1 i-2" {
		t.Errorf("run on %s", got)
	}
	if got := run(ecs.RunCommandResourceTag{Key: "a", Value: "web"}, ecs.RunCommandResourceTag{Key: "b", Value: "blue"}); got != "i-2" {
		t.Errorf("by both tags run on %s", got)
	}
	r := b.raw(nil)
	refused := []string{"Type", "RunShellScript", "CommandContent", "true", "ResourceTag.1.Key", "a", "ResourceTag.1.Value"}
	r.call(t, "RunCommand", append(refused, "mail")...).wantCode(t, 400, "InvalidResourceTag.InstanceNotFound")
	id := b.create("c", "true", nil)
	r.call(t, "InvokeCommand", "CommandId", id, "ResourceTag.11.Key", "x").wantCode(t, 400, "NumberExceed.ResourceTags")
	r.call(t, "InvokeCommand", "CommandId", id, "ResourceTag.10.Key", "a", "ResourceTag.10.Value", "db").wantCode(t, 200, "")
	for _, i := range emulator.NumberedInstances(101, "", "") {
		i.Tags = tags("many")
		must(t, b.e.AddInstance(i))
	}
	r.call(t, "RunCommand", append(refused, "many")...).wantCode(t, 403, "InstanceIds.ExceedLimit")
}
