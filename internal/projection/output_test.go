package projection

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// show is the output of a status for these bytes, without any want of room.
func show(t *testing.T, raw []byte, dropped int64, spec *v1alpha1.OutputSpec, settings Settings) *v1alpha1.OutputStatus {
	t.Helper()
	whole := run1()
	whole.Output = spec
	out := Project(Input{Now: t0, Generation: 1, Spec: whole, Settings: settings, Observation: Observation{
		Live: answer(t0, row("i-a", success, func(r *cloudassistant.Record) { r.Output, r.Dropped = raw, dropped })),
	}})
	return out.Status.Instances[0].Output
}

func encodeUTF16(t *testing.T, text string) string {
	t.Helper()
	encoded, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func encodeGBK(t *testing.T, text string) string {
	t.Helper()
	encoded, err := simplifiedchinese.GBK.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestOutput(t *testing.T) {
	long := strings.Repeat("0123456789", 200)
	for name, test := range map[string]struct {
		raw     string
		dropped int64
		spec    v1alpha1.OutputSpec
		want    v1alpha1.OutputStatus
	}{
		"text":                             {raw: "a\tb\nc é 中 😀\n", want: v1alpha1.OutputStatus{Text: "a\tb\nc é 中 😀\n"}},
		"last kilobyte":                    {raw: long, want: v1alpha1.OutputStatus{Text: long[len(long)-1024:], TruncatedBytes: 976}},
		"as many as asked for":             {raw: long, spec: v1alpha1.OutputSpec{MaxBytes: 3}, want: v1alpha1.OutputStatus{Text: "789", TruncatedBytes: 1997}},
		"cut on a rune boundary":           {raw: "中中中", spec: v1alpha1.OutputSpec{MaxBytes: 5}, want: v1alpha1.OutputStatus{Text: "中", TruncatedBytes: 6}},
		"less than a rune":                 {raw: "中", spec: v1alpha1.OutputSpec{MaxBytes: 2}, want: v1alpha1.OutputStatus{TruncatedBytes: 3}},
		"none":                             {raw: "secret", dropped: 7, spec: v1alpha1.OutputSpec{Policy: v1alpha1.OutputNone, MaxBytes: 9}, want: v1alpha1.OutputStatus{TruncatedBytes: 6, DroppedBytes: 7}},
		"Secret":                           {raw: "text", spec: v1alpha1.OutputSpec{Policy: v1alpha1.OutputSecret}, want: v1alpha1.OutputStatus{TruncatedBytes: 4}},
		"all dropped":                      {dropped: 9, want: v1alpha1.OutputStatus{DroppedBytes: 9}},
		"escape sequence":                  {raw: "\x1b[31mred", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "G1szMW1yZWQ="}},
		"carriage return":                  {raw: "a\r\n", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "YQ0K"}},
		"DEL":                              {raw: "a\x7f", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "YX8="}},
		"C1 control":                       {raw: "\u0085", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "woU="}},
		"not a character":                  {raw: "\uFFFE", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "77++"}},
		"NUL":                              {raw: "\x00", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "AA=="}},
		"invalid UTF-8":                    {raw: "a\xff", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "Yf8="}},
		"end of bytes":                     {raw: "\xff12345", spec: v1alpha1.OutputSpec{MaxBytes: 2}, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "NDU=", TruncatedBytes: 4}},
		"rune split by the service":        {raw: "a\xe4\xb8b", dropped: 1, want: v1alpha1.OutputStatus{Text: "a\uFFFDb", DroppedBytes: 1}},
		"two runes split":                  {raw: "a\xe4\xb8\x96\x96b", dropped: 1, want: v1alpha1.OutputStatus{Text: "a世\uFFFDb", DroppedBytes: 1}},
		"runes split at front, cut, end":   {raw: "\x96a\xf0\x9f\x98\x80\x80b\xe4", dropped: 1, want: v1alpha1.OutputStatus{Text: "\uFFFDa😀\uFFFDb\uFFFD", DroppedBytes: 1}},
		"split in two places inside":       {raw: "a\xe4b\xe4c", dropped: 1, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "YeRi5GM=", DroppedBytes: 1}},
		"what no split leaves":             {raw: "a\x96\xe4b", dropped: 1, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "YZbkYg==", DroppedBytes: 1}},
		"more than a split leaves":         {raw: "a\x96\x96\x96\x96\x96\x96\x96b", dropped: 1, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "YZaWlpaWlpZi", DroppedBytes: 1}},
		"split, though nothing is dropped": {raw: "a\xe4\xb8", want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "YeS4"}},
		"cut after a repair":               {raw: "\x96\x96\x96\x96abc", dropped: 1, spec: v1alpha1.OutputSpec{MaxBytes: 2}, want: v1alpha1.OutputStatus{Text: "bc", TruncatedBytes: 5, DroppedBytes: 1}},
		"UTF-8 by name":                    {raw: "é", spec: v1alpha1.OutputSpec{Charset: "UTF-8"}, want: v1alpha1.OutputStatus{Text: "é"}},
		"GBK":                              {raw: encodeGBK(t, "中文ab"), spec: v1alpha1.OutputSpec{Charset: "GBK"}, want: v1alpha1.OutputStatus{Text: "中文ab"}},
		"GBK, cut":                         {raw: encodeGBK(t, "中文ab"), spec: v1alpha1.OutputSpec{Charset: "GBK", MaxBytes: 5}, want: v1alpha1.OutputStatus{Text: "文ab", TruncatedBytes: 2}},
		"not GBK":                          {raw: "\xff\xff", spec: v1alpha1.OutputSpec{Charset: "GBK"}, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "//8="}},
		"GBK, split at the end":            {raw: encodeGBK(t, "中文")[:3], dropped: 1, spec: v1alpha1.OutputSpec{Charset: "GBK"}, want: v1alpha1.OutputStatus{Text: "中\uFFFD", DroppedBytes: 1}},
		"GBK, broken twice":                {raw: "a\xffb\xffc", dropped: 1, spec: v1alpha1.OutputSpec{Charset: "GBK"}, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "Yf9i/2M=", DroppedBytes: 1}},
		"UTF-16 with a byte order mark":    {raw: encodeUTF16(t, "ok 中\n"), spec: v1alpha1.OutputSpec{Charset: "UTF-16LE"}, want: v1alpha1.OutputStatus{Text: "ok 中\n"}},
		"control character in a charset":   {raw: encodeGBK(t, "中\r\n"), spec: v1alpha1.OutputSpec{Charset: "GBK"}, want: v1alpha1.OutputStatus{Encoding: v1alpha1.OutputBase64, Text: "1tANCg=="}},
	} {
		t.Run(name, func(t *testing.T) {
			digest := sha256.Sum256([]byte(test.raw))
			test.want.SHA256 = hex.EncodeToString(digest[:])
			if test.want.Text != "" && test.want.Encoding == "" {
				test.want.Encoding = v1alpha1.OutputPlainText
			}
			if got := show(t, []byte(test.raw), test.dropped, &test.spec, Settings{}); *got != test.want {
				t.Errorf("\n got %+v\nwant %+v", *got, test.want)
			}
		})
	}
	if got := show(t, nil, 0, nil, Settings{}); got != nil {
		t.Errorf("no output is shown as %+v", *got)
	}
}

