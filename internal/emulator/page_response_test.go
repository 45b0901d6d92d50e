package emulator_test

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// pageElements are the rows of the page's table of response elements, in its order, but for the three without a name:
// the answer itself, a result, and a tag.
var pageElements = []string{
	"RequestId", "Invocation", "PageSize", "PageNumber", "TotalCount", "NextToken", "InvocationResults", "InvocationResult",
	"Dropped", "OssOutputDelivery", "InvocationStatus", "InstanceId", "ExitCode", "ErrorInfo", "StartTime", "Repeats",
	"InvokeRecordStatus", "FinishedTime", "OssOutputUri", "OssOutputStatus", "OssOutputErrorCode", "OssOutputErrorInfo",
	"Username", "ContainerId", "ContainerName", "Output", "Launcher", "CommandId", "ErrorCode", "InvokeId",
	"TerminationMode", "Tags", "Tag", "TagKey", "TagValue", "StopTime",
}

// absent is the value of an element that is not sent.
type absent struct{}

// examples are a result that has every element, and one that has no more than it must.
type examples struct{ full, none map[string]any }

// element tests the value that an element has in either.
func (e examples) element(name string, full, none any) func(*testing.T) {
	return func(t *testing.T) {
		for row, want := range map[*map[string]any]any{&e.full: full, &e.none: none} {
			got, sent := (*row)[name]
			if _, wantNone := want.(absent); wantNone != !sent || sent && !reflect.DeepEqual(got, want) {
				t.Errorf("%s is %#v (sent: %v), want %#v", name, got, sent, want)
			}
		}
	}
}

// ofTag tests an element of the first tag.
func (e examples) ofTag(name, want string) func(*testing.T) {
	return func(t *testing.T) {
		first := e.full["Tags"].(map[string]any)["Tag"].([]any)[0].(map[string]any)
		if first[name] != want || len(first) != 2 {
			t.Errorf("%s of %v is not %q", name, first, want)
		}
	}
}

// wantEnvelope tests the value that an element around the results has in the outgoing and in the current style of paging;
// "*" is any text but the empty one.
func (r *raw) wantEnvelope(t *testing.T, name string, outgoing, current any) {
	t.Helper()
	for style, want := range map[string]any{"PageSize": outgoing, "MaxResults": current} {
		got := r.call(t, list, style, "2").invocation(t)[name]
		if got != want && (want != "*" || got == "") {
			t.Errorf("with %s it is %v, want %v", style, got, want)
		}
	}
}

