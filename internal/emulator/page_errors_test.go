package emulator_test

import (
	"slices"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// pageErrors are the rows of the page's table of error codes, in its order.
var pageErrors = []string{
	"RegionId.ApiNotSupported", "NumberExceed.Tags", "Duplicate.TagKey", "InvalidTagKey.Malformed",
	"InvalidTagValue.Malformed", "MissingParameter.TagKey", "InvalidParam.PageNumber", "InvalidParam.PageSize",
	"InvalidParameter.NextToken", "InvalidParameter.MaxResults", "InternalError.Dispatch", "ServiceUnavailable",
	"InternalError", "Operation.Forbidden", "InvalidRegionId.NotFound",
}

// The error codes of the page, with its HTTP statuses and messages. Those without parameters have their cause in the
// service alone, and come by a fault.
func TestPageErrorCodes(t *testing.T) {
	b, r := newPageBench(t)
	page := newPage(t, pageErrors)
	for _, tt := range []struct {
		code       string
		status     int
		message    string
		parameters []string
	}{
		{"RegionId.ApiNotSupported", 400, "The api is not supported in this region.", nil},
		{"NumberExceed.Tags", 400, "The Tags parameter number is exceed.", []string{"Tag.21.Key", "a"}},
		{"Duplicate.TagKey", 400, "The Tag.N.Key contain duplicate key.", []string{"Tag.1.Key", "a", "Tag.2.Key", "a"}},
		{"InvalidTagKey.Malformed", 400, "The specified Tag.n.Key is not valid.", []string{"Tag.1.Key", "acs:x"}},
		{"InvalidTagValue.Malformed", 400, "The specified Tag.n.Value is not valid.", []string{"Tag.1.Key", "a", "Tag.1.Value", "http://"}},
		{"MissingParameter.TagKey", 400, "You must specify Tag.N.Key.", []string{"Tag.1.Value", "a"}},
		{"InvalidParam.PageNumber", 400, "The specified parameter is invalid.", []string{"PageNumber", "0"}},
		{"InvalidParam.PageSize", 400, "The specified parameter is invalid.", []string{"PageSize", "51"}},
		{"InvalidParameter.NextToken", 400, "The specified parameter NextToken is not valid.", []string{"NextToken", "AAAAAdDWBF2"}},
		{"InvalidParameter.MaxResults", 400, "The specified parameter MaxResults is not valid.", []string{"MaxResults", "51"}},
		{"InternalError.Dispatch", 500, "An error occurred when you dispatched the request.", nil},
		{"ServiceUnavailable", 500, "The request has failed due to a temporary failure of the server.", nil},
		{"InternalError", 500, "The request processing has failed due to some unknown error.", nil},
		{"Operation.Forbidden", 403, "The operation is not permitted.", nil},
		{"InvalidRegionId.NotFound", 404, "The RegionId provided does not exist in our records.", []string{"RegionId", "mars-1"}},
	} {
		t.Run(page.row(tt.code), func(t *testing.T) {
			if tt.parameters == nil {
				if _, err := b.e.Inject(emulator.Fault{Kind: emulator.FaultError, Code: tt.code, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
			got := r.call(t, list, tt.parameters...)
			got.wantCode(t, tt.status, tt.code)
			object := got.object(t)
			if object["Message"] != tt.message {
				t.Errorf("message %q, want %q", object["Message"], tt.message)
			}
			for _, name := range []string{"RequestId", "HostId", "Recommend"} {
				if text, isText := object[name].(string); !isText || text == "" {
					t.Errorf("%s is %v, want a text", name, object[name])
				}
			}
		})
	}
	page.done()
	if names := len(slices.Compact(slices.Sorted(slices.Values(pageErrors)))); names != 15 {
		t.Errorf("%d error codes, want the page's 15", names)
	}
}
