package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the accounts in /proc: a hundredth of a second on every Linux.
const tick = 10 * time.Millisecond

// ownCPU is what this process has used, without its children.
func ownCPU() time.Duration {
	var spent syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &spent) != nil {
		return 0
	}
	return time.Duration(spent.Utime.Nano() + spent.Stime.Nano())
}

// machineCPU is what all processors have spent on anything since the system began; 0 where it does not tell.
func machineCPU() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	return busy(line)
}

// busy sums the line of all processors up: user, nice, system, then idle and iowait, which are no work, and the rest, of
// which guest time is in user time already.
func busy(line string) time.Duration {
	total := time.Duration(0)
	for n, field := range strings.Fields(line) {
		if n == 0 || n == 4 || n == 5 || n > 8 {
			continue
		}
		ticks, _ := strconv.ParseInt(field, 10, 64)
		total += time.Duration(ticks) * tick
	}
	return total
}
