package emulator

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"
)

// adminCount is an entry of CallCounts in JSON.
type adminCount struct {
	Action   string `json:"action"`
	InvokeID string `json:"invokeID,omitempty"`
	Count    int    `json:"count"`
}

// list is the counts in the order of action and invocation.
func (c CallCounts) list() []adminCount {
	list := make([]adminCount, 0, len(c))
	for key, count := range c {
		list = append(list, adminCount{Action: key.Action, InvokeID: key.InvokeID, Count: count})
	}
	slices.SortFunc(list, func(a, b adminCount) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.InvokeID, b.InvokeID))
	})
	return list
}

func (e *Emulator) adminCalls() http.HandlerFunc {
	return showing(func(*http.Request) []adminCount { return e.Calls().list() })
}

// adminRows shows an empty list where there is no invocation.
func (e *Emulator) adminRows() http.HandlerFunc {
	return showing(func(r *http.Request) []Row { return append([]Row{}, e.Rows(r.PathValue("id"))...) })
}

// adminActiveFault is a fault that still meets calls; Left is 0 if it meets all until it is cleared.
type adminActiveFault struct {
	adminFault
	Left int `json:"left,omitempty"`
}

func (e *Emulator) adminListFaults() http.HandlerFunc {
	return showing(func(*http.Request) []adminActiveFault { return e.faults.list() })
}

func (f *faultSet) list() []adminActiveFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]adminActiveFault, len(f.active))
	for n, a := range f.active {
		list[n] = adminActiveFault{adminFault{a.Fault, milliseconds(a.RetryAfter), milliseconds(a.Delay)}, max(a.left, 0)}
	}
	return list
}

// adminKey is an AccessKey without what must not be seen.
type adminKey struct {
	ID          string `json:"id"`
	AccountID   string `json:"accountID"`
	UserName    string `json:"userName,omitempty"`
	AssumedRole string `json:"assumedRole,omitempty"`
	// Limited says that policies limit what it may do.
	Limited   bool       `json:"limited"`
	Disabled  bool       `json:"disabled"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}

func (k *keyring) list() []adminKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]adminKey, 0, len(k.keys))
	for _, id := range slices.Sorted(maps.Keys(k.keys)) {
		key := k.keys[id]
		shown := adminKey{
			ID: key.ID, AccountID: key.AccountID, UserName: key.UserName, AssumedRole: key.AssumedRole,
			Limited: key.Policies != nil || key.SessionPolicy != nil, Disabled: key.Disabled,
		}
		if !key.ExpiresAt.IsZero() {
			shown.ExpiresAt = &key.ExpiresAt
		}
		list = append(list, shown)
	}
	return list
}

// adminSummary is what GET /state shows.
type adminSummary struct {
	// Now is the emulator's time, AheadMillis how far Advance has brought it ahead of the clients'.
	Now         time.Time `json:"now"`
	AheadMillis int64     `json:"aheadMillis"`

	RegionIDs []string           `json:"regionIDs"`
	Settings  Settings           `json:"settings"`
	Quotas    []Quota            `json:"quotas"`
	Faults    []adminActiveFault `json:"faults"`

	AccessKeys []adminKey `json:"accessKeys"`
	// Roles and OIDCProviders are ARNs.
	Roles         []string   `json:"roles"`
	OIDCProviders []string   `json:"oidcProviders"`
	Instances     []Instance `json:"instances"`

	Commands    int `json:"commands"`
	Invocations int `json:"invocations"`
	// Rows counts the live rows by their InvocationStatus.
	Rows        map[string]int `json:"rows"`
	HistoryRows int            `json:"historyRows"`
}

func (e *Emulator) adminState() http.HandlerFunc {
	return showing(func(*http.Request) adminSummary {
		s := adminSummary{
			Now: e.now(), AheadMillis: e.clock.Ahead().Milliseconds(), RegionIDs: e.options.RegionIDs,
			Settings: e.Settings(), Quotas: e.quotas.list(), Faults: e.faults.list(), AccessKeys: e.keys.list(),
			Rows: map[string]int{},
		}
		s.Roles, s.OIDCProviders = e.directory.list()
		e.mu.LockToRead()
		defer e.mu.Unlock()
		s.Commands, s.Invocations = len(e.commands), len(e.store.invocations)
		s.Instances = make([]Instance, 0, len(e.instances))
		for _, id := range slices.Sorted(maps.Keys(e.instances)) {
			s.Instances = append(s.Instances, e.instances[id].Instance)
		}
		for _, i := range e.store.invocations {
			s.HistoryRows += len(i.History)
			for _, r := range i.Rows {
				s.Rows[r.InvocationStatus]++
			}
		}
		return s
	})
}

func (d *directory) list() (roles, providers []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, slices.Sorted(maps.Keys(d.roles))...), append([]string{}, slices.Sorted(maps.Keys(d.providers))...)
}

func (s *quotaSet) list() []Quota {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Quota{}, s.quotas...)
}
