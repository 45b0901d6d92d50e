package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "the-token-of-the-webhook"

// replica is one that receives at an address of this machine, and remembers what it got.
type replica struct {
	*httptest.Server
	identity    *Identity
	answer      int
	got         []string
	connections atomic.Int32
	// wave, if there is one, is of requests that are answered once all of them are there.
	wave atomic.Pointer[sync.WaitGroup]
}

func newReplica(t *testing.T, secure bool) *replica {
	t.Helper()
	r := &replica{answer: http.StatusOK}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if wave := r.wave.Load(); wave != nil {
			wave.Done()
			wave.Wait()
			return
		}
		r.got = append(r.got, fmt.Sprint(request.Method, " ", request.URL, " ", request.Host, " ", request.Header["X-Signature"], request.Header["Te"], request.Header[headerForwarded], " ", string(body), " ", err))
		w.WriteHeader(r.answer)
	}))
	r.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.connections.Add(1)
		}
	}
	var err error
	if r.identity, err = NewIdentity("manager-7f", r.Listener.Addr().String(), secure); err != nil {
		t.Fatal(err)
	}
	if !secure {
		r.Start()
	} else {
		world := httptest.NewTLSServer(http.NotFoundHandler())
		defer world.Close()
		shown := world.TLS.Certificates[0]
		r.TLS = r.identity.Certificates(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &shown, nil }})
		// httptest's own certificate would come first.
		r.Listener = tls.NewListener(r.Listener, r.TLS)
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

// follower is a replica that does not lead.
type follower struct {
	*Relay
	clock *clocktesting.FakePassiveClock

	mu       sync.Mutex
	holder   string
	failure  error
	read     int
	outcomes []Outcome
	log      bytes.Buffer
}

func newFollower(t *testing.T, holder string) *follower {
	t.Helper()
	f := &follower{clock: clocktesting.NewFakePassiveClock(time.Unix(1e9, 0)), holder: holder}
	f.Relay = &Relay{
		Holder: func(context.Context) (string, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.read++
			return f.holder, f.failure
		},
		Leading: func() bool { return false },
		Told: func(o Outcome) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.outcomes = append(f.outcomes, o)
		},
		Clock:  f.clock,
		Logger: funcr.New(func(_, args string) { f.log.WriteString(args + "\n") }, funcr.Options{Verbosity: 10}),
	}
	t.Cleanup(f.Close)
	return f
}

// receive gets a request, reads it and passes it on.
func (f *follower) receive(t *testing.T, header http.Header) error {
	t.Helper()
	return f.receiveFrom(t.Context(), t, header)
}

// receiveFrom gets a request of somebody who stays for as long as the context is not done.
func (f *follower) receiveFrom(ctx context.Context, t *testing.T, header http.Header) error {
	t.Helper()
	var passed error
	handler := f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if _, err := io.ReadAll(request.Body); err != nil {
			t.Error(err)
		}
		passed = f.Pass(request.Context())
	}))
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://events.example.com/cloudmonitor?token="+secret, strings.NewReader(`{"a": 1} `))
	request.Header["X-Signature"] = []string{"one", "two"}
	request.Header.Set("Te", "trailers")
	maps.Copy(request.Header, header)
	handler.ServeHTTP(httptest.NewRecorder(), request)
	return passed
}

