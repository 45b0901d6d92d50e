package app_test

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
)

func parse(t *testing.T, args ...string) (app.Options, error) {
	t.Helper()
	var options app.Options
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(&bytes.Buffer{})
	options.Bind(flags)
	if err := flags.Parse(args); err != nil {
		return options, err
	}
	return options, options.Validate()
}

// events are flags with which events are received, and then some.
func events(more ...string) []string {
	return append([]string{
		"--events-bind-address=:9443", "--events-public-url=" + eventsURL, "--events-regions=" + region, "--events-tls-cert-file=c", "--events-tls-key-file=k",
	}, more...)
}

func TestFlagsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"endpoint with a path":         {[]string{"--ecs-endpoint=http://h/x"}, "--ecs-endpoint: must be an http(s) URL or a host"},
		"endpoint of another kind":     {[]string{"--ecs-endpoint=ftp://h"}, "--ecs-endpoint: must be"},
		"endpoint with a user":         {[]string{"--sts-endpoint=https://u:hunter2@h"}, "--sts-endpoint: must be"},
		"endpoint with a query":        {[]string{"--ecs-endpoint=h?x=y"}, "--ecs-endpoint: must be"},
		"status of a few bytes":        {[]string{"--max-status-bytes=100"}, "--max-status-bytes: 100 is outside 8192 to 1048576"},
		"status beyond etcd":           {[]string{"--max-status-bytes=2000000"}, "--max-status-bytes: 2000000 is outside"},
		"no calls":                     {[]string{"--api-qps=0"}, "--api-qps: 0 must be greater than 0"},
		"no burst":                     {[]string{"--api-burst=0"}, "--api-burst: 0 must be at least 1"},
		"negative time to live":        {[]string{"--default-ttl=-1h"}, "--default-ttl: -1h0m0s must not be negative"},
		"unknown policy":               {[]string{"--max-output-policy=All"}, "must be one of [None Tail Secret]"},
		"more by default than at most": {[]string{"--default-output-policy=Secret"}, "--default-output-policy: Secret needs --max-output-policy=Secret, which is Tail"},
		"events at no address":         {events("--events-bind-address=9443"), `--events-bind-address: "9443" is not an address such as :9443`},
		"events of nobody":             {events("--events-public-url="), "--events-public-url: name the URL that the target"},
		"events to a URL with a user":  {events("--events-public-url=https://u:hunter2@h/"), "--events-public-url: the public URL of the events receiver has a user"},
		"events to no URL":             {events("--events-public-url=events.example.com"), "--events-public-url: the public URL of the events receiver must be"},
		"a pin that is none":           {events("--events-certificate-sha256=AB"), `--events-certificate-sha256: "AB" is not the SHA-256`},
		"no pin at all":                {events("--events-certificate-sha256="), "--events-certificate-sha256: it names no key"},
		"a pin for a file":             {events("--events-certificate-file=f", "--events-certificate-sha256="+strings.Repeat("0f", 32)), "--events-certificate-sha256: it is for what is fetched"},
		"events of no region":          {events("--events-regions="), "--events-regions: no region is named whose EventBridge"},
		"events of a wrong region":     {events("--events-regions=cn-hangzhou,evil.example.com/"), `--events-regions: "evil.example.com/" is not a region ID`},
		"old signatures, no token":     {events("--events-accept-hmac"), "--events-accept-hmac: whoever has received"},
		"events without a certificate": {events("--events-tls-cert-file=", "--events-tls-key-file="), "--events-tls-cert-file, --events-tls-key-file: name both"},
		"events without a key":         {events("--events-tls-key-file="), "--events-tls-cert-file, --events-tls-key-file: name both"},
		"events with and without TLS":  {events("--events-secure=false"), "--events-secure: false, but there is --events-tls-cert-file"},
		"several":                      {[]string{"--api-qps=0", "--api-burst=0"}, "--api-burst: 0"},
	} {
		_, err := parse(t, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v is refused with %v, want %q", name, test.args, err, test.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the refusal repeats a password: %v", name, err)
		}
	}
}

func TestFlagsThatAreRight(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"", "ecs-vpc.cn-hangzhou.aliyuncs.com", "http://127.0.0.1:8080", "https://proxy.example.com/", "[::1]:8080"} {
		if _, err := parse(t, "--ecs-endpoint="+endpoint); err != nil {
			t.Errorf("--ecs-endpoint=%s is refused: %v", endpoint, err)
		}
	}
	for name, args := range map[string][]string{
		"events":                         events("--events-token-file=t"),
		"old ones, too":                  events("--events-accept-hmac", "--events-token-file=t"),
		"a pinned key":                   events("--events-certificate-sha256=" + strings.Repeat("0f", 32)),
		"a certificate from a file":      events("--events-regions=", "--events-certificate-file=f"),
		"TLS that ends elsewhere":        events("--events-secure=false", "--events-tls-cert-file=", "--events-tls-key-file="),
		"those of CloudMonitor only":     events("--events-public-url=", "--events-regions=", "--events-cloudmonitor-token-file=t"),
		"none, and what would be wrong":  {"--events-bind-address=0", "--events-public-url=x"},
		"none, and what would be wrong,": {"--events-accept-hmac"},
	} {
		if _, err := parse(t, args...); err != nil {
			t.Errorf("%s are refused: %v", name, err)
		}
	}
	options, err := parse(t, "--watch-namespaces=a, b,,c", "--default-credentials-namespaces=")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(options.WatchNamespaces, "|"); got != "a|b|c" {
		t.Errorf("--watch-namespaces is read as %s", got)
	}
	if options.DefaultCredentialsNamespaces == nil || len(options.DefaultCredentialsNamespaces) != 0 {
		t.Errorf("an empty --default-credentials-namespaces is read as %v, want a list of none", options.DefaultCredentialsNamespaces)
	}
	if unset, _ := parse(t); unset.DefaultCredentialsNamespaces != nil {
		t.Errorf("an unset --default-credentials-namespaces is read as %v, want nil", unset.DefaultCredentialsNamespaces)
	}
}
