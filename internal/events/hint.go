package events

import (
	"context"
	"regexp"
	"time"
)

// Hint is what an event says: a command has ended. All texts are bounded and of the form that the API's own IDs have.
type Hint struct {
	// ID is the event's own, the same whenever the event is sent again. Of CloudMonitor's it may be empty.
	ID string
	// AccountID is empty if the event does not tell it.
	AccountID string
	RegionID  string
	// InvokeID is empty only of CloudMonitor's: something has ended in the region.
	InvokeID string
	// InstanceID is empty if the event does not tell it.
	InstanceID string
	// FinishedAt is when the command ended, by what the event says; zero if it does not tell.
	FinishedAt time.Time
}

// Sink takes hints. It is called from many goroutines and must be quick. With an error it says that the hint is lost: the
// sender is asked to send it again.
type Sink func(context.Context, Hint) error

const (
	maxIDBytes   = 128
	maxNameBytes = 64
)

// What IDs look like. Resources are held to the same.
var (
	accountPattern  = regexp.MustCompile(`^[0-9]{1,32}$`)
	regionPattern   = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
	invokePattern   = regexp.MustCompile(`^t-[A-Za-z0-9]+$`)
	instancePattern = regexp.MustCompile(`^[a-z]+-[A-Za-z0-9]+$`)
	eventIDPattern  = regexp.MustCompile(`^[\x21-\x7e]+$`)
)

// matching is text if it has the form and a sensible length, else empty.
func matching(pattern *regexp.Regexp, maxBytes int, text string) string {
	if len(text) > maxBytes || !pattern.MatchString(text) {
		return ""
	}
	return text
}

// instant reads a time as the vendor's events write it; zero if it is none.
func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.UTC().Year() < 1970 || at.UTC().Year() > 9999 {
		return time.Time{}
	}
	return at.UTC()
}
