package cloudassistant

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessageBytes bounds Error.Message.
	maxMessageBytes = 1024
	// maxNameBytes bounds Error.Code and Error.RequestID; the vendor's are below 64.
	maxNameBytes = 128
	// minSecretBytes keeps a nonsensical one-letter key from blotting out whole messages.
	minSecretBytes = 4

	redacted = "[redacted]"
)

var (
	// stringToSign begins the part of a signature error that repeats the request: key ID, token and all.
	stringToSign = regexp.MustCompile(`(?is)[\s,;:]*(the )?(server )?string ?to ?sign\b.*`)
	anyURL       = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>]*`)
	userInfo     = regexp.MustCompile(`[^\s"'/@]+:[^\s"'/@]*@`)
)

// sanitizer makes foreign text fit for a status, an event or a log: without secrets, URLs and control
// characters, and bounded.
type sanitizer struct {
	secrets *strings.Replacer
}

// newSanitizer returns a sanitizer that redacts the given secrets, as they are and as they look in a query
// string and in a string to sign, where they are percent-encoded once and twice.
func newSanitizer(secrets ...string) sanitizer {
	var forms []string
	for _, secret := range secrets {
		if len(secret) >= minSecretBytes {
			once := url.QueryEscape(secret)
			forms = append(forms, secret, once, url.QueryEscape(once))
		}
	}
	// The longest goes first: where one secret begins another, replacing the short one would leave a rest.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, redacted)
	}
	return sanitizer{secrets: strings.NewReplacer(pairs...)}
}

// message cleans one sentence, of at most 1 KiB.
func (s sanitizer) message(text string) string { return s.sentence(text, maxMessageBytes) }

// advise cleans what the API said and adds what to do about it, which is never cut off.
func (s sanitizer) advise(said, advice string) string {
	if advice == "" {
		return s.message(said)
	}
	advice = " (" + advice + ")"
	return s.sentence(said, maxMessageBytes-len(advice)) + advice
}

func (s sanitizer) sentence(text string, limit int) string {
	text = stringToSign.ReplaceAllString(text, "")
	text = s.secrets.Replace(text)
	text = anyURL.ReplaceAllString(text, "[URL]")
	text = userInfo.ReplaceAllString(text, redacted+"@")
	return printable(text, limit)
}

// name cleans an identifier, such as an error code or a request ID.
func (s sanitizer) name(text string) string {
	return printable(s.secrets.Replace(text), maxNameBytes)
}

// printable turns every run of what is not printable into one space, and cuts the text at a rune's end.
func printable(text string, limit int) string {
	const ellipsis = "…"
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
	if len(text) <= limit {
		return text
	}
	cut := limit - len(ellipsis)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