// The response elements of the page: each carries the page's own example, and has its own way to be empty.
func TestPageResponseElements(t *testing.T) {
	b, r := newPageBench(t)
	at := time.Date(2019, 12, 20, 14, 15, 55, 999, time.FixedZone("CST", 8*3600))
	const container = "ab141ddfbacfe02d9dbc25966ed971536124527097398d419a6746873feaaaaa"
	b.put(emulator.Scripted{
		ID: "t-full", CommandID: "c-full", Tags: []emulator.Tag{{Key: "owner", Value: "zhangsan"}},
		Rows: []emulator.Row{{
			InstanceID: "i-1", InvocationStatus: "Success", InvokeRecordStatus: "Running", ExitCode: pointer(int64(0)),
			ErrorCode: "InstanceNotExists", ErrorInfo: "the specified instance does not exists", Output: []byte("15:30:01\n"),
			Dropped: 7, Repeats: 2, StartTime: at, FinishedTime: at.Add(time.Second), StopTime: at.Add(time.Minute),
			Username: "test", Launcher: `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`, TerminationMode: "ProcessTree",
			ContainerID: container, ContainerName: "test-container",
			OSSOutput: emulator.OSSOutput{
				Delivery: "oss://testBucket/testPrefix", URI: "oss://testBucket/testPrefix/output.txt", Status: "Finished",
				ErrorCode: "CloudAssistant.UnsupportedInvocationStatus", ErrorInfo: "The invocation status does not support output delivery.",
			},
		}},
	})
	b.put(emulator.Scripted{ID: "t-none", CommandID: "c-none", Rows: []emulator.Row{{InstanceID: "i-1"}}})
	answered := r.call(t, list, "InvokeId", "t-full")
	full, none := answered.rows(t)[0], r.call(t, list, "InvokeId", "t-none").rows(t)[0]
	tag := map[string]any{"TagKey": "owner", "TagValue": "zhangsan"}
	examples := examples{full, none}
	page := newPage(t, pageElements)
	t.Run(page.row("RequestId"), func(t *testing.T) {
		id, _ := answered.object(t)["RequestId"].(string)
		if !regexp.MustCompile(`^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`).MatchString(id) || answered.header.Get("x-acs-request-id") != id {
			t.Errorf("RequestId %q, header %q", id, answered.header.Get("x-acs-request-id"))
		}
	})
	t.Run(page.row("Invocation"), func(t *testing.T) {
		if got := slices.Sorted(maps.Keys(answered.object(t))); !slices.Equal(got, []string{"Invocation", "RequestId"}) {
			t.Errorf("the answer has %v", got)
		}
		want := []string{"InvocationResults", "NextToken", "PageNumber", "PageSize", "TotalCount"}
		if got := slices.Sorted(maps.Keys(answered.invocation(t))); !slices.Equal(got, want) {
			t.Errorf("Invocation has %v, want %v", got, want)
		}
	})
	t.Run(page.row("PageSize"), func(t *testing.T) { r.wantEnvelope(t, "PageSize", 2.0, 0.0) })
	t.Run(page.row("PageNumber"), func(t *testing.T) { r.wantEnvelope(t, "PageNumber", 1.0, 0.0) })
	t.Run(page.row("TotalCount"), func(t *testing.T) { r.wantEnvelope(t, "TotalCount", 6.0, 0.0) })
	t.Run(page.row("NextToken"), func(t *testing.T) { r.wantEnvelope(t, "NextToken", "", "*") })
	t.Run(page.row("InvocationResults"), func(t *testing.T) {
		results, _ := answered.invocation(t)["InvocationResults"].(map[string]any)
		if got := slices.Collect(maps.Keys(results)); !slices.Equal(got, []string{"InvocationResult"}) {
			t.Errorf("InvocationResults has %v", got)
		}
	})
	t.Run(page.row("InvocationResult"), func(t *testing.T) {
		nothing := r.call(t, list, "InvokeId", "t-0").invocation(t)["InvocationResults"].(map[string]any)
		if list, isList := nothing["InvocationResult"].([]any); !isList || len(list) != 0 {
			t.Errorf("without results it is %#v, want an empty list", nothing["InvocationResult"])
		}
		// All of a result's elements are rows of this table: those up to here are the envelope's, and three a tag's.
		results := slices.DeleteFunc(slices.Clone(pageElements[8:]), func(name string) bool { return name == "Tag" || name == "TagKey" || name == "TagValue" })
		slices.Sort(results)
		if got := slices.Sorted(maps.Keys(full)); !slices.Equal(got, results) {
			t.Errorf("a result has %v, want %v", got, results)
		}
	})
	t.Run(page.row("Dropped"), examples.element("Dropped", 7.0, 0.0))
	t.Run(page.row("OssOutputDelivery"), examples.element("OssOutputDelivery", "oss://testBucket/testPrefix", absent{}))
	t.Run(page.row("InvocationStatus"), examples.element("InvocationStatus", "Success", "Pending"))
	t.Run(page.row("InstanceId"), examples.element("InstanceId", "i-1", "i-1"))
	t.Run(page.row("ExitCode"), examples.element("ExitCode", 0.0, absent{}))
	t.Run(page.row("ErrorInfo"), examples.element("ErrorInfo", "the specified instance does not exists", ""))
	t.Run(page.row("StartTime"), examples.element("StartTime", "2019-12-20T06:15:55Z", ""))
	t.Run(page.row("Repeats"), examples.element("Repeats", 2.0, 0.0))
	t.Run(page.row("InvokeRecordStatus"), examples.element("InvokeRecordStatus", "Running", "Running"))
	t.Run(page.row("FinishedTime"), examples.element("FinishedTime", "2019-12-20T06:15:56Z", ""))
	t.Run(page.row("OssOutputUri"), examples.element("OssOutputUri", "oss://testBucket/testPrefix/output.txt", absent{}))
	t.Run(page.row("OssOutputStatus"), examples.element("OssOutputStatus", "Finished", absent{}))
	t.Run(page.row("OssOutputErrorCode"), examples.element("OssOutputErrorCode", "CloudAssistant.UnsupportedInvocationStatus", absent{}))
	t.Run(page.row("OssOutputErrorInfo"), examples.element("OssOutputErrorInfo", "The invocation status does not support output delivery.", absent{}))
	t.Run(page.row("Username"), examples.element("Username", "test", "root"))
	t.Run(page.row("ContainerId"), examples.element("ContainerId", container, ""))
	t.Run(page.row("ContainerName"), examples.element("ContainerName", "test-container", ""))
	t.Run(page.row("Output"), examples.element("Output", "MTU6MzA6MDEK", ""))
	t.Run(page.row("Launcher"), examples.element("Launcher", `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`, ""))
	t.Run(page.row("CommandId"), examples.element("CommandId", "c-full", "c-none"))
	t.Run(page.row("ErrorCode"), examples.element("ErrorCode", "InstanceNotExists", ""))
	t.Run(page.row("InvokeId"), examples.element("InvokeId", "t-full", "t-none"))
	t.Run(page.row("TerminationMode"), examples.element("TerminationMode", "ProcessTree", "Process"))
	t.Run(page.row("Tags"), examples.element("Tags", map[string]any{"Tag": []any{tag}}, map[string]any{"Tag": []any{}}))
	t.Run(page.row("Tag"), func(t *testing.T) {
		if _, isList := none["Tags"].(map[string]any)["Tag"].([]any); !isList {
			t.Errorf("without tags Tags is %v, want an empty list in an object", none["Tags"])
		}
	})
	t.Run(page.row("TagKey"), examples.ofTag("TagKey", "owner"))
	t.Run(page.row("TagValue"), examples.ofTag("TagValue", "zhangsan"))
	t.Run(page.row("StopTime"), examples.element("StopTime", "2019-12-20T06:16:55Z", ""))
	page.done()
}

