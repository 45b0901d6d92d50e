package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// KillMarked kills every process whose Marker begins with prefix, until a look finds no further one. It reads
// /proc; on a system without it, it finds nothing.
func KillMarked(prefix string) {
	for {
		found := marked(prefix)
		if len(found) == 0 {
			return
		}
		killed := false
		for _, pid := range found {
			killed = syscall.Kill(pid, syscall.SIGKILL) == nil || killed
		}
		if !killed {
			return
		}
	}
}

// marked lists the living processes whose Marker begins with prefix.
func marked(prefix string) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	entry := []byte(Marker + "=" + prefix)
	var pids []int
	for _, file := range files {
		environment, err := os.ReadFile(file)
		if err != nil {
			// It ended between the two looks, or belongs to somebody else.
			continue
		}
		if !bytes.HasPrefix(environment, entry) && !bytes.Contains(environment, append([]byte{0}, entry...)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
