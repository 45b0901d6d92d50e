package emulator

import (
	"fmt"
	"testing"
	"time"
)

// Sessions go some time after they expired, so that a client which comes late learns why it is refused, and their
// number stays bounded however many are opened. The user's own keys stay.
func TestExpiredSessionsAreForgotten(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	k := newKeyring()
	k.add(AccessKey{ID: "own", Secret: "s", ExpiresAt: now})
	const perHour = 1000
	most := 0
	for n := range 20 * perHour {
		k.addSession(AccessKey{ID: fmt.Sprint("STS.", n), ExpiresAt: now.Add(time.Hour), AssumedRole: "r"}, now)
		now = now.Add(time.Hour / perHour)
		most = max(most, len(k.keys))
	}
	// Two hours of them are wanted; they are looked through when there are twice as many.
	if most > 5*perHour {
		t.Errorf("%d keys were held at once, of %d sessions in an hour", most, perHour)
	}
	last := 20*perHour - 1
	for id, want := range map[string]bool{"own": true, fmt.Sprint("STS.", last): true, fmt.Sprint("STS.", last-perHour-perHour/2): true, "STS.0": false} {
		if _, known := k.keys[id]; known != want {
			t.Errorf("key %s is known: %v, want %v", id, known, want)
		}
	}
	saved := k.sessions(now)
	if len(saved) < perHour || len(saved) > 2*perHour+1 {
		t.Errorf("%d sessions are saved, want those of the last two hours", len(saved))
	}
}
