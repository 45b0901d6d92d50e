package emulator_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// pageNotes are what the page says outside its tables, in its order, and its table of RAM. Of the events that it recommends in place of
// polling, the emulator sends none.
var pageNotes = []string{
	"only this tells how a command ended",
	"records of the last four weeks, 100,000 at most",
	"the first page needs MaxResults alone, further ones NextToken too",
	"RAM: the action is ecs:DescribeInvocationResults, of a command and an instance",
}

// pageDifferences are what the page says of the two actions that tell of invocations, in its order.
var pageDifferences = []string{
	"several instances: DescribeInvocations aggregates, this does not",
	"one instance: both tell the same",
	"the history of a schedule is here alone",
	"the content and the parameters of a command are in DescribeInvocations alone",
}

// invocationOf asks DescribeInvocations for one invocation.
func (r *raw) invocationOf(t *testing.T, invokeID string, more ...string) map[string]any {
	t.Helper()
	answer := r.call(t, "DescribeInvocations", append(more, "InvokeId", invokeID)...).object(t)
	invocations, _ := answer["Invocations"].(map[string]any)
	all, _ := invocations["Invocation"].([]any)
	if len(all) != 1 {
		t.Fatalf("DescribeInvocations answers %v, want one invocation", answer)
	}
	return all[0].(map[string]any)
}

func instancesOf(invocation map[string]any) []any {
	return invocation["InvokeInstances"].(map[string]any)["InvokeInstance"].([]any)
}

// The notes of the page, and its table of RAM.
func TestPageNotes(t *testing.T) {
	b, r := newPageBench(t)
	page := newPage(t, pageNotes)
	t.Run(page.row("only this tells how a command ended"), func(t *testing.T) {
		submitted := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "exit 3", "InstanceId.1", firstID)
		submitted.wantCode(t, 200, "")
		invokeID := submitted.object(t)["InvokeId"].(string)
		(&bench{T: t, e: b.e}).status(invokeID, firstID, emulator.StatusFailed)
		if row := r.call(t, list, "InvokeId", invokeID).rows(t)[0]; row["ExitCode"] != 3.0 {
			t.Errorf("the command was accepted, and its result is %v", row)
		}
	})
	t.Run(page.row("records of the last four weeks, 100,000 at most"), func(t *testing.T) {
		b, r := newPageBench(t)
		b.put(emulator.Scripted{ID: "t-kept", Rows: []emulator.Row{{InstanceID: "i-1", InvocationStatus: emulator.StatusSuccess}}})
		for _, wait := range []struct {
			time time.Duration
			want int
		}{{4*7*24*time.Hour - time.Second, 1}, {2 * time.Second, 0}} {
			if err := b.e.Advance(wait.time); err != nil {
				t.Fatal(err)
			}
			if rows := r.call(t, list, "InvokeId", "t-kept").rows(t); len(rows) != wait.want {
				t.Errorf("%d rows after another %v, want %d", len(rows), wait.time, wait.want)
			}
		}
		for n := range 4 {
			b.put(emulator.Scripted{ID: "t-" + strconv.Itoa(n), CommandID: "c-few", Rows: []emulator.Row{{InstanceID: "i-1", InvocationStatus: emulator.StatusSuccess}}})
		}
		// The documented number is the default; a smaller one is counted out.
		if err := b.e.SetRetention(emulator.Retention{MaxRecords: 3}); err != nil {
			t.Fatal(err)
		}
		if got := keys(r.call(t, list, "CommandId", "c-few").rows(t)); !slices.Equal(got, []string{"t-3/i-1", "t-2/i-1", "t-1/i-1"}) {
			t.Errorf("of four records the newest three should be kept, and are %v", got)
		}
	})
	t.Run(page.row("the first page needs MaxResults alone, further ones NextToken too"), func(t *testing.T) {
		first := r.call(t, list, "InstanceId", "i-1", "MaxResults", "1")
		token := first.invocation(t)["NextToken"].(string)
		second := r.call(t, list, "InstanceId", "i-1", "MaxResults", "1", "NextToken", token)
		got := append(keys(first.rows(t)), keys(second.rows(t))...)
		if !slices.Equal(got, []string{"t-2/i-1", "t-1/i-1"}) || second.invocation(t)["NextToken"] != "" {
			t.Errorf("the pages are %v, the last NextToken %v", got, second.invocation(t)["NextToken"])
		}
	})
	t.Run(page.row("RAM: the action is ecs:DescribeInvocationResults, of a command and an instance"), func(t *testing.T) {
		allowed := b.as(policy(ram.Allow, "ecs:DescribeInvocationResults", "command/*", "instance/*"))
		allowed.clock = r.clock
		allowed.call(t, list).wantCode(t, 200, "")
		allowed.call(t, "DescribeInvocations").wantCode(t, 403, "Forbidden.RAM")
		for _, lacking := range []ram.Policy{
			policy(ram.Allow, "ecs:DescribeInvocationResults", "command/*"),
			policy(ram.Allow, "ecs:DescribeInvocationResults", "instance/*"),
			policy(ram.Allow, "ecs:DescribeInvocations", "command/*", "instance/*"),
		} {
			denied := b.as(lacking)
			denied.clock = r.clock
			denied.call(t, list).wantCode(t, 403, "Forbidden.RAM")
		}
	})
	page.done()
}

