package emulator

import (
	"slices"
)

// resultsAnswer is the answer of DescribeInvocationResults.
type resultsAnswer struct {
	answerHead
	Invocation struct {
		pageAnswer
		InvocationResults struct {
			InvocationResult []resultAnswer `json:"InvocationResult" xml:"InvocationResult"`
		} `json:"InvocationResults" xml:"InvocationResults"`
	} `json:"Invocation" xml:"Invocation"`
}

// resultAnswer is one row on the wire. ExitCode is absent where there is none.
type resultAnswer struct {
	Dropped            int        `json:"Dropped" xml:"Dropped"`
	OssOutputDelivery  string     `json:"OssOutputDelivery,omitempty" xml:"OssOutputDelivery,omitempty"`
	InvocationStatus   string     `json:"InvocationStatus" xml:"InvocationStatus"`
	InstanceID         string     `json:"InstanceId" xml:"InstanceId"`
	ExitCode           *int64     `json:"ExitCode,omitempty" xml:"ExitCode,omitempty"`
	ErrorInfo          string     `json:"ErrorInfo" xml:"ErrorInfo"`
	StartTime          string     `json:"StartTime" xml:"StartTime"`
	Repeats            int        `json:"Repeats" xml:"Repeats"`
	InvokeRecordStatus string     `json:"InvokeRecordStatus" xml:"InvokeRecordStatus"`
	FinishedTime       string     `json:"FinishedTime" xml:"FinishedTime"`
	Username           string     `json:"Username" xml:"Username"`
	ContainerID        string     `json:"ContainerId" xml:"ContainerId"`
	ContainerName      string     `json:"ContainerName" xml:"ContainerName"`
	Output             string     `json:"Output" xml:"Output"`
	Launcher           string     `json:"Launcher" xml:"Launcher"`
	CommandID          string     `json:"CommandId" xml:"CommandId"`
	ErrorCode          string     `json:"ErrorCode" xml:"ErrorCode"`
	InvokeID           string     `json:"InvokeId" xml:"InvokeId"`
	TerminationMode    string     `json:"TerminationMode" xml:"TerminationMode"`
	Tags               tagsAnswer `json:"Tags" xml:"Tags"`
	StopTime           string     `json:"StopTime" xml:"StopTime"`
	ossAnswer
}

// ossAnswer is what both actions that show a row tell of its delivery. The elements are sent with a delivery only,
// the two about its error with a failed one only.
type ossAnswer struct {
	OssOutputURI       *string `json:"OssOutputUri,omitempty" xml:"OssOutputUri,omitempty"`
	OssOutputStatus    string  `json:"OssOutputStatus,omitempty" xml:"OssOutputStatus,omitempty"`
	OssOutputErrorCode string  `json:"OssOutputErrorCode,omitempty" xml:"OssOutputErrorCode,omitempty"`
	OssOutputErrorInfo string  `json:"OssOutputErrorInfo,omitempty" xml:"OssOutputErrorInfo,omitempty"`
}

func (o OSSOutput) answer() ossAnswer {
	a := ossAnswer{OssOutputStatus: o.Status, OssOutputErrorCode: o.ErrorCode, OssOutputErrorInfo: o.ErrorInfo}
	if o.Delivery != "" {
		a.OssOutputURI = &o.URI
	}
	return a
}

// tagsAnswer is an object around an array: the vendor's Go SDK fails on the bare array of some samples.
type tagsAnswer struct {
	Tag []Tag `json:"Tag" xml:"Tag"`
}

func newTagsAnswer(tags []Tag) tagsAnswer {
	// An array, never null.
	return tagsAnswer{Tag: append([]Tag{}, tags...)}
}

var recordFilters = []string{
	"", RecordRunning, RecordFinished, RecordSuccess, RecordFailed, RecordPartialFailed, RecordStopped, RecordStopping,
}

func (e *Emulator) describeInvocationResults(c *Call) (any, error) {
	q, err := resultsQuery(c)
	if err != nil {
		return nil, err
	}
	rows, about, err := describe(e, c, assistantPages, q.filters(), func() (listing[*row], error) { return e.listRows(c, q) }, e.showRow)
	if err != nil {
		return nil, err
	}
	answer := &resultsAnswer{answerHead: answerHead{c.requestID}}
	answer.Invocation.pageAnswer = about
	results := &answer.Invocation.InvocationResults.InvocationResult
	*results = make([]resultAnswer, len(rows))
	output := c.outputEncoder()
	for n, r := range rows {
		(*results)[n] = r.answer(output)
	}
	return answer, nil
}

