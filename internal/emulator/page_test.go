package emulator_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func pointer[T any](value T) *T { return &value }

// put adds a scripted invocation or fails.
func (b *bench) put(s emulator.Scripted) {
	b.Helper()
	if err := b.e.PutInvocation(s); err != nil {
		b.Fatal(err)
	}
}

// keys are what identifies the rows of an answer, in its order.
func keys(rows []map[string]any) []string {
	list := make([]string, len(rows))
	for n, row := range rows {
		list[n] = fmt.Sprint(row["InvokeId"], "/", row["InstanceId"])
	}
	return list
}

// newPageBench has four invocations, t-1 to t-4, whose differences every filter can tell.
func newPageBench(t *testing.T) (*bench, *raw) {
	t.Helper()
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{
		Clock: fake,
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: testSecret}, {ID: "foreign", Secret: testSecret, AccountID: "42"},
		},
	})
	b.put(emulator.Scripted{
		ID: "t-1", CommandID: "c-1", ResourceGroupID: "rg-1", Tags: []emulator.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: ""}},
		Rows: []emulator.Row{
			{InstanceID: "i-1", InvocationStatus: emulator.StatusSuccess, ExitCode: pointer(int64(0)), Output: []byte("out\xff\n")},
			{InstanceID: "i-2", InvocationStatus: emulator.StatusFailed, ExitCode: pointer(int64(3)), ErrorCode: "ExitCodeNonzero"},
		},
	})
	b.put(emulator.Scripted{
		ID: "t-2", CommandID: "c-2", Tags: []emulator.Tag{{Key: "a", Value: "1"}, {Key: "c", Value: "2"}},
		Rows: []emulator.Row{{InstanceID: "i-1", InvocationStatus: emulator.StatusRunning}},
	})
	b.put(emulator.Scripted{
		ID: "t-3", CommandID: "c-2", RepeatMode: emulator.RepeatPeriod,
		Rows: []emulator.Row{{InstanceID: "i-3", InvocationStatus: emulator.StatusSuccess, ExitCode: pointer(int64(0))}},
	})
	b.put(emulator.Scripted{ID: "t-4", AccountID: "42", Rows: []emulator.Row{{InstanceID: "i-4"}}})
	b.put(emulator.Scripted{ID: "t-5", RegionID: "cn-beijing", Rows: []emulator.Row{{InstanceID: "i-5"}}})
	for n := range 3 {
		if err := b.e.PutHistory(emulator.Row{InvokeID: "t-3", InstanceID: "i-3", Repeats: n + 1, InvocationStatus: emulator.StatusSuccess}); err != nil {
			t.Fatal(err)
		}
	}
	return b, b.raw(fake)
}

