package poller

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// After a restart, or a change of the leader, thousands of runs are watched in one moment, of which half have ended. The calls
// come at the rate that there is, not all at once, and lists catch up with far fewer of them than there are runs. No run has a
// goroutine of its own.
func TestARestartIsNoStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const runs, qps, burst = 4000, 5, 10
		c := newTown(t, Options{QPS: qps, Burst: burst}, 0)
		c.settle(runs, 800*time.Millisecond)
		c.ends(0, runs/2)
		c.pass(time.Minute)
		idle := runtime.NumGoroutine()
		c.watchAll(c.runs)
		start, most, caughtUp := c.clock.Now(), 0, time.Duration(0)
		for caughtUp == 0 && c.clock.Since(start) < 10*time.Minute {
			c.pass(5 * time.Second)
			most = max(most, runtime.NumGoroutine()-idle)
			if c.known(0, runs/2) == runs/2 {
				caughtUp = c.clock.Since(start)
			}
		}
		calls := c.took()
		// All that there is are 80 pages, which are listed once in 16 seconds.
		if caughtUp == 0 || caughtUp > 90*time.Second || len(calls) > runs/8 {
			t.Errorf("all ends were known after %v and %d calls", caughtUp, len(calls))
		}
		for n := range calls {
			within := 0
			for _, later := range calls[n:] {
				if later.at.Sub(calls[n].at) < 10*time.Second {
					within++
				}
			}
			if within > burst+10*qps {
				t.Fatalf("%d calls in the ten seconds after %v", within, calls[n].at.Sub(start))
			}
		}
		if most > 30 {
			t.Errorf("%d goroutines more than without %d runs", most, runs)
		}
	})
}
