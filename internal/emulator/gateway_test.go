package emulator_test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

const list = "DescribeInvocationResults"

func TestGatewayRefusesRPCRequests(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := newBench(t, emulator.Options{
		Clock: clocktesting.NewFakeClock(now),
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: testSecret},
			{ID: "disabled", Secret: testSecret, Disabled: true},
			{ID: "temporary", Secret: testSecret, SecurityToken: "token"},
			{ID: "expired", Secret: testSecret, SecurityToken: "token", ExpiresAt: now},
		},
	})
	tests := []struct {
		name   string
		change func(url.Values)
		status int
		code   string
	}{
		{"no action", func(v url.Values) { v.Del("Action") }, 400, "MissingAction"},
		{"no version", func(v url.Values) { v.Del("Version") }, 400, "MissingVersion"},
		{"a version that does not exist", func(v url.Values) { v.Set("Version", "2013-01-10") }, 400, "InvalidVersion"},
		{"an action that does not exist", func(v url.Values) { v.Set("Action", "RebootMars") }, 404, "InvalidAction.NotFound"},
		{"an action of another version", func(v url.Values) { v.Set("Version", "2015-04-01") }, 404, "InvalidAction.NotFound"},
		{"no access key", func(v url.Values) { v.Del("AccessKeyId") }, 400, "MissingAccessKeyId"},
		{"unknown access key", func(v url.Values) { v.Set("AccessKeyId", "nobody") }, 404, "InvalidAccessKeyId.NotFound"},
		{"disabled access key", func(v url.Values) { v.Set("AccessKeyId", "disabled") }, 400, "InvalidAccessKeyId.Inactive"},
		{"no security token", func(v url.Values) { v.Set("AccessKeyId", "temporary") }, 400, "MissingSecurityToken"},
		{"another security token", func(v url.Values) {
			v.Set("AccessKeyId", "temporary")
			v.Set("SecurityToken", "other")
		}, 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"a security token too many", func(v url.Values) { v.Set("SecurityToken", "other") }, 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"expired credentials", func(v url.Values) {
			v.Set("AccessKeyId", "expired")
			v.Set("SecurityToken", "token")
		}, 400, "InvalidSecurityToken.Expired"},
		{"no timestamp", func(v url.Values) { v.Del("Timestamp") }, 400, "MissingTimestamp"},
		{"a timestamp without Z", func(v url.Values) { v.Set("Timestamp", "2026-11-23T12:00:00+00:00") }, 400, "InvalidTimeStamp.Format"},
		{"a timestamp that is none", func(v url.Values) { v.Set("Timestamp", "yesterday") }, 400, "InvalidTimeStamp.Format"},
		{"over 15 minutes old", func(v url.Values) { v.Set("Timestamp", "2026-11-23T11:44:59Z") }, 400, "InvalidTimeStamp.Expired"},
		{"over 15 minutes ahead", func(v url.Values) { v.Set("Timestamp", "2026-11-23T12:15:01Z") }, 400, "InvalidTimeStamp.Expired"},
		{"no nonce", func(v url.Values) { v.Del("SignatureNonce") }, 400, "MissingSignatureNonce"},
		{"another signature method", func(v url.Values) { v.Set("SignatureMethod", "HMAC-MD5") }, 400, "InvalidSignatureMethod"},
		{"another signature version", func(v url.Values) { v.Set("SignatureVersion", "2.0") }, 400, "InvalidSignatureMethod"},
		{"an announced bearer token", func(v url.Values) { v.Set("SignatureType", "BEARERTOKEN") }, 400, "InvalidSignatureMethod"},
		{"a bearer token and nothing else", func(v url.Values) {
			v.Del("AccessKeyId")
			v.Set("BearerToken", "x")
		}, 400, "InvalidSignatureMethod"},
		{"exactly 15 minutes old", func(v url.Values) { v.Set("Timestamp", "2026-11-23T11:45:00Z") }, 200, ""},
		{"temporary credentials", func(v url.Values) {
			v.Set("AccessKeyId", "temporary")
			v.Set("SecurityToken", "token")
		}, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := b.raw(clocktesting.NewFakePassiveClock(now))
			parameters := r.rpc(list, nil)
			tt.change(parameters)
			got := r.send(t, http.MethodPost, "?"+r.sign(http.MethodPost, parameters).Encode(), nil, "")
			got.wantCode(t, tt.status, tt.code)
		})
	}
	t.Run("no signature", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		r.send(t, http.MethodPost, "?"+r.rpc(list, nil).Encode(), nil, "").wantCode(t, 400, "IncompleteSignature")
	})
	t.Run("a nonce used before", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		query := "?" + r.sign(http.MethodGet, r.rpc(list, nil)).Encode()
		r.send(t, http.MethodGet, query, nil, "").wantCode(t, 200, "")
		r.send(t, http.MethodGet, query, nil, "").wantCode(t, 400, "SignatureNonceUsed")
	})
	t.Run("a wrong secret does not use up the nonce", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		parameters := r.rpc(list, nil)
		r.secret = "wrong"
		refused := r.send(t, http.MethodGet, "?"+r.sign(http.MethodGet, parameters).Encode(), nil, "")
		refused.wantCode(t, 400, "SignatureDoesNotMatch")
		if message := refused.object(t)["Message"].(string); !strings.Contains(message, "server string to sign is:GET&%2F&AccessKeyId%3D") {
			t.Errorf("message %q lacks the string to sign", message)
		}
		r.secret = testSecret
		r.send(t, http.MethodGet, "?"+r.sign(http.MethodGet, parameters).Encode(), nil, "").wantCode(t, 200, "")
	})
	t.Run("another method than the signed one", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		query := "?" + r.sign(http.MethodGet, r.rpc(list, nil)).Encode()
		r.send(t, http.MethodPost, query, nil, "").wantCode(t, 400, "SignatureDoesNotMatch")
	})
	t.Run("a method that is not served", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		r.send(t, http.MethodPut, "?"+r.sign(http.MethodPut, r.rpc(list, nil)).Encode(), nil, "").wantCode(t, 405, "UnsupportedHTTPMethod")
	})
	t.Run("a path that is not served", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		r.send(t, http.MethodGet, "v1?"+r.rpc(list, nil).Encode(), nil, "").wantCode(t, 404, "InvalidAction.NotFound")
	})
	t.Run("a body that is too large", func(t *testing.T) {
		r := b.raw(clocktesting.NewFakePassiveClock(now))
		r.send(t, http.MethodPost, "?"+r.rpc(list, nil).Encode(), nil, strings.Repeat("x", 1<<20+1)).wantCode(t, 400, "RequestTooLarge")
	})
	t.Run("a query that cannot be parsed", func(t *testing.T) {
		b.raw(nil).send(t, http.MethodPost, "?Format=JSON&a=%zz", nil, "").wantCode(t, 400, "InvalidParameter")
	})
}

