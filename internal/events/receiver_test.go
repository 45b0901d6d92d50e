package events_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

const monitorToken = "the-token-of-the-webhook"

// house is a receiver with all that is around it.
type house struct {
	*events.Receiver
	tb      testing.TB
	clock   *clocktesting.FakePassiveClock
	network *internet

	mu     sync.Mutex
	hints  []events.Hint
	told   []string
	log    []string
	refuse error
	// turnedAway counts connections.
	turnedAway atomic.Int64
	// hold, if any, is closed before anything is taken.
	hold chan struct{}
}

func newHouse(tb testing.TB, changes ...func(*events.ReceiverOptions)) *house {
	tb.Helper()
	h := &house{tb: tb, clock: clocktesting.NewFakePassiveClock(start)}
	h.network = &internet{answer: serving(http.StatusOK, vendor().Certificate())}
	verifier, err := events.NewVerifier(events.VerifierOptions{
		PublicURL: publicURL, Token: token, Clock: h.clock, Certificates: newStore(tb, h.clock, h.network),
	})
	if err != nil {
		tb.Fatal(err)
	}
	o := events.ReceiverOptions{
		Verifier: verifier, MonitorToken: monitorToken, Sink: h.sink, Observer: h, Clock: h.clock,
		Logger: funcr.New(func(_, line string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.log = append(h.log, line)
		}, funcr.Options{}),
	}
	for _, change := range changes {
		change(&o)
	}
	if h.Receiver, err = events.NewReceiver(o); err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *house) sink(_ context.Context, hint events.Hint) error {
	h.mu.Lock()
	hold := h.hold
	h.mu.Unlock()
	if hold != nil {
		<-hold
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return h.refuse
	}
	h.hints = append(h.hints, hint)
	return nil
}

func (h *house) Answered(form events.Form, reason events.Reason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, fmt.Sprint(form, " ", reason))
}

// take is all that was told and handed out since it was called last.
func (h *house) take() (told []string, hints []events.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	told, hints = h.told, h.hints
	h.told, h.hints = nil, nil
	return told, hints
}

func (h *house) post(path string, header http.Header, body io.Reader) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(h.tb.Context(), http.MethodPost, path, body)
	for name, values := range header {
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder
}

// announced is a signed event of the vendor's, signed now.
func (h *house) announced(body string) (http.Header, io.Reader) {
	h.tb.Helper()
	p := signedBy(h.tb, vendor(), signRSA, eventbridge.Variant{}, func(r *eventbridge.Request) { r.Body, r.At = []byte(body), h.clock.Now() })
	return p.header, strings.NewReader(body)
}

func TestAnEventBecomesAHint(t *testing.T) {
	h := newHouse(t)
	header, body := h.announced(completed)
	answer := h.post("/eventbridge", header, body)
	told, hints := h.take()
	if answer.Code != http.StatusOK || !slices.Equal(told, []string{"eventbridge accepted"}) {
		t.Errorf("answer %d, told %q", answer.Code, told)
	}
	if diff := cmp.Diff([]events.Hint{completedHint}, hints); diff != "" {
		t.Errorf("hints (-want +got)\n%s", diff)
	}
	header, body = http.Header{"Authorization": {"Bearer " + monitorToken}, "Content-Type": {"application/json"}}, strings.NewReader(monitored)
	answer = h.post("/cloudmonitor", header, body)
	if told, hints = h.take(); answer.Code != http.StatusOK || !slices.Equal(told, []string{"cloudmonitor duplicate"}) || len(hints) != 0 {
		t.Errorf("the same completion by CloudMonitor: answer %d, told %q, hints %v", answer.Code, told, hints)
	}
}

