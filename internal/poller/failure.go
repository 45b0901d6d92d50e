package poller

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	// codeUnknown: the failure came without a code.
	codeUnknown = "Client.Unknown"
	// codePaused: the bucket rests after a throttle answer, and the call was not made.
	codePaused = "Client.Paused"

	// maxTextBytes bounds the text of failures that do not come from the client, which bounds its own.
	maxTextBytes = 512
)

// errPaused is what a walk gets instead of a page while the bucket rests.
var errPaused = &cloudassistant.Error{
	Class:   cloudassistant.ClassThrottled,
	Code:    codePaused,
	Message: "calls to this account and region rest after a throttle answer; they resume by themselves",
}

// asError finds the *Error in err, or makes one: what nobody classified is worth another attempt. Whoever
// implements Sessions keeps secrets out of the texts of its errors, so they are kept, up to 512 bytes.
func asError(err error) *cloudassistant.Error {
	var known *cloudassistant.Error
	if errors.As(err, &known) {
		return known
	}
	return &cloudassistant.Error{
		Class: cloudassistant.ClassUnavailable, Code: codeUnknown, Message: bounded(err.Error()),
	}
}

// panicError turns a panic of an attempt into a failure of that attempt. Only the runtime's own texts are kept:
// what else panics may hold anything.
func panicError(recovered any) *cloudassistant.Error {
	detail := fmt.Sprintf("%T", recovered)
	var fault runtime.Error
	if err, ok := recovered.(error); ok && errors.As(err, &fault) {
		detail = bounded(fault.Error())
	}
	return &cloudassistant.Error{
		Class: cloudassistant.ClassUnavailable, Code: cloudassistant.CodeInternal,
		Message: "asking failed by a fault of this program, please report it: " + detail,
	}
}

func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxTextBytes)], "")
}
