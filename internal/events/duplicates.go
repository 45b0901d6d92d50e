package events

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// duplicateAge is how long an event is remembered: the sender's own retries come within a minute, and its events up to
	// one and a half late.
	duplicateAge = 5 * time.Minute
	// maxRemembered is how many, two for most events; they take a few megabytes.
	maxRemembered = 16384
)

// duplicates remembers of which events hints were given. An event is known by its ID, which is the same whenever it is sent
// again, and by what it announces, which is the same if two rules announce it, or somebody changes what is not signed.
type duplicates struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	seen  *lru.Cache
}

type eventKey struct {
	form Form
	id   string
}

func newDuplicates(c clock.PassiveClock) *duplicates {
	return &duplicates{clock: c, seen: lru.New(maxRemembered)}
}

// keys are what an event is known by. A hint that names neither an event nor a completion is never known: one
// without a run has no end either.
func (*duplicates) keys(form Form, h Hint) []any {
	var keys []any
	if h.ID != "" {
		keys = append(keys, eventKey{form: form, id: h.ID})
	}
	if !h.FinishedAt.IsZero() {
		completion := h
		completion.ID = ""
		keys = append(keys, completion)
	}
	return keys
}

// add remembers the event, and says false if it was remembered already.
func (d *duplicates) add(form Form, h Hint) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, keys := d.clock.Now(), d.keys(form, h)
	for _, key := range keys {
		if at, found := d.seen.Get(key); found && now.Sub(at.(time.Time)) < duplicateAge {
			return false
		}
	}
	for _, key := range keys {
		d.seen.Add(key, now)
	}
	return true
}

// forget makes the event a new one again.
func (d *duplicates) forget(form Form, h Hint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range d.keys(form, h) {
		d.seen.Remove(key)
	}
}
