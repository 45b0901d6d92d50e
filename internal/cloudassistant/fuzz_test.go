package cloudassistant

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// wildValues are JSON values as gateways, proxies and enemies might send them for any field.
var wildValues = []string{
	`null`, `""`, `" "`, `"\u0000"`, `"\ud800"`, `true`, `{}`, `[]`, `[null]`, `{"Tag":{}}`, `{"Tag":[{"TagKey":1,"TagValue":true}]}`,
	`[{"TagKey":"owner","TagValue":"zhangsan"}]`, `0`, `-0`, `7`, `" 7 "`, `"+7"`, `7.0`, `7.5`, `1e3`, `1E-3`, `1e400`, `"0x1p4"`, `"1_000"`,
	`9007199254740992`, `9007199254740993.0`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `"NaN"`, `"-Inf"`,
	`"2019-12-20T06:15:55Z"`, `"2019-12-20T14:15:55+08:00"`, `"2018-01-05 15:45:02"`, `"0000-01-01T00:00:00+23:59"`,
	`"9999-12-31T23:59:59-23:59"`, `"2016-12-31T23:59:60Z"`, `"2019-12-20T06:15:55,25Z"`, `"MTU6MzA6MDEK"`, `"not base64!"`, `"\n"`,
}

// Whatever the bytes of an answer are, they are a page or malformed. What was understood can be written down as the API
// documents it, and is then understood the same.
func FuzzDecodePage(f *testing.F) {
	sample, err := os.ReadFile("testdata/page-sample.json")
	if err != nil {
		f.Fatal(err)
	}
	seeds := []string{
		string(sample), emptyPage, "", "null", `{"requestid":"R","INVOCATION":{"invocationResults":{"InvocationResult":[{"instanceId":"i","InvokeId":"t"}]}}}`,
		rowBody(`,"InstanceId":"i-2"`), rowBody(`,"Tags":[{"TagKey":1}],"ExitCode":"","Output":"!"`), strings.Repeat("[", 20000),
		`{"RequestId":"R","Code":"Throttling.User","Message":"Request was denied due to user flow control."}`,
	}
	for _, field := range []string{"ExitCode", "StartTime", "Tags", "Output", "InvocationStatus", "Dropped"} {
		for _, value := range wildValues {
			seeds = append(seeds, rowBody(`,"`+field+`":`+value))
		}
	}
	for n, seed := range seeds {
		f.Add(seed, n%2 == 0)
	}
	f.Fuzz(func(t *testing.T, body string, plain bool) {
		encoding := EncodingBase64
		if plain {
			encoding = EncodingPlainText
		}
		page, err := decode(body, encoding)
		if err != nil {
			checkError(t, wantError(t, err, ClassUnavailable, CodeMalformedResponse))
			return
		}
		if page.Bytes != int64(len(body)) {
			t.Fatalf("%d bytes of %d", page.Bytes, len(body))
		}
		for _, row := range page.Records {
			if row.InvokeID == "" || row.InstanceID == "" {
				t.Fatalf("a row without identity: %+v", row)
			}
			if row.Output != nil && len(row.Output) == 0 {
				t.Fatal("an output of nothing is not nil")
			}
		}
		again, err := decode(documented(t, page), EncodingBase64)
		if err != nil {
			t.Fatalf("written as documented it is refused: %v", err)
		}
		if diff := cmp.Diff(page, again, cmpopts.IgnoreFields(Page{}, "Bytes", "RequestID")); diff != "" {
			t.Errorf("written as documented it is understood differently (-first +again):\n%s", diff)
		}
	})
}