func TestEveryCharsetOfTheSchemaIsDecoded(t *testing.T) {
	for name, enc := range charsets {
		raw, err := enc.NewEncoder().String("abc")
		if err != nil {
			t.Fatal(err)
		}
		if got := show(t, []byte(raw), 0, &v1alpha1.OutputSpec{Charset: name}, Settings{}); got.Text != "abc" {
			t.Errorf("%s: %+v", name, *got)
		}
	}
	if len(charsets) != 11 {
		t.Errorf("%d charsets, the schema admits 11 and UTF-8", len(charsets))
	}
}

func TestOutputPolicy(t *testing.T) {
	for _, test := range []struct {
		spec, preset, limit v1alpha1.OutputPolicy
		want                bool
	}{
		{"", "", "", true},
		{"", v1alpha1.OutputNone, "", false},
		{v1alpha1.OutputTail, v1alpha1.OutputNone, "", true},
		{v1alpha1.OutputSecret, "", "", false},
		{v1alpha1.OutputSecret, "", v1alpha1.OutputTail, false},
		{v1alpha1.OutputSecret, "", v1alpha1.OutputNone, false},
		{v1alpha1.OutputTail, v1alpha1.OutputSecret, v1alpha1.OutputSecret, true},
		{"", v1alpha1.OutputSecret, v1alpha1.OutputSecret, false},
		{v1alpha1.OutputTail, "", v1alpha1.OutputNone, false},
		{v1alpha1.OutputNone, v1alpha1.OutputSecret, v1alpha1.OutputSecret, false},
		{"", "", v1alpha1.OutputNone, false},
	} {
		got := show(t, []byte("x"), 0, &v1alpha1.OutputSpec{Policy: test.spec}, Settings{DefaultOutputPolicy: test.preset, MaxOutputPolicy: test.limit})
		if (got.Text != "") != test.want || got.SHA256 == "" {
			t.Errorf("%+v shows %q", test, got.Text)
		}
	}
}

