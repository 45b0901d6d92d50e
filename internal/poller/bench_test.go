package poller

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// noSessions refuses every session, so that the benchmarks measure the engine alone.
type noSessions struct{}

func (noSessions) Session(context.Context, cloudassistant.Identity, string) (cloudassistant.Session, error) {
	return nil, failureOf(cloudassistant.ClassDenied)
}

const benchQuestions = 10_000

// benchWatches are 10,000 questions of one owner each.
func benchWatches() ([]Owner, []Watch) {
	owners, watches := make([]Owner, benchQuestions), make([]Watch, benchQuestions)
	for n := range watches {
		owners[n] = Owner(fmt.Sprintf("namespace/run-%d", n))
		watches[n] = about(fmt.Sprintf("t-hz0%08d", n))
	}
	return owners, watches
}

func watchAll(owners []Owner, watches []Watch) *Poller {
	p := New(noSessions{}, Options{})
	for n, owner := range owners {
		p.Watch(owner, watches[n])
	}
	return p
}

// BenchmarkWatchAgain is what every reconcile pays.
func BenchmarkWatchAgain(b *testing.B) {
	owners, watches := benchWatches()
	p := watchAll(owners, watches)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p.Watch(owners[n], watches[n])
		n = (n + 1) % benchQuestions
	}
}

// BenchmarkWatchAndForget is what a new question costs among 10,000.
func BenchmarkWatchAndForget(b *testing.B) {
	p := watchAll(benchWatches())
	watch := about("t-new")
	b.ReportAllocs()
	for b.Loop() {
		p.Watch("new", watch)
		p.Forget("new")
	}
}

// BenchmarkMemory reports what a question costs while it waits, without its answer.
func BenchmarkMemory(b *testing.B) {
	owners, watches := benchWatches()
	for b.Loop() {
		before := liveHeap()
		p := watchAll(owners, watches)
		b.ReportMetric(float64(liveHeap()-before)/benchQuestions, "B/question")
		runtime.KeepAlive(p)
	}
	runtime.KeepAlive(owners)
	runtime.KeepAlive(watches)
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkChanged compares two answers of 100 instances that say the same, in the same order and not.
func BenchmarkChanged(b *testing.B) {
	var answer []cloudassistant.Record
	for n := range 100 {
		row := fullRow(cloudassistant.StatusFailed)
		row.InstanceID = fmt.Sprintf("i-%d", n)
		row.Output = make([]byte, 24<<10)
		answer = append(answer, row)
	}
	b.ReportAllocs()
	for b.Loop() {
		if changed(answer, answer) {
			b.Fatal("an answer differs from itself")
		}
	}
}
