package projection

import (
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	success   = cloudassistant.StatusSuccess
	failed    = cloudassistant.StatusFailed
	running   = cloudassistant.StatusRunning
	pending   = cloudassistant.StatusPending
	waiting   = cloudassistant.StatusScheduled
	cancelled = cloudassistant.StatusCancelled
	timeout   = cloudassistant.StatusTimeout
)

const runningConditions = "Ready=False/Running Completed=False/Running Succeeded=Unknown/Running Reconciling=True/Running"

// The rows of the table of conditions, each by its own name.
func TestConditions(t *testing.T) {
	for name, row := range map[string]struct {
		spec    *v1alpha1.InvocationResultSpec
		happens func(s *story)
		want    string
		message string
	}{
		"not asked yet": {
			happens: func(s *story) { s.at(0, Observation{}) },
			want:    "Ready=False/Pending Completed=False/Pending Succeeded=Unknown/Pending Reconciling=True/Pending",
			message: "The run has not been asked about yet.",
		},
		"running": {
			happens: func(s *story) { s.answers(0, row("i-a", running), row("i-b", success), row("i-c", pending)) },
			want:    runningConditions,
			message: "The command has not ended on every instance.",
		},
		"every instance Success": {
			happens: func(s *story) { s.answers(0, row("i-a", success), row("i-b", success)) },
			want:    "Ready=True/Succeeded Completed=True/Succeeded Succeeded=True/Succeeded",
			message: "All 2 instances succeeded.",
		},
		"any instance failed, all ended": {
			happens: func(s *story) {
				s.answers(0, row("i-c", success), row("i-b", timeout), row("i-a", failed), row("i-d", cancelled))
			},
			want:    "Ready=False/CommandFailed Completed=True/CommandFailed Succeeded=False/CommandFailed Stalled=True/CommandFailed",
			message: "2 of 4 instances failed: i-a exit 3 (ExitCodeNonzero), i-b Timeout (ExecutionTimeout)",
		},
		"stopped by somebody": {
			happens: func(s *story) { s.answers(0, row("i-a", success), row("i-b", cancelled)) },
			want:    "Ready=False/Stopped Completed=True/Stopped Succeeded=False/Stopped Stalled=True/Stopped",
			message: "1 of 2 instances stopped: i-b Cancelled",
		},
		"scheduled, before the first run ended": {
			happens: func(s *story) { s.answers(0, row("i-a", waiting)) },
			want:    "Ready=True/Scheduled Completed=False/Scheduled Succeeded=Unknown/Scheduled",
			message: "The command goes on running on its schedule. No run has ended yet.",
		},
		"scheduled, between runs": {
			happens: func(s *story) { s.answers(0, row("i-a", waiting, ranBefore(1, 0))) },
			want:    "Ready=True/Scheduled Completed=False/Scheduled Succeeded=True/Succeeded",
			message: "The command goes on running on its schedule. The last run succeeded.",
		},
		"scheduled, during a run": {
			happens: func(s *story) {
				s.answers(0, row("i-a", waiting, ranBefore(1, 3)))
				s.answers(time.Minute, row("i-a", running))
			},
			want:    "Ready=True/Scheduled Completed=False/Scheduled Succeeded=False/CommandFailed",
			message: "The command goes on running on its schedule. The last run failed.",
		},
		"no records, within the grace time": {
			happens: func(s *story) { s.answers(0) },
			want:    "Ready=False/AwaitingRecords Completed=False/AwaitingRecords Succeeded=Unknown/AwaitingRecords Reconciling=True/AwaitingRecords",
			message: "The API has no records of the run t-1 yet.",
		},
		"no records after it": {
			happens: func(s *story) { s.answers(0); s.repeats(0, 5*time.Minute) },
			want:    "Ready=False/NoRecords Completed=False/NoRecords Succeeded=Unknown/NoRecords Stalled=True/NoRecords",
			message: "The API has no records of the run t-1: check spec.invokeID, spec.regionID and spec.instanceID; it is asked again now and then.",
		},
		"no records after it, healed": {
			happens: func(s *story) {
				s.answers(0)
				s.repeats(0, 5*time.Minute)
				s.answers(6*time.Minute, row("i-a", running))
			},
			want: runningConditions,
		},
		"nothing matches, within the grace time": {
			spec:    byMatch(),
			happens: func(s *story) { s.answers(0) },
			want:    "Ready=False/AwaitingRecords Completed=False/AwaitingRecords Succeeded=Unknown/AwaitingRecords Reconciling=True/AwaitingRecords",
			message: "No run fits spec.match yet.",
		},
		"nothing matches after it": {
			spec:    byMatch(),
			happens: func(s *story) { s.answers(0); s.repeats(0, 5*time.Minute) },
			want:    "Ready=False/NoRecords Completed=False/NoRecords Succeeded=Unknown/NoRecords Stalled=True/NoRecords",
			message: "No run fits spec.match: check it, and spec.regionID; it is looked for now and then.",
		},
		"seen before, now gone from the API": {
			happens: func(s *story) { s.answers(0, row("i-a", running)); s.repeats(time.Minute, 6*time.Minute) },
			want:    "Ready=False/RecordsExpired Completed=True/RecordsExpired Succeeded=Unknown/RecordsExpired Stalled=True/RecordsExpired",
			message: "The API no longer has the records of the run, which had not ended when they were last seen.",
		},
		"seen before, some now gone from the API": {
			happens: func(s *story) {
				s.answers(0, row("i-a", running), row("i-b", running))
				s.repeats(time.Minute, 6*time.Minute, row("i-b", success))
			},
			want:    "Ready=False/RecordsExpired Completed=True/RecordsExpired Succeeded=Unknown/RecordsExpired Stalled=True/RecordsExpired",
			message: "The API no longer has the records of 1 of 2 instances: i-a",
		},
		"several invocations match": {
			spec: byMatch(),
			happens: func(s *story) {
				var records []cloudassistant.Record
				for _, id := range []string{"t-7", "t-3", "t-1", "t-2", "t-4", "t-5", "t-6", "t-3", ""} {
					records = append(records, row("i-a", success, func(r *cloudassistant.Record) { r.InvokeID = id }))
				}
				s.answers(0, records...)
			},
			want:    "Ready=False/AmbiguousMatch Completed=False/AmbiguousMatch Succeeded=Unknown/AmbiguousMatch Stalled=True/AmbiguousMatch",
			message: "Several runs fit spec.match: t-1, t-2, t-3, t-4, t-5 and 2 more. Name one by spec.invokeID in another resource, or give each run a tag of its own.",
		},
		"one invocation matches": {
			spec:    byMatch(),
			happens: func(s *story) { s.answers(0, row("i-a", success)) },
			want:    "Ready=False/Pending Completed=False/Pending Succeeded=Unknown/Pending Reconciling=True/Pending",
			message: "spec.match stands for the run t-1, which has not been asked about yet.",
		},
		"credentials or RAM refuse, at first": {
			happens: func(s *story) { s.at(0, Observation{Failure: denied()}) },
			want:    "Ready=False/AccessDenied Completed=False/Pending Succeeded=Unknown/Pending Stalled=True/AccessDenied",
			message: "Forbidden.RAM: User not authorized to operate on the specified resource (…). Grant ecs:DescribeInvocationResults to the credentials, or set others by spec.credentials; it is tried again by itself.",
		},
		"credentials or RAM refuse, while it runs": {
			happens: func(s *story) {
				s.at(0, Observation{Live: answer(t0, row("i-a", waiting, ranBefore(1, 0))), Failure: denied()})
			},
			want: "Ready=False/AccessDenied Completed=False/Scheduled Succeeded=True/Succeeded Stalled=True/AccessDenied",
		},
		"credentials or RAM refuse, after the API refused the question": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: failure(cloudassistant.ClassInvalid)})
				s.at(time.Minute, Observation{Failure: denied()})
			},
			want: "Ready=False/AccessDenied Completed=True/InvalidQuery Succeeded=Unknown/InvalidQuery Stalled=True/AccessDenied",
		},
		"credentials or RAM refuse, after the API refused the question, and a restart while the API is away": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: failure(cloudassistant.ClassInvalid)})
				s.at(time.Minute, Observation{Failure: denied()})
				s.restart()
				s.at(2*time.Minute, Observation{Failure: failure(cloudassistant.ClassUnavailable)})
			},
			want: "Ready=False/AccessDenied Completed=True/InvalidQuery Succeeded=Unknown/InvalidQuery Stalled=True/AccessDenied",
		},
		"credentials or RAM refused, and the question is good": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: failure(cloudassistant.ClassInvalid)})
				s.at(time.Minute, Observation{Failure: denied()})
				s.answers(2*time.Minute, row("i-a", running))
			},
			want: runningConditions,
		},
		"credentials or RAM refused, healed": {
			happens: func(s *story) { s.at(0, Observation{Failure: denied()}); s.answers(time.Minute, row("i-a", running)) },
			want:    runningConditions,
		},
		"credentials or RAM refused, then a restart and an outage": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: denied()})
				s.at(time.Minute, Observation{})
				s.at(2*time.Minute, Observation{Failure: failure(cloudassistant.ClassUnavailable), OverdueAt: t0})
			},
			want:    "Ready=False/AccessDenied Completed=False/Pending Succeeded=Unknown/Pending Stalled=True/AccessDenied",
			message: "Forbidden.RAM: User not authorized to operate on the specified resource (…). Grant ecs:DescribeInvocationResults to the credentials, or set others by spec.credentials; it is tried again by itself.",
		},
		"the API refuses the question": {
			happens: func(s *story) { s.at(0, Observation{Failure: failure(cloudassistant.ClassInvalid)}) },
			want:    "Ready=False/InvalidQuery Completed=True/InvalidQuery Succeeded=Unknown/InvalidQuery Stalled=True/InvalidQuery",
			message: "Some.Code: Something. Check spec.regionID and what else the resource asks for, and create another with the right question.",
		},
		"the API refused the question, then a restart": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: failure(cloudassistant.ClassInvalid)})
				s.at(time.Minute, Observation{})
			},
			want: "Ready=False/InvalidQuery Completed=True/InvalidQuery Succeeded=Unknown/InvalidQuery Stalled=True/InvalidQuery",
		},
		"timeoutSeconds passed": {
			happens: func(s *story) { s.answers(0, row("i-a", running)); s.repeats(0, 24*time.Hour, row("i-a", running)) },
			want:    "Ready=False/TimedOut Completed=True/TimedOut Succeeded=Unknown/TimedOut Stalled=True/TimedOut",
			message: "No end was seen within 86400 seconds (spec.polling.timeoutSeconds): look after the run itself, or raise the timeout. A late end is still noticed.",
		},
		"timeoutSeconds passed, late news": {
			happens: func(s *story) {
				s.answers(0, row("i-a", running))
				s.at(24*time.Hour, Observation{})
				s.answers(25*time.Hour, row("i-a", success))
			},
			want:    "Ready=True/Succeeded Completed=True/Succeeded Succeeded=True/Succeeded",
			message: "The command succeeded on every instance.",
		},
		"timeoutSeconds passed while access is denied": {
			happens: func(s *story) { s.at(0, Observation{}); s.at(24*time.Hour, Observation{Failure: denied()}) },
			want:    "Ready=False/AccessDenied Completed=True/TimedOut Succeeded=Unknown/TimedOut Stalled=True/AccessDenied",
		},
		"no deadline for a scheduled run": {
			happens: func(s *story) { s.answers(0, row("i-a", waiting)); s.at(9000*time.Hour, Observation{}) },
			want:    "Ready=True/Scheduled Completed=False/Scheduled Succeeded=Unknown/Scheduled",
		},
		"suspended from the start": {
			spec:    suspended(run1()),
			happens: func(s *story) { s.at(0, Observation{}) },
			want:    "Ready=False/Suspended Completed=False/Pending Succeeded=Unknown/Pending Suspended=True/Suspended",
			message: "spec.suspend holds the observation: set it to false to go on.",
		},
		"suspended on the way": {
			happens: func(s *story) {
				s.answers(0, row("i-a", waiting, ranBefore(1, 3)))
				s.spec.Suspend = true
				s.answers(time.Minute, row("i-a", success))
			},
			want: "Ready=False/Suspended Completed=False/Scheduled Succeeded=False/CommandFailed Suspended=True/Suspended",
		},
		"suspended after it timed out": {
			happens: func(s *story) {
				s.answers(0, row("i-a", running))
				s.at(24*time.Hour, Observation{})
				s.spec.Suspend = true
				s.at(25*time.Hour, Observation{})
			},
			want: "Ready=False/Suspended Completed=True/TimedOut Succeeded=Unknown/TimedOut Suspended=True/Suspended",
		},
		"suspended after it ended": {
			happens: func(s *story) {
				s.answers(0, row("i-a", success))
				s.spec.Suspend = true
				s.at(time.Minute, Observation{})
			},
			want: "Ready=True/Succeeded Completed=True/Succeeded Succeeded=True/Succeeded",
		},
		"throttled, not yet overdue": {
			happens: func(s *story) {
				s.at(0, Observation{Live: answer(t0, row("i-a", running)), Failure: failure(cloudassistant.ClassThrottled), OverdueAt: t0.Add(time.Second)})
			},
			want: runningConditions,
		},
		"throttled, overdue": {
			happens: func(s *story) {
				s.at(0, Observation{Live: answer(t0, row("i-a", running)), Failure: failure(cloudassistant.ClassThrottled), OverdueAt: t0})
			},
			want:    "Ready=False/Running Completed=False/Running Succeeded=Unknown/Running Reconciling=True/Throttled",
			message: "The command has not ended on every instance.",
		},
		"5xx, network, malformed answer, overdue": {
			happens: func(s *story) {
				s.at(0, Observation{Live: answer(t0, row("i-a", waiting)), Failure: failure(cloudassistant.ClassUnavailable), OverdueAt: t0})
			},
			want: "Ready=True/Scheduled Completed=False/Scheduled Succeeded=Unknown/Scheduled Reconciling=True/APIUnavailable",
		},
		"overdue, then a restart": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: failure(cloudassistant.ClassTokenExpired), OverdueAt: t0})
				s.at(time.Second, Observation{})
			},
			want: "Ready=False/Pending Completed=False/Pending Succeeded=Unknown/Pending Reconciling=True/APIUnavailable",
		},
		"overdue, where nobody waits for the answer": {
			happens: func(s *story) {
				s.at(0, Observation{})
				s.at(24*time.Hour, Observation{Failure: failure(cloudassistant.ClassThrottled), OverdueAt: t0})
			},
			want: "Ready=False/TimedOut Completed=True/TimedOut Succeeded=Unknown/TimedOut Stalled=True/TimedOut",
		},
		"overdue, healed": {
			happens: func(s *story) {
				s.at(0, Observation{Failure: failure(cloudassistant.ClassThrottled), OverdueAt: t0})
				s.answers(time.Second, row("i-a", running))
			},
			want: runningConditions,
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := row.spec
			if spec == nil {
				spec = run1()
			}
			s := tell(t, spec.DeepCopy())
			row.happens(s)
			s.wantConditions(row.want)
			if row.message != "" {
				s.wantMessage(row.message)
			}
		})
	}
}

func suspended(spec *v1alpha1.InvocationResultSpec) *v1alpha1.InvocationResultSpec {
	spec.Suspend = true
	return spec
}

// ranBefore makes a row one of a schedule whose last run, the nth, ended with that exit code.
func ranBefore(n, exitCode int64) func(*cloudassistant.Record) {
	return func(r *cloudassistant.Record) {
		r.Repeats, r.ExitCode = n, &exitCode
		r.StartTime = begun.Add(time.Duration(n) * time.Minute)
		r.FinishedTime = r.StartTime.Add(30 * time.Second)
	}
}