func TestAnotherPolicyTakesEffectOnWhatIsStored(t *testing.T) {
	s := tell(t, run1())
	s.spec.Output = &v1alpha1.OutputSpec{}
	rows := []cloudassistant.Record{row("i-a", success, printed("hello 中")), row("i-b", success, printed("\x1bhello"))}
	texts := func() [2]string {
		return [2]string{s.status.Instances[0].Output.Text, s.status.Instances[1].Output.Text}
	}
	s.answers(0, rows...)
	s.spec.Output.MaxBytes = 4
	s.at(0, Observation{})
	if got := texts(); got != [2]string{" 中", "ZWxsbw=="} || s.status.Truncated.OutputBytes != 7 {
		t.Errorf("cut to %q, %+v", got, s.status.Truncated)
	}
	s.spec.Output.Policy = v1alpha1.OutputNone
	s.at(0, Observation{})
	if got := texts(); got != [2]string{} || s.status.Truncated.OutputBytes != 15 {
		t.Errorf("still shows %q, %+v", got, s.status.Truncated)
	}
	s.spec.Output = nil
	s.at(0, Observation{})
	if got := texts(); got != [2]string{} {
		t.Errorf("shows %q out of nothing", got)
	}
	s.answers(0, rows...)
	if got := texts(); got != [2]string{"hello 中", "G2hlbGxv"} || s.status.Truncated != nil {
		t.Errorf("shows %q of what the API still has, %+v", got, s.status.Truncated)
	}
}

func TestStoredTextThatIsNotBase64IsNotShown(t *testing.T) {
	o := storedOutput(&v1alpha1.OutputStatus{Text: "%", Encoding: v1alpha1.OutputBase64, TruncatedBytes: 4})
	if got := o.prepare(9, "").from(0); got.Text != "" || got.TruncatedBytes != 4 {
		t.Errorf("shows %+v", *got)
	}
}

// checkOutput: invariant 8.
func checkOutput(t failer, raw []byte, dropped int64, spec *v1alpha1.OutputSpec, got *v1alpha1.OutputStatus) {
	t.Helper()
	digest := sha256.Sum256(raw)
	if got.SHA256 != hex.EncodeToString(digest[:]) {
		t.Fatalf("the digest is not that of the raw bytes")
	}
	if (got.Text == "") != (got.Encoding == "") {
		t.Fatalf("encoding %q of %d bytes", got.Encoding, len(got.Text))
	}
	whole := spec.Charset == "" && utf8.Valid(raw)
	switch got.Encoding {
	case v1alpha1.OutputPlainText:
		if len(got.Text) > int(spec.MaxBytes) || !showsSafely([]byte(got.Text)) || !utf8.ValidString(got.Text) {
			t.Fatalf("text %q is unfit or too long", got.Text)
		}
		checkShownText(t, raw, whole, spec, got)
	case v1alpha1.OutputBase64:
		shown, err := base64.StdEncoding.DecodeString(got.Text)
		if err != nil || len(shown) > int(spec.MaxBytes) || !bytes.Equal(shown, raw[got.TruncatedBytes:]) {
			t.Fatalf("%q is not the end of the output from %d on", got.Text, got.TruncatedBytes)
		}
		if whole && showsSafely(raw) {
			t.Fatalf("%q could be shown as text", raw)
		}
	}
	if got.TruncatedBytes < 0 || got.TruncatedBytes > int64(len(raw)) || got.DroppedBytes != max(0, dropped) {
		t.Fatalf("%d bytes truncated of %d, %d dropped", got.TruncatedBytes, len(raw), got.DroppedBytes)
	}
	checkPrints(t, got)
}

