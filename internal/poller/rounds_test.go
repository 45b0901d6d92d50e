package poller

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

// rounds is what it costs to watch runs none of which ends.
type rounds struct {
	calls, rounds int
	over          time.Duration
}

func (r rounds) perRound() float64       { return float64(r.calls) / float64(r.rounds) }
func (r rounds) perMinute() float64      { return float64(r.calls) / r.over.Minutes() }
func (r rounds) interval() time.Duration { return r.over / time.Duration(r.rounds) }

// roundCounter counts the surveys that were completed.
type roundCounter struct{ completed atomic.Int64 }

func (*roundCounter) Walked(WalkKind, Extent) {}

func (c *roundCounter) Surveyed(_ SurveyPlan, outcome SurveyOutcome) {
	if outcome == SurveyCompleted {
		c.completed.Add(1)
	}
}

// watchRunning watches so many runs, which began within the last hour and go on, for twenty minutes after the first
// fifteen, under the default rate.
func watchRunning(runs int) rounds {
	cloud := newCrowdCloud(crowd{runs: runs, quota: 1000})
	now := time.Now()
	for n := range runs {
		run := &crowdRun{id: fmt.Sprintf("t-%05d", n), created: now.Add(-time.Hour * time.Duration(n+1) / time.Duration(runs))}
		run.ends, run.endVisibleAt = now.Add(24*time.Hour), now.Add(24*time.Hour)
		cloud.list = append(cloud.list, run)
		cloud.byID[run.id] = run
	}
	counter := &roundCounter{}
	poller := New(cloud, Options{Clock: clock.RealClock{}, Observer: counter})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- poller.Start(ctx) }()
	for _, run := range cloud.list {
		poller.Watch(Owner(run.id), about(run.id))
	}
	const over = 20 * time.Minute
	count := func() (calls, completed int) {
		cloud.mu.Lock()
		defer cloud.mu.Unlock()
		return cloud.calls, int(counter.completed.Load())
	}
	<-time.After(15 * time.Minute)
	calls, completed := count()
	<-time.After(over)
	callsThen, completedThen := count()
	cancel()
	if err := <-ended; err != nil {
		panic(err)
	}
	return rounds{calls: callsThen - calls, rounds: completedThen - completed, over: over}
}

// While nothing ends, most rounds look through the short list of what has: a round costs a fraction of the call for every 50
// runs that it takes to list what goes on.
func TestRounds(t *testing.T) {
	for runs, most := range map[int]float64{100: 2.5, 1000: 4.6, 5000: 16} {
		t.Run(strconv.Itoa(runs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := watchRunning(runs)
				if got.perRound() > most || got.rounds < 5 {
					t.Errorf("%d rounds of %.1f calls, want at least 5 of at most %.1f", got.rounds, got.perRound(), most)
				}
			})
		})
	}
}

var roundsOf = flag.String("rounds", "", "print what a round costs for so many runs, separated by commas")

// TestRoundFigures prints what -rounds asks for.
func TestRoundFigures(t *testing.T) {
	for _, name := range slices.DeleteFunc(strings.Split(*roundsOf, ","), func(s string) bool { return s == "" }) {
		runs, err := strconv.Atoi(name)
		if err != nil {
			t.Fatalf("-rounds: %q is no number", name)
		}
		synctest.Test(t, func(t *testing.T) {
			got := watchRunning(runs)
			t.Logf("| %d | %.1f | %.0f s | %.0f |", runs, got.perRound(), got.interval().Seconds(), got.perMinute())
		})
	}
}
