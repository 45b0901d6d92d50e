package emulator

import "sync"

// CallKey is what calls are counted by.
type CallKey struct {
	Action string
	// InvokeID is the parameter InvokeId of the call; empty if it had none, if the invocation is forgotten, or if
	// calls of too many others were counted before.
	InvokeID string
}

// maxCountedInvocations is for how many invocations the calls are counted apart: whoever calls can name any ID.
const maxCountedInvocations = 100_000

// CallCounts is how many calls of known actions have arrived, answered or not, refused or not.
type CallCounts map[CallKey]int

// Total counts the calls of an action.
func (c CallCounts) Total(action string) int {
	total := 0
	for key, n := range c {
		if key.Action == action {
			total += n
		}
	}
	return total
}

// callMemory counts the calls. It is safe for many goroutines.
type callMemory struct {
	mu sync.Mutex
	// counts are by InvokeId, then by action.
	counts map[string]map[string]int
}

func newCallMemory() *callMemory { return &callMemory{counts: map[string]map[string]int{}} }

func (c *callMemory) count(key CallKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[key.InvokeID] == nil && len(c.counts) >= maxCountedInvocations {
		key.InvokeID = ""
	}
	c.add(key, 1)
}

// add counts n more calls. The caller holds mu.
func (c *callMemory) add(key CallKey, n int) {
	if c.counts[key.InvokeID] == nil {
		c.counts[key.InvokeID] = map[string]int{}
	}
	c.counts[key.InvokeID][key.Action] += n
}

// forget counts the calls for an invocation as those without one from now on.
func (c *callMemory) forget(invokeID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts[invokeID]
	delete(c.counts, invokeID)
	for action, n := range counts {
		c.add(CallKey{Action: action}, n)
	}
}

// Calls returns a copy of the counts of all calls since the start or the last ResetCalls. A call is counted when
// it arrives, before a fault or a refusal meets it.
func (e *Emulator) Calls() CallCounts {
	e.calls.mu.Lock()
	defer e.calls.mu.Unlock()
	all := CallCounts{}
	for invokeID, counts := range e.calls.counts {
		for action, n := range counts {
			all[CallKey{action, invokeID}] = n
		}
	}
	return all
}

// ResetCalls forgets all counts.
func (e *Emulator) ResetCalls() {
	e.calls.mu.Lock()
	defer e.calls.mu.Unlock()
	clear(e.calls.counts)
}
