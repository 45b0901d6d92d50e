package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

const eventsTokenVariable = "ECS_EMULATOR_EVENTS_TOKEN"

// eventFlags are where events go, as it is written on the command line.
type eventFlags struct {
	targets    []string
	token, ca  string
	form       string
	sampleText bool
	eventbridge.Publishing
}

func (e *eventFlags) add(f *pflag.FlagSet) {
	f.StringArrayVar(&e.targets, "events-target", nil, "`URL` that an event is posted to, signed as EventBridge does, when a run has ended on an instance; may be repeated")
	f.StringVar(&e.token, "events-token", "", "token that events carry (default: environment variable "+eventsTokenVariable+")")
	f.StringVar(&e.ca, "events-ca", "", "`file` of PEM certificates that targets may have or be signed by; empty is what this machine trusts")
	f.StringVar(&e.form, "events-signature", string(eventbridge.FormRSA), "signature of events: RSA, HMAC for the older form, or Both")
	f.BoolVar(&e.sampleText, "events-sample-text", false, "sign the text that the vendor's sample code signs, not the documented one")
	f.DurationVar(&e.Delay, "events-delay", 0, "how late events are sent")
	f.DurationVar(&e.Jitter, "events-jitter", 0, "how much later at random, so that events overtake each other")
	f.Float64Var(&e.Loss, "events-loss", 0, "`share` of the events that is never sent, from 0 to 1")
	f.Float64Var(&e.Duplicates, "events-duplicates", 0, "`share` of the events that is sent twice, from 0 to 1")
}

func (e *eventFlags) publishing(getenv func(string) string) (eventbridge.Publishing, error) {
	p := e.Publishing
	token := e.token
	if token == "" {
		token = getenv(eventsTokenVariable)
	}
	for _, url := range e.targets {
		p.Targets = append(p.Targets, eventbridge.Target{URL: url, Token: token})
	}
	p.Form, p.Seed = eventbridge.Form(e.form), uint64(time.Now().UnixNano())
	if e.sampleText {
		// The two samples agree on the line break; the token's line is missing in that of the current form.
		p.Variant = eventbridge.Variant{NewlineAfterBody: true, NoTokenLine: p.Form != eventbridge.FormHMAC}
	}
	if err := p.Check(); err != nil {
		return p, fmt.Errorf("--events-...: %w", err)
	}
	if e.ca == "" {
		return p, nil
	}
	text, err := os.ReadFile(e.ca)
	if err != nil {
		return p, fmt.Errorf("--events-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return p, fmt.Errorf("--events-ca %s: there is no certificate in PEM in it", e.ca)
	}
	p.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, IdleConnTimeout: time.Minute}
	return p, nil
}
