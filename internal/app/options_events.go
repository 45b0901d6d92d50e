package app

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// EventsOptions are the flags of the receiver of events.
type EventsOptions struct {
	BindAddress string
	PublicURL   string

	TokenFile             string
	CloudMonitorTokenFile string
	CertificateFile       string
	CertificatePins       []string
	Regions               []string
	AcceptHMAC            bool

	Secure      bool
	TLSCertFile string
	TLSKeyFile  string

	// PodIP is where the other replicas reach this one.
	PodIP string

	// PollingInterval is that of runs whose ends are announced, once events have proved reliable.
	PollingInterval time.Duration
}

func (o *EventsOptions) bind(flags *flag.FlagSet) {
	flags.StringVar(&o.BindAddress, "events-bind-address", "",
		"Address to receive events at, which say that a command has ended (docs/events.md), such as :9443. Empty or 0: none are received.")
	flags.StringVar(&o.PublicURL, "events-public-url", "",
		"The URL that the target of the EventBridge rule names, letter by letter: it is part of what is signed. Empty: no events of EventBridge are received.")
	flags.StringVar(&o.TokenFile, "events-token-file", "",
		"File with the token of the rule's target. Without one, the rules of every customer of the vendor are as good as yours.")
	flags.StringVar(&o.CloudMonitorTokenFile, "events-cloudmonitor-token-file", "",
		"File with the token that CloudMonitor's webhook carries, which is not signed. Empty: no events of CloudMonitor are received.")
	flags.StringVar(&o.CertificateFile, "events-certificate-file", "",
		"File with the certificate that EventBridge signs with. Empty: it is fetched from the vendor's hosts of --events-regions.")
	flags.Func("events-regions",
		"Regions whose EventBridge rules may send events, separated by commas: its certificate is fetched from the hosts of these only.", list(&o.Regions))
	flags.Func("events-certificate-sha256",
		"SHA-256 of the public keys that EventBridge may sign with, in hexadecimal, separated by commas. Empty: any key whose certificate is fetched from those hosts.",
		list(&o.CertificatePins))
	flags.BoolVar(&o.AcceptHMAC, "events-accept-hmac", false, "Accept EventBridge's older signatures, too, which prove next to nothing; needs --events-token-file.")
	flags.BoolVar(&o.Secure, "events-secure", true, "Receive events by HTTPS. False is for where all that reaches the address has come by TLS as far as an Ingress.")
	flags.StringVar(&o.TLSCertFile, "events-tls-cert-file", "", "File with the certificate to receive events with; read again when it changes.")
	flags.StringVar(&o.TLSKeyFile, "events-tls-key-file", "", "File with the key of --events-tls-cert-file.")
	flags.StringVar(&o.PodIP, "events-pod-ip", "", "Where the other replicas reach this one, to pass events on to the one that works. Empty: $POD_IP.")
	flags.DurationVar(&o.PollingInterval, "events-polling-interval", defaultPollingInterval,
		"How often runs are asked about whose ends are announced by events, once these have proved reliable; 0 asks as often as without events.")
}

// defaultPollingInterval is the safety net below events: an end that is not announced is found by then.
const defaultPollingInterval = 5 * time.Minute

// pollingInterval is that of the engine, 0 where no events are received.
func (o *EventsOptions) pollingInterval() time.Duration {
	if !o.enabled() {
		return 0
	}
	return o.PollingInterval
}

// enabled says whether events are received.
func (o *EventsOptions) enabled() bool { return o.BindAddress != "" && o.BindAddress != "0" }

// validate says everything that is wrong with the flags.
func (o *EventsOptions) validate() (problems []error) {
	if !o.enabled() {
		return nil
	}
	if _, _, err := net.SplitHostPort(o.BindAddress); err != nil {
		problems = append(problems, fmt.Errorf("--events-bind-address: %q is not an address such as :9443", o.BindAddress))
	}
	if o.PublicURL == "" && o.CloudMonitorTokenFile == "" {
		problems = append(problems, errors.New("--events-public-url: name the URL that the target of the EventBridge rule names, such as https://events.example.com/eventbridge"))
	}
	if o.PollingInterval != 0 && o.PollingInterval < time.Minute {
		problems = append(problems, fmt.Errorf("--events-polling-interval: %v is below a minute, at which runs are asked about anyway; give 1m or more, or 0", o.PollingInterval))
	}
	if o.PublicURL != "" {
		problems = append(problems, o.validateEventBridge()...)
	}
	if (o.TLSCertFile == "") != (o.TLSKeyFile == "") || o.Secure && o.TLSCertFile == "" {
		problems = append(problems, errors.New("--events-tls-cert-file, --events-tls-key-file: name both; or leave TLS to what is in front of the operator, with --events-secure=false"))
	}
	if !o.Secure && o.TLSCertFile != "" {
		problems = append(problems, errors.New("--events-secure: false, but there is --events-tls-cert-file; leave out one of them"))
	}
	return problems
}

func (o *EventsOptions) validateEventBridge() (problems []error) {
	nowhere := events.NewCertificateFile("", clock.RealClock{})
	if _, err := events.NewVerifier(events.VerifierOptions{PublicURL: o.PublicURL, Clock: clock.RealClock{}, Certificates: nowhere}); err != nil {
		problems = append(problems, fmt.Errorf("--events-public-url: %w", err))
	}
	if o.AcceptHMAC && o.TokenFile == "" {
		problems = append(problems, errors.New("--events-accept-hmac: whoever has received one such event can forge others; it needs --events-token-file"))
	}
	switch {
	case o.CertificateFile == "":
		if _, err := events.NewCertificateStore(events.CertificateStoreOptions{RegionIDs: o.Regions, Clock: clock.RealClock{}}); err != nil {
			return append(problems, fmt.Errorf("--events-regions: %w", err))
		}
		if o.CertificatePins != nil && len(o.CertificatePins) == 0 {
			problems = append(problems, errors.New("--events-certificate-sha256: it names no key; leave it out to take any key"))
		}
		if _, err := events.NewCertificateStore(o.certificates()); err != nil {
			problems = append(problems, fmt.Errorf("--events-certificate-sha256: %w", err))
		}
	case len(o.CertificatePins) > 0:
		problems = append(problems, errors.New("--events-certificate-sha256: it is for what is fetched; leave it out beside --events-certificate-file"))
	}
	return problems
}

// strangersWaiting is how many requests may wait for certificates where no token keeps strangers from naming any: half of those
// that are judged at a time.
const strangersWaiting = 32

// certificates are the options of whoever fetches them.
func (o *EventsOptions) certificates() events.CertificateStoreOptions {
	options := events.CertificateStoreOptions{RegionIDs: o.Regions, Pins: o.CertificatePins, Clock: clock.RealClock{}}
	if o.TokenFile == "" {
		options.MaxWaiting = strangersWaiting
	}
	return options
}
