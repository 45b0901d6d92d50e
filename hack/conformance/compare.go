package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// quirks are what an SDK is known to do with answers that are right. Each is one line here, with its reason.
type quirks struct {
	// absentReadsZero: the SDK's structs have no pointers, so that an absent element reads as 0, "" or false.
	absentReadsZero bool
	// unknown elements are younger than the SDK, which drops them.
	unknown []string
	// noRetryAfter: the SDK does not read the header x-acs-retry-after.
	noRetryAfter bool
	// noClockSkew: the SDK's clock cannot be shifted.
	noClockSkew bool
}

var (
	goV1Quirks = quirks{
		absentReadsZero: true, noRetryAfter: true, noClockSkew: true,
		unknown: []string{"OssOutputDelivery", "OssOutputStatus", "OssOutputUri", "OssOutputErrorCode", "OssOutputErrorInfo"},
	}
	nodeQuirks = quirks{}
)

// compare lists where what a client decoded differs from what was sent.
func (q quirks) compare(path string, sent, decoded any, varies []string) []string {
	name := path[strings.LastIndex(path, ".")+1:]
	if slices.Contains(varies, name) {
		return nil
	}
	switch s := sent.(type) {
	case map[string]any:
		d, ok := decoded.(map[string]any)
		if !ok {
			break
		}
		names := maps.Clone(s)
		maps.Copy(names, d)
		var differences []string
		for _, name := range slices.Sorted(maps.Keys(names)) {
			s, wasSent := s[name]
			d, isDecoded := d[name]
			below := strings.TrimPrefix(path+"."+name, ".")
			switch {
			case !wasSent && q.absentReadsZero && isZero(d), !isDecoded && slices.Contains(q.unknown, name):
			case !wasSent:
				differences = append(differences, fmt.Sprintf("%s was not sent, and reads %v", below, d))
			case !isDecoded:
				differences = append(differences, fmt.Sprintf("%s was sent as %v, and is lost", below, s))
			default:
				differences = append(differences, q.compare(below, s, d, varies)...)
			}
		}
		return differences
	case []any:
		d, ok := decoded.([]any)
		if decoded == nil && q.absentReadsZero {
			ok = true
		}
		if !ok || len(s) != len(d) {
			break
		}
		var differences []string
		for n := range s {
			differences = append(differences, q.compare(fmt.Sprintf("%s.%d", path, n), s[n], d[n], varies)...)
		}
		return differences
	}
	if !reflect.DeepEqual(sent, decoded) {
		return []string{fmt.Sprintf("%s was sent as %v, and reads %v", path, sent, decoded)}
	}
	return nil
}

// isZero says whether a value of JSON is what a Go struct shows for no value at all.
func isZero(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return !slices.ContainsFunc(slices.Collect(maps.Values(v)), func(element any) bool { return !isZero(element) })
	case []any:
		return len(v) == 0
	}
	return value == nil || value == "" || value == 0.0 || value == false
}

// expect lists the expectations that an answer does not meet.
func (q quirks) expect(answer any, expectations map[string]any) []string {
	var unmet []string
	for _, path := range slices.Sorted(maps.Keys(expectations)) {
		want := expectations[path]
		got, found := at(answer, path)
		text, isText := got.(string)
		switch {
		case want == nil && (!found || q.absentReadsZero && isZero(got)):
		case want == "*" && isText && text != "":
		case want == 0.0 && !found && q.absentReadsZero && strings.HasSuffix(path, ".#"):
			// An empty list of XML is no element at all, and reads as none.
		case !found && slices.Contains(q.unknown, path[strings.LastIndex(path, ".")+1:]):
		case want != nil && found && reflect.DeepEqual(want, got):
		case !found:
			unmet = append(unmet, fmt.Sprintf("%s is absent, want %v", path, want))
		default:
			unmet = append(unmet, fmt.Sprintf("%s is %v, want %v", path, got, want))
		}
	}
	return unmet
}

// refused lists where a refusal is not the expected one.
func (q quirks) refused(got *refusal, want wantRefusal) []string {
	var unmet []string
	if got.Status != want.Status || got.Code != want.Code {
		unmet = append(unmet, fmt.Sprintf("refused with %d %s, want %d %s", got.Status, got.Code, want.Status, want.Code))
	}
	if !strings.Contains(got.Message, want.Message) {
		unmet = append(unmet, fmt.Sprintf("the message is %q, want %q in it", got.Message, want.Message))
	}
	if !requestID.MatchString(got.RequestID) {
		unmet = append(unmet, fmt.Sprintf("the request ID is %q", got.RequestID))
	}
	if got.RetryAfterMillis != want.RetryAfterMillis && !q.noRetryAfter {
		unmet = append(unmet, fmt.Sprintf("retry after %d ms, want %d", got.RetryAfterMillis, want.RetryAfterMillis))
	}
	return unmet
}

var (
	requestID = regexp.MustCompile(`^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`)
	moment    = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	generated = regexp.MustCompile(`^[ct]-emu[0-9a-z]{13}$`)
)

// normalise replaces what differs from one emulator to the next: request IDs, times, page tokens, its address, and
// the IDs that were captured.
func (c captures) normalise(path string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		normal := map[string]any{}
		for name, element := range v {
			normal[name] = c.normalise(name, element)
		}
		return normal
	case []any:
		normal := make([]any, len(v))
		for n, element := range v {
			normal[n] = c.normalise(path, element)
		}
		return normal
	case string:
		switch {
		case requestID.MatchString(v):
			return "<request ID>"
		case moment.MatchString(v):
			return "<time>"
		case path == "NextToken" && v != "":
			return "<token>"
		}
		for _, name := range slices.Sorted(maps.Keys(c)) {
			if c[name] != "" {
				v = strings.ReplaceAll(v, c[name], "<"+name+">")
			}
		}
		return generated.ReplaceAllString(v, "<ID>")
	}
	return value
}