// Strangers who keep their connections could hold all that the receiver has.
func TestOnlyWhoSendsAGoodEventMayKeepTheConnection(t *testing.T) {
	h := newHouse(t)
	good, goodBody := h.announced(completed)
	for name, test := range map[string]struct {
		path   string
		header http.Header
		body   io.Reader
		want   string
	}{
		"a good event": {"/eventbridge", good, goodBody, ""},
		"unsigned":     {"/eventbridge", nil, strings.NewReader(completed), "close"},
		"nowhere":      {"/", nil, strings.NewReader(completed), "close"},
	} {
		if got := h.post(test.path, test.header, test.body).Header().Get("Connection"); got != test.want {
			t.Errorf("%s: Connection is %q, want %q", name, got, test.want)
		}
	}
}

// request makes the head and the body of a request.
type request func(*house) (http.Header, io.Reader)

// unreadable is a body that nobody may read, or that ends in the middle.
type unreadable struct{ err error }

func (u unreadable) Read([]byte) (int, error) { return 0, u.err }

func TestAnswers(t *testing.T) {
	forged := func(change func(http.Header)) request {
		return func(h *house) (http.Header, io.Reader) {
			header, _ := h.announced(completed)
			change(header)
			return header, unreadable{errors.New("a body was read that the head forbids")}
		}
	}
	signs := func(body string) request {
		return func(h *house) (http.Header, io.Reader) { return h.announced(body) }
	}
	with := func(header http.Header, body string) request {
		return func(*house) (http.Header, io.Reader) { return header, strings.NewReader(body) }
	}
	bearer := http.Header{"Authorization": {"Bearer " + monitorToken}}
	large := swap(completed, `"errorDesc":""`, `"errorDesc":"`+strings.Repeat("x", events.MaxBodyBytes)+`"`)
	tests := []struct {
		name, method, path string
		request            request
		status             int
		want               events.Reason
		hint               bool
	}{
		{name: "good", request: signs(completed), status: 200, want: events.ReasonAccepted, hint: true},
		{name: "a heartbeat", request: signs(swap(completed, "TaskCompleted", "FirstHeartbeat")), status: 200, want: events.ReasonOtherEvent},
		{name: "of no invocation", request: signs(swap(completed, "invokeId", "x")), status: 200, want: events.ReasonIncomplete},
		{name: "no JSON", request: signs("completed"), status: 400, want: events.ReasonMalformed},
		{name: "a batch", request: signs("[" + completed + "]"), status: 400, want: events.ReasonMalformed},
		{name: "too large", request: signs(large), status: 413, want: events.ReasonTooLarge},
		{name: "too large, without saying so", request: func(h *house) (http.Header, io.Reader) {
			header, body := h.announced(large)
			return header, io.MultiReader(body)
		}, status: 413, want: events.ReasonTooLarge},
		{name: "as large as may be", request: signs(large[:events.MaxBodyBytes]), status: 400, want: events.ReasonMalformed},
		{name: "GET", method: http.MethodGet, request: signs(completed), status: 405, want: events.ReasonMethod},
		{name: "PUT", method: http.MethodPut, request: signs(completed), status: 405, want: events.ReasonMethod},
		{name: "cut off", request: func(h *house) (http.Header, io.Reader) {
			header, body := h.announced(completed)
			return header, io.MultiReader(io.LimitReader(body, 10), unreadable{io.ErrUnexpectedEOF})
		}, status: 400, want: events.ReasonUnreadable},
		{name: "unsigned", request: forged(func(h http.Header) { clear(h) }), status: 401, want: events.ReasonUnsigned},
		{name: "the wrong token", request: forged(func(h http.Header) { h.Set("x-eventbridge-signature-token", "x") }), status: 401, want: events.ReasonToken},
		{name: "too old", request: forged(func(h http.Header) { h.Set("x-eventbridge-signature-timestamp", "1") }), status: 401, want: events.ReasonExpired},
		{name: "an evil certificate", request: forged(func(h http.Header) { h.Set("x-eventbridge-signature-url", "https://evil.com/x") }), status: 401, want: events.ReasonCertificateURL},
		{name: "the older form", request: func(*house) (http.Header, io.Reader) {
			return signed(t, signHMAC, eventbridge.Variant{}).header, strings.NewReader(completed)
		}, status: 401, want: events.ReasonUnsupported},
		{name: "changed", request: func(h *house) (http.Header, io.Reader) {
			header, _ := h.announced(completed)
			return header, strings.NewReader(swap(completed, "t-hz0jdfwd9f", "t-hz0jdfwd9e"))
		}, status: 401, want: events.ReasonSignature},
		{name: "no certificate", request: func(h *house) (http.Header, io.Reader) {
			h.network.change(nil, errors.New("no route to host"))
			return h.announced(completed)
		}, status: 503, want: events.ReasonCertificateUnavailable},
		{name: "not passed on", request: func(h *house) (http.Header, io.Reader) {
			h.refuse = errors.New("nobody leads")
			return h.announced(completed)
		}, status: 503, want: events.ReasonUndelivered},

		{name: "the webhook", path: "/cloudmonitor", request: with(bearer, monitored), status: 200, want: events.ReasonAccepted, hint: true},
		{name: "the webhook with the token in its URL", path: "/cloudmonitor?token=" + monitorToken, request: with(nil, monitored), status: 200, want: events.ReasonAccepted, hint: true},
		{name: "the webhook with a wrong bearer", path: "/cloudmonitor?token=" + monitorToken, request: with(http.Header{"Authorization": {"Bearer x"}}, monitored), status: 401, want: events.ReasonToken},
		{name: "the webhook with a wrong token", path: "/cloudmonitor?token=x", request: with(nil, monitored), status: 401, want: events.ReasonToken},
		{name: "the webhook without a token", path: "/cloudmonitor", request: with(nil, monitored), status: 401, want: events.ReasonToken},
		{name: "the webhook with the other token", path: "/cloudmonitor?token=" + token, request: with(nil, monitored), status: 401, want: events.ReasonToken},
		{name: "the webhook with no JSON", path: "/cloudmonitor", request: with(bearer, "x"), status: 400, want: events.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			header, body := tt.request(h)
			path := tt.path
			if path == "" {
				path = events.PathEventBridge
			}
			method := tt.method
			if method == "" {
				method = http.MethodPost
			}
			request := httptest.NewRequestWithContext(t.Context(), method, path, body)
			for name, values := range header {
				request.Header[name] = values
			}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, request)
			told, hints := h.take()
			if answer.Code != tt.status || len(told) != 1 || !strings.HasSuffix(told[0], " "+string(tt.want)) {
				t.Errorf("answer %d, told %q; want %d, %s", answer.Code, told, tt.status, tt.want)
			}
			if (len(hints) == 1) != tt.hint {
				t.Errorf("hints %v", hints)
			}
			if _, sentence := events.AnswersOf(tt.want); answer.Body.String() != sentence+"\n" {
				t.Errorf("answer %q", answer.Body)
			}
			if (answer.Header().Get("Allow") == http.MethodPost) != (tt.status == http.StatusMethodNotAllowed) {
				t.Errorf("Allow: %q", answer.Header().Get("Allow"))
			}
		})
	}
}

