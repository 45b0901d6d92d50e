package projection

import (
	"cmp"
	"slices"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// place is where a row belongs: an instance and, if the command ran in one, a container.
type place struct{ instanceID, containerID, containerName string }

func (a place) compare(b place) int {
	return cmp.Or(
		cmp.Compare(a.instanceID, b.instanceID),
		cmp.Compare(a.containerID, b.containerID),
		cmp.Compare(a.containerName, b.containerName),
	)
}

// entry is a row on its way into the status. Its output is kept apart until it is known how much of it fits.
type entry struct {
	v1alpha1.InstanceResult
	output output
}

func (e *entry) place() place {
	return place{e.InstanceID, e.ContainerID, e.ContainerName}
}

func (e *entry) outcome() cloudassistant.Outcome {
	return cloudassistant.InvocationStatus(e.Status).Outcome()
}

func (e *entry) terminal() bool {
	return cloudassistant.InvocationStatus(e.Status).Terminal()
}

// stored takes an entry of the previous status.
func stored(result v1alpha1.InstanceResult) *entry {
	e := &entry{InstanceResult: result, output: storedOutput(result.Output)}
	e.Output = nil
	return e
}

// received takes a row of the API. Output of a run still going is left out: it would be a change at every look.
func received(r *cloudassistant.Record) *entry {
	e := &entry{InstanceResult: v1alpha1.InstanceResult{
		InstanceID:         clean(r.InstanceID, maxName),
		CommandID:          clean(r.CommandID, maxName),
		Status:             clean(string(r.InvocationStatus), maxName),
		InvokeRecordStatus: clean(string(r.InvokeRecordStatus), maxName),
		ErrorCode:          clean(r.ErrorCode, maxName),
		ErrorInfo:          clean(r.ErrorInfo, maxSentence),
		StartTime:          timestamp(r.StartTime),
		FinishedTime:       timestamp(r.FinishedTime),
		StopTime:           timestamp(r.StopTime),
		Repeats:            r.Repeats,
		Username:           clean(r.Username, maxName),
		Launcher:           clean(r.Launcher, maxSentence),
		TerminationMode:    clean(r.TerminationMode, maxName),
		ContainerID:        clean(r.ContainerID, maxName),
		ContainerName:      clean(r.ContainerName, maxName),
		OSSOutput:          receivedDelivery(r.OSSOutput),
	}}
	if r.ExitCode != nil {
		e.ExitCode = new(*r.ExitCode)
	}
	for _, tag := range r.Tags[:min(len(r.Tags), maxTags)] {
		e.Tags = append(e.Tags, v1alpha1.ResultTag{Key: clean(tag.Key, maxName), Value: clean(tag.Value, maxName)})
	}
	if e.terminal() {
		e.output = receivedOutput(r.Output, r.Dropped)
	}
	return e
}

func receivedDelivery(o cloudassistant.OSSOutput) *v1alpha1.OSSOutputStatus {
	if o == (cloudassistant.OSSOutput{}) {
		return nil
	}
	return &v1alpha1.OSSOutputStatus{
		Delivery:  clean(o.Delivery, maxSentence),
		URI:       clean(o.URI, maxSentence),
		Status:    clean(o.Status, maxName),
		ErrorCode: clean(o.ErrorCode, maxName),
		ErrorInfo: clean(o.ErrorInfo, maxSentence),
	}
}

// merge makes one entry of what was known before and what came later, about the same run at the same place.
//
// What is not terminal gives way to the later one. A terminal entry stays. A later one with the same status only
// adds what it lacked: the API completes a row after it shows its end (times, exit code, output), goes on to
// deliver output to OSS, and moves InvokeRecordStatus, which is of the invocation. A later one with another status is a
// fault of the API and adds nothing, or the entry would mix two stories.
func merge(before, later *entry) *entry {
	if !before.terminal() {
		return later
	}
	if later.Status != before.Status {
		return before
	}
	e := *before
	e.CommandID = cmp.Or(e.CommandID, later.CommandID)
	e.InvokeRecordStatus = cmp.Or(later.InvokeRecordStatus, e.InvokeRecordStatus)
	e.ExitCode = cmp.Or(e.ExitCode, later.ExitCode)
	e.ErrorCode = cmp.Or(e.ErrorCode, later.ErrorCode)
	e.ErrorInfo = cmp.Or(e.ErrorInfo, later.ErrorInfo)
	e.StartTime = cmp.Or(e.StartTime, later.StartTime)
	e.FinishedTime = cmp.Or(e.FinishedTime, later.FinishedTime)
	e.StopTime = cmp.Or(e.StopTime, later.StopTime)
	e.Repeats = max(e.Repeats, later.Repeats)
	e.Username = cmp.Or(e.Username, later.Username)
	e.Launcher = cmp.Or(e.Launcher, later.Launcher)
	e.TerminationMode = cmp.Or(e.TerminationMode, later.TerminationMode)
	if len(e.Tags) == 0 {
		e.Tags = later.Tags
	}
	if !delivered(e.OSSOutput) && later.OSSOutput != nil {
		e.OSSOutput = later.OSSOutput
	}
	e.output = mergeOutput(e.output, later.output)
	return &e
}

// deliveryInProgress is the OSSOutputStatus that waits for another.
const deliveryInProgress = "InProgress"

// delivered says whether the delivery of an output to OSS is over.
func delivered(o *v1alpha1.OSSOutputStatus) bool {
	return o != nil && o.Status != "" && o.Status != deliveryInProgress
}

// sortInstances puts the failed entries first, then those not ended, then the rest; by place within.
func sortInstances(entries []*entry) {
	rank := func(e *entry) int {
		switch {
		case e.outcome() == cloudassistant.OutcomeFailed:
			return 0
		case !e.terminal():
			return 1
		}
		return 2
	}
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.place().compare(b.place()))
	})
}
