// Package cloudassistant is the operator's client of Alibaba Cloud's Cloud Assistant, the part of the ECS
// API (version 2014-05-26) that runs commands on instances. It asks one thing, DescribeInvocationResults,
// and gives the answer back whole and typed, or an *Error that says what kind of failure it was.
//
// The client is safe for many goroutines. It knows nothing of Kubernetes.
package cloudassistant

import (
	"context"
	"time"
)

// InvocationStatus is the status of a command on one instance. It is an open string: the vendor adds
// values, and an unknown one is shown but never taken for an end.
type InvocationStatus string

// The documented values of InvocationStatus.
const (
	// StatusPending: the command is being validated or sent.
	StatusPending InvocationStatus = "Pending"
	// StatusScheduled: a scheduled command was sent and waits for its next run. Never seen on a one-time run.
	StatusScheduled InvocationStatus = "Scheduled"
	// StatusRunning: the command is running on the instance.
	StatusRunning InvocationStatus = "Running"
	// StatusStopping: somebody asked for the command to be stopped.
	StatusStopping InvocationStatus = "Stopping"
	// StatusSuccess: it ended with exit code 0 (and, if scheduled, its period is over).
	StatusSuccess InvocationStatus = "Success"
	// StatusFailed: it ended with another exit code (and, if scheduled, its period is over).
	StatusFailed InvocationStatus = "Failed"
	// StatusInvalid: the type or a parameter of the command is not valid; it never started.
	StatusInvalid InvocationStatus = "Invalid"
	// StatusAborted: it could not be delivered to the instance; it never started.
	StatusAborted InvocationStatus = "Aborted"
	// StatusError: an exception stopped it. The only end that no event announces.
	StatusError InvocationStatus = "Error"
	// StatusTimeout: it ran longer than its timeout and was killed. It has no exit code.
	StatusTimeout InvocationStatus = "Timeout"
	// StatusCancelled: it was stopped before it started.
	StatusCancelled InvocationStatus = "Cancelled"
	// StatusTerminated: it was stopped while it ran.
	StatusTerminated InvocationStatus = "Terminated"
)

// Outcome is what an InvocationStatus says about the run on one instance.
type Outcome string

// The outcomes. Every InvocationStatus has exactly one.
const (
	OutcomePending   Outcome = "Pending"   // Pending, Scheduled
	OutcomeRunning   Outcome = "Running"   // Running, Stopping
	OutcomeSucceeded Outcome = "Succeeded" // Success
	OutcomeFailed    Outcome = "Failed"    // Failed, Invalid, Aborted, Error, Timeout
	OutcomeStopped   Outcome = "Stopped"   // Cancelled, Terminated
	OutcomeOther     Outcome = "Other"     // a value this version does not know
)

// Outcome sorts the status into the one thing it says about the run.
func (s InvocationStatus) Outcome() Outcome {
	switch s {
	case StatusPending, StatusScheduled:
		return OutcomePending
	case StatusRunning, StatusStopping:
		return OutcomeRunning
	case StatusSuccess:
		return OutcomeSucceeded
	case StatusFailed, StatusInvalid, StatusAborted, StatusError, StatusTimeout:
		return OutcomeFailed
	case StatusCancelled, StatusTerminated:
		return OutcomeStopped
	}
	return OutcomeOther
}

// Terminal says whether the run on this instance is over and will not change.
func (s InvocationStatus) Terminal() bool {
	switch s.Outcome() {
	case OutcomeSucceeded, OutcomeFailed, OutcomeStopped:
		return true
	}
	return false
}

// InvokeRecordStatus is the status of the invocation as a whole, an open string. Finished covers runs that
// failed and Failed covers time-outs, so it never decides how a run ended; it only says that it is not over.
type InvokeRecordStatus string

// The documented values of InvokeRecordStatus. RecordSuccess exists as a filter only.
const (
	RecordRunning       InvokeRecordStatus = "Running"
	RecordFinished      InvokeRecordStatus = "Finished"
	RecordSuccess       InvokeRecordStatus = "Success"
	RecordFailed        InvokeRecordStatus = "Failed"
	RecordPartialFailed InvokeRecordStatus = "PartialFailed"
	RecordStopped       InvokeRecordStatus = "Stopped"
	RecordStopping      InvokeRecordStatus = "Stopping"
)

// ContentEncoding is how the API sends Output.
type ContentEncoding string