// A nonce is refused for as long as its request could be replayed, and forgotten some time later.
func TestNoncesAreForgotten(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	b := newBench(t, emulator.Options{Clock: fake})
	ask := func() answer {
		r := b.raw(fake)
		parameters := r.rpc(list, url.Values{"SignatureNonce": {"the same"}})
		return r.send(t, http.MethodPost, "?"+r.sign(http.MethodPost, parameters).Encode(), nil, "")
	}
	ask().wantCode(t, 200, "")
	fake.Step(30 * time.Minute)
	ask().wantCode(t, 400, "SignatureNonceUsed")
	fake.Step(31 * time.Minute)
	ask().wantCode(t, 400, "SignatureNonceUsed")
	fake.Step(31 * time.Minute)
	ask().wantCode(t, 200, "")
}

func TestGatewayVerifiesACS3Requests(t *testing.T) {
	b := newBench(t, emulator.Options{AccessKeys: []emulator.AccessKey{
		{ID: testKeyID, Secret: testSecret}, {ID: "temporary", Secret: testSecret, SecurityToken: "token"},
	}})
	parameters := func() url.Values { return pairs("RegionId", testRegion, "Tag.1.Key", "a b*~", "Tag.1.Value", "中+/") }
	tests := []struct {
		name   string
		change func(http.Header)
		status int
		code   string
	}{
		{"as the SDKs sign", nil, 200, ""},
		{"a changed date", func(h http.Header) { h.Set("x-acs-date", "2020-01-01T00:00:00Z") }, 400, "InvalidTimeStamp.Expired"},
		{"a changed nonce", func(h http.Header) { h.Set("x-acs-signature-nonce", "other") }, 400, "SignatureDoesNotMatch"},
		{"no nonce", func(h http.Header) { h.Del("x-acs-signature-nonce") }, 400, "MissingSignatureNonce"},
		{"SM3", func(h http.Header) {
			h.Set("Authorization", "ACS3-HMAC-SM3 Credential=a,SignedHeaders=host,Signature=b")
		}, 400, "InvalidSignatureMethod"},
		{"RSA", func(h http.Header) {
			h.Set("Authorization", "ACS3-RSA-SHA256 Credential=a,SignedHeaders=host,Signature=b")
		}, 400, "InvalidSignatureMethod"},
		{"ACS4", func(h http.Header) {
			h.Set("Authorization", "ACS4-HMAC-SHA256 Credential=a/20261123/cn-hangzhou/ecs/aliyun_v4_request,SignedHeaders=host,Signature=b")
		}, 400, "InvalidSignatureMethod"},
		{"a bearer token", func(h http.Header) { h.Set("Authorization", "Bearer x") }, 400, "InvalidSignatureMethod"},
		{"a bearer token in a header of its own", func(h http.Header) { h.Set("x-acs-bearer-token", "x") }, 400, "InvalidSignatureMethod"},
		{"an announced bearer token", func(h http.Header) { h.Set("x-acs-signature-type", "BEARERTOKEN") }, 400, "InvalidSignatureMethod"},
		{"nothing behind the algorithm", func(h http.Header) { h.Set("Authorization", "ACS3-HMAC-SHA256 ") }, 400, "IncompleteSignature"},
		{"too few headers signed", func(h http.Header) {
			h.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+testKeyID+",SignedHeaders=host;x-acs-date,Signature=ab")
		}, 400, "IncompleteSignature"},
		{"unknown access key", func(h http.Header) {
			h.Set("Authorization", strings.Replace(h.Get("Authorization"), testKeyID, "nobody", 1))
		}, 404, "InvalidAccessKeyId.NotFound"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.raw(nil).acs3(t, parameters(), tt.change, "").wantCode(t, tt.status, tt.code)
		})
	}
	t.Run("with a security token", func(t *testing.T) {
		r := b.raw(nil)
		r.keyID, r.token = "temporary", "token"
		r.acs3(t, parameters(), nil, "").wantCode(t, 200, "")
	})
	t.Run("parameters in a form body", func(t *testing.T) {
		b.raw(nil).acs3(t, nil, nil, parameters().Encode()).wantCode(t, 200, "")
	})
	t.Run("a body that is not the signed one", func(t *testing.T) {
		r := b.raw(nil)
		var header http.Header
		r.acs3(t, parameters(), func(h http.Header) { header = h.Clone() }, "a=b")
		header.Set("x-acs-signature-nonce", header.Get("x-acs-signature-nonce")+"0")
		r.send(t, http.MethodPost, "?"+parameters().Encode(), header, "a=c").wantCode(t, 400, "SignatureDoesNotMatch")
	})
}

