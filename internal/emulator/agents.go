package emulator

import (
	"slices"
	"strconv"
	"strings"
)

type agentsAnswer struct {
	answerHead
	pageAnswer
	Set struct {
		Status []agentAnswer `json:"InstanceCloudAssistantStatus" xml:"InstanceCloudAssistantStatus"`
	} `json:"InstanceCloudAssistantStatusSet" xml:"InstanceCloudAssistantStatusSet"`
}

// agentAnswer is an agent on the wire. Its OSType is capitalised, unlike that of DescribeInstances.
type agentAnswer struct {
	InstanceID            string `json:"InstanceId" xml:"InstanceId"`
	CloudAssistantStatus  string `json:"CloudAssistantStatus" xml:"CloudAssistantStatus"`
	CloudAssistantVersion string `json:"CloudAssistantVersion" xml:"CloudAssistantVersion"`
	InvocationCount       int    `json:"InvocationCount" xml:"InvocationCount"`
	ActiveTaskCount       int    `json:"ActiveTaskCount" xml:"ActiveTaskCount"`
	LastInvokedTime       string `json:"LastInvokedTime" xml:"LastInvokedTime"`
	LastHeartbeatTime     string `json:"LastHeartbeatTime" xml:"LastHeartbeatTime"`
	OSType                string `json:"OSType" xml:"OSType"`
	SupportSessionManager bool   `json:"SupportSessionManager" xml:"SupportSessionManager"`
}

// describeCloudAssistantStatus lists the agents of the instances of the account in the region. An instance that does
// not exist is left out.
func (e *Emulator) describeCloudAssistantStatus(c *Call) (any, error) {
	wanted, osType := c.list("InstanceId"), strings.ToLower(c.Parameter("OSType"))
	switch {
	case len(wanted) > maxInstances:
		return nil, refuse("InstanceIds.ExceedLimit")
	case osType != "" && osType != OSLinux && osType != OSWindows && osType != "freebsd":
		return nil, refuse("InvalidParameter.OSType")
	}
	match := func(i *instance) bool {
		return (len(wanted) == 0 || slices.Contains(wanted, i.ID)) && (osType == "" || i.OSType == osType)
	}
	rule := assistantPages
	if len(wanted) > 0 {
		rule = namedAgents
	}
	page, about, err := describeOwn(e, c, rule, []any{wanted, osType}, match, func(i *instance) agentAnswer {
		heartbeat := i.HeartbeatAt
		if i.beats() {
			heartbeat = e.now()
		}
		return agentAnswer{
			InstanceID: i.ID, CloudAssistantStatus: strconv.FormatBool(i.beats()), CloudAssistantVersion: i.AgentVersion,
			InvocationCount: i.InvocationCount, ActiveTaskCount: i.active, LastInvokedTime: stamp(i.LastInvokedAt),
			LastHeartbeatTime: stamp(heartbeat), OSType: map[string]string{OSLinux: "Linux", OSWindows: "Windows"}[i.OSType],
			SupportSessionManager: sinceSessionManager.includes(i.Instance),
		}
	})
	if err != nil {
		return nil, err
	}
	answer := &agentsAnswer{answerHead: answerHead{c.requestID}, pageAnswer: about}
	answer.Set.Status = page
	return answer, nil
}
