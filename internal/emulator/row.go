package emulator

import (
	"context"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// The values of InvocationStatus that the emulator gives.
const (
	StatusPending    = "Pending"
	StatusScheduled  = "Scheduled"
	StatusRunning    = "Running"
	StatusStopping   = "Stopping"
	StatusSuccess    = "Success"
	StatusFailed     = "Failed"
	StatusInvalid    = "Invalid"
	StatusAborted    = "Aborted"
	StatusError      = "Error"
	StatusTimeout    = "Timeout"
	StatusCancelled  = "Cancelled"
	StatusTerminated = "Terminated"
)

// The values of InvokeRecordStatus. RecordSuccess exists as a filter only.
const (
	RecordRunning       = "Running"
	RecordFinished      = "Finished"
	RecordSuccess       = "Success"
	RecordFailed        = "Failed"
	RecordPartialFailed = "PartialFailed"
	RecordStopped       = "Stopped"
	RecordStopping      = "Stopping"
)

// The values of RepeatMode.
const (
	RepeatOnce   = "Once"
	RepeatPeriod = "Period"
	RepeatDryRun = "DryRun"
	// RepeatNextRebootOnly waits for the next boot of each instance, and runs once.
	RepeatNextRebootOnly = "NextRebootOnly"
	// RepeatEveryReboot runs at every boot of each instance, until it is stopped.
	RepeatEveryReboot = "EveryReboot"
)

// Row is one result of DescribeInvocationResults: a run of an invocation on an instance. A zero time, an empty
// string and a nil ExitCode are what the API has none of.
type Row struct {
	InvokeID   string
	InstanceID string
	CommandID  string
	// InvocationStatus may be any text: unknown values are for clients to meet.
	InvocationStatus string
	// InvokeRecordStatus: empty is derived from the rows of the invocation, see recordStatus.
	InvokeRecordStatus string
	ExitCode           *int64
	ErrorCode          string
	ErrorInfo          string
	// Output is raw; it is encoded when it is asked for.
	Output []byte
	// Dropped counts the bytes missing in Output.
	Dropped         int
	Repeats         int
	StartTime       time.Time
	FinishedTime    time.Time
	StopTime        time.Time
	Username        string
	Launcher        string
	TerminationMode string
	ContainerID     string
	ContainerName   string
	OSSOutput       OSSOutput
}

// OSSOutput tells of the delivery of an output to a bucket. The zero value is no delivery.
type OSSOutput struct {
	Delivery  string
	URI       string
	Status    string
	ErrorCode string
	ErrorInfo string
}

// row is a Row in the store, with what the API does not show. Emulator.mu guards it. Its exported fields last, the
// others belong to a run that goes on; so it is with command and invocation.
type row struct {
	Row
	invocation *invocation
	// Sequence grows with every row made; lists run from high to low.
	Sequence  uint64
	VisibleAt time.Time
	UpdatedAt time.Time
	Hidden    bool
	// Scripted rows have no run: they are what they were told to be.
	Scripted bool
	// ScheduledFrom is the time that the next run of a schedule is counted from.
	ScheduledFrom time.Time
	// Override is shown instead of InvocationStatus.
	Override string
	// printing is the output of a run that is still going. A scheduled run shows none before its end.
	printing *process.Output
	// LastStatus is how the last run of a schedule ended.
	LastStatus string
	// past is set for the row of a past run.
	past bool
	// indexed is under what the row is found; queued is the age of what it stands for in the queue of
	// retention, zero if it is not there.
	indexed indexed
	queued  time.Time
	// delivering is set while the output of the last run is on its way to a bucket.
	delivering bool
	// cancel ends the run; nil for a row that no process stands behind.
	cancel context.CancelCauseFunc
}

// invocation is one submitted command on its instances. Emulator.mu guards Rows and History; the rest does not
// change.
type invocation struct {
	ID              string
	AccountID       string
	RegionID        string
	ResourceGroupID string
	Command         *command
	RepeatMode      string
	Frequency       string
	Parameters      map[string]string
	Timeout         time.Duration
	WorkingDir      string
	Username        string
	Launcher        string
	TerminationMode string
	ContainerID     string
	ContainerName   string
	OSSDelivery     string
	Tags            []Tag
	Created         time.Time
	Sequence        uint64
	Rows            []*row
	History         []*row
	// submission is the ClientToken that started it; nil if there was none. It is saved as one
	// of savedState.Submissions.
	submission *submission
	// scope is where the invocation is listed; nil once it was forgotten.
	scope   *scope
	indexed indexed
}

// scopeKey is where the invocation is listed.
func (i *invocation) scopeKey() scopeKey { return scopeKey{i.AccountID, i.RegionID} }

// repeats says whether the invocation has a history.
func (i *invocation) repeats() bool {
	return i.RepeatMode == RepeatPeriod || i.RepeatMode == RepeatEveryReboot
}

// row is the live row of an instance; nil if the invocation does not target it.
func (i *invocation) row(instanceID string) *row {
	for _, r := range i.Rows {
		if r.InstanceID == instanceID {
			return r
		}
	}
	return nil
}

// Terminal says whether a run with this InvocationStatus is over.
func Terminal(invocationStatus string) bool {
	switch invocationStatus {
	case StatusSuccess, StatusFailed, StatusInvalid, StatusAborted, StatusError, StatusTimeout, StatusCancelled, StatusTerminated:
		return true
	}
	return false
}

// recordStatus is the InvokeRecordStatus of an invocation whose live rows have these statuses. A run that ended
// with any exit code counts as done; a time-out and whatever kept a command from running count as failed. The
// vendor documents the values and those two facts; the rest is inference.
func recordStatus(statuses []string) string {
	var stopped, failed int
	running, stopping := false, false
	for _, status := range statuses {
		switch {
		case status == StatusStopping:
			stopping = true
		case !Terminal(status):
			running = true
		case status == StatusCancelled || status == StatusTerminated:
			stopped++
		case status != StatusSuccess && status != StatusFailed:
			failed++
		}
	}
	switch {
	case stopping:
		return RecordStopping
	case running:
		return RecordRunning
	case stopped == len(statuses):
		return RecordStopped
	case failed > 0 && failed+stopped == len(statuses):
		return RecordFailed
	case failed > 0:
		return RecordPartialFailed
	}
	return RecordFinished
}

// aggregateStatus is the InvocationStatus of a whole invocation in DescribeInvocations, by the vendor's rules in
// their order.
func aggregateStatus(statuses []string) string {
	count := map[string]int{}
	var stopped, succeeded int
	for _, status := range statuses {
		count[status]++
		switch status {
		case StatusCancelled, StatusTerminated:
			stopped++
		case StatusSuccess:
			succeeded++
		}
	}
	for _, status := range []string{StatusPending, StatusScheduled, StatusRunning, StatusStopping} {
		if count[status] > 0 {
			return status
		}
	}
	switch {
	case stopped == len(statuses):
		return "Stopped"
	case succeeded == 0:
		return StatusFailed
	case succeeded+stopped == len(statuses):
		return StatusSuccess
	}
	return "PartialFailed"
}
