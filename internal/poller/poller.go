// Package poller is the observation engine: like an informer, for a cloud API. Watchers declare what they
// want to know; the engine asks DescribeInvocationResults as rarely as it can, as soon as it must, and keeps
// the newest answer for each question. Watchers read state, not calls.
//
// It owns the schedule, the sharing of answers and the rate of calls. It knows no Kubernetes object.
//
// The parts, from the outside in: a Poller keeps who wants to know what. A lane, one per identity and region,
// keeps the questions of that pair in a heap of due times, and has one goroutine for as long as it has
// questions. A question is asked by at most one attempt at a time; from two runs on, a survey of the lane asks about all of
// them by the lists that the API gives, and attempts are for whom it misses. Every page that either asks for takes a
// token of the bucket of its account and region, which a throttle answer pauses for everybody; an outage leaves the lane
// one call at a time.
//
// A Nudge hints that a run has news. It only makes its questions due sooner, within the same rate, and where hints have
// proven reliable polling is left to go slower.
package poller

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Owner names a watcher. It is opaque to the engine and unique among watchers.
type Owner string

// Watch is what an owner wants to know, and how soon. Watches with the same Identity and Question share their
// calls and answers; the most demanding one sets the pace.
type Watch struct {
	Identity cloudassistant.Identity
	// Tenant is on whose behalf the owner asks. Where more is due than may be asked, tenants take turns.
	Tenant string
	// Question is asked for the live rows of a run; its IncludeHistory is ignored in favour of History. The
	// order of its Tags does not matter.
	Question cloudassistant.Query
	// History also asks for the earlier runs of a scheduled command, once at first and again whenever the
	// live rows tell of another run. Without Question.InvokeID there is no history to ask for. A run that is
	// not scheduled has none either: the API refuses the question, which is not a Failure, and it is asked
	// again only when the live rows tell of progress.
	History bool
	// HistoryLimit is how many earlier runs of each instance (and container) are of interest, the newest; the outputs of
	// others are not kept in memory. 0 keeps all. Of several owners the greatest counts.
	HistoryLimit int
	// MinInterval and MaxInterval bound the time from an answer to the next call: it starts at the minimum,
	// grows while nothing changes, and falls back when something does. Zero means the engine's defaults; a
	// maximum below the minimum is taken for the minimum. Of several owners the smallest values count. A hint may ask
	// earlier than the minimum, and where hints are reliable the engine's default of the maximum does not hold.
	MinInterval time.Duration
	MaxInterval time.Duration
	// AnswerFrom, if not zero, demands an answer that was begun at that time or later: the next call is made
	// then, neither before nor after, and its outcome is announced even if it brings no news. In the past it
	// means now. Another owner's schedule or demand, or a hint, may still ask earlier. While attempts fail, the schedule
	// of failures goes first; only a new demand that means now is tried once regardless. No demand passes a
	// throttled bucket or an outage.
	AnswerFrom time.Time
	// Judged is when the newest answer that the owner has judged was begun; zero if it has judged none. A run that has
	// ended is left alone for a minute, in which its owners leave; for an owner who has judged that end, and stays, it is
	// asked about as if it went on.
	Judged time.Time
}

// Snapshot is the newest state of the answers to a Watch. It is shared: treat it as read-only.
type Snapshot struct {
	// Live is the newest answer about the live rows; nil before the first.
	Live *cloudassistant.Answer
	// UnchangedSince is when the first of the unbroken series of complete answers that say the same as
	// Live was begun. Failures in between do not break the series; an incomplete answer does, and is a series
	// of its own. The output of a run still going is not a change.
	UnchangedSince time.Time
	// History is the newest answer about earlier runs; nil before the first, and without Watch.History. A
	// failure to ask for it leaves Live as it is.
	History *cloudassistant.Answer
	// Failure is why the latest attempt gave no answer; nil when it gave one. It speaks of Live first, then of
	// History. A question that is due while its bucket is throttled, or during an outage, shows that failure, although
	// somebody else got it.
	Failure *Failure
	// OverdueAt is when a missing answer becomes worth telling: three planned intervals, and at least two
	// minutes, after it was due. Answers renew it; failures do not. It passes without an announcement.
	OverdueAt time.Time
}

// Failure is an unbroken series of failed attempts, described by its latest.
type Failure struct {
	Err *cloudassistant.Error
	// Since is when the first attempt of the series failed. The latest one was begun at Began and failed at At.
	Since time.Time
	Began time.Time
	At    time.Time
}
