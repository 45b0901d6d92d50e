package emulator_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// set replaces the settings or fails.
func (b *bench) set(s emulator.Settings) {
	b.Helper()
	if err := b.e.SetSettings(s); err != nil {
		b.Fatal(err)
	}
}

// walk asks for all pages and returns what identifies their rows.
func (r *raw) walk(t *testing.T, size int, namesAndValues ...string) []string {
	t.Helper()
	var all []string
	for token, pages := "", 0; token != "" || pages == 0; pages++ {
		page := r.call(t, list, append([]string{"MaxResults", strconv.Itoa(size), "NextToken", token}, namesAndValues...)...)
		all = append(all, keys(page.rows(t))...)
		token = page.invocation(t)["NextToken"].(string)
	}
	return all
}

// putMany adds n invocations, t-0 and so on, each with two rows on instances whose IDs grow the other way.
func (b *bench) putMany(n int, tags ...emulator.Tag) {
	b.Helper()
	for i := range n {
		b.put(emulator.Scripted{ID: fmt.Sprintf("t-%d", i), Tags: tags, Rows: []emulator.Row{
			{InstanceID: fmt.Sprintf("i-%d", 9-i%10)}, {InstanceID: "i-z"},
		}})
	}
}

func TestRowOrders(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.putMany(3)
	r := b.raw(nil)
	oldest := []string{"t-0/i-9", "t-0/i-z", "t-1/i-8", "t-1/i-z", "t-2/i-7", "t-2/i-z"}
	newest := slices.Clone(oldest)
	slices.Reverse(newest)
	for order, want := range map[emulator.RowOrder][]string{
		"":                        newest,
		emulator.OrderNewestFirst: newest,
		emulator.OrderOldestFirst: oldest,
		emulator.OrderByInstance:  {"t-2/i-7", "t-1/i-8", "t-0/i-9", "t-2/i-z", "t-1/i-z", "t-0/i-z"},
	} {
		t.Run(string(order), func(t *testing.T) {
			b.set(emulator.Settings{RowOrder: order})
			if got := keys(r.call(t, list).rows(t)); !slices.Equal(got, want) {
				t.Errorf("rows %v, want %v", got, want)
			}
		})
	}
	t.Run("Shuffled", func(t *testing.T) {
		seen := map[string]bool{}
		for seed := range uint64(5) {
			b.set(emulator.Settings{RowOrder: emulator.OrderShuffled, Seed: seed})
			got := keys(r.call(t, list).rows(t))
			if !slices.Equal(slices.Sorted(slices.Values(got)), oldest) {
				t.Errorf("seed %d: rows %v, want each of %v once", seed, got, oldest)
			}
			seen[strings.Join(got, " ")] = true
		}
		if len(seen) != 5 {
			t.Errorf("5 seeds give the orders %v, want 5 of them", seen)
		}
	})
}

// Over a list that stands still, a walk gives the same rows in the same order whatever the size of its pages, under
// every order and kind of token.
func TestWalksAreComplete(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.putMany(6)
	r := b.raw(nil)
	rapid.Check(t, func(rt *rapid.T) {
		b.set(emulator.Settings{
			RowOrder: rapid.SampledFrom([]emulator.RowOrder{
				emulator.OrderNewestFirst, emulator.OrderOldestFirst, emulator.OrderByInstance, emulator.OrderShuffled,
			}).Draw(rt, "order"),
			Seed:       rapid.Uint64().Draw(rt, "seed"),
			PageTokens: rapid.SampledFrom([]emulator.TokenKind{emulator.TokensKeyset, emulator.TokensOffset}).Draw(rt, "tokens"),
		})
		var filter []string
		if rapid.Bool().Draw(rt, "filtered") {
			filter = []string{"InstanceId", "i-z"}
		}
		whole := r.walk(t, 50, filter...)
		if size := rapid.SampledFrom([]int{1, 5, 11}).Draw(rt, "size"); !slices.Equal(r.walk(t, size, filter...), whole) {
			rt.Fatalf("a walk by pages of %d is not %v", size, whole)
		}
	})
}

