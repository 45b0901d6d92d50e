package events

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	mediaForm = "application/x-www-form-urlencoded"
	// nameTaskCompleted is what CloudMonitor calls the event, with or without its product.
	nameTaskCompleted = "CloudAssistant:TaskCompleted"
)

// ParseCloudMonitor reads what CloudMonitor's webhook sends: JSON, or a form whose values are JSON. An error is a Refusal,
// and says what becomes of the event.
func ParseCloudMonitor(header http.Header, body []byte) (Hint, error) {
	whole, ok := monitorObject(header, body)
	if !ok {
		return Hint{}, refused(ReasonMalformed)
	}
	alert := whole.object("alert")
	meta := alert.object("meta").object("sysEventMeta")
	if !completed(alert.text("eventName")) && !completed(meta.text("eventNameEn")) {
		return Hint{}, refused(ReasonOtherEvent)
	}
	h := Hint{
		// Not the dedupId: that may be the alert's, and the same for many events.
		ID:         first(eventIDPattern.MatchString, maxIDBytes, meta.text("id"), alert.text("traceId")),
		AccountID:  first(accountPattern.MatchString, maxNameBytes, alert.text("userId"), whole.text("userId")),
		InstanceID: first(instancePattern.MatchString, maxNameBytes, lastPart(meta.text("resourceId"))),
		RegionID:   first(regionPattern.MatchString, maxNameBytes, meta.text("regionId")),
	}
	for _, content := range contents(alert) {
		invokeID := matching(invokePattern, maxNameBytes, content.text("invokeId"))
		if invokeID == "" {
			continue
		}
		h.InvokeID, h.FinishedAt = invokeID, instant(content.text("finishTime"))
		h.InstanceID = first(instancePattern.MatchString, maxNameBytes, content.text("instanceId"), h.InstanceID)
		break
	}
	if h.RegionID == "" {
		return Hint{}, refused(ReasonIncomplete)
	}
	return h, nil
}

// contents are where the invocation may be named.
func contents(alert object) []object {
	raw := alert.object("eventRawContent")
	return []object{alert.object("eventContentMap"), raw, raw.object("content"), raw.object("data")}
}

func completed(name string) bool {
	return name == nameTaskCompleted || name == typeTaskCompleted
}

func first(matches func(string) bool, maxBytes int, texts ...string) string {
	for _, text := range texts {
		if len(text) <= maxBytes && matches(text) {
			return text
		}
	}
	return ""
}

// lastPart is the resource of an ARN, which ends on instance/i-…, and any other text as it is.
func lastPart(text string) string { return text[strings.LastIndex(text, "/")+1:] }

func monitorObject(header http.Header, body []byte) (object, bool) {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err == nil && media == mediaForm {
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, false
		}
		whole := object{}
		for name := range values {
			// Kept as the text that it is: object and text read both.
			whole[name], _ = json.Marshal(values.Get(name))
		}
		return whole, true
	}
	if header.Get("Content-Type") != "" && (err != nil || !jsonMedia(media)) {
		return nil, false
	}
	return objectOf(body)
}
