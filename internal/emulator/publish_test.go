package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// subscriber is a target of events, with TLS. The emulator knows its URL before there is anybody to take them.
type subscriber struct {
	*httptest.Server
	bodies chan []byte
	hints  chan events.Hint
	told   chan events.Reason
}

func (s *subscriber) Answered(_ events.Form, reason events.Reason) { s.told <- reason }

func newSubscriber(t *testing.T) *subscriber {
	t.Helper()
	s := &subscriber{bodies: make(chan []byte, 100), hints: make(chan events.Hint, 100), told: make(chan events.Reason, 100)}
	s.Server = httptest.NewUnstartedServer(nil)
	return s
}

// publishingBench is an emulator whose events a receiver takes that verifies them.
func publishingBench(t *testing.T, change func(*eventbridge.Publishing)) (*bench, *subscriber) {
	t.Helper()
	s := newSubscriber(t)
	pem := filepath.Join(t.TempDir(), "eventbridge.pem")
	address := "https://" + s.Listener.Addr().String() + events.PathEventBridge
	verifier, err := events.NewVerifier(events.VerifierOptions{
		PublicURL: address, Token: "T", AcceptHMAC: true, Clock: clock.RealClock{},
		Certificates: events.NewCertificateFile(pem, clock.RealClock{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := events.NewReceiver(events.ReceiverOptions{
		Verifier: verifier, Observer: s, Clock: clock.RealClock{},
		Sink: func(_ context.Context, h events.Hint) error {
			s.hints <- h
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.bodies <- body
		r.Body = io.NopCloser(bytes.NewReader(body))
		receiver.ServeHTTP(w, r)
	})
	s.StartTLS()
	t.Cleanup(s.Close)
	publishing := eventbridge.Publishing{
		Targets:   []eventbridge.Target{{URL: address, Token: "T"}},
		Transport: s.Client().Transport,
	}
	if change != nil {
		change(&publishing)
	}
	b := newBench(t, emulator.Options{Events: publishing})
	text, err := b.e.EventsCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pem, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return b, s
}

func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("not reached")
	}
}

// A command that runs is announced, once for each instance, over TLS and with every signature, and the receiver believes it.
func TestTheEndOfARunIsPublished(t *testing.T) {
	for _, form := range []eventbridge.Form{eventbridge.FormRSA, eventbridge.FormHMAC, eventbridge.FormBoth} {
		t.Run(string(form), func(t *testing.T) {
			b, s := publishingBench(t, func(p *eventbridge.Publishing) { p.Form = form })
			request := ecs.CreateRunCommandRequest()
			request.Type, request.CommandContent, request.ContentEncoding = "RunShellScript", "exit 3", "PlainText"
			request.InstanceId = &[]string{firstID, secondID}
			answer, err := b.sdk.RunCommand(request)
			if err != nil {
				t.Fatal(err)
			}
			var instances []string
			for range 2 {
				hint := await(t, s.hints)
				if hint.InvokeID != answer.InvokeId || hint.RegionID != testRegion || hint.AccountID != emulator.DefaultAccountID || hint.FinishedAt.IsZero() {
					t.Errorf("hint %+v", hint)
				}
				instances = append(instances, hint.InstanceID)
			}
			if slices.Sort(instances); !slices.Equal(instances, []string{firstID, secondID}) {
				t.Errorf("instances %q", instances)
			}
		})
	}
}

// Every end but Error is announced, when it comes and not when it is put; the event has the vendor's shape.
func TestWhichEndsArePublished(t *testing.T) {
	b, s := publishingBench(t, nil)
	ended := emulator.Row{InstanceID: firstID, InvocationStatus: emulator.StatusSuccess}
	if err := b.e.PutInvocation(emulator.Scripted{ID: "t-old", Rows: []emulator.Row{ended}}); err != nil {
		t.Fatal(err)
	}
	zero, three := int64(0), int64(3)
	finished := time.Date(2023, 12, 14, 7, 39, 48, 0, time.UTC)
	for _, tt := range []struct {
		status, code, info string
		exit               *int64
		want               map[string]string
	}{
		{status: emulator.StatusError, code: "ClientRestarted"},
		{status: emulator.StatusSuccess, exit: &zero, want: map[string]string{"exitCode": "0", "errorCode": "0", "errorDesc": ""}},
		{status: emulator.StatusFailed, exit: &three, code: "ExitCodeNonzero", info: "not zero", want: map[string]string{"exitCode": "3", "errorCode": "ExitCodeNonzero", "errorDesc": "not zero"}},
		{status: emulator.StatusTimeout, code: "ExecutionTimeout", want: map[string]string{"exitCode": "", "errorCode": "ExecutionTimeout"}},
		{status: emulator.StatusAborted, want: map[string]string{"errorCode": ""}},
		{status: emulator.StatusInvalid, want: map[string]string{}},
		{status: emulator.StatusCancelled, want: map[string]string{}},
		{status: emulator.StatusTerminated, want: map[string]string{}},
	} {
		id := "t-" + tt.status
		running := emulator.Row{InstanceID: firstID, InvocationStatus: emulator.StatusRunning}
		if err := b.e.PutInvocation(emulator.Scripted{ID: id, Rows: []emulator.Row{running}}); err != nil {
			t.Fatal(err)
		}
		row := emulator.Row{
			InvokeID: id, InstanceID: firstID, InvocationStatus: tt.status, ExitCode: tt.exit, ErrorCode: tt.code, ErrorInfo: tt.info,
			Repeats: 1, StartTime: finished.Add(-time.Second), FinishedTime: finished,
		}
		if err := b.e.PutRow(row); err != nil {
			t.Fatal(err)
		}
		// What has ended does not end again.
		if err := b.e.UpdateRow(id, firstID, func(r *emulator.Row) { r.Output = []byte("x") }); err != nil {
			t.Fatal(err)
		}
		if tt.want == nil {
			continue
		}
		want := map[string]string{
			"invokeId": id, "invocationStatus": tt.status, "instanceId": firstID, "finishTime": "2023-12-14T07:39:48Z",
			"startTime": "2023-12-14T07:39:47Z", "repeats": "1", "repeatMode": "Once", "commandId": "c-" + id, "ownerId": emulator.DefaultAccountID,
		}
		maps.Copy(want, tt.want)
		t.Run(tt.status, func(t *testing.T) { checkEvent(t, await(t, s.bodies), want) })
		if reason := await(t, s.told); reason != events.ReasonAccepted {
			t.Errorf("%s: %s", tt.status, reason)
		}
	}
	if len(s.bodies) != 0 {
		t.Errorf("one more: %s", <-s.bodies)
	}
}

// checkEvent compares an event with the vendor's shape, and its data with what is wanted of them.
func checkEvent(t *testing.T, body []byte, want map[string]string) {
	t.Helper()
	var event struct {
		ID, Type, Source, Specversion, Subject, Time, Aliyunaccountid, Aliyunpublishtime, Aliyunregionid, Aliyuneventbusname string
		Data                                                                                                                 map[string]string
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string][2]string{
		"type": {event.Type, `^ecs:CloudAssistant:TaskCompleted$`}, "source": {event.Source, `^acs\.ecs$`}, "version": {event.Specversion, `^1\.0$`},
		"region": {event.Aliyunregionid, "^" + testRegion + "$"}, "account": {event.Aliyunaccountid, "^" + emulator.DefaultAccountID + "$"},
		"id": {event.ID, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`}, "time": {event.Time, `^[-0-9]{10}T[:0-9]{8}\+08:00$`},
		"publish time": {event.Aliyunpublishtime, `^[-0-9]{10}T[:0-9]{8}Z$`}, "subject": {event.Subject, `^acs\.ecs:cn-hangzhou:[0-9]{16}:[0-9]+$`},
		"bus": {event.Aliyuneventbusname, "^default$"},
	} {
		if !regexp.MustCompile(form[1]).MatchString(form[0]) {
			t.Errorf("%s %q", name, form[0])
		}
	}
	for name, value := range want {
		if event.Data[name] != value {
			t.Errorf("%s is %q, want %q", name, event.Data[name], value)
		}
	}
	if len(event.Data) != 14 {
		t.Errorf("data %v", event.Data)
	}
}

// Each run of a schedule is an end of its own.
func TestEveryRunOfAScheduleIsPublished(t *testing.T) {
	b, s := publishingBench(t, nil)
	invokeID := b.raw(clock.RealClock{}).schedule(t, "true", "rate(5m)")
	for run := range 3 {
		b.row(invokeID, firstID, "scheduled", func(r emulator.Row) bool {
			return r.InvocationStatus == emulator.StatusScheduled && r.Repeats == run
		})
		b.advance(5 * time.Minute)
		if hint := await(t, s.hints); hint.InvokeID != invokeID {
			t.Errorf("run %d: hint %+v", run, hint)
		}
	}
}

func TestAStoppedRunIsPublished(t *testing.T) {
	b, s := publishingBench(t, func(p *eventbridge.Publishing) { p.Duplicates = 1 })
	running := emulator.Row{InstanceID: firstID, InvocationStatus: emulator.StatusRunning}
	if err := b.e.PutInvocation(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{running}}); err != nil {
		t.Fatal(err)
	}
	request := ecs.CreateStopInvocationRequest()
	request.InvokeId = "t-1"
	if _, err := b.sdk.StopInvocation(request); err != nil {
		t.Fatal(err)
	}
	if hint := await(t, s.hints); hint.InvokeID != "t-1" {
		t.Errorf("hint %+v", hint)
	}
	reasons := []events.Reason{await(t, s.told), await(t, s.told)}
	if slices.Sort(reasons); !slices.Equal(reasons, []events.Reason{events.ReasonAccepted, events.ReasonDuplicate}) {
		t.Errorf("sent twice it is %q", reasons)
	}
}

func TestEventsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, publishing := range []eventbridge.Publishing{{Loss: 2}, {Targets: []eventbridge.Target{{URL: "x"}}}} {
		if e, err := emulator.New(emulator.Options{Events: publishing}); err == nil {
			t.Errorf("%+v is taken", publishing)
			_ = e.Close()
		}
	}
}
