package projection

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// maxNamed is how many instances or runs a message names.
const maxNamed = 5

// maxCauseBytes leaves room in a message for what to do about an error of the API.
const maxCauseBytes = 700

// summaries are the messages of the conditions that leave the details to Ready's. One sentence in four conditions
// would take four times its room.
var summaries = map[string]string{
	v1alpha1.ReasonPending:         "The run has not been asked about yet.",
	v1alpha1.ReasonRunning:         "The command has not ended on every instance.",
	v1alpha1.ReasonSucceeded:       "The command succeeded on every instance.",
	v1alpha1.ReasonCommandFailed:   "The command ended, and failed on at least one instance.",
	v1alpha1.ReasonStopped:         "The command was stopped on at least one instance.",
	v1alpha1.ReasonScheduled:       "The command goes on running on its schedule.",
	v1alpha1.ReasonAwaitingRecords: "The API has no records of the run yet.",
	v1alpha1.ReasonNoRecords:       "The API has no records of the run.",
	v1alpha1.ReasonRecordsExpired:  "The API no longer has the records of the run.",
	v1alpha1.ReasonAmbiguousMatch:  "Several runs fit spec.match.",
	v1alpha1.ReasonInvalidQuery:    "The API refuses the question.",
	v1alpha1.ReasonTimedOut:        "No end was seen within the timeout.",
	v1alpha1.ReasonAccessDenied:    "The API refuses the credentials.",
	v1alpha1.ReasonThrottled:       "The answer is overdue because the API throttles the account; it is asked again as soon as the API allows.",
	v1alpha1.ReasonAPIUnavailable:  "The answer is overdue because the API cannot be reached or does not answer properly; it is asked again until it does.",
	v1alpha1.ReasonSuspended:       "spec.suspend holds the observation: set it to false to go on.",
}

// message is the one sentence that a person needs. What the present observation does not tell stays as it was.
func (p *projection) message(reason string) string {
	sentence, certain := p.sentence(reason)
	if ready := findCondition(&p.previous, v1alpha1.ConditionReady); !certain && ready != nil && ready.Reason == reason {
		return ready.Message
	}
	return capMessage(sentence, maxMessageBytes)
}

// sentence is the message for a reason, and whether all that it says is known now.
func (p *projection) sentence(reason string) (sentence string, certain bool) {
	s := v1alpha1.InvocationSummary{}
	if summary := p.summary(); summary != nil {
		s = *summary
	}
	switch reason {
	case v1alpha1.ReasonPending:
		if p.Spec.Match != nil && !p.unresolved() {
			return "spec.match stands for the run " + p.invokeID + ", which has not been asked about yet.", true
		}
	case v1alpha1.ReasonSucceeded:
		if s.Total > 1 {
			return fmt.Sprintf("All %d instances succeeded.", s.Total), true
		}
	case v1alpha1.ReasonCommandFailed:
		return ended(s.Failed, s.Total, "failed", p.describe(cloudassistant.OutcomeFailed)), p.knownInFull()
	case v1alpha1.ReasonStopped:
		return ended(s.Stopped, s.Total, "stopped", p.describe(cloudassistant.OutcomeStopped)), p.knownInFull()
	case v1alpha1.ReasonScheduled:
		return summaries[reason] + " " + p.lastRun().Message, true
	case v1alpha1.ReasonAwaitingRecords:
		if p.unresolved() {
			return "No run fits spec.match yet.", true
		}
		return "The API has no records of the run " + p.invokeID + " yet.", true
	case v1alpha1.ReasonNoRecords:
		if p.unresolved() {
			return "No run fits spec.match: check it, and spec.regionID; it is looked for now and then.", true
		}
		return "The API has no records of the run " + p.invokeID + ": check spec.invokeID, spec.regionID and spec.instanceID; it is asked again now and then.", true
	case v1alpha1.ReasonRecordsExpired:
		return p.expiry(), false
	case v1alpha1.ReasonAmbiguousMatch:
		return fmt.Sprintf("Several runs fit spec.match: %s. Name one by spec.invokeID in another resource, or give each run a tag of its own.",
			enumerate(p.candidates, len(p.candidates), " and %d more")), len(p.candidates) > 0
	case v1alpha1.ReasonAccessDenied:
		return p.cause(p.denialAdvice())
	case v1alpha1.ReasonInvalidQuery:
		return p.cause("Check spec.regionID and what else the resource asks for, and create another with the right question.")
	case v1alpha1.ReasonTimedOut:
		return fmt.Sprintf("No end was seen within %d seconds (spec.polling.timeoutSeconds): look after the run itself, or raise the timeout. A late end is still noticed.",
			int64(p.timeout().Seconds())), true
	}
	return summaries[reason], true
}

