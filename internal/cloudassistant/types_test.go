package cloudassistant

import "testing"

func TestOutcome(t *testing.T) {
	for status, want := range map[InvocationStatus]struct {
		outcome  Outcome
		terminal bool
	}{
		"Pending": {OutcomePending, false}, "Scheduled": {OutcomePending, false},
		"Running": {OutcomeRunning, false}, "Stopping": {OutcomeRunning, false},
		"Success": {OutcomeSucceeded, true},
		"Failed":  {OutcomeFailed, true}, "Invalid": {OutcomeFailed, true}, "Aborted": {OutcomeFailed, true},
		"Error": {OutcomeFailed, true}, "Timeout": {OutcomeFailed, true},
		"Cancelled": {OutcomeStopped, true}, "Terminated": {OutcomeStopped, true},
		// The vendor adds values; the spelling of 2018 is not one of today's.
		"": {OutcomeOther, false}, "success": {OutcomeOther, false}, "Paused": {OutcomeOther, false},
	} {
		if got := status.Outcome(); got != want.outcome {
			t.Errorf("%q is %s, want %s", status, got, want.outcome)
		}
		if got := status.Terminal(); got != want.terminal {
			t.Errorf("%q is terminal: %t", status, got)
		}
	}
}
