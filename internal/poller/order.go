package poller

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// outOfOrder is by how much the starts of two rows may be out of order before the list counts as not sorted for a while,
	// in which no walk stops early: a command can wait a minute for its delivery.
	outOfOrder = 2 * time.Minute
	// astray is by how much the start of a row may be out of order before it counts against the order of lists, which
	// orderRows of orderSpan must have shown before the rows of a run are believed to stand together, and at most one in
	// orderFaults may break.
	astray      = 15 * time.Second
	orderRows   = 20
	orderSpan   = 30 * time.Second
	orderFaults = 20
	// distrust is how long lists are not believed after they were wrong, or out of order.
	distrust = time.Hour
	// trustFrom is how often a list must have shown all rows of a run before it is believed to.
	trustFrom = 20
	// settledAge is the age of a run at which all its rows are there.
	settledAge = 30 * time.Second
)

// trust is what lists have shown of how they are sorted, which is nowhere promised. Whether all rows of a run stand
// together decides if those on a page are all that there are.
type trust struct {
	// rows were seen of which astray were out of order, in walks over as much as span.
	rows, astray int
	span         time.Duration
	// right counts how often a list showed all rows of a run, as the answer about it alone confirmed.
	right int
	// wrongUntil is until when lists are not believed, for they were found wrong.
	wrongUntil time.Time
	// deepUntil is until when the unfinished are listed whole, for a run of ours was found behind others' only.
	deepUntil time.Time
	// unorderedUntil is until when lists count as not sorted by the begin of runs, newest first.
	unorderedUntil time.Time
	// believed says that believes has held, so that what was seen before is believed by now.
	believed bool
}

// believes says whether a list is believed to have shown all rows of a run that nothing else is known of.
func (t *trust) believes(now time.Time) bool {
	return t.right >= trustFrom && t.sorted(now)
}

// sorted says whether lists have shown to be sorted so that the rows of a run stand together. That is enough to believe
// them of a run that was seen before it ended, when all that goes on was listed.
func (t *trust) sorted(now time.Time) bool {
	return t.ordered(now) && !t.doubted(now) &&
		t.rows >= orderRows && t.span >= orderSpan && t.astray*orderFaults <= t.rows
}

// shallow says that what was begun before all that is watched need not be listed.
func (t *trust) shallow(now time.Time) bool {
	return t.ordered(now) && !now.Before(t.deepUntil)
}

// ordered says that no row was met lately where it does not belong. A single one of somebody else must not cost a walk through
// everything for ever.
func (t *trust) ordered(now time.Time) bool { return !now.Before(t.unorderedUntil) }

// doubted says that lists were found wrong of late.
func (t *trust) doubted(now time.Time) bool { return now.Before(t.wrongUntil) }

func (t *trust) wrong(now time.Time) {
	t.right, t.wrongUntil, t.believed = 0, now.Add(distrust), false
}

// listing is what a walk over a list has met so far, of whoever's runs.
type listing struct {
	rows map[rowKey]bool
	runs map[string]bool
	last string
	// first is the first start that was met, and oldest the oldest.
	first, oldest time.Time
}

func newListing() *listing {
	return &listing{rows: map[rowKey]bool{}, runs: map[string]bool{}}
}

// add takes a page in and tells t what it shows. Rows that were met before come again when the list has moved.
func (l *listing) add(page []cloudassistant.Record, t *trust, now time.Time) {
	for i := range page {
		row := &page[i]
		if l.rows[keyOf(row)] {
			continue
		}
		l.rows[keyOf(row)] = true
		if row.InvokeID != l.last && l.runs[row.InvokeID] {
			t.wrong(now)
		}
		l.runs[row.InvokeID], l.last = true, row.InvokeID
		l.date(row, t, now)
	}
}

// date compares the start of a row with those before. That of a command that runs again and again is of its latest run, or its
// first, for which it may have waited long, and says nothing about its place.
func (l *listing) date(row *cloudassistant.Record, t *trust, now time.Time) {
	at := row.StartTime
	if at.IsZero() || isRepeated(row) {
		return
	}
	if l.first.IsZero() {
		l.first, l.oldest = at, at
	}
	t.rows++
	if at.After(l.oldest.Add(astray)) {
		t.astray++
	}
	if at.After(l.oldest.Add(outOfOrder)) {
		t.unorderedUntil = now.Add(distrust)
	}
	if at.Before(l.oldest) {
		l.oldest = at
	}
	t.span = max(t.span, l.first.Sub(l.oldest))
}
