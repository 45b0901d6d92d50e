package emulator

import (
	"crypto/sha256"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxInstances   = 100
	maxClientToken = 64
	// maxInvokeResourceTags is how many ResourceTags InvokeCommand takes; RunCommand takes maxTags.
	maxInvokeResourceTags = 10
)

// submission names a ClientToken.
type submission struct{ accountID, regionID, action, token string }

// submitted is what a ClientToken has started.
type submitted struct {
	parameters [sha256.Size]byte
	answer     submitAnswer
}

// submitAnswer is the answer of RunCommand and InvokeCommand.
type submitAnswer struct {
	answerHead
	CommandID string `json:"CommandId,omitempty" xml:"CommandId,omitempty"`
	InvokeID  string `json:"InvokeId" xml:"InvokeId"`
}

func (e *Emulator) runCommand(c *Call) (any, error) {
	cmd, err := newCommand(c, contentPlainText)
	if err != nil {
		return nil, err
	}
	i, err := newInvocation(c, cmd)
	if err != nil {
		return nil, err
	}
	return e.submit(c, i, c.boolean("KeepCommand"), submitAnswer{
		answerHead: answerHead{c.requestID}, CommandID: cmd.ID, InvokeID: i.ID,
	})
}

// newInvocation reads what RunCommand and InvokeCommand have in common.
func newInvocation(c *Call, cmd *command) (*invocation, error) {
	i := &invocation{
		ID: newID("t-emu"), AccountID: c.AccountID, RegionID: c.RegionID,
		ResourceGroupID: c.Parameter("ResourceGroupId"), Command: cmd, Frequency: c.Parameter("Frequency"),
		Username: firstOf(c.Parameter("Username"), defaultUser(cmd.Type)), WorkingDir: firstOf(c.Parameter("WorkingDir"), cmd.WorkingDir),
		Launcher: firstOf(c.Parameter("Launcher"), cmd.Launcher), Timeout: cmd.Timeout,
		ContainerID: c.Parameter("ContainerId"), ContainerName: c.Parameter("ContainerName"),
		OSSDelivery: c.Parameter("OssOutputDelivery"),
	}
	if utf8.RuneCountInString(i.Username) > maxUsername {
		return nil, refuse("Username.ExceedLimit")
	}
	if len(i.Launcher) > maxLauncher {
		return nil, refuse("InvalidLauncher.LengthLimitExceeded")
	}
	if utf8.RuneCountInString(i.WorkingDir) > maxWorkingDir {
		return nil, refuse("InvalidParameter.WorkingDir")
	}
	if utf8.RuneCountInString(c.Parameter("WindowsPasswordName")) > maxUsername {
		return nil, refuse("WindowsPasswordName.ExceedLimit")
	}
	if err := checkOSSDelivery(i.OSSDelivery); err != nil {
		return nil, err
	}
	if err := checkContainerForm(i.ContainerID, i.ContainerName); err != nil {
		return nil, err
	}
	var err error
	if i.TerminationMode, err = terminationMode(c, cmd.TerminationMode); err != nil {
		return nil, err
	}
	if i.Parameters, err = c.commandParameters(cmd); err != nil {
		return nil, err
	}
	if i.RepeatMode, err = repeatMode(c.Parameter("RepeatMode"), i.Frequency); err != nil {
		return nil, err
	}
	i.Tags, err = c.tags()
	return i, err
}

// repeatMode applies the documented rule that a Frequency forces Period.
func repeatMode(mode, frequency string) (string, error) {
	switch {
	case frequency != "":
		return RepeatPeriod, nil
	case mode == RepeatPeriod:
		return "", refuse("MissingParam.Frequency")
	case mode == "" || mode == RepeatOnce:
		return RepeatOnce, nil
	case mode == RepeatDryRun || mode == RepeatNextRebootOnly || mode == RepeatEveryReboot:
		return mode, nil
	}
	return "", refuse("InvalidRepeatMode.NotFound")
}

// targets are the instances that a submitting call names, by ID or by their tags, in the order of their IDs.
func (e *Emulator) targets(c *Call) ([]*instance, error) {
	ids := c.list("InstanceId")
	limit := maxTags
	if c.Action == "InvokeCommand" {
		limit = maxInvokeResourceTags
	}
	tags, err := c.tagList("ResourceTag", limit)
	switch {
	case err != nil:
		return nil, err
	case len(ids) > 0 && len(tags) > 0:
		return nil, refuse("InvalidResourceTag.ConflictWithInstanceIds")
	case len(ids) == 0 && len(tags) == 0:
		return nil, refuse("MissingParam.InstanceId")
	case len(tags) > 0:
		return e.taggedInstances(c, tags)
	case len(ids) > maxInstances:
		return nil, refuse("InstanceIds.ExceedLimit")
	}
	slices.Sort(ids)
	found := make([]*instance, 0, len(ids))
	for _, id := range slices.Compact(ids) {
		i := e.instances[id]
		if i == nil || i.AccountID != c.AccountID || i.RegionID != c.RegionID {
			return nil, refuse("InvalidInstance.NotFound")
		}
		found = append(found, i)
	}
	return found, nil
}

