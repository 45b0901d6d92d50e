package emulator_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// memoryBudget is what the emulator may take with 10,000 simulated runs, or 500 processes: a small machine of a
// pipeline has it to spare.
const memoryBudget = 300 << 20

// What runs cost that go on at the same time: as simulations, and as processes. The memory is that of this process,
// which holds the emulator, and of the children, from the kernel's accounts (Linux only); pages that processes share
// count by their share.
func BenchmarkConcurrentRuns(b *testing.B) {
	if _, err := proportionalSize("self"); err != nil {
		b.Fatalf("this benchmark needs the accounts of a Linux kernel: %v", err)
	}
	simulated := 0.0
	b.Run("simulated=10000", func(b *testing.B) {
		for b.Loop() {
			simulated = concurrentRuns(b, 10_000, emulator.Simulation{Duration: time.Hour})
		}
	})
	b.Run("processes=500", func(b *testing.B) {
		for b.Loop() {
			each := concurrentRuns(b, 500)
			if simulated > 0 {
				b.ReportMetric(each/simulated, "times-a-simulated-run")
			}
		}
	})
}

// concurrentRuns submits as many commands by RunCommand, waits until they all run, and returns the bytes that each
// takes.
func concurrentRuns(b *testing.B, count int, simulations ...emulator.Simulation) float64 {
	b.Helper()
	e, err := emulator.New(emulator.Options{
		AccessKeys:  []emulator.AccessKey{{ID: testKeyID, Secret: testSecret}},
		Instances:   emulator.NumberedInstances(100, testRegion, ""),
		Simulations: simulations,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	}()
	r := (&bench{e: e}).raw(nil)
	debug.FreeOSMemory()
	before := memory(b)
	began := time.Now()
	ids := make([]string, count)
	for n := range ids {
		query := r.sign(http.MethodGet, r.rpc("RunCommand", pairs("Type", "RunShellScript", "CommandContent", "exec sleep 3600",
			"Timeout", "86400", "InstanceId.1", fmt.Sprintf("i-emulator%010d", n%100+1)))).Encode()
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/?"+query, nil))
		_, id, _ := strings.Cut(recorder.Body.String(), `"InvokeId":"`)
		ids[n], _, _ = strings.Cut(id, `"`)
		if recorder.Code != http.StatusOK {
			b.Fatalf("answer %d %s", recorder.Code, recorder.Body)
		}
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for _, id := range ids {
		for e.Rows(id)[0].InvocationStatus != emulator.StatusRunning {
			<-look.C
		}
	}
	took := time.Since(began)
	debug.FreeOSMemory()
	after := memory(b)
	each := float64(after-before) / float64(count)
	b.ReportMetric(float64(after)/(1<<20), "MiB")
	if after > memoryBudget {
		b.Errorf("%d runs take %d MiB with the emulator, want %d at most", count, after>>20, memoryBudget>>20)
	}
	b.ReportMetric(each, "B/run")
	b.ReportMetric(float64(count)/took.Seconds(), "submits/s")
	return each
}

// memory is what this process and its children take, in bytes.
func memory(b *testing.B) int64 {
	b.Helper()
	total, err := proportionalSize("self")
	if err != nil {
		b.Fatal(err)
	}
	// A child may end between the two looks: then it takes nothing.
	children, _ := os.ReadDir("/proc")
	for _, child := range children {
		stat, err := os.ReadFile("/proc/" + child.Name() + "/stat")
		if err != nil {
			continue
		}
		_, fields, _ := strings.Cut(string(stat), ") ")
		if parent := strings.Fields(fields)[1]; parent == strconv.Itoa(os.Getpid()) {
			size, _ := proportionalSize(child.Name())
			total += size
		}
	}
	return total
}

// proportionalSize is the memory of a process, in bytes, of which shared pages count by their share.
func proportionalSize(pid string) (int64, error) {
	file, err := os.Open("/proc/" + pid + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if size, found := strings.CutPrefix(lines.Text(), "Pss:"); found {
			kibibytes, err := strconv.ParseInt(strings.Fields(size)[0], 10, 64)
			return kibibytes << 10, err
		}
	}
	return 0, fmt.Errorf("process %s has no Pss", pid)
}
