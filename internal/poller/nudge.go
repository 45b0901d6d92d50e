package poller

// Nudge hints that a run has news, wherever that was heard. It is not believed: it only makes the engine ask sooner, within
// the rate that it has anyway.
type Nudge struct {
	// AccountID is whose run it is; empty if that is not known, and then anybody's.
	AccountID string
	RegionID  string
	// InvokeID names the run; empty means any of the region.
	InvokeID string
	// InstanceID is where it has news; empty means anywhere.
	InstanceID string
}

// Nudge asks now about the run that has news, for whoever watches it, and says whether anybody does. It never waits.
func (p *Poller) Nudge(n Nudge) (watched bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, l := range p.lanes {
		if key.regionID != n.RegionID || n.AccountID != "" && l.account != "" && l.account != n.AccountID {
			continue
		}
		for _, q := range l.byRun[n.InvokeID] {
			if q.unfinished() {
				q.forced, watched = true, true
				l.plan(q)
			}
		}
	}
	return watched
}