func TestWhatComesOfPassingOn(t *testing.T) {
	const whole = `POST /cloudmonitor?token=` + secret + ` events.example.com [one two] [] [1] {"a": 1}  <nil>`
	tests := map[string]struct {
		holder  func(*replica) string
		answer  int
		plain   bool
		header  http.Header
		failure error
		outcome Outcome
		got     []string
		says    string
	}{
		"the leader takes it":          {outcome: OutcomeTaken, got: []string{whole}},
		"the leader is in the clear":   {outcome: OutcomeTaken, got: []string{whole}, plain: true},
		"the leader refuses it":        {answer: 401, outcome: OutcomeRefused, got: []string{whole}, says: "answers with 401"},
		"the leader sends it away":     {answer: 307, outcome: OutcomeRefused, got: []string{whole}, says: "answers with 307"},
		"it was passed on before":      {header: http.Header{headerForwarded: {"1"}}, outcome: OutcomeAgain, says: "does not lead"},
		"nobody leads":                 {holder: func(*replica) string { return "" }, outcome: OutcomeNoLeader, says: "nobody leads"},
		"a leader of another version":  {holder: func(*replica) string { return "manager-7f_5f0c" }, outcome: OutcomeNoLeader, says: "another version"},
		"a leader without an address":  {holder: func(*replica) string { return "a_b_c_http" }, outcome: OutcomeNoLeader, says: "an address that is none"},
		"a leader without certificate": {holder: func(*replica) string { return "a_b_127.0.0.1:1_https" }, outcome: OutcomeNoLeader, says: "a fingerprint that is none"},
		"the Lease cannot be read":     {failure: errors.New("forbidden"), outcome: OutcomeNoLeader, says: "reading the Lease: forbidden"},
		"the leader is away": {
			holder:  func(r *replica) string { r.Close(); return r.identity.String() },
			outcome: OutcomeUnreachable, says: "connection refused",
		},
		"somebody else has its address": {
			holder: func(r *replica) string {
				return strings.Replace(r.identity.String(), r.identity.fingerprint, strings.Repeat("ab", 32), 1)
			},
			outcome: OutcomeUnreachable, says: "is not the leader that the Lease names",
		},
		"somebody in the clear has its address": {
			plain: true,
			holder: func(r *replica) string {
				return strings.TrimSuffix(r.identity.String(), inClear) + strings.Repeat("ab", 32)
			},
			outcome: OutcomeUnreachable, says: "the leader at",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			leader := newReplica(t, !tt.plain)
			if tt.answer != 0 {
				leader.answer = tt.answer
			}
			holder := leader.identity.String()
			if tt.holder != nil {
				holder = tt.holder(leader)
			}
			f := newFollower(t, holder)
			f.failure = tt.failure
			err := f.receive(t, tt.header)
			leader.Close()
			if !slices.Equal(f.outcomes, []Outcome{tt.outcome}) || (err == nil) != (tt.outcome == OutcomeTaken) {
				t.Errorf("the outcome is %v with %v, want %s", f.outcomes, err, tt.outcome)
			}
			if !slices.Equal(leader.got, tt.got) {
				t.Errorf("the leader got %q, want %q", leader.got, tt.got)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.says) || !strings.Contains(f.log.String(), tt.says)) {
				t.Errorf("it says %v and logs %q, want %q", err, f.log.String(), tt.says)
			}
			if told := fmt.Sprint(err, f.log.String()); strings.Contains(told, secret) {
				t.Errorf("it tells the query: %s", told)
			}
		})
	}
}

func TestALeaderThatHasMovedIsFoundAtOnce(t *testing.T) {
	first, second := newReplica(t, true), newReplica(t, true)
	f := newFollower(t, first.identity.String())
	if err := f.receive(t, nil); err != nil {
		t.Fatal(err)
	}
	first.CloseClientConnections()
	first.Close()
	f.holder = second.identity.String()
	f.clock.SetTime(f.clock.Now().Add(failedAge))
	if err := f.receive(t, nil); err != nil {
		t.Errorf("it is not passed on to the one who leads now: %v", err)
	}
	if len(first.got) != 1 || len(second.got) != 1 || f.read != 2 {
		t.Errorf("the first got %d, the second %d, and the Lease was read %d times", len(first.got), len(second.got), f.read)
	}
}

func TestALeaderThatHasGoneIsNotAskedAgain(t *testing.T) {
	leader := newReplica(t, true)
	f := newFollower(t, leader.identity.String())
	if err := f.receive(t, nil); err != nil {
		t.Fatal(err)
	}
	leader.CloseClientConnections()
	leader.Close()
	f.holder = ""
	f.clock.SetTime(f.clock.Now().Add(failedAge))
	for range 2 {
		if err := f.receive(t, nil); err == nil || err.Error() != "nobody leads now" {
			t.Errorf("it says %v", err)
		}
	}
	if want := []Outcome{OutcomeTaken, OutcomeNoLeader, OutcomeNoLeader}; !slices.Equal(f.outcomes, want) {
		t.Errorf("the outcomes are %v, want %v", f.outcomes, want)
	}
}

// An API server that is away does not make a leader that is known unknown; it is asked again soon.
func TestTheLastLeaderCountsWhileTheLeaseCannotBeRead(t *testing.T) {
	leader := newReplica(t, true)
	f := newFollower(t, leader.identity.String())
	for n, wantReads := range []int{1, 2, 3, 4, 4} {
		if err := f.receive(t, nil); err != nil {
			t.Errorf("event %d: %v", n, err)
		}
		if f.read != wantReads {
			t.Errorf("event %d: the Lease was read %d times, want %d", n, f.read, wantReads)
		}
		switch n {
		case 0:
			f.failure = errors.New("the API server is away")
			f.clock.SetTime(f.clock.Now().Add(knownAge))
		case 2:
			f.failure = nil
			fallthrough
		default:
			f.clock.SetTime(f.clock.Now().Add(failedAge))
		}
	}
	if got := leader.connections.Load(); got != 1 {
		t.Errorf("%d connections to one leader, want 1", got)
	}
}

