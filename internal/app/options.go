// Package app wires the operator together: flags, manager, client, engine, controller, health.
package app

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// Options are the operator's flags.
type Options struct {
	ECSEndpoint string
	STSEndpoint string

	WatchNamespaces              []string
	WatchLabelSelector           string
	DefaultCredentialsNamespaces []string

	LeaderElect            bool
	LeaderElectNamespace   string
	LeaderElectID          string
	MetricsBindAddress     string
	MetricsSecure          bool
	HealthProbeBindAddress string

	MaxStatusBytes      int
	DefaultOutputPolicy v1alpha1.OutputPolicy
	MaxOutputPolicy     v1alpha1.OutputPolicy
	DefaultTTL          time.Duration

	APIQPS   float64
	APIBurst int

	Events EventsOptions

	// AskSingly asks about each run by itself, to measure what asking together saves.
	AskSingly bool

	// Clock is where the time of observations comes from; nil means the real one. Credentials, which others judge by
	// the real time, and the lease do not follow it.
	Clock clock.WithTicker

	skipNameValidation bool
	// metrics is where the operator's metrics are registered; nil means where the manager serves them from.
	metrics prometheus.Registerer
}

// The bounds of --max-status-bytes. etcd refuses requests over 1.5 MiB; below 8 KiB not even the conditions fit.
const (
	minStatusBytes = 8 << 10
	maxStatusBytes = 1 << 20
)

// outputPolicies in the order of how much they bring into the cluster.
var outputPolicies = []v1alpha1.OutputPolicy{v1alpha1.OutputNone, v1alpha1.OutputTail, v1alpha1.OutputSecret}

// Bind registers the flags with their defaults.
func (o *Options) Bind(flags *flag.FlagSet) {
	flags.StringVar(&o.ECSEndpoint, "ecs-endpoint", "",
		"Where the ECS API is, for all regions: an http(s) URL or a host (an emulator, a VPC endpoint, a proxy). Empty: the vendor's public endpoint of each region, by HTTPS.")
	flags.StringVar(&o.STSEndpoint, "sts-endpoint", "",
		"Where the STS API is, used for role ARNs and to learn the account: an http(s) URL or a host. Empty: the vendor's public endpoint, or --ecs-endpoint if that is an http URL.")
	flags.Func("watch-namespaces", "Namespaces to watch, separated by commas. Empty: all.", list(&o.WatchNamespaces))
	flags.StringVar(&o.WatchLabelSelector, "watch-label-selector", "",
		"Observe only results with these labels, such as shard=a; to divide the work among several operators, each with a --leader-elect-id of its own. Empty: all.")
	flags.Func("default-credentials-namespaces",
		"Namespaces whose resources may use the operator's own credentials, separated by commas; all others need spec.credentials.secretRef. Unset: all may. Empty: none may.", list(&o.DefaultCredentialsNamespaces))
	flags.BoolVar(&o.LeaderElect, "leader-elect", true, "Let one of several replicas work, chosen by a Lease.")
	flags.StringVar(&o.LeaderElectNamespace, "leader-elect-namespace", "", "Namespace of the Lease. Empty: the pod's own, or $POD_NAMESPACE.")
	flags.StringVar(&o.LeaderElectID, "leader-elect-id", leaseID, "Name of the Lease; operators that divide the work need different ones.")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", ":8443", "Address of the metrics; 0 for none.")
	flags.BoolVar(&o.MetricsSecure, "metrics-secure", true, "Serve metrics by HTTPS, to whom the API server allows to get /metrics.")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz; 0 for none.")
	flags.IntVar(&o.MaxStatusBytes, "max-status-bytes", 96<<10, "The most bytes that a status may take, from 8192 to 1048576.")
	flags.Func("default-output-policy", "What becomes of output where spec.output.policy is not set: None, Tail or Secret (default Tail).", policy(&o.DefaultOutputPolicy))
	flags.Func("max-output-policy", "The most that spec.output.policy may ask for: None, Tail or Secret (default Tail). Secret needs the right to write Secrets: config/output-secrets.", policy(&o.MaxOutputPolicy))
	flags.DurationVar(&o.DefaultTTL, "default-ttl", 0, "Delete completed resources that set no ttlSecondsAfterFinished after this long, such as 168h; 0 keeps them.")
	flags.Float64Var(&o.APIQPS, "api-qps", 5, "The most calls a second to the ECS API, for each account and region.")
	flags.IntVar(&o.APIBurst, "api-burst", 10, "The most calls at once to the ECS API, for each account and region.")
	o.Events.bind(flags)
	o.DefaultOutputPolicy, o.MaxOutputPolicy = v1alpha1.OutputTail, v1alpha1.OutputTail
}

// Validate says everything that is wrong with the flags.
func (o *Options) Validate() error {
	var problems []error
	for name, endpoint := range map[string]string{"ecs-endpoint": o.ECSEndpoint, "sts-endpoint": o.STSEndpoint} {
		if err := validEndpoint(endpoint); err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", name, err))
		}
	}
	if _, err := labels.Parse(o.WatchLabelSelector); err != nil {
		problems = append(problems, fmt.Errorf("--watch-label-selector: %w; give a selector such as shard=a or shard notin (a,b)", err))
	}
	if o.LeaderElect && o.LeaderElectID == "" {
		problems = append(problems, errors.New("--leader-elect-id: must not be empty; leave it out, or name a Lease that the operator may get and update"))
	}
	if o.MaxStatusBytes < minStatusBytes || o.MaxStatusBytes > maxStatusBytes {
		problems = append(problems, fmt.Errorf("--max-status-bytes: %d is outside %d to %d", o.MaxStatusBytes, minStatusBytes, maxStatusBytes))
	}
	if o.APIQPS <= 0 {
		problems = append(problems, fmt.Errorf("--api-qps: %v must be greater than 0", o.APIQPS))
	}
	if o.APIBurst < 1 {
		problems = append(problems, fmt.Errorf("--api-burst: %d must be at least 1", o.APIBurst))
	}
	if o.DefaultOutputPolicy == v1alpha1.OutputSecret && o.MaxOutputPolicy != v1alpha1.OutputSecret {
		problems = append(problems, fmt.Errorf("--default-output-policy: Secret needs --max-output-policy=Secret, which is %s", o.MaxOutputPolicy))
	}
	if o.DefaultTTL < 0 {
		problems = append(problems, fmt.Errorf("--default-ttl: %v must not be negative", o.DefaultTTL))
	}
	problems = append(problems, o.Events.validate()...)
	return errors.Join(problems...)
}

func validEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	// The parser's own error would repeat the URL, and with it a password that does not belong there.
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.User != nil || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" ||
		parsed.Scheme != "http" && parsed.Scheme != "https" {
		return errors.New("must be an http(s) URL or a host, without user, path and query, such as ecs-vpc.cn-hangzhou.aliyuncs.com or http://127.0.0.1:8080")
	}
	return nil
}

// list parses a list separated by commas. An empty one is not nil.
func list(into *[]string) func(string) error {
	return func(value string) error {
		*into = []string{}
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*into = append(*into, item)
			}
		}
		return nil
	}
}

func policy(into *v1alpha1.OutputPolicy) func(string) error {
	return func(value string) error {
		if !slices.Contains(outputPolicies, v1alpha1.OutputPolicy(value)) {
			return fmt.Errorf("must be one of %v", outputPolicies)
		}
		*into = v1alpha1.OutputPolicy(value)
		return nil
	}
}
