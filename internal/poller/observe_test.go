package poller

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// notebook is an Observer that notes everything.
type notebook struct {
	mu      sync.Mutex
	walks   map[WalkKind][]Extent
	surveys map[SurveyPlan]map[SurveyOutcome]int
}

func newNotebook() *notebook {
	return &notebook{walks: map[WalkKind][]Extent{}, surveys: map[SurveyPlan]map[SurveyOutcome]int{}}
}

func (n *notebook) Walked(kind WalkKind, extent Extent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.walks[kind] = append(n.walks[kind], extent)
}

func (n *notebook) Surveyed(plan SurveyPlan, outcome SurveyOutcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.surveys[plan] == nil {
		n.surveys[plan] = map[SurveyOutcome]int{}
	}
	n.surveys[plan][outcome]++
}

// noted are the kinds of walks and the surveys so far.
func (n *notebook) noted() (walks map[WalkKind][]Extent, surveys map[SurveyPlan]map[SurveyOutcome]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	surveys = map[SurveyPlan]map[SurveyOutcome]int{}
	for plan, outcomes := range n.surveys {
		surveys[plan] = maps.Clone(outcomes)
	}
	return maps.Clone(n.walks), surveys
}

func TestAWalkIsToldByWhatItIsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := newNotebook()
		w := newWorld(t, Options{Observer: notes, AskSingly: true}, func(c call) reply {
			r := rows(c.query, cloudassistant.StatusScheduled, cloudassistant.StatusScheduled)
			if c.query.IncludeHistory && c.paging.NextToken == "" {
				r = rows(c.query, cloudassistant.StatusSuccess)
				r.next = "more"
			}
			return r
		})
		watch := about("t-1")
		watch.History = true
		w.poller.Watch("a", watch)
		synctest.Wait()
		walks, surveys := notes.noted()
		if got := walks[WalkSingle]; !slices.Equal(got, []Extent{{Pages: 1, Rows: 2}}) {
			t.Errorf("single walks are told as %+v, want one of a page with two rows", got)
		}
		if got := walks[WalkHistory]; len(got) != 1 || got[0].Pages != 2 {
			t.Errorf("walks of a history are told as %+v, want one of two pages", got)
		}
		if len(walks) != 2 || len(surveys) != 0 {
			t.Errorf("told are also %+v and %+v", walks, surveys)
		}
	})
}

func TestASurveyIsToldByItsPlanAndOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := newNotebook()
		const runs = 100
		ended, away := false, false
		w := newWorld(t, Options{Observer: notes, QPS: 100, Burst: 100}, func(c call) reply {
			if away {
				return reply{err: failureOf(cloudassistant.ClassInvalid)}
			}
			var all []cloudassistant.Record
			for n := range runs {
				q := c.query
				q.InvokeID = fmt.Sprintf("t-%d", n)
				status, record := cloudassistant.StatusRunning, cloudassistant.RecordRunning
				if ended {
					status, record = cloudassistant.StatusSuccess, cloudassistant.RecordFinished
				}
				if c.query.InvokeID != "" && c.query.InvokeID != q.InvokeID || c.query.InvokeRecordStatus != "" && c.query.InvokeRecordStatus != record {
					continue
				}
				all = append(all, rows(q, status).records...)
			}
			if len(all) > 50 && c.paging.NextToken == "" {
				return reply{records: all[:50], next: "more"}
			}
			if len(all) > 50 {
				all = all[50:]
			}
			return reply{records: all}
		})
		w.atOnce(func(p *Poller) {
			for n := range runs {
				id := fmt.Sprintf("t-%d", n)
				p.watch(Owner(id), about(id))
			}
		})
		w.pass(time.Minute)
		walks, surveys := notes.noted()
		sweeps := surveys[SurveySweep][SurveyCompleted]
		if sweeps == 0 || len(walks[WalkSweep]) != sweeps || walks[WalkSweep][0] != (Extent{Pages: 2, Rows: runs}) {
			t.Errorf("%d sweeps are told, and the walks %+v; want as many, of 2 pages and %d rows", sweeps, walks[WalkSweep], runs)
		}

		w.mu.Lock()
		ended = true
		w.mu.Unlock()
		w.pass(2 * time.Minute)
		if walks, _ := notes.noted(); len(walks[WalkCollect])+len(walks[WalkHarvest]) == 0 {
			t.Errorf("of runs that ended the walks %v are told, want some of the ended", slices.Collect(maps.Keys(walks)))
		}

		w.mu.Lock()
		away = true
		w.mu.Unlock()
		w.atOnce(func(p *Poller) {
			for n := range runs {
				id := fmt.Sprintf("t-other-%d", n)
				p.watch(Owner(id), about(id))
			}
		})
		w.pass(time.Minute)
		if _, surveys := notes.noted(); surveys[SurveySweep][SurveyFailed]+surveys[SurveyDiscover][SurveyFailed]+surveys[SurveyHarvest][SurveyFailed] == 0 {
			t.Errorf("surveys that were refused are told as %+v", surveys)
		}
		w.scriptSessions(func(call) error { return failureOf(cloudassistant.ClassUnavailable) })
		w.pass(20 * time.Minute)
		if _, surveys := notes.noted(); surveys[SurveyUnplanned][SurveyFailed] == 0 {
			t.Errorf("surveys without a session are told as %+v", surveys)
		}
	})
}

// Nobody who watches any more leaves a survey that is under way abandoned.
func TestAnAbandonedSurveyIsToldAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := newNotebook()
		w := newWorld(t, Options{Observer: notes}, func(c call) reply {
			if c.query.InvokeID == "" {
				return reply{hangs: true}
			}
			return running(c)
		})
		w.atOnce(func(p *Poller) {
			for n := range 10 {
				id := fmt.Sprintf("t-%d", n)
				p.watch(Owner(id), about(id))
			}
		})
		w.pass(time.Minute)
		for n := range 10 {
			w.poller.Forget(Owner(fmt.Sprintf("t-%d", n)))
		}
		synctest.Wait()
		if _, surveys := notes.noted(); surveys[SurveySweep][SurveyAbandoned] != 1 {
			t.Errorf("the surveys are told as %+v, want an abandoned sweep", surveys)
		}
	})
}
