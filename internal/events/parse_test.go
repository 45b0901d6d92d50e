package events_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// completed has the shape of the vendor's sample.
const completed = `{"id":"45ef4d00-7c35-447a-bd93-000000000000","source":"acs.ecs","specversion":"1.0",
 "subject":"acs.ecs:cn-hangzhou:1234567890123456:215672","time":"2023-12-14T15:39:49+08:00",
 "type":"ecs:CloudAssistant:TaskCompleted","aliyunaccountid":"1234567890123456",
 "aliyunpublishtime":"2023-12-14T07:39:50Z","aliyuneventbusname":"default",
 "aliyunregionid":"cn-hangzhou","aliyunpublishaddr":"172.25.0.1",
 "data":` + completedData + `}`

const completedData = `{"commandId":"c-hz01v2tjr","commandName":"hello-linux.sh","exitCode":"0","finishTime":"2023-12-14T07:39:48Z",
  "instanceId":"i-bp1i7gg30r52z2em","invocationStatus":"Success","invokeId":"t-hz0jdfwd9f","ownerId":"1234567890123456","playerUid":"1",
  "repeatMode":"Once","repeats":"1","startTime":"2023-12-14T07:39:47Z","errorCode":"0","errorDesc":""}`

var completedHint = events.Hint{
	ID: "45ef4d00-7c35-447a-bd93-000000000000", AccountID: "1234567890123456", RegionID: "cn-hangzhou",
	InvokeID: "t-hz0jdfwd9f", InstanceID: "i-bp1i7gg30r52z2em",
	FinishedAt: time.Date(2023, 12, 14, 7, 39, 48, 0, time.UTC),
}

// hintWith is the hint of the sample, changed.
func hintWith(change func(*events.Hint)) events.Hint {
	h := completedHint
	change(&h)
	return h
}

func swap(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }

