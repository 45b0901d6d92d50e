package poller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestAsError(t *testing.T) {
	known := failureOf(cloudassistant.ClassDenied)
	if got := asError(fmt.Errorf("wrapped: %w", known)); got != known {
		t.Errorf("asError lost the *Error: %v", got)
	}
	got := asError(context.DeadlineExceeded)
	want := cloudassistant.Error{Class: cloudassistant.ClassUnavailable, Code: "Client.Unknown", Message: "context deadline exceeded"}
	if *got != want {
		t.Errorf("asError = %+v, want %+v", *got, want)
	}
	long := asError(errors.New(strings.Repeat("é", maxTextBytes))).Message
	if len(long) > maxTextBytes || !utf8.ValidString(long) {
		t.Errorf("a long text is %d bytes, valid: %v", len(long), utf8.ValidString(long))
	}
}

func TestPanicErrorKeepsTheRuntimesWordsOnly(t *testing.T) {
	thrown := func(f func()) (got *cloudassistant.Error) {
		defer func() { got = panicError(recover()) }()
		f()
		return nil
	}
	var missing map[string]int
	fault := thrown(func() { missing["x"] = 1 })
	if !strings.Contains(fault.Message, "assignment to entry in nil map") {
		t.Errorf("the runtime's words are lost: %s", fault.Message)
	}
	for _, value := range []any{"AKID-secret", errors.New("AKID-secret")} {
		got := thrown(func() { panic(value) })
		if strings.Contains(got.Message, "secret") || got.Class != cloudassistant.ClassUnavailable || got.Code != cloudassistant.CodeInternal {
			t.Errorf("panic(%T) became %+v", value, *got)
		}
	}
}
