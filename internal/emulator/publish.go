package emulator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

const typeTaskCompleted = "ecs:CloudAssistant:TaskCompleted"

// chinaTime is what the vendor writes the time of an event in.
var chinaTime = time.FixedZone("", 8*60*60)

// completedEvent is a CloudEvent in the vendor's shape.
type completedEvent struct {
	ID                string        `json:"id"`
	Source            string        `json:"source"`
	SpecVersion       string        `json:"specversion"`
	Subject           string        `json:"subject"`
	Time              string        `json:"time"`
	Type              string        `json:"type"`
	AliyunAccountID   string        `json:"aliyunaccountid"`
	AliyunPublishTime string        `json:"aliyunpublishtime"`
	AliyunEventBus    string        `json:"aliyuneventbusname"`
	AliyunRegionID    string        `json:"aliyunregionid"`
	AliyunPublishAddr string        `json:"aliyunpublishaddr"`
	Data              completedData `json:"data"`
}

// completedData are texts, all of them.
type completedData struct {
	CommandID        string `json:"commandId"`
	CommandName      string `json:"commandName"`
	ExitCode         string `json:"exitCode"`
	FinishTime       string `json:"finishTime"`
	InstanceID       string `json:"instanceId"`
	InvocationStatus string `json:"invocationStatus"`
	InvokeID         string `json:"invokeId"`
	OwnerID          string `json:"ownerId"`
	PlayerUID        string `json:"playerUid"`
	RepeatMode       string `json:"repeatMode"`
	Repeats          string `json:"repeats"`
	StartTime        string `json:"startTime"`
	ErrorCode        string `json:"errorCode"`
	ErrorDesc        string `json:"errorDesc"`
}

// announced says whether the end of a run with this status is an event. The vendor names all terminal ones but Error.
func announced(invocationStatus string) bool {
	return Terminal(invocationStatus) && invocationStatus != StatusError
}

// startPublishing makes what announces the ends of runs, if they go anywhere.
func (e *Emulator) startPublishing() error {
	if len(e.options.Events.Targets) == 0 {
		return e.options.Events.Check()
	}
	signer, err := e.eventSigner()
	if err != nil {
		return err
	}
	e.publisher, err = eventbridge.NewPublisher(e.options.Events, signer, e.clock, e.clientNow, e.log)
	return err
}

// EventsCertificate is the certificate, in PEM, of the key that events are signed with. It is another for every emulator.
func (e *Emulator) EventsCertificate() ([]byte, error) {
	signer, err := e.eventSigner()
	if err != nil {
		return nil, err
	}
	return signer.Certificate(), nil
}

// announce publishes that a run has just ended. The caller holds e.mu.
func (e *Emulator) announce(r *row) {
	if e.publisher == nil || e.closed || !announced(r.InvocationStatus) {
		return
	}
	text, err := json.Marshal(e.completed(r))
	if err != nil {
		e.log.Error("an event cannot be written", "InvokeId", r.invocation.ID, "InstanceId", r.InstanceID, "error", err)
		return
	}
	e.publisher.Publish(text)
}

// announceEnd publishes the end of a run if a change, from this status, was one. The caller holds e.mu.
func (e *Emulator) announceEnd(r *row, from string) {
	if !Terminal(from) {
		e.announce(r)
	}
}

func (e *Emulator) completed(r *row) Completion {
	i := r.invocation
	row := r.Row
	row.InvokeID = i.ID
	return Completion{
		Row: row, AccountID: i.AccountID, RegionID: i.RegionID, CommandName: i.Command.Name, RepeatMode: i.RepeatMode,
		Sequence: r.Sequence, At: e.now(),
	}
}

// Completion is a run that has ended on an instance, as it is announced.
type Completion struct {
	Row
	AccountID, RegionID     string
	CommandName, RepeatMode string
	// Sequence tells rows apart in the subject of the event. At is when the event comes to be.
	Sequence uint64
	At       time.Time
}

// MarshalJSON is the event in the vendor's shape, with an ID of its own each time.
func (c Completion) MarshalJSON() ([]byte, error) {
	data := completedData{
		CommandID: c.CommandID, CommandName: c.CommandName, FinishTime: eventTime(c.FinishedTime), StartTime: eventTime(c.StartTime),
		InstanceID: c.InstanceID, InvocationStatus: c.InvocationStatus, InvokeID: c.InvokeID, OwnerID: c.AccountID, PlayerUID: c.AccountID,
		RepeatMode: c.RepeatMode, Repeats: strconv.Itoa(c.Repeats), ErrorCode: c.ErrorCode, ErrorDesc: c.ErrorInfo,
	}
	if c.ExitCode != nil {
		data.ExitCode = strconv.FormatInt(*c.ExitCode, 10)
	}
	if c.InvocationStatus == StatusSuccess && data.ErrorCode == "" {
		data.ErrorCode = "0"
	}
	return json.Marshal(completedEvent{
		ID: newEventID(), Source: "acs.ecs", SpecVersion: "1.0", Type: typeTaskCompleted,
		Subject: fmt.Sprintf("acs.ecs:%s:%s:%d", c.RegionID, c.AccountID, c.Sequence),
		Time:    c.At.In(chinaTime).Format(time.RFC3339), AliyunPublishTime: eventTime(c.At),
		AliyunAccountID: c.AccountID, AliyunRegionID: c.RegionID, AliyunEventBus: "default", AliyunPublishAddr: "127.0.0.1",
		Data: data,
	})
}

// eventTime is empty for a time that there is not.
func eventTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

func newEventID() string {
	var b [16]byte
	// It does not fail.
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// adminEventsCertificate answers with the certificate as receivers read it from a file.
func (e *Emulator) adminEventsCertificate() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := e.EventsCertificate()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(text)
	}
}
