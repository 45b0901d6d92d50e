package process

import (
	"fmt"
	"maps"
	"sync"
	"testing"
)

// Callers that come while somebody looks share the next look. What a killed process began in the meantime is found by
// looking again.
func TestManyKillsShareTheirLooks(t *testing.T) {
	const callers = 100
	looking, goOn := make(chan struct{}), make(chan struct{})
	var looks int
	var mu sync.Mutex
	alive := map[int]string{callers: "run-5/", callers + 1: "other/", callers + 2: "run-7/"}
	for n := range callers {
		alive[n] = fmt.Sprintf("run-%d/", n)
	}
	s := sweeper{
		halt: func(int) {},
		look: func() map[int]string {
			mu.Lock()
			defer mu.Unlock()
			if looks++; looks == 1 {
				mu.Unlock()
				close(looking)
				<-goOn
				mu.Lock()
			}
			found := map[int]string{}
			for pid, marker := range alive {
				found[pid] = marker
			}
			return found
		},
		slay: func(pid int) bool {
			mu.Lock()
			defer mu.Unlock()
			delete(alive, pid)
			if pid == callers+2 {
				alive[callers+3] = "run-7/"
			}
			return true
		},
	}
	var all sync.WaitGroup
	kill := func(n int) {
		s.kill(fmt.Sprintf("run-%d/", n))
		mu.Lock()
		defer mu.Unlock()
		for pid, marker := range alive {
			if marker == fmt.Sprintf("run-%d/", n) {
				t.Errorf("after its kill returned, process %d of %s is alive", pid, marker)
			}
		}
	}
	all.Go(func() { kill(0) })
	<-looking
	joined := make(chan struct{}, callers)
	for n := 1; n < callers; n++ {
		all.Go(func() {
			joined <- struct{}{}
			kill(n)
		})
	}
	for range callers - 1 {
		<-joined
	}
	close(goOn)
	all.Wait()
	if len(alive) != 1 || alive[callers+1] != "other/" {
		t.Errorf("alive are %v, want the process of nobody's prefix", alive)
	}
	// Two looks for the first caller, three for all others if they joined in time: far below two for each.
	if looks > callers/2 {
		t.Errorf("%d callers needed %d looks", callers, looks)
	}
}

// No process sees another killed: a shell would say so in its output.
func TestAllAreHaltedBeforeOneIsKilled(t *testing.T) {
	const processes = 20
	halted, alive := 0, map[int]string{}
	for pid := range processes {
		alive[pid] = "run/"
	}
	s := sweeper{
		look: func() map[int]string { return maps.Clone(alive) },
		halt: func(int) { halted++ },
		slay: func(pid int) bool {
			if halted != processes {
				t.Errorf("process %d is killed when %d of %d are halted", pid, halted, processes)
			}
			delete(alive, pid)
			return true
		},
	}
	s.kill("run/")
	if len(alive) > 0 {
		t.Errorf("alive are %v", alive)
	}
}

// A process that cannot be killed is not looked for again and again.
func TestKillGivesUp(t *testing.T) {
	looks := 0
	look := func() map[int]string {
		looks++
		return map[int]string{1: "run/"}
	}
	s := sweeper{look: look, halt: func(int) {}, slay: func(int) bool { return false }}
	s.kill("run/")
	if looks != 1 {
		t.Errorf("looked %d times, want once", looks)
	}
}

// BenchmarkKillMarked shows what a kill costs when a hundred come at once.
func BenchmarkKillMarked(b *testing.B) {
	for range b.N {
		var all sync.WaitGroup
		for n := range 100 {
			all.Go(func() { KillMarked(fmt.Sprintf("nobody-%d/", n)) })
		}
		all.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/100, "µs/kill")
}
