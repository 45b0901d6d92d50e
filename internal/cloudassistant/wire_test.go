package cloudassistant

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The vector that the vendor publishes for its RPC signature, and one captured from its SDK.
func TestRPCSignatureVectors(t *testing.T) {
	for _, tc := range []struct{ method, query, want string }{
		{
			"GET", "AccessKeyId=testid&Action=DescribeRegions&Format=XML&SignatureMethod=HMAC-SHA1&" +
				"SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0&" +
				"Timestamp=2016-02-23T12%3A46%3A24Z&Version=2014-05-26", "OLeaidS1JvxuMvnyHOwuJ+uX5qY=",
		},
		{
			"POST", "AccessKeyId=testid&Action=DescribeInvocationResults&Format=JSON&IncludeHistory=true&" +
				"InvokeId=t-hz0%2A%281%29%21%27~+%2B%2F%E4%B8%AD&MaxResults=2&RegionId=cn-beijing&" +
				"SignatureMethod=HMAC-SHA1&SignatureNonce=04f1f108b3c2045b750699eb931e8d1f&SignatureType=&" +
				"SignatureVersion=1.0&Tag.1.Key=k1&Tag.1.Value=v+1&Tag.2.Key=k2&" +
				"Timestamp=2026-11-23T15%3A19%3A11Z&Version=2014-05-26", "5Ui8EUNR2BbX83WOYonp9qRMOM4=",
		},
	} {
		parameters, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := rpcSignature(tc.method, parameters, "testsecret"); got != tc.want {
			t.Errorf("signature %s, want %s", got, tc.want)
		}
	}
}

// captured is one request as it arrived.
type captured struct {
	method, path, host string
	query              url.Values
	header             http.Header
}

func capture(into *[]captured, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*into = append(*into, captured{
			method: r.Method, path: r.URL.Path, host: r.Host, query: r.URL.Query(), header: r.Header.Clone(),
		})
		answer(w, r)
	}
}

// business returns the parameters that are not part of every call.
func (c captured) business() map[string]string {
	common := []string{
		"AccessKeyId", "Action", "Format", "SecurityToken", "Signature", "SignatureMethod", "SignatureNonce",
		"SignatureType", "SignatureVersion", "Timestamp", "Version",
	}
	rest := map[string]string{}
	for name, values := range c.query {
		if !slices.Contains(common, name) {
			rest[name] = strings.Join(values, "|")
		}
	}
	return rest
}

func TestRequestParameters(t *testing.T) {
	for _, tc := range []struct {
		name   string
		query  Query
		paging Paging
		want   map[string]string
	}{
		{
			"the least",
			Query{RegionID: "cn-hangzhou"},
			Paging{},
			map[string]string{"RegionId": "cn-hangzhou", "ContentEncoding": "Base64"},
		},
		{
			"everything, by token",
			Query{
				RegionID: "ap-southeast-1", ResourceGroupID: "rg-bp67acfmxazb4p", InvokeID: "t-hz0jdfwd9f",
				InstanceID: "i-bp1i7gg30r52z2em", CommandID: "c-hz0jdfwcsr", InvokeRecordStatus: RecordRunning,
				IncludeHistory: true, ContentEncoding: EncodingPlainText,
				Tags: []Tag{{Key: "deploy", Value: "9f3c 2e1+/=&*~中"}, {Key: "empty"}},
			},
			Paging{MaxResults: 50, NextToken: "AAAA+/dWBF2="},
			map[string]string{
				"RegionId": "ap-southeast-1", "ResourceGroupId": "rg-bp67acfmxazb4p", "InvokeId": "t-hz0jdfwd9f",
				"InstanceId": "i-bp1i7gg30r52z2em", "CommandId": "c-hz0jdfwcsr", "InvokeRecordStatus": "Running",
				"IncludeHistory": "true", "ContentEncoding": "PlainText",
				"Tag.1.Key": "deploy", "Tag.1.Value": "9f3c 2e1+/=&*~中", "Tag.2.Key": "empty", "Tag.2.Value": "",
				"MaxResults": "50", "NextToken": "AAAA+/dWBF2=",
			},
		},
		{
			"by page number",
			Query{RegionID: "cn-hangzhou"},
			Paging{PageNumber: 3, PageSize: 20},
			map[string]string{
				"RegionId": "cn-hangzhou", "ContentEncoding": "Base64", "PageNumber": "3", "PageSize": "20",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var requests []captured
			client := newTestClient(t, newTestServer(t, capture(&requests, respond(200, emptyPage))))
			_, err := client.Session(Static(testCredentials), "1").
				DescribeInvocationResults(t.Context(), tc.query, tc.paging)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, requests[0].business()); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			if got := rpcSignature(requests[0].method, requests[0].query, testCredentials.AccessKeySecret); got != requests[0].query.Get("Signature") {
				t.Errorf("signed %s, want %s", requests[0].query.Get("Signature"), got)
			}
		})
	}
}

