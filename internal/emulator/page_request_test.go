package emulator_test

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// pageParameters are the rows of the page's table of request parameters, in its order. The page has RegionId twice, and
// one row without a name, which is the element of Tag.
var pageParameters = []string{
	"RegionId", "ResourceGroupId", "InvokeId", "InstanceId", "CommandId", "InvokeRecordStatus", "IncludeHistory",
	"ContentEncoding", "PageNumber", "PageSize", "MaxResults", "NextToken", "Tag", "Tag.N", "Tag.N.Value", "Tag.N.Key",
}

// asked is a request, and the rows or the refusal that it is answered with.
type asked struct {
	name       string
	parameters []string
	want       []string
	refused    string
}

// selects makes a row's test out of requests to the bench of newPageBench.
func (r *raw) selects(cases ...asked) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		for _, tt := range cases {
			t.Run(tt.name, func(t *testing.T) {
				got := r.call(t, list, tt.parameters...)
				if tt.refused != "" {
					got.wantCode(t, map[bool]int{true: 404, false: 400}[strings.HasSuffix(tt.refused, ".NotFound")], tt.refused)
					return
				}
				if rows := keys(got.rows(t)); !slices.Equal(rows, tt.want) {
					t.Errorf("rows %v, want %v", rows, tt.want)
				}
			})
		}
	}
}

