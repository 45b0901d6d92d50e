package app_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

// No token, no signature and nothing that a stranger sends reaches what the operator writes, not even at the highest level of
// its log, whether it takes events or refuses them, works or passes them on.
func TestNoTokenOfEventsIsEverShown(t *testing.T) {
	c := &canaries{secrets: map[string]string{}}
	token, webhook := c.plant("token of the rule"), c.plant("token of the webhook")
	w := newEventWorldOf(t, token)
	c.world = w.world
	w.write(t, "webhook-token", []byte(webhook))
	w.electHere(t)
	held := w.holdElsewhere(t, freeAddress(t))
	o := w.options.Events
	operator := w.startLoud(t, buildOperator(t), nil, "--ecs-endpoint="+w.cloudURL, "--leader-elect", "--leader-elect-namespace="+w.namespace,
		"--events-bind-address="+o.BindAddress, "--events-public-url="+o.PublicURL, "--events-pod-ip="+o.PodIP,
		"--events-token-file="+o.TokenFile, "--events-cloudmonitor-token-file="+o.CloudMonitorTokenFile, "--events-certificate-file="+o.CertificateFile,
		"--events-tls-cert-file="+o.TLSCertFile, "--events-tls-key-file="+o.TLSKeyFile)
	untilServed(t, o.BindAddress)

	// Nobody works: it is passed on in vain.
	w.script(t, "t-shown", running(1), running(2))
	w.end(t, "shown")
	untilTrue(t, "the event is refused", func() bool { return len(w.front.events()) > 0 })
	monitored := []byte(`{"alert": {"eventName": "CloudAssistant:TaskCompleted", "meta": {"sysEventMeta": {"regionId": "cn-hangzhou"}}}}`)
	hook := "/cloudmonitor?token=" + url.QueryEscape(webhook)
	if status, answer := w.front.send(t, hook, http.Header{}, monitored); status != http.StatusServiceUnavailable {
		t.Errorf("the webhook is answered with %d while nobody works: %s", status, answer)
	}

	held.Spec.HolderIdentity = new(string)
	if err := w.client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	w.untilHeldAt(t, o.BindAddress)
	w.apply(t, "shown", fmt.Sprintf("{regionID: %s, invokeID: t-shown, polling: {%s}}", region, slow))
	w.untilReason(t, "shown", v1alpha1.ReasonRunning)
	w.update(t, "t-shown", 2, succeed)
	w.untilReason(t, "shown", v1alpha1.ReasonSucceeded)
	if status, answer := w.front.send(t, hook, http.Header{}, monitored); status != http.StatusOK {
		t.Errorf("the webhook is answered with %d: %s", status, answer)
	}
	c.forge(t, w)

	for n, event := range w.front.events() {
		signature, err := base64.StdEncoding.DecodeString(event.header.Get("X-Eventbridge-Signature-V2"))
		if err != nil || len(signature) == 0 {
			t.Fatalf("an event is not signed: %v", err)
		}
		c.secrets[fmt.Sprintf("signature %d", n)] = string(signature)
	}
	shown := map[string]string{"metrics": operator.scrape(t)}
	shown["log"] = operator.end(t)
	c.recorder = w.recorder
	maps.Copy(shown, c.written(t))
	for where, text := range shown {
		for _, leak := range leaks(text, c.secrets) {
			t.Errorf("%s: %s", where, leak)
		}
	}
	for where, markers := range map[string][]string{
		"log": {"An event was answered", `"reason":"accepted"`, `"reason":"undelivered"`, `"reason":"signature"`, `"reason":"token"`, `"outcome":"unreachable"`},
		"metrics": {
			`cloudassistant_events_answered_total{form="eventbridge",reason="signature"} 1`,
			`cloudassistant_events_answered_total{form="cloudmonitor",reason="token"} 2`,
		},
		"results": {"t-shown"},
	} {
		for _, marker := range markers {
			if !strings.Contains(shown[where], marker) {
				t.Errorf("%s hold no %s:\n%.3000s", where, marker, shown[where])
			}
		}
	}
}

// forge sends what is refused, each part of it a canary.
func (c *canaries) forge(t *testing.T, w *eventWorld) {
	t.Helper()
	stranger, err := eventbridge.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{w.token, c.plant("a wrong token")} {
		header := http.Header{"User-Agent": {c.plant("a user agent")}, "Ce-Id": {c.plant("a header")}}
		request := eventbridge.Request{
			URL: eventsURL, CertificateURL: "https://" + c.plant("a certificate's host"), Token: token, At: time.Now(),
			Body: []byte(`{"id": "` + c.plant("the ID of an event") + `"}`),
		}
		if err := stranger.SignRSA(header, request, eventbridge.Variant{}); err != nil {
			t.Fatal(err)
		}
		if status, answer := w.front.send(t, "/eventbridge?x="+url.QueryEscape(c.plant("a query")), header, request.Body); status != http.StatusUnauthorized {
			t.Errorf("a forged event is answered with %d: %s", status, answer)
		}
	}
	bearer := http.Header{"Authorization": {"Bearer " + c.plant("a wrong bearer token")}}
	wrong := "/cloudmonitor?token=" + url.QueryEscape(c.plant("a wrong token of the webhook"))
	for path, header := range map[string]http.Header{"/cloudmonitor": bearer, wrong: {}} {
		if status, answer := w.front.send(t, path, header, []byte(c.plant("a body"))); status != http.StatusUnauthorized {
			t.Errorf("a wrong token is answered with %d: %s", status, answer)
		}
	}
}