// checkShownText: what is shown as text is the end of the output.
func checkShownText(t failer, raw []byte, whole bool, spec *v1alpha1.OutputSpec, got *v1alpha1.OutputStatus) {
	t.Helper()
	end := string(raw[got.TruncatedBytes:])
	switch enc, known := charsets[spec.Charset]; {
	case known && strings.HasPrefix(spec.Charset, "UTF-16"):
		// Past its byte order mark, the end alone does not tell the byte order.
	case known:
		if decoded, err := enc.NewDecoder().String(end); err != nil || decoded != got.Text {
			t.Fatalf("text %q is not %q, the end of the output from %d on (%v)", got.Text, decoded, got.TruncatedBytes, err)
		}
	case (whole || !strings.ContainsRune(got.Text, utf8.RuneError)) && got.Text != end:
		t.Fatalf("text %q is not the end of the output from %d on", got.Text, got.TruncatedBytes)
	}
}

// checkPrints: kubectl makes YAML of the JSON that the server sends.
func checkPrints(t failer, got *v1alpha1.OutputStatus) {
	t.Helper()
	sent, err := json.Marshal(got)
	if err != nil {
		t.Fatalf("%v", err)
	}
	printed, err := yaml.JSONToYAML(sent)
	if err != nil {
		t.Fatalf("kubectl get -o yaml: %v", err)
	}
	var again v1alpha1.OutputStatus
	if err := yaml.Unmarshal(printed, &again); err != nil || again != *got {
		t.Fatalf("by way of YAML it becomes %+v (%v)", again, err)
	}
}

func TestAnyOutputIsShownWhole(t *testing.T) {
	pieces := rapid.SampledFrom([]string{"a", "line\n", "\t", "é", "中", "😀", "\r", "\x1b", "\x7f", "\u0085", "\uFEFF", "\u202e", "\uFFFF", "\xe4", "\x96", "\xff", "<", "\"", "#", ": "})
	rapid.Check(t, func(t *rapid.T) {
		raw := []byte(strings.Join(rapid.SliceOfN(pieces, 1, 40).Draw(t, "pieces"), ""))
		if rapid.Bool().Draw(t, "any bytes") {
			raw = rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "bytes")
		}
		dropped := rapid.SampledFrom([]int64{0, -1, 5}).Draw(t, "dropped")
		spec := &v1alpha1.OutputSpec{
			MaxBytes: rapid.SampledFrom([]int32{1, 2, 7, 24576}).Draw(t, "maxBytes"),
			Charset:  rapid.SampledFrom([]string{"", "", "GBK", "Big5", "Shift_JIS", "UTF-16BE", "windows-1252"}).Draw(t, "charset"),
		}
		shown := receivedOutput(raw, dropped).prepare(int(spec.MaxBytes), spec.Charset)
		start, used := shown.fit(1 << 20)
		got := shown.from(start)
		checkOutput(t, raw, dropped, spec, got)
		if text, err := json.Marshal(got.Text); err != nil || len(text) != used+2 {
			t.Fatalf("%q takes %d bytes, not %d", got.Text, len(text)-2, used)
		}

		// Cut further, from the bytes or from what was stored of them, it shows the same.
		space := rapid.IntRange(0, 50).Draw(t, "space")
		start, _ = shown.fit(space)
		kept := storedOutput(got).prepare(int(spec.MaxBytes), spec.Charset)
		again, _ := kept.fit(space)
		if a, b := shown.from(start), kept.from(again); a.Text != b.Text || a.Encoding != b.Encoding || spec.Charset == "" && dropped <= 0 && *a != *b {
			t.Fatalf("of %d bytes, from the bytes %+v, from the status %+v", space, *a, *b)
		}
	})
}

// Where a Secret is wanted, an output of which the status shows nothing has no claim to be shown, whether the API gives it
// again or not: the shares of the others would change with that.
func TestAnOutputMeantForASecretHasNoShare(t *testing.T) {
	p := &projection{Input: Input{Spec: secretOutput(run1())}}
	given := receivedOutput([]byte("out"), 0)
	unshown := storedOutput(&v1alpha1.OutputStatus{TruncatedBytes: 3, SHA256: given.known.SHA256})
	if a, b := p.maxShown(given), p.maxShown(unshown); a != 0 || b != 0 {
		t.Errorf("with the output %d bytes may be shown, without %d, want none", a, b)
	}
	shown := storedOutput(&v1alpha1.OutputStatus{Text: "out", Encoding: v1alpha1.OutputPlainText, SHA256: given.known.SHA256})
	if p.maxShown(shown) == 0 {
		t.Error("what the status shows already is taken away, and may be all there is")
	}
}
