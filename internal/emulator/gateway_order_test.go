package emulator_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// A request that is wrong in every way is refused for one reason at a time, in the gateway's order.
func TestOrderOfChecks(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	b := newBench(t, emulator.Options{
		Clock: clocktesting.NewFakeClock(now),
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: testSecret},
			{ID: "session", Secret: testSecret, SecurityToken: "token", ExpiresAt: now.Add(time.Hour), Policies: []ram.Policy{}},
			{ID: "old", Secret: testSecret, SecurityToken: "token", ExpiresAt: now, Policies: []ram.Policy{}},
		},
		Quotas: []emulator.Quota{{Action: list, PerMinute: 0}},
	})
	r := b.raw(clocktesting.NewFakePassiveClock(now))
	used := r.rpc("DescribeRegions", pairs("SignatureNonce", "used", "AccessKeyId", "session", "SecurityToken", "token"))
	r.send(t, http.MethodPost, "?"+r.sign(http.MethodPost, used).Encode(), nil, "").wantCode(t, 403, "Forbidden.RAM")

	request := pairs("Format", "JSON", "RegionId", "mars-1", "MaxResults", "0", "BearerToken", "x", "SecurityToken", "other")
	secret := "wrong"
	set := func(name, value string) func() { return func() { request.Set(name, value) } }
	for _, step := range []struct {
		status int
		code   string
		// mend takes the reason away.
		mend func()
	}{
		{400, "MissingAction", set("Action", list)},
		{400, "MissingVersion", set("Version", "2013-01-10")},
		{400, "InvalidVersion", set("Version", "2015-04-01")},
		{404, "InvalidAction.NotFound", set("Version", "2014-05-26")},
		{400, "InvalidSignatureMethod", func() { request.Del("BearerToken") }},
		{400, "MissingAccessKeyId", set("AccessKeyId", "nobody")},
		{400, "IncompleteSignature", set("Signature", "")},
		{400, "MissingTimestamp", set("Timestamp", "yesterday")},
		{400, "MissingSignatureNonce", set("SignatureNonce", "used")},
		{400, "InvalidSignatureMethod", func() { request.Set("SignatureMethod", "HMAC-SHA1"); request.Set("SignatureVersion", "1.0") }},
		{404, "InvalidAccessKeyId.NotFound", set("AccessKeyId", "old")},
		{400, "InvalidSecurityToken.MismatchWithAccessKey", set("SecurityToken", "token")},
		{400, "InvalidSecurityToken.Expired", set("AccessKeyId", "session")},
		{400, "InvalidTimeStamp.Format", set("Timestamp", "2026-11-24T11:00:00Z")},
		{400, "InvalidTimeStamp.Expired", set("Timestamp", "2026-11-24T12:00:00Z")},
		{400, "SignatureNonceUsed", set("SignatureNonce", "fresh")},
		{400, "SignatureDoesNotMatch", func() { secret = testSecret }},
		{400, "Throttling.User", func() { b.noQuotas(); request.Set("SignatureNonce", "fresh 2") }},
		{500, "ServiceUnavailable", func() { b.e.ClearFaults(); request.Set("SignatureNonce", "fresh 3") }},
		{404, "InvalidRegionId.NotFound", func() { request.Set("RegionId", testRegion); request.Set("SignatureNonce", "fresh 4") }},
		{403, "Forbidden.RAM", func() {
			b.e.AddAccessKey(emulator.AccessKey{ID: "session", Secret: testSecret, SecurityToken: "token"})
			request.Set("SignatureNonce", "fresh 5")
		}},
		{400, "InvalidParameter.MaxResults", func() { request.Set("MaxResults", "1"); request.Set("SignatureNonce", "fresh 6") }},
		{200, "", func() {}},
	} {
		if step.code == "Throttling.User" {
			b.inject(emulator.Fault{Kind: emulator.FaultError, Code: "ServiceUnavailable"})
		}
		sent := url.Values{}
		for name := range request {
			sent.Set(name, request.Get(name))
		}
		if _, signed := request["Signature"]; signed {
			sent.Del("Signature")
			sent = (&raw{secret: secret}).sign(http.MethodPost, sent)
		}
		r.send(t, http.MethodPost, "?"+sent.Encode(), nil, "").wantCode(t, step.status, step.code)
		step.mend()
	}
}

// noQuotas ends all quotas.
func (b *bench) noQuotas() {
	b.Helper()
	if err := b.e.SetQuotas(); err != nil {
		b.Fatal(err)
	}
}
