package emulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// FaultKind is a way to misbehave.
type FaultKind string

// The kinds of fault. All but FaultLatency and FaultLosePage stand in place of the answer.
const (
	// FaultError refuses with Fault.Code, such as Throttling.User, ServiceUnavailable or Forbidden.RAM.
	FaultError FaultKind = "Error"
	// FaultLatency answers Fault.Delay later, whatever the answer is.
	FaultLatency FaultKind = "Latency"
	// FaultHang never answers; the call ends when its sender gives up or the listener stops.
	FaultHang FaultKind = "Hang"
	// FaultCut closes the connection without an answer.
	FaultCut FaultKind = "Cut"
	// FaultEmpty answers 200 with no body.
	FaultEmpty FaultKind = "Empty"
	// FaultHTML answers 502 with a page of HTML, as a proxy on the way does.
	FaultHTML FaultKind = "HTML"
	// FaultTruncated answers 200 with the first half of a well-formed answer.
	FaultTruncated FaultKind = "Truncated"
	// FaultNumericCode refuses as FaultError does, with a number where Code should be text.
	FaultNumericCode FaultKind = "NumericCode"
	// FaultLosePage begins the answer one page later than it should, if it continues a walk by NextToken: a page
	// is lost in its middle, and nothing in the answer tells.
	FaultLosePage FaultKind = "LosePage"
)

var faultKinds = []FaultKind{
	FaultError, FaultLatency, FaultHang, FaultCut, FaultEmpty, FaultHTML, FaultTruncated, FaultNumericCode, FaultLosePage,
}

// Fault is a misbehaviour and the calls that it meets. It meets authenticated calls only.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Count is how many calls it meets; 0 is all, until it is cleared.
	Count int `json:"count,omitempty"`
	// Action, such as DescribeInvocationResults; empty is any.
	Action string `json:"action,omitempty"`
	// InvokeID is the parameter InvokeId of the calls; empty is any or none.
	InvokeID string `json:"invokeID,omitempty"`
	// Match, if set, must also agree. It must not call Inject or ClearFaults.
	Match func(*Call) bool `json:"-"`
	// Code is the error code of FaultError and FaultNumericCode; empty is Throttling.User. HTTP status and message
	// are those of the code.
	Code string `json:"code,omitempty"`
	// RetryAfter becomes the header x-acs-retry-after of a refusal, in milliseconds; 0 sends none.
	RetryAfter time.Duration `json:"-"`
	// Delay is that of FaultLatency.
	Delay time.Duration `json:"-"`
}

// faultSet holds the faults that still meet calls. It is safe for many goroutines.
type faultSet struct {
	mu     sync.Mutex
	next   int
	active []*activeFault
}

type activeFault struct {
	Fault
	id   int
	left int
}

func newFaultSet() *faultSet { return &faultSet{} }

// Inject makes a fault meet calls from now on, and returns a function that clears it. Of several faults that match a
// call, every FaultLatency applies and else the one injected first. It fails if the kind is unknown.
func (e *Emulator) Inject(fault Fault) (clearFault func(), err error) {
	if !slices.Contains(faultKinds, fault.Kind) {
		return nil, fmt.Errorf("fault kind %q is unknown; use one of %v", fault.Kind, faultKinds)
	}
	if fault.Code == "" {
		fault.Code = "Throttling.User"
	}
	f := e.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	id := f.next
	f.active = append(f.active, &activeFault{Fault: fault, id: id, left: fault.Count})
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.active = slices.DeleteFunc(f.active, func(a *activeFault) bool { return a.id == id })
	}, nil
}

// ClearFaults ends all faults. Calls that hang already go on hanging.
func (e *Emulator) ClearFaults() {
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	e.faults.active = nil
}

// meet returns the faults that meet the call, and uses them up by one.
func (f *faultSet) meet(c *Call) (delay time.Duration, met *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.active {
		if met != nil && a.Kind != FaultLatency || !a.matches(c) {
			continue
		}
		if a.Kind == FaultLatency {
			delay += a.Delay
		} else {
			fault := a.Fault
			met = &fault
		}
		a.left--
	}
	f.active = slices.DeleteFunc(f.active, func(a *activeFault) bool { return a.Count > 0 && a.left <= 0 })
	return delay, met
}

func (f *Fault) matches(c *Call) bool {
	return (f.Action == "" || f.Action == c.Action) &&
		(f.InvokeID == "" || f.InvokeID == c.Parameter("InvokeId")) &&
		(f.Kind != FaultLosePage || c.Parameter("NextToken") != "") &&
		(f.Match == nil || f.Match(c))
}

// errNoAnswer makes the gateway close the connection without an answer.
var errNoAnswer = errors.New("a fault leaves the call without an answer")

// misbehave lets the faults meet a call. It returns true if one of them has written the answer.
func (e *Emulator) misbehave(c *Call, w http.ResponseWriter) (written bool, err error) {
	delay, fault := e.faults.meet(c)
	if delay > 0 {
		c.fault = FaultLatency
		if !e.pause(c.ctx, delay) {
			return false, errNoAnswer
		}
	}
	if fault == nil {
		return false, nil
	}
	c.fault = fault.Kind
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
	case FaultLosePage:
		c.losePage = true
		return false, nil
	case FaultEmpty:
		w.WriteHeader(http.StatusOK)
	case FaultHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"))
	case FaultTruncated:
		body := encodeAnswer(c, emptyAnswer{answerHead{c.requestID}})
		write(w, c, http.StatusOK, body[:len(body)/2])
	case FaultNumericCode:
		refusal := fault.refusal()
		c.json = true
		write(w, c, refusal.status, []byte(`{"RequestId":"`+c.requestID+`","HostId":`+strconv.Quote(c.host)+
			`,"Code":`+strconv.Itoa(refusal.status)+`,"Message":`+strconv.Quote(refusal.message)+`,"Recommend":""}`))
	}
	return true, nil
}

func (f *Fault) refusal() *apiError {
	refusal := refuse(f.Code)
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
