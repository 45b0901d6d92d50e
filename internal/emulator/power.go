package emulator

// The actions on the power of an instance. They take effect at once: the emulator's instances know no Starting and
// Stopping. ForceStop, which says how hard the power is cut, makes no difference to a pretended one.

func (e *Emulator) startInstance(c *Call) (any, error) {
	return e.switchPower(c, InstanceStopped, func(i *instance) { i.setStatus(InstanceRunning) })
}

func (e *Emulator) stopInstance(c *Call) (any, error) {
	return e.switchPower(c, InstanceRunning, func(i *instance) { i.setStatus(InstanceStopped) })
}

func (e *Emulator) rebootInstance(c *Call) (any, error) {
	return e.switchPower(c, InstanceRunning, (*instance).reboot)
}

// switchPower changes the instance that a call names, if its status is the one from which that can be done. The call
// needs no RegionId; one that is sent must be the instance's.
func (e *Emulator) switchPower(c *Call, from InstanceStatus, change func(*instance)) (any, error) {
	id := c.Parameter("InstanceId")
	if id == "" {
		return nil, refuse("MissingParameter.InstanceId")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.instances[id]
	switch {
	case i == nil || i.AccountID != c.AccountID || c.RegionID != "" && i.RegionID != c.RegionID:
		return nil, refuse("InvalidInstanceId.NotFound")
	case i.Status != from:
		return nil, refuse("IncorrectInstanceStatus")
	}
	if err := e.applyChange(i, change); err != nil {
		return nil, err
	}
	return emptyAnswer{answerHead{c.requestID}}, nil
}