func TestEveryReasonHasAnAnswer(t *testing.T) {
	seen := map[events.Reason]bool{}
	for _, reason := range events.Reasons {
		status, sentence := events.AnswersOf(reason)
		if status == 0 || !strings.HasSuffix(sentence, ".") || seen[reason] {
			t.Errorf("%q: %d %q", reason, status, sentence)
		}
		seen[reason] = true
		if useless := reason.Verified() && status == http.StatusUnauthorized; useless {
			t.Errorf("%q is verified and unauthorized", reason)
		}
		// Senders repeat what is not answered with 2xx: that is of use only where a second time may go better.
		if again := status >= 500; again != slices.Contains([]events.Reason{
			events.ReasonBusy, events.ReasonUndelivered, events.ReasonCertificateUnavailable,
		}, reason) {
			t.Errorf("%q: to be repeated: %v", reason, again)
		}
	}
}

func TestPathsThatAreNotConfiguredDoNotExist(t *testing.T) {
	bare := newHouse(t, func(o *events.ReceiverOptions) { o.Verifier, o.MonitorToken = nil, "" })
	full := newHouse(t)
	header, _ := full.announced(completed)
	header.Set("Authorization", "Bearer ")
	for _, path := range []string{"/eventbridge", "/cloudmonitor", "/cloudmonitor?token="} {
		if answer := bare.post(path, header, strings.NewReader(completed)); answer.Code != http.StatusNotFound {
			t.Errorf("%s: answer %d", path, answer.Code)
		}
	}
	for _, path := range []string{"/", "/eventbridge/", "/cloudmonitor/x", "/metrics"} {
		if answer := full.post(path, header, strings.NewReader(completed)); answer.Code != http.StatusNotFound {
			t.Errorf("%s: answer %d", path, answer.Code)
		}
	}
	if told, hints := bare.take(); len(told)+len(hints) != 0 {
		t.Errorf("told %q, hints %v", told, hints)
	}
}