// The encodings. Base64 is the API's default and the only one that carries every byte.
const (
	EncodingBase64    ContentEncoding = "Base64"
	EncodingPlainText ContentEncoding = "PlainText"
)

// Tag is a tag of an invocation.
type Tag struct {
	Key   string
	Value string
}

// Query is one question to DescribeInvocationResults, complete but for paging. Filters combine with AND; an
// empty one is not sent. Only RegionID is required by the API; IncludeHistory requires InvokeID.
type Query struct {
	RegionID           string
	ResourceGroupID    string
	InvokeID           string
	InstanceID         string
	CommandID          string
	InvokeRecordStatus InvokeRecordStatus
	IncludeHistory     bool
	// ContentEncoding: empty means Base64.
	ContentEncoding ContentEncoding
	// Tags: at most 20, keys unique.
	Tags []Tag
}

// Paging chooses a page. MaxResults (1 to 50, default 10) with NextToken is the current style; PageNumber
// and PageSize the vendor's outgoing one, ignored by the API when either of the first two is sent.
type Paging struct {
	MaxResults int
	NextToken  string
	PageNumber int
	PageSize   int
}

// Page is one answer of the API.
type Page struct {
	RequestID string
	Records   []Record
	// NextToken asks for the next page; empty at the end of the list.
	NextToken string
	// TotalCount, PageNumber and PageSize mean something only with the outgoing paging style.
	TotalCount int
	PageNumber int
	PageSize   int
	// Bytes is the size of the response body.
	Bytes int64
}

// Record is one row: a run on one instance (and container). A zero time means that the API has none.
type Record struct {
	CommandID          string
	InvokeID           string
	InstanceID         string
	ContainerID        string
	ContainerName      string
	InvocationStatus   InvocationStatus
	InvokeRecordStatus InvokeRecordStatus
	// ExitCode is nil while the API sends none: before the end, and on a time-out.
	ExitCode  *int64
	ErrorCode string
	ErrorInfo string
	// Output is what the command printed, standard output and error merged, byte for byte as decoded from
	// the wire. The service keeps at most 24 KB of it; Dropped counts the bytes it cut.
	Output  []byte
	Dropped int64
	// Repeats: 0 or 1 for a one-time run, the number of runs so far for a scheduled one.
	Repeats         int64
	StartTime       time.Time
	FinishedTime    time.Time
	StopTime        time.Time
	Username        string
	Launcher        string
	TerminationMode string
	Tags            []Tag
	OSSOutput       OSSOutput
}

// OSSOutput tells of the delivery of the output to an OSS bucket. Zero where none was asked for.
type OSSOutput struct {
	Delivery  string
	URI       string
	Status    string
	ErrorCode string
	ErrorInfo string
}

// Answer is the result of one whole walk over the pages of a Query.
type Answer struct {
	Records []Record
	// StartedAt and EndedAt bound the walk: a record that appeared after StartedAt may be missing.
	StartedAt time.Time
	EndedAt   time.Time
	// Complete is false when the walk was cut short by a budget. Absence from an incomplete answer means
	// nothing; what is present is true.
	Complete bool
	Pages    int
	Bytes    int64
}

// API is what the observation engine asks. Implementations are safe for many goroutines.
type API interface {
	// DescribeInvocationResults asks for one page. Failures are *Error, or ctx's own error.
	DescribeInvocationResults(ctx context.Context, query Query, paging Paging) (*Page, error)
}

// Identity names the credentials that sign a call. What one identity may read is never shown to another.
type Identity struct {
	// Secret is "namespace/name" of the Secret that holds the access key; empty for the operator's own
	// credentials.
	Secret string
	// RoleARN is the RAM role assumed on top of them; empty for none.
	RoleARN string
}

// Session asks on behalf of one Identity.
type Session interface {
	API
	// Account is the Alibaba Cloud account that the calls are counted against: throttling is per account,
	// region and API. Where the account cannot be learnt, it is a string unique to the identity.
	Account() string
}

// Sessions opens sessions. A session is cheap to open and is opened anew for every walk, so that rotated
// credentials take effect by themselves.
type Sessions interface {
	// Session fails with an *Error of class Denied when the credentials cannot be had for a reason that
	// somebody must mend, and of class Unavailable when it is worth another attempt.
	Session(ctx context.Context, identity Identity, regionID string) (Session, error)
}
