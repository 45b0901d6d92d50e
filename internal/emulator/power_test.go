package emulator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// start, stop and reboot switch the power of an instance by the vendor's client, reboot that of the first.
func (b *bench) start(instanceID string) error {
	request := ecs.CreateStartInstanceRequest()
	request.InstanceId = instanceID
	_, err := b.sdk.StartInstance(request)
	return err
}

func (b *bench) stop(instanceID string) error {
	request := ecs.CreateStopInstanceRequest()
	request.InstanceId, request.ForceStop = instanceID, "true"
	_, err := b.sdk.StopInstance(request)
	return err
}

func (b *bench) reboot() error {
	request := ecs.CreateRebootInstanceRequest()
	request.InstanceId = firstID
	_, err := b.sdk.RebootInstance(request)
	return err
}

// must fails the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPower(t *testing.T) {
	b := newBench(t, emulator.Options{})
	status := func() string {
		t.Helper()
		request := ecs.CreateDescribeInstancesRequest()
		request.InstanceIds = `["` + firstID + `"]`
		response, err := b.sdk.DescribeInstances(request)
		must(t, err)
		return response.Instances.Instance[0].Status
	}
	wantRefusal(t, b.start(firstID), 403, "IncorrectInstanceStatus")
	must(t, b.stop(firstID))
	if got := status(); got != "Stopped" {
		t.Errorf("after StopInstance the instance is %s", got)
	}
	wantRefusal(t, b.stop(firstID), 403, "IncorrectInstanceStatus")
	wantRefusal(t, b.reboot(), 403, "IncorrectInstanceStatus")
	if err := b.e.RebootInstance(firstID); err == nil {
		t.Error("a stopped instance could be rebooted")
	}
	must(t, b.start(firstID))
	must(t, b.reboot())
	if got := status(); got != "Running" {
		t.Errorf("after a reboot the instance is %s", got)
	}

	wantRefusal(t, b.stop("i-nobody"), 404, "InvalidInstanceId.NotFound")
	r := b.raw(nil)
	r.call(t, "StopInstance").wantCode(t, 400, "MissingParameter.InstanceId")
	r.call(t, "StopInstance", "InstanceId", firstID, "RegionId", "cn-beijing").wantCode(t, 404, "InvalidInstanceId.NotFound")
	if err := b.e.RebootInstance("i-nobody"); err == nil {
		t.Error("an instance that does not exist could be rebooted")
	}
}

// What happens to an instance ends what runs on it, each in its own words.
func TestInterruptions(t *testing.T) {
	tests := []struct {
		name, code string
		happen     func(*bench) error
	}{
		{"stopped", "ExecutionInterrupted", func(b *bench) error { return b.stop(firstID) }},
		{"rebooted", "InstanceRestarted", func(b *bench) error { return b.reboot() }},
		{"rebooted by the method", "InstanceRestarted", func(b *bench) error { return b.e.RebootInstance(firstID) }},
		{"agent restarted", "ClientRestarted", func(b *bench) error { return b.e.RestartAgent(firstID) }},
		{"released", "InstanceReleased", func(b *bench) error { return b.e.RemoveInstance(firstID) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, emulator.Options{})
			invokeID := b.run("echo begun; sleep 1000", nil, firstID)
			b.row(invokeID, firstID, "printing", func(r emulator.Row) bool { return len(r.Output) > 0 })
			must(t, tt.happen(b))
			row := b.status(invokeID, firstID, emulator.StatusError)
			wantEnd(t, row, "Error", tt.code, nil, true)
			if string(row.Output) != "begun\n" {
				t.Errorf("the output is %q, want what was printed before", row.Output)
			}
		})
	}
}

// Each state of an agent that is not online has its own error code, when the delivery window is over.
func TestUndelivered(t *testing.T) {
	codes := map[emulator.AgentState]string{
		emulator.AgentOffline: "ClientNotOnline", emulator.AgentSilent: "DeliveryTimeout",
		emulator.AgentStopped: "ClientNotRunning", emulator.AgentUnresponsive: "ClientNotResponse",
		emulator.AgentUpgrading: "ClientIsUpgrading", emulator.AgentBlocked: "ClientNetworkBlocked",
		emulator.AgentDenied: "SecurityGroupRuleDenied",
	}
	fake := clocktesting.NewFakeClock(noon)
	var instances []emulator.Instance
	var ids []string
	for state := range codes {
		ids = append(ids, "i-"+string(state))
		instances = append(instances, emulator.Instance{ID: "i-" + string(state), Agent: state})
	}
	b := newBench(t, emulator.Options{Clock: fake, Instances: instances})
	b.sdk = nil
	parameters := []string{"Type", "RunShellScript", "CommandContent", "true"}
	for n, id := range ids {
		parameters = append(parameters, "InstanceId."+string(rune('1'+n)), id)
	}
	invokeID := b.raw(fake).call(t, "RunCommand", parameters...).object(t)["InvokeId"].(string)
	waitForWaiters(t, fake, len(ids))
	fake.Step(time.Minute)
	for state, code := range codes {
		wantEnd(t, b.status(invokeID, "i-"+string(state), emulator.StatusAborted), "Aborted", code, nil, false)
	}
}

