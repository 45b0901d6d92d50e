package emulator

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody is the largest request body that is read, in bytes.
const maxBody = 1 << 20

const (
	ecsVersion = "2014-05-26"
	stsVersion = "2015-04-01"
)

// Call is one request to the API, once its sender is known.
type Call struct {
	Action   string
	RegionID string
	// AccountID and AccessKeyID say who calls.
	AccountID   string
	AccessKeyID string

	ctx        context.Context
	version    string
	requestID  string
	host       string
	json       bool
	parameters url.Values
	key        AccessKey
	// fault is the one that met the call; its kind is empty if none did.
	fault Fault
}

// Parameter is the value of a request parameter, such as InvokeId; empty if it was not sent.
func (c *Call) Parameter(name string) string { return c.parameters.Get(name) }

// operation is an action of the API.
type operation struct {
	handle func(*Emulator, *Call) (any, error)
	// anywhere is set for an action that needs no RegionId.
	anywhere bool
	// anonymous is set for an action that is not signed.
	anonymous bool
	// unjudged is set for an action that needs no permission.
	unjudged bool
	// resources are the ARNs that a call asks for; nil is everything of its account and region.
	resources func(*Emulator, *Call) []string
}

// operations are the actions by version and name.
var operations = map[string]map[string]operation{
	ecsVersion: {
		"RunCommand":                {handle: (*Emulator).runCommand, resources: (*Emulator).commandAndInstanceResources},
		"CreateCommand":             {handle: (*Emulator).createCommand, resources: (*Emulator).commandResources},
		"InvokeCommand":             {handle: (*Emulator).invokeCommand, resources: (*Emulator).commandAndInstanceResources},
		"StopInvocation":            {handle: (*Emulator).stopInvocation, resources: (*Emulator).commandAndInstanceResources},
		"DescribeInvocations":       {handle: (*Emulator).describeInvocations, resources: (*Emulator).commandAndInstanceResources},
		"DescribeInvocationResults": {handle: (*Emulator).describeInvocationResults, resources: (*Emulator).commandAndInstanceResources},
		"DescribeInstances":         {handle: (*Emulator).describeInstances, resources: (*Emulator).instanceResources},
		"DescribeRegions":           {handle: (*Emulator).describeRegions, anywhere: true},

		"DescribeCommands":             {handle: (*Emulator).describeCommands, resources: (*Emulator).commandResources},
		"ModifyCommand":                {handle: (*Emulator).modifyCommand, resources: (*Emulator).commandResources},
		"DeleteCommand":                {handle: (*Emulator).deleteCommand, resources: (*Emulator).commandResources},
		"DescribeCloudAssistantStatus": {handle: (*Emulator).describeCloudAssistantStatus, resources: (*Emulator).instanceResources},
		"StartInstance":                {handle: (*Emulator).startInstance, anywhere: true, resources: (*Emulator).instanceResources},
		"StopInstance":                 {handle: (*Emulator).stopInstance, anywhere: true, resources: (*Emulator).instanceResources},
		"RebootInstance":               {handle: (*Emulator).rebootInstance, anywhere: true, resources: (*Emulator).instanceResources},
	},
	stsVersion: {
		"GetCallerIdentity":  {handle: (*Emulator).getCallerIdentity, anywhere: true, unjudged: true},
		"AssumeRole":         {handle: (*Emulator).assumeRole, anywhere: true, resources: roleResource},
		"AssumeRoleWithOIDC": {handle: (*Emulator).assumeRoleWithOIDC, anywhere: true, anonymous: true, unjudged: true},
	},
}

// ServeHTTP answers as the gateway does: GET and POST at "/", parameters in the query, in a form body or, for
// what ACS3 puts there, in x-acs-* headers.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := e.clientNow()
	c := &Call{ctx: r.Context(), requestID: newRequestID(), host: r.Host}
	answer, err := e.answer(c, w, r)
	var refusal *apiError
	cut := errors.Is(err, errNoAnswer)
	if err != nil && !cut && !errors.As(err, &refusal) {
		e.log.Error("the emulator failed", "action", c.Action, "error", err)
		refusal = refuse("InternalError")
	}
	// Logged before it is sent: whoever has read the answer finds the line.
	e.logCall(c, answer != nil, refusal, e.clientNow().Sub(started).Milliseconds())
	switch {
	case cut:
		// The server's way to close a connection in the middle of a call, without a word in its log.
		panic(http.ErrAbortHandler)
	case refusal != nil:
		e.send(w, c, refusal.status, encodeError(w, c, refusal))
	case answer != nil:
		e.send(w, c, http.StatusOK, encodeAnswer(c, answer))
	}
}

