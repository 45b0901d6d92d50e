package poller

import (
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// list is one that the API gives of all results that an identity may read in a region: those whose invocation has a
// status and, unless empty, is of a command.
type list struct {
	status    cloudassistant.InvokeRecordStatus
	commandID string
}

// unfinished lists every row of the invocations that have not ended, rows that have ended among them.
var unfinished = list{status: cloudassistant.RecordRunning}

// everything lists all that the API keeps.
var everything = list{}

// ended list the invocations that have ended, where most are first. That a command failed by its exit code is not told
// apart here; the others are of time-outs, commands that could not be delivered, and stops.
var ended = [...]list{
	{status: cloudassistant.RecordFinished},
	{status: cloudassistant.RecordFailed},
	{status: cloudassistant.RecordPartialFailed},
	{status: cloudassistant.RecordStopped},
}

func (l list) query(regionID string) cloudassistant.Query {
	return cloudassistant.Query{RegionID: regionID, InvokeRecordStatus: l.status, CommandID: l.commandID}
}

// runsOf are the rows of a page by run, in the order in which the runs come first.
func runsOf(records []cloudassistant.Record) (order []string, rows map[string][]cloudassistant.Record) {
	rows = make(map[string][]cloudassistant.Record, len(records))
	for _, record := range records {
		if _, known := rows[record.InvokeID]; !known {
			order = append(order, record.InvokeID)
		}
		rows[record.InvokeID] = append(rows[record.InvokeID], record)
	}
	return order, rows
}

// within are the runs of a page all of whose rows stand together on it, with rows of others, or the end of the list, on
// both sides: if lists keep the rows of a run together, as they do when sorted by its begin, these are all its rows.
func within(records []cloudassistant.Record, first, last bool) map[string]bool {
	whole := map[string]bool{}
	for i := range records {
		id := records[i].InvokeID
		_, before := whole[id]
		switch {
		case !before:
			whole[id] = i > 0 || first
		case records[i-1].InvokeID != id:
			whole[id] = false
		}
		if i == len(records)-1 && !last {
			whole[id] = false
		}
	}
	return whole
}

// goesOn says whether any of the rows has not ended.
func goesOn(rows []cloudassistant.Record) bool {
	for i := range rows {
		if !rows[i].InvocationStatus.Terminal() {
			return true
		}
	}
	return false
}

// hasEnded says that there are rows, all of which have ended.
func hasEnded(rows []cloudassistant.Record) bool { return len(rows) > 0 && !goesOn(rows) }

// repeats says whether any of the rows is of a command that runs again and again, as far as it shows.
func repeats(rows []cloudassistant.Record) bool {
	for i := range rows {
		if isRepeated(&rows[i]) {
			return true
		}
	}
	return false
}

func isRepeated(r *cloudassistant.Record) bool {
	return r.Repeats > 1 || r.InvocationStatus == cloudassistant.StatusScheduled
}

// covers says whether rows has all those of known, of which there must be some.
func covers(rows, known []cloudassistant.Record) bool {
	given := byKey(rows)
	for i := range known {
		if _, found := given[keyOf(&known[i])]; !found {
			return false
		}
	}
	return len(known) > 0
}

// mergeRows is known with the rows put in place of older sights of the same. A row that has ended stays so.
func mergeRows(known, rows []cloudassistant.Record) []cloudassistant.Record {
	merged := append(make([]cloudassistant.Record, 0, len(known)+len(rows)), known...)
	index := byKey(merged)
	for _, row := range rows {
		i, found := index[keyOf(&row)]
		switch {
		case !found:
			index[keyOf(&row)] = len(merged)
			merged = append(merged, row)
		case row.InvocationStatus.Terminal() || !merged[i].InvocationStatus.Terminal():
			merged[i] = row
		}
	}
	return merged
}
