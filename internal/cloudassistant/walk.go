package cloudassistant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
)

const (
	defaultMaxResults = 50
	// defaultMaxPages is all that the API keeps in a region: 100,000 rows, by the larger of its statements.
	defaultMaxPages = 2000
	defaultMaxBytes = 256 << 20
	// smallerPages is by how much fewer rows are asked for where a page is too large.
	smallerPages = 5
	// maxRestarts bounds the walks begun anew after an expired page token.
	maxRestarts = 3
)

// WalkOptions bound a walk. The zero value walks all that the API keeps.
type WalkOptions struct {
	// MaxResults is the number of rows a page, 1 to 50. 0 means 50.
	MaxResults int
	// MaxPages is the number of calls after which the walk stops, those before a restart included. 0 means
	// 2000.
	MaxPages int
	// MaxBytes is the size of the answers after which the walk stops; the page that passes it is kept. 0 means
	// 256 MiB.
	MaxBytes int64
	// Enough, if not nil, is shown each page, and ends the walk by returning true. Such an answer is not complete, unless
	// the page was the last.
	Enough func(page []Record) bool
	// Clock stamps the answer; nil means the real one.
	Clock clock.PassiveClock
}

func (o WalkOptions) withDefaults() WalkOptions {
	if o.MaxResults == 0 {
		o.MaxResults = defaultMaxResults
	}
	if o.MaxPages == 0 {
		o.MaxPages = defaultMaxPages
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

// Walk asks for all pages of a query. It answers whole or, when a budget is used up, says that it does not:
// a failing page fails the walk, for a part of a list must not pass for the list.
//
// The list moves while it is walked, so a row may be on two pages: the newer of its states is kept, in the
// place where it was first seen. An expired page token starts the walk again from its first page, at most three
// times; a page that is larger than the client takes does, too, with fewer rows a page. StartedAt is then that of the
// last start, while Pages and Bytes count everything.
//
// Failures are those of api, unchanged, or an *Error of class Unavailable when the pages lead nowhere.
func Walk(ctx context.Context, api API, query Query, opts WalkOptions) (*Answer, error) {
	opts = opts.withDefaults()
	w := walk{api: api, query: query, opts: opts}
	for restarts := 0; ; {
		answer, err := w.once(ctx)
		switch {
		case isTooLarge(err) && w.opts.MaxResults > 1 && w.pages < opts.MaxPages:
			w.opts.MaxResults = max(1, w.opts.MaxResults/smallerPages)
			continue
		case err == nil || ClassOf(err) != ClassTokenExpired:
			return answer, err
		case restarts == maxRestarts || w.pages >= opts.MaxPages:
			return nil, &Error{
				Class: ClassUnavailable, Code: CodePageTokenExpired,
				Message: fmt.Sprintf("page tokens expired in %d walks in a row; the list could not be read", restarts+1),
			}
		}
		restarts++
	}
}

func isTooLarge(err error) bool {
	var known *Error
	return errors.As(err, &known) && known.Code == CodeResponseTooLarge
}

type walk struct {
	api   API
	query Query
	opts  WalkOptions
	pages int
	bytes int64
}

// once walks from the first page to the last, or to the end of the budget.
func (w *walk) once(ctx context.Context) (*Answer, error) {
	started := w.opts.Clock.Now()
	paging := Paging{MaxResults: w.opts.MaxResults}
	rows := rowSet{history: w.query.IncludeHistory, index: map[rowKey]int{}}
	seen := map[string]bool{}
	for {
		// Counted before the call: a call that fails was one, too.
		w.pages++
		page, err := w.api.DescribeInvocationResults(ctx, w.query, paging)
		if err != nil {
			return nil, err
		}
		w.bytes += page.Bytes
		rows.add(page.Records)
		complete := page.NextToken == ""
		enough := w.opts.Enough != nil && w.opts.Enough(page.Records)
		if complete || enough || w.pages >= w.opts.MaxPages || w.bytes >= w.opts.MaxBytes {
			return &Answer{
				Records: rows.records, Complete: complete,
				StartedAt: started, EndedAt: w.opts.Clock.Now(),
				Pages: w.pages, Bytes: w.bytes,
			}, nil
		}
		if seen[page.NextToken] {
			return nil, &Error{
				Class: ClassUnavailable, Code: CodePageTokenLoop, RequestID: page.RequestID,
				Message: "the API gave the same page token twice; the list could not be read",
			}
		}
		seen[page.NextToken] = true
		paging.NextToken = page.NextToken
	}
}

// rowKey tells rows apart. In a list of live rows, a run has one row per instance and container; in a list with
// history, one per run of these, and rows lack an ID of the run.
type rowKey struct {
	invokeID, instanceID, containerID, containerName string
	repeats                                          int64
	startTime                                        time.Time
}

func keyOf(record Record, history bool) rowKey {
	key := rowKey{
		invokeID: record.InvokeID, instanceID: record.InstanceID,
		containerID: record.ContainerID, containerName: record.ContainerName,
	}
	if history {
		key.repeats, key.startTime = record.Repeats, record.StartTime.UTC()
	}
	return key
}

// rowSet collects rows in the order in which they are first seen.
type rowSet struct {
	history bool
	records []Record
	index   map[rowKey]int
}

func (s *rowSet) add(records []Record) {
	for _, record := range records {
		key := keyOf(record, s.history)
		if i, known := s.index[key]; known {
			s.records[i] = newer(s.records[i], record)
			continue
		}
		s.index[key] = len(s.records)
		s.records = append(s.records, record)
	}
}

// newer picks between two sights of one row: an end is never undone, and of two equals the later sight counts.
func newer(earlier, later Record) Record {
	if earlier.InvocationStatus.Terminal() && !later.InvocationStatus.Terminal() {
		return earlier
	}
	return later
}
