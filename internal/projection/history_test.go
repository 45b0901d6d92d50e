package projection

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// earlier is the nth run of a schedule, as the history has it.
func earlier(instanceID string, n int64) cloudassistant.Record {
	return row(instanceID, success, ranBefore(n, 0))
}

func runsText(list []v1alpha1.InstanceResult) string {
	var parts []string
	for _, r := range list {
		parts = append(parts, fmt.Sprintf("%s#%d", r.InstanceID, r.Repeats))
	}
	return strings.Join(parts, " ")
}

func (s *story) wantHistory(want string, hidden int32) {
	s.testing.Helper()
	if got := runsText(s.status.History); got != want {
		s.testing.Errorf("history\n got %s\nwant %s", got, want)
	}
	got := int32(0)
	if s.status.Truncated != nil {
		got = s.status.Truncated.History
	}
	if got != hidden {
		s.testing.Errorf("%d earlier runs are said to be hidden, want %d", got, hidden)
	}
}

func TestHistoryOutlivesTheAPI(t *testing.T) {
	spec := withHistory()
	spec.HistoryLimit = new(int32(3))
	s := tell(t, spec)
	live := func(n int64) *cloudassistant.Answer { return answer(t0, row("i-a", waiting, ranBefore(n, 0))) }
	s.at(0, Observation{Live: live(2), History: answer(t0, earlier("i-a", 1), earlier("i-a", 2), earlier("i-a", 2))})
	s.wantHistory("i-a#2 i-a#1", 0)
	s.restart()
	s.at(0, Observation{Live: live(2)})
	s.wantHistory("i-a#2 i-a#1", 0)
	s.at(time.Minute, Observation{Live: live(3), History: answer(t0, earlier("i-a", 3))})
	s.wantHistory("i-a#3 i-a#2 i-a#1", 0)
	s.at(2*time.Minute, Observation{Live: live(5), History: answer(t0, earlier("i-a", 5), earlier("i-a", 4), earlier("i-b", 1))})
	s.wantHistory("i-a#5 i-a#4 i-a#3 i-b#1", 2)

	// Another limit lets what the API still has compete anew.
	spec.HistoryLimit = new(int32(1))
	s.generation++
	all := answer(t0, earlier("i-a", 5), earlier("i-a", 4), earlier("i-a", 3), earlier("i-a", 2), earlier("i-b", 1))
	s.at(3*time.Minute, Observation{Live: live(5), History: all})
	s.wantHistory("i-a#5 i-b#1", 3)
	spec.HistoryLimit = nil
	s.at(3*time.Minute, Observation{Live: live(5), History: all})
	s.wantHistory("i-a#5 i-b#1", 3)
	s.generation++
	s.at(3*time.Minute, Observation{Live: live(5), History: all})
	s.wantHistory("i-a#5 i-a#4 i-a#3 i-a#2 i-b#1", 0)
}

func TestTheRunThatTheLiveRowShowsIsNotEarlier(t *testing.T) {
	s := tell(t, withHistory())
	history := answer(t0,
		row("i-a", running, during(3)), row("i-a", pending), earlier("i-a", 2), earlier("i-a", 1),
		row("i-b", success, func(r *cloudassistant.Record) { r.InvokeID = "t-2" }))
	s.at(0, Observation{Live: answer(t0, row("i-a", running, during(3))), History: history})
	s.wantHistory("i-a#2 i-a#1", 0)
	s.at(time.Minute, Observation{Live: answer(t0, earlier("i-a", 2)), History: history})
	s.wantHistory("i-a#1", 0)

	// Stopped between two runs: how the last one ended is in the history only.
	s = tell(t, withHistory())
	s.at(0, Observation{Live: answer(t0, row("i-a", cancelled, ranBefore(2, 0))), History: history})
	s.wantHistory("i-a#2 i-a#1", 0)
}

func TestRunsThatNeverBeganAreToldApartByTheirNumber(t *testing.T) {
	never := func(n int64) cloudassistant.Record {
		return row("i-a", cloudassistant.StatusAborted, func(r *cloudassistant.Record) { r.StartTime, r.Repeats = time.Time{}, n })
	}
	s := tell(t, withHistory())
	s.at(0, Observation{Live: answer(t0, row("i-a", waiting)), History: answer(t0, never(1), never(2), never(1), earlier("i-a", 3))})
	s.wantHistory("i-a#3 i-a#2 i-a#1", 0)
}

