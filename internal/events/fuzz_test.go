package events_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// signatureHeaders are what a forger may change: of both forms, of the newer one and of the older one.
var signatureHeaders = []struct {
	name      string
	rsa, hmac bool
}{
	{"x-eventbridge-signature-timestamp", true, true},
	{"x-eventbridge-signature-version", true, true},
	{"x-eventbridge-signature-url", true, true},
	{"x-eventbridge-signature-token", true, true},
	{"x-eventbridge-signature-v2", true, true},
	{"x-eventbridge-hash-method", true, false},
	{"x-eventbridge-signature", false, true},
	{"x-eventbridge-signature-method", false, true},
	{"x-eventbridge-signature-secret", false, true},
	{"x-eventbridge-unknown", false, false},
}

// A request is accepted within its minute, as it was signed, and in no other way, whatever is changed in it. The line
// break that may or may not follow the body is the one thing that no signature tells.
func FuzzVerify(f *testing.F) {
	for n, header := range signatureHeaders {
		for _, value := range []string{"", "x", "1.0", "AAAA", "1795608000000", "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/other"} {
			f.Add(n%2 == 0, uint8(n), completed, completed, uint8(n), value, int64(n*7000))
		}
		f.Add(header.hmac, uint8(n), completed, completed+"\n", uint8(n), "", int64(60000))
		f.Add(header.rsa, uint8(n), "\n", "", uint8(n), "", int64(-60001))
	}
	f.Fuzz(func(t *testing.T, older bool, variant uint8, body, sent string, changed uint8, value string, afterMilliseconds int64) {
		form, header := bothForms[0], signatureHeaders[int(changed)%len(signatureHeaders)]
		matters := header.rsa
		if older {
			form, matters = bothForms[1], header.hmac
		}
		if !plain(value) {
			return
		}
		v := eventbridge.Variants[int(variant)%len(eventbridge.Variants)]
		p := signedBy(t, vendor(), form.sign, v, func(r *eventbridge.Request) { r.Body = []byte(body) })
		p.body = []byte(sent)
		p.now = start.Add(time.Duration(afterMilliseconds%1e6) * time.Millisecond)
		changes := value != "" && value != p.header.Get(header.name)
		if value != "" {
			p.header.Set(header.name, value)
		}
		same := sent == body || v.NewlineAfterBody && sent == body+"\n" || !v.NewlineAfterBody && sent+"\n" == body
		forged := changes && matters || !same
		want := !forged && p.now.Sub(start).Abs() <= events.Window
		if got := p.receive(t, nil); (got == "") != want {
			t.Errorf("accepted: %t (%s), want %t", got == "", got, want)
		}
	})
}

// plain says whether text can be the value of a header.
func plain(text string) bool {
	for _, b := range []byte(text) {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// Whatever a body is, it is an event that can be used, or refused for a reason that says so. What was understood is
// understood the same if it is written as the vendor writes it.
func FuzzParse(f *testing.F) {
	for _, media := range []string{"", "application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "application/x-www-form-urlencoded", "a;b"} {
		for _, version := range []string{"", "1.0", "0.3"} {
			for _, body := range []string{completed, completedData, monitored, "alert=%7B%7D", "", "null", "[]", strings.Repeat(`{"data":`, 20000), `{"specversion":"1.0","data_base64":1}`, `{"specversion":"0.3","datacontentencoding":""}`} {
				f.Add(media, version, body)
			}
		}
	}
	for _, field := range []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "data_base64", "aliyunregionid"} {
		for _, value := range []string{"null", "1", `""`, "{}", `"\ud800"`, `"a b"`, `"text/plain"`} {
			f.Add("", "", `{"`+field+`":`+value+","+completed[1:])
			f.Add("", "", completed[:len(completed)-1]+`,"`+field+`":`+value+"}")
		}
	}
	f.Fuzz(func(t *testing.T, media, version, body string) {
		header := http.Header{}
		for name, value := range map[string]string{"Content-Type": media, "Ce-Specversion": version} {
			if value != "" {
				header.Set(name, value)
			}
		}
		if version != "" {
			for name, value := range map[string]string{"Ce-Id": "1", "Ce-Source": "acs.ecs", "Ce-Type": "ecs:CloudAssistant:TaskCompleted", "Ce-Subject": "acs.ecs:cn-hangzhou:1"} {
				header.Set(name, value)
			}
		}
		given := bytes.Clone([]byte(body))
		hint, err := events.ParseCloudEvent(header, given)
		checkParsed(t, hint, err)
		if err == nil {
			if hint.InvokeID == "" {
				t.Errorf("a hint at no invocation: %+v", hint)
			}
			again, err := events.ParseCloudEvent(http.Header{}, written(t, hint))
			if diff := cmp.Diff(hint, again); diff != "" && hint.ID != "" || err != nil {
				t.Errorf("written as documented it is understood differently (%v, -first +again):\n%s", err, diff)
			}
		}
		hint, err = events.ParseCloudMonitor(header, given)
		checkParsed(t, hint, err)
		if string(given) != body {
			t.Error("the body was changed")
		}
	})
}

var fields = regexp.MustCompile(`^[\x21-\x7e]{0,128} [0-9]{0,32} [a-z][a-z0-9-]{1,63} (t-[A-Za-z0-9]{1,62})? ([a-z]+-[A-Za-z0-9]+)?$`)

func checkParsed(t *testing.T, h events.Hint, err error) {
	t.Helper()
	if err != nil {
		reason := reasonOf(err)
		if reason != events.ReasonMalformed && reason != events.ReasonOtherEvent && reason != events.ReasonIncomplete {
			t.Errorf("refused for %q", reason)
		}
		if h != (events.Hint{}) {
			t.Errorf("the hint %+v comes with %v", h, err)
		}
		return
	}
	if text := strings.Join([]string{h.ID, h.AccountID, h.RegionID, h.InvokeID, h.InstanceID}, " "); !fields.MatchString(text) {
		t.Errorf("a hint of another form: %q", text)
	}
	if at := h.FinishedAt; !at.IsZero() && (at.Year() < 1970 || at.Year() > 9999 || at.Location() != time.UTC) {
		t.Errorf("a time out of all bounds: %v", at)
	}
}

// written is a hint as the vendor's event tells it.
func written(t *testing.T, h events.Hint) []byte {
	t.Helper()
	finished := ""
	if !h.FinishedAt.IsZero() {
		finished = h.FinishedAt.Format(time.RFC3339Nano)
	}
	id := h.ID
	if id == "" {
		id = "some"
	}
	text, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "acs.ecs", "type": "ecs:CloudAssistant:TaskCompleted",
		"aliyunregionid": h.RegionID, "aliyunaccountid": h.AccountID,
		"data": map[string]string{"invokeId": h.InvokeID, "instanceId": h.InstanceID, "finishTime": finished},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
