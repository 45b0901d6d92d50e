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
