package projection

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// charsets are those that the schema admits, but UTF-8. A byte order mark goes before the byte order asked for.
var charsets = map[string]encoding.Encoding{
	"GBK":          simplifiedchinese.GBK,
	"GB18030":      simplifiedchinese.GB18030,
	"Big5":         traditionalchinese.Big5,
	"Shift_JIS":    japanese.ShiftJIS,
	"EUC-JP":       japanese.EUCJP,
	"EUC-KR":       korean.EUCKR,
	"UTF-16LE":     unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"UTF-16BE":     unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"ISO-8859-1":   charmap.ISO8859_1,
	"windows-1251": charmap.Windows1251,
	"windows-1252": charmap.Windows1252,
}

// maxSplit is the longest run of bytes that one cut leaves of two runes: three bytes of each.
const maxSplit = 2 * (utf8.UTFMax - 1)

var replacement = []byte("\uFFFD")

// decode makes text of raw, and a function that tells how many bytes of raw make up the first n of the text; not
// ok if it cannot be shown as text. If the service has cut bytes out of the middle, one character there, and one
// at either end, may be broken, and become U+FFFD.
func decode(raw []byte, charset string, isCut bool) (text []byte, rawAt func(int) int, ok bool) {
	if enc, known := charsets[charset]; known {
		text, rawAt, ok = decodeCharset(raw, enc, isCut)
	} else {
		text, rawAt, ok = decodeUTF8(raw, isCut)
	}
	return text, rawAt, ok && showsSafely(text)
}

func decodeCharset(raw []byte, enc encoding.Encoding, isCut bool) (text []byte, rawAt func(int) int, ok bool) {
	// None of these decoders fails: what is invalid becomes U+FFFD.
	text, _ = enc.NewDecoder().Bytes(raw)
	broken := bytes.Count(text, replacement) - countAtEnds(text)
	if broken > 1 || !isCut && bytes.Contains(text, replacement) {
		return nil, nil, false
	}
	return text, func(n int) int {
		// Decoded into exactly as much room, the decoder stops where that much of the text comes from.
		_, consumed, _ := enc.NewDecoder().Transform(make([]byte, n), raw, true)
		return consumed
	}, true
}

func countAtEnds(text []byte) int {
	n := 0
	if bytes.HasPrefix(text, replacement) {
		n++
	}
	if bytes.HasSuffix(text, replacement) {
		n++
	}
	return n
}

// decodeUTF8 is raw itself if it is valid, else raw with the pieces of split runes replaced.
func decodeUTF8(raw []byte, isCut bool) (text []byte, rawAt func(int) int, ok bool) {
	if utf8.Valid(raw) {
		return raw, func(n int) int { return n }, true
	}
	if !isCut {
		return nil, nil, false
	}
	type repair struct{ at, lost int }
	var repairs []repair
	inside := 0
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r != utf8.RuneError || n != 1 {
			text = append(text, raw[i:i+n]...)
			i += n
			continue
		}
		begin := i
		for i < len(raw) {
			if r, n := utf8.DecodeRune(raw[i:]); r != utf8.RuneError || n != 1 {
				break
			}
			i++
		}
		if !isSplit(raw[begin:i]) {
			return nil, nil, false
		}
		if begin > 0 && i < len(raw) {
			inside++
		}
		text = append(text, replacement...)
		repairs = append(repairs, repair{at: len(text), lost: i - begin - len(replacement)})
	}
	return text, func(n int) int {
		consumed := n
		for _, r := range repairs {
			if r.at <= n {
				consumed += r.lost
			}
		}
		return consumed
	}, inside <= 1
}

// isSplit says whether invalid bytes can be what a cut left of two runes: the beginning of one, then the end of
// another.
func isSplit(invalid []byte) bool {
	for i, b := range invalid {
		begins := i == 0 && b >= 0xC2 && b <= 0xF4
		if !begins && utf8.RuneStart(b) {
			return false
		}
	}
	return len(invalid) <= maxSplit
}

// showsSafely says whether text can stand in a status. Control characters hijack terminals; those, and what is
// not a character, make `kubectl get -o yaml` fail.
func showsSafely(text []byte) bool {
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf {
			if b < ' ' && b != '\t' && b != '\n' || b == 0x7F {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r <= 0x9F || r == '\uFFFE' || r == '\uFFFF' {
			return false
		}
		i += n
	}
	return true
}
