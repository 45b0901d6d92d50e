package cloudassistant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
)

// scriptedAPI answers the calls one by one, and remembers how it was asked.
type scriptedAPI struct {
	answers []any // *Page or error
	paging  []Paging
	onCall  func()
}

func (s *scriptedAPI) DescribeInvocationResults(_ context.Context, _ Query, paging Paging) (*Page, error) {
	s.paging = append(s.paging, paging)
	if s.onCall != nil {
		s.onCall()
	}
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if err, failed := next.(error); failed {
		return nil, err
	}
	return next.(*Page), nil
}

func pageOf(next string, ids ...string) *Page {
	page := &Page{RequestID: "R", NextToken: next, Bytes: 100}
	for _, id := range ids {
		page.Records = append(page.Records, Record{InvokeID: "t", InstanceID: id, InvocationStatus: StatusRunning})
	}
	return page
}

func instanceIDs(records []Record) []string {
	ids := make([]string, 0, len(records))
	for _, record := range records {
		ids = append(ids, record.InstanceID)
	}
	return ids
}

var errTokenExpired = &Error{Class: ClassTokenExpired, Code: "InvalidParameter.NextToken"}

func TestWalk(t *testing.T) {
	throttled := &Error{Class: ClassThrottled, Code: "Throttling.User"}
	for _, tc := range []struct {
		name     string
		answers  []any
		opts     WalkOptions
		want     []string
		complete bool
		pages    int
		err      error
	}{
		{name: "nothing", answers: []any{pageOf("")}, want: []string{}, complete: true, pages: 1},
		{name: "one page", answers: []any{pageOf("", "a", "b")}, want: []string{"a", "b"}, complete: true, pages: 1},
		{
			name: "three pages, one empty", answers: []any{pageOf("1", "b"), pageOf("2"), pageOf("", "a")},
			want: []string{"b", "a"}, complete: true, pages: 3,
		},
		{name: "a failing page", answers: []any{pageOf("1", "a"), throttled}, err: throttled},
		{name: "a page that runs out of time", answers: []any{pageOf("1", "a"), context.Canceled}, err: context.Canceled},
		{
			name: "page budget", answers: []any{pageOf("1", "a"), pageOf("2", "b"), pageOf("", "c")},
			opts: WalkOptions{MaxPages: 2}, want: []string{"a", "b"}, pages: 2,
		},
		{
			name: "page budget just enough", answers: []any{pageOf("1", "a"), pageOf("", "b")},
			opts: WalkOptions{MaxPages: 2}, want: []string{"a", "b"}, complete: true, pages: 2,
		},
		{
			name: "byte budget", answers: []any{pageOf("1", "a"), pageOf("2", "b"), pageOf("", "c")},
			opts: WalkOptions{MaxBytes: 101}, want: []string{"a", "b"}, pages: 2,
		},
		{
			name:    "an expired token",
			answers: []any{pageOf("1", "gone", "a"), errTokenExpired, pageOf("1", "a"), pageOf("", "b")},
			want:    []string{"a", "b"}, complete: true, pages: 4,
		},
		{
			name: "ever expiring tokens", answers: []any{errTokenExpired},
			err: &Error{
				Class: ClassUnavailable, Code: CodePageTokenExpired,
				Message: "page tokens expired in 4 walks in a row; the list could not be read",
			},
		},
		{
			name: "an expired token beyond the budget", answers: []any{pageOf("1", "a"), errTokenExpired},
			opts: WalkOptions{MaxPages: 2}, err: &Error{
				Class: ClassUnavailable, Code: CodePageTokenExpired,
				Message: "page tokens expired in 1 walks in a row; the list could not be read",
			},
		},
		{
			name: "the same token again", answers: []any{pageOf("1", "a"), pageOf("2", "b"), pageOf("1", "a")},
			err: &Error{
				Class: ClassUnavailable, Code: CodePageTokenLoop, RequestID: "R",
				Message: "the API gave the same page token twice; the list could not be read",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api := &scriptedAPI{answers: tc.answers}
			got, err := Walk(t.Context(), api, Query{}, tc.opts)
			if tc.err != nil {
				var want, have *Error
				if got != nil || err == nil {
					t.Fatalf("answer %+v, error %v; want no answer and %v", got, err, tc.err)
				}
				if errors.As(tc.err, &want) && errors.As(err, &have) {
					if *want != *have {
						t.Errorf("error %+v, want %+v", *have, *want)
					}
				} else if !errors.Is(err, tc.err) {
					t.Errorf("error %v, want %v", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, instanceIDs(got.Records)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if got.Complete != tc.complete || got.Pages != tc.pages || got.Pages != len(api.paging) {
				t.Errorf("complete %t after %d pages and %d calls; want %t after %d",
					got.Complete, got.Pages, len(api.paging), tc.complete, tc.pages)
			}
		})
	}
}

func TestWalkAsks(t *testing.T) {
	api := &scriptedAPI{answers: []any{pageOf("one"), pageOf("two"), pageOf("")}}
	if _, err := Walk(t.Context(), api, Query{}, WalkOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []Paging{{MaxResults: 50}, {MaxResults: 50, NextToken: "one"}, {MaxResults: 50, NextToken: "two"}}
	if diff := cmp.Diff(want, api.paging); diff != "" {
		t.Errorf("paging (-want +got):\n%s", diff)
	}
}

// Where a page is too large the walk begins anew with fewer rows a page, down to one.
func TestWalkAsksForSmallerPages(t *testing.T) {
	tooLarge := &Error{Class: ClassUnavailable, Code: CodeResponseTooLarge}
	api := &scriptedAPI{answers: []any{pageOf("one", "a"), tooLarge, tooLarge, pageOf("two", "a"), pageOf("", "b")}}
	got, err := Walk(t.Context(), api, Query{}, WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Paging{{MaxResults: 50}, {MaxResults: 50, NextToken: "one"}, {MaxResults: 10}, {MaxResults: 2}, {MaxResults: 2, NextToken: "two"}}
	if diff := cmp.Diff(want, api.paging); diff != "" {
		t.Errorf("paging (-want +got):\n%s", diff)
	}
	if ids := instanceIDs(got.Records); !got.Complete || !cmp.Equal(ids, []string{"a", "b"}) {
		t.Errorf("rows %v, complete %t", ids, got.Complete)
	}
	api = &scriptedAPI{answers: []any{tooLarge}}
	if _, err := Walk(t.Context(), api, Query{}, WalkOptions{}); !errors.Is(err, tooLarge) || len(api.paging) != 4 {
		t.Errorf("error %v after %v, want that of a page with one row", err, api.paging)
	}
}

// A list without end is bounded without being asked to.
func TestWalkOfAnEndlessList(t *testing.T) {
	token := 0
	page := pageOf("", "a")
	api := &scriptedAPI{answers: []any{page}, onCall: func() {
		token++
		page.NextToken = strconv.Itoa(token)
	}}
	got, err := Walk(t.Context(), api, Query{}, WalkOptions{})
	if err != nil || got.Complete || got.Pages != defaultMaxPages {
		t.Errorf("answer %+v, error %v", got, err)
	}
}

func TestWalkStamps(t *testing.T) {
	begin := date(t, "2026-11-23T15:00:00Z")
	clock := clocktesting.NewFakePassiveClock(begin)
	api := &scriptedAPI{
		answers: []any{pageOf("1"), errTokenExpired, pageOf("1"), pageOf("")},
		onCall:  func() { clock.SetTime(clock.Now().Add(time.Second)) },
	}
	got, err := Walk(t.Context(), api, Query{}, WalkOptions{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	// Whatever appeared during the walk that was given up is in the second one.
	if !got.StartedAt.Equal(begin.Add(2*time.Second)) || !got.EndedAt.Equal(begin.Add(4*time.Second)) {
		t.Errorf("from %s to %s", got.StartedAt, got.EndedAt)
	}
	if got.Bytes != 300 {
		t.Errorf("%d bytes, want those of three pages", got.Bytes)
	}
}

func TestRowsSeenTwice(t *testing.T) {
	row := func(status InvocationStatus, repeats int64) Record {
		return Record{
			InvokeID: "t", InstanceID: "i", InvocationStatus: status, Repeats: repeats,
			StartTime: time.Unix(repeats, 0),
		}
	}
	restarted := row(StatusSuccess, 1)
	restarted.StartTime = time.Unix(9, 0)
	uncounted := row(StatusSuccess, 0)
	uncounted.StartTime = time.Unix(1, 0)
	container := row(StatusRunning, 1)
	container.ContainerName = "web"
	for _, tc := range []struct {
		name    string
		history bool
		rows    []Record
		want    []Record
	}{
		{"an end stays", false, []Record{row(StatusFailed, 1), row(StatusRunning, 1)}, []Record{row(StatusFailed, 1)}},
		{"an end counts", false, []Record{row(StatusRunning, 1), row(StatusFailed, 1)}, []Record{row(StatusFailed, 1)}},
		{"the later of two ends", false, []Record{row(StatusFailed, 1), row(StatusSuccess, 1)}, []Record{row(StatusSuccess, 1)}},
		{"the later of two others", false, []Record{row(StatusRunning, 1), row(StatusStopping, 1)}, []Record{row(StatusStopping, 1)}},
		{"the next run of a schedule is the same live row", false, []Record{row(StatusScheduled, 1), row(StatusRunning, 2)}, []Record{row(StatusRunning, 2)}},
		{"and another one of the history", true, []Record{row(StatusFailed, 2), row(StatusSuccess, 1)}, []Record{row(StatusFailed, 2), row(StatusSuccess, 1)}},
		{"runs of the history told apart by start", true, []Record{restarted, row(StatusSuccess, 1)}, []Record{restarted, row(StatusSuccess, 1)}},
		{"runs of the history told apart by count", true, []Record{uncounted, row(StatusSuccess, 1)}, []Record{uncounted, row(StatusSuccess, 1)}},
		{"the same run of the history", true, []Record{row(StatusFailed, 2), row(StatusFailed, 2)}, []Record{row(StatusFailed, 2)}},
		{"containers", false, []Record{row(StatusRunning, 1), container}, []Record{row(StatusRunning, 1), container}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api := &scriptedAPI{}
			for i, record := range tc.rows {
				page := &Page{Records: []Record{record}}
				if i < len(tc.rows)-1 {
					page.NextToken = strconv.Itoa(i)
				}
				api.answers = append(api.answers, page)
			}
			got, err := Walk(t.Context(), api, Query{IncludeHistory: tc.history}, WalkOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Records); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// movingAPI is a list, newest first, that grows at its front and whose rows change while it is walked. Its page
// tokens are offsets, so that rows are shown twice.
type movingAPI struct {
	t     *rapid.T
	rows  []Record
	born  int
	sight map[string][]Record // of the current walk
	calls int
	fault bool
}

func (m *movingAPI) grow(n int) {
	for range n {
		m.born++
		m.rows = append([]Record{{
			InvokeID: "t", InstanceID: fmt.Sprint("i-", m.born), InvocationStatus: StatusPending,
		}}, m.rows...)
	}
}

func (m *movingAPI) DescribeInvocationResults(_ context.Context, _ Query, paging Paging) (*Page, error) {
	m.calls++
	if paging.NextToken == "" {
		m.sight = map[string][]Record{}
	}
	switch rapid.IntRange(0, 30).Draw(m.t, "fault") {
	case 0:
		m.fault = true
		return nil, &Error{Class: ClassUnavailable, Code: "InternalError"}
	case 1:
		return nil, errTokenExpired
	}
	offset := 0
	if paging.NextToken != "" {
		_, _ = fmt.Sscanf(paging.NextToken, "offset %d", &offset)
	}
	end := min(offset+paging.MaxResults, len(m.rows))
	page := &Page{Records: append([]Record{}, m.rows[offset:end]...), Bytes: 10}
	if end < len(m.rows) {
		page.NextToken = fmt.Sprint("offset ", end, " of call ", m.calls)
	}
	for _, row := range page.Records {
		m.sight[row.InstanceID] = append(m.sight[row.InstanceID], row)
	}
	m.grow(rapid.IntRange(0, paging.MaxResults-1).Draw(m.t, "new rows"))
	for i := range m.rows {
		if !m.rows[i].InvocationStatus.Terminal() {
			m.rows[i].InvocationStatus = rapid.SampledFrom([]InvocationStatus{
				StatusPending, StatusRunning, StatusRunning, StatusSuccess, StatusTimeout, "Unheard",
			}).Draw(m.t, "status")
		} else if rapid.IntRange(0, 9).Draw(m.t, "a stale replica") == 0 {
			m.rows[i].InvocationStatus = StatusRunning
		}
	}
	return page, nil
}

// checkRow asserts that a row of the answer is the right one of its sights.
func (m *movingAPI) checkRow(row Record) {
	sights := m.sight[row.InstanceID]
	ended, same := false, false
	for _, sight := range sights {
		ended = ended || sight.InvocationStatus.Terminal()
		same = same || cmp.Equal(sight, row)
	}
	if !same || ended != row.InvocationStatus.Terminal() {
		m.t.Fatalf("%s is %s, of sights %+v", row.InstanceID, row.InvocationStatus, sights)
	}
	if !ended && !cmp.Equal(row, sights[len(sights)-1]) {
		m.t.Fatalf("%s is %s, an old sight of %+v", row.InstanceID, row.InvocationStatus, sights)
	}
}

func TestWalkProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		api := &movingAPI{t: t}
		api.grow(rapid.IntRange(0, 30).Draw(t, "rows"))
		atStart := append([]Record{}, api.rows...)
		opts := WalkOptions{
			MaxResults: rapid.IntRange(2, 10).Draw(t, "page size"), MaxPages: rapid.IntRange(1, 12).Draw(t, "budget"),
		}
		got, err := Walk(context.Background(), api, Query{}, opts)
		if api.calls > opts.MaxPages {
			t.Fatalf("%d calls with a budget of %d", api.calls, opts.MaxPages)
		}
		if err != nil {
			if got != nil || ClassOf(err) != ClassUnavailable {
				t.Fatalf("answer %+v with error %v", got, err)
			}
			return
		}
		if api.fault {
			t.Fatal("a walk with a failed page has an answer")
		}
		if got.Pages != api.calls || !got.Complete && got.Pages != opts.MaxPages {
			t.Fatalf("%d pages, complete %t, after %d calls of %d", got.Pages, got.Complete, api.calls, opts.MaxPages)
		}
		found := map[string]Record{}
		for _, row := range got.Records {
			if _, twice := found[row.InstanceID]; twice {
				t.Fatalf("%s is in the answer twice", row.InstanceID)
			}
			found[row.InstanceID] = row
			api.checkRow(row)
		}
		if len(found) != len(api.sight) {
			t.Fatalf("%d rows of %d that were shown", len(found), len(api.sight))
		}
		for _, row := range atStart {
			if _, present := found[row.InstanceID]; got.Complete && !present {
				t.Fatalf("%s is missing from a complete answer", row.InstanceID)
			}
		}
	})
}
