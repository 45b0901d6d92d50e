package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CheckIndexes compares what the store finds by its indexes with what a look at every record says. It fails if some
// change of a row was not told.
func (e *Emulator) CheckIndexes() error {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	expected := map[scopeKey]*scope{}
	invocations := slices.SortedFunc(maps.Values(e.store.invocations), func(a, b *invocation) int { return cmp.Compare(a.Sequence, b.Sequence) })
	for _, i := range invocations {
		s := expected[i.scopeKey()]
		if s == nil {
			s = &scope{rows: index[*row]{by: map[indexKey][]*row{}}, invocations: index[*invocation]{by: map[indexKey][]*invocation{}}}
			expected[i.scopeKey()] = s
		}
		record := i.recordStatus()
		s.invocations.all = append(s.invocations.all, i)
		status := aggregateStatus(i.statuses())
		if want := (indexed{record, status, i.succeeded(), len(i.Rows) == 0}); i.indexed != want {
			return fmt.Errorf("invocation %s is listed as %+v, want %+v", i.ID, i.indexed, want)
		}
		keys := append(i.keys(), recordKey(status))
		if len(i.Rows) == 0 {
			keys = append(keys, rowlessKey)
		}
		for _, r := range i.Rows {
			keys = append(keys, instanceKey(r.InstanceID))
		}
		appendUnder(&s.invocations, i, keys, record, i.succeeded())
		for _, r := range i.Rows {
			s.rows.all = append(s.rows.all, r)
			appendUnder(&s.rows, r, r.keys(), firstOf(r.InvokeRecordStatus, record), i.succeeded())
		}
		if !i.age().IsZero() {
			s.ended = append(s.ended, i.Rows[0])
		}
		s.ended = append(s.ended, i.History...)
		s.records += len(i.Rows) + len(i.History)
	}
	if len(expected) != len(e.store.scopes) {
		return fmt.Errorf("the store has %d scopes, and records of %d", len(e.store.scopes), len(expected))
	}
	var err error
	for key, want := range expected {
		got := e.store.scopes[key]
		bySequence := func(a, b *row) int { return cmp.Compare(a.Sequence, b.Sequence) }
		ageOf := func(r *row) time.Time {
			if r.past {
				return r.age()
			}
			return r.invocation.age()
		}
		byAge := func(a, b *row) int { return cmp.Or(ageOf(a).Compare(ageOf(b)), bySequence(a, b)) }
		slices.SortFunc(want.rows.all, bySequence)
		for _, list := range want.rows.by {
			slices.SortFunc(list, bySequence)
		}
		slices.SortFunc(want.ended, byAge)
		if got == nil || got.records != want.records || !slices.Equal(got.ended, want.ended) {
			return fmt.Errorf("%v: the records that may expire are not those that ended", key)
		}
		err = errors.Join(err, compareIndex(got.rows, want.rows), compareIndex(got.invocations, want.invocations))
	}
	return err
}

func appendUnder[T comparable](x *index[T], element T, keys []indexKey, record string, succeeded bool) {
	keys = append(keys, recordKey(record))
	if succeeded {
		keys = append(keys, succeededKey)
	}
	for _, key := range keys {
		if !slices.Contains(x.by[key], element) {
			x.by[key] = append(x.by[key], element)
		}
	}
}

func compareIndex[T comparable](got, want index[T]) error {
	if !slices.Equal(got.all, want.all) {
		return fmt.Errorf("the index holds %d elements, and there are %d, or it has them in another order", len(got.all), len(want.all))
	}
	if !maps.EqualFunc(got.by, want.by, slices.Equal) {
		return fmt.Errorf("the index has keys %v, want %v, or other elements under one", sizes(got), sizes(want))
	}
	return nil
}

func sizes[T any](x index[T]) map[indexKey]int {
	all := map[indexKey]int{}
	for key, list := range x.by {
		all[key] = len(list)
	}
	return all
}
