package emulator

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answerHead is the element that every answer begins with, unless FaultNoRequestID meets it.
type answerHead struct {
	RequestID string `json:"RequestId,omitempty" xml:"RequestId,omitempty"`
}

// errorAnswer is the gateway's error envelope. All values are strings: the vendor's Go SDK panics otherwise.
type errorAnswer struct {
	XMLName   xml.Name `json:"-" xml:"Error"`
	RequestID string   `json:"RequestId,omitempty" xml:"RequestId,omitempty"`
	HostID    string   `json:"HostId" xml:"HostId"`
	Code      string   `json:"Code" xml:"Code"`
	Message   string   `json:"Message" xml:"Message"`
	Recommend string   `json:"Recommend" xml:"Recommend"`
	// AccessDeniedDetail is the exception: an object, or the SDK panics.
	AccessDeniedDetail *accessDeniedDetail `json:"AccessDeniedDetail,omitempty" xml:"AccessDeniedDetail,omitempty"`
}

// emptyAnswer is the whole answer of an action that returns nothing but its request ID.
type emptyAnswer struct{ answerHead }

// encodeError renders a refusal and sets the header that goes with it.
func encodeError(w http.ResponseWriter, c *Call, refusal *apiError) []byte {
	if refusal.retryAfterMillis > 0 {
		w.Header().Set("x-acs-retry-after", strconv.FormatInt(refusal.retryAfterMillis, 10))
		w.Header().Set("Retry-After", strconv.FormatInt((refusal.retryAfterMillis+999)/1000, 10))
	}
	body := errorAnswer{
		RequestID: c.requestID, HostID: c.host, Code: refusal.code, Message: refusal.message,
		Recommend: "https://api.alibabacloud.com/troubleshoot?q=" + url.QueryEscape(refusal.code) +
			"&product=" + c.product() + "&requestId=" + c.requestID,
		AccessDeniedDetail: refusal.denied,
	}
	return encode(c, body, xml.StartElement{Name: xml.Name{Local: "Error"}})
}

func encodeAnswer(c *Call, answer any) []byte {
	return encode(c, answer, xml.StartElement{Name: xml.Name{Local: c.Action + "Response"}})
}

// send writes an answer or a refusal, in the way that the call's fault leaves it.
func (e *Emulator) send(w http.ResponseWriter, c *Call, status int, body []byte) {
	writeHead(w, c, status, body)
	if c.fault.Kind == FaultDrip {
		e.drip(w, c, body)
	}
	// An error here is a client that went away.
	_, _ = w.Write(body)
}

func writeHead(w http.ResponseWriter, c *Call, status int, body []byte) {
	contentType := "text/xml;charset=utf-8"
	if c.json {
		contentType = "application/json;charset=utf-8"
	}
	if c.fault.Kind == FaultContentType {
		contentType = "text/html;charset=utf-8"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if c.requestID != "" {
		w.Header().Set("x-acs-request-id", c.requestID)
	}
	w.WriteHeader(status)
}

// encode renders a value as JSON or XML, whichever the caller asked for. The values are the emulator's own
// types, so it cannot fail.
func encode(c *Call, value any, root xml.StartElement) []byte {
	var b bytes.Buffer
	var err error
	if c.json {
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(value)
	} else {
		b.WriteString("<?xml version='1.0' encoding='UTF-8'?>")
		err = xml.NewEncoder(&b).EncodeElement(value, root)
	}
	if err != nil {
		panic(fmt.Sprintf("an answer of %s cannot be encoded: %v", c.Action, err))
	}
	return bytes.TrimSpace(b.Bytes())
}

func (c *Call) product() string {
	if c.version == stsVersion {
		return "Sts"
	}
	return "Ecs"
}

// stamp prints a time as the API does: UTC, whole seconds, and an empty string for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
