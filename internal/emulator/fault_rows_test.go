package emulator_test

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// putStrange puts two invocations: the newer one has an exit code and a tag, the older one neither.
func (b *bench) putStrange() {
	b.Helper()
	seven := int64(7)
	b.put(emulator.Scripted{ID: "t-old", Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusRunning}}})
	b.put(emulator.Scripted{
		ID: "t-new", Tags: []emulator.Tag{{Key: "owner", Value: "x"}},
		Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusFailed, ExitCode: &seven}},
	})
}

// A fault of rows changes what it names, for one call, and nothing else of the answer.
func TestFaultsOfRows(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.putStrange()
	r := b.raw(nil)
	future := map[string]any{"Text": "of a later version", "Items": map[string]any{"Item": []any{1.0, 2.0}}}
	tests := []struct {
		kind emulator.FaultKind
		// change makes the proper answer, newest row first, into the expected one.
		change func(invocation map[string]any, rows []map[string]any) []map[string]any
	}{
		{emulator.FaultBareTags, func(_ map[string]any, rows []map[string]any) []map[string]any {
			rows[0]["Tags"], rows[1]["Tags"] = []any{map[string]any{"TagKey": "owner", "TagValue": "x"}}, []any{}
			return rows
		}},
		{emulator.FaultDuplicateRows, func(_ map[string]any, rows []map[string]any) []map[string]any {
			return []map[string]any{rows[0], rows[0], rows[1], rows[1]}
		}},
		{emulator.FaultReversePage, func(_ map[string]any, rows []map[string]any) []map[string]any {
			return []map[string]any{rows[1], rows[0]}
		}},
		{emulator.FaultUnknownElements, func(invocation map[string]any, rows []map[string]any) []map[string]any {
			invocation["FutureElement"] = future
			invocation["InvocationResults"].(map[string]any)["FutureElement"] = future
			rows[0]["Tags"] = map[string]any{
				"Tag": []any{map[string]any{"TagKey": "owner", "TagValue": "x", "FutureElement": future}}, "FutureElement": future,
			}
			rows[1]["Tags"] = map[string]any{"Tag": []any{}, "FutureElement": future}
			rows[0]["FutureElement"], rows[1]["FutureElement"] = future, future
			return rows
		}},
		{emulator.FaultUnknownStatus, func(_ map[string]any, rows []map[string]any) []map[string]any {
			rows[0]["InvocationStatus"], rows[1]["InvocationStatus"] = emulator.UnknownStatus, emulator.UnknownStatus
			return rows
		}},
		{emulator.FaultExitCodeNull, func(_ map[string]any, rows []map[string]any) []map[string]any {
			rows[0]["ExitCode"], rows[1]["ExitCode"] = nil, nil
			return rows
		}},
		{emulator.FaultExitCodeEmpty, func(_ map[string]any, rows []map[string]any) []map[string]any {
			rows[0]["ExitCode"], rows[1]["ExitCode"] = "", ""
			return rows
		}},
		{emulator.FaultExitCodeText, func(_ map[string]any, rows []map[string]any) []map[string]any {
			rows[0]["ExitCode"], rows[1]["ExitCode"] = "7", "-1"
			return rows
		}},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			proper := r.call(t, list)
			want := proper.object(t)
			invocation := want["Invocation"].(map[string]any)
			rows := []any{}
			for _, row := range tt.change(invocation, proper.rows(t)) {
				rows = append(rows, row)
			}
			invocation["InvocationResults"].(map[string]any)["InvocationResult"] = rows
			if tt.kind == emulator.FaultUnknownElements {
				want["FutureElement"] = future
			}

			b.inject(emulator.Fault{Kind: tt.kind, Count: 1})
			r.call(t, "DescribeInvocations").wantCode(t, 200, "")
			got := r.call(t, list).object(t)
			got["RequestId"] = want["RequestId"]
			if g, w := canonical(t, got), canonical(t, want); g != w {
				t.Errorf("answer\n%s\nwant\n%s", g, w)
			}
			after := r.call(t, list).object(t)
			after["RequestId"] = want["RequestId"]
			if before := canonical(t, proper.object(t)); canonical(t, after) != before {
				t.Errorf("a fault for one call met a second: %s", canonical(t, after))
			}
		})
	}
}