// documented writes a page as the API's page documents it.
func documented(t *testing.T, page *Page) string {
	t.Helper()
	instant := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.Format(time.RFC3339Nano)
	}
	rows := []map[string]any{}
	for _, r := range page.Records {
		tags := []map[string]string{}
		for _, tag := range r.Tags {
			tags = append(tags, map[string]string{"TagKey": tag.Key, "TagValue": tag.Value})
		}
		row := map[string]any{
			"CommandId": r.CommandID, "InvokeId": r.InvokeID, "InstanceId": r.InstanceID, "ContainerId": r.ContainerID,
			"ContainerName": r.ContainerName, "InvocationStatus": r.InvocationStatus, "InvokeRecordStatus": r.InvokeRecordStatus,
			"ErrorCode": r.ErrorCode, "ErrorInfo": r.ErrorInfo, "Output": base64.StdEncoding.EncodeToString(r.Output), "Dropped": r.Dropped,
			"Repeats": r.Repeats, "StartTime": instant(r.StartTime), "FinishedTime": instant(r.FinishedTime), "StopTime": instant(r.StopTime),
			"Username": r.Username, "Launcher": r.Launcher, "TerminationMode": r.TerminationMode, "Tags": map[string]any{"Tag": tags},
			"OssOutputDelivery": r.OSSOutput.Delivery, "OssOutputUri": r.OSSOutput.URI, "OssOutputStatus": r.OSSOutput.Status,
			"OssOutputErrorCode": r.OSSOutput.ErrorCode, "OssOutputErrorInfo": r.OSSOutput.ErrorInfo,
		}
		if r.ExitCode != nil {
			row["ExitCode"] = *r.ExitCode
		}
		rows = append(rows, row)
	}
	body, err := json.Marshal(map[string]any{"RequestId": "R", "Invocation": map[string]any{
		"PageSize": page.PageSize, "PageNumber": page.PageNumber, "TotalCount": page.TotalCount, "NextToken": page.NextToken,
		"InvocationResults": map[string]any{"InvocationResult": rows},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// plainNumber is a number of JSON whose exponent is small enough to be computed with.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?$`)

// Whatever stands for a scalar, it is taken for what it means, or the answer is malformed.
func FuzzScalars(f *testing.F) {
	for _, value := range wildValues {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, spelled string) {
		var meant any
		decoder := json.NewDecoder(strings.NewReader(spelled))
		decoder.UseNumber()
		if !json.Valid([]byte(spelled)) || decoder.Decode(&meant) != nil {
			return
		}
		row := func(field string) (Record, bool) {
			page, err := decode(rowBody(`,"`+field+`":`+spelled), EncodingPlainText)
			if err != nil {
				wantError(t, err, ClassUnavailable, CodeMalformedResponse)
				return Record{}, false
			}
			return page.Records[0], true
		}
		text, isScalar := "", true
		switch meant := meant.(type) {
		case string:
			text = meant
		case json.Number:
			text = meant.String()
		case bool:
			text = fmt.Sprint(meant)
		case nil:
		default:
			isScalar = false
		}
		named, ok := row("ContainerName")
		if ok != isScalar || named.ContainerName != text {
			t.Errorf("as a text: %q, %t, want %q, %t", named.ContainerName, ok, text, isScalar)
		}
		began, ok := row("StartTime")
		if ok != isScalar {
			t.Errorf("as a time: %t, want %t", ok, isScalar)
		}
		checkTime(t, strings.TrimSpace(text), began.StartTime)
		exited, ok := row("ExitCode")
		if ok && !isScalar {
			t.Errorf("as a number: %v", exited.ExitCode)
		}
		if isScalar {
			checkNumber(t, strings.TrimSpace(text), exited.ExitCode, ok)
		}
	})
}

func checkTime(t *testing.T, text string, got time.Time) {
	t.Helper()
	if _, err := got.MarshalJSON(); err != nil || got.Location() != time.UTC {
		t.Errorf("as a time: %v (%v)", got, err)
	}
	want, err := time.Parse(time.RFC3339, text)
	if err == nil && want.UTC().Year() >= 1970 && want.UTC().Year() <= 9999 && !got.Equal(want) {
		t.Errorf("as a time: %v, want %v", got, want)
	}
	if !got.IsZero() && (got.Year() < 1970 || got.Year() > 9999) {
		t.Errorf("as a time: %v, out of all bounds", got)
	}
}

// checkNumber compares with exact arithmetic, rounded to a float where there is a point or an exponent: nobody sends a
// fraction too small for one. From 2^53 on such a number may be refused.
func checkNumber(t *testing.T, text string, got *int64, ok bool) {
	t.Helper()
	if text == "" {
		if !ok || got != nil {
			t.Errorf("as a number: %v, %t, want none", got, ok)
		}
		return
	}
	if ok && got == nil {
		t.Fatalf("%q is taken for an absent number", text)
	}
	if !plainNumber.MatchString(text) {
		return
	}
	exact, parses := new(big.Rat).SetString(text)
	if !parses {
		t.Fatalf("%q is not a number to compare with", text)
	}
	isFloat := strings.ContainsAny(text, ".eE")
	if rounded, _ := exact.Float64(); isFloat {
		exact = new(big.Rat).SetFloat64(rounded)
	}
	if ok && exact.Cmp(new(big.Rat).SetInt64(*got)) != 0 {
		t.Errorf("%q is taken for %d", text, *got)
	}
	if exact.IsInt() && exact.Num().IsInt64() && !ok {
		if n := exact.Num().Int64(); !isFloat || max(n, -n) < 1<<53 && n != math.MinInt64 {
			t.Errorf("%q is refused", text)
		}
	}
}

// Whatever answers with a failure, the operator gets an error that it can act on and that can be shown: of a known class,
// with a name and a short sentence, without secrets. Only the API's own word ends an observation.
func FuzzRefusal(f *testing.F) {
	for _, code := range []string{"Throttling.User", "Forbidden.RAM", "InvalidRegionId.NotFound", "InvalidParameter.NextToken", "Never.Seen", "", " ", `\u0001`, "KEY"} {
		for _, status := range []int{400, 403, 404, 429, 500, 503} {
			f.Add(status, `{"RequestId":"REQ","HostId":"ecs.aliyuncs.com","Code":"`+code+`","Message":"Specified signature is not matched. server string to sign is:GET&KEY"}`, "1500")
		}
	}
	for _, value := range wildValues {
		f.Add(400, `{"RequestId":`+value+`,"Code":`+value+`,"Message":`+value+`}`, "")
	}
	f.Add(502, "<html><title>502 Bad Gateway</title>", "Wed, 25 Nov 2026 00:00:00 GMT")
	f.Add(400, `{"Code":"InvalidParameter.KEY","Message":"https://ecs.aliyuncs.com/?Signature=KEY&x user:KEY@proxy KEY"}`, "-1")
	f.Add(0, `{"code":"Throttling","message":"SECRETSECRET"}`, "99999999999999999999")

	// What a body calls KEY or SECRET is a secret of the call, plain or as in a query.
	secrets := []string{"LTAI5tExampleKeyId000001", "s3cr+t/KeyOf=Thirty~Characters*"}
	reveal := strings.NewReplacer("KEY", secrets[0], "SECRET", secrets[1], "QUERY", url.QueryEscape(secrets[1]))
	classes := []Class{ClassThrottled, ClassUnavailable, ClassDenied, ClassInvalid, ClassTokenExpired}
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		response := &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{
			"X-Acs-Request-Id": {body}, "X-Acs-Retry-After": {after}, "Retry-After": {after},
		}}
		got := refusalError(response, []byte(reveal.Replace(body)), newSanitizer(secrets...))
		checkError(t, *got)
		if got.RetryAfter < 0 || got.RetryAfter > maxRetryAfter {
			t.Errorf("retry after %v", got.RetryAfter)
		}
		if !slices.Contains(classes, got.Class) {
			t.Errorf("class %q", got.Class)
		}
		for _, secret := range secrets {
			for _, spelled := range []string{secret, url.QueryEscape(secret), url.QueryEscape(url.QueryEscape(secret))} {
				if strings.Contains(got.Error(), spelled) {
					t.Errorf("%q tells the secret %q", got.Error(), spelled)
				}
			}
		}
		var said struct{ Code any }
		err := json.Unmarshal([]byte(reveal.Replace(body)), &said)
		if _, isText := said.Code.(string); (err != nil || !isText) && got.Class != ClassUnavailable && got.Class != ClassThrottled {
			t.Errorf("%s, though no code says so", got.Class)
		}
	})
}

// checkError: an error can stand in a status, an event and a log.
func checkError(t *testing.T, got Error) {
	t.Helper()
	for _, part := range []struct {
		name, text string
		limit      int
	}{
		{"code", got.Code, maxNameBytes}, {"request ID", got.RequestID, maxNameBytes}, {"message", got.Message, maxMessageBytes},
	} {
		hidden := func(r rune) bool { return !unicode.IsPrint(r) }
		if len(part.text) > part.limit || !utf8.ValidString(part.text) || strings.ContainsFunc(part.text, hidden) {
			t.Errorf("the %s %q cannot be shown", part.name, part.text)
		}
	}
	if got.Code == "" {
		t.Error("an error without a code")
	}
}
