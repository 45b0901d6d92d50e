package emulator_test

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// Four weeks after its creation a record is gone, as if it had never been; what has not ended stays.
func TestRecordsExpire(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	b.put(emulator.Scripted{ID: "t-ended", Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusSuccess}}})
	b.put(emulator.Scripted{ID: "t-half", Rows: []emulator.Row{
		{InstanceID: "i", InvocationStatus: emulator.StatusSuccess}, {InstanceID: "j", InvocationStatus: emulator.StatusRunning},
	}})
	b.put(emulator.Scripted{ID: "t-schedule", RepeatMode: emulator.RepeatPeriod, Rows: []emulator.Row{
		{InstanceID: "i", InvocationStatus: emulator.StatusScheduled},
	}})
	for n := range 3 {
		if err := b.e.PutHistory(emulator.Row{
			InvokeID: "t-schedule", InstanceID: "i", Repeats: n + 1, InvocationStatus: emulator.StatusFailed,
			FinishedTime: noon.Add(time.Duration(n) * 24 * time.Hour),
		}); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(want ...string) {
		t.Helper()
		got := keys(r.call(t, list).rows(t))
		if !slices.Equal(got, want) {
			t.Errorf("rows %v, want %v", got, want)
		}
	}
	runs := func(want int) {
		t.Helper()
		if got := len(r.call(t, list, "InvokeId", "t-schedule", "IncludeHistory", "true").rows(t)); got != want {
			t.Errorf("%d past runs, want %d", got, want)
		}
	}
	b.advance(28*24*time.Hour - time.Second)
	rows("t-schedule/i", "t-half/j", "t-half/i", "t-ended/i")
	runs(3)
	b.advance(time.Second)
	rows("t-schedule/i", "t-half/j", "t-half/i")
	runs(2)
	if got := r.call(t, list, "InvokeId", "t-ended"); got.status != 200 || len(got.rows(t)) != 0 {
		t.Errorf("the expired invocation answers %d %s, want an empty list", got.status, got.body)
	}
	r.call(t, "StopInvocation", "InvokeId", "t-ended").wantCode(t, 404, "InvalidInvokeId.NotFound")
	b.advance(24 * time.Hour)
	runs(1)
	// It ends now: its four weeks begin.
	if err := b.e.UpdateRow("t-schedule", "i", func(r *emulator.Row) {
		r.InvocationStatus, r.FinishedTime = emulator.StatusCancelled, noon.Add(29*24*time.Hour)
	}); err != nil {
		t.Fatal(err)
	}
	b.advance(28*24*time.Hour - time.Second)
	rows("t-schedule/i", "t-half/j", "t-half/i")
	b.advance(time.Second)
	rows("t-half/j", "t-half/i")
	if b.e.Rows("t-schedule") != nil {
		t.Error("the schedule is still there")
	}
}

// The status of what has ended stays as it is, until all of it is gone.
func TestRetentionChangesNoStatus(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{
		{InstanceID: "i", InvocationStatus: emulator.StatusSuccess, FinishedTime: noon},
		{InstanceID: "j", InvocationStatus: emulator.StatusTimeout, FinishedTime: noon.Add(24 * time.Hour)},
	}})
	b.advance(29*24*time.Hour - time.Second)
	got := r.call(t, list, "InvokeId", "t-1").rows(t)
	if len(got) != 2 || got[0]["InvokeRecordStatus"] != "PartialFailed" {
		t.Errorf("before the youngest row is four weeks old there are %v, want both rows of what failed in part", got)
	}
	b.advance(time.Second)
	if got := r.call(t, list, "InvokeId", "t-1").rows(t); len(got) != 0 {
		t.Errorf("rows %v are left of what has expired", got)
	}
}

// With an invocation goes what is remembered of it: the count of its calls, and its ClientToken, over a restart too.
func TestExpiredInvocationsLeaveNoTrace(t *testing.T) {
	options := emulator.Options{Simulations: []emulator.Simulation{{}}}
	b := newBench(t, options)
	submit := func(b *bench) string {
		return b.run("true", func(r *ecs.RunCommandRequest) { r.ClientToken = "token" })
	}
	first := submit(b)
	b.status(first, firstID, emulator.StatusSuccess)
	b.results(first)
	if again := submit(b); again != first {
		t.Fatalf("the token starts %s, after it has started %s", again, first)
	}
	var state bytes.Buffer
	must(t, b.e.SaveState(&state))
	restarted := newBench(t, options)
	must(t, restarted.e.LoadState(&state))
	if again := submit(restarted); again != first {
		t.Fatalf("after a restart the token starts %s, after it has started %s", again, first)
	}
	total := b.e.Calls().Total(list)
	b.advance(28 * 24 * time.Hour)
	restarted.advance(28 * 24 * time.Hour)
	for _, b := range []*bench{b, restarted} {
		if again := submit(b); again == first {
			t.Errorf("the token finds %s, which has expired", again)
		}
	}
	calls := b.e.Calls()
	if n, counted := calls[emulator.CallKey{Action: list, InvokeID: first}]; counted {
		t.Errorf("%d calls for the expired invocation are counted apart", n)
	}
	if got := calls.Total(list); got != total {
		t.Errorf("%d calls in all, want %d as before", got, total)
	}
}

