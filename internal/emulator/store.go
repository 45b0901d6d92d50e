package emulator

import (
	"cmp"
	"slices"
	"time"
)

// scopeKey names what one listing can see.
type scopeKey struct{ accountID, regionID string }

// scope is everything of one account in one region. Emulator.mu guards it.
type scope struct {
	rows        index[*row]
	invocations index[*invocation]
	// ended are what retention may take, the oldest first: rows of past runs, and the first live row of each invocation
	// that has ended.
	ended []*row
	// hidden counts the live rows that are Hidden; all others are visible from visibleAt on.
	hidden    int
	visibleAt time.Time
	// records counts all rows, live ones and those of histories.
	records int
}

// store holds the invocations. Emulator.mu guards it.
type store struct {
	sequence    uint64
	scopes      map[scopeKey]*scope
	invocations map[string]*invocation
	retention   Retention
	// forgotten is told of every invocation that is gone for good.
	forgotten func(*invocation)
}

func newStore() store {
	return store{scopes: map[scopeKey]*scope{}, invocations: map[string]*invocation{}}
}

// scope is what there is of an account in a region; nil if there is nothing.
func (s *store) scope(key scopeKey) *scope { return s.scopes[key] }

func (s *store) next() uint64 {
	s.sequence++
	return s.sequence
}

func (s *store) addInvocation(i *invocation) {
	i.Sequence = s.next()
	s.invocations[i.ID] = i
	if s.scopes[i.scopeKey()] == nil {
		s.scopes[i.scopeKey()] = &scope{
			rows:        newIndex(func(a, b *row) int { return cmp.Compare(a.Sequence, b.Sequence) }),
			invocations: newIndex(func(a, b *invocation) int { return cmp.Compare(a.Sequence, b.Sequence) }),
		}
	}
	i.scope = s.scopes[i.scopeKey()]
	i.scope.addInvocation(i)
}

// addRow adds a live row to its invocation.
func (s *store) addRow(i *invocation, r *row) {
	r.invocation, r.Sequence = i, s.next()
	i.Rows = append(i.Rows, r)
	i.scope.records++
	i.scope.list(r)
}

// addHistory adds the row of a past run to its invocation, unless that was forgotten while it ran.
func (s *store) addHistory(i *invocation, r *row) {
	if i.scope == nil {
		return
	}
	r.invocation, r.Sequence, r.past = i, s.next(), true
	i.History = append(i.History, r)
	i.scope.records++
	i.scope.queue(r)
}

// change changes a live row in any way.
func (s *store) change(r *row, change func()) {
	i, was := r.invocation, r.InstanceID
	i.scope.unlist(r)
	change()
	i.scope.list(r)
	if i.row(was) == nil {
		i.scope.invocations.drop(instanceKey(was), i)
	}
}

// forget removes an invocation for good.
func (s *store) forget(i *invocation) {
	s.remove(i)
	s.forgotten(i)
}

// remove takes an invocation out with all its rows.
func (s *store) remove(i *invocation) {
	scope := i.scope
	for _, r := range slices.Concat(i.Rows, i.History) {
		scope.remove(r)
	}
	scope.removeInvocation(i)
	i.scope = nil
	delete(s.invocations, i.ID)
	if len(scope.invocations.all) == 0 {
		delete(s.scopes, i.scopeKey())
	}
}

// query is the question of DescribeInvocationResults, complete but for paging.
type query struct {
	scopeKey
	resourceGroupID, invokeID, instanceID, commandID, recorded string
	history                                                    bool
	tags                                                       []Tag
}

// candidates are the rows among which the answer to q is found, in the order of making: those of one invocation
// if q names it, else those of the account and region that one of the filters finds. withLive adds the live rows to a history.
func (s *store) candidates(q query, withLive bool) []*row {
	if q.invokeID == "" {
		return s.scope(q.scopeKey).findRows(q.keys())
	}
	i := s.invocations[q.invokeID]
	switch {
	case i == nil || i.scopeKey() != q.scopeKey:
		return nil
	case q.history && withLive:
		return slices.SortedFunc(slices.Values(slices.Concat(i.Rows, i.History)), func(a, b *row) int { return cmp.Compare(a.Sequence, b.Sequence) })
	case q.history:
		return i.History
	}
	return i.Rows
}

// candidateInvocations are the invocations among which those that f asks for are found, in the order of making.
func (s *store) candidateInvocations(key scopeKey, f invocationFilter) []*invocation {
	if f.InvokeID == "" {
		return s.scope(key).findInvocations(f.keys())
	}
	if i := s.invocations[f.InvokeID]; i != nil && i.scopeKey() == key {
		return []*invocation{i}
	}
	return nil
}

// oldestTagged is the sequence number of the oldest invocation that a filter by tags finds: of those that have the
// tags, the newest up to a limit. 0 is no bound.
func (s *store) oldestTagged(key scopeKey, tags []Tag, limit int) uint64 {
	if len(tags) == 0 {
		return 0
	}
	for _, i := range slices.Backward(s.scope(key).findInvocations(keysOfTags(tags))) {
		if !containsTags(i.Tags, tags) {
			continue
		}
		if limit--; limit == 0 {
			return i.Sequence
		}
	}
	return 0
}

// keys are those of the index of rows for q.
func (q query) keys() []indexKey {
	keys := keysOf(q.commandID, q.resourceGroupID, q.instanceID, q.tags)
	switch q.recorded {
	case "":
		return keys
	case RecordSuccess:
		return append(keys, succeededKey)
	}
	return append(keys, recordKey(q.recorded))
}

// match says whether r answers q, now.
func (q query) match(r *row, now time.Time) bool {
	i := r.invocation
	return r.visible(now) &&
		(q.instanceID == "" || r.InstanceID == q.instanceID) &&
		(q.commandID == "" || r.CommandID == q.commandID) &&
		(q.resourceGroupID == "" || i.ResourceGroupID == q.resourceGroupID) &&
		containsTags(i.Tags, q.tags) &&
		(q.recorded == "" || r.isRecorded(q.recorded))
}

// visible says whether the row is shown in answers, now.
func (r *row) visible(now time.Time) bool { return !r.Hidden && !r.VisibleAt.After(now) }

func containsTags(have, want []Tag) bool {
	for _, tag := range want {
		if !slices.Contains(have, tag) {
			return false
		}
	}
	return true
}

// recordStatus is the invocation's, unless the row was told another.
func (r *row) recordStatus() string {
	return firstOf(r.InvokeRecordStatus, r.invocation.indexed.record)
}

// isRecorded says whether the row's invocation passes a filter by InvokeRecordStatus. Success is no status but
// means that every instance succeeded.
func (r *row) isRecorded(filter string) bool {
	if filter == RecordSuccess {
		return r.invocation.indexed.succeeded
	}
	return r.recordStatus() == filter
}

// recordStatus is the status of the whole invocation, from its live rows.
func (i *invocation) recordStatus() string { return recordStatus(i.statuses()) }

// succeeded says whether every instance did.
func (i *invocation) succeeded() bool {
	return !slices.ContainsFunc(i.Rows, func(r *row) bool { return r.InvocationStatus != StatusSuccess })
}

func (i *invocation) statuses() []string {
	statuses := make([]string, len(i.Rows))
	for n, r := range i.Rows {
		statuses[n] = r.InvocationStatus
	}
	return statuses
}