func TestFormats(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	ask := func(format, accept, action string) answer {
		parameters := r.rpc(action, pairs("RegionId", testRegion))
		parameters.Del("Format")
		if format != "" {
			parameters.Set("Format", format)
		}
		header := http.Header{}
		if accept != "" {
			header.Set("Accept", accept)
		}
		return r.send(t, http.MethodGet, "?"+r.sign(http.MethodGet, parameters).Encode(), header, "")
	}
	tests := []struct{ name, format, accept, want string }{
		{"Format=JSON", "JSON", "", "application/json;charset=utf-8"},
		{"Format=json", "json", "", "application/json;charset=utf-8"},
		{"Accept", "", "application/json", "application/json;charset=utf-8"},
		{"neither", "", "", "text/xml;charset=utf-8"},
		{"Format=XML", "XML", "application/json", "text/xml;charset=utf-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, action := range []string{"DescribeRegions", "NoSuchAction"} {
				got := ask(tt.format, tt.accept, action)
				if contentType := got.header.Get("Content-Type"); contentType != tt.want {
					t.Errorf("%s: content type %q, want %q", action, contentType, tt.want)
				}
				var text struct {
					RequestID string `xml:"RequestId"`
				}
				if strings.HasPrefix(tt.want, "text/xml") {
					if err := xml.Unmarshal([]byte(got.body), &text); err != nil {
						t.Fatalf("%s: %v\n%s", action, err, got.body)
					}
				} else {
					text.RequestID, _ = got.object(t)["RequestId"].(string)
				}
				if text.RequestID == "" || got.header.Get("x-acs-request-id") != text.RequestID {
					t.Errorf("%s: RequestId %q, header %q; want the same", action, text.RequestID, got.header.Get("x-acs-request-id"))
				}
			}
		})
	}
	if body := ask("XML", "", "DescribeRegions").body; !strings.Contains(body, "<DescribeRegionsResponse><RequestId>") ||
		!strings.Contains(body, "<Regions><Region><RegionId>cn-hangzhou</RegionId>") {
		t.Errorf("XML of DescribeRegions: %s", body)
	}
	if body := ask("XML", "", "NoSuchAction").body; !strings.Contains(body, "<Error><RequestId>") ||
		!strings.Contains(body, "<Code>InvalidAction.NotFound</Code>") {
		t.Errorf("XML of an error: %s", body)
	}
}

