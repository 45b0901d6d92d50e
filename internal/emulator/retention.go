package emulator

import (
	"cmp"
	"fmt"
	"time"
)

// What the page of DescribeInvocationResults says of retention. Newer pages of the vendor say 30 days and 10,000.
const (
	defaultMaxAge     = 28 * 24 * time.Hour
	defaultMaxRecords = 100_000
)

// Retention is how long results can be asked for. A record is a row: that of an instance, or of a past run. It is
// removed for good, the oldest first; the rows of the instances of an invocation together, by the age of the youngest,
// so that the status of the whole does not change after its end. What has not ended stays: a schedule that goes on
// loses its past runs only. How the vendor counts is not documented; this is the emulator's choice.
type Retention struct {
	// MaxAge is counted on the emulator's clock, from the creation of the invocation or, if that is later, the end of
	// the run; 0 is the documented four weeks.
	MaxAge time.Duration
	// MaxRecords is how many records an account keeps in a region; 0 is the documented 100,000.
	MaxRecords int
}

// SetRetention replaces the retention; records that it no longer allows are gone from the next call on. It fails if a
// limit is negative.
func (e *Emulator) SetRetention(r Retention) error {
	if r.MaxAge < 0 || r.MaxRecords < 0 {
		return fmt.Errorf("retention of %v and %d records is negative; use 0 for the documented limits", r.MaxAge, r.MaxRecords)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.retention = Retention{cmp.Or(r.MaxAge, defaultMaxAge), cmp.Or(r.MaxRecords, defaultMaxRecords)}
	return nil
}

// forgetExpired removes what retention no longer allows. It is no change that has to be saved: a saved record that has
// expired is removed again.
func (e *Emulator) forgetExpired() {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	e.store.expire(e.now())
}