func TestARunIsTheSameWhateverItsRepeats(t *testing.T) {
	s := tell(t, withHistory())
	live := answer(t0, row("i-a", waiting))
	s.at(0, Observation{Live: live, History: answer(t0, earlier("i-a", 1))})
	total := earlier("i-a", 1)
	total.Repeats = 2
	s.at(time.Minute, Observation{Live: live, History: answer(t0, total, earlier("i-a", 2))})
	s.wantHistory("i-a#2 i-a#2", 0)
}

func TestNoHistoryUnlessAskedFor(t *testing.T) {
	s := tell(t, run1())
	s.at(0, Observation{Live: answer(t0, row("i-a", waiting)), History: answer(t0, earlier("i-a", 1))})
	s.wantHistory("", 0)
}

func TestEarlierRunsGiveWayToInstances(t *testing.T) {
	s := tell(t, withHistory())
	s.settings.MaxStatusBytes = 8 << 10
	var runs []cloudassistant.Record
	for n := range int64(10) {
		r := earlier("i-a", 10-n)
		r.ErrorInfo = strings.Repeat("e", 300)
		r.Output = []byte(strings.Repeat("x", 400))
		runs = append(runs, r)
	}
	s.at(0, Observation{Live: answer(t0, row("i-a", waiting)), History: answer(t0, runs...)})
	before := len(s.status.History)
	if before == 0 || before == 10 || s.status.Truncated.History != int32(10-before) {
		t.Fatalf("%d earlier runs, truncated %+v", before, s.status.Truncated)
	}
	if s.status.History[0].Repeats != 10 {
		t.Errorf("the newest run kept is %d", s.status.History[0].Repeats)
	}
	var rows []cloudassistant.Record
	for i := range 12 {
		rows = append(rows, row(fmt.Sprintf("i-%02d", i), waiting))
	}
	s.at(time.Minute, Observation{Live: answer(t0, append(rows, row("i-a", waiting))...), History: answer(t0, runs...)})
	if len(s.status.Instances) != 13 || len(s.status.History) >= before || s.status.Truncated.History != int32(10-len(s.status.History)) {
		t.Errorf("%d instances, %d earlier runs, truncated %+v", len(s.status.Instances), len(s.status.History), s.status.Truncated)
	}
}

// A hundred runs pass while the API shows the newest fifty, and ten are kept: what was hidden stays counted when it
// slides out of the API's sight.
func TestHiddenRunsStayCounted(t *testing.T) {
	s := tell(t, withHistory())
	for n := int64(50); n <= 100; n++ {
		var rows []cloudassistant.Record
		for k := n; k > n-50; k-- {
			rows = append(rows, earlier("i-a", k))
		}
		at := time.Duration(n) * time.Minute
		s.at(at, Observation{Live: answer(t0.Add(at), row("i-a", waiting, ranBefore(n, 0))), History: answer(t0.Add(at), rows...)})
		if got, want := s.status.Truncated.History, int32(n)-10; got != want {
			t.Fatalf("after %d runs %d are said to be hidden, want %d", n, got, want)
		}
	}
}

// A run that an instance shows by now leaves its place in the history to an older one, at once and not only the next time.
func TestARunThatAnInstanceShowsLeavesItsPlace(t *testing.T) {
	spec := withHistory()
	spec.HistoryLimit = new(int32(1))
	s := tell(t, spec)
	past := answer(t0,
		row("i-a", success, ranBefore(3, 0)), row("i-a", success, ranBefore(2, 0)), row("i-b", success, ranBefore(1, 0)))
	s.at(0, Observation{Live: answer(t0, row("i-a", running, during(4)), row("i-b", running, during(4))), History: past})
	if len(s.status.History) != 2 || s.status.Truncated.History != 1 {
		t.Fatalf("the history has %d runs, and %+v is cut off", len(s.status.History), s.status.Truncated)
	}
	s.at(time.Minute, Observation{Live: answer(t0.Add(time.Minute), row("i-a", success, ranBefore(3, 0)), row("i-b", running, during(4))), History: past})
	if len(s.status.History) != 2 || s.status.History[0].InstanceID != "i-a" {
		t.Errorf("the history is %+v", s.status.History)
	}
}