func canonical(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The faults have forms in XML too.
func TestFaultsOfRowsInXML(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.putStrange()
	for kind, want := range map[emulator.FaultKind]string{
		emulator.FaultExitCodeEmpty:   "<ExitCode></ExitCode>",
		emulator.FaultExitCodeText:    "<ExitCode>-1</ExitCode>",
		emulator.FaultUnknownStatus:   "<InvocationStatus>Hibernating</InvocationStatus>",
		emulator.FaultBareTags:        "<Tags><TagKey>owner</TagKey><TagValue>x</TagValue></Tags>",
		emulator.FaultUnknownElements: "<TagValue>x</TagValue><FutureElement><Text>",
		emulator.FaultExitCodeNull:    "<InstanceId>i</InstanceId>",
	} {
		b.inject(emulator.Fault{Kind: kind, Count: 1})
		got := b.raw(nil).call(t, list, "Format", "XML")
		if err := xml.Unmarshal([]byte(got.body), new(struct{})); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if !strings.Contains(got.body, want) {
			t.Errorf("%s: %s lacks %s", kind, got.body, want)
		}
		if kind == emulator.FaultExitCodeNull && strings.Contains(got.body, "ExitCode") {
			t.Errorf("XML has no null, but ExitCode is sent: %s", got.body)
		}
	}
}

// The vendor's client fails on the bare array, and takes the other shapes.
func TestSDKMeetsFaultsOfRows(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.putStrange()
	for _, kind := range []emulator.FaultKind{
		emulator.FaultBareTags, emulator.FaultDuplicateRows, emulator.FaultUnknownElements,
		emulator.FaultUnknownStatus, emulator.FaultExitCodeNull, emulator.FaultExitCodeEmpty, emulator.FaultExitCodeText,
	} {
		b.inject(emulator.Fault{Kind: kind, Count: 1})
		_, err := b.sdk.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest())
		if failed := err != nil; failed != (kind == emulator.FaultBareTags) {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}

// Whatever the sizes of list and page, a shuffled walk gives every row once, and not newest first.
func TestShuffledWalkIsComplete(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	ids := []string{}
	for _, id := range strings.Split("abcdefghijkl", "") {
		b.put(emulator.Scripted{ID: "t-" + id, Rows: []emulator.Row{{InstanceID: "i"}}})
		ids = append(ids, "t-"+id+"/i")
	}
	b.inject(emulator.Fault{Kind: emulator.FaultShuffle})
	var order []string
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.SampledFrom([]string{"1", "2", "5", "12", "50"}).Draw(rt, "MaxResults")
		var all []string
		for token, pages := "", 0; token != "" || pages == 0; pages++ {
			page := r.call(t, list, "MaxResults", size, "NextToken", token)
			all = append(all, keys(page.rows(t))...)
			token = page.invocation(t)["NextToken"].(string)
		}
		if order == nil {
			order = all
		}
		if !slices.Equal(all, order) {
			rt.Fatalf("the walk %v has another order than one in other pages, %v", all, order)
		}
	})
	if sorted := slices.Sorted(slices.Values(order)); !slices.Equal(sorted, ids) {
		t.Errorf("the walk gives %v, want each of %v once", order, ids)
	}
	newestFirst := func(a, b string) int { return strings.Compare(b, a) }
	if slices.IsSortedFunc(order, newestFirst) || slices.IsSorted(order) {
		t.Errorf("the walk %v is in order", order)
	}
}

func TestFaultsOfRowsMeetNoOtherAction(t *testing.T) {
	b := newBench(t, emulator.Options{})
	for _, kind := range []emulator.FaultKind{emulator.FaultBareTags, emulator.FaultShuffle} {
		if _, err := b.e.Inject(emulator.Fault{Kind: kind, Action: "RunCommand"}); err == nil {
			t.Errorf("%s was accepted for RunCommand", kind)
		}
		b.inject(emulator.Fault{Kind: kind, Action: list})()
	}
	kinds := map[emulator.FaultKind]bool{}
	for _, kind := range emulator.FaultKinds() {
		kinds[kind] = true
		b.inject(emulator.Fault{Kind: kind})()
	}
	if len(kinds) != len(emulator.FaultKinds()) || len(kinds) != 21 {
		t.Errorf("kinds %v, want 21 different ones", slices.Sorted(maps.Keys(kinds)))
	}
}
