package cloudassistant

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func decode(body string, encoding ContentEncoding) (*Page, error) {
	return decodePage(answer{header: http.Header{}, body: []byte(body), clean: newSanitizer()}, encoding)
}

// decodeRow decodes one row that holds, besides its identity, the given fields.
func decodeRow(tb testing.TB, fields string) Record {
	tb.Helper()
	page, err := decode(rowBody(fields), EncodingBase64)
	if err != nil {
		tb.Fatalf("%s: %v", fields, err)
	}
	return page.Records[0]
}

func rowBody(fields string) string {
	return `{"RequestId":"R","Invocation":{"InvocationResults":{"InvocationResult":[` +
		`{"InvokeId":"t-1","InstanceId":"i-1"` + fields + `}]}}}`
}

func ptr(n int64) *int64 { return &n }

// The API page's own sample, in every field. Its values contradict each other, but not their shapes.
func TestDecodePageSample(t *testing.T) {
	body, err := os.ReadFile("testdata/page-sample.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(string(body), EncodingBase64)
	if err != nil {
		t.Fatal(err)
	}
	want := &Page{
		RequestID: "473469C7-AA6F-4DC5-B3DB-A3DC0DE*****",
		NextToken: "AAAAAdDWBF2", TotalCount: 1, PageNumber: 1, PageSize: 1, Bytes: int64(len(body)),
		Records: []Record{{
			CommandID: "c-hz0jdfwcsr****", InvokeID: "t-hz0jdfwd9f****", InstanceID: "i-bp1i7gg30r52z2em****",
			ContainerID:   "ab141ddfbacfe02d9dbc25966ed971536124527097398d419a6746873fea****",
			ContainerName: "test-container", InvocationStatus: StatusSuccess, InvokeRecordStatus: RecordRunning,
			ExitCode: ptr(0), ErrorCode: "InstanceNotExists", ErrorInfo: "the specified instance does not exists",
			Output: []byte("15:30:01\n"), StartTime: date(t, "2019-12-20T06:15:55Z"),
			FinishedTime: date(t, "2019-12-20T06:15:56Z"), StopTime: date(t, "2020-01-19T09:15:47Z"),
			Username: "test", Launcher: `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`, TerminationMode: "ProcessTree",
			Tags: []Tag{{Key: "owner", Value: "zhangsan"}},
			OSSOutput: OSSOutput{
				Delivery: "oss://testBucket/testPrefix", URI: "oss://testBucket/testPrefix/output.txt",
				Status: "Finished", ErrorCode: "CloudAssistant.UnsupportedInvocationStatus",
				ErrorInfo: "The invocation status does not support output delivery.",
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	// A field that this test forgot would be zero on both sides.
	record := reflect.ValueOf(want.Records[0])
	for i := range record.NumField() {
		name := record.Type().Field(i).Name
		if record.Field(i).IsZero() && name != "Dropped" && name != "Repeats" {
			t.Errorf("the sample does not cover %s", name)
		}
	}
}

func TestDecodeNumbers(t *testing.T) {
	for spelled, want := range map[string]*int64{
		`7`: ptr(7), `"7"`: ptr(7), `-1`: ptr(-1), `" 7 "`: ptr(7), `7.0`: ptr(7), `1e3`: ptr(1000), `0`: ptr(0),
		`4294967295`: ptr(4294967295), `9223372036854775807`: ptr(9223372036854775807), `null`: nil, `""`: nil,
	} {
		if diff := cmp.Diff(want, decodeRow(t, `,"ExitCode":`+spelled).ExitCode); diff != "" {
			t.Errorf("ExitCode %s (-want +got):\n%s", spelled, diff)
		}
	}
	row := decodeRow(t, `,"Dropped":"49259","Repeats":3`)
	if row.Dropped != 49259 || row.Repeats != 3 || row.ExitCode != nil {
		t.Errorf("got %+v", row)
	}
	for _, spelled := range []string{`7.5`, `"seven"`, `true`, `{}`, `[]`, `1e30`, `9223372036854775808`, `9007199254740993.0`, `"NaN"`, `"Inf"`} {
		_, err := decode(rowBody(`,"ExitCode":`+spelled), EncodingBase64)
		if err == nil {
			t.Errorf("ExitCode %s passed for an integer", spelled)
			continue
		}
		wantError(t, err, ClassUnavailable, CodeMalformedResponse)
	}
}

func TestDecodeTimes(t *testing.T) {
	for spelled, want := range map[string]time.Time{
		`"2019-12-20T06:15:55Z"`:      date(t, "2019-12-20T06:15:55Z"),
		`"2019-12-20T14:15:55+08:00"`: date(t, "2019-12-20T06:15:55Z"),
		`"2019-12-20T06:15:55.25Z"`:   date(t, "2019-12-20T06:15:55.25Z"),
		`"2018-01-05 15:45:02"`:       date(t, "2018-01-05T15:45:02Z"),
		`""`:                          {}, `null`: {}, `"soon"`: {}, `17`: {}, `"0001-01-01T00:00:00Z"`: {},
		`"0000-01-01T00:00:00+23:59"`: {}, `"9999-12-31T23:59:59-23:59"`: {}, `{"a":1}`: {}, `[]`: {},
	} {
		got, err := decode(rowBody(`,"StartTime":`+spelled), EncodingBase64)
		if strings.ContainsAny(spelled, "{[") {
			wantError(t, err, ClassUnavailable, CodeMalformedResponse)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", spelled, err)
			continue
		}
		if start := got.Records[0].StartTime; !start.Equal(want) || start.Location() != time.UTC {
			t.Errorf("%s decodes to %s, want %s", spelled, start, want)
		}
	}
}

func TestDecodeTags(t *testing.T) {
	some := []Tag{{Key: "owner", Value: "zhangsan"}, {Key: "empty"}}
	const list = `[{"TagKey":"owner","TagValue":"zhangsan"},{"TagKey":"empty","TagValue":null}]`
	for spelled, want := range map[string][]Tag{
		`{"Tag":` + list + `}`: some, list: some, `{"Tag":[]}`: nil, `{"Tag":null}`: nil, `{}`: nil, `[]`: nil,
		`null`: nil, `""`: nil,
	} {
		if diff := cmp.Diff(want, decodeRow(t, `,"Tags":`+spelled).Tags); diff != "" {
			t.Errorf("Tags %s (-want +got):\n%s", spelled, diff)
		}
	}
	_, err := decode(rowBody(`,"Tags":7`), EncodingBase64)
	wantError(t, err, ClassUnavailable, CodeMalformedResponse)
}

func TestDecodeOutput(t *testing.T) {
	for _, tc := range []struct {
		output   string
		encoding ContentEncoding
		want     []byte
	}{
		{"", EncodingBase64, nil},
		{"\r\n", EncodingBase64, nil},
		{"aGVsbG8K", EncodingBase64, []byte("hello\n")},
		{"AAH/gA==", EncodingBase64, []byte{0, 1, 0xff, 0x80}},
		{"not base64!", EncodingBase64, []byte("not base64!")},
		{"aGVsbG8K", EncodingPlainText, []byte("aGVsbG8K")},
		{"中文\t\x01", EncodingPlainText, []byte("中文\t\x01")},
	} {
		spelled, err := json.Marshal(tc.output)
		if err != nil {
			t.Fatal(err)
		}
		page, err := decode(rowBody(`,"Output":`+string(spelled)), tc.encoding)
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Records[0].Output; !bytes.Equal(got, tc.want) || (got == nil) != (tc.want == nil) {
			t.Errorf("%q in %s decodes to %q, want %q", tc.output, tc.encoding, got, tc.want)
		}
	}
}

func TestDecodeTolerates(t *testing.T) {
	row := decodeRow(t, `,"ContainerName":17,"Username":null,"InvocationStatus":"Exploded","Unknown":{"deep":[1]}`)
	if row.ContainerName != "17" || row.Username != "" || row.InvocationStatus != "Exploded" {
		t.Errorf("got %+v", row)
	}
	for name, body := range map[string]string{
		"an empty list": emptyPage,
		"a null list":   `{"RequestId":"R","Invocation":{"InvocationResults":{"InvocationResult":null},"NextToken":null}}`,
		"no list":       `{"RequestId":"R","Invocation":{"InvocationResults":{}}}`,
		"space":         " \n" + emptyPage + "\r\n",
	} {
		page, err := decode(body, EncodingBase64)
		if err != nil || len(page.Records) != 0 || page.Records == nil || page.NextToken != "" {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
}

// Nothing that is not an answer of the API may pass for an empty list.
func TestMalformedAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                  "",
		"space":                    "  ",
		"HTML":                     "<html><body>Sign in to the network</body></html>",
		"null":                     "null",
		"a list":                   "[]",
		"a string":                 `"RequestId"`,
		"no request ID":            strings.Replace(emptyPage, "R-1", "", 1),
		"only a request ID":        `{"RequestId":"R"}`,
		"null invocation":          `{"RequestId":"R","Invocation":null}`,
		"invocation as a list":     `{"RequestId":"R","Invocation":[]}`,
		"no results":               `{"RequestId":"R","Invocation":{"NextToken":""}}`,
		"results as a list":        `{"RequestId":"R","Invocation":{"InvocationResults":[]}}`,
		"truncated":                emptyPage[:len(emptyPage)-1],
		"truncated in a row":       rowBody("")[:90],
		"followed by more":         emptyPage + emptyPage,
		"a row without invocation": `{"RequestId":"R","Invocation":{"InvocationResults":{"InvocationResult":[{"InstanceId":"i"}]}}}`,
		"a row without instance":   `{"RequestId":"R","Invocation":{"InvocationResults":{"InvocationResult":[{"InvokeId":"t"}]}}}`,
		"a null row":               `{"RequestId":"R","Invocation":{"InvocationResults":{"InvocationResult":[null]}}}`,
		"an object for an ID":      rowBody(`,"InvokeId":{}`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := askServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-acs-request-id", "R-9")
				respond(200, body)(w, r)
			})
			got := wantError(t, err, ClassUnavailable, CodeMalformedResponse)
			if got.RequestID != "R-9" || got.HTTPStatus != 200 || !strings.Contains(got.Message, "application/json") {
				t.Errorf("error %+v", got)
			}
		})
	}
}
