package events

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// What Cloud Assistant's events are called.
const (
	sourceECS         = "acs.ecs"
	typeTaskCompleted = "ecs:CloudAssistant:TaskCompleted"
)

const headerSpecVersion = "Ce-Specversion"

// envelopeFields are the attributes that are read; the rest of an envelope may be anything.
var envelopeFields = []string{
	"specversion", "id", "source", "type", "subject", "datacontenttype", "data", "data_base64",
	extensionAccount, extensionRegion,
}

// The vendor's extensions.
const (
	extensionAccount = "aliyunaccountid"
	extensionRegion  = "aliyunregionid"
)

// ParseCloudEvent reads a CloudEvent in JSON, structured or binary. An error is a Refusal, and says what becomes of the
// event.
func ParseCloudEvent(header http.Header, body []byte) (Hint, error) {
	message, ok := messageOf(header, body)
	if !ok {
		return Hint{}, refused(ReasonMalformed)
	}
	got, err := binding.ToEvent(context.Background(), message)
	if err != nil || got.Validate() != nil {
		return Hint{}, refused(ReasonMalformed)
	}
	if got.Source() != sourceECS || got.Type() != typeTaskCompleted {
		return Hint{}, refused(ReasonOtherEvent)
	}
	media, _, err := mime.ParseMediaType(got.DataContentType())
	if got.DataContentType() != "" && (err != nil || !jsonMedia(media)) {
		return Hint{}, refused(ReasonMalformed)
	}
	data, ok := objectOf(got.Data())
	if !ok {
		return Hint{}, refused(ReasonMalformed)
	}
	h := Hint{
		ID:         matching(eventIDPattern, maxIDBytes, got.ID()),
		InvokeID:   matching(invokePattern, maxNameBytes, data.text("invokeId")),
		InstanceID: matching(instancePattern, maxNameBytes, data.text("instanceId")),
		FinishedAt: instant(data.text("finishTime")),
	}
	h.RegionID, h.AccountID = placeOf(got)
	if h.InvokeID == "" || h.RegionID == "" {
		return Hint{}, refused(ReasonIncomplete)
	}
	return h, nil
}

// messageOf is a request as the SDK reads it. Which media type comes with an event is not documented, so a structured one
// is whatever has no header with a version and reads as one.
func messageOf(header http.Header, body []byte) (*cehttp.Message, bool) {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	isFormat := strings.HasPrefix(media, format.Prefix)
	if isFormat && media != event.ApplicationCloudEventsJSON {
		return nil, false
	}
	if header.Get(headerSpecVersion) != "" && !isFormat {
		if header.Get("Content-Type") != "" && (err != nil || !jsonMedia(media)) {
			return nil, false
		}
		only := http.Header{"Content-Type": {event.ApplicationJSON}}
		for _, field := range envelopeFields {
			name := http.CanonicalHeaderKey("ce-" + field)
			if value := header.Get(name); value != "" && !strings.HasPrefix(field, "data") {
				only.Set(name, value)
			}
		}
		return cehttp.NewMessage(only, io.NopCloser(bytes.NewReader(body))), only.Get(headerSpecVersion) == event.CloudEventsVersionV1
	}
	whole, ok := objectOf(body)
	if !ok || whole.text("specversion") != event.CloudEventsVersionV1 {
		return nil, false
	}
	// The SDK gets the fields that are read, each once: where a text can be read in two ways it does not say so, and it
	// refuses extensions that CloudEvents do not allow and a vendor may add.
	only := object{}
	for _, field := range envelopeFields {
		if value, found := whole[field]; found && !bytes.Equal(value, []byte("null")) {
			only[field] = value
		}
	}
	if encoded, found := only["data_base64"]; found && (encoded[0] != '"' || only["data"] != nil) {
		return nil, false
	}
	plain, err := json.Marshal(only)
	if err != nil {
		return nil, false
	}
	structured := http.Header{"Content-Type": {event.ApplicationCloudEventsJSON}}
	return cehttp.NewMessage(structured, io.NopCloser(bytes.NewReader(plain))), true
}

func jsonMedia(media string) bool {
	return media == event.ApplicationJSON || media == "text/json" || strings.HasSuffix(media, "+json")
}

// placeOf is where an event comes from: what the bus says, else what the subject does, acs.ecs:<region>:<account>:<resource>.
func placeOf(e *event.Event) (regionID, accountID string) {
	parts := strings.SplitN(e.Subject(), ":", 4)
	extension := func(name string) string {
		text, _ := e.Extensions()[name].(string)
		return text
	}
	regionID = matching(regionPattern, maxNameBytes, extension(extensionRegion))
	accountID = matching(accountPattern, maxNameBytes, extension(extensionAccount))
	if len(parts) < 3 || parts[0] != sourceECS {
		return regionID, accountID
	}
	if regionID == "" {
		regionID = matching(regionPattern, maxNameBytes, parts[1])
	}
	if accountID == "" {
		accountID = matching(accountPattern, maxNameBytes, parts[2])
	}
	return regionID, accountID
}

// object is an object of JSON whose values are read only where they are wanted.
type object map[string]json.RawMessage

func objectOf(text []byte) (object, bool) {
	var o object
	err := json.Unmarshal(text, &o)
	return o, err == nil && o != nil
}

// text is a value as text: a string, or a number or boolean as it is written. Anything else is empty.
func (o object) text(name string) string {
	value := o[name]
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case '"':
		var text string
		_ = json.Unmarshal(value, &text)
		return text
	case '{', '[', 'n':
		return ""
	}
	return string(value)
}

// object is a value that is an object, or the text of one.
func (o object) object(name string) object {
	value := []byte(o[name])
	if len(value) > 0 && value[0] == '"' {
		value = []byte(o.text(name))
	}
	inner, _ := objectOf(value)
	return inner
}
