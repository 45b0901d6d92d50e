package projection

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// output is what a command printed, either as the API gave it or as the previous status holds it.
type output struct {
	// raw is as the API gave it; nil if the output is only known from the status.
	raw []byte
	// known is what the status says of it, with all text that there still is; nil if there is no output.
	known *v1alpha1.OutputStatus
	// shown says that the status has shown text of it already.
	shown bool
}

// receivedOutput takes the output that the API gave, of which it dropped so many bytes.
func receivedOutput(raw []byte, dropped int64) output {
	if len(raw) == 0 && dropped <= 0 {
		return output{}
	}
	digest := sha256.Sum256(raw)
	return output{raw: raw, known: &v1alpha1.OutputStatus{
		DroppedBytes: max(0, dropped),
		SHA256:       hex.EncodeToString(digest[:]),
	}}
}

func storedOutput(known *v1alpha1.OutputStatus) output {
	return output{known: known}
}

// mergeOutput keeps the output that was known, whole again if the API still gives it.
func mergeOutput(before, later output) output {
	switch {
	case before.known == nil:
		return later
	case later.known != nil && later.known.SHA256 == before.known.SHA256:
		later.shown = later.shown || before.shown || before.known.Text != ""
		return later
	}
	return before
}

// total is how many bytes of it there are, shown or not; those that the service dropped do not count.
func (o output) total() int64 {
	switch {
	case o.known == nil:
		return 0
	case o.raw != nil:
		return int64(len(o.raw))
	}
	return o.known.TruncatedBytes + int64(len(o.storedBody()))
}

// storedBody is what the status shows of the output, as bytes.
func (o output) storedBody() []byte {
	if o.known.Encoding == v1alpha1.OutputPlainText {
		return []byte(o.known.Text)
	}
	// Only this package writes it: what does not decode was never output.
	body, err := base64.StdEncoding.DecodeString(o.known.Text)
	if err != nil {
		return nil
	}
	return body
}

// showable is an output made ready to be shown, of which the end is shown from some index on.
type showable struct {
	known v1alpha1.OutputStatus
	// body is text, or bytes that are shown as Base64.
	body     []byte
	encoding v1alpha1.OutputEncoding
	// limit is how many bytes of body may be shown, first where that lets it begin.
	limit, first int
	// cut is how many bytes were cut off the front already.
	cut int64
	// rawAt tells how many bytes as printed make up the first n of body.
	rawAt func(n int) int
}

// prepare makes an output ready to be shown with at most limit bytes; 0 shows none of it.
//
// Whether it is shown as text is judged of all of it: a character unfit for a status anywhere makes it Base64.
func (o output) prepare(limit int, charset string) *showable {
	if o.known == nil {
		return nil
	}
	s := &showable{
		known:    v1alpha1.OutputStatus{DroppedBytes: o.known.DroppedBytes, SHA256: o.known.SHA256},
		encoding: v1alpha1.OutputBase64,
		limit:    limit,
		rawAt:    func(n int) int { return n },
	}
	switch {
	case o.raw == nil:
		s.cut = o.known.TruncatedBytes
		s.encoding = cmp.Or(o.known.Encoding, v1alpha1.OutputBase64)
		s.body = o.storedBody()
	case limit == 0:
		// Nothing will be shown: no need to look into it.
		s.body = o.raw
	default:
		s.body = o.raw
		if text, rawAt, ok := decode(o.raw, charset, o.known.DroppedBytes > 0); ok {
			s.body, s.rawAt, s.encoding = text, rawAt, v1alpha1.OutputPlainText
		}
	}
	s.first = max(0, len(s.body)-limit)
	for s.encoding == v1alpha1.OutputPlainText && s.first < len(s.body) && !utf8.RuneStart(s.body[s.first]) {
		s.first++
	}
	return s
}

// fit is where the text begins if it may take at most space bytes as JSON, and how many it then takes.
func (s *showable) fit(space int) (start, size int) {
	if s.encoding != v1alpha1.OutputPlainText {
		start = max(s.first, len(s.body)-space/4*3)
		return start, base64.StdEncoding.EncodedLen(len(s.body) - start)
	}
	start = len(s.body)
	for start > s.first {
		r, n := utf8.DecodeLastRune(s.body[:start])
		if size+jsonLen(r) > space {
			break
		}
		start -= n
		size += jsonLen(r)
	}
	return start, size
}

// wantsMoreThan says whether more could be shown than from index start on. It goes by what is shown alone: a text
// that the previous status cut must want what the whole output did. Within a rune of the limit, nobody can tell
// why it was cut.
func (s *showable) wantsMoreThan(start int) bool {
	shown := len(s.body) - start
	return s.limit > 0 && (start > 0 || s.cut > 0) && (shown == 0 || shown <= s.limit-utf8.UTFMax)
}

// from is the status of the output shown from index start on.
func (s *showable) from(start int) *v1alpha1.OutputStatus {
	shown := s.known
	shown.TruncatedBytes = s.cut
	if start > 0 {
		// Shown from its first character on, nothing is cut: a byte order mark before it is no character.
		shown.TruncatedBytes += int64(s.rawAt(start))
	}
	if start == len(s.body) {
		return &shown
	}
	shown.Encoding = s.encoding
	if s.encoding == v1alpha1.OutputPlainText {
		shown.Text = string(s.body[start:])
	} else {
		shown.Text = base64.StdEncoding.EncodeToString(s.body[start:])
	}
	return &shown
}

// wantedPolicy is what the resource wants to become of the output, or the operator by default.
func (p *projection) wantedPolicy() v1alpha1.OutputPolicy {
	var wanted v1alpha1.OutputPolicy
	if p.Spec.Output != nil {
		wanted = p.Spec.Output.Policy
	}
	return cmp.Or(wanted, p.Settings.DefaultOutputPolicy, v1alpha1.OutputTail)
}

// wantsSecretInVain says whether the operator's limit forbids the Secret that is wanted.
func (p *projection) wantsSecretInVain() bool {
	limit := cmp.Or(p.Settings.MaxOutputPolicy, v1alpha1.OutputSecret)
	return p.wantedPolicy() == v1alpha1.OutputSecret && limit != v1alpha1.OutputSecret
}

// policy is what becomes of the output, as far as the operator's limit goes. Where a Secret is wanted in vain the output
// stays out of the cluster: whoever wants it in a Secret does not want it in the status.
func (p *projection) policy() v1alpha1.OutputPolicy {
	if p.Settings.MaxOutputPolicy == v1alpha1.OutputNone || p.wantsSecretInVain() {
		return v1alpha1.OutputNone
	}
	return p.wantedPolicy()
}

// maxShown is how many bytes of an output may be shown. What the status has shown already stays, where a Secret is wanted
// by now and does not hold it: it may be all there is. Of what it shows nothing of, nothing is left to stay.
func (p *projection) maxShown(o output) int {
	policy := p.policy()
	kept := o.raw != nil && (!o.shown || len(p.outputSecrets()) > 0) || o.raw == nil && o.known != nil && o.known.Text == ""
	if p.wantedPolicy() == v1alpha1.OutputSecret && !kept && p.Settings.MaxOutputPolicy != v1alpha1.OutputNone {
		policy = v1alpha1.OutputTail
	}
	switch {
	case policy != v1alpha1.OutputTail:
		return 0
	case p.Spec.Output != nil && p.Spec.Output.MaxBytes > 0:
		return int(p.Spec.Output.MaxBytes)
	}
	return defaultMaxBytes
}

func (p *projection) charset() string {
	if p.Spec.Output == nil {
		return ""
	}
	return p.Spec.Output.Charset
}
