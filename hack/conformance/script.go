package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// step is one call of the script and what is expected of it. Every text in it may hold ${name}, which stands for what
// an earlier step has captured.
type step struct {
	Name string `json:"name"`
	// Before are requests to the emulator's admin API, such as one for a fault.
	Before     []adminRequest `json:"before"`
	Product    string         `json:"product"`
	Action     string         `json:"action"`
	Untyped    bool           `json:"untyped"`
	Parameters map[string]any `json:"parameters"`
	// As is who calls; empty is the account's own access key.
	As *identity `json:"as"`
	// ClockSkewSeconds is how far ahead the client's clock is. Clients that cannot shift theirs leave the step out.
	ClockSkewSeconds int `json:"clockSkewSeconds"`
	// Until repeats the call until these hold.
	Until map[string]any `json:"until"`
	// Expect are elements of the answer, by their path, and their values. null is an absent element, "*" any text but
	// the empty one, and a path that ends in # the length of the list before it.
	Expect map[string]any `json:"expect"`
	// Refused is the error that is expected in place of an answer.
	Refused *wantRefusal `json:"refused"`
	// Capture names elements of the answer for later steps.
	Capture map[string]string `json:"capture"`
	// Varies are elements whose value is chance.
	Varies []string `json:"varies"`
}

type adminRequest struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
}

type wantRefusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	// Message is a part of the error's message.
	Message          string `json:"message"`
	RetryAfterMillis int    `json:"retryAfterMillis"`
}

// loadScript reads steps strictly: a misspelled expectation is an error.
func loadScript(path string) ([]step, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var steps []step
	if err := decoder.Decode(&steps); err != nil {
		return nil, fmt.Errorf("%s is no script: %w", path, err)
	}
	return steps, nil
}

var reference = regexp.MustCompile(`\$\{(\w+)\}`)

// captures are what the steps of one client have captured.
type captures map[string]string

// fill replaces ${name} in every text of a value of JSON.
func (c captures) fill(value any) (any, error) {
	switch v := value.(type) {
	case string:
		var err error
		filled := reference.ReplaceAllStringFunc(v, func(match string) string {
			captured, known := c[reference.FindStringSubmatch(match)[1]]
			if !known {
				err = fmt.Errorf("%s was not captured by an earlier step", match)
			}
			return captured
		})
		return filled, err
	case map[string]any:
		filled := map[string]any{}
		for name, element := range v {
			var err error
			if filled[name], err = c.fill(element); err != nil {
				return nil, err
			}
		}
		return filled, nil
	case []any:
		filled := make([]any, len(v))
		for n, element := range v {
			var err error
			if filled[n], err = c.fill(element); err != nil {
				return nil, err
			}
		}
		return filled, nil
	}
	return value, nil
}

// call is the call of the step, its references filled.
func (c captures) call(s step) (call, error) {
	parameters := map[string]any{}
	if s.Product == "" {
		parameters["RegionId"] = region
	}
	maps.Copy(parameters, s.Parameters)
	filled, err := c.fill(parameters)
	if err != nil {
		return call{}, err
	}
	made := call{
		Product: "Ecs", Action: s.Action, Parameters: filled.(map[string]any), Untyped: s.Untyped,
		Identity: identity{AccessKeyID: accessKeyID, AccessKeySecret: accessKeySecret}, ClockSkewSeconds: s.ClockSkewSeconds,
	}
	if s.Product != "" {
		made.Product = s.Product
	}
	if s.As != nil {
		texts := map[string]any{"id": s.As.AccessKeyID, "secret": s.As.AccessKeySecret, "token": s.As.SecurityToken}
		who, err := c.fill(texts)
		if err != nil {
			return call{}, err
		}
		texts = who.(map[string]any)
		made.Identity = identity{texts["id"].(string), texts["secret"].(string), texts["token"].(string)}
	}
	return made, nil
}

// at finds the element of a path such as Invocation.InvocationResults.InvocationResult.0.Output.
func at(value any, path string) (element any, found bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			if value, found = v[name]; !found {
				return nil, false
			}
		case []any:
			if name == "#" {
				value = float64(len(v))
				continue
			}
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(v) {
				return nil, false
			}
			value = v[n]
		default:
			return nil, false
		}
	}
	return value, true
}
