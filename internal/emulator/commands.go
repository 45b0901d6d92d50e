package emulator

import (
	"slices"
	"time"
)

type createCommandAnswer struct {
	answerHead
	CommandID string `json:"CommandId" xml:"CommandId"`
}

func (e *Emulator) createCommand(c *Call) (any, error) {
	if c.Parameter("Name") == "" {
		return nil, refuse("MissingParameter.Name")
	}
	cmd, err := newCommand(c, contentBase64)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.keep(cmd); err != nil {
		return nil, err
	}
	return createCommandAnswer{answerHead{c.requestID}, cmd.ID}, nil
}

// keep lets InvokeCommand find a command, unless there are too many. The caller holds e.mu.
func (e *Emulator) keep(cmd *command) error {
	if limit := e.settings.MaxCommands; limit > 0 {
		kept := 0
		for _, other := range e.commands {
			if other.AccountID == cmd.AccountID && other.RegionID == cmd.RegionID {
				kept++
			}
		}
		if kept >= limit {
			return refuse("CmdCount.ExceedQuota")
		}
	}
	cmd.Created, cmd.Sequence = e.now(), e.store.next()
	e.commands[cmd.ID] = cmd
	return nil
}

// namedCommand is the caller's command that the parameter CommandId names. The vendor lets a name stand for an ID with
// its public commands only, of which the emulator has none: a policy sees the ID. The caller holds e.mu.
func (e *Emulator) namedCommand(c *Call) (*command, error) {
	id := c.Parameter("CommandId")
	if id == "" {
		return nil, refuse("MissingParameter.CommandId")
	}
	cmd := e.commands[id]
	if cmd == nil || cmd.AccountID != c.AccountID || cmd.RegionID != c.RegionID {
		return nil, refuse("InvalidCmdId.NotFound")
	}
	return cmd, nil
}

func (e *Emulator) invokeCommand(c *Call) (any, error) {
	e.mu.LockToRead()
	cmd, err := e.namedCommand(c)
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	i, err := newInvocation(c, cmd)
	if err != nil {
		return nil, err
	}
	if i.Timeout, err = c.invokeTimeout(cmd.Timeout); err != nil {
		return nil, err
	}
	return e.submit(c, i, false, submitAnswer{answerHead: answerHead{c.requestID}, InvokeID: i.ID})
}

// modifyCommand puts a changed command in the place of one. A parameter that is not sent changes nothing. Invocations
// keep the command that they were submitted with, schedules too.
func (e *Emulator) modifyCommand(c *Call) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cmd, err := e.namedCommand(c)
	if err != nil {
		return nil, err
	}
	changed := *cmd
	for name, field := range map[string]*string{
		"Name": &changed.Name, "Description": &changed.Description, "WorkingDir": &changed.WorkingDir, "Launcher": &changed.Launcher,
	} {
		if c.parameters.Has(name) {
			*field = c.Parameter(name)
		}
	}
	if c.parameters.Has("CommandContent") {
		if changed.Content, err = content(c, contentBase64); err != nil {
			return nil, err
		}
	}
	if c.parameters.Has("Timeout") {
		if changed.Timeout, err = c.timeout(); err != nil {
			return nil, err
		}
	}
	if changed.Name == "" {
		return nil, refuse("MissingParameter.Name")
	}
	if err := changed.check(); err != nil {
		return nil, err
	}
	e.commands[cmd.ID] = &changed
	return emptyAnswer{answerHead{c.requestID}}, nil
}

// deleteCommand removes a command that no unfinished invocation runs.
func (e *Emulator) deleteCommand(c *Call) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cmd, err := e.namedCommand(c)
	if err != nil {
		return nil, err
	}
	for _, i := range e.store.scope(scopeKey{c.AccountID, c.RegionID}).findInvocations(keysOf(cmd.ID, "", "", nil)) {
		unfinished := func(r *row) bool { return !Terminal(r.InvocationStatus) }
		if slices.ContainsFunc(i.Rows, unfinished) {
			return nil, refuse("InvalidStatus.CmdIdInUse")
		}
	}
	delete(e.commands, cmd.ID)
	return emptyAnswer{answerHead{c.requestID}}, nil
}

