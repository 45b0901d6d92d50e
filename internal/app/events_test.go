package app_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

// await has a result observed that asks once, and then for five minutes not again.
func (w *eventWorld) await(t *testing.T, name string) {
	t.Helper()
	w.script(t, runOf(name), running(1))
	w.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {%s}}", region, runOf(name), slow))
	w.untilReason(t, name, v1alpha1.ReasonRunning)
}

// end ends the run of a result now, which is announced.
func (w *eventWorld) end(t *testing.T, name string) {
	t.Helper()
	w.update(t, runOf(name), 1, func(row *emulator.Row) { succeed(row); row.FinishedTime = w.cloud.Clock().Now() })
}

// Who asks every five minutes knows of an end when the event of it comes.
func TestAnEventTellsOfAnEnd(t *testing.T) {
	w := newEventWorld(t)
	w.start(t)
	w.await(t, "announced")
	asked, began := w.calls("t-announced"), time.Now()
	w.end(t, "announced")
	w.untilReason(t, "announced", v1alpha1.ReasonSucceeded)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end was known after %v", took)
	}
	if more := w.calls("t-announced") - asked; more != 1 {
		t.Errorf("the event led to %d calls, want 1", more)
	}
	untilTrue(t, "the write is counted", func() bool { n, _ := w.value(t, "events_detection_lag_seconds"); return n == 1 })
	w.expectValues(t, map[string]float64{
		answered("accepted"): 1, `events_nudges_total{watched="true"}`: 1, `events_nudges_total{watched="false"}`: 0,
		"events_delay_seconds": 1, "events_status_lag_seconds": 1, "detection_lag_seconds": 1, `events_forwarded_total{outcome="taken"}`: 0,
	})
}

// CloudMonitor's webhook is as good, with its own token.
func TestCloudMonitorTellsOfAnEnd(t *testing.T) {
	w := newEventWorld(t)
	w.options.Events.PublicURL, w.options.Events.TokenFile = "", ""
	w.start(t)
	w.await(t, "monitored")
	w.end(t, "monitored")
	body := fmt.Appendf(nil, `{"alert": {"eventName": "CloudAssistant:TaskCompleted", "userId": %q, "eventContentMap": {"invokeId": "t-monitored"},
		"meta": {"sysEventMeta": {"regionId": %q, "resourceId": %q}}}}`, emulator.DefaultAccountID, region, instance(1))
	json := http.Header{"Content-Type": {"application/json"}}
	if status, answer := w.front.send(t, "/cloudmonitor?token=another", json, body); status != http.StatusUnauthorized {
		t.Errorf("a wrong token is answered with %d: %s", status, answer)
	}
	if status, answer := w.front.send(t, "/eventbridge", json, body); status != http.StatusNotFound {
		t.Errorf("a path that is not configured is answered with %d: %s", status, answer)
	}
	if status, answer := w.front.send(t, "/cloudmonitor?token="+hooksToken, json, body); status != http.StatusOK {
		t.Errorf("the webhook is answered with %d: %s", status, answer)
	}
	w.untilReason(t, "monitored", v1alpha1.ReasonSucceeded)
	w.expectValues(t, map[string]float64{
		`events_answered_total{form="cloudmonitor",reason="accepted"}`: 1, `events_answered_total{form="cloudmonitor",reason="token"}`: 1,
	})
}

// What does not prove where it comes from is answered with 401, and what was there before with 200; nothing else happens.
func TestForgedAndRepeatedEventsAreHarmless(t *testing.T) {
	w := newEventWorld(t)
	w.start(t)
	w.await(t, "spared")
	w.await(t, "genuine")
	w.end(t, "genuine")
	w.untilReason(t, "genuine", v1alpha1.ReasonSucceeded)
	untilTrue(t, "the event is answered", func() bool { return len(w.front.events()) == 1 })
	genuine := w.front.events()[0]
	body := []byte(strings.ReplaceAll(string(genuine.body), "t-genuine", "t-spared"))
	stranger, err := eventbridge.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	signed := func(set func(*eventbridge.Request)) http.Header {
		request := eventbridge.Request{
			URL: eventsURL, CertificateURL: eventbridge.DefaultCertificateURL, Token: eventsToken, At: time.Now(), Body: body,
		}
		set(&request)
		header := http.Header{"Content-Type": {"application/json"}}
		if err := stranger.SignRSA(header, request, eventbridge.Variant{}); err != nil {
			t.Fatal(err)
		}
		return header
	}
	asked := w.calls("t-spared")
	for reason, header := range map[string]http.Header{
		"unsigned":  {"Content-Type": {"application/json"}},
		"signature": signed(func(*eventbridge.Request) {}),
		"token":     signed(func(r *eventbridge.Request) { r.Token = "another" }),
		"expired":   signed(func(r *eventbridge.Request) { r.At = time.Now().Add(-2 * minute) }),
	} {
		for range 10 {
			status, answer := w.front.send(t, "/eventbridge", header, body)
			if status != http.StatusUnauthorized {
				t.Errorf("%s is answered with %d: %s", reason, status, answer)
			}
		}
		w.expectValues(t, map[string]float64{answered(reason): 10})
	}
	// The headers of a genuine one do not carry over to another body.
	if status, answer := w.front.send(t, "/eventbridge", genuine.header, body); status != http.StatusUnauthorized {
		t.Errorf("another body is answered with %d: %s", status, answer)
	}
	for range 50 {
		if status, answer := w.front.send(t, "/eventbridge", genuine.header, genuine.body); status != http.StatusOK {
			t.Errorf("an event again is answered with %d: %s", status, answer)
		}
	}
	w.expectValues(t, map[string]float64{
		answered("accepted"): 1, answered("duplicate"): 50, answered("signature"): 11,
		`events_nudges_total{watched="true"}`: 1, `events_nudges_total{watched="false"}`: 0,
	})
	if more := w.calls("t-spared") - asked; more != 0 {
		t.Errorf("forged events led to %d calls", more)
	}
}

