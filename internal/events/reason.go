package events

import (
	"errors"
	"net/http"
)

// Form is the way in which an event came.
type Form string

// The forms.
const (
	FormEventBridge  Form = "eventbridge"
	FormCloudMonitor Form = "cloudmonitor"
)

// Forms are all of them.
var Forms = []Form{FormEventBridge, FormCloudMonitor}

// Reason is why a request was answered as it was. Reasons are constants of this package: nothing of a request is in one.
type Reason string

// What becomes of a request that is who it claims to be.
const (
	// ReasonAccepted gave a hint, ReasonDuplicate would have given one that was given a short while ago.
	ReasonAccepted  Reason = "accepted"
	ReasonDuplicate Reason = "duplicate"
	// ReasonOtherEvent is about something else than the end of a command, ReasonIncomplete does not say of which one.
	ReasonOtherEvent Reason = "other_event"
	ReasonIncomplete Reason = "incomplete"
	ReasonMalformed  Reason = "malformed"
	// ReasonUndelivered was not taken by the sink.
	ReasonUndelivered Reason = "undelivered"
)

// Why a request was not even looked at, or not to its end.
const (
	ReasonMethod     Reason = "method"
	ReasonBusy       Reason = "busy"
	ReasonTooLarge   Reason = "too_large"
	ReasonUnreadable Reason = "unreadable"
)

// Why a request is not who it claims to be.
const (
	ReasonUnsigned Reason = "unsigned"
	// ReasonUnsupported is signed in a form that is not known, or not accepted.
	ReasonUnsupported Reason = "unsupported"
	// ReasonExpired was signed more than a minute ago, or ahead.
	ReasonExpired        Reason = "expired"
	ReasonToken          Reason = "token"
	ReasonCertificateURL Reason = "certificate_url"
	// ReasonCertificate is that what stands at the URL is not a certificate to trust now, ReasonCertificateUnavailable that
	// it could not be had, or was not asked for because too many were.
	ReasonCertificate            Reason = "certificate"
	ReasonCertificateUnavailable Reason = "certificate_unavailable"
	ReasonSignature              Reason = "signature"
)

type answer struct {
	status   int
	sentence string
}

// All refusals are the same sentence: what exactly is wrong helps a forger more than a friend, who has the metrics.
var unauthorized = answer{http.StatusUnauthorized, "The request does not prove that it comes from the sender that this receiver is configured for."}

// What is verified and of no use is answered with 200: to send it again would not make it useful.
var answers = map[Reason]answer{
	ReasonAccepted:    {http.StatusOK, "The event is taken."},
	ReasonDuplicate:   {http.StatusOK, "The event was taken before."},
	ReasonOtherEvent:  {http.StatusOK, "Events of this type are ignored."},
	ReasonIncomplete:  {http.StatusOK, "The event names no invocation and is ignored."},
	ReasonMalformed:   {http.StatusBadRequest, "The body is not a single event in JSON."},
	ReasonUndelivered: {http.StatusServiceUnavailable, "The event could not be passed on; send it again."},

	ReasonMethod:     {http.StatusMethodNotAllowed, "Events are sent with POST."},
	ReasonBusy:       {http.StatusServiceUnavailable, "Too many events are being received; send it again."},
	ReasonTooLarge:   {http.StatusRequestEntityTooLarge, "The body is larger than any event."},
	ReasonUnreadable: {http.StatusBadRequest, "The body could not be read to its end."},

	ReasonUnsigned: unauthorized, ReasonUnsupported: unauthorized, ReasonExpired: unauthorized, ReasonToken: unauthorized,
	ReasonCertificateURL: unauthorized, ReasonCertificate: unauthorized, ReasonSignature: unauthorized,
	ReasonCertificateUnavailable: {http.StatusServiceUnavailable, "The signature cannot be verified now; send it again."},
}

// Reasons are all of them.
var Reasons = []Reason{
	ReasonAccepted, ReasonDuplicate, ReasonOtherEvent, ReasonIncomplete, ReasonMalformed, ReasonUndelivered,
	ReasonMethod, ReasonBusy, ReasonTooLarge, ReasonUnreadable,
	ReasonUnsigned, ReasonUnsupported, ReasonExpired, ReasonToken, ReasonCertificateURL, ReasonCertificate,
	ReasonCertificateUnavailable, ReasonSignature,
}

// Verified says whether a request that was answered for this reason had proved where it comes from.
func (r Reason) Verified() bool {
	switch r {
	case ReasonAccepted, ReasonDuplicate, ReasonOtherEvent, ReasonIncomplete, ReasonMalformed, ReasonUndelivered:
		return true
	}
	return false
}

// Observer is told what the receiver does. It is called from many goroutines and must not block.
type Observer interface {
	// Answered tells of every request to a path that exists.
	Answered(Form, Reason)
}

// Refusal is why a request is not taken.
type Refusal struct {
	Reason Reason
	// Cause is for the operator's log, without anything that the request says; nil if the reason says it all.
	Cause error
}

// Error is the reason.
func (r *Refusal) Error() string { return "the event is refused: " + string(r.Reason) }

// Unwrap is the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

func refused(reason Reason) error { return &Refusal{Reason: reason} }

// reasonOf is why err refuses.
func reasonOf(err error) Reason {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ReasonMalformed
}
