package cloudassistant

import (
	"errors"
	"fmt"
	"time"
)

// Class is what a failure asks the caller to do.
type Class string

// The classes of failure. Whatever does not fit one is Unavailable: asking again later is always safe.
const (
	// ClassThrottled: the account's quota for this API is used up; wait for RetryAfter or the next minute.
	ClassThrottled Class = "Throttled"
	// ClassUnavailable: the service, the network or the answer was broken; ask again with backoff.
	ClassUnavailable Class = "Unavailable"
	// ClassDenied: the credentials are wrong or RAM refuses; somebody must mend it, then it heals.
	ClassDenied Class = "Denied"
	// ClassInvalid: the question itself is refused; asking it again cannot help.
	ClassInvalid Class = "Invalid"
	// ClassTokenExpired: the page token is stale; start the walk again from its first page.
	ClassTokenExpired Class = "TokenExpired"
)

// Error is a failure of the API or on the way to it. It never holds credentials, signatures or URLs.
type Error struct {
	Class Class
	// Code is the API's error code, such as Throttling.User; or one of ours, prefixed "Client.", for failures the
	// API did not report.
	Code string
	// Message is the API's text, or our own sentence.
	Message string
	// RequestID finds the call in the vendor's logs; empty when no answer came.
	RequestID  string
	HTTPStatus int
	// RoleARN is the role that could not be assumed; empty where it was no role that failed.
	RoleARN string
	// RetryAfter is how long the API asked to wait; 0 when it did not say.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s", e.Code, e.Message)
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// ClassOf returns the class of the *Error in err's chain, Unavailable for any other error, and "" for nil.
func ClassOf(err error) Class {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Class
	}
	return ClassUnavailable
}