// The differences of DescribeInvocations and DescribeInvocationResults.
func TestPageDifferences(t *testing.T) {
	b, r := newPageBench(t)
	page := newPage(t, pageDifferences)
	t.Run(page.row("several instances: DescribeInvocations aggregates, this does not"), func(t *testing.T) {
		invocation := r.invocationOf(t, "t-1")
		if got := invocation["InvocationStatus"]; got != "PartialFailed" || len(instancesOf(invocation)) != 2 {
			t.Errorf("the aggregate of Success and Failed is %v, of %d instances", got, len(instancesOf(invocation)))
		}
		statuses := map[string]any{}
		for _, row := range r.call(t, list, "InvokeId", "t-1").rows(t) {
			statuses[row["InstanceId"].(string)] = row["InvocationStatus"]
		}
		if statuses["i-1"] != "Success" || statuses["i-2"] != "Failed" {
			t.Errorf("the statuses are %v, want one for each instance", statuses)
		}
	})
	t.Run(page.row("one instance: both tell the same"), func(t *testing.T) {
		one := instancesOf(r.invocationOf(t, "t-1", "InstanceId", "i-2", "IncludeOutput", "true"))[0].(map[string]any)
		row := r.call(t, list, "InvokeId", "t-1", "InstanceId", "i-2").rows(t)[0]
		for there, here := range map[string]string{
			"InstanceId": "InstanceId", "InvocationStatus": "InvocationStatus", "ExitCode": "ExitCode", "ErrorCode": "ErrorCode",
			"ErrorInfo": "ErrorInfo", "Output": "Output", "Dropped": "Dropped", "Repeats": "Repeats", "StartTime": "StartTime",
			"FinishTime": "FinishedTime", "StopTime": "StopTime",
		} {
			if got, sent := one[there]; !sent || got != row[here] {
				t.Errorf("%s there is %v, %s here %v", there, got, here, row[here])
			}
		}
	})
	t.Run(page.row("the history of a schedule is here alone"), func(t *testing.T) {
		here := r.call(t, list, "InvokeId", "t-3", "IncludeHistory", "true").rows(t)
		there := instancesOf(r.invocationOf(t, "t-3", "IncludeHistory", "true"))
		if len(here) != 3 || len(there) != 1 {
			t.Errorf("%d rows here, %d there; want 3 past runs, and the last alone", len(here), len(there))
		}
	})
	t.Run(page.row("the content and the parameters of a command are in DescribeInvocations alone"), func(t *testing.T) {
		submitted := r.call(t, "RunCommand", "Type", "RunShellScript", "CommandContent", "echo {{word}}", "InstanceId.1", firstID,
			"EnableParameter", "true", "Parameters", `{"word":"hello"}`).object(t)
		invokeID := submitted["InvokeId"].(string)
		(&bench{T: t, e: b.e}).status(invokeID, firstID, emulator.StatusSuccess)
		there := r.invocationOf(t, invokeID, "ContentEncoding", "PlainText")
		var parameters map[string]string
		if err := json.Unmarshal([]byte(there["Parameters"].(string)), &parameters); err != nil {
			t.Fatal(err)
		}
		if there["CommandContent"] != "echo {{word}}" || parameters["word"] != "hello" {
			t.Errorf("there they are %q and %v", there["CommandContent"], parameters)
		}
		here := r.call(t, list, "InvokeId", invokeID).rows(t)[0]
		for _, name := range []string{"CommandContent", "Parameters"} {
			if value, sent := here[name]; sent {
				t.Errorf("here %s is %v", name, value)
			}
		}
	})
	page.done()
}