func TestCommonParameters(t *testing.T) {
	var requests []captured
	server := newTestServer(t, capture(&requests, respond(200, emptyPage)))
	client := newTestClient(t, server, func(o *Options) { o.Version = "1.2.3" })
	for _, credentials := range []Credentials{
		testCredentials,
		{AccessKeyID: testCredentials.AccessKeyID, AccessKeySecret: testCredentials.AccessKeySecret},
	} {
		_, err := client.Session(Static(credentials), "1").
			DescribeInvocationResults(t.Context(), Query{RegionID: "cn-hangzhou"}, Paging{})
		if err != nil {
			t.Fatal(err)
		}
	}
	first, second := requests[0], requests[1]
	if first.method != http.MethodPost || first.path != "/" || first.host != strings.TrimPrefix(server.URL, "http://") {
		t.Errorf("sent %s %s to %s", first.method, first.path, first.host)
	}
	for name, want := range map[string]string{
		"Action": "DescribeInvocationResults", "Version": "2014-05-26", "Format": "JSON",
		"AccessKeyId": testCredentials.AccessKeyID, "SecurityToken": testCredentials.SecurityToken,
		"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
	} {
		if got := first.query.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := first.header.Get("User-Agent"); got != "cloud-assistant-operator/1.2.3" {
		t.Errorf("user agent %q", got)
	}
	if sent := date(t, first.query.Get("Timestamp")); time.Since(sent).Abs() > time.Minute {
		t.Errorf("timestamp %s", sent)
	}
	if second.query.Has("SecurityToken") {
		t.Error("a permanent key was sent with a security token")
	}
	if first.query.Get("SignatureNonce") == second.query.Get("SignatureNonce") {
		t.Error("a nonce was used twice")
	}
}

func TestEndpoints(t *testing.T) {
	for _, tc := range []struct{ endpoint, region, want string }{
		{"", "cn-hangzhou", "HTTPS ecs-cn-hangzhou.aliyuncs.com"}, // the SDK's table knows better than the pattern
		{"", "cn-beijing", "HTTPS ecs.cn-beijing.aliyuncs.com"},
		{"", "eu-central-1", "HTTPS ecs.eu-central-1.aliyuncs.com"},
		{"ecs-vpc.cn-beijing.aliyuncs.com", "cn-beijing", "HTTPS ecs-vpc.cn-beijing.aliyuncs.com"},
		{"proxy:8443", "cn-beijing", "HTTPS proxy:8443"},
		{"127.0.0.1:8080", "cn-beijing", "HTTPS 127.0.0.1:8080"},
		{"[::1]:8080", "cn-beijing", "HTTPS [::1]:8080"},
		{"http://127.0.0.1:8080/", "cn-beijing", "HTTP 127.0.0.1:8080"},
		{"HTTPS://Proxy", "cn-beijing", "HTTPS Proxy"},
	} {
		client, err := New(Options{Endpoint: tc.endpoint})
		if err != nil {
			t.Errorf("New(%q): %v", tc.endpoint, err)
			continue
		}
		at, err := client.ecsEndpoint(tc.region)
		if got := at.scheme + " " + at.host; err != nil || got != tc.want {
			t.Errorf("%s at %q: %s, %v; want %s", tc.region, tc.endpoint, got, err, tc.want)
		}
	}
}

func TestUnusableEndpoints(t *testing.T) {
	for _, text := range []string{
		"ftp://host", "http://", ":8080", "http://user:hunter2@host", "http://host/path", "http://host/?hunter2",
		"http://host/#x", "http://hunter2\x7f", "host name:hunter2",
	} {
		for which, opts := range map[string]Options{"ECS": {Endpoint: text}, "STS": {STSEndpoint: text}} {
			_, err := New(opts)
			if err == nil {
				t.Errorf("New took %q for a %s endpoint", text, which)
			} else if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), which+" endpoint") {
				t.Errorf("error for %q as %s endpoint: %v", text, which, err)
			}
		}
	}
}