type commandsAnswer struct {
	answerHead
	pageAnswer
	Commands struct {
		Command []commandAnswer `json:"Command" xml:"Command"`
	} `json:"Commands" xml:"Commands"`
}

type commandAnswer struct {
	CommandID       string `json:"CommandId" xml:"CommandId"`
	Name            string `json:"Name" xml:"Name"`
	Type            string `json:"Type" xml:"Type"`
	Description     string `json:"Description" xml:"Description"`
	CommandContent  string `json:"CommandContent" xml:"CommandContent"`
	WorkingDir      string `json:"WorkingDir" xml:"WorkingDir"`
	Timeout         int    `json:"Timeout" xml:"Timeout"`
	InvokeTimes     int    `json:"InvokeTimes" xml:"InvokeTimes"`
	CreationTime    string `json:"CreationTime" xml:"CreationTime"`
	EnableParameter bool   `json:"EnableParameter" xml:"EnableParameter"`
	ParameterNames  struct {
		ParameterName []string `json:"ParameterName" xml:"ParameterName"`
	} `json:"ParameterNames" xml:"ParameterNames"`
	Launcher        string     `json:"Launcher" xml:"Launcher"`
	Provider        string     `json:"Provider" xml:"Provider"`
	Version         int        `json:"Version" xml:"Version"`
	Latest          bool       `json:"Latest" xml:"Latest"`
	Category        string     `json:"Category" xml:"Category"`
	ResourceGroupID string     `json:"ResourceGroupId" xml:"ResourceGroupId"`
	Tags            tagsAnswer `json:"Tags" xml:"Tags"`
}

// userProvider is the Provider of commands that somebody created himself. The word is the emulator's choice.
const userProvider = "User"

// describeCommands lists the commands that the account keeps in the region, newest first. In Name and Description, * is
// any text. The emulator has none of the vendor's public commands: another Provider finds nothing, and every command is
// the latest version of itself.
func (e *Emulator) describeCommands(c *Call) (any, error) {
	id, name, description := c.Parameter("CommandId"), c.Parameter("Name"), c.Parameter("Description")
	kind, provider, group := c.Parameter("Type"), c.Parameter("Provider"), c.Parameter("ResourceGroupId")
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	match := func(cmd *command) bool {
		return cmd.AccountID == c.AccountID && cmd.RegionID == c.RegionID &&
			(id == "" || cmd.ID == id) && (name == "" || matchesPattern(name, cmd.Name)) &&
			(description == "" || matchesPattern(description, cmd.Description)) && (kind == "" || cmd.Type == kind) &&
			(provider == "" || provider == userProvider) && (group == "" || cmd.ResourceGroupID == group) &&
			containsTags(cmd.Tags, tags)
	}
	encode := c.outputEncoder()
	page, about, err := describe(e, c, assistantPages, []any{id, name, description, kind, provider, group, tags}, func() (listing[*command], error) {
		var kept []*command
		for _, cmd := range e.commands {
			kept = append(kept, cmd)
		}
		return listing[*command]{
			elements: sortedBySequence(kept, func(cmd *command) uint64 { return cmd.Sequence }), reversed: true, match: match,
			position: func(cmd *command) string { return newestFirst(cmd.Sequence) },
		}, nil
	}, func(cmd *command) commandAnswer { return cmd.answer(encode) })
	if err != nil {
		return nil, err
	}
	answer := &commandsAnswer{answerHead: answerHead{c.requestID}, pageAnswer: about}
	answer.Commands.Command = page
	return answer, nil
}

func (cmd *command) answer(encode func([]byte) string) commandAnswer {
	a := commandAnswer{
		CommandID: cmd.ID, Name: cmd.Name, Type: cmd.Type, Description: cmd.Description, CommandContent: encode(cmd.Content),
		WorkingDir: cmd.WorkingDir, Timeout: int(cmd.Timeout / time.Second), InvokeTimes: cmd.InvokeTimes,
		CreationTime: stamp(cmd.Created), EnableParameter: cmd.EnableParameter, Launcher: cmd.Launcher, Provider: userProvider,
		Version: 1, Latest: true, ResourceGroupID: cmd.ResourceGroupID, Tags: newTagsAnswer(cmd.Tags),
	}
	a.ParameterNames.ParameterName = cmd.parameterNames()
	return a
}
