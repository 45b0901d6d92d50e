package poller

import (
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// A history grows for ever: 10,000 earlier runs are 200 pages. They are read once, as far as the budget of a walk goes,
// and from then on the newest pages only, down to what is known already, and put before that.
const (
	// historyWholeEvery is how often all is read again, for runs that the API shows late, behind newer ones.
	historyWholeEvery = time.Hour
	// historyOverlap is how many rows that are known already, for each place where the command runs, end a walk: a run
	// may show later on one instance than the next run on another.
	historyOverlap = 2
)

// pastRun tells the earlier runs in an answer apart.
type pastRun struct {
	rowKey
	repeats int64
	began   time.Time
}

func pastRunOf(r *cloudassistant.Record) pastRun {
	return pastRun{rowKey: keyOf(r), repeats: r.Repeats, began: r.StartTime.UTC()}
}

// pastWalk follows a walk through the earlier runs.
type pastWalk struct {
	// known are those of the answer before.
	known map[pastRun]bool
	// overlap is how many rows of these are still to come, and oldest the begin of the last row that had one.
	overlap int
	oldest  time.Time
	// unordered: the rows are not sorted by their begin, so that what is known says nothing about what follows.
	unordered bool
}

// follow prepares a walk that ends where before begins; nil if it has to read all.
func follow(before *cloudassistant.Answer, live *cloudassistant.Answer) *pastWalk {
	if before == nil || len(before.Records) == 0 {
		return nil
	}
	w := &pastWalk{known: make(map[pastRun]bool, len(before.Records)), overlap: historyOverlap}
	if live != nil {
		w.overlap = max(1, len(live.Records)) * historyOverlap
	}
	for i := range before.Records {
		if before.Records[i].InvocationStatus.Terminal() {
			w.known[pastRunOf(&before.Records[i])] = true
		}
	}
	return w
}

// enough is WalkOptions.Enough: there is nothing new behind so many rows in a row that are known.
func (w *pastWalk) enough(page []cloudassistant.Record) bool {
	for i := range page {
		r := &page[i]
		if !r.StartTime.IsZero() {
			w.unordered = w.unordered || !w.oldest.IsZero() && r.StartTime.After(w.oldest.Add(outOfOrder))
			w.oldest = r.StartTime
		}
		switch {
		case w.known[pastRunOf(r)]:
			w.overlap--
		case r.InvocationStatus.Terminal():
			w.overlap = max(w.overlap, historyOverlap)
		}
	}
	return w.overlap <= 0 && !w.unordered
}

// joinHistory puts the newest pages before what was known. The whole is as complete as that was.
func joinHistory(newest, before *cloudassistant.Answer) *cloudassistant.Answer {
	joined := *newest
	joined.Complete = before.Complete
	given := make(map[pastRun]bool, len(newest.Records))
	for i := range newest.Records {
		given[pastRunOf(&newest.Records[i])] = true
	}
	for i := range before.Records {
		if r := &before.Records[i]; r.InvocationStatus.Terminal() && !given[pastRunOf(r)] {
			joined.Records = append(joined.Records, *r)
		}
	}
	return &joined
}

// trimHistory forgets the outputs of all but the newest runs of each place, which nobody will be shown: 10,000 of them
// would take 240 MB.
func trimHistory(answer *cloudassistant.Answer, limit int) {
	if limit <= 0 {
		return
	}
	newest := make([]*cloudassistant.Record, len(answer.Records))
	for i := range answer.Records {
		newest[i] = &answer.Records[i]
	}
	slices.SortStableFunc(newest, func(a, b *cloudassistant.Record) int { return b.StartTime.Compare(a.StartTime) })
	perPlace := map[rowKey]int{}
	for _, r := range newest {
		// One more than asked for: the newest may be the live row's to show.
		if perPlace[keyOf(r)]++; perPlace[keyOf(r)] > limit+1 {
			r.Output = nil
		}
	}
}

// historyLimit is how many earlier runs of each place anybody wants; 0 for all.
func (q *question) historyLimit() int {
	limit := 0
	for _, i := range q.interests {
		if !i.history {
			continue
		}
		if i.limit <= 0 {
			return 0
		}
		limit = max(limit, i.limit)
	}
	return limit
}