// answer returns what to send; nil if a fault has written its own answer.
func (e *Emulator) answer(c *Call, w http.ResponseWriter, r *http.Request) (any, error) {
	body, err := e.parse(c, w, r)
	if err != nil {
		return nil, err
	}
	op, err := lookUp(c)
	if err != nil {
		return nil, err
	}
	e.calls.count(CallKey{Action: c.Action, InvokeID: c.Parameter("InvokeId")})
	if !op.anonymous {
		if err := e.authenticate(c, r, body); err != nil {
			return nil, err
		}
	}
	if err := e.checkQuota(c); err != nil {
		return nil, err
	}
	if written, err := e.misbehave(c, w); written || err != nil {
		return nil, err
	}
	if err := e.checkRegion(c, op); err != nil {
		return nil, err
	}
	e.forgetExpired()
	if err := e.authorize(c, op); err != nil {
		return nil, err
	}
	answer, err := op.handle(e, c)
	return c.spoil(answer), err
}

// parse reads the parameters, the action and the wanted format, and returns the body.
func (e *Emulator) parse(c *Call, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	query, queryErr := url.ParseQuery(r.URL.RawQuery)
	c.parameters = query
	c.Action = firstOf(query.Get("Action"), r.Header.Get("x-acs-action"))
	c.version = firstOf(query.Get("Version"), r.Header.Get("x-acs-version"))
	c.json = wantsJSON(query.Get("Format"), r)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, refuse("RequestTooLarge")
	}
	if queryErr != nil {
		return nil, refuse("InvalidParameter")
	}
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(bytes.TrimSpace(body)))
		if err != nil {
			return nil, refuse("InvalidParameter")
		}
		for name, values := range form {
			c.parameters[name] = append(c.parameters[name], values...)
		}
	}
	c.Action = firstOf(c.Action, c.Parameter("Action"))
	c.version = firstOf(c.version, c.Parameter("Version"))
	c.json = c.json || wantsJSON(c.Parameter("Format"), r)
	c.RegionID = c.Parameter("RegionId")
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, refuse("UnsupportedHTTPMethod")
	}
	if r.URL.Path != "/" {
		return nil, refuse("InvalidAction.NotFound")
	}
	return body, nil
}

// lookUp finds the action. The gateway does so before it looks at the signature.
func lookUp(c *Call) (operation, error) {
	switch {
	case c.Action == "":
		return operation{}, refuse("MissingAction")
	case c.version == "":
		return operation{}, refuse("MissingVersion")
	}
	actions, known := operations[c.version]
	if !known {
		return operation{}, refuse("InvalidVersion")
	}
	op, known := actions[c.Action]
	if !known {
		return operation{}, refuse("InvalidAction.NotFound")
	}
	return op, nil
}

func (e *Emulator) authenticate(c *Call, r *http.Request, body []byte) error {
	p, err := readProof(r, c.parameters, body)
	if err != nil {
		return err
	}
	c.key, err = e.keys.authenticate(p, e.clientNow())
	c.AccountID, c.AccessKeyID = c.key.AccountID, c.key.ID
	return err
}

func (e *Emulator) checkRegion(c *Call, op operation) error {
	switch {
	case op.anywhere:
		return nil
	case c.RegionID == "":
		return refuse("MissingParameter.RegionId")
	case !slices.Contains(e.options.RegionIDs, c.RegionID):
		return refuse("InvalidRegionId.NotFound")
	}
	return nil
}

// logCall writes the line of a call, which was answered unless it was refused or met a fault. Of the parameters only IDs are shown: the others may hold secrets.
func (e *Emulator) logCall(c *Call, answered bool, refusal *apiError, millis int64) {
	attributes := []slog.Attr{slog.String("account", c.AccountID), slog.String("region", c.RegionID)}
	for _, name := range []string{"InvokeId", "CommandId", "InstanceId", "InstanceId.1"} {
		if value := c.Parameter(name); value != "" {
			attributes = append(attributes, slog.String(name, value))
		}
	}
	code := "OK"
	switch {
	case refusal != nil:
		code = fmt.Sprintf("%d %s", refusal.status, refusal.code)
	case !answered:
		code = "fault " + string(c.fault.Kind)
	case c.fault.Kind != "":
		code = "OK fault " + string(c.fault.Kind)
	}
	attributes = append(attributes, slog.String("code", code), slog.Int64("ms", millis), slog.String("request", c.requestID))
	e.log.LogAttrs(c.ctx, slog.LevelInfo, firstOf(c.Action, "(no action)"), attributes...)
}

func wantsJSON(format string, r *http.Request) bool {
	if format != "" {
		return strings.EqualFold(format, "JSON")
	}
	return strings.Contains(r.Header.Get("Accept"), "application/json") || r.Header.Get("Authorization") != ""
}

// newRequestID is an upper-case UUID, as the vendor's request IDs are.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func firstOf(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