// The request parameters of the page: what each selects, its default, its bounds, and what it refuses.
func TestPageRequestParameters(t *testing.T) {
	b, r := newPageBench(t)
	all := []string{"t-3/i-3", "t-2/i-1", "t-1/i-2", "t-1/i-1"}
	page := newPage(t, pageParameters)
	t.Run(page.row("RegionId"), r.selects(
		asked{"its rows only", []string{"RegionId", "cn-beijing"}, []string{"t-5/i-5"}, ""},
		asked{"and no other filter: all of the account, newest first", nil, all, ""},
		asked{"is required", []string{"RegionId", ""}, nil, "MissingParameter.RegionId"},
		asked{"unknown", []string{"RegionId", "mars-1"}, nil, "InvalidRegionId.NotFound"},
	))
	t.Run(page.row("ResourceGroupId"), r.selects(
		asked{"that of the invocation", []string{"ResourceGroupId", "rg-1"}, []string{"t-1/i-2", "t-1/i-1"}, ""},
		asked{"of none", []string{"ResourceGroupId", "rg-2"}, nil, ""},
	))
	t.Run(page.row("InvokeId"), r.selects(
		asked{"one row for each instance", []string{"InvokeId", "t-1"}, []string{"t-1/i-2", "t-1/i-1"}, ""},
		asked{"of none: no error", []string{"InvokeId", "t-0"}, nil, ""},
		asked{"of a file sent, which is another API's", []string{"InvokeId", "f-1"}, nil, ""},
		asked{"of another account", []string{"InvokeId", "t-4"}, nil, ""},
		asked{"of another region", []string{"InvokeId", "t-5"}, nil, ""},
	))
	t.Run(page.row("InstanceId"), r.selects(
		asked{"in all invocations", []string{"InstanceId", "i-1"}, []string{"t-2/i-1", "t-1/i-1"}, ""},
		asked{"of none", []string{"InstanceId", "i-0"}, nil, ""},
		asked{"is one, and no list", []string{"InstanceId", `["i-1"]`}, nil, ""},
	))
	t.Run(page.row("CommandId"), r.selects(
		asked{"in all invocations", []string{"CommandId", "c-2"}, []string{"t-3/i-3", "t-2/i-1"}, ""},
		asked{"with another filter: both hold", []string{"CommandId", "c-2", "InstanceId", "i-1"}, []string{"t-2/i-1"}, ""},
		asked{"of none", []string{"CommandId", "c-0"}, nil, ""},
	))
	t.Run(page.row("InvokeRecordStatus"), r.selects(
		asked{"Running", []string{"InvokeRecordStatus", "Running"}, []string{"t-2/i-1"}, ""},
		asked{"Finished covers failures", []string{"InvokeRecordStatus", "Finished"}, []string{"t-3/i-3", "t-1/i-2", "t-1/i-1"}, ""},
		asked{"Success does not", []string{"InvokeRecordStatus", "Success"}, []string{"t-3/i-3"}, ""},
		asked{"Failed", []string{"InvokeRecordStatus", "Failed"}, nil, ""},
		asked{"PartialFailed", []string{"InvokeRecordStatus", "PartialFailed"}, nil, ""},
		asked{"Stopped", []string{"InvokeRecordStatus", "Stopped"}, nil, ""},
		asked{"Stopping", []string{"InvokeRecordStatus", "Stopping"}, nil, ""},
		asked{"unknown", []string{"InvokeRecordStatus", "Happy"}, nil, "InvalidParameter.InvokeRecordStatus"},
	))
	t.Run(page.row("IncludeHistory"), r.selects(
		asked{"false is the default: the live row", []string{"InvokeId", "t-3"}, []string{"t-3/i-3"}, ""},
		asked{"false", []string{"InvokeId", "t-3", "IncludeHistory", "false"}, []string{"t-3/i-3"}, ""},
		asked{"true: a row for each past run", []string{"InvokeId", "t-3", "IncludeHistory", "true"}, []string{"t-3/i-3", "t-3/i-3", "t-3/i-3"}, ""},
		asked{"true of no invocation", []string{"InvokeId", "t-0", "IncludeHistory", "true"}, nil, ""},
		asked{"true of another account", []string{"InvokeId", "t-4", "IncludeHistory", "true"}, nil, ""},
		asked{"true needs InvokeId", []string{"IncludeHistory", "true"}, nil, "MissingParameter.InvokeId"},
		asked{"true needs a schedule", []string{"InvokeId", "t-1", "IncludeHistory", "true"}, nil, "InvalidParameter.IncludeHistory"},
	))
	t.Run(page.row("ContentEncoding"), func(t *testing.T) {
		inBase64 := base64.StdEncoding.EncodeToString([]byte("out\xff\n"))
		for encoding, want := range map[string]string{"": inBase64, "Base64": inBase64, "PlainText": "out\uFFFD\n", "Base32": inBase64} {
			rows := r.call(t, list, "InvokeId", "t-1", "InstanceId", "i-1", "ContentEncoding", encoding).rows(t)
			if len(rows) != 1 || rows[0]["Output"] != want {
				t.Errorf("ContentEncoding=%s: rows %v, want the output %q", encoding, rows, want)
			}
		}
	})
	t.Run(page.row("PageNumber"), r.selects(
		asked{"1 is the default", []string{"PageSize", "3"}, all[:3], ""},
		asked{"1", []string{"PageNumber", "1", "PageSize", "3"}, all[:3], ""},
		asked{"2", []string{"PageNumber", "2", "PageSize", "3"}, all[3:], ""},
		asked{"beyond the end", []string{"PageNumber", "9", "PageSize", "3"}, nil, ""},
		asked{"0", []string{"PageNumber", "0"}, nil, "InvalidParam.PageNumber"},
		asked{"no number", []string{"PageNumber", "one"}, nil, "InvalidParam.PageNumber"},
	))
	t.Run(page.row("PageSize"), r.selects(
		asked{"1", []string{"PageSize", "1"}, all[:1], ""},
		asked{"50", []string{"PageSize", "50"}, all, ""},
		asked{"0", []string{"PageSize", "0"}, nil, "InvalidParam.PageSize"},
		asked{"51", []string{"PageSize", "51"}, nil, "InvalidParam.PageSize"},
		asked{"no number", []string{"PageSize", "1.5"}, nil, "InvalidParam.PageSize"},
	))
	t.Run(page.row("MaxResults"), r.selects(
		asked{"1", []string{"MaxResults", "1"}, all[:1], ""},
		asked{"50", []string{"MaxResults", "50"}, all, ""},
		asked{"wins over PageNumber and PageSize, bad ones too", []string{"MaxResults", "3", "PageNumber", "x", "PageSize", "99"}, all[:3], ""},
		asked{"0", []string{"MaxResults", "0"}, nil, "InvalidParameter.MaxResults"},
		asked{"51", []string{"MaxResults", "51"}, nil, "InvalidParameter.MaxResults"},
		asked{"no number", []string{"MaxResults", "ten"}, nil, "InvalidParameter.MaxResults"},
	))
	t.Run(page.row("NextToken"), func(t *testing.T) {
		token := r.call(t, list, "MaxResults", "3").invocation(t)["NextToken"].(string)
		r.selects(
			asked{"empty is the first page", []string{"MaxResults", "3", "NextToken", ""}, all[:3], ""},
			asked{"goes on behind the page that gave it", []string{"MaxResults", "3", "NextToken", token}, all[3:], ""},
			asked{"of somebody's own", []string{"MaxResults", "3", "NextToken", "AAAAAdDWBF2"}, nil, "InvalidParameter.NextToken"},
		)(t)
	})
	t.Run(page.row("Tag"), r.selects(
		asked{"one", []string{"Tag.1.Key", "a", "Tag.1.Value", "1"}, []string{"t-2/i-1", "t-1/i-2", "t-1/i-1"}, ""},
		asked{"several: all hold", []string{"Tag.1.Key", "a", "Tag.1.Value", "1", "Tag.2.Key", "c", "Tag.2.Value", "2"}, []string{"t-2/i-1"}, ""},
	))
	t.Run(page.row("Tag.N"), r.selects(
		asked{"numbers may have gaps", []string{"Tag.3.Key", "c", "Tag.3.Value", "2"}, []string{"t-2/i-1"}, ""},
		asked{"20 is the last", []string{"Tag.20.Key", "c", "Tag.20.Value", "2"}, []string{"t-2/i-1"}, ""},
		asked{"21", []string{"Tag.21.Key", "c", "Tag.21.Value", "2"}, nil, "NumberExceed.Tags"},
	))
	t.Run(page.row("Tag.N.Value"), r.selects(
		asked{"may be empty", []string{"Tag.1.Key", "b", "Tag.1.Value", ""}, []string{"t-1/i-2", "t-1/i-1"}, ""},
		asked{"that differs", []string{"Tag.1.Key", "a", "Tag.1.Value", "2"}, nil, ""},
		asked{"of 128 characters", []string{"Tag.1.Key", "a", "Tag.1.Value", strings.Repeat("中", 128)}, nil, ""},
		asked{"of 129 characters", []string{"Tag.1.Key", "a", "Tag.1.Value", strings.Repeat("x", 129)}, nil, "InvalidTagValue.Malformed"},
		asked{"with http://", []string{"Tag.1.Key", "a", "Tag.1.Value", "x http://"}, nil, "InvalidTagValue.Malformed"},
		asked{"with https://", []string{"Tag.1.Key", "a", "Tag.1.Value", "x https://"}, nil, "InvalidTagValue.Malformed"},
		asked{"without a key", []string{"Tag.1.Value", "a"}, nil, "MissingParameter.TagKey"},
	))
	t.Run(page.row("Tag.N.Key"), r.selects(
		asked{"of 64 characters", []string{"Tag.1.Key", strings.Repeat("中", 64)}, nil, ""},
		asked{"of 65 characters", []string{"Tag.1.Key", strings.Repeat("x", 65)}, nil, "InvalidTagKey.Malformed"},
		asked{"empty", []string{"Tag.1.Key", ""}, nil, "InvalidTagKey.Malformed"},
		asked{"that begins with aliyun", []string{"Tag.1.Key", "aliyun-x"}, nil, "InvalidTagKey.Malformed"},
		asked{"that begins with acs:", []string{"Tag.1.Key", "acs:x"}, nil, "InvalidTagKey.Malformed"},
		asked{"with http://", []string{"Tag.1.Key", "x http://"}, nil, "InvalidTagKey.Malformed"},
		asked{"with https://", []string{"Tag.1.Key", "x https://"}, nil, "InvalidTagKey.Malformed"},
		asked{"twice", []string{"Tag.1.Key", "a", "Tag.2.Key", "a"}, nil, "Duplicate.TagKey"},
	))
	page.done()
	t.Run("a page holds 10 rows, if nothing else is asked for", func(t *testing.T) {
		for n := range 12 {
			b.put(emulator.Scripted{ID: "t-more-" + strconv.Itoa(n), CommandID: "c-more", Rows: []emulator.Row{{InstanceID: "i-1"}}})
		}
		first := r.call(t, list, "CommandId", "c-more", "MaxResults", "1").invocation(t)["NextToken"].(string)
		for _, parameters := range [][]string{{}, {"PageNumber", "1"}, {"NextToken", first}} {
			if rows := r.call(t, list, append(parameters, "CommandId", "c-more")...).rows(t); len(rows) != 10 {
				t.Errorf("%v: %d rows, want 10", parameters, len(rows))
			}
		}
	})
}