// Strangers who hold connections, and heads that look good whose bodies do not come, hold up no event.
func TestSlowSendersHoldUpNoEvent(t *testing.T) {
	w := newEventWorld(t)
	w.start(t)
	w.await(t, "first")
	w.await(t, "second")
	w.end(t, "first")
	w.untilReason(t, "first", v1alpha1.ReasonSucceeded)
	untilTrue(t, "the event is answered", func() bool { return len(w.front.events()) == 1 })
	genuine := w.front.events()[0]
	var slow strings.Builder
	fmt.Fprintf(&slow, "POST /eventbridge HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", eventsHost, len(genuine.body))
	if err := genuine.header.Write(&slow); err != nil {
		t.Fatal(err)
	}
	refused := fmt.Sprintf("POST /eventbridge HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n", eventsHost)
	for _, head := range append(slices.Repeat([]string{refused}, 100), slices.Repeat([]string{slow.String() + "\r\n"}, 100)...) {
		connection, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", w.options.Events.BindAddress)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		if _, err := io.WriteString(connection, head); err != nil {
			t.Fatal(err)
		}
	}
	if status, answer := w.front.send(t, "/eventbridge", genuine.header, genuine.body); status != http.StatusOK {
		t.Errorf("an event again is answered with %d: %s", status, answer)
	}
	w.end(t, "second")
	w.untilReason(t, "second", v1alpha1.ReasonSucceeded)
	w.expectValues(t, map[string]float64{answered("accepted"): 2, answered("busy"): 0})
}

// Unless it is asked for there is no receiver, whatever else is set; polling does not need one.
func TestWithoutEventsNobodyListens(t *testing.T) {
	w := newEventWorld(t)
	address := w.options.Events.BindAddress
	w.options.Events.BindAddress = "0"
	w.start(t)
	w.script(t, "t-polled", running(1))
	w.apply(t, "polled", fmt.Sprintf("{regionID: %s, invokeID: t-polled, polling: {%s}}", region, quick))
	w.untilReason(t, "polled", v1alpha1.ReasonRunning)
	if connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address); err == nil {
		_ = connection.Close()
		t.Errorf("somebody listens at %s", address)
	}
	w.end(t, "polled")
	w.untilReason(t, "polled", v1alpha1.ReasonSucceeded)
}

// A certificate that is renewed in a mounted Secret is served from then on.
func TestTheCertificateOfEventsIsRenewed(t *testing.T) {
	w := newEventWorld(t)
	address := w.options.Events.BindAddress
	w.start(t)
	untilServed(t, address)
	served := func() string {
		connection, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	for range 2 {
		renewed := w.renew(t).SerialNumber.String()
		untilTrue(t, "the renewed certificate is served", func() bool { return served() == renewed })
	}
	w.await(t, "after")
	w.end(t, "after")
	w.untilReason(t, "after", v1alpha1.ReasonSucceeded)
}

// An Ingress may end TLS, if the operator is told so.
func TestEventsInTheClear(t *testing.T) {
	w := newEventWorld(t)
	w.options.Events.Secure, w.options.Events.TLSCertFile, w.options.Events.TLSKeyFile = false, "", ""
	w.start(t)
	untilServed(t, w.options.Events.BindAddress)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.options.Events.BindAddress+"/eventbridge", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unsigned request is answered with %s: %v", response.Status, err)
	}
}

func TestTheReceiverSaysWhyItCannotStart(t *testing.T) {
	t.Setenv("POD_IP", "")
	held, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	w := &eventWorld{folder: t.TempDir(), front: newFront()}
	w.renew(t)
	for want, set := range map[string]func(*app.Options){
		"--events-bind-address: ":                        func(o *app.Options) { o.Events.BindAddress = held.Addr().String() },
		"--events-token-file: open ":                     func(o *app.Options) { o.Events.TokenFile = w.folder + "/missing" },
		"--events-token-file: " + w.folder + "/empty is": func(o *app.Options) { o.Events.TokenFile = w.write(t, "empty", nil) },
		"has 5000 bytes, which is no token": func(o *app.Options) {
			o.Events.CloudMonitorTokenFile = w.write(t, "long", []byte(strings.Repeat("x", 5000)))
		},
		"the token holds a space, a line break": func(o *app.Options) { o.Events.TokenFile = w.write(t, "line", []byte("hunter2\n")) },
		"--events-tls-cert-file, --events-tls-key-file: open ": func(o *app.Options) {
			o.Events.TLSKeyFile = w.folder + "/missing"
		},
		"--events-pod-ip: ":                 func(o *app.Options) { o.LeaderElect, o.LeaderElectID, o.LeaderElectNamespace = true, "x", "default" },
		"--leader-elect-namespace: outside": func(o *app.Options) { o.LeaderElect, o.LeaderElectID, o.Events.PodIP = true, "x", "127.0.0.1" },
	} {
		options := app.Options{
			MetricsBindAddress: "0", HealthProbeBindAddress: "0",
			Events: app.EventsOptions{
				BindAddress: "127.0.0.1:0", PublicURL: eventsURL, Regions: []string{region}, Secure: true,
				TLSCertFile: w.folder + "/tls/tls.crt", TLSKeyFile: w.folder + "/tls/tls.key",
			},
		}
		options.AllowSeveralInOneProcess()
		set(&options)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := app.Run(ctx, controlPlane.Operator, options)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the operator ends with %v, want %q", err, want)
		}
	}
}
