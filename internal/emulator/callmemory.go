package emulator

import (
	"maps"
	"sync"
)

// CallKey is what calls are counted by.
type CallKey struct {
	Action string
	// InvokeID is the parameter InvokeId of the call; empty if it had none.
	InvokeID string
}

// CallCounts is how many calls have arrived, answered or not, refused or not.
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
	mu     sync.Mutex
	counts CallCounts
}

func newCallMemory() *callMemory { return &callMemory{counts: CallCounts{}} }

func (c *callMemory) count(key CallKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[key]++
}

// Calls returns a copy of the counts of all calls since the start or the last ResetCalls. A call is counted when
// it arrives, before a fault or a refusal meets it.
func (e *Emulator) Calls() CallCounts {
	e.calls.mu.Lock()
	defer e.calls.mu.Unlock()
	return maps.Clone(e.calls.counts)
}

// ResetCalls forgets all counts.
func (e *Emulator) ResetCalls() {
	e.calls.mu.Lock()
	defer e.calls.mu.Unlock()
	e.calls.counts = CallCounts{}
}
