package cloudassistant

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The codes of failures that the API did not report.
const (
	// CodeNetwork: no answer came, or it broke off.
	CodeNetwork = "Client.Network"
	// CodeTimeout: the call took longer than Options.CallTimeout, or the connection could not be made in time.
	CodeTimeout = "Client.Timeout"
	// CodeMalformedResponse: an answer came that is not one of the API's.
	CodeMalformedResponse = "Client.MalformedResponse"
	// CodeResponseTooLarge: the answer is larger than Options.MaxResponseBytes.
	CodeResponseTooLarge = "Client.ResponseTooLarge"
	// CodeHTTPStatus: a failure without an error code; a proxy or a load balancer answered, not the API.
	CodeHTTPStatus = "Client.HTTPStatus"
	// CodeInvalidRegion: the region ID cannot be one; it was not sent, for it would become a host name.
	CodeInvalidRegion = "Client.InvalidRegion"
	// CodeInvalidRoleARN: the ARN does not name a RAM role.
	CodeInvalidRoleARN = "Client.InvalidRoleARN"
	// CodeNoCredentials: no credentials are configured, or they are incomplete.
	CodeNoCredentials = "Client.NoCredentials"
	// CodeCredentials: the source of the credentials failed.
	CodeCredentials = "Client.Credentials"
	// CodeInternal: a fault of this program or of the vendor's SDK.
	CodeInternal = "Client.Internal"
	// CodePageTokenLoop: the API handed out the same page token twice in one walk.
	CodePageTokenLoop = "Client.PageTokenLoop"
	// CodePageTokenExpired: page tokens expired faster than the list could be walked.
	CodePageTokenExpired = "Client.PageTokenExpired"
)

const (
	adviceClock   = "check this machine's clock: it must be within 15 minutes of the API's"
	adviceKey     = "check the access key"
	adviceToken   = "renew the temporary credentials"
	adviceRAM     = "let a RAM policy allow it"
	adviceAccount = "the account or its kind of instance may not use this operation"
)

// verdict is what an error code means to the caller.
type verdict struct {
	class Class
	// advice says what to do, where the API's own text does not; it may be empty.
	advice string
	// credentials says that other credentials may be accepted where these were not.
	credentials bool
}

// exactVerdicts are the codes that are known in full: the table of the API's page and the common codes of the
// gateway. HTTP statuses vary between products and over time, hence the code decides.
var exactVerdicts = map[string]verdict{
	"RegionId.ApiNotSupported":                   {class: ClassInvalid},
	"InvalidRegionId.NotFound":                   {class: ClassInvalid},
	"NumberExceed.Tags":                          {class: ClassInvalid},
	"Duplicate.TagKey":                           {class: ClassInvalid},
	"InvalidTagKey.Malformed":                    {class: ClassInvalid},
	"InvalidTagValue.Malformed":                  {class: ClassInvalid},
	"InvalidParam.PageNumber":                    {class: ClassInvalid},
	"InvalidParam.PageSize":                      {class: ClassInvalid},
	"InvalidParameter.MaxResults":                {class: ClassInvalid},
	"InvalidAction.NotFound":                     {class: ClassInvalid},
	"InvalidApi.NotFound":                        {class: ClassInvalid},
	"InvalidVersion":                             {class: ClassInvalid},
	"NoSuchVersion":                              {class: ClassInvalid},
	"UnsupportedHTTPMethod":                      {class: ClassInvalid},
	"InvalidParameter.NextToken":                 {class: ClassTokenExpired},
	"InternalError":                              {class: ClassUnavailable},
	"InternalError.Dispatch":                     {class: ClassUnavailable},
	"ServiceUnavailable":                         {class: ClassUnavailable},
	"SignatureNonceUsed":                         {class: ClassUnavailable},
	"InvalidTimeStamp.Expired":                   {class: ClassUnavailable, advice: adviceClock},
	"IllegalTimestamp":                           {class: ClassUnavailable, advice: adviceClock},
	"InvalidTimeStamp.Format":                    {class: ClassUnavailable},
	"InvalidSecurityToken.Expired":               {class: ClassUnavailable, advice: adviceToken, credentials: true},
	"MissingSecurityToken":                       {class: ClassDenied, advice: adviceToken, credentials: true},
	"SignatureDoesNotMatch":                      {class: ClassDenied, advice: adviceKey, credentials: true},
	"IncompleteSignature":                        {class: ClassDenied, advice: adviceKey, credentials: true},
	"InvalidSignatureMethod":                     {class: ClassDenied},
	"InvalidAccessKeyId.NotFound":                {class: ClassDenied, advice: adviceKey, credentials: true},
	"InvalidAccessKeyId.Inactive":                {class: ClassDenied, advice: adviceKey, credentials: true},
	"InvalidSecurityToken.Malformed":             {class: ClassDenied, advice: adviceToken, credentials: true},
	"InvalidSecurityToken.MismatchWithAccessKey": {class: ClassDenied, advice: adviceToken, credentials: true},
	"Forbidden.RAM":                              {class: ClassDenied, advice: adviceRAM},
	"Forbidden.RiskControl":                      {class: ClassDenied},
	"NoPermission":                               {class: ClassDenied, advice: adviceRAM},
	// The page calls it "not supported", the message "not permitted". It speaks of the account and its
	// instances, not of the question, so it can heal: it must not end the observation.
	"Operation.Forbidden": {class: ClassDenied, advice: adviceAccount},
}