func TestADuplicateGivesNoSecondHint(t *testing.T) {
	h := newHouse(t)
	event := func(id, finished string) string { return swap(completed, completedHint.ID, id, "07:39:48Z", finished) }
	steps := []struct {
		name  string
		after time.Duration
		body  string
		want  events.Reason
	}{
		{"the first", 0, event("1", "07:39:48Z"), events.ReasonAccepted},
		{"a replay", 0, event("1", "07:39:48Z"), events.ReasonDuplicate},
		{"a retry", 20 * time.Second, event("1", "07:39:48Z"), events.ReasonDuplicate},
		{"the same of another rule", 21 * time.Second, event("2", "07:39:48Z"), events.ReasonDuplicate},
		{"the next run of a scheduled command", 22 * time.Second, event("3", "07:40:48Z"), events.ReasonAccepted},
		{"without an end it is known by its ID", 23 * time.Second, event("4", ""), events.ReasonAccepted},
		{"and so is this", 24 * time.Second, event("5", ""), events.ReasonAccepted},
		{"and this", 25 * time.Second, event("5", ""), events.ReasonDuplicate},
		{"nearly five minutes later", 5*time.Minute - time.Second, event("1", "07:39:48Z"), events.ReasonDuplicate},
		{"five minutes later", 5 * time.Minute, event("1", "07:39:48Z"), events.ReasonAccepted},
	}
	for _, step := range steps {
		h.clock.SetTime(start.Add(step.after))
		header, body := h.announced(step.body)
		answer := h.post("/eventbridge", header, body)
		told, hints := h.take()
		if answer.Code != http.StatusOK || !slices.Equal(told, []string{"eventbridge " + string(step.want)}) || (len(hints) == 1) != (step.want == events.ReasonAccepted) {
			t.Errorf("%s: answer %d, told %q, hints %v", step.name, answer.Code, told, hints)
		}
	}
}

// Two events that name no invocation are two, though they tell the same otherwise.
func TestEventsThatNameNoRunAreNoDuplicates(t *testing.T) {
	h := newHouse(t)
	header := http.Header{"Authorization": {"Bearer " + monitorToken}, "Content-Type": {"application/json"}}
	for _, id := range []string{"45ef4d00-7c35-447a-bd93-000000000001", "45ef4d00-7c35-447a-bd93-000000000002"} {
		body := swap(monitored, `"invokeId"`, `"anotherId"`, "45ef4d00-7c35-447a-bd93-000000000000", id)
		h.post("/cloudmonitor", header, strings.NewReader(body))
		if told, hints := h.take(); !slices.Equal(told, []string{"cloudmonitor accepted"}) || len(hints) != 1 || hints[0].InvokeID != "" {
			t.Errorf("told %q, hints %+v", told, hints)
		}
	}
}

