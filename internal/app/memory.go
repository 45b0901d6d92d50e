package app

import (
	"os"
	"runtime/debug"
)

// gcPercent has the heap grow by 60 % from one garbage collection to the next, rather than double: of ten thousand runs in
// flight most of the peak would be garbage, and there is processor time to spare.
const gcPercent = 60

// spareMemory sets that for the whole process, unless GOGC says otherwise.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