// lateness is why an answer is overdue, with the cause that was found first: the next try may find another one, which
// is no change worth writing.
func (p *projection) lateness(reason string) string {
	if before := findCondition(&p.previous, v1alpha1.ConditionReconciling); before != nil && before.Reason == reason {
		return before.Message
	}
	failure := p.Observation.Failure
	if reason != v1alpha1.ReasonAPIUnavailable || failure == nil {
		return summaries[reason]
	}
	return capMessage(summaries[reason]+" The cause: "+told(failure)+".", maxMessageBytes)
}

// ended tells on how many of the instances the command ended badly, and on which.
func ended(n, total int32, how string, described []string) string {
	noun := "instances"
	if total == 1 {
		noun = "instance"
	}
	return fmt.Sprintf("%d of %d %s %s: %s", n, total, noun, how, enumerate(described, int(n), ", …"))
}

// describe names instances with that outcome, and how they came to it.
func (p *projection) describe(outcome cloudassistant.Outcome) []string {
	var described []string
	for _, e := range p.instances {
		if e.outcome() == outcome && len(described) < maxNamed {
			described = append(described, e.describe())
		}
	}
	return described
}

// describe is an instance and how the command, or its last run, ended there: "i-a exit 3 (ExitCodeNonzero)".
func (e *entry) describe() string {
	text := e.place().String() + " " + e.Status
	if e.ExitCode != nil {
		text = e.place().String() + " exit " + strconv.FormatInt(*e.ExitCode, 10)
	}
	if e.ErrorCode != "" {
		text += " (" + e.ErrorCode + ")"
	}
	return text
}

func (a place) String() string {
	if container := cmp.Or(a.containerName, a.containerID); container != "" {
		return a.instanceID + "/" + container
	}
	return a.instanceID
}

// enumerate names the first few of total; more says that there are others, and may say how many.
func enumerate(names []string, total int, more string) string {
	names = names[:min(len(names), maxNamed)]
	text := strings.Join(names, ", ")
	switch others := total - len(names); {
	case others > 0 && strings.Contains(more, "%d"):
		text += fmt.Sprintf(more, others)
	case others > 0:
		text += more
	}
	return text
}

// expiry tells which records are gone.
func (p *projection) expiry() string {
	missing := len(p.live.missing) + int(p.unseen.Total)
	if len(p.live.rows) == 0 || missing == 0 {
		return "The API no longer has the records of the run, which had not ended when they were last seen."
	}
	names := make([]string, 0, len(p.live.missing))
	for _, at := range p.live.missing {
		names = append(names, at.String())
	}
	return fmt.Sprintf("The API no longer has the records of %d of %d instances: %s", missing, p.summary().Total, enumerate(names, missing, ", …"))
}

// moving is what an error's message may hold that is another at every attempt.
var moving = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`)

// denialAdvice is what mends a denial. Without one at hand it is about the permission, which is missing most often.
func (p *projection) denialAdvice() string {
	const again = "; it is tried again by itself."
	if failure := p.Observation.Failure; failure != nil {
		of := func(prefix string) bool { return strings.HasPrefix(failure.Code, prefix) }
		permission := of("Forbidden") || of("NoPermission")
		switch {
		case of("InvalidTimeStamp"), of("IllegalTimestamp"):
			return "Set the clock of the operator's node" + again
		case failure.RoleARN != "" && (permission || of("EntityNotExist")):
			return "Let the role trust the credentials, and them call sts:AssumeRole" + again
		case !permission:
			return "Mend the credentials, or set others by spec.credentials" + again
		}
	}
	return "Grant ecs:DescribeInvocationResults to the credentials, or set others by spec.credentials" + again
}

// cause is the error that the API refuses with, without what is another at every attempt, and what to do about it.
func (p *projection) cause(advice string) (sentence string, certain bool) {
	failure := p.Observation.Failure
	if failure == nil || failure.Class != cloudassistant.ClassDenied && failure.Class != cloudassistant.ClassInvalid {
		return advice, false
	}
	return told(failure) + ". " + advice, true
}

// told is what a failure says, without what differs from one try to the next.
func told(failure *cloudassistant.Error) string {
	text := failure.Message
	if failure.RequestID != "" {
		text = strings.ReplaceAll(text, failure.RequestID, ellipsis)
	}
	text = moving.ReplaceAllString(text, ellipsis)
	if failure.RoleARN != "" {
		text = "the role " + failure.RoleARN + " cannot be assumed: " + text
	}
	text = clean(failure.Code, maxName) + ": " + strings.TrimRight(clean(text, maxSentence), ". ")
	return capMessage(text, maxCauseBytes)
}