// Rows that come and go between two pages: a keyset goes on behind the last row shown, an offset does not.
func TestTokensOverAMovingList(t *testing.T) {
	for kind, want := range map[emulator.TokenKind]struct{ afterNew, afterGone string }{
		emulator.TokensKeyset: {"t-1/i", "t-1/i"},
		emulator.TokensOffset: {"t-2/i", "t-0/i"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t, emulator.Options{Settings: emulator.Settings{PageTokens: kind}})
			r := b.raw(nil)
			for _, id := range []string{"t-0", "t-1", "t-2", "t-3"} {
				b.put(emulator.Scripted{ID: id, Rows: []emulator.Row{{InstanceID: "i"}}})
			}
			token := r.call(t, list, "MaxResults", "2").invocation(t)["NextToken"].(string)
			next := func() string { return keys(r.call(t, list, "MaxResults", "2", "NextToken", token).rows(t))[0] }

			b.put(emulator.Scripted{ID: "t-4", Rows: []emulator.Row{{InstanceID: "i"}}})
			if got := next(); got != want.afterNew {
				t.Errorf("a row came: the second page begins with %s, want %s", got, want.afterNew)
			}
			for _, id := range []string{"t-4", "t-3"} {
				if err := b.e.ForgetInvocation(id); err != nil {
					t.Fatal(err)
				}
			}
			if got := next(); got != want.afterGone {
				t.Errorf("a row went: the second page begins with %s, want %s", got, want.afterGone)
			}
		})
	}
}

// A token means nothing under settings by which it would mean another place.
func TestTokensAreBoundToSettings(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.putMany(3)
	r := b.raw(nil)
	token := r.call(t, list, "MaxResults", "2").invocation(t)["NextToken"].(string)
	for name, s := range map[string]emulator.Settings{
		"order": {RowOrder: emulator.OrderOldestFirst}, "kind": {PageTokens: emulator.TokensOffset},
	} {
		b.set(s)
		t.Run(name, func(t *testing.T) {
			r.call(t, list, "MaxResults", "2", "NextToken", token).wantCode(t, 400, "InvalidParameter.NextToken")
		})
	}
}

func TestHistoryWithLiveRow(t *testing.T) {
	b, r := newPageBench(t)
	b.set(emulator.Settings{HistoryWithLiveRow: true})
	rows := r.call(t, list, "InvokeId", "t-3", "IncludeHistory", "true").rows(t)
	repeats := make([]any, len(rows))
	for n, row := range rows {
		repeats[n] = row["Repeats"]
	}
	if want := []any{3.0, 2.0, 1.0, 0.0}; !slices.Equal(repeats, want) {
		t.Errorf("rows with Repeats %v, want the three past runs and the live row: %v", repeats, want)
	}
}

// A filter by tags finds the newest invocations that have them, and no more than the limit.
func TestTagFilterIsLimited(t *testing.T) {
	b := newBench(t, emulator.Options{})
	tag := emulator.Tag{Key: "a", Value: "1"}
	b.putMany(1001, tag)
	b.put(emulator.Scripted{ID: "t-untagged", Rows: []emulator.Row{{InstanceID: "i-z"}}})
	r := b.raw(nil)
	tagged := []string{"Tag.1.Key", tag.Key, "Tag.1.Value", tag.Value}
	total := func(action string, filter ...string) any {
		t.Helper()
		object := r.call(t, action, append([]string{"PageSize", "1"}, filter...)...).object(t)
		if inner, ok := object["Invocation"].(map[string]any); ok {
			object = inner
		}
		return object["TotalCount"]
	}
	if rows, invocations := total(list, tagged...), total("DescribeInvocations", tagged...); rows != 2000.0 || invocations != 1000.0 {
		t.Errorf("%v rows of %v invocations found, want 2000 of 1000", rows, invocations)
	}
	if got := total(list, append(tagged, "InvokeId", "t-0")...); got != 0.0 {
		t.Errorf("%v rows of the oldest invocation found, which is the 1001st", got)
	}
	if got := total(list); got != 2003.0 {
		t.Errorf("%v rows found without tags, want all 2003", got)
	}
	b.set(emulator.Settings{MaxTagged: 3})
	if got := total(list, tagged...); got != 6.0 {
		t.Errorf("%v rows found with a limit of 3, want 6", got)
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	b := newBench(t, emulator.Options{})
	before := b.e.Settings()
	for want, s := range map[string]emulator.Settings{
		"row order": {RowOrder: "Random"}, "page tokens": {PageTokens: "Cursor"}, "by tags": {MaxTagged: -1},
		"wait for a boot": {NextRebootStatus: "Asleep"}, "at once": {MaxActiveTasks: -1}, "kept": {MaxCommands: -1},
	} {
		if err := b.e.SetSettings(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one about the %s", s, err, want)
		}
		if _, err := emulator.New(emulator.Options{Settings: s}); err == nil {
			t.Errorf("an emulator was made with %+v", s)
		}
	}
	if b.e.Settings() != before {
		t.Errorf("refused settings were taken: %+v", b.e.Settings())
	}
}
