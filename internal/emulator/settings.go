package emulator

import (
	"cmp"
	"fmt"
	"slices"
)

// RowOrder is the order of the rows of DescribeInvocationResults. The vendor documents none.
type RowOrder string

// The orders of rows.
const (
	// OrderNewestFirst is what old samples of the vendor show, and the default.
	OrderNewestFirst RowOrder = "NewestFirst"
	OrderOldestFirst RowOrder = "OldestFirst"
	// OrderByInstance sorts by instance ID, and the newest first within one.
	OrderByInstance RowOrder = "ByInstance"
	// OrderShuffled has no meaning; Settings.Seed chooses one of many. A row keeps its place, so walks are complete.
	OrderShuffled RowOrder = "Shuffled"
)

// TokenKind is what a page token remembers of a walk. The vendor documents nothing of it.
type TokenKind string

// The kinds of page tokens.
const (
	// TokensKeyset remember the last row shown: rows that come or go meanwhile make the walk neither skip nor repeat
	// others. It is the default.
	TokensKeyset TokenKind = "Keyset"
	// TokensOffset remember how many rows were shown: over a list that moves, a walk skips and repeats rows.
	TokensOffset TokenKind = "Offset"
)

// maxTagged is how many resources a filter by tags finds at most, by the vendor's word.
const maxTagged = 1000

// Settings are what clients see of the API and the vendor does not document, or not clearly. The zero value of each
// is the emulator's default.
type Settings struct {
	// RowOrder: empty is OrderNewestFirst. Orders other than the two by age take time in proportion to the list.
	RowOrder RowOrder `json:"rowOrder,omitempty"`
	// Seed chooses among the orders of OrderShuffled.
	Seed uint64 `json:"seed,omitempty"`
	// PageTokens, of all actions that have pages: empty is TokensKeyset.
	PageTokens TokenKind `json:"pageTokens,omitempty"`
	// HistoryWithLiveRow makes IncludeHistory=true list the live row too. Without it past runs alone are listed.
	HistoryWithLiveRow bool `json:"historyWithLiveRow,omitempty"`
	// HistoryTotalRepeats makes the Repeats of every row of a history that of the live row, which counts all the runs so
	// far. Without it Repeats is the ordinal of the row's own run. Scripted rows keep theirs.
	HistoryTotalRepeats bool `json:"historyTotalRepeats,omitempty"`
	// StopSparesStarted makes StopInvocation do what its page says: a run that has started goes on to its end, one-time
	// or periodic, and no further one starts. Without it the run is ended, as the vendor's agent does.
	StopSparesStarted bool `json:"stopSparesStarted,omitempty"`
	// MaxTagged limits a filter by tags to that many invocations, the newest that have them; 0 is the documented 1,000.
	// That the vendor's "resources" are invocations, and which of them are found, is inference.
	MaxTagged int `json:"maxTagged,omitempty"`
	// NextRebootStatus is the InvocationStatus of a NextRebootOnly command that waits for the boot: empty is
	// StatusScheduled, the other is StatusPending. It counts for the commands submitted from now on.
	NextRebootStatus string `json:"nextRebootStatus,omitempty"`
	// MaxActiveTasks is how many commands may run on an instance at once; one more is Aborted with
	// TaskConcurrencyLimit. 0 is no limit.
	MaxActiveTasks int `json:"maxActiveTasks,omitempty"`
	// MaxCommands is how many commands an account keeps in a region; one more is refused with CmdCount.ExceedQuota.
	// 0 is no limit. The vendor's depends on the account and is between 500 and 50,000.
	MaxCommands int `json:"maxCommands,omitempty"`
	// AuthorizeByInvocation judges a call that names an invocation and no instance by the instances of the invocation.
	// Without it such a call asks for instance/*, which a policy for single instances does not allow.
	AuthorizeByInvocation bool `json:"authorizeByInvocation,omitempty"`
}

func (s Settings) withDefaults() (Settings, error) {
	s.RowOrder = cmp.Or(s.RowOrder, OrderNewestFirst)
	s.PageTokens = cmp.Or(s.PageTokens, TokensKeyset)
	s.MaxTagged = cmp.Or(s.MaxTagged, maxTagged)
	s.NextRebootStatus = cmp.Or(s.NextRebootStatus, StatusScheduled)
	orders := []RowOrder{OrderNewestFirst, OrderOldestFirst, OrderByInstance, OrderShuffled}
	switch {
	case !slices.Contains(orders, s.RowOrder):
		return s, fmt.Errorf("row order %q is unknown; use one of %v", s.RowOrder, orders)
	case s.PageTokens != TokensKeyset && s.PageTokens != TokensOffset:
		return s, fmt.Errorf("kind of page tokens %q is unknown; use %s or %s", s.PageTokens, TokensKeyset, TokensOffset)
	case s.MaxTagged < 0:
		return s, fmt.Errorf("a filter by tags cannot find %d invocations; use 1 or more, or 0 for the documented %d", s.MaxTagged, maxTagged)
	case s.NextRebootStatus != StatusScheduled && s.NextRebootStatus != StatusPending:
		return s, fmt.Errorf("a command cannot wait for a boot as %q; use %s or %s", s.NextRebootStatus, StatusScheduled, StatusPending)
	case s.MaxActiveTasks < 0:
		return s, fmt.Errorf("%d commands cannot run at once; use 1 or more, or 0 for no limit", s.MaxActiveTasks)
	case s.MaxCommands < 0:
		return s, fmt.Errorf("%d commands cannot be kept; use 1 or more, or 0 for no limit", s.MaxCommands)
	}
	return s, nil
}

// Settings returns the settings in force, with the defaults in place of what was empty.
func (e *Emulator) Settings() Settings {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	return e.settings
}

// SetSettings replaces all settings for the calls from now on. It changes nothing and fails if one is unknown. A page
// token given under another order or kind of tokens is refused with InvalidParameter.NextToken.
func (e *Emulator) SetSettings(settings Settings) error {
	settings, err := settings.withDefaults()
	if err != nil {
		return err
	}
	e.mu.LockToRead()
	defer e.mu.Unlock()
	e.settings = settings
	return nil
}

// orderRows is the listing of rows, which are in the order of making, in the order of the settings.
func orderRows(rows []*row, match func(*row) bool, order RowOrder, seed uint64) listing[*row] {
	switch order {
	case OrderOldestFirst:
		return listing[*row]{elements: rows, match: match, position: func(r *row) string { return number(r.Sequence) }}
	case OrderByInstance:
		return sortRows(rows, match, func(r *row) string { return r.InstanceID + "\x00" + newestFirst(r.Sequence) })
	case OrderShuffled:
		return sortRows(rows, match, func(r *row) string { return number(scatter(r.Sequence, seed)) })
	}
	return listing[*row]{elements: rows, reversed: true, match: match, position: func(r *row) string { return newestFirst(r.Sequence) }}
}

func sortRows(rows []*row, match func(*row) bool, position func(*row) string) listing[*row] {
	var sorted []*row
	for _, r := range rows {
		if match == nil || match(r) {
			sorted = append(sorted, r)
		}
	}
	slices.SortFunc(sorted, func(a, b *row) int { return cmp.Compare(position(a), position(b)) })
	return listing[*row]{elements: sorted, position: position}
}

// scatter gives each number another one, and no two the same: each step can be undone.
func scatter(n, seed uint64) uint64 {
	n ^= seed * 0x9e3779b97f4a7c15
	n ^= n >> 32
	n *= 0xd6e8feb86659fd93
	n ^= n >> 32
	n *= 0xd6e8feb86659fd93
	return n ^ n>>32
}
