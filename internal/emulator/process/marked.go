package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// KillMarked kills every process whose Marker begins with prefix, until a look finds no further one. It reads
// /proc; on a system without it, it finds nothing. Many calls at once share their looks.
func KillMarked(prefix string) { everywhere.kill(prefix) }

var everywhere = sweeper{
	look: marked,
	halt: func(pid int) { _ = syscall.Kill(pid, syscall.SIGSTOP) }, // ESRCH: it has ended by itself.
	slay: func(pid int) bool { return syscall.Kill(pid, syscall.SIGKILL) == nil },
}

// sweeper kills marked processes for many callers by few looks, because each look reads of every process.
type sweeper struct {
	// look lists the living processes that have a marker, with their markers.
	look func() map[int]string
	// halt stops a process from doing anything more.
	halt func(pid int)
	// slay kills a process, and says whether that was possible.
	slay func(pid int) bool

	// turn is held by the caller that looks for all who wait.
	turn sync.Mutex
	// mu guards next, the sweep that has not begun; nil if nobody waits for one.
	mu   sync.Mutex
	next *sweep
}

// sweep is one round of killing. Its prefixes are guarded by sweeper.mu until it begins, done by sweeper.turn.
type sweep struct {
	prefixes []string
	done     bool
}

func (s *sweeper) kill(prefix string) {
	mine := s.join(prefix)
	s.turn.Lock()
	defer s.turn.Unlock()
	if mine.done {
		return
	}
	// Nobody else can have begun it: who has the turn finishes what he begins.
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	s.run(mine.prefixes)
	mine.done = true
}

// join adds a prefix to the sweep that begins next.
func (s *sweeper) join(prefix string) *sweep {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &sweep{}
	}
	s.next.prefixes = append(s.next.prefixes, prefix)
	return s.next
}

// run looks and kills until nothing is found: what was killed may have begun others in the meantime. All are halted before
// the first is killed: a shell that outlives what it has started would tell of that in its output.
func (s *sweeper) run(prefixes []string) {
	for again := true; again; {
		again = false
		var found []int
		for pid, marker := range s.look() {
			if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(marker, prefix) }) {
				found = append(found, pid)
				s.halt(pid)
			}
		}
		for _, pid := range found {
			again = s.slay(pid) || again
		}
	}
}

// marked lists the living processes that have a Marker, with its value.
func marked() map[int]string {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	entry := []byte(Marker + "=")
	found := map[int]string{}
	for _, file := range files {
		environment, err := os.ReadFile(file)
		if err != nil {
			// It ended between the two looks, or belongs to somebody else.
			continue
		}
		for _, variable := range bytes.Split(environment, []byte{0}) {
			marker, isMarker := bytes.CutPrefix(variable, entry)
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if isMarker && err == nil {
				found[pid] = string(marker)
			}
		}
	}
	return found
}