// set is an element that has any value but the empty one.
type set struct{}

// Which elements a row carries, by its status, of runs that really came to it.
func TestPageElementsByStatus(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake, Simulations: []emulator.Simulation{
		{Content: "fail", FailRate: 1, ExitCode: 7, Output: "oops"},
		{Content: "error", FailRate: 1, Status: emulator.StatusError},
		{Content: "invalid", FailRate: 1, Status: emulator.StatusInvalid},
		{Content: "long", Duration: time.Hour, Output: "begun"},
		{Content: "quick", Output: "done"},
	}})
	if err := b.e.SetAgent(secondID, emulator.AgentOffline); err != nil {
		t.Fatal(err)
	}
	if err := b.e.SetInstanceStatus(thirdID, emulator.InstanceStopped); err != nil {
		t.Fatal(err)
	}
	r := b.raw(fake)
	tests := []struct {
		status, content, instanceID string
		// more are further parameters; stop asks StopInvocation once the run is begun, or waits for its delivery.
		more []string
		stop bool
		// leap lets the time of the run's timeout pass.
		leap                              time.Duration
		exitCode, errorCode               any
		startTime, finishedTime, stopTime any
		repeats                           float64
		output                            any
	}{
		{status: "Pending", content: "quick", instanceID: secondID, exitCode: absent{}, errorCode: "", startTime: "", finishedTime: "", stopTime: "", output: ""},
		{status: "Scheduled", content: "quick", instanceID: firstID, more: []string{"Frequency", "rate(5m)"}, exitCode: absent{}, errorCode: "", startTime: "", finishedTime: "", stopTime: "", output: ""},
		{status: "Running", content: "long", instanceID: firstID, exitCode: absent{}, errorCode: "", startTime: set{}, finishedTime: "", stopTime: "", output: set{}},
		{status: "Success", content: "quick", instanceID: firstID, exitCode: 0.0, errorCode: "", startTime: set{}, finishedTime: set{}, stopTime: "", repeats: 1, output: set{}},
		{status: "Failed", content: "fail", instanceID: firstID, exitCode: 7.0, errorCode: "ExitCodeNonzero", startTime: set{}, finishedTime: set{}, stopTime: "", repeats: 1, output: set{}},
		{status: "Invalid", content: "invalid", instanceID: firstID, exitCode: absent{}, errorCode: set{}, startTime: "", finishedTime: set{}, stopTime: "", output: ""},
		{status: "Aborted", content: "quick", instanceID: thirdID, exitCode: absent{}, errorCode: "InstanceNotRunning", startTime: "", finishedTime: set{}, stopTime: "", output: ""},
		{status: "Error", content: "error", instanceID: firstID, exitCode: absent{}, errorCode: "ExecutionException", startTime: set{}, finishedTime: set{}, stopTime: "", repeats: 1, output: ""},
		{status: "Cancelled", content: "quick", instanceID: secondID, stop: true, exitCode: absent{}, errorCode: "", startTime: "", finishedTime: set{}, stopTime: set{}, output: ""},
		{status: "Terminated", content: "long", instanceID: firstID, stop: true, exitCode: absent{}, errorCode: "ExecutionInterrupted", startTime: set{}, finishedTime: set{}, stopTime: set{}, repeats: 1, output: set{}},
		{status: "Timeout", content: "long", instanceID: firstID, more: []string{"Timeout", "30"}, leap: 30 * time.Second, exitCode: absent{}, errorCode: "ExecutionTimeout", startTime: "2026-11-23T12:00:00Z", finishedTime: "2026-11-23T12:00:30Z", stopTime: "", repeats: 1, output: set{}},
	}
	for _, tt := range tests {
		t.Run(tt.status, func(t *testing.T) {
			here := &bench{T: t, e: b.e}
			parameters := append([]string{"Type", "RunShellScript", "CommandContent", tt.content, "InstanceId.1", tt.instanceID}, tt.more...)
			submitted := r.call(t, "RunCommand", parameters...)
			submitted.wantCode(t, 200, "")
			invokeID := submitted.object(t)["InvokeId"].(string)
			if tt.content == "long" {
				here.row(invokeID, tt.instanceID, "printing", func(r emulator.Row) bool { return len(r.Output) > 0 })
			}
			if tt.stop {
				r.call(t, "StopInvocation", "InvokeId", invokeID).wantCode(t, 200, "")
			}
			fake.Step(tt.leap)
			here.status(invokeID, tt.instanceID, tt.status)
			row := r.call(t, list, "InvokeId", invokeID).rows(t)[0]
			for name, want := range map[string]any{
				"ExitCode": tt.exitCode, "ErrorCode": tt.errorCode, "ErrorInfo": map[bool]any{true: "", false: set{}}[tt.errorCode == ""],
				"StartTime": tt.startTime, "FinishedTime": tt.finishedTime, "StopTime": tt.stopTime,
				"Repeats": tt.repeats, "Output": tt.output, "InvocationStatus": tt.status,
			} {
				got, sent := row[name]
				var met bool
				switch want.(type) {
				case absent:
					met = !sent
				case set:
					met = sent && got != ""
				default:
					met = sent && got == want
				}
				if !met {
					t.Errorf("%s is %#v (sent: %v), want %#v", name, got, sent, want)
				}
			}
		})
	}
}