func TestSTSEndpoint(t *testing.T) {
	for _, tc := range []struct{ region, vpc, option, want string }{
		{"", "", "", "HTTPS sts.aliyuncs.com"},
		{"cn-beijing", "", "", "HTTPS sts.cn-beijing.aliyuncs.com"},
		{"cn-beijing", "TRUE", "", "HTTPS sts-vpc.cn-beijing.aliyuncs.com"},
		{"evil.example/", "true", "", "HTTPS sts.aliyuncs.com"},
		{"cn-beijing", "true", "http://127.0.0.1:1", "HTTP 127.0.0.1:1"},
	} {
		t.Setenv("ALIBABA_CLOUD_STS_REGION", tc.region)
		t.Setenv("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", tc.vpc)
		client, err := New(Options{STSEndpoint: tc.option})
		if err != nil {
			t.Fatal(err)
		}
		if got := client.sts.scheme + " " + client.sts.host; got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// A region ID becomes a host name. One that would send the signed request elsewhere is refused unsent.
func TestImpossibleRegions(t *testing.T) {
	var requests []captured
	client := newTestClient(t, newTestServer(t, capture(&requests, respond(200, emptyPage))))
	for _, region := range []string{
		"", "cn", "CN-HANGZHOU", "cn-hangzhou.evil.example", "cn-hangzhou/", "evil.example#", "cn-hangzhou\n",
		"user@evil-example", "cn-" + strings.Repeat("x", 61),
	} {
		_, err := client.Session(Static(testCredentials), "1").
			DescribeInvocationResults(t.Context(), Query{RegionID: region}, Paging{})
		wantError(t, err, ClassInvalid, CodeInvalidRegion)
	}
	if len(requests) > 0 {
		t.Errorf("%d requests were sent", len(requests))
	}
}

// The vendor's SDK prints signed requests when DEBUG=sdk. It reads that when the program starts, hence the
// test starts one: itself.
func TestDebugPrintsNothing(t *testing.T) {
	if os.Getenv("DEBUG") == "sdk" {
		if _, err := askServer(t, respond(400, `{"Code":"SignatureDoesNotMatch","Message":"server string to sign is:POST"}`)); ClassOf(err) != ClassDenied {
			t.Fatalf("error %v", err)
		}
		if _, err := askServer(t, respond(200, emptyPage)); err != nil {
			t.Fatal(err)
		}
		return
	}
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDebugPrintsNothing$", "-test.v=true")
	run.Env = append(os.Environ(), "DEBUG=sdk")
	output, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: TestDebugPrintsNothing") {
		t.Fatalf("%v:\n%s", err, output)
	}
	for _, trace := range []string{"Signature", "AccessKeyId", "string to sign", testCredentials.AccessKeyID} {
		if strings.Contains(string(output), trace) {
			t.Errorf("%q was printed:\n%s", trace, output)
		}
	}
}
