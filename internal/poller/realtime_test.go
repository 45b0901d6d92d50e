package poller

import (
	"syscall"
	"time"
)

// realNow is the time that the process has used the processor, which a bubble does not fake.
func realNow() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
