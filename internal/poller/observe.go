package poller

import (
	"context"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Observer is told what the engine does. Its methods are called from any goroutine, without locks, and must not block.
type Observer interface {
	// Walked tells of the pages of one list or answer, read to the end or to where it stopped to pay. Of a walk that
	// failed, only a survey's is told, as far as it came.
	Walked(WalkKind, Extent)
	// Surveyed tells of a survey that has ended.
	Surveyed(SurveyPlan, SurveyOutcome)
}

// WalkKind is what a walk was for.
type WalkKind string

// The kinds of walks.
const (
	// WalkSingle asks one question, WalkHistory for the earlier runs of a scheduled command.
	WalkSingle  WalkKind = "single"
	WalkHistory WalkKind = "history"
	// The others are parts of surveys: WalkSweep lists the unfinished, WalkCollect looks for those who left among the
	// ended, WalkHarvest looks through the ended alone, and WalkDiscover lists everything.
	WalkSweep    WalkKind = "sweep"
	WalkCollect  WalkKind = "collect"
	WalkHarvest  WalkKind = "harvest"
	WalkDiscover WalkKind = "discover"
)

// WalkKinds are all of them.
var WalkKinds = []WalkKind{WalkSingle, WalkHistory, WalkSweep, WalkCollect, WalkHarvest, WalkDiscover}

// Extent is how long a walk was.
type Extent struct {
	Pages, Rows int
}

// SurveyPlan is how a survey went about it.
type SurveyPlan string

// The plans of surveys.
const (
	// SurveySweep lists the unfinished, and collects those who have left.
	SurveySweep SurveyPlan = "sweep"
	// SurveyHarvest looks through the ended alone.
	SurveyHarvest SurveyPlan = "harvest"
	// SurveyDiscover lists everything.
	SurveyDiscover SurveyPlan = "discover"
	// SurveyUnplanned had no credentials to begin with.
	SurveyUnplanned SurveyPlan = "none"
)

// SurveyPlans are all of them.
var SurveyPlans = []SurveyPlan{SurveySweep, SurveyHarvest, SurveyDiscover, SurveyUnplanned}

// SurveyOutcome is how a survey ended.
type SurveyOutcome string

// The outcomes of surveys. An abandoned one is not wanted any more.
const (
	SurveyCompleted SurveyOutcome = "completed"
	SurveyFailed    SurveyOutcome = "failed"
	SurveyAbandoned SurveyOutcome = "abandoned"
)

// SurveyOutcomes are all of them.
var SurveyOutcomes = []SurveyOutcome{SurveyCompleted, SurveyFailed, SurveyAbandoned}

// silent is told and says nothing.
type silent struct{}

func (silent) Walked(WalkKind, Extent)            {}
func (silent) Surveyed(SurveyPlan, SurveyOutcome) {}

// walked tells of an answer.
func (a *attempt) walked(answer *cloudassistant.Answer) {
	kind := WalkSingle
	if a.history {
		kind = WalkHistory
	}
	a.question.lane.poller.options.Observer.Walked(kind, Extent{Pages: answer.Pages, Rows: len(answer.Records)})
}

// metered counts what visit is shown; done tells of it.
func (s *survey) metered(l list, visit visitor) (counting visitor, done func()) {
	var extent Extent
	counting = func(page []cloudassistant.Record, told seen) bool {
		extent.Pages++
		extent.Rows += len(page)
		return visit(page, told)
	}
	return counting, func() { s.lane.poller.options.Observer.Walked(s.walkKind(l), extent) }
}

// visitor is shown the pages of a list, and says whether it wants more.
type visitor = func(page []cloudassistant.Record, told seen) bool

// walkKind is what the survey walks a list for.
func (s *survey) walkKind(l list) WalkKind {
	switch {
	case l == unfinished:
		return WalkSweep
	case l == everything:
		return WalkDiscover
	case s.plan == SurveyHarvest:
		return WalkHarvest
	}
	return WalkCollect
}

// surveyed tells of the survey's end.
func (s *survey) surveyed(ctx context.Context, err error) {
	plan, outcome := s.plan, SurveyCompleted
	if plan == "" {
		plan = SurveyUnplanned
	}
	switch {
	case err != nil && ctx.Err() != nil:
		outcome = SurveyAbandoned
	case err != nil:
		outcome = SurveyFailed
	}
	s.lane.poller.options.Observer.Surveyed(plan, outcome)
}