// prefixVerdicts are the families of codes, tried in order. A member that differs from its family is listed
// among the exact ones.
var prefixVerdicts = []struct {
	prefix string
	verdict
}{
	{"Throttling", verdict{class: ClassThrottled}},
	{"ServiceUnavailable", verdict{class: ClassUnavailable}},
	{"InternalError", verdict{class: ClassUnavailable}},
	{"InvalidAccessKeyId", verdict{class: ClassDenied, advice: adviceKey, credentials: true}},
	{"InvalidSecurityToken", verdict{class: ClassDenied, advice: adviceToken, credentials: true}},
	{"Forbidden", verdict{class: ClassDenied, advice: adviceRAM}},
	{"NoPermission", verdict{class: ClassDenied, advice: adviceRAM}},
	{"Missing", verdict{class: ClassInvalid}},
	{"InvalidParameter", verdict{class: ClassInvalid}},
	{"InvalidParam.", verdict{class: ClassInvalid}},
}

// judge classifies an error code of the API: by the code, in full and then by its family; by the HTTP status
// when the code is unknown.
func judge(code string, status int) verdict {
	if v, known := exactVerdicts[code]; known {
		return v
	}
	for _, family := range prefixVerdicts {
		if strings.HasPrefix(code, family.prefix) {
			return family.verdict
		}
	}
	return verdict{class: classOfStatus(status)}
}

// classOfStatus classifies the refusal of an API whose code is unknown. Only statuses that blame the request
// are taken for a refusal of the question: wrongly ending an observation is worse than asking once more.
func classOfStatus(status int) Class {
	switch status {
	case http.StatusTooManyRequests:
		return ClassThrottled
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		return ClassDenied
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
		http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return ClassInvalid
	}
	return ClassUnavailable
}

// maxRetryAfter bounds what a header may ask for: a wrong one must not silence a query for days.
const maxRetryAfter = time.Hour

// retryAfter reads how long the API asks to wait: x-acs-retry-after in milliseconds, sent by the gateway with
// throttling, or else Retry-After in seconds. 0 when neither says so; at most an hour.
func retryAfter(header http.Header) time.Duration {
	for _, source := range []struct {
		name string
		unit time.Duration
	}{{"X-Acs-Retry-After", time.Millisecond}, {"Retry-After", time.Second}} {
		count, err := strconv.ParseInt(strings.TrimSpace(header.Get(source.name)), 10, 64)
		if err != nil || count <= 0 {
			continue
		}
		return time.Duration(min(count, int64(maxRetryAfter/source.unit))) * source.unit
	}
	return 0
}
