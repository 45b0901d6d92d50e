package emulator

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The durations have the median that was asked for, and the failures their share.
func TestSimulationPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Simulation{
			Duration: time.Duration(rapid.IntRange(1, 3600).Draw(t, "seconds")) * time.Second,
			Sigma:    rapid.Float64Range(0.1, 1.5).Draw(t, "sigma"),
			FailRate: rapid.Float64Range(0, 1).Draw(t, "failRate"),
			Status:   rapid.SampledFrom([]string{"", StatusFailed, StatusError, StatusInvalid, StatusAborted}).Draw(t, "status"),
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		const runs = 2000
		logs, failed := make([]float64, runs), 0
		for n := range runs {
			duration, end := s.plan(random)
			logs[n] = math.Log(float64(duration) / float64(s.Duration))
			switch end.status {
			case StatusSuccess:
			case firstOf(s.Status, StatusFailed):
				failed++
			default:
				t.Fatalf("a run ended as %s", end.status)
			}
		}
		slices.Sort(logs)
		// Six standard errors: a wrong formula is far beyond them.
		if median := logs[runs/2]; math.Abs(median) > 6*1.25*s.Sigma/math.Sqrt(runs) {
			t.Errorf("the median is %v of what it should be", math.Exp(median))
		}
		if below := logs[runs*16/100]; math.Abs(below+s.Sigma) > 0.25*s.Sigma {
			t.Errorf("one sigma below the median is %v, want %v", below, -s.Sigma)
		}
		if share := float64(failed) / runs; math.Abs(share-s.FailRate) > 6*0.5/math.Sqrt(runs) {
			t.Errorf("a share of %v failed, want %v", share, s.FailRate)
		}
	})
}

func TestSimulationMatches(t *testing.T) {
	for _, tt := range []struct {
		name       string
		simulation Simulation
		want       bool
	}{
		{"all", Simulation{}, true},
		{"instance", Simulation{InstanceID: "i-web-1"}, true},
		{"pattern of instances", Simulation{InstanceID: "i-web-*"}, true},
		{"another instance", Simulation{InstanceID: "i-db-*"}, false},
		{"name", Simulation{CommandName: "patch-?"}, true},
		{"another name", Simulation{CommandName: "patch"}, false},
		{"content", Simulation{Content: "update"}, true},
		{"other content", Simulation{Content: "upgrade"}, false},
		{"all but one", Simulation{InstanceID: "i-web-1", CommandName: "patch-7", Content: "yum "}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.simulation.matches(&command{Name: "patch-7", Content: []byte("apt-get update")}, "i-web-1"); got != tt.want {
				t.Errorf("matches is %v", got)
			}
		})
	}
}
