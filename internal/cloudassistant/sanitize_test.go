package cloudassistant

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMessage(t *testing.T) {
	clean := newSanitizer("LTAIkeyid", "se+cret", "se+cretandmore", "abc")
	for _, tc := range []struct{ name, text, want string }{
		{"plain", "The specified parameter is invalid.", "The specified parameter is invalid."},
		{
			"string to sign", "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId%3DLTAI",
			"Specified signature is not matched with our calculation.",
		},
		{"string to sign, other words", "bad signature, The StringToSign: GET&x\nmore", "bad signature"},
		{"secret", "key LTAIkeyid is not found", "key [redacted] is not found"},
		{"encoded secret", "?Secret=se%2Bcret&", "?Secret=[redacted]&"},
		{"twice encoded secret", "Secret%3Dse%252Bcret%26", "Secret%3D[redacted]%26"},
		{"a secret within a secret", "se+cretandmore", "[redacted]"},
		{"too short to be a secret", "abc", "abc"},
		{"URL", `see "https://ecs.aliyuncs.com/?Signature=x" now`, `see "[URL]" now`},
		{"proxy password", `invalid proxy address "user:p%ss@proxy:3128"`, `invalid proxy address "[redacted]@proxy:3128"`},
		{"control characters", "a\x00b\x1b[31mc\r\nd\u202ee\ufffef", "a b [31mc d e f"},
		{"not UTF-8", "a\xffb", "a b"},
		{"Chinese", "指定的参数无效。", "指定的参数无效。"},
		{"empty", " \n ", ""},
	} {
		if got := clean.message(tc.text); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestAdviceIsNeverCut(t *testing.T) {
	clean := newSanitizer()
	got := clean.advise(strings.Repeat("长", 1000), adviceClock)
	if len(got) > maxMessageBytes || !strings.HasSuffix(got, "… ("+adviceClock+")") {
		t.Errorf("%d bytes ending in %q", len(got), got[len(got)-80:])
	}
	if got := clean.advise("Sorry.", ""); got != "Sorry." {
		t.Errorf("without advice: %q", got)
	}
}

// Whatever comes in, what goes out is short, printable, and without the secrets in any of their spellings.
func TestMessageProperties(t *testing.T) {
	secretText := rapid.StringMatching(`[A-Za-z0-9+/=&~*%.-]{8,40}`)
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(secretText, 1, 4).Draw(t, "secrets")
		var parts []string
		for range rapid.IntRange(0, 8).Draw(t, "parts") {
			secret := rapid.SampledFrom(secrets).Draw(t, "secret")
			parts = append(parts, rapid.OneOf(
				rapid.Just(secret), rapid.Just(url.QueryEscape(secret)), rapid.Just(url.QueryEscape(url.QueryEscape(secret))),
				rapid.String(), rapid.StringMatching(`[a-z]+://[a-z.]+/\?x=y`), rapid.Just("\x1b]0;"), rapid.Just("\xff"),
				rapid.StringMatching(`[字]{0,600}`),
			).Draw(t, "part"))
		}
		clean := newSanitizer(secrets...)
		for limit, got := range map[int]string{
			maxMessageBytes: clean.message(strings.Join(parts, " ")),
			maxNameBytes:    clean.name(strings.Join(parts, " ")),
		} {
			if len(got) > limit {
				t.Fatalf("%d bytes, more than %d", len(got), limit)
			}
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q is not printable", got)
			}
			for _, secret := range secrets {
				if strings.Contains(got, secret) || strings.Contains(got, url.QueryEscape(secret)) {
					t.Fatalf("%q holds the secret %q", got, secret)
				}
			}
		}
	})
}
