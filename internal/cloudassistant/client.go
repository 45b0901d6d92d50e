package cloudassistant

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/utils/clock"
)

const (
	defaultCallTimeout      = 20 * time.Second
	defaultMaxResponseBytes = 8 << 20
	defaultSTSHost          = "sts.aliyuncs.com"
)

// Options configure a Client. The zero value is what production wants.
type Options struct {
	// Endpoint is where ECS is asked instead of each region's public endpoint: an http or https URL, or
	// host[:port], which means https. For the emulator, a VPC endpoint or a gateway. It serves all regions.
	Endpoint string
	// STSEndpoint is the same for the Security Token Service. Empty means sts.aliyuncs.com, or what
	// ALIBABA_CLOUD_STS_REGION and ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED make of it, as in the vendor's SDKs.
	STSEndpoint string
	// Version of this program, for the user agent. Empty means "devel".
	Version string
	// Transport carries the requests; nil means one of the client's own, which pools connections and honours
	// HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Whatever it is, it sees signed requests and must not log them.
	Transport http.RoundTripper
	// CallTimeout bounds one call from dialling to the last byte, besides the caller's context. 0 means 20 s.
	CallTimeout time.Duration
	// MaxResponseBytes bounds one response body. 0 means 8 MiB; a page of 50 full outputs is 1.6 MB.
	MaxResponseBytes int64
	// Clock tells when credentials expire; nil means the real one.
	Clock clock.PassiveClock
}

// Client sends signed calls to ECS and to the Security Token Service. It holds no credentials: Session,
// AssumeRole and AccountID are given them. One client serves all identities and regions, so that connections
// are pooled. It is safe for many goroutines, and never follows a redirect, for it would carry the signature.
//
// The vendor's SDK builds and signs the requests, and does nothing else: its own way of sending is neither
// safe for many goroutines nor does it know contexts, and its answers cannot tell an absent exit code from 0.
// As a side effect its DEBUG=sdk, which prints signed requests, has nothing to print.
type Client struct {
	http             *http.Client
	ecs              *endpoint // nil: by region
	sts              endpoint
	userAgent        string
	callTimeout      time.Duration
	maxResponseBytes int64
	clock            clock.PassiveClock
}

// New returns a Client. It fails when an endpoint is neither a URL nor a host.
func New(opts Options) (*Client, error) {
	c := &Client{
		http: &http.Client{
			Transport:     opts.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		sts:              defaultSTSEndpoint(),
		userAgent:        "cloud-assistant-operator/devel",
		callTimeout:      defaultCallTimeout,
		maxResponseBytes: defaultMaxResponseBytes,
		clock:            clock.RealClock{},
	}
	if opts.Transport == nil {
		c.http.Transport = newTransport()
	}
	if opts.Endpoint != "" {
		parsed, err := parseEndpoint(opts.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("the ECS endpoint is not usable: %w", err)
		}
		c.ecs = &parsed
	}
	if opts.STSEndpoint != "" {
		parsed, err := parseEndpoint(opts.STSEndpoint)
		if err != nil {
			return nil, fmt.Errorf("the STS endpoint is not usable: %w", err)
		}
		c.sts = parsed
	}
	if opts.Version != "" {
		c.userAgent = "cloud-assistant-operator/" + opts.Version
	}
	if opts.CallTimeout > 0 {
		c.callTimeout = opts.CallTimeout
	}
	if opts.MaxResponseBytes > 0 {
		c.maxResponseBytes = opts.MaxResponseBytes
	}
	if opts.Clock != nil {
		c.clock = opts.Clock
	}
	return c, nil
}

// CloseIdleConnections closes the pooled connections that no call is using.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        100,
		MaxIdleConnsPerHost: 16,
		// Shorter than the gateways' own: a connection that the other side closes just as it is reused
		// fails the call, since a POST is not sent twice.
		IdleConnTimeout: 30 * time.Second,
	}
}

// endpoint is where one service is reached.
type endpoint struct {
	scheme string // HTTP or HTTPS, as the SDK spells them
	host   string // with the port, if one was given
}

// parseEndpoint reads an http or https URL, or host[:port]. A path, a query or a user is refused, since the
// RPC style has no place for them.
func parseEndpoint(text string) (endpoint, error) {
	raw := text
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	parsed, err := url.Parse(raw)
	// The text itself stays out of the errors: a URL may hold a password.
	switch {
	case err != nil:
		return endpoint{}, fmt.Errorf("it is not a URL; give https://host[:port], http://host[:port] or host[:port]")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return endpoint{}, fmt.Errorf("its scheme is %q; it must be http or https", parsed.Scheme)
	case parsed.Hostname() == "":
		return endpoint{}, fmt.Errorf("it names no host; give https://host[:port], http://host[:port] or host[:port]")
	case parsed.User != nil || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		return endpoint{}, fmt.Errorf("it must be only a scheme, a host and a port, without user, path or query")
	}
	return endpoint{scheme: strings.ToUpper(parsed.Scheme), host: parsed.Host}, nil
}

// defaultSTSEndpoint follows the environment variables that the vendor's SDKs know; the hook that injects
// RAM roles into the pods of a cluster sets them where the public endpoint cannot be reached.
func defaultSTSEndpoint() endpoint {
	region := os.Getenv("ALIBABA_CLOUD_STS_REGION")
	if !regionPattern.MatchString(region) {
		return endpoint{scheme: "HTTPS", host: defaultSTSHost}
	}
	prefix := "sts."
	if strings.EqualFold(os.Getenv("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"), "true") {
		prefix = "sts-vpc."
	}
	return endpoint{scheme: "HTTPS", host: prefix + region + ".aliyuncs.com"}
}

// regionPattern is what a region ID looks like, as in the CRD. A region ID becomes a host name: without this
// check a crafted one would send the signed request to a host of its author's choice.
var regionPattern = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)

const maxRegionBytes = 63 // of one label in a host name

// specialEndpoints are the regions whose host name does not follow the pattern. The SDK fills its table on
// first use without a lock.
var specialEndpoints = sync.OnceValue(ecs.GetEndpointMap)

// ecsEndpoint is where the region's ECS is asked.
func (c *Client) ecsEndpoint(regionID string) (endpoint, error) {
	if !regionPattern.MatchString(regionID) || len(regionID) > maxRegionBytes {
		return endpoint{}, &Error{
			Class: ClassInvalid, Code: CodeInvalidRegion,
			Message: "the region ID must look like cn-hangzhou: lower-case words joined by hyphens",
		}
	}
	if c.ecs != nil {
		return *c.ecs, nil
	}
	if host, special := specialEndpoints()[regionID]; special {
		return endpoint{scheme: "HTTPS", host: host}, nil
	}
	return endpoint{scheme: "HTTPS", host: "ecs." + regionID + ".aliyuncs.com"}, nil
}
