package cloudassistant

// ownCodes are the codes of failures that the API did not report.
var ownCodes = map[string]bool{
	CodeNetwork: true, CodeTimeout: true, CodeMalformedResponse: true, CodeResponseTooLarge: true, CodeHTTPStatus: true,
	CodeInvalidRegion: true, CodeInvalidRoleARN: true, CodeNoCredentials: true, CodeCredentials: true, CodeInternal: true,
	CodePageTokenLoop: true, CodePageTokenExpired: true,
}

// throttleCodes are those that the API throttles with. Others of the family would be understood, too.
var throttleCodes = map[string]bool{"Throttling": true, "Throttling.User": true, "Throttling.Api": true}

// Known says whether a code of an Error is one of those that are known in full. What an answer gives as its code may be
// anything.
func Known(code string) bool {
	_, exact := exactVerdicts[code]
	return exact || ownCodes[code] || throttleCodes[code]
}
