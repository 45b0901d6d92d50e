package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// adminFault is a Fault in JSON, its durations in milliseconds.
type adminFault struct {
	Fault
	RetryAfterMillis int64 `json:"retryAfterMillis,omitempty"`
	DelayMillis      int64 `json:"delayMillis,omitempty"`
}

// adminCount is an entry of CallCounts in JSON.
type adminCount struct {
	Action   string `json:"action"`
	InvokeID string `json:"invokeID,omitempty"`
	Count    int    `json:"count"`
}

// AdminHandler makes the emulator misbehave, and tells what it was asked, over HTTP. It has no authentication of
// its own: serve it on loopback.
//
//	POST   /faults             inject a Fault: {"kind":"Error","code":"Throttling.User","count":3,"retryAfterMillis":500}
//	DELETE /faults             clear all faults
//	GET    /calls              count the calls by action and InvokeId
//	DELETE /calls              forget the counts
//	POST   /instances/{id}     change an instance: {"status":"Stopped","agent":"Offline"}, either may be left out
//	POST   /visibility         {"firstMillis":200,"stepMillis":50}, see SetVisibilityLag
//	DELETE /invocations/{id}   forget an invocation
func (e *Emulator) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", accept(func(_ *http.Request, f adminFault) error {
		f.RetryAfter = time.Duration(f.RetryAfterMillis) * time.Millisecond
		f.Delay = time.Duration(f.DelayMillis) * time.Millisecond
		_, err := e.Inject(f.Fault)
		return err
	}))
	mux.HandleFunc("POST /instances/{id}", accept(e.adminInstance))
	mux.HandleFunc("POST /visibility", accept(func(_ *http.Request, lag struct{ FirstMillis, StepMillis int64 }) error {
		e.SetVisibilityLag(time.Duration(lag.FirstMillis)*time.Millisecond, time.Duration(lag.StepMillis)*time.Millisecond)
		return nil
	}))
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		e.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /calls", func(w http.ResponseWriter, _ *http.Request) {
		e.ResetCalls()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /invocations/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := e.ForgetInvocation(r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(e.Calls().list())
	})
	return mux
}

// adminInstanceChange is what POST /instances/{id} changes; an empty field stays as it is.
type adminInstanceChange struct {
	Status InstanceStatus
	Agent  AgentState
}

func (e *Emulator) adminInstance(r *http.Request, change adminInstanceChange) error {
	return e.changeInstance(r.PathValue("id"), func(i *instance) {
		if change.Status != "" {
			i.setStatus(change.Status)
		}
		if change.Agent != "" {
			i.Agent = change.Agent
		}
	})
}

// accept decodes a body of JSON, strictly, and answers 204, or 400 with the error's text.
func accept[T any](do func(*http.Request, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body T
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&body)
		if err == nil {
			err = do(r, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// list is the counts in the order of action and invocation.
func (c CallCounts) list() []adminCount {
	list := make([]adminCount, 0, len(c))
	for key, count := range c {
		list = append(list, adminCount{Action: key.Action, InvokeID: key.InvokeID, Count: count})
	}
	slices.SortFunc(list, func(a, b adminCount) int {
		if order := strings.Compare(a.Action, b.Action); order != 0 {
			return order
		}
		return strings.Compare(a.InvokeID, b.InvokeID)
	})
	return list
}
