package projection

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The lengths, in characters, that the schema allows for the API's strings.
const (
	maxName     = 256
	maxSentence = 1024
	maxTags     = 64
)

// maxMessageBytes bounds a message of a condition and a note of an event, as JSON. The API server refuses an
// event with a longer note.
const maxMessageBytes = 1024

const ellipsis = "…"

// clean makes a string of the API fit to be shown: what is invalid is replaced, what would not be visible (control
// characters, direction marks) is escaped as Go does, and the whole is cut to max characters.
func clean(s string, maxLength int) string {
	var b strings.Builder
	length, keep := 0, 0
	for _, r := range s {
		piece := string(r)
		if !unicode.IsGraphic(r) {
			piece = strings.Trim(strconv.QuoteRune(r), "'")
		}
		length += utf8.RuneCountInString(piece)
		if length > maxLength {
			return b.String()[:keep] + ellipsis
		}
		b.WriteString(piece)
		if length < maxLength {
			keep = b.Len()
		}
	}
	return b.String()
}

// capMessage cuts a message so that it takes at most maxBytes as JSON, and so never more than that as text.
func capMessage(s string, maxBytes int) string {
	size, keep := 0, 0
	for i, r := range s {
		if size += jsonLen(r); size > maxBytes {
			return s[:keep] + ellipsis
		}
		if size <= maxBytes-len(ellipsis) {
			keep = i + utf8.RuneLen(r)
		}
	}
	return s
}

// jsonLen is the number of bytes that r takes within a JSON string as encoding/json writes it. Of the control
// characters only tab and newline get this far.
func jsonLen(r rune) int {
	switch r {
	case '"', '\\', '\n', '\t':
		return 2
	case '<', '>', '&', '\u2028', '\u2029':
		return 6
	}
	return utf8.RuneLen(r)
}

// timestamp is t as the schema admits it: UTC, whole seconds, years of four digits; nil for any other.
func timestamp(t time.Time) *metav1.Time {
	t = t.UTC().Truncate(time.Second)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return &metav1.Time{Time: t}
}