func resultsQuery(c *Call) (query, error) {
	q := query{
		scopeKey: scopeKey{c.AccountID, c.RegionID}, resourceGroupID: c.Parameter("ResourceGroupId"),
		invokeID: c.Parameter("InvokeId"), instanceID: c.Parameter("InstanceId"), commandID: c.Parameter("CommandId"),
		recorded: c.Parameter("InvokeRecordStatus"), history: c.boolean("IncludeHistory"),
	}
	if !slices.Contains(recordFilters, q.recorded) {
		return query{}, refuse("InvalidParameter.InvokeRecordStatus")
	}
	if q.history && q.invokeID == "" {
		return query{}, refuse("MissingParameter.InvokeId")
	}
	var err error
	q.tags, err = c.tags()
	return q, err
}

// filters is what a page token is bound to.
func (q query) filters() any {
	return []any{q.resourceGroupID, q.invokeID, q.instanceID, q.commandID, q.recorded, q.history, q.tags}
}

// shownRow is a copy of a row as an answer shows it.
type shownRow struct {
	Row
	tags []Tag
}

// listRows are the rows that answer q. The caller holds Emulator.mu.
func (e *Emulator) listRows(c *Call, q query) (listing[*row], error) {
	if i := e.store.invocations[q.invokeID]; q.history && i != nil && i.scopeKey() == q.scopeKey && !i.repeats() {
		return listing[*row]{}, refuse("InvalidParameter.IncludeHistory")
	}
	order, seed := e.settings.RowOrder, e.settings.Seed
	if c.fault.Kind == FaultShuffle {
		order, seed = OrderShuffled, 0
	}
	now := e.now()
	oldest := e.store.oldestTagged(q.scopeKey, q.tags, e.settings.MaxTagged)
	match := func(r *row) bool { return r.invocation.Sequence >= oldest && q.match(r, now) }
	if q.invokeID == "" && e.store.scope(q.scopeKey).decided(q.keys(), oldest, now) {
		match = nil
	}
	return orderRows(e.store.candidates(q, e.settings.HistoryWithLiveRow), match, order, seed), nil
}

// showRow is show under the settings. The caller holds e.mu.
func (e *Emulator) showRow(r *row) shownRow {
	shown := r.show()
	if e.settings.HistoryTotalRepeats && r.past && !r.Scripted {
		if live := r.invocation.row(r.InstanceID); live != nil {
			shown.Repeats = live.Repeats
		}
	}
	return shown
}

// show copies what the API shows of the row. The caller holds Emulator.mu.
func (r *row) show() shownRow {
	shown := shownRow{Row: r.Row, tags: r.invocation.Tags}
	shown.InvokeRecordStatus = r.recordStatus()
	shown.InvocationStatus = firstOf(r.Override, r.InvocationStatus)
	if r.printing != nil && !r.invocation.repeats() {
		shown.Output, shown.Dropped = r.printing.Snapshot()
	}
	return shown
}

func (r shownRow) answer(output func([]byte) string) resultAnswer {
	return resultAnswer{
		Dropped: r.Dropped, OssOutputDelivery: r.OSSOutput.Delivery, InvocationStatus: r.InvocationStatus,
		InstanceID: r.InstanceID, ExitCode: r.ExitCode, ErrorInfo: r.ErrorInfo, StartTime: stamp(r.StartTime),
		Repeats: r.Repeats, InvokeRecordStatus: r.InvokeRecordStatus, FinishedTime: stamp(r.FinishedTime),
		ossAnswer: r.OSSOutput.answer(), Username: r.Username, ContainerID: r.ContainerID,
		ContainerName: r.ContainerName, Output: output(r.Output), Launcher: r.Launcher, CommandID: r.CommandID,
		ErrorCode: r.ErrorCode, InvokeID: r.InvokeID, TerminationMode: r.TerminationMode,
		Tags: newTagsAnswer(r.tags), StopTime: stamp(r.StopTime),
	}
}
