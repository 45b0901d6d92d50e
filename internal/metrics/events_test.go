package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/controller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/relay"
)

// Every series is there from the start, and none comes with what a request says.
func TestEventsAreCounted(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	before := o.scrape(t)
	o.Answered(events.FormEventBridge, events.ReasonToken)
	o.TurnedAway()
	o.Fetched(true)
	o.Fetched(false)
	o.Forwarded(relay.OutcomeNoLeader)
	o.Nudged(Announcement{RegionID: "cn-zebra", InvokeID: "t-zebra", EndedAt: o.clock.Now().Add(-3 * time.Second)}, true)
	o.Nudged(Announcement{RegionID: "cn-zebra", InvokeID: "t-zebra", EndedAt: o.clock.Now()}, false)
	// CloudMonitor may say neither, and a clock may be ahead.
	o.Nudged(Announcement{RegionID: "cn-zebra"}, true)
	o.Nudged(Announcement{RegionID: "cn-zebra", InvokeID: "t-ahead", EndedAt: o.clock.Now().Add(time.Hour)}, true)
	after := o.scrape(t)
	for series, want := range map[string]float64{
		"cloudassistant_events_answered_total{form=eventbridge,reason=token}":     1,
		"cloudassistant_events_answered_total{form=cloudmonitor,reason=token}":    0,
		"cloudassistant_events_connections_turned_away_total{}":                   1,
		"cloudassistant_events_certificate_fetches_total{outcome=completed}":      1,
		"cloudassistant_events_certificate_fetches_total{outcome=failed}":         1,
		"cloudassistant_events_forwarded_total{outcome=no_leader}":                1,
		"cloudassistant_events_nudges_total{watched=true}":                        3,
		"cloudassistant_events_nudges_total{watched=false}":                       1,
		"cloudassistant_events_delay_seconds{} count":                             2,
		"cloudassistant_events_delay_seconds{} sum":                               3,
		"cloudassistant_events_detection_lag_seconds{} count":                     0,
		"cloudassistant_events_answered_total{form=eventbridge,reason=duplicate}": 0,
	} {
		expect(t, after, series, want)
	}
	if fmt.Sprint(naming(before, "")) != fmt.Sprint(naming(after, "")) || len(naming(after, "zebra")) > 0 {
		t.Errorf("events have made series: %v", naming(after, "events"))
	}
}

// Only of runs that an event announced lately, and that a result waited for, is the lag theirs.
func TestTheLagOfAnnouncedRuns(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	told := func(regionID, invokeID string, want float64) {
		t.Helper()
		o.Wrote("ops", controller.Write{Kind: controller.WriteEnd, RegionID: regionID, InvokeID: invokeID, Detected: true, Lag: 2 * time.Second})
		expect(t, o.scrape(t), "cloudassistant_events_detection_lag_seconds{} count", want)
	}
	o.Nudged(Announcement{RegionID: "cn-a", InvokeID: "t-1"}, true)
	o.Nudged(Announcement{RegionID: "cn-a", InvokeID: "t-2"}, false)
	o.clock.Step(250 * time.Millisecond)
	told("cn-a", "t-1", 1)
	o.Nudged(Announcement{RegionID: "cn-a", InvokeID: "t-1"}, true) // elsewhere
	o.clock.Step(500 * time.Millisecond)
	told("cn-a", "t-1", 2)
	told("cn-b", "t-1", 2)
	told("cn-a", "t-2", 2)
	told("cn-a", "t-3", 2)
	// Events of something that had ended before: by when they came, and by what they say.
	o.Nudged(Announcement{RegionID: "cn-a", InvokeID: "t-4"}, true)
	o.clock.Step(6 * time.Second)
	o.Nudged(Announcement{RegionID: "cn-a", InvokeID: "t-5", EndedAt: o.clock.Now().Add(-6 * time.Second)}, true)
	told("cn-a", "t-4", 2)
	told("cn-a", "t-5", 2)
	o.clock.Step(announcedAge)
	told("cn-a", "t-1", 2)
	after := o.scrape(t)
	expect(t, after, "cloudassistant_detection_lag_seconds{} count", 8)
	expect(t, after, "cloudassistant_events_status_lag_seconds{} count", 2)
	expect(t, after, "cloudassistant_events_status_lag_seconds{} sum", .75)
}