// The request parameters of the page of DescribeInvocationResults, in its order: what each selects.
func TestPageRequestParameters(t *testing.T) {
	_, r := newPageBench(t)
	tests := []struct {
		name       string
		parameters []string
		want       []string
	}{
		{"RegionId", []string{"RegionId", "cn-beijing"}, []string{"t-5/i-5"}},
		{"no filter: all of the account and region, newest first", nil, []string{"t-3/i-3", "t-2/i-1", "t-1/i-2", "t-1/i-1"}},
		{"ResourceGroupId", []string{"ResourceGroupId", "rg-1"}, []string{"t-1/i-2", "t-1/i-1"}},
		{"ResourceGroupId of none", []string{"ResourceGroupId", "rg-2"}, nil},
		{"InvokeId", []string{"InvokeId", "t-1"}, []string{"t-1/i-2", "t-1/i-1"}},
		{"InvokeId that does not exist: no error", []string{"InvokeId", "t-0"}, nil},
		{"InvokeId of another account", []string{"InvokeId", "t-4"}, nil},
		{"InvokeId of another region", []string{"InvokeId", "t-5"}, nil},
		{"InstanceId", []string{"InstanceId", "i-1"}, []string{"t-2/i-1", "t-1/i-1"}},
		{"CommandId", []string{"CommandId", "c-2"}, []string{"t-3/i-3", "t-2/i-1"}},
		{"filters combine with AND", []string{"CommandId", "c-2", "InstanceId", "i-1"}, []string{"t-2/i-1"}},
		{"InvokeRecordStatus=Running", []string{"InvokeRecordStatus", "Running"}, []string{"t-2/i-1"}},
		{"InvokeRecordStatus=Finished covers failures", []string{"InvokeRecordStatus", "Finished"}, []string{"t-3/i-3", "t-1/i-2", "t-1/i-1"}},
		{"InvokeRecordStatus=Success does not", []string{"InvokeRecordStatus", "Success"}, []string{"t-3/i-3"}},
		{"InvokeRecordStatus=Stopped", []string{"InvokeRecordStatus", "Stopped"}, nil},
		{"IncludeHistory=false", []string{"InvokeId", "t-3", "IncludeHistory", "false"}, []string{"t-3/i-3"}},
		{"IncludeHistory=true: past runs only", []string{"InvokeId", "t-3", "IncludeHistory", "true"}, []string{"t-3/i-3", "t-3/i-3", "t-3/i-3"}},
		{"IncludeHistory=true of an invocation that does not exist", []string{"InvokeId", "t-0", "IncludeHistory", "true"}, nil},
		{"IncludeHistory=true of another account", []string{"InvokeId", "t-4", "IncludeHistory", "true"}, nil},
		{"PageNumber and PageSize", []string{"PageNumber", "2", "PageSize", "3"}, []string{"t-1/i-1"}},
		{"PageNumber beyond the end", []string{"PageNumber", "9", "PageSize", "3"}, nil},
		{"MaxResults", []string{"MaxResults", "3"}, []string{"t-3/i-3", "t-2/i-1", "t-1/i-2"}},
		{"MaxResults wins over PageNumber and PageSize, bad ones too", []string{"MaxResults", "3", "PageNumber", "x", "PageSize", "99"}, []string{"t-3/i-3", "t-2/i-1", "t-1/i-2"}},
		{"Tag", []string{"Tag.1.Key", "a", "Tag.1.Value", "1"}, []string{"t-2/i-1", "t-1/i-2", "t-1/i-1"}},
		{"Tag: several combine with AND", []string{"Tag.1.Key", "a", "Tag.1.Value", "1", "Tag.2.Key", "c", "Tag.2.Value", "2"}, []string{"t-2/i-1"}},
		{"Tag: numbers may have gaps", []string{"Tag.3.Key", "c", "Tag.3.Value", "2"}, []string{"t-2/i-1"}},
		{"Tag.N.Value may be empty", []string{"Tag.1.Key", "b", "Tag.1.Value", ""}, []string{"t-1/i-2", "t-1/i-1"}},
		{"Tag.N.Value that differs", []string{"Tag.1.Key", "a", "Tag.1.Value", "2"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := keys(r.call(t, list, tt.parameters...).rows(t))
			if !slices.Equal(got, tt.want) {
				t.Errorf("rows %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("ContentEncoding", func(t *testing.T) {
		for encoding, want := range map[string]string{
			"":          base64.StdEncoding.EncodeToString([]byte("out\xff\n")),
			"Base64":    base64.StdEncoding.EncodeToString([]byte("out\xff\n")),
			"PlainText": "out\uFFFD\n",
		} {
			rows := r.call(t, list, "InvokeId", "t-1", "InstanceId", "i-1", "ContentEncoding", encoding).rows(t)
			if len(rows) != 1 || rows[0]["Output"] != want {
				t.Errorf("ContentEncoding=%s: rows %v, want the output %q", encoding, rows, want)
			}
		}
	})
}

// The error codes of the page of DescribeInvocationResults, in its order, with its messages; and those beside it.
func TestPageErrorCodes(t *testing.T) {
	b, r := newPageBench(t)
	long := strings.Repeat("x", 129)
	tests := []struct {
		code       string
		status     int
		message    string
		parameters []string
		// fault is set where only the service itself can be the cause.
		fault bool
	}{
		{code: "RegionId.ApiNotSupported", status: 400, message: "The api is not supported in this region.", fault: true},
		{code: "NumberExceed.Tags", status: 400, message: "The Tags parameter number is exceed.", parameters: []string{"Tag.21.Key", "a"}},
		{code: "Duplicate.TagKey", status: 400, message: "The Tag.N.Key contain duplicate key.", parameters: []string{"Tag.1.Key", "a", "Tag.2.Key", "a"}},
		{code: "InvalidTagKey.Malformed", status: 400, message: "The specified Tag.n.Key is not valid.", parameters: []string{"Tag.1.Key", ""}},
		{code: "InvalidTagKey.Malformed", status: 400, message: "The specified Tag.n.Key is not valid.", parameters: []string{"Tag.1.Key", long[:65]}},
		{code: "InvalidTagKey.Malformed", status: 400, message: "The specified Tag.n.Key is not valid.", parameters: []string{"Tag.1.Key", "aliyun-x"}},
		{code: "InvalidTagKey.Malformed", status: 400, message: "The specified Tag.n.Key is not valid.", parameters: []string{"Tag.1.Key", "acs:x"}},
		{code: "InvalidTagKey.Malformed", status: 400, message: "The specified Tag.n.Key is not valid.", parameters: []string{"Tag.1.Key", "xhttp://"}},
		{code: "InvalidTagValue.Malformed", status: 400, message: "The specified Tag.n.Value is not valid.", parameters: []string{"Tag.1.Key", "a", "Tag.1.Value", long}},
		{code: "InvalidTagValue.Malformed", status: 400, message: "The specified Tag.n.Value is not valid.", parameters: []string{"Tag.1.Key", "a", "Tag.1.Value", "xhttps://"}},
		{code: "MissingParameter.TagKey", status: 400, message: "You must specify Tag.N.Key.", parameters: []string{"Tag.1.Value", "a"}},
		{code: "InvalidParam.PageNumber", status: 400, message: "The specified parameter is invalid.", parameters: []string{"PageNumber", "0"}},
		{code: "InvalidParam.PageNumber", status: 400, message: "The specified parameter is invalid.", parameters: []string{"PageNumber", "one"}},
		{code: "InvalidParam.PageSize", status: 400, message: "The specified parameter is invalid.", parameters: []string{"PageSize", "51"}},
		{code: "InvalidParam.PageSize", status: 400, message: "The specified parameter is invalid.", parameters: []string{"PageSize", "0"}},
		{code: "InvalidParameter.NextToken", status: 400, message: "The specified parameter NextToken is not valid.", parameters: []string{"NextToken", "AAAAAdDWBF2"}},
		{code: "InvalidParameter.MaxResults", status: 400, message: "The specified parameter MaxResults is not valid.", parameters: []string{"MaxResults", "0"}},
		{code: "InvalidParameter.MaxResults", status: 400, message: "The specified parameter MaxResults is not valid.", parameters: []string{"MaxResults", "51"}},
		{code: "InvalidParameter.MaxResults", status: 400, message: "The specified parameter MaxResults is not valid.", parameters: []string{"MaxResults", "ten"}},
		{code: "InternalError.Dispatch", status: 500, message: "An error occurred when you dispatched the request.", fault: true},
		{code: "ServiceUnavailable", status: 500, message: "The request has failed due to a temporary failure of the server.", fault: true},
		{code: "InternalError", status: 500, message: "The request processing has failed due to some unknown error.", fault: true},
		{code: "Operation.Forbidden", status: 403, message: "The operation is not permitted.", fault: true},
		{code: "InvalidRegionId.NotFound", status: 404, message: "The RegionId provided does not exist in our records.", parameters: []string{"RegionId", "mars-1"}},
		// Not in the table of the page: from older pages, and the emulator's own choices.
		{code: "MissingParameter.RegionId", status: 400, parameters: []string{"RegionId", ""}},
		{code: "MissingParameter.InvokeId", status: 400, parameters: []string{"IncludeHistory", "true"}},
		{code: "InvalidParameter.IncludeHistory", status: 400, parameters: []string{"IncludeHistory", "true", "InvokeId", "t-1"}},
		{code: "InvalidParameter.InvokeRecordStatus", status: 400, parameters: []string{"InvokeRecordStatus", "Happy"}},
	}
	for _, tt := range tests {
		t.Run(tt.code+" "+strings.Join(tt.parameters, "="), func(t *testing.T) {
			if tt.fault {
				if _, err := b.e.Inject(emulator.Fault{Kind: emulator.FaultError, Code: tt.code, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
			got := r.call(t, list, tt.parameters...)
			got.wantCode(t, tt.status, tt.code)
			if message := got.object(t)["Message"]; tt.message != "" && message != tt.message {
				t.Errorf("message %q, want %q", message, tt.message)
			}
		})
	}
}

// The response elements of the page, with the JSON type of each.
func TestPageResponseElements(t *testing.T) {
	b, r := newPageBench(t)
	at := time.Date(2019, 12, 20, 6, 15, 55, 999, time.FixedZone("CST", 8*3600))
	b.put(emulator.Scripted{
		ID: "t-full", CommandID: "c-full", Tags: []emulator.Tag{{Key: "owner", Value: "zhangsan"}},
		Rows: []emulator.Row{{
			InstanceID: "i-1", InvocationStatus: "Success", InvokeRecordStatus: "Running", ExitCode: pointer(int64(0)),
			ErrorCode: "InstanceNotExists", ErrorInfo: "the specified instance does not exists", Output: []byte("15:30:01\n"),
			Dropped: 7, Repeats: 2, StartTime: at, FinishedTime: at.Add(time.Second), StopTime: at.Add(time.Minute),
			Username: "test", Launcher: `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`, TerminationMode: "ProcessTree",
			ContainerID: "ab14", ContainerName: "test-container",
			OSSOutput: emulator.OSSOutput{
				Delivery: "oss://testBucket/testPrefix", URI: "oss://testBucket/testPrefix/output.txt", Status: "Finished",
				ErrorCode: "CloudAssistant.UnsupportedInvocationStatus", ErrorInfo: "The invocation status does not support output delivery.",
			},
		}},
	})
	b.put(emulator.Scripted{ID: "t-empty", Rows: []emulator.Row{{InstanceID: "i-1"}}})
	want := map[string]any{
		"Dropped": 7.0, "OssOutputDelivery": "oss://testBucket/testPrefix", "InvocationStatus": "Success", "InstanceId": "i-1",
		"ExitCode": 0.0, "ErrorInfo": "the specified instance does not exists", "StartTime": "2019-12-19T22:15:55Z", "Repeats": 2.0,
		"InvokeRecordStatus": "Running", "FinishedTime": "2019-12-19T22:15:56Z",
		"OssOutputUri": "oss://testBucket/testPrefix/output.txt", "OssOutputStatus": "Finished",
		"OssOutputErrorCode": "CloudAssistant.UnsupportedInvocationStatus",
		"OssOutputErrorInfo": "The invocation status does not support output delivery.",
		"Username":           "test", "ContainerId": "ab14", "ContainerName": "test-container", "Output": "MTU6MzA6MDEK",
		"Launcher": `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`, "CommandId": "c-full", "ErrorCode": "InstanceNotExists",
		"InvokeId": "t-full", "TerminationMode": "ProcessTree", "StopTime": "2019-12-19T22:16:55Z",
	}
	row := r.call(t, list, "InvokeId", "t-full").rows(t)[0]
	for name, value := range want {
		if row[name] != value {
			t.Errorf("%s is %v, want %v", name, row[name], value)
		}
	}
	if got := fmt.Sprint(row["Tags"]); got != "map[Tag:[map[TagKey:owner TagValue:zhangsan]]]" {
		t.Errorf("Tags are %s", got)
	}
	if len(row) != len(want)+1 {
		t.Errorf("elements %v, want those of the page only", slices.Sorted(maps.Keys(row)))
	}

	row = r.call(t, list, "InvokeId", "t-empty").rows(t)[0]
	for _, name := range []string{"StartTime", "FinishedTime", "StopTime", "ErrorCode", "ErrorInfo", "Output", "ContainerId", "Launcher"} {
		if row[name] != "" {
			t.Errorf("%s of a row that has none is %v, want an empty text", name, row[name])
		}
	}
	for _, name := range []string{"ExitCode", "OssOutputDelivery", "OssOutputUri", "OssOutputStatus", "OssOutputErrorCode", "OssOutputErrorInfo"} {
		if value, present := row[name]; present {
			t.Errorf("%s of a row that has none is %v, want it absent", name, value)
		}
	}
	if got := fmt.Sprint(row["Tags"]); got != "map[Tag:[]]" {
		t.Errorf("Tags of an invocation without are %s, want an object around an empty array", got)
	}
}

// The two paging styles, and what each answers.
func TestPagingStyles(t *testing.T) {
	_, r := newPageBench(t)
	tests := []struct {
		name                string
		parameters          []string
		total, number, size float64
		wantToken           bool
	}{
		{name: "outgoing", parameters: []string{"PageNumber", "1", "PageSize", "2"}, total: 4, number: 1, size: 2},
		{name: "outgoing, PageSize defaults to 10", parameters: []string{"PageNumber", "1"}, total: 4, number: 1, size: 10},
		{name: "current", parameters: []string{"MaxResults", "2"}, wantToken: true},
		{name: "current, last page", parameters: []string{"MaxResults", "4"}},
		{name: "neither: both may go on", parameters: nil, total: 4, number: 1, size: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.call(t, list, tt.parameters...).invocation(t)
			if got["TotalCount"] != tt.total || got["PageNumber"] != tt.number || got["PageSize"] != tt.size {
				t.Errorf("TotalCount %v, PageNumber %v, PageSize %v; want %v, %v, %v",
					got["TotalCount"], got["PageNumber"], got["PageSize"], tt.total, tt.number, tt.size)
			}
			if token := got["NextToken"].(string); (token != "") != tt.wantToken {
				t.Errorf("NextToken %q, want one: %v", token, tt.wantToken)
			}
		})
	}
}

// A token is good for the question it was given for and for no other.
func TestNextTokenIsBound(t *testing.T) {
	_, r := newPageBench(t)
	token := r.call(t, list, "MaxResults", "2", "InstanceId", "i-1").invocation(t)["NextToken"].(string)
	if token != "" {
		t.Fatalf("the list has two rows, yet NextToken is %q", token)
	}
	token = r.call(t, list, "MaxResults", "1", "InstanceId", "i-1").invocation(t)["NextToken"].(string)
	if got := keys(r.call(t, list, "NextToken", token, "InstanceId", "i-1").rows(t)); !slices.Equal(got, []string{"t-1/i-1"}) {
		t.Errorf("the next page is %v", got)
	}
	changed := []byte(token)
	changed[3] ^= 1
	refused := map[string][]string{
		"other filters": {"NextToken", token, "InstanceId", "i-2"},
		"fewer filters": {"NextToken", token},
		"more filters":  {"NextToken", token, "InstanceId", "i-1", "CommandId", "c-1"},
		"another region": {
			"NextToken", token, "InstanceId", "i-1", "RegionId", "cn-beijing",
		},
		"a changed token":   {"NextToken", string(changed), "InstanceId", "i-1"},
		"a shortened token": {"NextToken", token[:len(token)-2], "InstanceId", "i-1"},
	}
	for name, parameters := range refused {
		t.Run(name, func(t *testing.T) {
			r.call(t, list, parameters...).wantCode(t, 400, "InvalidParameter.NextToken")
		})
	}
	t.Run("another account", func(t *testing.T) {
		foreign := *r
		foreign.keyID = "foreign"
		foreign.call(t, list, "NextToken", token, "InstanceId", "i-1").wantCode(t, 400, "InvalidParameter.NextToken")
	})
}
