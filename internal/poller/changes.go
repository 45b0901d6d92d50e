package poller

import (
	"bytes"
	"slices"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// rowKey tells the live rows of an answer apart: a run has one per instance and container.
type rowKey struct {
	invokeID, instanceID, containerID, containerName string
}

func keyOf(r *cloudassistant.Record) rowKey {
	return rowKey{r.InvokeID, r.InstanceID, r.ContainerID, r.ContainerName}
}

// sameRows compares two lists of live rows, whose order means nothing, by the given comparison of two rows with
// the same key. Should a key come twice, its last row counts.
func sameRows(a, b []cloudassistant.Record, same func(a, b *cloudassistant.Record) bool) bool {
	left, right := byKey(a), byKey(b)
	if len(left) != len(right) {
		return false
	}
	for key, i := range left {
		j, found := right[key]
		if !found || !same(&a[i], &b[j]) {
			return false
		}
	}
	return true
}

func byKey(records []cloudassistant.Record) map[rowKey]int {
	index := make(map[rowKey]int, len(records))
	for i := range records {
		index[keyOf(&records[i])] = i
	}
	return index
}

// changed says whether the rows of two answers tell different things. The output of a run still going does not
// count: it grows all the time and says nothing about the end.
func changed(before, after []cloudassistant.Record) bool {
	return !sameRows(before, after, sameRow)
}

// progressed says whether a run began or ended between two answers, so that the list of earlier runs may have
// grown.
func progressed(before, after []cloudassistant.Record) bool {
	return !sameRows(before, after, func(a, b *cloudassistant.Record) bool { return !moved(a, b) })
}

// moved compares two rows with the same key likewise.
func moved(a, b *cloudassistant.Record) bool {
	return a.InvocationStatus != b.InvocationStatus || a.Repeats != b.Repeats || !a.StartTime.Equal(b.StartTime)
}

// sameRow compares two rows with the same key.
func sameRow(a, b *cloudassistant.Record) bool {
	return a.CommandID == b.CommandID &&
		a.InvocationStatus == b.InvocationStatus &&
		a.InvokeRecordStatus == b.InvokeRecordStatus &&
		sameExitCode(a.ExitCode, b.ExitCode) &&
		a.ErrorCode == b.ErrorCode &&
		a.ErrorInfo == b.ErrorInfo &&
		a.Repeats == b.Repeats &&
		a.StartTime.Equal(b.StartTime) &&
		a.FinishedTime.Equal(b.FinishedTime) &&
		a.StopTime.Equal(b.StopTime) &&
		a.Username == b.Username &&
		a.Launcher == b.Launcher &&
		a.TerminationMode == b.TerminationMode &&
		slices.Equal(a.Tags, b.Tags) &&
		a.OSSOutput == b.OSSOutput &&
		sameOutput(a, b)
}

func sameExitCode(a, b *int64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameOutput compares what two rows of the same status printed.
func sameOutput(a, b *cloudassistant.Record) bool {
	return !a.InvocationStatus.Terminal() || a.Dropped == b.Dropped && bytes.Equal(a.Output, b.Output)
}
