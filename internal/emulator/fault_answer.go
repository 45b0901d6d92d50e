package emulator

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// errNoAnswer makes the gateway close the connection without an answer.
var errNoAnswer = errors.New("a fault leaves the call without an answer")

// misbehave lets the faults meet a call before its action is done. It returns true if one of them has written the
// answer.
func (e *Emulator) misbehave(c *Call, w http.ResponseWriter) (written bool, err error) {
	delay, fault := e.faults.meet(c)
	if delay > 0 {
		c.fault.Kind = FaultLatency
		if !e.pause(c.ctx, delay) {
			return false, errNoAnswer
		}
	}
	if fault == nil {
		return false, nil
	}
	c.fault = *fault
	switch fault.Kind {
	case FaultError:
		return false, fault.refusal()
	case FaultHang:
		select {
		case <-c.ctx.Done():
		case <-e.ctx.Done():
		}
		return false, errNoAnswer
	case FaultCut:
		return false, errNoAnswer
	case FaultEmpty:
		w.WriteHeader(http.StatusOK)
	case FaultHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"))
	case FaultTruncated:
		body := encodeAnswer(c, emptyAnswer{answerHead{c.requestID}})
		e.send(w, c, http.StatusOK, body[:len(body)/2])
	case FaultNumericCode:
		refusal := fault.refusal()
		c.json = true
		e.send(w, c, refusal.status, []byte(`{"RequestId":"`+c.requestID+`","HostId":`+strconv.Quote(c.host)+
			`,"Code":`+strconv.Itoa(refusal.status)+`,"Message":`+strconv.Quote(refusal.message)+`,"Recommend":""}`))
	case FaultNoRequestID:
		c.requestID = ""
		return false, nil
	default:
		return false, nil
	}
	return true, nil
}

func (f *Fault) refusal() *apiError {
	refusal := refuse(f.Code)
	refusal.status, refusal.message = cmp.Or(f.Status, refusal.status), firstOf(f.Message, refusal.message)
	refusal.retryAfterMillis = f.RetryAfter.Milliseconds()
	return refusal
}

// pause waits on the emulator's clock; false if the caller went away first.
func (e *Emulator) pause(ctx context.Context, d time.Duration) bool {
	timer := e.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
	case <-e.ctx.Done():
	}
	return false
}

// dripPieces is how many pieces of the answer FaultDrip sends.
const dripPieces = 4

// drip writes the first half of an answer whose header promises the whole, and closes the connection.
func (e *Emulator) drip(w http.ResponseWriter, c *Call, body []byte) {
	half := len(body) / 2
	for n := range dripPieces {
		if !e.pause(c.ctx, c.fault.Delay) {
			break
		}
		// An error here is a client that went away.
		_, _ = w.Write(body[half*n/dripPieces : half*(n+1)/dripPieces])
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler)
}