// Above the number of records the oldest that have ended go, in each account and region for itself.
func TestRecordsAreLimited(t *testing.T) {
	b := newBench(t, emulator.Options{Retention: emulator.Retention{MaxRecords: 3}})
	r := b.raw(nil)
	b.put(emulator.Scripted{ID: "t-running", Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusRunning}}})
	b.put(emulator.Scripted{ID: "t-elsewhere", RegionID: "cn-beijing", Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusSuccess}}})
	for n := range 5 {
		b.put(emulator.Scripted{ID: fmt.Sprint("t-", n), Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusSuccess}}})
	}
	if got, want := keys(r.call(t, list).rows(t)), []string{"t-4/i", "t-3/i", "t-running/i"}; !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if got := keys(r.call(t, list, "RegionId", "cn-beijing").rows(t)); len(got) != 1 {
		t.Errorf("rows %v of another region, want its one", got)
	}
	a := b.admin()
	a.want(400, "PUT", "/retention", `{"maxRecords":-1}`)
	a.want(204, "PUT", "/retention", `{"maxAgeMillis":3600000,"maxRecords":1}`)
	if got, want := keys(r.call(t, list).rows(t)), []string{"t-running/i"}; !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	b.advance(time.Hour)
	if got := keys(r.call(t, list, "RegionId", "cn-beijing").rows(t)); len(got) != 0 {
		t.Errorf("rows %v an hour later, want none", got)
	}
}

// The history of a schedule that nobody asks about does not grow for ever.
func TestHistoryIsLimitedWithoutCalls(t *testing.T) {
	b := newBench(t, emulator.Options{Retention: emulator.Retention{MaxRecords: 3}})
	id := b.run("true", func(r *ecs.RunCommandRequest) { r.Frequency = "rate(1m)" })
	b.row(id, firstID, "run five times", func(r emulator.Row) bool {
		b.advance(time.Minute)
		return r.Repeats >= 5 && r.InvocationStatus == emulator.StatusScheduled
	})
	if got := b.raw(nil).call(t, list, "InvokeId", id, "IncludeHistory", "true").rows(t); len(got) != 2 {
		t.Errorf("%d past runs beside the live row, want 2 of 3 records", len(got))
	}
}

func TestRetentionMustNotBeNegative(t *testing.T) {
	for _, retention := range []emulator.Retention{{MaxAge: -1}, {MaxRecords: -1}} {
		if _, err := emulator.New(emulator.Options{Retention: retention}); err == nil || !strings.Contains(err.Error(), "negative") {
			t.Errorf("error %v, want one that says the retention is negative", err)
		}
	}
}

// What retention removes does not stay in memory.
func TestExpiredRecordsFreeMemory(t *testing.T) {
	const size = 1 << 20
	b := newBench(t, emulator.Options{})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for n := range 64 {
		b.put(emulator.Scripted{ID: fmt.Sprint("t-", n), Rows: []emulator.Row{{
			InstanceID: "i", InvocationStatus: emulator.StatusSuccess, Output: make([]byte, size),
		}}})
	}
	if grown := heap() - before; grown < 60*size {
		t.Fatalf("the heap grew by %d bytes only: the outputs are not where this test looks", grown)
	}
	b.put(emulator.Scripted{ID: "t-running", Rows: []emulator.Row{{InstanceID: "i", InvocationStatus: emulator.StatusRunning}}})
	b.advance(28 * 24 * time.Hour)
	if rows := b.results("t-running"); len(rows) != 1 {
		t.Errorf("%d rows of the run that goes on, want 1", len(rows))
	}
	if left := int64(heap()) - int64(before); left > 8*size {
		t.Errorf("%d bytes are left of 64 MiB of expired outputs", left)
	}
}
