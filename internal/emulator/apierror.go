package emulator

import (
	"maps"
	"net/http"
)

// apiError is a refusal as the API words it.
type apiError struct {
	status        int
	code, message string
	// retryAfterMillis becomes the headers x-acs-retry-after and, in whole seconds, Retry-After; 0 sends none.
	retryAfterMillis int64
	// denied says which permission is missing; nil if that is not the matter.
	denied *accessDeniedDetail
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// wording is the HTTP status and the message of an error code.
type wording struct {
	status  int
	message string
}

// documentedErrors is the table of error codes of the page of DescribeInvocationResults, in its order.
// "The specified parameter is invalid." and the two InternalError texts are the page's own words.
var documentedErrors = map[string]wording{
	"RegionId.ApiNotSupported":            {http.StatusBadRequest, "The api is not supported in this region."},
	"NumberExceed.Tags":                   {http.StatusBadRequest, "The Tags parameter number is exceed."},
	"Duplicate.TagKey":                    {http.StatusBadRequest, "The Tag.N.Key contain duplicate key."},
	"InvalidTagKey.Malformed":             {http.StatusBadRequest, "The specified Tag.n.Key is not valid."},
	"InvalidTagValue.Malformed":           {http.StatusBadRequest, "The specified Tag.n.Value is not valid."},
	"MissingParameter.TagKey":             {http.StatusBadRequest, "You must specify Tag.N.Key."},
	"InvalidParam.PageNumber":             {http.StatusBadRequest, "The specified parameter is invalid."},
	"InvalidParam.PageSize":               {http.StatusBadRequest, "The specified parameter is invalid."},
	"InvalidParameter.NextToken":          {http.StatusBadRequest, "The specified parameter NextToken is not valid."},
	"InvalidParameter.MaxResults":         {http.StatusBadRequest, "The specified parameter MaxResults is not valid."},
	"InternalError.Dispatch":              {http.StatusInternalServerError, "An error occurred when you dispatched the request."},
	"ServiceUnavailable":                  {http.StatusInternalServerError, "The request has failed due to a temporary failure of the server."},
	"InternalError":                       {http.StatusInternalServerError, "The request processing has failed due to some unknown error."},
	"Operation.Forbidden":                 {http.StatusForbidden, "The operation is not permitted."},
	"InvalidRegionId.NotFound":            {http.StatusNotFound, "The RegionId provided does not exist in our records."},
	"MissingParameter.RegionId":           {http.StatusBadRequest, "The input parameter RegionId that is mandatory for processing this request is not supplied."},
	"MissingParameter.InvokeId":           {http.StatusBadRequest, "The input parameter InvokeId that is mandatory for processing this request is not supplied."},
	"MissingParameter.InstanceId":         {http.StatusBadRequest, "The input parameter InstanceId that is mandatory for processing this request is not supplied."},
	"MissingParameter.CommandId":          {http.StatusBadRequest, "The input parameter CommandId that is mandatory for processing this request is not supplied."},
	"MissingParameter.Type":               {http.StatusBadRequest, "The input parameter Type that is mandatory for processing this request is not supplied."},
	"MissingParameter.Name":               {http.StatusBadRequest, "The input parameter Name that is mandatory for processing this request is not supplied."},
	"MissingParameter.CommandContent":     {http.StatusBadRequest, "The input parameter CommandContent that is mandatory for processing this request is not supplied."},
	"InvalidParameter.IncludeHistory":     {http.StatusBadRequest, "The specified parameter IncludeHistory is not valid: only an invocation whose RepeatMode is Period or EveryReboot has a history."},
	"InvalidParameter.InvokeRecordStatus": {http.StatusBadRequest, "The specified parameter InvokeRecordStatus is not valid."},
}

// gatewayErrors are refused before an action is reached.
var gatewayErrors = map[string]wording{
	"InvalidAction.NotFound":                     {http.StatusNotFound, "Specified api is not found, please check your url and method."},
	"InvalidVersion":                             {http.StatusBadRequest, "Specified parameter Version is not valid."},
	"MissingAction":                              {http.StatusBadRequest, "Action is mandatory for this action."},
	"MissingVersion":                             {http.StatusBadRequest, "Version is mandatory for this action."},
	"UnsupportedHTTPMethod":                      {http.StatusMethodNotAllowed, "This http method is not supported."},
	"RequestTooLarge":                            {http.StatusBadRequest, "The request is larger than the gateway accepts."},
	"InvalidParameter":                           {http.StatusBadRequest, "The request's parameters cannot be parsed."},
	"MissingAccessKeyId":                         {http.StatusBadRequest, "AccessKeyId is mandatory for this action."},
	"MissingTimestamp":                           {http.StatusBadRequest, "Timestamp is mandatory for this action."},
	"MissingSignatureNonce":                      {http.StatusBadRequest, "SignatureNonce is mandatory for this action."},
	"MissingSecurityToken":                       {http.StatusBadRequest, "SecurityToken is mandatory for this action."},
	"IncompleteSignature":                        {http.StatusBadRequest, "The request signature does not conform to Aliyun standards."},
	"InvalidSignatureMethod":                     {http.StatusBadRequest, "Specified signature method is not valid."},
	"SignatureDoesNotMatch":                      {http.StatusBadRequest, "Specified signature is not matched with our calculation."},
	"SignatureNonceUsed":                         {http.StatusBadRequest, "Specified signature nonce was used already."},
	"InvalidTimeStamp.Format":                    {http.StatusBadRequest, "Specified time stamp or date value is not well formatted."},
	"InvalidTimeStamp.Expired":                   {http.StatusBadRequest, "Specified time stamp or date value is expired."},
	"IllegalTimestamp":                           {http.StatusBadRequest, "The input parameter Timestamp is not supported."},
	"InvalidApi.NotFound":                        {http.StatusNotFound, "Specified api is not found, please check your url and method."},
	"NoSuchVersion":                              {http.StatusNotFound, "Specified parameter Version is not valid."},
	"Forbidden.RiskControl":                      {http.StatusForbidden, "This operation is forbidden by the risk control system."},
	"InvalidAccessKeyId.NotFound":                {http.StatusNotFound, "Specified access key is not found."},
	"InvalidAccessKeyId.Inactive":                {http.StatusBadRequest, "Specified access key is disabled."},
	"InvalidSecurityToken.Expired":               {http.StatusBadRequest, "Specified SecurityToken is expired."},
	"InvalidSecurityToken.Malformed":             {http.StatusBadRequest, "Specified SecurityToken is malformed."},
	"InvalidSecurityToken.MismatchWithAccessKey": {http.StatusBadRequest, "Specified SecurityToken mismatch with the AccessKey."},
	"Throttling":                                 {http.StatusBadRequest, "Request was denied due to request throttling."},
	"Throttling.User":                            {http.StatusBadRequest, "Request was denied due to user flow control."},
	"Throttling.Api":                             {http.StatusBadRequest, "Request was denied due to api flow control."},
	"Forbidden.RAM":                              {http.StatusForbidden, "User not authorized to operate on the specified resource, or this API doesn't support RAM."},
	"NoPermission":                               {http.StatusForbidden, "You are not authorized to do this action. You should be authorized by RAM."},
}

// actionErrors are those of the other actions, and of STS.
var actionErrors = map[string]wording{
	"InvalidInstance.NotFound":         {http.StatusNotFound, "The specified instance does not exist."},
	"InvalidInstance.NotMatch":         {http.StatusForbidden, "The specified instance does not belong to the specified invocation."},
	"InvalidInvokeId.NotFound":         {http.StatusNotFound, "The specified invoke ID does not exist."},
	"InvalidParameter.InstanceIds":     {http.StatusBadRequest, "The specified parameter InstanceIds is not valid."},
	"InvalidParameter.IncludeOutput":   {http.StatusBadRequest, "IncludeOutput needs InvokeId or InstanceId."},
	"InvalidParameter.InvokeStatus":    {http.StatusBadRequest, "The specified parameter InvokeStatus is not valid."},
	"InvalidParameter.RoleArn":         {http.StatusBadRequest, "The specified parameter RoleArn is not valid."},
	"InvalidParameter.RoleSessionName": {http.StatusBadRequest, "The specified parameter RoleSessionName is not valid."},
	"InvalidParameter.DurationSeconds": {http.StatusBadRequest, "The specified parameter DurationSeconds is not valid."},
	"InvalidInstanceId.NotFound":       {http.StatusNotFound, "The specified InstanceId does not exist."},
	"IncorrectInstanceStatus":          {http.StatusForbidden, "The current status of the resource does not support this operation."},
	"InvalidParameter.OSType":          {http.StatusBadRequest, "The specified parameter OSType is not valid."},
	"EntityNotExist.Role":              {http.StatusNotFound, "The specified role does not exist."},
	"InvalidParameter.PolicyGrammar":   {http.StatusBadRequest, "The parameter Policy has not passed grammar check."},
	"MissingParameter.OIDCProviderArn": {http.StatusBadRequest, "OIDCProviderArn is mandatory for this action."},

	"AuthenticationFail.NoPermission":               {http.StatusUnauthorized, "There is no permission"},
	"AuthenticationFail.OIDCToken.AudienceNotMatch": {http.StatusUnauthorized, "Invalid audience."},
	"AuthenticationFail.OIDCToken.Expired":          {http.StatusUnauthorized, "This JsonWebToken is expired."},
	"AuthenticationFail.OIDCToken.Invalid":          {http.StatusUnauthorized, "The Jwt content is invalid that cannot be recognized."},
	"AuthenticationFail.OIDCToken.InvalidSignature": {http.StatusUnauthorized, "OIDC token validate failed: invalid signature."},
	"AuthenticationFail.OIDCToken.IssuerNotMatch":   {http.StatusUnauthorized, "The issuer in the OIDC Token doesn't match the OIDC Provider registered."},
}

var errorCatalogue = func() map[string]wording {
	all := map[string]wording{}
	for _, part := range []map[string]wording{documentedErrors, gatewayErrors, submitErrors, actionErrors} {
		maps.Copy(all, part)
	}
	return all
}()

// refuse is the error of a code in the catalogue; an unknown code is a 400 without much to say.
func refuse(code string) *apiError {
	w, ok := errorCatalogue[code]
	if !ok {
		w = wording{http.StatusBadRequest, "The request is refused."}
	}
	return &apiError{status: w.status, code: code, message: w.message}
}

// refuseSaying is refuse with another message, for the codes that come with several.
func refuseSaying(code, message string) *apiError {
	refusal := refuse(code)
	refusal.message = message
	return refusal
}