func TestStructuredEvents(t *testing.T) {
	data := func(changed string) string { return swap(completed, completedData, changed) }
	tests := []struct {
		name, body string
		want       events.Hint
		refused    events.Reason
	}{
		{name: "the vendor's sample", body: completed, want: completedHint},
		{name: "more fields than are known", body: swap(completed, `"id":`, `"a_b":{"c":[1]},"trace":{"x":1},"id":`, `"exitCode"`, `"new":{"x":[null]},"exitCode"`), want: completedHint},
		{name: "numbers and nulls among the data", body: swap(completed, `"repeats":"1"`, `"repeats":1`, `"errorDesc":""`, `"errorDesc":null`), want: completedHint},
		{name: "with a media type", body: swap(completed, `"data":`, `"datacontenttype":"application/json; charset=utf-8","data":`), want: completedHint},
		{name: "the data in base64", body: swap(completed, `"data":`+completedData, `"data_base64":"`+base64.StdEncoding.EncodeToString([]byte(completedData))+`"`), want: completedHint},
		{name: "the place in the subject only", body: swap(completed, "aliyunaccountid", "a", "aliyunregionid", "b"), want: completedHint},
		{name: "the place in extensions only", body: swap(completed, "subject", "a"), want: completedHint},
		{
			name: "no account", body: swap(completed, "aliyunaccountid", "a", "1234567890123456:215672", "x"),
			want: hintWith(func(h *events.Hint) { h.AccountID = "" }),
		},
		{name: "a time that is none, which nobody reads", body: swap(completed, "2023-12-14T15:39:49+08:00", "now"), want: completedHint},
		{name: "no end", body: swap(completed, "finishTime", "a"), want: hintWith(func(h *events.Hint) { h.FinishedAt = time.Time{} })},
		{name: "an end that is no time", body: swap(completed, "2023-12-14T07:39:48Z", "yesterday"), want: hintWith(func(h *events.Hint) { h.FinishedAt = time.Time{} })},
		{name: "no instance", body: swap(completed, "instanceId", "a"), want: hintWith(func(h *events.Hint) { h.InstanceID = "" })},
		{name: "an instance of another form", body: swap(completed, "i-bp1i7gg30r52z2em", "../i"), want: hintWith(func(h *events.Hint) { h.InstanceID = "" })},
		{name: "an ID that is too long", body: swap(completed, completedHint.ID, strings.Repeat("x", 129)), want: hintWith(func(h *events.Hint) { h.ID = "" })},

		{name: "no invocation", body: swap(completed, "invokeId", "a"), refused: events.ReasonIncomplete},
		{name: "an invocation in other letters", body: swap(completed, "invokeId", "InvokeID"), refused: events.ReasonIncomplete},
		{name: "an invocation of another form", body: swap(completed, "t-hz0jdfwd9f", "c-hz0jdfwd9f"), refused: events.ReasonIncomplete},
		{name: "an invocation that breaks the line", body: swap(completed, "t-hz0jdfwd9f", `t-hz0\n`), refused: events.ReasonIncomplete},
		{name: "an invocation that is too long", body: swap(completed, "t-hz0jdfwd9f", "t-"+strings.Repeat("x", 63)), refused: events.ReasonIncomplete},
		{name: "an invocation that is an object", body: swap(completed, `"t-hz0jdfwd9f"`, `{"id":"t-1"}`), refused: events.ReasonIncomplete},
		{name: "no region", body: swap(completed, "aliyunregionid", "a", "acs.ecs:cn-hangzhou", "acs.ecs:"), refused: events.ReasonIncomplete},
		{name: "a region that is a host", body: swap(completed, "cn-hangzhou", "evil.com/"), refused: events.ReasonIncomplete},

		{name: "a heartbeat", body: swap(completed, "TaskCompleted", "FirstHeartbeat"), refused: events.ReasonOtherEvent},
		{name: "of another product", body: swap(completed, `"source":"acs.ecs"`, `"source":"acs.oss"`), refused: events.ReasonOtherEvent},

		{name: "empty", refused: events.ReasonMalformed},
		{name: "cut off", body: completed[:len(completed)-1], refused: events.ReasonMalformed},
		{name: "two", body: completed + completed, refused: events.ReasonMalformed},
		{name: "a batch", body: "[" + completed + "]", refused: events.ReasonMalformed},
		{name: "null", body: "null", refused: events.ReasonMalformed},
		{name: "no version", body: swap(completed, "specversion", "version"), refused: events.ReasonMalformed},
		{name: "an old version", body: swap(completed, `"specversion":"1.0"`, `"specversion":"0.3"`), refused: events.ReasonMalformed},
		{name: "no ID", body: swap(completed, `"id"`, `"a"`), refused: events.ReasonMalformed},
		{name: "no type", body: swap(completed, `"type"`, `"a"`), refused: events.ReasonMalformed},
		{name: "no data", body: data("null"), refused: events.ReasonMalformed},
		{name: "data that are a list", body: data("[" + completedData + "]"), refused: events.ReasonMalformed},
		{name: "data that are text", body: data(`"t-hz0jdfwd9f"`), refused: events.ReasonMalformed},
		{name: "data that are XML", body: swap(data(`"<a/>"`), `"data":`, `"datacontenttype":"application/xml","data":`), refused: events.ReasonMalformed},
		{name: "data twice", body: swap(completed, `"data":`, `"data_base64":"e30=","data":`), refused: events.ReasonMalformed},
		{name: "base64 that is a number", body: swap(completed, `"data":`+completedData, `"data_base64":1`), refused: events.ReasonMalformed},
		{name: "base64 that is none", body: swap(completed, `"data":`+completedData, `"data_base64":"?"`), refused: events.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, media := range []string{"", "application/cloudevents+json; charset=utf-8", "application/json", "text/plain; charset=ISO-8859-1"} {
				header := http.Header{}
				if media != "" {
					header.Set("Content-Type", media)
				}
				got, err := events.ParseCloudEvent(header, []byte(tt.body))
				if diff := cmp.Diff(tt.want, got); diff != "" || reasonOf(err) != tt.refused {
					t.Errorf("as %q: %q, want %q (-want +got)\n%s", media, reasonOf(err), tt.refused, diff)
				}
			}
		})
	}
}

