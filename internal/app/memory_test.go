package app

import (
	"runtime/debug"
	"testing"
)

// Whoever sets GOGC is obeyed.
func TestMemoryIsSparedUnlessGOGCIsSet(t *testing.T) {
	for set, want := range map[string]int{"": gcPercent, "150": 100} {
		before := debug.SetGCPercent(100)
		t.Setenv("GOGC", set)
		spareMemory()
		if got := debug.SetGCPercent(before); got != want {
			t.Errorf("with GOGC=%q it is %d, want %d", set, got, want)
		}
	}
}
