package controller

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// observationOf is a snapshot of the engine as the projection takes it.
func observationOf(snapshot poller.Snapshot) projection.Observation {
	observation := projection.Observation{
		Live:           snapshot.Live,
		UnchangedSince: snapshot.UnchangedSince,
		History:        snapshot.History,
		OverdueAt:      snapshot.OverdueAt,
	}
	if snapshot.Failure != nil {
		observation.Failure = snapshot.Failure.Err
	}
	return observation
}

// askedAt is when the latest call was begun whose outcome the snapshot tells of; zero when there was none.
func askedAt(snapshot poller.Snapshot) time.Time {
	at := answeredAt(snapshot)
	if failure := snapshot.Failure; failure != nil && failure.Began.After(at) {
		at = failure.Began
	}
	return at
}

// answeredAt is when the call was begun that gave the answer about the live rows; zero when there is none.
func answeredAt(snapshot poller.Snapshot) time.Time {
	if snapshot.Live == nil {
		return time.Time{}
	}
	return snapshot.Live.StartedAt
}

// differ says that an answer or a failure has come or gone between two snapshots.
func differ(a, b poller.Snapshot) bool {
	return a.Live != b.Live || a.History != b.History || (a.Failure == nil) != (b.Failure == nil)
}

// failedSince says that an attempt begun at that time or later failed, and none gave an answer.
func failedSince(snapshot poller.Snapshot, at time.Time) bool {
	failure, live := snapshot.Failure, snapshot.Live
	return failure != nil && !failure.Began.Before(at) && (live == nil || live.StartedAt.Before(at))
}
