package emulator

import (
	"strings"
	"testing"
)

func TestRecordStatus(t *testing.T) {
	tests := []struct{ statuses, record, aggregate string }{
		{"Pending", "Running", "Pending"},
		{"Scheduled", "Running", "Scheduled"},
		{"Running Success", "Running", "Running"},
		{"Running Pending", "Running", "Pending"},
		{"Running Scheduled", "Running", "Scheduled"},
		{"Stopping Running", "Stopping", "Running"},
		{"Stopping Success", "Stopping", "Stopping"},
		{"Success", "Finished", "Success"},
		{"Success Failed", "Finished", "PartialFailed"},
		{"Failed", "Finished", "Failed"},
		{"Timeout", "Failed", "Failed"},
		{"Aborted Invalid Error", "Failed", "Failed"},
		{"Timeout Success", "PartialFailed", "PartialFailed"},
		{"Timeout Cancelled", "Failed", "Failed"},
		{"Cancelled Terminated", "Stopped", "Stopped"},
		{"Cancelled Success", "Finished", "Success"},
		{"Terminated Failed", "Finished", "Failed"},
		{"SomethingNew Success", "Running", "PartialFailed"},
	}
	for _, tt := range tests {
		t.Run(tt.statuses, func(t *testing.T) {
			statuses := strings.Fields(tt.statuses)
			if got := recordStatus(statuses); got != tt.record {
				t.Errorf("InvokeRecordStatus %s, want %s", got, tt.record)
			}
			if got := aggregateStatus(statuses); got != tt.aggregate {
				t.Errorf("aggregate InvocationStatus %s, want %s", got, tt.aggregate)
			}
		})
	}
}
