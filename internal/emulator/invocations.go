package emulator

import (
	"encoding/json"
	"slices"
	"time"
)

// invocationsAnswer is the answer of DescribeInvocations.
type invocationsAnswer struct {
	answerHead
	pageAnswer
	Invocations struct {
		Invocation []invocationAnswer `json:"Invocation" xml:"Invocation"`
	} `json:"Invocations" xml:"Invocations"`
}

type invocationAnswer struct {
	InvokeID           string     `json:"InvokeId" xml:"InvokeId"`
	CommandID          string     `json:"CommandId" xml:"CommandId"`
	CommandName        string     `json:"CommandName" xml:"CommandName"`
	CommandDescription string     `json:"CommandDescription" xml:"CommandDescription"`
	CommandType        string     `json:"CommandType" xml:"CommandType"`
	CommandContent     string     `json:"CommandContent" xml:"CommandContent"`
	Parameters         string     `json:"Parameters" xml:"Parameters"`
	InvokeStatus       string     `json:"InvokeStatus" xml:"InvokeStatus"`
	InvocationStatus   string     `json:"InvocationStatus" xml:"InvocationStatus"`
	RepeatMode         string     `json:"RepeatMode" xml:"RepeatMode"`
	Frequency          string     `json:"Frequency" xml:"Frequency"`
	Timed              bool       `json:"Timed" xml:"Timed"`
	Timeout            int        `json:"Timeout" xml:"Timeout"`
	WorkingDir         string     `json:"WorkingDir" xml:"WorkingDir"`
	Username           string     `json:"Username" xml:"Username"`
	Launcher           string     `json:"Launcher" xml:"Launcher"`
	TerminationMode    string     `json:"TerminationMode" xml:"TerminationMode"`
	ContainerID        string     `json:"ContainerId" xml:"ContainerId"`
	ContainerName      string     `json:"ContainerName" xml:"ContainerName"`
	OssOutputDelivery  string     `json:"OssOutputDelivery,omitempty" xml:"OssOutputDelivery,omitempty"`
	CreationTime       string     `json:"CreationTime" xml:"CreationTime"`
	Tags               tagsAnswer `json:"Tags" xml:"Tags"`
	InvokeInstances    struct {
		InvokeInstance []invokeInstanceAnswer `json:"InvokeInstance" xml:"InvokeInstance"`
	} `json:"InvokeInstances" xml:"InvokeInstances"`
}

// invokeInstanceAnswer is a row as DescribeInvocations shows it: FinishTime, where DescribeInvocationResults says
// FinishedTime.
type invokeInstanceAnswer struct {
	InstanceID           string `json:"InstanceId" xml:"InstanceId"`
	InvocationStatus     string `json:"InvocationStatus" xml:"InvocationStatus"`
	InstanceInvokeStatus string `json:"InstanceInvokeStatus" xml:"InstanceInvokeStatus"`
	ExitCode             *int64 `json:"ExitCode,omitempty" xml:"ExitCode,omitempty"`
	ErrorCode            string `json:"ErrorCode" xml:"ErrorCode"`
	ErrorInfo            string `json:"ErrorInfo" xml:"ErrorInfo"`
	Output               string `json:"Output" xml:"Output"`
	Dropped              int    `json:"Dropped" xml:"Dropped"`
	Repeats              int    `json:"Repeats" xml:"Repeats"`
	Timed                bool   `json:"Timed" xml:"Timed"`
	CreationTime         string `json:"CreationTime" xml:"CreationTime"`
	StartTime            string `json:"StartTime" xml:"StartTime"`
	FinishTime           string `json:"FinishTime" xml:"FinishTime"`
	StopTime             string `json:"StopTime" xml:"StopTime"`
	UpdateTime           string `json:"UpdateTime" xml:"UpdateTime"`
	ossAnswer
}

// invokeStatuses are the values of the filter InvokeStatus, as the page of DescribeInvocations lists them. Some are
// values of the element InvokeStatus, some of InvocationStatus, which follows it: an invocation that shows the value
// in either is found. The page does not say which of the two is compared; that is the emulator's choice.
var invokeStatuses = []string{
	RecordRunning, RecordFinished, RecordSuccess, RecordFailed, RecordPartialFailed, RecordStopped, RecordStopping,
	StatusPending, StatusScheduled,
}

// invocationFilter is the question of DescribeInvocations, complete but for paging.
type invocationFilter struct {
	ResourceGroupID, InvokeID, InstanceID, CommandID string
	CommandName, CommandType, RepeatMode, Status     string
	Tags                                             []Tag
}