// An instance that is released before a command reaches it was there when the command was submitted.
func TestReleasedBeforeDelivery(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	must(t, b.e.SetAgent(firstID, emulator.AgentOffline))
	pending := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID).object(t)["InvokeId"].(string)
	scheduled := r.schedule(t, "true", "rate(5m)")
	b.status(scheduled, firstID, emulator.StatusScheduled)
	waitForWaiters(t, fake, 2)
	must(t, b.e.RemoveInstance(firstID))
	wantEnd(t, b.status(pending, firstID, emulator.StatusAborted), "Aborted", "InstanceReleased", nil, false)
	fake.Step(5 * time.Minute)
	wantEnd(t, b.status(scheduled, firstID, emulator.StatusAborted), "Aborted", "InstanceNotExists", nil, false)
	r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "true", "InstanceId.1", firstID).
		wantCode(t, 404, "InvalidInstance.NotFound")
	if err := b.e.RemoveInstance(firstID); err == nil {
		t.Error("an instance could be removed twice")
	}
}

func TestMaxActiveTasks(t *testing.T) {
	b := newBench(t, emulator.Options{Settings: emulator.Settings{MaxActiveTasks: 1}})
	first := b.run("sleep 1000", nil, firstID)
	b.status(first, firstID, emulator.StatusRunning)
	second := b.run("true", nil, firstID, secondID)
	wantEnd(t, b.status(second, firstID, emulator.StatusAborted), "Aborted", "TaskConcurrencyLimit", nil, false)
	b.status(second, secondID, emulator.StatusSuccess)
	must(t, b.e.RebootInstance(firstID))
	b.status(first, firstID, emulator.StatusError)
	b.status(b.run("true", nil, firstID), firstID, emulator.StatusSuccess)
}

// Windows instances take their own scripts, in their own directories, by their own user.
func TestWindows(t *testing.T) {
	b := newBench(t, emulator.Options{Instances: []emulator.Instance{{ID: "i-win", OSType: emulator.OSWindows, Users: []string{"deploy"}}}})
	tests := []struct {
		name                    string
		change                  func(*ecs.RunCommandRequest)
		status, code, user, dir string
	}{
		{"a batch script", nil, "Success", "", "System", "system32"},
		{"PowerShell", func(r *ecs.RunCommandRequest) { r.Type = "RunPowerShellScript" }, "Success", "", "System", "system32"},
		{"another directory", func(r *ecs.RunCommandRequest) { r.WorkingDir = `c:\WINDOWS` }, "Success", "", "System", "windows"},
		{"a directory without drive", func(r *ecs.RunCommandRequest) { r.WorkingDir = `\Windows` }, "Success", "", "System", "windows"},
		{"a shell script", func(r *ecs.RunCommandRequest) { r.Type = "RunShellScript" }, "Invalid", "CommandNotApplicable", "root", ""},
		{"root", func(r *ecs.RunCommandRequest) { r.Username, r.WindowsPasswordName = "root", "p" }, "Invalid", "AccountNotExists", "root", ""},
		{"a directory that is not there", func(r *ecs.RunCommandRequest) { r.WorkingDir = `D:\data` }, "Invalid", "DirectoryNotExists", "System", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			here := &bench{T: t, e: b.e, sdk: b.sdk}
			invokeID := here.run("basename $PWD", func(r *ecs.RunCommandRequest) {
				r.Type = "RunBatScript"
				if tt.change != nil {
					tt.change(r)
				}
			}, "i-win")
			row := here.status(invokeID, "i-win", tt.status)
			if row.ErrorCode != tt.code || row.Username != tt.user || strings.TrimSpace(string(row.Output)) != tt.dir {
				t.Errorf("the row is %+v, want error %q, user %s, output %q", row, tt.code, tt.user, tt.dir)
			}
		})
	}
}