func TestBinaryEvents(t *testing.T) {
	header := func(pairs ...string) http.Header {
		h := http.Header{
			"Ce-Specversion": {"1.0"}, "Ce-Id": {completedHint.ID}, "Ce-Source": {"acs.ecs"}, "Ce-Type": {"ecs:CloudAssistant:TaskCompleted"},
			"Ce-Subject": {"acs.ecs:cn-hangzhou:1234567890123456:215672"}, "Ce-Time": {"2023-12-14T15:39:49+08:00"},
			"Ce-Aliyunregionid": {"cn-hangzhou"}, "Content-Type": {"application/json"},
		}
		for i := 0; i < len(pairs); i += 2 {
			h.Del(pairs[i])
			if pairs[i+1] != "" {
				h.Set(pairs[i], pairs[i+1])
			}
		}
		return h
	}
	tests := []struct {
		name    string
		header  http.Header
		body    string
		want    events.Hint
		refused events.Reason
	}{
		{name: "as specified", header: header(), body: completedData, want: completedHint},
		{name: "without a media type", header: header("Content-Type", ""), body: completedData, want: completedHint},
		{name: "with extensions that are no names", header: header("Ce-A-B", "x"), body: completedData, want: completedHint},
		{name: "headers of data", header: header("Ce-Data", "{}", "Ce-Datacontenttype", "text/xml"), body: completedData, want: completedHint},
		{name: "a heartbeat", header: header("Ce-Type", "ecs:CloudAssistant:FirstHeartbeat"), body: completedData, refused: events.ReasonOtherEvent},
		{name: "no ID", header: header("Ce-Id", ""), body: completedData, refused: events.ReasonMalformed},
		{name: "an old version", header: header("Ce-Specversion", "0.3"), body: completedData, refused: events.ReasonMalformed},
		{name: "XML", header: header("Content-Type", "application/xml"), body: completedData, refused: events.ReasonMalformed},
		{name: "a whole event as data", header: header(), body: completed, refused: events.ReasonIncomplete},
		{name: "no body", header: header(), refused: events.ReasonMalformed},
		{
			name: "a structured event with such headers", header: header("Content-Type", "application/cloudevents+json", "Ce-Type", "other"),
			body: completed, want: completedHint,
		},
		{name: "a batch", header: header("Content-Type", "application/cloudevents-batch+json"), body: "[" + completed + "]", refused: events.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events.ParseCloudEvent(tt.header, []byte(tt.body))
			if diff := cmp.Diff(tt.want, got); diff != "" || reasonOf(err) != tt.refused {
				t.Errorf("%q, want %q (-want +got)\n%s", reasonOf(err), tt.refused, diff)
			}
		})
	}
}

// monitored has the shape of the vendor's sample of another event. What eventContentMap holds for this one is not documented.
const monitored = `{"userInfo":{"uid":"1"},"subscription":{"subscriptionUuid":"s","conditions":[],"relation":"or"},"batchId":"b",
 "alert":{"alertStatus":"TRIGGERED","groupId":"0","source":"SYS_EVENT","eventName":"CloudAssistant:TaskCompleted","eventType":"Notification",
  "eventContentMap":` + completedData + `,"eventRawContent":"{}","dedupId":"d","arn":"acs:ecs:cn-hangzhou:1234567890123456:instance/i-bp1i7gg30r52z2em",
  "timestamp":1702539589000,"traceId":"trace-1","severity":"INFO","product":"ECS","userId":"1234567890123456",
  "meta":{"sysEventMeta":{"regionNameEn":"Hangzhou","resourceId":"acs:ecs:cn-hangzhou:1234567890123456:instance/i-bp1i7gg30r52z2em",
   "product":"ECS","eventNameEn":"CloudAssistant:TaskCompleted","regionId":"cn-hangzhou","eventTime":"20231214T153949.000+0800",
   "id":"45ef4d00-7c35-447a-bd93-000000000000","status":"Executed"}}},
 "severity":"INFO","strategyName":"s","userId":"1234567890123456","time":"1702539589000"}`