func TestWhatWasNotPassedOnIsTakenWhenItComesAgain(t *testing.T) {
	h := newHouse(t)
	h.refuse = errors.New("nobody leads")
	header, body := h.announced(completed)
	if answer := h.post("/eventbridge", header, body); answer.Code != http.StatusServiceUnavailable {
		t.Fatalf("answer %d", answer.Code)
	}
	h.refuse = nil
	header, body = h.announced(completed)
	answer := h.post("/eventbridge", header, body)
	if _, hints := h.take(); answer.Code != http.StatusOK || len(hints) != 1 {
		t.Errorf("answer %d, hints %v", answer.Code, hints)
	}
}

// What is not in the signature of an event in binary mode cannot make two hints of one completion.
func TestAReplayInBinaryModeGivesNoSecondHint(t *testing.T) {
	h := newHouse(t)
	for n, want := range []string{"eventbridge accepted", "eventbridge duplicate"} {
		header, body := h.announced(completedData)
		header.Set("Ce-Specversion", "1.0")
		header.Set("Ce-Id", fmt.Sprint("changed-", n))
		header.Set("Ce-Source", "acs.ecs")
		header.Set("Ce-Type", "ecs:CloudAssistant:TaskCompleted")
		header.Set("Ce-Aliyunregionid", "cn-hangzhou")
		h.post("/eventbridge", header, body)
		if told, _ := h.take(); !slices.Equal(told, []string{want}) {
			t.Errorf("told %q, want %q", told, want)
		}
	}
}

// Nothing of a request is logged but at the level of debugging, and there nothing that is secret. That nothing can be
// verified is logged once a minute.
func TestTheLogTellsNothingOfRequests(t *testing.T) {
	for _, verbosity := range []int{0, 1} {
		var h *house
		h = newHouse(t, func(o *events.ReceiverOptions) {
			o.Logger = funcr.New(func(_, line string) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.log = append(h.log, line)
			}, funcr.Options{Verbosity: verbosity})
		})
		h.network.change(nil, errors.New("no route to host"))
		header, _ := h.announced(completed)
		for n := range 10 {
			h.clock.SetTime(start.Add(time.Duration(n) * 10 * time.Second))
			header, body := h.announced(completed)
			h.post("/eventbridge", header, body)
		}
		h.network.change(serving(http.StatusOK, vendor().Certificate()), nil)
		h.clock.SetTime(start.Add(2 * time.Minute))
		for _, text := range []string{completed, "bad", swap(completed, "invokeId", "x")} {
			header, body := h.announced(text)
			h.post("/eventbridge", header, body)
			header.Set("x-eventbridge-signature-token", "wrong")
			h.post("/eventbridge", header, body)
		}
		h.post("/cloudmonitor?token=guessed", nil, strings.NewReader(monitored))
		log := strings.Join(h.log, "\n")
		for _, told := range []string{
			token, monitorToken, "guessed", "wrong", "x509_public_certificate", "t-hz0jdfwd9f", "1234567890123456", "cn-hangzhou",
			completedHint.ID, header.Get("x-eventbridge-signature-v2"),
		} {
			if strings.Contains(log, told) {
				t.Errorf("at verbosity %d the log tells %q", verbosity, told)
			}
		}
		if said := strings.Count(log, "cannot be verified"); said != 2 {
			t.Errorf("the outage of 100 s is logged %d times, want 2:\n%s", said, log)
		}
		if lines := len(h.log); verbosity == 0 && lines != 2 {
			t.Errorf("%d lines:\n%s", lines, log)
		}
	}
}

// another is one of many events that are alike.
func another(event string, n int) string {
	return swap(event, completedHint.ID, fmt.Sprint("another-", n), "07:39:48Z", start.Add(time.Duration(n)*time.Second).Format("15:04:05Z"))
}

