package events

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// MaxBodyBytes is what EventBridge allows an event four times over.
	MaxBodyBytes = 256 << 10
	// smallBodyBytes is what the events of commands have ten times over. So much every connection may have in memory, and
	// more only maxLargeBodies: a replica that passes events on has each of them twice.
	smallBodyBytes = 8 << 10
	maxLargeBodies = 32
	// bodyTimeout is for a body to come to its end.
	bodyTimeout = 2 * time.Second
)

// bodies reads what requests carry, in as much memory and time as strangers may have.
type bodies struct{ large chan struct{} }

func newBodies() bodies { return bodies{large: make(chan struct{}, maxLargeBodies)} }

// read reads a body to its end, or says why not. Whoever has no more use for the body calls done.
func (b bodies) read(w http.ResponseWriter, request *http.Request) (body []byte, done func(), reason Reason) {
	if request.ContentLength > MaxBodyBytes {
		return nil, nil, ReasonTooLarge
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	done = func() {}
	reader := http.MaxBytesReader(w, request.Body, MaxBodyBytes)
	body, err := io.ReadAll(io.LimitReader(reader, smallBodyBytes+1))
	if err == nil && len(body) > smallBodyBytes {
		select {
		case b.large <- struct{}{}:
			done = func() { <-b.large }
		default:
			return nil, nil, ReasonBusy
		}
		body, err = io.ReadAll(io.MultiReader(bytes.NewReader(body), reader))
	}
	if err != nil {
		done()
		if errors.As(err, new(*http.MaxBytesError)) {
			return nil, nil, ReasonTooLarge
		}
		return nil, nil, ReasonUnreadable
	}
	return body, done, ""
}
