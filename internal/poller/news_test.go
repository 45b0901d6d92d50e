package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Whoever mends one thing must learn of the next: a missing Secret, then a wrong key in it.
func TestAnotherCauseOfTheSameClassIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied := func(code, message string) func(call) reply {
			return func(call) reply {
				return reply{err: &cloudassistant.Error{Class: cloudassistant.ClassDenied, Code: code, Message: message}}
			}
		}
		w := newWorld(t, Options{}, denied("Client.Credentials", "Secret ops/x does not exist"))
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Minute)
		expectNews(t, w, "a", 1)
		w.script(denied("Client.Credentials", "Secret ops/x has no key accessKeySecret"))
		w.pass(time.Hour)
		expectNews(t, w, "a", 1)
		w.script(denied("SignatureDoesNotMatch", "Secret ops/x has no key accessKeySecret"))
		w.pass(time.Hour)
		expectNews(t, w, "a", 1)
		w.pass(time.Hour)
		expectNews(t, w, "a", 0)
	})
}

func TestAFailureTellsWhenItsAttemptWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(call) reply {
			return reply{takes: 3 * time.Second, err: failureOf(cloudassistant.ClassUnavailable)}
		})
		start := w.clock.Now()
		w.poller.Watch("a", about("t-1"))
		w.pass(4 * time.Second)
		failure := w.poller.Watch("a", about("t-1")).Failure
		if failure == nil || !failure.Began.Equal(start) || failure.At.Sub(start) != 3*time.Second {
			t.Errorf("the failure is %+v, want one begun at %v that failed 3 s later", failure, start)
		}
	})
}

func TestOutputOfARunStillGoingIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{}, func(c call) reply {
			r := rows(c.query, cloudassistant.StatusRunning, cloudassistant.StatusStopping, cloudassistant.StatusSuccess, cloudassistant.StatusScheduled)
			for i := range r.records {
				r.records[i].Output = []byte("printed")
			}
			return r
		})
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		for _, record := range w.poller.Watch("a", about("t-1")).Live.Records {
			ended := record.InvocationStatus == cloudassistant.StatusSuccess || record.InvocationStatus == cloudassistant.StatusScheduled
			if kept := len(record.Output) > 0; kept != ended {
				t.Errorf("the output of a row that is %s is kept: %v, want %v", record.InvocationStatus, kept, ended)
			}
		}
	})
}

// Whoever is told of an end is told that it is one, whether a run was asked about by itself or a survey has met it; nobody is
// told so of anything else.
func TestNewsOfEndsSaySo(t *testing.T) {
	for name, c := range map[string]struct {
		singly bool
		runs   int
	}{"asked about singly": {true, 3}, "seen by surveys": {false, 200}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				town := newTown(t, Options{AskSingly: c.singly}, c.runs)
				town.pass(5 * time.Minute)
				for _, run := range town.runs {
					if town.told(Owner(run.id)) > 0 {
						t.Fatalf("%s goes on, and its owner was told of the end", run.id)
					}
				}
				town.together(func() { town.ends(0, c.runs) })
				town.pass(5 * time.Minute)
				for _, run := range town.runs {
					if told := town.told(Owner(run.id)); told != 1 {
						t.Errorf("the owner of %s was told of the end %d times", run.id, told)
					}
				}
			})
		})
	}
}

// Of a run that is larger than what may be read of it, nobody knows whether it has ended.
func TestNewsOfPartOfARunAreNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{MaxPages: 1}, func(c call) reply {
			r := rows(c.query, cloudassistant.StatusSuccess)
			r.next = "more"
			return r
		})
		w.poller.Watch("a", about("t-1"))
		w.pass(time.Second)
		expectNews(t, w, "a", 1)
		if told := w.told("a"); told > 0 {
			t.Errorf("its owner was told %d times of an end", told)
		}
	})
}
