package projection

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "",
		"plain, 中文 é 😀":    "plain, 中文 é 😀",
		"a\x1b[31m\tb\r\n": `a\x1b[31m\tb\r\n`,
		"\u202ertl\ufeff":  `\u202ertl\ufeff`,
		"bad\xff":          "bad\uFFFD",
		"it's \"so\" \\":   "it's \"so\" \\",
		"1234567890ab":     "1234567890ab",
	} {
		if got := clean(in, 20); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean("中文中文", 3); got != "中文…" {
		t.Errorf("cut to %q", got)
	}
	if got := clean("ab\x00", 4); got != "ab…" {
		t.Errorf("an escape was cut: %q", got)
	}
}

func TestCleanAndCapAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		checkClean(t, in, rapid.IntRange(1, 30).Draw(t, "most"))
	})
}

// checkClean: what is cleaned is visible and short, stays so, and can be cut for a message.
func checkClean(t failer, in string, most int) {
	t.Helper()
	got := clean(in, most)
	if utf8.RuneCountInString(got) > most || !utf8.ValidString(got) {
		t.Fatalf("%q is longer than %d or invalid", got, most)
	}
	for _, r := range got {
		if !unicode.IsGraphic(r) {
			t.Fatalf("%q is not visible", r)
		}
	}
	if again := clean(got, most); again != got {
		t.Fatalf("cleaned again it is %q", again)
	}
	if kept, cut := strings.CutSuffix(got, ellipsis); cut && got != in && !strings.HasPrefix(clean(in, most+1), kept) {
		t.Fatalf("%q is not the beginning of %q", kept, clean(in, most+1))
	}
	capped := capMessage(got, max(most, 3))
	text, err := json.Marshal(capped)
	if err != nil || len(text)-2 > max(most, 3) {
		t.Fatalf("%s takes more than %d bytes", text, most)
	}
	if capped != got && !strings.HasSuffix(capped, ellipsis) {
		t.Fatalf("%q does not say that it was cut", capped)
	}
	checkPrints(t, &v1alpha1.OutputStatus{Text: got, SHA256: capped})
}

func TestTimestamp(t *testing.T) {
	for _, odd := range []time.Time{{}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got := timestamp(odd); got != nil {
			t.Errorf("%s is shown as %s", odd, got)
		}
	}
	east := time.Date(2026, 11, 23, 16, 0, 0, 999, time.FixedZone("", 8*3600))
	if got := timestamp(east); !got.Time.Equal(t0) || got.Location() != time.UTC {
		t.Errorf("%s is shown as %s", east, got)
	}
}
