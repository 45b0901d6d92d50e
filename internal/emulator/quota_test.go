package emulator_test

import (
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestQuotaOnTheWire(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon.Add(18*time.Second + 500*time.Millisecond))
	b := newBench(t, emulator.Options{
		Clock:  fake,
		Quotas: []emulator.Quota{{Action: list, PerMinute: 2}},
		AccessKeys: []emulator.AccessKey{
			{ID: testKeyID, Secret: testSecret}, {ID: "foreign", Secret: testSecret, AccountID: "42"},
		},
	})
	r := b.raw(fake)
	wantAccepted := func(got answer) {
		t.Helper()
		if got.status != 200 {
			t.Errorf("answer %d %s, want it accepted", got.status, got.body)
		}
	}
	wantAccepted(r.call(t, list))
	// Neither a wrong signature nor an unknown region is a call of this account in this region.
	wrong := *r
	wrong.secret = "wrong"
	wrong.call(t, list).wantCode(t, 400, "SignatureDoesNotMatch")
	r.call(t, list, "RegionId", "mars-1").wantCode(t, 404, "InvalidRegionId.NotFound")
	wantAccepted(r.call(t, list))

	// Over it, even what would be refused for its parameters is refused for the quota.
	refused := r.call(t, list, "MaxResults", "99")
	refused.wantCode(t, 400, "Throttling.User")
	if ms, s := refused.header.Get("x-acs-retry-after"), refused.header.Get("Retry-After"); ms != "41500" || s != "42" {
		t.Errorf("x-acs-retry-after %q and Retry-After %q, want 41500 and 42", ms, s)
	}

	// Another action, region or account is counted apart.
	wantAccepted(r.call(t, "DescribeInstances"))
	wantAccepted(r.call(t, list, "RegionId", "cn-beijing"))
	foreign := *r
	foreign.keyID = "foreign"
	wantAccepted(foreign.call(t, list))

	fake.Step(41*time.Second + 499*time.Millisecond)
	r.call(t, list).wantCode(t, 400, "Throttling.User")
	fake.Step(time.Millisecond)
	wantAccepted(r.call(t, list))

	if err := b.e.SetQuotas(emulator.Quota{PerMinute: 1, Code: "Throttling.Api", OmitRetryAfter: true}); err != nil {
		t.Fatal(err)
	}
	refused = r.call(t, list)
	refused.wantCode(t, 400, "Throttling.Api")
	if _, sent := refused.header["X-Acs-Retry-After"]; sent || refused.header.Get("Retry-After") != "" {
		t.Errorf("headers %v, want none that says when to come back", refused.header)
	}
	if err := b.e.SetQuotas(); err != nil {
		t.Fatal(err)
	}
	wantAccepted(r.call(t, list))
}

// A call that the quota refuses uses up no fault that waits for an answer to spoil.
func TestQuotaComesBeforeFaults(t *testing.T) {
	b := newBench(t, emulator.Options{Quotas: []emulator.Quota{{Action: list, PerMinute: 0}}})
	if _, err := b.e.Inject(emulator.Fault{Kind: emulator.FaultError, Code: "ServiceUnavailable", Count: 1}); err != nil {
		t.Fatal(err)
	}
	r := b.raw(nil)
	r.call(t, list).wantCode(t, 400, "Throttling.User")
	r.call(t, "DescribeInstances").wantCode(t, 500, "ServiceUnavailable")
}

func TestQuotaMustNotBeNegative(t *testing.T) {
	_, err := emulator.New(emulator.Options{Quotas: []emulator.Quota{{PerMinute: -1}}})
	if err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("error %v, want one that says the quota is negative", err)
	}
}