// All values of the error envelope are strings, or the vendor's Go SDK panics.
func TestErrorEnvelope(t *testing.T) {
	b := newBench(t, emulator.Options{})
	got := b.raw(nil).call(t, "NoSuchAction").object(t)
	for _, name := range []string{"RequestId", "HostId", "Code", "Message", "Recommend"} {
		if text, ok := got[name].(string); !ok || text == "" {
			t.Errorf("%s is %v, want a text", name, got[name])
		}
	}
	if len(got) != 5 {
		t.Errorf("the envelope is %v, want five elements", got)
	}
}

func TestFormBodyRPC(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	parameters := r.sign(http.MethodPost, r.rpc(list, nil))
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=UTF-8"}}
	r.send(t, http.MethodPost, "", header, parameters.Encode()).wantCode(t, 200, "")
	header.Set("Accept", "application/json")
	r.send(t, http.MethodPost, "", header, "a=%zz").wantCode(t, 400, "InvalidParameter")
}

// The vendor's SDK decides by the message whether its own computation or the secret is wrong.
func TestSDKExplainsAWrongSecret(t *testing.T) {
	b := newBench(t, emulator.Options{})
	client := b.client(credentials.NewAccessKeyCredential(testKeyID, "wrong"))
	_, err := client.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest())
	wantRefusal(t, err, 400, "SignatureDoesNotMatch")
	if !strings.Contains(err.Error(), "InvalidAccessKeySecret") {
		t.Errorf("the SDK does not see that only the secret is wrong: %v", err)
	}
}
