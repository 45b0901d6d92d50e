package emulator

import (
	"cmp"
	"slices"
	"time"
)

// scopeKey names what one listing can see.
type scopeKey struct{ accountID, regionID string }

// scope is everything of one account in one region, in the order of making. Emulator.mu guards it.
type scope struct {
	rows        []*row
	invocations []*invocation
}

// store holds the invocations. Emulator.mu guards it.
type store struct {
	sequence    uint64
	scopes      map[scopeKey]*scope
	invocations map[string]*invocation
}

func newStore() store {
	return store{scopes: map[scopeKey]*scope{}, invocations: map[string]*invocation{}}
}

func (s *store) scope(accountID, regionID string) *scope {
	key := scopeKey{accountID, regionID}
	if s.scopes[key] == nil {
		s.scopes[key] = &scope{}
	}
	return s.scopes[key]
}

func (s *store) next() uint64 {
	s.sequence++
	return s.sequence
}

func (s *store) addInvocation(i *invocation) {
	i.Sequence = s.next()
	s.invocations[i.ID] = i
	scope := s.scope(i.AccountID, i.RegionID)
	scope.invocations = append(scope.invocations, i)
}

// addRow adds a live row to its invocation.
func (s *store) addRow(i *invocation, r *row) {
	r.invocation, r.Sequence = i, s.next()
	i.Rows = append(i.Rows, r)
	scope := s.scope(i.AccountID, i.RegionID)
	scope.rows = append(scope.rows, r)
}

// addHistory adds the row of a past run to its invocation.
func (s *store) addHistory(i *invocation, r *row) {
	r.invocation, r.Sequence = i, s.next()
	i.History = append(i.History, r)
}

func (s *store) forget(i *invocation) {
	delete(s.invocations, i.ID)
	scope := s.scope(i.AccountID, i.RegionID)
	scope.invocations = slices.DeleteFunc(scope.invocations, func(other *invocation) bool { return other == i })
	scope.rows = slices.DeleteFunc(scope.rows, func(r *row) bool { return r.invocation == i })
}

// query is the question of DescribeInvocationResults, complete but for paging.
type query struct {
	scopeKey
	resourceGroupID, invokeID, instanceID, commandID, recorded string
	history                                                    bool
	tags                                                       []Tag
}

// candidates are the rows among which the answer to q is found, in the order of making: those of one invocation
// if q names it, all of the account and region otherwise. withLive adds the live rows to a history.
func (s *store) candidates(q query, withLive bool) []*row {
	if q.invokeID == "" {
		return s.scope(q.accountID, q.regionID).rows
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
		return s.scope(key.accountID, key.regionID).invocations
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
	for _, i := range slices.Backward(s.scope(key.accountID, key.regionID).invocations) {
		if !containsTags(i.Tags, tags) {
			continue
		}
		if limit--; limit == 0 {
			return i.Sequence
		}
	}
	return 0
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

// isRecorded says whether the row's invocation passes a filter by InvokeRecordStatus. Success is no status but
// means that every instance succeeded.
func (r *row) isRecorded(filter string) bool {
	if filter == RecordSuccess {
		return !slices.ContainsFunc(r.invocation.Rows, func(r *row) bool { return r.InvocationStatus != StatusSuccess })
	}
	return r.recordStatus() == filter
}

func (r *row) recordStatus() string {
	return firstOf(r.InvokeRecordStatus, r.invocation.recordStatus())
}

// recordStatus is the status of the whole invocation, from its live rows.
func (i *invocation) recordStatus() string { return recordStatus(i.statuses()) }

func (i *invocation) statuses() []string {
	statuses := make([]string, len(i.Rows))
	for n, r := range i.Rows {
		statuses[n] = r.InvocationStatus
	}
	return statuses
}
