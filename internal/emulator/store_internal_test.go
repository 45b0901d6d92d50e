package emulator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
)

// everyRecord are all rows of the store, in the order of making.
func (s *store) everyRecord() []*row {
	var all []*row
	for _, i := range s.invocations {
		all = append(append(all, i.Rows...), i.History...)
	}
	slices.SortFunc(all, func(a, b *row) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all
}

// survivors are the records that retention leaves, found the slow way: the oldest goes that has ended, a past run or
// a whole invocation, while it is too old or there are too many.
func (s *store) survivors(now time.Time) []*row {
	left := s.everyRecord()
	// ageOf is zero for what goes on.
	ageOf := func(r *row) time.Time {
		youngest := r.age()
		for _, other := range left {
			if r.past || other.past || other.invocation != r.invocation {
				continue
			}
			if !Terminal(other.InvocationStatus) {
				return time.Time{}
			}
			if other.age().After(youngest) {
				youngest = other.age()
			}
		}
		return youngest
	}
	for {
		var oldest *row
		var age time.Time
		count := map[scopeKey]int{}
		for _, r := range left {
			count[r.invocation.scopeKey()]++
		}
		for _, r := range left {
			its := ageOf(r)
			due := !now.Before(its.Add(s.retention.MaxAge)) || count[r.invocation.scopeKey()] > s.retention.MaxRecords
			if !its.IsZero() && due && (oldest == nil || its.Before(age)) {
				oldest, age = r, its
			}
		}
		if oldest == nil {
			return left
		}
		left = slices.DeleteFunc(left, func(r *row) bool { return r == oldest || !oldest.past && r.invocation == oldest.invocation })
	}
}

// Whatever happens to invocations, in whatever order: every filter finds what a look at each record finds, and
// retention leaves what it should.
func TestStoreFindsWhatIsThere(t *testing.T) {
	statuses := []string{StatusPending, StatusRunning, StatusStopping, StatusSuccess, StatusFailed, StatusTimeout, StatusTerminated}
	texts := []string{"", "a", "b"}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, from []string) string { return rapid.SampledFrom(from).Draw(t, label) }
		fake := clocktesting.NewFakeClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
		e, err := New(Options{
			Clock: fake, ScratchDir: "unused", RegionIDs: []string{"r", "s"},
			Retention: Retention{MaxAge: 5 * time.Minute, MaxRecords: 6},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		id := func() string { return fmt.Sprint("t-", rapid.IntRange(0, 5).Draw(t, "invocation")) }
		drawRow := func() Row {
			r := Row{
				InstanceID: "i-" + pick("instance", texts), InvocationStatus: pick("status", statuses),
				CommandID: pick("command", texts), InvokeRecordStatus: pick("record", []string{"", "", RecordFailed}),
			}
			if rapid.Bool().Draw(t, "finished") {
				r.FinishedTime = fake.Now().Add(-time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds ago")) * time.Second)
			}
			return r
		}
		drawTags := func() []Tag {
			return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Tag {
				return Tag{rapid.SampledFrom(texts[1:]).Draw(t, "key"), rapid.SampledFrom(texts).Draw(t, "value")}
			}), 0, 2).Draw(t, "tags")
		}
		t.Repeat(map[string]func(*rapid.T){
			"an invocation comes": func(t *rapid.T) {
				s := Scripted{
					ID: id(), RegionID: pick("region", []string{"r", "r", "s"}), ResourceGroupID: pick("group", texts),
					RepeatMode: pick("mode", []string{RepeatOnce, RepeatPeriod}), Tags: drawTags(), CommandID: pick("command", texts),
				}
				for range rapid.IntRange(0, 3).Draw(t, "rows") {
					s.Rows = append(s.Rows, drawRow())
				}
				if err := e.PutInvocation(s); err != nil {
					t.Fatal(err)
				}
			},
			// The errors are of invocations that do not exist, or do not repeat.
			"a row comes or changes": func(*rapid.T) { r := drawRow(); r.InvokeID = id(); _ = e.PutRow(r) },
			"a past run comes":       func(*rapid.T) { r := drawRow(); r.InvokeID = id(); _ = e.PutHistory(r) },
			"a row changes": func(*rapid.T) {
				changed := drawRow()
				_ = e.UpdateRow(id(), "i-"+pick("instance", texts), func(r *Row) {
					changed.InvokeID = r.InvokeID
					*r = changed
				})
			},
			"a row hides or is late": func(t *rapid.T) {
				hidden, late := rapid.Bool().Draw(t, "hidden"), rapid.IntRange(0, 100).Draw(t, "seconds late")
				_ = e.changeRow(id(), "i-"+pick("instance", texts), func(r *row) {
					r.Hidden, r.VisibleAt = hidden, fake.Now().Add(time.Duration(late)*time.Second)
				})
			},
			"an invocation goes": func(*rapid.T) { _ = e.ForgetInvocation(id()) },
			"time passes": func(t *rapid.T) {
				fake.Step(time.Duration(rapid.IntRange(1, 200).Draw(t, "seconds")) * time.Second)
				want := e.store.survivors(e.now())
				e.forgetExpired()
				if got := e.store.everyRecord(); !slices.Equal(got, want) {
					t.Fatalf("retention leaves %d records, want %d, or others", len(got), len(want))
				}
			},
			"": func(t *rapid.T) {
				if err := e.CheckIndexes(); err != nil {
					t.Fatal(err)
				}
				q := query{
					scopeKey: scopeKey{DefaultAccountID, pick("region", []string{"r", "s"})}, resourceGroupID: pick("group", texts),
					instanceID: pick("instance", []string{"", "i-a", "i-b"}), commandID: pick("command", texts),
					recorded: pick("filter", recordFilters), tags: drawTags(),
				}
				everything := paging{number: 1, limit: 1000}
				l, err := e.listRows(&Call{}, q)
				if err != nil {
					t.Fatal(err)
				}
				found, total, _ := l.take(everything, 0)
				slices.Reverse(found)
				scanned := slices.DeleteFunc(e.store.everyRecord(), func(r *row) bool {
					return r.past || r.invocation.scopeKey() != q.scopeKey || !q.match(r, e.now())
				})
				if !slices.Equal(found, scanned) || total != len(scanned) {
					t.Fatalf("%+v finds %d rows of %d, a scan %d, or others", q, len(found), total, len(scanned))
				}
				f := invocationFilter{InstanceID: q.instanceID, ResourceGroupID: q.resourceGroupID, CommandID: q.commandID, Tags: q.tags, Status: pick("status", append(invokeStatuses, ""))}
				invocations, total, _ := e.listInvocations(q.scopeKey, f, e.now()).take(everything, 0)
				slices.Reverse(invocations)
				all := slices.SortedFunc(maps.Values(e.store.invocations), func(a, b *invocation) int { return cmp.Compare(a.Sequence, b.Sequence) })
				all = slices.DeleteFunc(all, func(i *invocation) bool { return i.scopeKey() != q.scopeKey || !f.match(i, e.now()) })
				if !slices.Equal(invocations, all) || total != len(all) {
					t.Fatalf("%+v finds %d invocations of %d, a scan %d, or others", f, len(invocations), total, len(all))
				}
			},
		})
	})
}
