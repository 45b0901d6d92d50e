package poller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// pageOf makes rows from words like "a1+": run a, instance 1, ended; without + it goes on.
func pageOf(words string) []cloudassistant.Record {
	var records []cloudassistant.Record
	for word := range strings.FieldsSeq(words) {
		row, ended := strings.CutSuffix(word, "+")
		status := cloudassistant.StatusRunning
		if ended {
			status = cloudassistant.StatusSuccess
		}
		records = append(records, cloudassistant.Record{InvokeID: row[:1], InstanceID: row[1:], InvocationStatus: status})
	}
	return records
}

func wordsOf(records []cloudassistant.Record) string {
	var words []string
	for _, r := range records {
		word := r.InvokeID + r.InstanceID
		if r.InvocationStatus.Terminal() {
			word += "+"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestRunsOf(t *testing.T) {
	order, rows := runsOf(pageOf("b1 a1 b2 c1 a2"))
	if got := fmt.Sprint(order); got != "[b a c]" {
		t.Errorf("order %s", got)
	}
	for id, want := range map[string]string{"a": "a1 a2", "b": "b1 b2", "c": "c1"} {
		if got := wordsOf(rows[id]); got != want {
			t.Errorf("rows of %s: %s, want %s", id, got, want)
		}
	}
	if order, rows := runsOf(nil); len(order) != 0 || len(rows) != 0 {
		t.Error("an empty page has runs")
	}
}

func TestWithin(t *testing.T) {
	for name, c := range map[string]struct {
		page        string
		first, last bool
		want        string
	}{
		"a page in the middle of a list": {page: "a1 b1 b2 c1", want: "b"},
		"its first page":                 {page: "a1 b1 b2 c1", first: true, want: "a b"},
		"its last page":                  {page: "a1 b1 b2 c1", last: true, want: "b c"},
		"all of it":                      {page: "a1 b1 b2 c1", first: true, last: true, want: "a b c"},
		"rows apart":                     {page: "x1 a1 b1 a2 y1", want: "b"},
		"rows apart, last":               {page: "x1 a1 b1 a2", last: true, want: "b"},
		"one run only":                   {page: "a1 a2 a3", want: ""},
		"one run, all of the list":       {page: "a1 a2 a3", first: true, last: true, want: "a"},
		"nothing":                        {page: "", first: true, last: true, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			var whole []string
			for id, yes := range within(pageOf(c.page), c.first, c.last) {
				if yes && id != "x" && id != "y" {
					whole = append(whole, id)
				}
			}
			slices.Sort(whole)
			if got := strings.Join(whole, " "); got != c.want {
				t.Errorf("whole: %q, want %q", got, c.want)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		rows, known string
		want        bool
	}{
		{"a1 a2", "a1", true}, {"a1", "a1 a2", false}, {"a2+ a1+", "a1 a2", true}, {"a1", "", false}, {"", "", false}, {"", "a1", false},
	} {
		if got := covers(pageOf(c.rows), pageOf(c.known)); got != c.want {
			t.Errorf("%q covers %q: %v", c.rows, c.known, got)
		}
	}
}

func TestGoesOn(t *testing.T) {
	for rows, want := range map[string]bool{"": false, "a1+ a2+": false, "a1+ a2": true, "a1": true} {
		if got := goesOn(pageOf(rows)); got != want {
			t.Errorf("%q goes on: %v", rows, got)
		}
	}
	strange := []cloudassistant.Record{{InvocationStatus: "Hibernating"}}
	if !goesOn(strange) {
		t.Error("a status that nobody knows is taken for an end")
	}
}

func TestMergeRows(t *testing.T) {
	for _, c := range []struct{ known, rows, want string }{
		{"", "a1 a2", "a1 a2"},
		{"a1 a2", "a2+", "a1 a2+"},
		{"a1+", "a1 a2", "a1+ a2"}, // an end is never undone
		{"a1+ a2", "", "a1+ a2"},
		{"a1", "a1 a1+", "a1+"},
	} {
		known := pageOf(c.known)
		if got := wordsOf(mergeRows(known, pageOf(c.rows))); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.known, c.rows, got, c.want)
		}
		if wordsOf(known) != c.known {
			t.Errorf("the rows that were known became %q", wordsOf(known))
		}
	}
}

// evidence are rows of runs r0, r1 and so on, newest first, that began a while after one another.
func evidence(n int, apart time.Duration) []cloudassistant.Record {
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var records []cloudassistant.Record
	for i := range n {
		records = append(records, cloudassistant.Record{
			InvokeID: fmt.Sprintf("r%d", i), InstanceID: "i-1", StartTime: start.Add(-time.Duration(i) * apart),
		})
	}
	return records
}

func TestTrust(t *testing.T) {
	now := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	apart := func(records []cloudassistant.Record, i, j int) []cloudassistant.Record {
		records[j].InvokeID, records[j].InstanceID = records[i].InvokeID, "i-2"
		return records
	}
	backwards := evidence(50, 2*time.Second)
	slices.Reverse(backwards)
	longBackwards := evidence(50, time.Minute)
	slices.Reverse(longBackwards)
	late := evidence(50, 2*time.Second)
	late[30].StartTime = late[0].StartTime
	scheduled := evidence(50, 2*time.Second)
	scheduled[30].StartTime, scheduled[30].Repeats = scheduled[0].StartTime.Add(time.Hour), 9
	ranOnce := evidence(50, 2*time.Second)
	ranOnce[30].StartTime, ranOnce[30].Repeats = ranOnce[0].StartTime.Add(time.Hour), 1
	ranOnce[30].InvocationStatus = cloudassistant.StatusScheduled
	for name, c := range map[string]struct {
		pages     [][]cloudassistant.Record
		right     int
		want      bool
		unordered bool
	}{
		"sorted, and right so far":         {pages: [][]cloudassistant.Record{evidence(50, 2*time.Second)}, right: trustFrom, want: true},
		"not right often enough":           {pages: [][]cloudassistant.Record{evidence(50, 2*time.Second)}, right: trustFrom - 1},
		"all began at once":                {pages: [][]cloudassistant.Record{evidence(50, 0)}, right: trustFrom},
		"too few rows":                     {pages: [][]cloudassistant.Record{evidence(19, time.Minute)}, right: trustFrom},
		"oldest first":                     {pages: [][]cloudassistant.Record{backwards}, right: trustFrom},
		"oldest first, over a long time":   {pages: [][]cloudassistant.Record{longBackwards}, right: trustFrom, unordered: true},
		"one that was delivered late":      {pages: [][]cloudassistant.Record{late}, right: trustFrom, want: true},
		"one of a schedule":                {pages: [][]cloudassistant.Record{scheduled}, right: trustFrom, want: true},
		"one of a schedule that ran once":  {pages: [][]cloudassistant.Record{ranOnce}, right: trustFrom, want: true},
		"rows of a run side by side":       {pages: [][]cloudassistant.Record{apart(evidence(50, 2*time.Second), 7, 8)}, right: trustFrom, want: true},
		"rows of a run apart":              {pages: [][]cloudassistant.Record{apart(evidence(50, 2*time.Second), 7, 9)}, right: trustFrom},
		"the list has moved by two places": {pages: [][]cloudassistant.Record{evidence(50, 2*time.Second), evidence(50, 2*time.Second)[48:]}, right: trustFrom, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			trust, listing := trust{right: c.right}, newListing()
			for _, page := range c.pages {
				listing.add(page, &trust, now)
			}
			if got := trust.believes(now); got != c.want || trust.ordered(now) == c.unordered {
				t.Errorf("believed: %v, want %v; %+v", got, c.want, trust)
			}
		})
	}
}

func TestTrustComesBack(t *testing.T) {
	now := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	trust := trust{right: trustFrom}
	newListing().add(evidence(50, 2*time.Second), &trust, now)
	trust.wrong(now)
	trust.right = trustFrom
	for after, want := range map[time.Duration]bool{0: false, distrust - time.Second: false, distrust: true} {
		if got := trust.believes(now.Add(after)); got != want {
			t.Errorf("believed after %v: %v", after, got)
		}
	}
}

// One row out of order is met again and again as long as it is there, and forgotten an hour later.
func TestOrderComesBack(t *testing.T) {
	now := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	var trust trust
	backwards := evidence(50, time.Minute)
	slices.Reverse(backwards)
	newListing().add(backwards, &trust, now.Add(-distrust/2))
	newListing().add(backwards, &trust, now)
	newListing().add(evidence(50, 2*time.Second), &trust, now.Add(distrust/2))
	for after, want := range map[time.Duration]bool{0: false, distrust - time.Second: false, distrust: true} {
		if got := trust.ordered(now.Add(after)); got != want {
			t.Errorf("ordered after %v: %v", after, got)
		}
		if got := trust.shallow(now.Add(after)); got != want {
			t.Errorf("not listed to its end after %v: %v", after, got)
		}
	}
}

func TestEndedListsAreOfDifferentStatuses(t *testing.T) {
	statuses := map[cloudassistant.InvokeRecordStatus]bool{}
	for _, l := range ended {
		statuses[l.status] = true
	}
	if len(statuses) != len(ended) || statuses[unfinished.status] || statuses[""] {
		t.Errorf("statuses %v", slices.Collect(maps.Keys(statuses)))
	}
}
