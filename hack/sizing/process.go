package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// memory is what a process holds of the machine's, in bytes.
type memory struct{ rss, peak int64 }

// memoryOf reads the memory of a process.
func memoryOf(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, err
	}
	return parseMemory(string(status))
}

// parseMemory takes the memory from /proc/PID/status.
func parseMemory(status string) (m memory, err error) {
	if m.rss, err = kilobytes(status, "VmRSS"); err != nil {
		return m, err
	}
	m.peak, err = kilobytes(status, "VmHWM")
	return m, err
}

// kilobytes reads the value of a key as /proc writes it, in bytes.
func kilobytes(text, key string) (int64, error) {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(line, key+":")
		if !found {
			continue
		}
		number, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", key, err)
		}
		return number << 10, nil
	}
	return 0, fmt.Errorf("no %s in what the kernel tells", key)
}

// forgetPeak makes the peak of a process start anew.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// child is the ID of the one child of this process that runs that program.
func child(program string) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var found []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			// It has ended meanwhile.
			continue
		}
		if pid, command, parent, ok := parseStat(string(stat)); ok && parent == os.Getpid() && command == program {
			found = append(found, pid)
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d children of this process run %s, want 1", len(found), program)
	}
	return found[0], nil
}

// parseStat reads /proc/PID/stat, which writes the command in parentheses, whatever it holds.
func parseStat(stat string) (pid int, command string, parent int, ok bool) {
	open, closing := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || closing < open {
		return 0, "", 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(stat[:open]))
	fields := strings.Fields(stat[closing+1:])
	if err != nil || len(fields) < 2 {
		return 0, "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return pid, stat[open+1 : closing], parent, err == nil
}

func describeMachine() (string, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "", fmt.Errorf("%w: this measures on Linux only", err)
	}
	total, err := kilobytes(string(info), "MemTotal")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d cores, %.0f GiB of memory, %s, %s/%s", runtime.NumCPU(), float64(total)/(1<<30), runtime.Version(), runtime.GOOS, runtime.GOARCH), nil
}

// metric reads the sum of the samples of a metric that have all of these labels, written name="value".
func metric(exposition []byte, name string, labels ...string) (sum float64, err error) {
	found := false
	lines := bufio.NewScanner(bytes.NewReader(exposition))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, isIt := strings.CutPrefix(lines.Text(), name)
		if !isIt || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		end := strings.LastIndexByte(rest, ' ')
		if !hasAll(rest[:end], labels) {
			continue
		}
		value, err := strconv.ParseFloat(rest[end+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum, found = sum+value, true
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	if !found {
		return 0, fmt.Errorf("no metric %s%v", name, labels)
	}
	return sum, nil
}

func hasAll(text string, labels []string) bool {
	for _, label := range labels {
		if !strings.Contains(text, label) {
			return false
		}
	}
	return true
}

// wait waits that long, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
