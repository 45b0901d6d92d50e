package cloudassistant

import (
	"net/http"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		code   string
		status int
		want   Class
	}{
		// The fifteen codes of the API's page.
		{"RegionId.ApiNotSupported", 400, ClassInvalid},
		{"NumberExceed.Tags", 400, ClassInvalid},
		{"Duplicate.TagKey", 400, ClassInvalid},
		{"InvalidTagKey.Malformed", 400, ClassInvalid},
		{"InvalidTagValue.Malformed", 400, ClassInvalid},
		{"MissingParameter.TagKey", 400, ClassInvalid},
		{"InvalidParam.PageNumber", 400, ClassInvalid},
		{"InvalidParam.PageSize", 400, ClassInvalid},
		{"InvalidParameter.NextToken", 400, ClassTokenExpired},
		{"InvalidParameter.MaxResults", 400, ClassInvalid},
		{"InternalError.Dispatch", 500, ClassUnavailable},
		{"ServiceUnavailable", 500, ClassUnavailable},
		{"InternalError", 500, ClassUnavailable},
		{"Operation.Forbidden", 403, ClassDenied},
		{"InvalidRegionId.NotFound", 404, ClassInvalid},

		// The common ones of the gateway and of ECS.
		{"MissingParameter.RegionId", 400, ClassInvalid},
		{"Throttling", 400, ClassThrottled},
		{"Throttling.User", 400, ClassThrottled},
		{"Throttling.Api", 400, ClassThrottled},
		{"Throttling.Anything", 503, ClassThrottled},
		{"ServiceUnavailable", 503, ClassUnavailable},
		{"SignatureNonceUsed", 400, ClassUnavailable},
		{"InvalidTimeStamp.Expired", 400, ClassUnavailable},
		{"IllegalTimestamp", 400, ClassUnavailable},
		{"InvalidTimeStamp.Format", 400, ClassUnavailable},
		{"SignatureDoesNotMatch", 400, ClassDenied},
		{"SignatureDoesNotMatch", 403, ClassDenied},
		{"IncompleteSignature", 400, ClassDenied},
		{"InvalidSignatureMethod", 400, ClassDenied},
		{"InvalidAccessKeyId.NotFound", 404, ClassDenied},
		{"InvalidAccessKeyId.Inactive", 400, ClassDenied},
		{"InvalidSecurityToken.Expired", 400, ClassUnavailable},
		{"InvalidSecurityToken.Malformed", 400, ClassDenied},
		{"InvalidSecurityToken.MismatchWithAccessKey", 400, ClassDenied},
		{"MissingSecurityToken", 400, ClassDenied},
		{"Forbidden.RAM", 403, ClassDenied},
		{"Forbidden.RiskControl", 403, ClassDenied},
		{"NoPermission", 403, ClassDenied},
		{"MissingParameter", 400, ClassInvalid},
		{"MissingRegionId", 400, ClassInvalid},
		{"InvalidParameter", 400, ClassInvalid},
		{"InvalidParameter.Anything", 400, ClassInvalid},
		{"InvalidAction.NotFound", 404, ClassInvalid},
		{"InvalidApi.NotFound", 404, ClassInvalid},
		{"InvalidVersion", 400, ClassInvalid},
		{"NoSuchVersion", 404, ClassInvalid},
		{"UnsupportedHTTPMethod", 405, ClassInvalid},

		// Members of known families.
		{"InvalidParam.Anything", 400, ClassInvalid},
		{"InvalidAccessKeyId", 400, ClassDenied},
		{"InvalidSecurityToken.Anything", 400, ClassDenied},
		{"Forbidden", 403, ClassDenied},
		{"NoPermission.Anything", 400, ClassDenied},
		{"InternalError.Anything", 400, ClassUnavailable},
		{"ServiceUnavailable.Anything", 400, ClassUnavailable},

		// Unknown ones, by status.
		{"Never.Seen", 400, ClassInvalid},
		{"Never.Seen", 401, ClassDenied},
		{"Never.Seen", 402, ClassDenied},
		{"Never.Seen", 403, ClassDenied},
		{"Never.Seen", 404, ClassInvalid},
		{"Never.Seen", 408, ClassUnavailable},
		{"Never.Seen", 409, ClassUnavailable},
		{"Never.Seen", 422, ClassInvalid},
		{"Never.Seen", 429, ClassThrottled},
		{"Never.Seen", 500, ClassUnavailable},
		{"Never.Seen", 503, ClassUnavailable},
		{"Never.Seen", 302, ClassUnavailable},
	} {
		if got := judge(tc.code, tc.status).class; got != tc.want {
			t.Errorf("judge(%q, %d) = %s, want %s", tc.code, tc.status, got, tc.want)
		}
	}
}

// A code that says that other credentials may help must not be one that ends the observation.
func TestCredentialVerdictsHeal(t *testing.T) {
	for code, v := range exactVerdicts {
		if v.credentials && v.class != ClassDenied && v.class != ClassUnavailable {
			t.Errorf("%s is about credentials and of class %s", code, v.class)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"none", http.Header{}, 0},
		{"milliseconds", http.Header{"X-Acs-Retry-After": {"1500"}}, 1500 * time.Millisecond},
		{"seconds", http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		{"the gateway's wins", http.Header{"X-Acs-Retry-After": {"200"}, "Retry-After": {"7"}}, 200 * time.Millisecond},
		{"an unreadable one is passed over", http.Header{"X-Acs-Retry-After": {"soon"}, "Retry-After": {"7"}}, 7 * time.Second},
		{"a date", http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, 0},
		{"negative", http.Header{"Retry-After": {"-3"}}, 0},
		{"zero", http.Header{"Retry-After": {"0"}}, 0},
		{"days", http.Header{"Retry-After": {"864000"}}, time.Hour},
		{"an overflow", http.Header{"X-Acs-Retry-After": {"9223372036854775807"}}, time.Hour},
	} {
		if got := retryAfter(tc.header); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestClassOf(t *testing.T) {
	if got := ClassOf(nil); got != "" {
		t.Errorf("ClassOf(nil) = %q", got)
	}
	if got := ClassOf(http.ErrBodyNotAllowed); got != ClassUnavailable {
		t.Errorf("ClassOf of a foreign error = %q", got)
	}
	if got := ClassOf(&Error{Class: ClassThrottled}); got != ClassThrottled {
		t.Errorf("ClassOf of an *Error = %q", got)
	}
}