// taggedInstances are those of the account in the region that have all the tags.
func (e *Emulator) taggedInstances(c *Call, tags []Tag) ([]*instance, error) {
	var found []*instance
	for _, i := range e.instances {
		if i.AccountID == c.AccountID && i.RegionID == c.RegionID && containsTags(i.Tags, tags) {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return nil, refuse("InvalidResourceTag.InstanceNotFound")
	case len(found) > maxInstances:
		return nil, refuse("InstanceIds.ExceedLimit")
	}
	slices.SortFunc(found, func(a, b *instance) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

// checkWindows refuses a run by another user of a Windows instance without the name of his password.
func checkWindows(c *Call, targets []*instance) error {
	username := c.Parameter("Username")
	for _, target := range targets {
		if target.OSType == OSWindows && username != "" && username != windowsUsername && c.Parameter("WindowsPasswordName") == "" {
			return refuse("WindowsPasswordName.Missed")
		}
	}
	return nil
}

// submit starts the invocation on its instances, unless the call's ClientToken has started one before.
func (e *Emulator) submit(c *Call, i *invocation, keepCommand bool, answer submitAnswer) (any, error) {
	plan, err := parseFrequency(i.Frequency, e.options.MinRate)
	if err != nil {
		return nil, err
	}
	if expression, isCron := plan.(*cronSchedule); isCron && expression.isTooFrequent(e.now(), i.Timeout) {
		return nil, refuse("InvalidParam.Frequency")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, refuse("ServiceUnavailable")
	}
	key := submission{c.AccountID, c.RegionID, c.Action, c.Parameter("ClientToken")}
	parameters := hashParameters(c.parameters)
	if earlier, repeated := e.submitted[key]; repeated && key.token != "" {
		if earlier.parameters != parameters {
			return nil, refuse("IdempotentParameterMismatch")
		}
		earlier.answer.RequestID = c.requestID
		return earlier.answer, nil
	}
	if !validClientToken(key.token) {
		return nil, refuse("InvalidClientToken.Malformed")
	}
	targets, err := e.targets(c)
	if err != nil {
		return nil, err
	}
	if err := checkWindows(c, targets); err != nil {
		return nil, err
	}
	if i.RepeatMode == RepeatDryRun {
		// A dry run is checked as any other and leaves nothing behind.
		return answer, nil
	}
	if keepCommand {
		if err := e.keep(i.Command); err != nil {
			return nil, err
		}
	}
	if kept := e.commands[i.Command.ID]; kept != nil {
		kept.InvokeTimes++
	}
	if key.token != "" {
		e.submitted[key], i.submission = submitted{parameters, answer}, &key
	}
	i.Created = e.now()
	e.store.addInvocation(i)
	for n, target := range targets {
		r := newRow(i, target.ID)
		r.VisibleAt = i.Created.Add(e.lag.of(n))
		e.store.addRow(i, r)
		e.launch(i, r, target, plan)
	}
	return answer, nil
}

// forgotten lets go of what is remembered of an invocation that is gone: the calls for it, and its ClientToken. The
// caller holds e.mu.
func (e *Emulator) forgotten(i *invocation) {
	e.calls.forget(i.ID)
	if i.submission != nil {
		delete(e.submitted, *i.submission)
	}
}

func newRow(i *invocation, instanceID string) *row {
	r := &row{UpdatedAt: i.Created, Row: Row{
		InvokeID: i.ID, InstanceID: instanceID, CommandID: i.Command.ID, InvocationStatus: StatusPending,
		Username: i.Username, Launcher: i.Launcher, TerminationMode: i.TerminationMode,
		ContainerID: i.ContainerID, ContainerName: i.ContainerName,
	}}
	if i.OSSDelivery != "" {
		r.OSSOutput = OSSOutput{Delivery: i.OSSDelivery, Status: ossInProgress}
	}
	return r
}

func validClientToken(token string) bool {
	return len(token) <= maxClientToken && !slices.ContainsFunc([]byte(token), func(b byte) bool { return b >= utf8.RuneSelf })
}

// hashParameters identifies what a call asks for, whoever signed it and when.
func hashParameters(parameters url.Values) [sha256.Size]byte {
	asked := url.Values{}
	for name, values := range parameters {
		switch name {
		case "Signature", "SignatureNonce", "SignatureMethod", "SignatureVersion", "SignatureType", "Timestamp",
			"AccessKeyId", "SecurityToken", "Format":
		default:
			asked[name] = values
		}
	}
	return sha256.Sum256([]byte(asked.Encode()))
}

// invokeTimeout reads the Timeout of InvokeCommand, which overrides the command's.
func (c *Call) invokeTimeout(fallback time.Duration) (time.Duration, error) {
	if c.Parameter("Timeout") == "" {
		return fallback, nil
	}
	seconds, err := c.integer("Timeout", 0, minInvokeTimeout, math.MaxInt32, "InvalidParam.Timeout")
	return time.Duration(seconds) * time.Second, err
}
