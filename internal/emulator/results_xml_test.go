package emulator_test

import (
	"encoding/xml"
	"net/http"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// XML has the same elements as JSON; an array is its element repeated.
func TestResultsInXML(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.put(emulator.Scripted{ID: "t-1", Tags: []emulator.Tag{{Key: "a", Value: "<1>"}}, Rows: []emulator.Row{
		{InstanceID: "i-1", InvocationStatus: "Failed", ExitCode: pointer(int64(3)), Output: []byte("a\x00b<&")}, {InstanceID: "i-2"},
	}})
	r := b.raw(nil)
	parameters := r.rpc(list, pairs("Format", "XML", "ContentEncoding", "PlainText"))
	body := r.send(t, http.MethodGet, "?"+r.sign(http.MethodGet, parameters).Encode(), nil, "").body
	type result struct {
		InstanceID string `xml:"InstanceId"`
		ExitCode   *int64
		Output     string
		Keys       []string `xml:"Tags>Tag>TagKey"`
		Values     []string `xml:"Tags>Tag>TagValue"`
	}
	var got struct {
		XMLName xml.Name `xml:"DescribeInvocationResultsResponse"`
		Total   int      `xml:"Invocation>TotalCount"`
		Results []result `xml:"Invocation>InvocationResults>InvocationResult"`
	}
	if err := xml.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if got.Total != 2 || len(got.Results) != 2 {
		t.Fatalf("decoded as %+v from\n%s", got, body)
	}
	pending, failed := got.Results[0], got.Results[1]
	if pending.InstanceID != "i-2" || pending.ExitCode != nil || len(pending.Keys) != 1 {
		t.Errorf("the first row is %+v", pending)
	}
	if failed.ExitCode == nil || *failed.ExitCode != 3 || failed.Output != "a\uFFFDb<&" || failed.Values[0] != "<1>" {
		t.Errorf("the second row is %+v", failed)
	}
}
