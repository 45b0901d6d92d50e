package emulator

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// FaultKind is a way to misbehave.
type FaultKind string

// The kinds of fault that stand in place of the answer: the action is not done.
const (
	// FaultError refuses with Fault.Code, such as Throttling.User, ServiceUnavailable or Forbidden.RAM.
	FaultError FaultKind = "Error"
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
)

// The kinds of fault that leave the action alone and spoil how its answer, or refusal, comes.
const (
	// FaultLatency answers Fault.Delay later, whatever the answer is.
	FaultLatency FaultKind = "Latency"
	// FaultDrip sends the first half of the answer in pieces, Fault.Delay before each, and closes the connection. The
	// action is done: a client that repeats it does so twice.
	FaultDrip FaultKind = "Drip"
	// FaultContentType calls the answer text/html.
	FaultContentType FaultKind = "ContentType"
	// FaultNoRequestID leaves out the element RequestId and the header x-acs-request-id.
	FaultNoRequestID FaultKind = "NoRequestID"
	// FaultLosePage begins the answer one page later than it should, if it continues a walk by NextToken: a page
	// is lost in its middle, and nothing in the answer tells.
	FaultLosePage FaultKind = "LosePage"
)

// The kinds of fault that change the rows of DescribeInvocationResults, and meet no other action. The vendor
// documents none of these shapes; the bare array of tags is in some of its samples, the others are for clients to bear.
const (
	// FaultBareTags makes Tags of a row an array, without the object around it.
	FaultBareTags FaultKind = "BareTags"
	// FaultDuplicateRows sends every row twice, one behind the other, in a page that is as much larger.
	FaultDuplicateRows FaultKind = "DuplicateRows"
	// FaultReversePage sends the rows of a page in reverse; the pages keep their order.
	FaultReversePage FaultKind = "ReversePage"
	// FaultShuffle lists the rows in an order without meaning. It is the same for every page, so that a walk that the
	// fault meets from its first page to its last is complete.
	FaultShuffle FaultKind = "Shuffle"
	// FaultUnknownElements adds an element that no client knows at every level of the answer.
	FaultUnknownElements FaultKind = "UnknownElements"
	// FaultUnknownStatus shows UnknownStatus as the InvocationStatus of every row.
	FaultUnknownStatus FaultKind = "UnknownStatus"
	// FaultExitCodeNull, FaultExitCodeEmpty and FaultExitCodeText send ExitCode in every row: null, an empty text, and
	// the number (-1 where there is none) as text.
	FaultExitCodeNull  FaultKind = "ExitCodeNull"
	FaultExitCodeEmpty FaultKind = "ExitCodeEmpty"
	FaultExitCodeText  FaultKind = "ExitCodeText"
)

// FaultKinds are all kinds of fault.
func FaultKinds() []FaultKind {
	kinds := []FaultKind{
		FaultError, FaultHang, FaultCut, FaultEmpty, FaultHTML, FaultTruncated, FaultNumericCode,
		FaultLatency, FaultDrip, FaultContentType, FaultNoRequestID, FaultLosePage, FaultShuffle,
	}
	return append(kinds, slices.Sorted(maps.Keys(rowChanges))...)
}

// changesRows says whether the kind meets DescribeInvocationResults only.
func (k FaultKind) changesRows() bool { return rowChanges[k] != nil || k == FaultShuffle }

// Fault is a misbehaviour and the calls that it meets. It meets calls that were authenticated, or need not be.
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
	// Code is the error code of FaultError and FaultNumericCode; empty is Throttling.User.
	Code string `json:"code,omitempty"`
	// Status is the HTTP status of the refusal, 400 to 599, and Message its words; 0 and empty are those of the code.
	// The vendor's products do not agree on the status of some codes.
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	// RetryAfter becomes the headers x-acs-retry-after of a refusal, in milliseconds, and Retry-After, in whole
	// seconds; 0 sends none.
	RetryAfter time.Duration `json:"-"`
	// Delay is that of FaultLatency, and of each piece of FaultDrip.
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
// call, every FaultLatency applies and else the one injected first. It fails if the kind is unknown, or cannot meet the
// action, or the status is that of no refusal.
func (e *Emulator) Inject(fault Fault) (clearFault func(), err error) {
	switch {
	case !slices.Contains(FaultKinds(), fault.Kind):
		return nil, fmt.Errorf("fault kind %q is unknown; use one of %v", fault.Kind, FaultKinds())
	case fault.Kind.changesRows() && fault.Action != "" && fault.Action != resultsAction:
		return nil, fmt.Errorf("fault kind %s changes rows of %s and cannot meet %s; leave the action out", fault.Kind, resultsAction, fault.Action)
	}
	if fault.Status != 0 && (fault.Status < 400 || fault.Status > 599) {
		return nil, fmt.Errorf("HTTP status %d is not that of a refusal; use 400 to 599, or 0 for that of the code", fault.Status)
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
		(!f.Kind.changesRows() || c.Action == resultsAction) &&
		(f.Kind != FaultLosePage || c.Parameter("NextToken") != "") &&
		(f.Match == nil || f.Match(c))
}
