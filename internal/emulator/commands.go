package emulator

import (
	"unicode/utf8"
)

type createCommandAnswer struct {
	answerHead
	CommandID string `json:"CommandId" xml:"CommandId"`
}

func (e *Emulator) createCommand(c *Call) (any, error) {
	name := c.Parameter("Name")
	if name == "" {
		return nil, refuse("MissingParameter.Name")
	}
	if utf8.RuneCountInString(name) > maxCommandName {
		return nil, refuse("InvalidParameter.Name")
	}
	cmd, err := newCommand(c, contentBase64)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.commands[cmd.ID] = cmd
	return createCommandAnswer{answerHead{c.requestID}, cmd.ID}, nil
}

func (e *Emulator) invokeCommand(c *Call) (any, error) {
	commandID := c.Parameter("CommandId")
	if commandID == "" {
		return nil, refuse("MissingParameter.CommandId")
	}
	e.mu.Lock()
	cmd := e.commands[commandID]
	e.mu.Unlock()
	if cmd == nil || cmd.AccountID != c.AccountID || cmd.RegionID != c.RegionID {
		return nil, refuse("InvalidCmdId.NotFound")
	}
	i, err := newInvocation(c, cmd)
	if err != nil {
		return nil, err
	}
	if i.Timeout, err = c.invokeTimeout(cmd.Timeout); err != nil {
		return nil, err
	}
	return e.submit(c, i, true, submitAnswer{answerHead: answerHead{c.requestID}, InvokeID: i.ID})
}
