package cloudassistant

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// The vendor's gateways are not strict about scalars: numbers come as strings and the reverse, and null or ""
// stands for an absent value. These types take any scalar that has one meaning, and refuse the rest.

var errNotScalar = errors.New("it is not a single value")

// text is a string; null is "".
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		return json.Unmarshal(raw, (*string)(t))
	case '{', '[':
		return errNotScalar
	case 'n':
		*t = ""
	default:
		*t = text(raw)
	}
	return nil
}

// number is an integer that may be absent: missing, null or "".
type number struct {
	value   int64
	present bool
}

func (n *number) UnmarshalJSON(raw []byte) error {
	var spelled text
	if err := spelled.UnmarshalJSON(raw); err != nil {
		return err
	}
	trimmed := strings.TrimSpace(string(spelled))
	if trimmed == "" {
		*n = number{}
		return nil
	}
	if value, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
		*n = number{value: value, present: true}
		return nil
	}
	// 7.0 and 1e3 are integers too. From 2^53 on a float no longer says which.
	value, err := strconv.ParseFloat(trimmed, 64)
	if err != nil || value != math.Trunc(value) || math.Abs(value) >= 1<<53 {
		return errors.New("it is not an integer")
	}
	*n = number{value: int64(value), present: true}
	return nil
}

// pointer is nil for an absent number.
func (n number) pointer() *int64 {
	if !n.present {
		return nil
	}
	return &n.value
}

// instant is a time, zero for an absent or unreadable one: no decision rests on the API's times, so that an odd
// one must not cost the rest of the answer.
type instant struct{ time.Time }

// timeLayouts are ISO 8601 as documented, and what the API sent until 2018. Both are UTC.
var timeLayouts = []string{time.RFC3339, time.DateTime}

func (i *instant) UnmarshalJSON(raw []byte) error {
	*i = instant{}
	var spelled text
	if err := spelled.UnmarshalJSON(raw); err != nil {
		return err
	}
	for _, layout := range timeLayouts {
		parsed, err := time.Parse(layout, strings.TrimSpace(string(spelled)))
		if err != nil {
			continue
		}
		// Years outside four digits cannot be encoded again; before 1970 there was no cloud.
		if parsed = parsed.UTC(); parsed.Year() >= 1970 && parsed.Year() <= 9999 {
			i.Time = parsed
		}
		return nil
	}
	return nil
}

// tagList is {"Tag":[…]}, as documented, or the bare array that some of the vendor's samples show; null and ""
// are none.
type tagList []Tag

func (l *tagList) UnmarshalJSON(raw []byte) error {
	var wrapped struct {
		Tag []struct {
			TagKey   text
			TagValue text
		}
	}
	var target any = &wrapped
	switch raw[0] {
	case '[':
		target = &wrapped.Tag
	case '"':
		target = new(text)
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return err
	}
	*l = nil
	for _, tag := range wrapped.Tag {
		*l = append(*l, Tag{Key: string(tag.TagKey), Value: string(tag.TagValue)})
	}
	return nil
}