// Bodies that do not come to their end hold nobody up: not many small ones, and of the large ones only others that are large.
func TestSlowBodies(t *testing.T) {
	const largeOnes = 32
	large := swap(completed, `"errorDesc":""`, `"errorDesc":"`+strings.Repeat("x", 8<<10)+`"`)
	both := map[string]int{completed: http.StatusOK, large: http.StatusOK}
	for name, test := range map[string]struct {
		begins  string
		bodies  int
		isLarge bool
		want    map[string]int
	}{
		"which have not begun": {"", 300, false, both},
		"which are small":      {completed[:len(completed)-1], 300, false, both},
		"which are large":      {large[:len(large)-1], largeOnes, true, map[string]int{completed: http.StatusOK, large: http.StatusServiceUnavailable}},
		"too few large ones":   {large[:len(large)-1], largeOnes - 1, true, both},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, release := newHouse(t), make(chan struct{})
				for range test.bodies {
					header, _ := h.announced(completed)
					go h.post("/eventbridge", header, io.MultiReader(strings.NewReader(test.begins), readerFunc(func([]byte) (int, error) {
						<-release
						return 0, io.ErrUnexpectedEOF
					})))
				}
				synctest.Wait()
				for text, want := range test.want {
					header, body := h.announced(another(text, len(text)))
					if answer := h.post("/eventbridge", header, body); answer.Code != want {
						t.Errorf("an event of %d bytes is answered with %d, want %d", len(text), answer.Code, want)
					}
				}
				close(release)
				synctest.Wait()
				header, body := h.announced(another(large, 0))
				if answer := h.post("/eventbridge", header, body); answer.Code != http.StatusOK {
					t.Errorf("a large event is answered with %d after the rush", answer.Code)
				}
			})
		})
	}
}

// While as many events are judged as may be, others wait, and are asked to come again after a while; strangers hold no place.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHouse(t, func(o *events.ReceiverOptions) {
			o.Sink = func(context.Context, events.Hint) error {
				<-release
				return nil
			}
		})
		for n := range 64 {
			header, body := h.announced(another(completed, n))
			go h.post("/eventbridge", header, body)
		}
		synctest.Wait()
		header, body := h.announced(another(completed, 64))
		if answer := h.post("/eventbridge", header, body); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("answer %d, want 503", answer.Code)
		}
		header, body = h.announced(another(completed, 67))
		gone, hangUp := context.WithCancel(t.Context())
		request := httptest.NewRequestWithContext(gone, http.MethodPost, "/eventbridge", body)
		request.Header = header
		left := make(chan struct{})
		go func() {
			defer close(left)
			h.ServeHTTP(httptest.NewRecorder(), request)
		}()
		synctest.Wait()
		waited := time.Now()
		hangUp()
		<-left
		if took := time.Since(waited); took > 0 {
			t.Errorf("who has left waits for its turn for %v", took)
		}
		header, body = h.announced(another(completed, 66))
		go func() {
			if answer := h.post("/eventbridge", header, body); answer.Code != http.StatusOK {
				t.Errorf("answer %d of who came shortly before the end of the rush", answer.Code)
			}
		}()
		synctest.Wait()
		if answer := h.post("/eventbridge", nil, strings.NewReader(completed)); answer.Code != http.StatusUnauthorized {
			t.Errorf("a stranger's answer %d, want 401", answer.Code)
		}
		close(release)
		synctest.Wait()
		header, body = h.announced(another(completed, 65))
		if answer := h.post("/eventbridge", header, body); answer.Code != http.StatusOK {
			t.Errorf("answer %d after the rush", answer.Code)
		}
		if told, _ := h.take(); len(told) != 69 {
			t.Errorf("%d answers, want 69", len(told))
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAReceiverSaysWhatItNeeds(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	sink := func(context.Context, events.Hint) error { return nil }
	for _, tt := range []struct {
		o    events.ReceiverOptions
		want string
	}{
		{events.ReceiverOptions{Sink: sink, Clock: clock}, ""},
		{events.ReceiverOptions{Clock: clock}, "sink"},
		{events.ReceiverOptions{Sink: sink}, "clock"},
		{events.ReceiverOptions{Sink: sink, Clock: clock, MonitorToken: "x\n"}, "printf"},
	} {
		_, err := events.NewReceiver(tt.o)
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("error %v, want one about %q", err, tt.want)
		}
	}
}
