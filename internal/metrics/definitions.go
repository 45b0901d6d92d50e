package metrics

import "github.com/prometheus/client_golang/prometheus"

// The kinds of metrics.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// Labels.
const (
	labelAPI       = "api"
	labelRegion    = "region"
	labelAccount   = "account"
	labelCode      = "code"
	labelPlan      = "plan"
	labelOutcome   = "outcome"
	labelKind      = "kind"
	labelReason    = "reason"
	labelNamespace = "namespace"
)

// definition is what is said of a metric.
type definition struct {
	name, kind, help string
	labels           []string
	buckets          []float64
}

var (
	ofCalls   = []string{labelAPI, labelRegion, labelAccount}
	ofPlace   = []string{labelRegion, labelAccount}
	ofWalk    = []string{labelKind}
	ofSeconds = []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	ofLag     = []float64{.25, .5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600}
	// ofEventLag begins where an event makes a difference.
	ofEventLag = []float64{.05, .1, .25, .5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300}
	ofPages    = []float64{1, 2, 5, 10, 20, 40, 100, 200, 500, 2000}
	ofRowCount = []float64{0, 1, 10, 50, 100, 250, 500, 1000, 2500, 10000, 100000}
)

// All metrics.
var (
	calls = definition{
		"cloudassistant_api_calls_total", counter,
		"Calls to the API that have ended, one a page, by what came of them: OK, the error code of the API or of the client if it is a known one, else Other.",
		append(ofCalls[:3:3], labelCode), nil,
	}
	callDuration = definition{
		"cloudassistant_api_call_duration_seconds", histogram,
		"How long calls to the API took until their answer was read, or they failed.",
		ofCalls, ofSeconds,
	}
	throttled = definition{
		"cloudassistant_api_throttled_total", counter,
		"Calls that the API answered by throttling, whatever the code.",
		ofCalls, nil,
	}
	breakerOpen = definition{
		"cloudassistant_api_breaker_open", gauge,
		"1 while calls rest after a throttle answer, and until one has passed since; else 0.",
		ofPlace, nil,
	}
	rateAllowed = definition{
		"cloudassistant_api_allowed_calls_per_second", gauge,
		"The rate of calls that the operator allows itself now; 0 while calls rest.",
		ofPlace, nil,
	}
	tokens = definition{
		"cloudassistant_api_tokens", gauge,
		"How many calls may be made at once now; negative is how many wait for their turn.",
		ofPlace, nil,
	}
	sessionFailures = definition{
		"cloudassistant_session_failures_total", counter,
		"Attempts that ended before a call because there were no credentials to make it with, by the code of the failure.",
		[]string{labelRegion, labelCode},
		nil,
	}
	watched = definition{
		"cloudassistant_questions_watched", gauge,
		"Questions that are observed. Results that ask the same with the same credentials share one; what has ended has none.",
		ofPlace, nil,
	}
	awaited = definition{
		"cloudassistant_questions_awaited", gauge,
		"Questions of which nothing is known yet and which the next survey is to tell of.",
		ofPlace, nil,
	}
	hinted = definition{
		"cloudassistant_questions_hinted", gauge,
		"Questions that are about to be asked because an event said that their run has ended.",
		ofPlace, nil,
	}
	stretched = definition{
		"cloudassistant_questions_stretched", gauge,
		"Questions that are left to events, which have proved reliable, but for an answer at each --events-polling-interval.",
		ofPlace, nil,
	}
	refused = definition{
		"cloudassistant_questions_refused", gauge,
		"Questions that somebody has to mend something for: credentials, a policy, or the question itself. They are neither due nor overdue.",
		ofPlace, nil,
	}
	due = definition{
		"cloudassistant_questions_due", gauge,
		"Questions whose next answer was to be there by now.",
		ofPlace, nil,
	}
	overdue = definition{
		"cloudassistant_questions_overdue", gauge,
		"Questions whose answer is missing for so long that their status says so: three planned intervals, at least two minutes.",
		ofPlace, nil,
	}
	oldestDue = definition{
		"cloudassistant_oldest_due_answer_age_seconds", gauge,
		"For how long the answer that is due longest is missing; 0 if none is.",
		ofPlace, nil,
	}
	walkPages = definition{
		"cloudassistant_walk_pages", histogram,
		"Pages read in one walk through an answer or a list, each of which is a call.",
		ofWalk, ofPages,
	}
	walkRows = definition{
		"cloudassistant_walk_rows", histogram,
		"Rows read in one walk through an answer or a list.",
		ofWalk, ofRowCount,
	}
	surveys = definition{
		"cloudassistant_surveys_total", counter,
		"Surveys, which ask about all runs of an identity in a region at once, by their plan and how they ended.",
		[]string{labelPlan, labelOutcome},
		nil,
	}
	detectionLag = definition{
		"cloudassistant_detection_lag_seconds", histogram,
		"From the end of a command, or from when the result was first observed if that is later, until its status was written. The API tells ends in whole seconds, so up to one second is not lag.",
		nil, ofLag,
	}
	completed = definition{
		"cloudassistant_runs_completed_total", counter,
		"Observations that have come to an end, by the reason of Completed; and by RunFailed, single runs of a scheduled command that failed.",
		[]string{labelNamespace, labelReason},
		nil,
	}
	writes = definition{
		"cloudassistant_status_writes_total", counter,
		"Writes of a status: of an end, of another condition or fact that is written at once, or of mere progress.",
		[]string{labelKind},
		nil,
	}
	skips = definition{
		"cloudassistant_status_writes_skipped_total", counter,
		"Looks at a result after which no status was written: nothing had changed, or it was mere progress and too soon for it.",
		[]string{labelReason},
		nil,
	}
	truncated = definition{
		"cloudassistant_output_truncated_bytes_total", counter,
		"Bytes of output that did not get into a status because of its limits.",
		nil, nil,
	}
	deletions = definition{
		"cloudassistant_results_deleted_total", counter,
		"Results that the operator deleted at the end of their time to live.",
		nil, nil,
	}

	definitions = []definition{
		calls, callDuration, throttled, breakerOpen, rateAllowed, tokens, sessionFailures,
		watched, awaited, hinted, stretched, refused, due, overdue, oldestDue,
		surveys, walkPages, walkRows,
		detectionLag, completed, writes, skips, truncated, deletions,
		eventsAnswered, eventsTurnedAway, certificateFetches, eventsForwarded, eventsNudges, eventsDelay, announcedLag, statusLag,
	}
)

func (d definition) desc() *prometheus.Desc { return prometheus.NewDesc(d.name, d.help, d.labels, nil) }

func (d definition) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name, Help: d.help}, d.labels)
}

func (d definition) histograms() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.name, Help: d.help, Buckets: d.buckets}, d.labels)
}
