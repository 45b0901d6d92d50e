package emulator

import "time"

// maxStopped is how many instances StopInvocation takes.
const maxStopped = 50

// stopInvocation ends an invocation, or its part on the instances named. What has not started is Cancelled at once.
// What runs is Stopping until its processes are gone, then Terminated; with Settings.StopSparesStarted it goes on. What is scripted is Terminated at once. What has
// ended stays as it is.
func (e *Emulator) stopInvocation(c *Call) (any, error) {
	invokeID := c.Parameter("InvokeId")
	if invokeID == "" {
		return nil, refuse("MissingParameter.InvokeId")
	}
	instanceIDs := c.list("InstanceId")
	if len(instanceIDs) > maxStopped {
		return nil, refuse("InstanceIds.ExceedLimit")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.store.invocations[invokeID]
	if i == nil || i.AccountID != c.AccountID || i.RegionID != c.RegionID {
		return nil, refuse("InvalidInvokeId.NotFound")
	}
	rows := i.Rows
	if len(instanceIDs) > 0 {
		rows = nil
		for _, id := range instanceIDs {
			r := i.row(id)
			if r == nil {
				return nil, refuse("InvalidInstance.NotMatch")
			}
			rows = append(rows, r)
		}
	}
	now := e.now()
	for _, r := range rows {
		from := r.InvocationStatus
		r.stop(now, e.settings.StopSparesStarted)
		e.announceEnd(r, from)
	}
	return emptyAnswer{answerHead{c.requestID}}, nil
}

// stop asks for the end of a row, or of its schedule if what has started is spared. The caller holds Emulator.mu.
func (r *row) stop(now time.Time, sparesStarted bool) {
	switch r.InvocationStatus {
	case StatusPending, StatusScheduled:
		r.StopTime = now
		r.finish(endCancelled, now)
	case StatusRunning:
		if sparesStarted {
			r.StopTime, r.UpdatedAt = now, now
			return
		}
		r.StopTime, r.InvocationStatus, r.UpdatedAt = now, StatusStopping, now
		r.changed()
	default:
		return
	}
	switch {
	case r.cancel != nil:
		r.cancel(errStopped)
	case r.InvocationStatus == StatusStopping:
		// No run stands behind it that could come to its end.
		r.finish(endTerminated, now)
	}
}