func (e *Emulator) describeInvocations(c *Call) (any, error) {
	f := invocationFilter{
		ResourceGroupID: c.Parameter("ResourceGroupId"), InvokeID: c.Parameter("InvokeId"),
		InstanceID: c.Parameter("InstanceId"), CommandID: c.Parameter("CommandId"), CommandType: c.Parameter("CommandType"),
	}
	if f.InstanceID == "" {
		// Documented: with InstanceId these three are ignored.
		f.CommandName, f.RepeatMode, f.Status = c.Parameter("CommandName"), c.Parameter("RepeatMode"), c.Parameter("InvokeStatus")
	}
	if f.Status != "" && !slices.Contains(invokeStatuses, f.Status) {
		return nil, refuse("InvalidParameter.InvokeStatus")
	}
	includeOutput := c.boolean("IncludeOutput")
	if includeOutput && f.InvokeID == "" && f.InstanceID == "" {
		return nil, refuse("InvalidParameter.IncludeOutput")
	}
	var err error
	if f.Tags, err = c.tags(); err != nil {
		return nil, err
	}
	encode := c.outputEncoder()
	now := e.now()
	page, about, err := describe(e, c, assistantPages, f, func() (listing[*invocation], error) {
		return e.listInvocations(scopeKey{c.AccountID, c.RegionID}, f, now), nil
	}, func(i *invocation) invocationAnswer { return i.answer(f.InstanceID, includeOutput, encode, now) })
	if err != nil {
		return nil, err
	}
	answer := &invocationsAnswer{answerHead: answerHead{c.requestID}, pageAnswer: about}
	answer.Invocations.Invocation = page
	return answer, nil
}

// listInvocations are the invocations that f asks for. The caller holds Emulator.mu.
func (e *Emulator) listInvocations(key scopeKey, f invocationFilter, now time.Time) listing[*invocation] {
	oldest := e.store.oldestTagged(key, f.Tags, e.settings.MaxTagged)
	l := listing[*invocation]{
		elements: e.store.candidateInvocations(key, f), reversed: true,
		position: func(i *invocation) string { return newestFirst(i.Sequence) },
		match:    func(i *invocation) bool { return i.Sequence >= oldest && f.match(i, now) },
	}
	unindexed := f.InvokeID + f.CommandType + f.CommandName + f.RepeatMode
	if s := e.store.scope(key); unindexed == "" && s.decided(f.keys(), oldest, now) && len(s.invocations.by[rowlessKey]) == 0 {
		l.match = nil
	}
	return l
}

// keys are those of the index of invocations for f.
func (f invocationFilter) keys() []indexKey {
	keys := keysOf(f.CommandID, f.ResourceGroupID, f.InstanceID, f.Tags)
	if f.Status != "" {
		keys = append(keys, recordKey(f.Status))
	}
	return keys
}

func (f invocationFilter) match(i *invocation, now time.Time) bool {
	return slices.ContainsFunc(i.Rows, func(r *row) bool { return r.visible(now) && agrees(f.InstanceID, r.InstanceID) }) &&
		agrees(f.InvokeID, i.ID) && agrees(f.CommandID, i.Command.ID) && agrees(f.ResourceGroupID, i.ResourceGroupID) &&
		agrees(f.CommandType, i.Command.Type) && agrees(f.CommandName, i.Command.Name) && agrees(f.RepeatMode, i.RepeatMode) &&
		(agrees(f.Status, i.indexed.record) || f.Status == i.indexed.status) &&
		containsTags(i.Tags, f.Tags)
}

// agrees says whether a filter, of which an empty one asks for nothing, lets a value in.
func agrees(filter, value string) bool { return filter == "" || filter == value }

// answer renders the invocation and its visible rows, those of one instance if it is given. The caller holds
// Emulator.mu.
func (i *invocation) answer(instanceID string, includeOutput bool, encode func([]byte) string, now time.Time) invocationAnswer {
	parameters := "{}"
	if len(i.Parameters) > 0 {
		// A map of strings cannot fail to encode.
		encoded, _ := json.Marshal(i.Parameters)
		parameters = string(encoded)
	}
	a := invocationAnswer{
		InvokeID: i.ID, CommandID: i.Command.ID, CommandName: i.Command.Name, CommandDescription: i.Command.Description,
		CommandType: i.Command.Type, CommandContent: encode(i.Command.Content), Parameters: parameters,
		InvokeStatus: i.indexed.record, InvocationStatus: i.indexed.status, RepeatMode: i.RepeatMode,
		Frequency: i.Frequency, Timed: i.repeats(), Timeout: int(i.Timeout / time.Second), WorkingDir: i.WorkingDir,
		Username: i.Username, Launcher: i.Launcher, TerminationMode: i.TerminationMode, ContainerID: i.ContainerID,
		ContainerName: i.ContainerName, OssOutputDelivery: i.OSSDelivery, CreationTime: stamp(i.Created), Tags: newTagsAnswer(i.Tags),
	}
	instances := &a.InvokeInstances.InvokeInstance
	*instances = make([]invokeInstanceAnswer, 0, len(i.Rows))
	for _, r := range i.Rows {
		if !r.visible(now) || instanceID != "" && r.InstanceID != instanceID {
			continue
		}
		shown := r.show()
		entry := invokeInstanceAnswer{
			InstanceID: shown.InstanceID, InvocationStatus: shown.InvocationStatus,
			InstanceInvokeStatus: recordStatus([]string{r.InvocationStatus}), ExitCode: shown.ExitCode,
			ErrorCode: shown.ErrorCode, ErrorInfo: shown.ErrorInfo, Dropped: shown.Dropped, Repeats: shown.Repeats,
			Timed: i.repeats(), CreationTime: stamp(i.Created), StartTime: stamp(shown.StartTime),
			FinishTime: stamp(shown.FinishedTime), StopTime: stamp(shown.StopTime), UpdateTime: stamp(r.UpdatedAt),
			ossAnswer: shown.OSSOutput.answer(),
		}
		if includeOutput {
			entry.Output = encode(shown.Output)
		}
		*instances = append(*instances, entry)
	}
	return a
}