func TestCloudMonitorEvents(t *testing.T) {
	escaped := strings.NewReplacer(`"`, `\"`, "\n", "").Replace(completedData)
	region := hintWith(func(h *events.Hint) { h.InvokeID, h.FinishedAt = "", time.Time{} })
	tests := []struct {
		name, body string
		want       events.Hint
		refused    events.Reason
	}{
		{name: "the content as a map", body: monitored, want: completedHint},
		{name: "the content as text", body: swap(monitored, completedData, `"`+escaped+`"`), want: completedHint},
		{name: "the raw content", body: swap(monitored, completedData, "{}", `"eventRawContent":"{}"`, `"eventRawContent":"`+escaped+`"`), want: completedHint},
		{name: "the raw event", body: swap(monitored, completedData, "null", `"eventRawContent":"{}"`, `"eventRawContent":"{\"content\":`+escaped+`}"`), want: completedHint},
		{name: "the raw CloudEvent", body: swap(monitored, completedData, "null", `"eventRawContent":"{}"`, `"eventRawContent":"{\"data\":`+escaped+`}"`), want: completedHint},
		{name: "nothing that names the invocation", body: swap(monitored, completedData, `{"x":1}`), want: region},
		{name: "no content at all", body: swap(monitored, "eventContentMap", "a", "eventRawContent", "b"), want: region},
		{
			name: "an instance in the resource only", body: swap(monitored, `"instanceId"`, `"a"`, "acs:ecs:cn-hangzhou:1234567890123456:instance/i-bp1i7gg30r52z2em", "i-bp1"),
			want: hintWith(func(h *events.Hint) { h.InstanceID = "i-bp1" }),
		},
		{name: "no event ID", body: swap(monitored, `"id":"45`, `"a":"45`), want: hintWith(func(h *events.Hint) { h.ID = "trace-1" })},
		{name: "no region", body: swap(monitored, "regionId", "a"), refused: events.ReasonIncomplete},
		{name: "a heartbeat", body: swap(monitored, "TaskCompleted", "FirstHeartbeat"), refused: events.ReasonOtherEvent},
		{name: "an alert of another kind", body: `{"alert":{}}`, refused: events.ReasonOtherEvent},
		{name: "an alert that is a list", body: `{"alert":[]}`, refused: events.ReasonOtherEvent},
		{name: "no JSON", body: "alert", refused: events.ReasonMalformed},
		{name: "empty", refused: events.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events.ParseCloudMonitor(http.Header{"Content-Type": {"application/json"}}, []byte(tt.body))
			if diff := cmp.Diff(tt.want, got); diff != "" || reasonOf(err) != tt.refused {
				t.Errorf("%q, want %q (-want +got)\n%s", reasonOf(err), tt.refused, diff)
			}
		})
	}
}

func TestCloudMonitorForms(t *testing.T) {
	_, alert, _ := strings.Cut(monitored, `"alert":`)
	alert, _, _ = strings.Cut(alert, ",\n \"severity\"")
	form := url.Values{"alert": {alert}, "userId": {"1234567890123456"}, "severity": {"INFO"}}.Encode()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	got, err := events.ParseCloudMonitor(header, []byte(form))
	if diff := cmp.Diff(completedHint, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got)\n%s", err, diff)
	}
	for body, want := range map[string]events.Reason{
		"alert=%zz": events.ReasonMalformed, "": events.ReasonOtherEvent, "alert=1": events.ReasonOtherEvent, "alert=%7B%22eventName%22": events.ReasonOtherEvent,
	} {
		if _, err := events.ParseCloudMonitor(header, []byte(body)); reasonOf(err) != want {
			t.Errorf("%q: %q, want %q", body, reasonOf(err), want)
		}
	}
	if _, err := events.ParseCloudMonitor(http.Header{"Content-Type": {"text/html"}}, []byte(monitored)); reasonOf(err) != events.ReasonMalformed {
		t.Errorf("HTML: %q", reasonOf(err))
	}
}