// What a script does to its instance stays done.
func TestDefaultWorkingDirectoryNotAvailable(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.status(b.run(`rm -rf "$HOME"`, nil), firstID, emulator.StatusSuccess)
	row := b.status(b.run("pwd", nil), firstID, emulator.StatusInvalid)
	wantEnd(t, row, "Invalid", "DefaultWorkingDirectoryNotAvailable", nil, false)
	elsewhere := b.run("true", func(r *ecs.RunCommandRequest) { r.WorkingDir = "/tmp" })
	b.status(elsewhere, firstID, emulator.StatusSuccess)
}

func TestDescribeCloudAssistantStatus(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	started := fake.Now().UTC()
	b := newBench(t, emulator.Options{Clock: fake, Instances: []emulator.Instance{
		{ID: "i-busy"},
		{ID: "i-old", AgentVersion: "2.2.3.188"},
		{ID: "i-win", OSType: emulator.OSWindows},
		{ID: "i-elsewhere", RegionID: "cn-beijing"},
	}})
	ask := func(change func(*ecs.DescribeCloudAssistantStatusRequest)) []ecs.InstanceCloudAssistantStatus {
		t.Helper()
		request := ecs.CreateDescribeCloudAssistantStatusRequest()
		change(request)
		response, err := b.sdk.DescribeCloudAssistantStatus(request)
		must(t, err)
		return response.InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus
	}
	ids := func(agents []ecs.InstanceCloudAssistantStatus) string {
		var ids []string
		for _, agent := range agents {
			ids = append(ids, agent.InstanceId)
		}
		return strings.Join(ids, " ")
	}
	b.status(b.run("true", nil, "i-busy"), "i-busy", emulator.StatusSuccess)
	running := b.run("sleep 1000", nil, "i-busy")
	b.status(running, "i-busy", emulator.StatusRunning)
	fake.Step(5 * time.Second)
	must(t, b.e.SetInstanceStatus("i-old", emulator.InstanceStopped))
	fake.Step(5 * time.Second)

	all := ask(func(*ecs.DescribeCloudAssistantStatusRequest) {})
	stamp := func(after time.Duration) string { return started.Add(after).Format(time.RFC3339) }
	want := []ecs.InstanceCloudAssistantStatus{
		{InstanceId: "i-busy", CloudAssistantStatus: "true", CloudAssistantVersion: "2.2.3.857", InvocationCount: 2, ActiveTaskCount: 1, LastInvokedTime: stamp(0), LastHeartbeatTime: stamp(10 * time.Second), OSType: "Linux", SupportSessionManager: true},
		{InstanceId: "i-old", CloudAssistantStatus: "false", CloudAssistantVersion: "2.2.3.188", LastHeartbeatTime: stamp(5 * time.Second), OSType: "Linux"},
		{InstanceId: "i-win", CloudAssistantStatus: "true", CloudAssistantVersion: "2.1.3.857", LastHeartbeatTime: stamp(10 * time.Second), OSType: "Windows", SupportSessionManager: true},
	}
	if !slices.Equal(all, want) {
		t.Errorf("agents\n%+v, want\n%+v", all, want)
	}
	if got := ids(ask(func(r *ecs.DescribeCloudAssistantStatusRequest) { r.OSType = "Windows" })); got != "i-win" {
		t.Errorf("Windows agents: %s", got)
	}
	if got := ids(ask(func(r *ecs.DescribeCloudAssistantStatusRequest) {
		r.InstanceId = &[]string{"i-old", "i-nobody", "i-elsewhere"}
	})); got != "i-old" {
		t.Errorf("agents by ID: %s", got)
	}
	if got := ids(ask(func(r *ecs.DescribeCloudAssistantStatusRequest) {
		r.PageNumber, r.PageSize = requests.NewInteger(2), requests.NewInteger(2)
	})); got != "i-win" {
		t.Errorf("the second page: %s", got)
	}
	first := ecs.CreateDescribeCloudAssistantStatusRequest()
	first.MaxResults = requests.NewInteger(2)
	response, err := b.sdk.DescribeCloudAssistantStatus(first)
	must(t, err)
	if got := ids(ask(func(r *ecs.DescribeCloudAssistantStatusRequest) {
		r.MaxResults, r.NextToken = requests.NewInteger(2), response.NextToken
	})); got != "i-win" {
		t.Errorf("the next page: %s", got)
	}
	r := b.raw(fake)
	r.call(t, "DescribeCloudAssistantStatus", "OSType", "BeOS").wantCode(t, 400, "InvalidParameter.OSType")
	r.call(t, "DescribeCloudAssistantStatus", "PageSize", "0").wantCode(t, 400, "InvalidParam.PageSize")
}
