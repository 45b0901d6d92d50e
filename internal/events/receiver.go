package events

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// The paths. The public URL may have another one, if whatever is in front of the receiver rewrites it.
const (
	PathEventBridge  = "/eventbridge"
	PathCloudMonitor = "/cloudmonitor"
)

const (
	// maxConcurrent events are judged at a time.
	maxConcurrent = 64
	// lingering is for the rest of a body that nobody wants, whose sender would not get its answer if the connection was
	// closed before.
	lingering = 250 * time.Millisecond
	// sayInterval is how often the log says that nothing can be verified.
	sayInterval = time.Minute
)

// ReceiverOptions configure a Receiver.
type ReceiverOptions struct {
	// Verifier checks EventBridge's requests; nil means that there is no PathEventBridge.
	Verifier *Verifier
	// MonitorToken is what CloudMonitor's requests carry; empty means that there is no PathCloudMonitor.
	MonitorToken string
	// Sink gets the hints.
	Sink Sink
	// Observer is told of every request; nil tells nobody.
	Observer Observer
	// Clock is what events are remembered by.
	Clock clock.PassiveClock
	// Logger tells why requests are refused, at level 1; at level 0 only that nothing can be verified at all. Nothing that a
	// request says is in it.
	Logger logr.Logger
}

// Receiver takes events over HTTP.
type Receiver struct {
	ReceiverOptions
	mux        *http.ServeMux
	bodies     bodies
	slots      chan struct{}
	duplicates *duplicates

	mu   sync.Mutex
	said time.Time
}

type noObserver struct{}

func (noObserver) Answered(Form, Reason) {}

// NewReceiver fails if the options make no sense, and says how they would.
func NewReceiver(o ReceiverOptions) (*Receiver, error) {
	switch {
	case o.Sink == nil || o.Clock == nil:
		return nil, errors.New("a receiver needs a sink and a clock")
	case !headerValue(o.MonitorToken):
		return nil, errors.New("the token for CloudMonitor holds a space, a line break or another character that cannot be sent in a header: write it without (echo adds a line break, printf does not), and escape + & % and the like in the URL of the webhook only")
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	r := &Receiver{
		ReceiverOptions: o, mux: http.NewServeMux(), bodies: newBodies(), slots: make(chan struct{}, maxConcurrent),
		duplicates: newDuplicates(o.Clock),
	}
	if o.Verifier != nil {
		r.handle(PathEventBridge, FormEventBridge, r.claimEventBridge)
	}
	if o.MonitorToken != "" {
		r.handle(PathCloudMonitor, FormCloudMonitor, r.claimCloudMonitor)
	}
	return r, nil
}

// ServeHTTP answers a request. Only who has sent a good one may keep the connection: strangers could hold all that there are.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Connection", "close")
	r.mux.ServeHTTP(w, request)
	guestOf(request.Context()).answer()
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering))
}

// claim judges a request by its head and gives back what judges and reads its body.
type claim func(*http.Request) (func(ctx context.Context, body []byte) (Hint, error), error)

func (r *Receiver) handle(path string, form Form, claim claim) {
	r.mux.HandleFunc(path, func(w http.ResponseWriter, request *http.Request) {
		reason, err := r.receive(w, request, form, claim)
		r.Observer.Answered(form, reason)
		r.say(form, reason, err)
		if reason == ReasonMethod {
			w.Header().Set("Allow", http.MethodPost)
		}
		if answers[reason].status == http.StatusOK && guestOf(request.Context()).keep() {
			w.Header().Del("Connection")
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(answers[reason].status)
		_, _ = io.WriteString(w, answers[reason].sentence+"\n")
	})
}

func (r *Receiver) claimEventBridge(request *http.Request) (func(context.Context, []byte) (Hint, error), error) {
	claimed, err := r.Verifier.Claim(request.Header)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, body []byte) (Hint, error) {
		if err := r.Verifier.Verify(ctx, claimed, body); err != nil {
			return Hint{}, err
		}
		return ParseCloudEvent(request.Header, body)
	}, nil
}

func (r *Receiver) claimCloudMonitor(request *http.Request) (func(context.Context, []byte) (Hint, error), error) {
	token, isBearer := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		token = request.URL.Query().Get("token")
	}
	if !equal(token, r.MonitorToken) {
		return nil, refused(ReasonToken)
	}
	return func(_ context.Context, body []byte) (Hint, error) { return ParseCloudMonitor(request.Header, body) }, nil
}

// receive does all that a request leads to, but for its answer.
func (r *Receiver) receive(w http.ResponseWriter, request *http.Request, form Form, claim claim) (Reason, error) {
	if request.Method != http.MethodPost {
		return ReasonMethod, nil
	}
	read, err := claim(request)
	if err != nil {
		return reasonOf(err), err
	}
	body, done, reason := r.bodies.read(w, request)
	if reason != "" {
		return reason, nil
	}
	defer done()
	guestOf(request.Context()).judge()
	// Who is slow to send holds no place of those who have sent.
	turn := time.NewTimer(maxWait)
	defer turn.Stop()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-turn.C:
		return ReasonBusy, nil
	case <-request.Context().Done():
		return ReasonUnreadable, nil
	}
	hint, err := read(request.Context(), body)
	if err != nil {
		return reasonOf(err), err
	}
	if !r.duplicates.add(form, hint) {
		return ReasonDuplicate, nil
	}
	if err := r.Sink(request.Context(), hint); err != nil {
		r.duplicates.forget(form, hint)
		return ReasonUndelivered, err
	}
	return ReasonAccepted, nil
}

// say logs what became of a request. Causes tell of what is configured and fetched; nothing in them is the request's.
func (r *Receiver) say(form Form, reason Reason, err error) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		err = refusal.Cause
	}
	r.Logger.V(1).Info("An event was answered", "form", form, "reason", reason, "cause", err)
	if reason != ReasonCertificateUnavailable || !r.mayAgain() {
		return
	}
	r.Logger.Info("Events cannot be verified; polling goes on without them", "cause", err.Error())
}

func (r *Receiver) mayAgain() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Clock.Now()
	if !r.said.IsZero() && now.Sub(r.said) < sayInterval {
		return false
	}
	r.said = now
	return true
}