// However many events come, the Lease is read once in five seconds, and once in one while the leader is away.
func TestTheLeaseIsReadSeldom(t *testing.T) {
	leader := newReplica(t, true)
	f := newFollower(t, leader.identity.String())
	receive := func(seconds, want int) {
		t.Helper()
		for range seconds {
			for range 10 {
				_ = f.receive(t, nil)
			}
			f.clock.SetTime(f.clock.Now().Add(time.Second))
		}
		if f.read != want {
			t.Errorf("the Lease was read %d times, want %d", f.read, want)
		}
		f.read = 0
	}
	receive(10, 2)
	leader.CloseClientConnections()
	leader.Close()
	f.clock.SetTime(f.clock.Now().Add(knownAge))
	receive(4, 4)
	f.failure = errors.New("the API server is away")
	receive(4, 4)
	if lines := strings.Count(f.log.String(), "\n"); lines != 1 {
		t.Errorf("the log says it %d times within a minute:\n%s", lines, f.log.String())
	}
}

// Who hangs up while the Lease is read for it does not make the leader unknown to those who come next.
func TestWhoHangsUpSpoilsNothingForOthers(t *testing.T) {
	leader := newReplica(t, true)
	f := newFollower(t, leader.identity.String())
	f.Holder = func(ctx context.Context) (string, error) {
		f.read++
		if _, ends := ctx.Deadline(); !ends {
			t.Error("a reading of the Lease may take for ever")
		}
		return leader.identity.String(), ctx.Err()
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if err := f.receiveFrom(gone, t, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the event of who hung up ends with %v", err)
	}
	if err := f.receive(t, nil); err != nil {
		t.Errorf("the next event is not passed on: %v", err)
	}
	if want := []Outcome{OutcomeUnreachable, OutcomeTaken}; !slices.Equal(f.outcomes, want) || f.read != 1 {
		t.Errorf("the outcomes are %v after %d readings, want %v after one", f.outcomes, f.read, want)
	}
}

func TestALeaderReceivesByItself(t *testing.T) {
	f := newFollower(t, "")
	f.Leading = func() bool { return true }
	if err := f.receive(t, nil); err == nil || f.read != 0 || len(f.outcomes) != 0 {
		t.Errorf("a leader looks for the leader %d times, %v, with %v", f.read, f.outcomes, err)
	}
}

// Strangers are shown the world's certificate, and each replica has a name of its own.
func TestIdentities(t *testing.T) {
	r := newReplica(t, true)
	dial := func(name string) string {
		connection, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: name}}).DialContext(t.Context(), "tcp", r.identity.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		return fingerprintOf(connection.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw)
	}
	if dial("events.example.com") == r.identity.fingerprint || dial(serverName) != r.identity.fingerprint {
		t.Error("the certificate of the identity is shown to others than those who ask for it")
	}
	read, err := parse(r.identity.String())
	if err != nil || read.String() != r.identity.String() || read.address != r.identity.address {
		t.Errorf("%s is read as %s: %v", r.identity, read, err)
	}
	six, err := NewIdentity("manager-7f", "[fd00::1]:9443", true)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := parse(six.String()); err != nil || read.url("/a?b") != "https://[fd00::1]:9443/a?b" {
		t.Errorf("%s is read as %v: %v", six, read, err)
	}
	if six.name == r.identity.name || six.fingerprint == r.identity.fingerprint {
		t.Error("two replicas have the same identity")
	}
}

// What is passed on at once makes its connections once: the next burst goes over them.
func TestBurstsShareTheirConnections(t *testing.T) {
	const burst = 32
	leader := newReplica(t, true)
	f := newFollower(t, leader.identity.String())
	for range 3 {
		wave, all := &sync.WaitGroup{}, &sync.WaitGroup{}
		wave.Add(burst)
		leader.wave.Store(wave)
		for range burst {
			all.Go(func() {
				if err := f.receive(t, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if got := leader.connections.Load(); got != burst {
		t.Errorf("three bursts of %d made %d connections", burst, got)
	}
}
