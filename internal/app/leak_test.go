package app_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// forms are how a value may stand in a text: as it is, quoted, encoded for a URL once and twice, in Base64 wherever it
// begins in what is encoded, and in hexadecimal.
func forms(value string) map[string]string {
	once := url.QueryEscape(value)
	quoted := strconv.Quote(value)
	all := map[string]string{
		"as it is": value, "quoted": quoted[1 : len(quoted)-1], "escaped": once, "escaped twice": url.QueryEscape(once),
		"escaped for a path": url.PathEscape(value), "in hexadecimal": hex.EncodeToString([]byte(value)),
		"in upper-case hexadecimal": fmt.Sprintf("%X", value),
	}
	for name, encoding := range map[string]*base64.Encoding{"Base64": base64.RawStdEncoding, "Base64 for URLs": base64.RawURLEncoding} {
		for before := range 3 {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + value))
			// Only the characters whose bits are all of the value.
			from, to := (8*before+5)/6, 8*(before+len(value))/6
			all[fmt.Sprintf("in %s, %d bytes behind", name, before)] = encoded[from:to]
		}
	}
	return all
}

// dumped is a line of a dump, as the Kubernetes client logs what is not text.
var dumped = regexp.MustCompile(`[0-9a-f]{8}  ((?:[0-9a-f]{2} {1,2}){1,16}) *\|`)

// undump is a text with what its dumps hold behind it.
func undump(text string) string {
	var held strings.Builder
	for _, line := range dumped.FindAllStringSubmatch(text, -1) {
		if bytes, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", "")); err == nil {
			held.Write(bytes)
		}
	}
	return text + "\n" + held.String()
}

// leaks tells which of the secrets, by what they are, stand in a text, and how.
func leaks(text string, secrets map[string]string) []string {
	text = undump(text)
	var found []string
	for what, value := range secrets {
		// The padding of Base64 says nothing.
		for how, form := range forms(strings.TrimRight(value, "=")) {
			if at := strings.Index(text, form); at >= 0 {
				found = append(found, fmt.Sprintf("%s %s: …%s…", what, how, text[max(0, at-200):min(len(text), at+len(form)+50)]))
			}
		}
	}
	return found
}

// The search finds what it is to find, in every form, and nothing else.
func TestTheSearchFindsEveryForm(t *testing.T) {
	t.Parallel()
	const secret = `LTAI "0/7+a=b` + "\xff\n"
	secrets := map[string]string{"the secret": secret}
	yaml := base64.StdEncoding.EncodeToString([]byte("-" + secret + "-----"))
	for name, text := range map[string]string{
		"as it is":             secret,
		"quoted":               fmt.Sprintf("%q", secret),
		"a query":              url.Values{"Signature": {secret}}.Encode(),
		"a string to sign":     url.QueryEscape(url.Values{"Signature": {secret}}.Encode()),
		"a path":               url.PathEscape("a/" + secret),
		"hexadecimal":          fmt.Sprintf("%x", "of "+secret),
		"HEXADECIMAL":          fmt.Sprintf("%X", "of "+secret),
		"Base64":               base64.StdEncoding.EncodeToString([]byte(secret)),
		"Base64 of more":       yaml,
		"Base64 of yet more":   base64.URLEncoding.EncodeToString([]byte("--" + secret + "--")),
		"a dump":               hex.Dump([]byte("a secret: " + secret)),
		"a dump in a log":      fmt.Sprintf("%q", hex.Dump([]byte(secret))),
		"in the midst of text": "level=debug msg=" + secret + "x",
	} {
		if len(leaks(text, secrets)) == 0 {
			t.Errorf("the secret is not found %s: %q", name, text)
		}
	}
	for _, harmless := range []string{"", "LTAI", yaml[:8], "Signature=", strings.ToUpper(secret)} {
		if found := leaks(harmless, secrets); len(found) > 0 {
			t.Errorf("%q is taken for the secret: %v", harmless, found)
		}
	}
}
