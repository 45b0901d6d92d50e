package emulator

import (
	"cmp"
	"time"
)

// indexed is under what a live row, or an invocation, is found besides what does not change.
type indexed struct {
	// record is the InvokeRecordStatus; empty if it is not listed.
	record string
	// status is the InvocationStatus of a whole invocation; a row has none here.
	status    string
	succeeded bool
	// rowless is set for an invocation that no answer lists, having no rows.
	rowless bool
}

// keys are those of the index; none for what is not listed.
func (x indexed) keys() []indexKey {
	var keys []indexKey
	if x.record != "" {
		keys = append(keys, recordKey(x.record))
	}
	if x.status != "" && x.status != x.record {
		keys = append(keys, recordKey(x.status))
	}
	if x.succeeded {
		keys = append(keys, succeededKey)
	}
	if x.rowless {
		keys = append(keys, rowlessKey)
	}
	return keys
}

// reindex moves an element to other keys.
func reindex[T any](x *index[T], element T, from *indexed, to indexed) {
	if *from == to {
		return
	}
	for _, key := range from.keys() {
		x.drop(key, element)
	}
	for _, key := range to.keys() {
		x.put(key, element)
	}
	*from = to
}

// findRows are the rows among which those that all the keys ask for are. A scope that is nil has none.
func (s *scope) findRows(keys []indexKey) []*row {
	if s == nil {
		return nil
	}
	return s.rows.narrow(keys)
}

// findInvocations is findRows for invocations.
func (s *scope) findInvocations(keys []indexKey) []*invocation {
	if s == nil {
		return nil
	}
	return s.invocations.narrow(keys)
}

// decided says whether what is found by the keys is what is asked for, so that its number is known without a look at
// each: one key alone is exact, and oldest is no bound. Hidden rows and late ones would have to be looked for.
func (s *scope) decided(keys []indexKey, oldest uint64, now time.Time) bool {
	return s != nil && len(keys) <= 1 && oldest == 0 && s.hidden == 0 && !s.visibleAt.After(now)
}

func (s *scope) addInvocation(i *invocation) {
	s.invocations.all = insertSorted(s.invocations.all, i, s.invocations.compare)
	for _, key := range i.keys() {
		s.invocations.put(key, i)
	}
	s.refresh(i)
}

func (s *scope) removeInvocation(i *invocation) {
	s.invocations.all = removeSorted(s.invocations.all, i, s.invocations.compare)
	for _, key := range i.keys() {
		s.invocations.drop(key, i)
	}
	for _, r := range i.Rows {
		s.invocations.drop(instanceKey(r.InstanceID), i)
	}
	reindex(&s.invocations, i, &i.indexed, indexed{})
}

// list makes a live row, which its invocation has already, found.
func (s *scope) list(r *row) {
	s.rows.all = insertSorted(s.rows.all, r, s.rows.compare)
	for _, key := range r.keys() {
		s.rows.put(key, r)
	}
	s.invocations.put(instanceKey(r.InstanceID), r.invocation)
	if r.Hidden {
		s.hidden++
	}
	if r.VisibleAt.After(s.visibleAt) {
		s.visibleAt = r.VisibleAt
	}
	s.refresh(r.invocation)
	s.queue(r)
}

// unlist is the reverse of list.
func (s *scope) unlist(r *row) {
	s.rows.all = removeSorted(s.rows.all, r, s.rows.compare)
	for _, key := range r.keys() {
		s.rows.drop(key, r)
	}
	if r.Hidden {
		s.hidden--
	}
	reindex(&s.rows, r, &r.indexed, indexed{})
	s.dequeue(r)
}

// refresh lists an invocation and its rows by its record status, as it is now.
func (s *scope) refresh(i *invocation) {
	statuses := i.statuses()
	now := indexed{recordStatus(statuses), aggregateStatus(statuses), i.succeeded(), len(i.Rows) == 0}
	reindex(&s.invocations, i, &i.indexed, now)
	for _, r := range i.Rows {
		reindex(&s.rows, r, &r.indexed, indexed{record: firstOf(r.InvokeRecordStatus, now.record), succeeded: now.succeeded})
	}
}

// remove takes a row out, without its invocation noticing.
func (s *scope) remove(r *row) {
	s.records--
	if r.past {
		s.dequeue(r)
		return
	}
	s.unlist(r)
}

// changed tells that the status or a time of a row has changed: whoever changes one must say so before
// Emulator.mu is unlocked.
func (r *row) changed() {
	if s := r.invocation.scope; s != nil {
		s.refresh(r.invocation)
		s.queue(r)
	}
}

// keys are those of the index that do not change as the row's run goes on.
func (r *row) keys() []indexKey {
	return keysOf(r.CommandID, r.invocation.ResourceGroupID, r.InstanceID, r.invocation.Tags)
}

func (i *invocation) keys() []indexKey { return keysOf(i.Command.ID, i.ResourceGroupID, "", i.Tags) }

// queue lets retention take the row of a past run, or all live rows of an invocation that has ended, for which the
// first stands in the queue. It keeps those of one that has not ended from it.
func (s *scope) queue(r *row) {
	var age time.Time
	if r.past {
		age = r.age()
	} else {
		r, age = r.invocation.Rows[0], r.invocation.age()
	}
	if age.Equal(r.queued) {
		return
	}
	s.dequeue(r)
	if r.queued = age; !age.IsZero() {
		s.ended = insertSorted(s.ended, r, compareAge)
	}
}

func (s *scope) dequeue(r *row) {
	s.ended = removeSorted(s.ended, r, compareAge)
	r.queued = time.Time{}
}

func compareAge(a, b *row) int {
	return cmp.Or(a.queued.Compare(b.queued), cmp.Compare(a.Sequence, b.Sequence))
}

// age is the time from which retention counts: when the invocation was created, or the run ended if that was later.
// So a schedule that went on for longer than the retention is not gone the moment that it is stopped.
func (r *row) age() time.Time {
	if r.FinishedTime.After(r.invocation.Created) {
		return r.FinishedTime
	}
	return r.invocation.Created
}

// age is that of the youngest live row, if all have ended; else zero.
func (i *invocation) age() time.Time {
	var youngest time.Time
	for _, r := range i.Rows {
		if !Terminal(r.InvocationStatus) {
			return time.Time{}
		}
		if age := r.age(); age.After(youngest) {
			youngest = age
		}
	}
	return youngest
}

// expire takes the oldest records that have ended, while they are older than retention allows or there are too many
// in their account and region. It does so in all of them, so that memory is freed wherever the calls go. Each record
// is looked at when it goes and not before.
func (s *store) expire(now time.Time) {
	oldest := now.Add(-s.retention.MaxAge)
	for _, scope := range s.scopes {
		for len(scope.ended) > 0 && (scope.records > s.retention.MaxRecords || !scope.ended[0].queued.After(oldest)) {
			s.retire(scope.ended[0])
		}
	}
}

// retire removes the row of a past run, or the invocation that a live row stands for. Live rows go together: the status
// of an invocation is that of all its rows, and would change with the first that is gone.
func (s *store) retire(r *row) {
	i := r.invocation
	if !r.past {
		s.forget(i)
		return
	}
	i.scope.remove(r)
	i.History = removeSorted(i.History, r, i.scope.rows.compare)
}
