package emulator_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestScriptedRows(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{{InstanceID: "i-1"}}})
	status := func(instanceID string) any {
		t.Helper()
		rows := r.call(t, list, "InvokeId", "t-1", "InstanceId", instanceID).rows(t)
		if len(rows) != 1 {
			t.Fatalf("rows %v, want one", rows)
		}
		return fmt.Sprint(rows[0]["InvocationStatus"], " ", rows[0]["CommandId"], " ", rows[0]["Username"])
	}
	if got := status("i-1"); got != "Pending c-t-1 root" {
		t.Errorf("put without a status it is %s", got)
	}
	if err := b.e.UpdateRow("t-1", "i-1", func(r *emulator.Row) { r.InvocationStatus = "Stopping" }); err != nil {
		t.Fatal(err)
	}
	if got := status("i-1"); got != "Stopping c-t-1 root" {
		t.Errorf("updated it is %s", got)
	}
	for _, instanceID := range []string{"i-1", "i-2"} {
		if err := b.e.PutRow(emulator.Row{InvokeID: "t-1", InstanceID: instanceID, InvocationStatus: "Success", Username: "me"}); err != nil {
			t.Fatal(err)
		}
		if got := status(instanceID); got != "Success c-t-1 me" {
			t.Errorf("put anew it is %s", got)
		}
	}
	if got := len(b.e.Rows("t-1")); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}

	// Stopping waits for no process, for there is none.
	b.put(emulator.Scripted{ID: "t-2", Rows: []emulator.Row{{InstanceID: "i-1"}, {InstanceID: "i-2", InvocationStatus: "Running"}}})
	r.call(t, "StopInvocation", "InvokeId", "t-2").wantCode(t, 200, "")
	rows := b.e.Rows("t-2")
	if rows[0].InvocationStatus != "Cancelled" || rows[1].InvocationStatus != "Terminated" || rows[1].StopTime.IsZero() ||
		rows[1].FinishedTime.IsZero() || rows[1].ErrorCode != "ExecutionInterrupted" {
		t.Errorf("stopped, the rows are %+v", rows)
	}

	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{{InstanceID: "i-9"}}})
	if got := keys(r.call(t, list).rows(t)); !slices.Equal(got, []string{"t-1/i-9", "t-2/i-2", "t-2/i-1"}) {
		t.Errorf("rows %v, want those of the replaced invocation only, as the newest", got)
	}
	b.put(emulator.Scripted{ID: "t-boot", RepeatMode: emulator.RepeatEveryReboot, Rows: []emulator.Row{{InstanceID: "i-1"}}})
	if err := b.e.PutHistory(emulator.Row{InvokeID: "t-boot", InstanceID: "i-1", InvocationStatus: "Success"}); err != nil {
		t.Errorf("no history of an invocation that runs at every reboot: %v", err)
	}
	if rows := r.call(t, list, "InvokeId", "t-boot", "IncludeHistory", "true").rows(t); len(rows) != 1 || rows[0]["InvocationStatus"] != "Success" {
		t.Errorf("the history is %v", rows)
	}
	for name, err := range map[string]error{
		"no ID":                        b.e.PutInvocation(emulator.Scripted{}),
		"no such region":               b.e.PutInvocation(emulator.Scripted{ID: "t-3", RegionID: "mars-1"}),
		"no such invocation":           b.e.PutRow(emulator.Row{InvokeID: "t-3"}),
		"no such invocation to update": b.e.UpdateRow("t-3", "i-1", func(*emulator.Row) {}),
		"no such row to update":        b.e.UpdateRow("t-1", "i-1", func(*emulator.Row) {}),
		"no such invocation's history": b.e.PutHistory(emulator.Row{InvokeID: "t-3"}),
		"no history of a one-time run": b.e.PutHistory(emulator.Row{InvokeID: "t-1"}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A walk over all pages yields every row once, newest first, whatever the page size, the filter and what is added
// meanwhile.
func TestWalkYieldsEveryRowOnce(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	added := 0
	rapid.Check(t, func(rt *rapid.T) {
		var want []string
		commandID := fmt.Sprintf("c-%d", added)
		add := func(commandID string) string {
			added++
			id := fmt.Sprintf("t-%d", added)
			b.put(emulator.Scripted{ID: id, CommandID: commandID, Rows: []emulator.Row{{InstanceID: "i"}}})
			return id + "/i"
		}
		for _, ours := range rapid.SliceOfN(rapid.Bool(), 0, 25).Draw(rt, "ours") {
			if ours {
				want = append(want, add(commandID))
			} else {
				add("c-other")
			}
		}
		slices.Reverse(want)
		size := rapid.IntRange(1, 12).Draw(rt, "size")
		var got []string
		for token := ""; ; {
			answer := r.call(t, list, "MaxResults", fmt.Sprint(size), "NextToken", token, "CommandId", commandID)
			page := keys(answer.rows(t))
			if len(page) > size {
				rt.Fatalf("a page of %d holds %d rows", size, len(page))
			}
			got = append(got, page...)
			if token = answer.invocation(t)["NextToken"].(string); token == "" {
				break
			}
			// What is new comes before the walk's place and must not disturb it.
			add(commandID)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("walk %v, want %v", got, want)
		}
	})
}
