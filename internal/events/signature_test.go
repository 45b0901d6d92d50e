package events_test

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/events"
)

// parcel is a request on its way, and the clock of its receiver.
type parcel struct {
	header http.Header
	body   []byte
	now    time.Time
}

type signing func(tb testing.TB, s *eventbridge.Signer, h http.Header, r eventbridge.Request, v eventbridge.Variant)

func signRSA(tb testing.TB, s *eventbridge.Signer, h http.Header, r eventbridge.Request, v eventbridge.Variant) {
	tb.Helper()
	if err := s.SignRSA(h, r, v); err != nil {
		tb.Fatal(err)
	}
}

func signHMAC(tb testing.TB, s *eventbridge.Signer, h http.Header, r eventbridge.Request, v eventbridge.Variant) {
	tb.Helper()
	if err := s.SignHMAC(h, r, v); err != nil {
		tb.Fatal(err)
	}
}

// signed is a request as the vendor's target sends it.
func signed(tb testing.TB, sign signing, v eventbridge.Variant) *parcel {
	tb.Helper()
	return signedBy(tb, vendor(), sign, v, func(*eventbridge.Request) {})
}

func signedBy(tb testing.TB, s *eventbridge.Signer, sign signing, v eventbridge.Variant, change func(*eventbridge.Request)) *parcel {
	tb.Helper()
	r := eventbridge.Request{URL: publicURL, CertificateURL: certificateURL, Token: token, At: start, Body: []byte(completed)}
	change(&r)
	p := &parcel{header: http.Header{}, body: r.Body, now: start}
	sign(tb, s, p.header, r, v)
	return p
}

// receive is what a receiver with the vendor's certificate says.
func (p *parcel) receive(tb testing.TB, change func(*events.VerifierOptions)) events.Reason {
	tb.Helper()
	clock := clocktesting.NewFakePassiveClock(p.now)
	o := events.VerifierOptions{
		PublicURL: publicURL, Token: token, AcceptHMAC: true, Clock: clock,
		Certificates: newStore(tb, clock, &internet{answer: serving(http.StatusOK, vendor().Certificate())}),
	}
	if change != nil {
		change(&o)
	}
	verifier, err := events.NewVerifier(o)
	if err != nil {
		tb.Fatal(err)
	}
	claim, err := verifier.Claim(p.header)
	if err != nil {
		return reasonOf(err)
	}
	return reasonOf(verifier.Verify(tb.Context(), claim, p.body))
}

var bothForms = []struct {
	name string
	sign signing
}{{"RSA", signRSA}, {"HMAC", signHMAC}}

func TestEveryVariantOfASignatureIsAccepted(t *testing.T) {
	for _, form := range bothForms {
		for _, variant := range eventbridge.Variants {
			if got := signed(t, form.sign, variant).receive(t, nil); got != "" {
				t.Errorf("%s, %+v: refused: %s", form.name, variant, got)
			}
			noToken := signedBy(t, vendor(), form.sign, variant, func(r *eventbridge.Request) { r.Token = "" })
			got := noToken.receive(t, func(o *events.VerifierOptions) { o.Token, o.AcceptHMAC = "", false })
			if want := map[string]events.Reason{"RSA": "", "HMAC": events.ReasonUnsupported}[form.name]; got != want {
				t.Errorf("%s, %+v, without a token: %q, want %q", form.name, variant, got, want)
			}
		}
	}
}

func TestATokenThatNobodyConfiguredIsSignedAllTheSame(t *testing.T) {
	for _, variant := range eventbridge.Variants {
		if got := signed(t, signRSA, variant).receive(t, func(o *events.VerifierOptions) { o.Token, o.AcceptHMAC = "", false }); got != "" {
			t.Errorf("%+v: refused: %s", variant, got)
		}
	}
}

// What is wrong with either form of signature is refused, whichever variant it is.
func TestForgeries(t *testing.T) {
	set := func(name, value string) func(*parcel) {
		return func(p *parcel) { p.header.Set(name, value) }
	}
	tests := []struct {
		name   string
		signer func() *eventbridge.Signer
		sign   func(*eventbridge.Request)
		forge  func(*parcel)
		want   events.Reason
	}{
		{name: "by somebody else", signer: stranger, want: events.ReasonSignature},
		{name: "for another path", sign: func(r *eventbridge.Request) { r.URL = "https://events.example.com/other?rule=runs" }, want: events.ReasonSignature},
		{name: "for another query", sign: func(r *eventbridge.Request) { r.URL = strings.TrimSuffix(publicURL, "s") }, want: events.ReasonSignature},
		{name: "for another host", sign: func(r *eventbridge.Request) { r.URL = "https://events.example.org/eventbridge?rule=runs" }, want: events.ReasonSignature},
		{name: "for plain HTTP", sign: func(r *eventbridge.Request) { r.URL = "http" + strings.TrimPrefix(publicURL, "https") }, want: events.ReasonSignature},
		{name: "a byte more", forge: func(p *parcel) { p.body = append(p.body, ' ') }, want: events.ReasonSignature},
		{name: "a byte less", forge: func(p *parcel) { p.body = p.body[:len(p.body)-1] }, want: events.ReasonSignature},
		{name: "another byte", forge: func(p *parcel) { p.body[10] ^= 1 }, want: events.ReasonSignature},
		{name: "no body", forge: func(p *parcel) { p.body = nil }, want: events.ReasonSignature},
		{name: "two line breaks after the body", forge: func(p *parcel) { p.body = append(p.body, "\n\n"...) }, want: events.ReasonSignature},
		{name: "60 s old", forge: func(p *parcel) { p.now = start.Add(time.Minute) }},
		{name: "60 s ahead", forge: func(p *parcel) { p.now = start.Add(-time.Minute) }},
		{name: "replayed", forge: func(p *parcel) { p.now = start.Add(time.Minute + time.Millisecond) }, want: events.ReasonExpired},
		{name: "from the future", forge: func(p *parcel) { p.now = start.Add(-time.Minute - time.Millisecond) }, want: events.ReasonExpired},
		{name: "replayed with a new time", forge: func(p *parcel) {
			p.now = start.Add(time.Hour)
			p.header.Set("x-eventbridge-signature-timestamp", "1795611600000")
		}, want: events.ReasonSignature},
		{name: "the time in seconds", forge: set("x-eventbridge-signature-timestamp", "1795608000"), want: events.ReasonExpired},
		{name: "the time as text", forge: set("x-eventbridge-signature-timestamp", "2026-11-25T12:00:00Z"), want: events.ReasonExpired},
		{name: "a time before all", forge: set("x-eventbridge-signature-timestamp", "-1"), want: events.ReasonExpired},
		{name: "a time beyond all", forge: set("x-eventbridge-signature-timestamp", "9223372036854775807"), want: events.ReasonExpired},
		{name: "a time too long", forge: set("x-eventbridge-signature-timestamp", strings.Repeat("9", 1000)), want: events.ReasonExpired},
		{name: "another token", sign: func(r *eventbridge.Request) { r.Token = "guess" }, want: events.ReasonToken},
		{name: "no token", sign: func(r *eventbridge.Request) { r.Token = "" }, want: events.ReasonToken},
		{name: "a part of the token", sign: func(r *eventbridge.Request) { r.Token = token[:5] }, want: events.ReasonToken},
		{name: "two tokens", forge: func(p *parcel) { p.header.Add("x-eventbridge-signature-token", token) }, want: events.ReasonUnsigned},
		{name: "two times", forge: func(p *parcel) { p.header.Add("x-eventbridge-signature-timestamp", "1") }, want: events.ReasonUnsigned},
		{name: "version 2.0", forge: set("x-eventbridge-signature-version", "2.0"), want: events.ReasonUnsupported},
		{name: "no version", forge: func(p *parcel) { p.header.Del("x-eventbridge-signature-version") }, want: events.ReasonUnsigned},
		{name: "a certificate of the forger", forge: set("x-eventbridge-signature-url", "https://evil.example.com/cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com"), want: events.ReasonCertificateURL},
		{name: "no certificate", forge: func(p *parcel) { p.header.Del("x-eventbridge-signature-url") }, want: events.ReasonUnsigned},
		{name: "another certificate of the vendor", forge: set("x-eventbridge-signature-url", "https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com/x.pem"), want: events.ReasonSignature},
		{name: "nothing", forge: func(p *parcel) { p.header = http.Header{} }, want: events.ReasonUnsigned},
	}
	for _, form := range bothForms {
		for _, tt := range tests {
			t.Run(form.name+" "+tt.name, func(t *testing.T) {
				for _, variant := range eventbridge.Variants {
					signer, change := vendor, tt.sign
					if tt.signer != nil {
						signer = tt.signer
					}
					if change == nil {
						change = func(*eventbridge.Request) {}
					}
					p := signedBy(t, signer(), form.sign, variant, change)
					if tt.forge != nil {
						tt.forge(p)
					}
					if got := p.receive(t, nil); got != tt.want {
						t.Errorf("%+v: %q, want %q", variant, got, tt.want)
					}
				}
			})
		}
	}
}

func TestForgeriesOfOneForm(t *testing.T) {
	const zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
	tests := []struct {
		name  string
		sign  signing
		forge func(*parcel)
		want  events.Reason
	}{
		{"RSA with MD5", signRSA, func(p *parcel) { p.header.Set("x-eventbridge-hash-method", "MD5") }, events.ReasonUnsupported},
		{"RSA without a hash", signRSA, func(p *parcel) { p.header.Del("x-eventbridge-hash-method") }, events.ReasonUnsigned},
		{"RSA without base64", signRSA, func(p *parcel) { p.header.Set("x-eventbridge-signature-v2", "?") }, events.ReasonUnsigned},
		{"RSA with an empty signature", signRSA, func(p *parcel) { p.header.Set("x-eventbridge-signature-v2", "") }, events.ReasonUnsigned},
		{"RSA with zeros", signRSA, func(p *parcel) { p.header.Set("x-eventbridge-signature-v2", zeros) }, events.ReasonSignature},
		{"RSA spelled differently", signRSA, func(p *parcel) {
			p.header.Set("x-eventbridge-signature-v2", strings.TrimRight(p.header.Get("x-eventbridge-signature-v2"), "="))
		}, events.ReasonUnsigned},
		{"RSA with bits that mean nothing", signRSA, func(p *parcel) {
			signature := []byte(p.header.Get("x-eventbridge-signature-v2"))
			// The last letter of a signature of 256 bytes carries two bits; there are A, Q, g and w.
			signature[len(signature)-3]++
			p.header.Set("x-eventbridge-signature-v2", string(signature))
		}, events.ReasonUnsigned},
		{"HMAC called SHA256", signHMAC, func(p *parcel) { p.header.Set("x-eventbridge-signature-method", "SHA256") }, events.ReasonUnsupported},
		{"HMAC with zeros", signHMAC, func(p *parcel) { p.header.Set("x-eventbridge-signature", zeros) }, events.ReasonSignature},
		{"HMAC without a secret", signHMAC, func(p *parcel) { p.header.Del("x-eventbridge-signature-secret") }, events.ReasonUnsigned},
		{"HMAC with a short secret", signHMAC, func(p *parcel) { p.header.Set("x-eventbridge-signature-secret", zeros) }, events.ReasonSignature},
		{"HMAC whose name is of the newer form", signHMAC, func(p *parcel) {
			p.header.Set("x-eventbridge-signature-v2", p.header.Get("x-eventbridge-signature"))
			p.header.Set("x-eventbridge-hash-method", "SHA256")
		}, events.ReasonSignature},
		{"both, the newer one wrong", signHMAC, func(p *parcel) {
			other := signedBy(t, stranger(), signRSA, eventbridge.Variant{}, func(*eventbridge.Request) {})
			for name, values := range other.header {
				p.header[name] = values
			}
		}, events.ReasonSignature},
		{"both, the newer one empty", signHMAC, func(p *parcel) { p.header.Set("x-eventbridge-signature-v2", "") }, events.ReasonUnsigned},
		{"both, the older one wrong", signRSA, func(p *parcel) {
			p.header.Set("x-eventbridge-signature", zeros)
			p.header.Set("x-eventbridge-signature-method", "HMAC-SHA1")
			p.header.Set("x-eventbridge-signature-secret", zeros)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := signed(t, tt.sign, eventbridge.Variant{})
			tt.forge(p)
			if got := p.receive(t, nil); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A secret that was sent once signs anything for anybody. That is why the older form is off, and wants a token.
func TestTheOlderFormProvesNothingWithoutTheToken(t *testing.T) {
	secret := []byte("overheard at an endpoint")
	encrypted, err := vendor().EncryptWithPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(token string) *parcel {
		p := &parcel{header: http.Header{}, body: []byte(completed), now: start}
		stranger().SignHMACWith(p.header, eventbridge.Request{
			URL: publicURL, CertificateURL: certificateURL, Token: token, At: start, Body: p.body,
		}, eventbridge.Variant{}, secret, encrypted)
		return p
	}
	if got := forge(token).receive(t, nil); got != "" {
		t.Fatalf("the forgery is refused (%s): say so where this form is documented", got)
	}
	if got := forge("").receive(t, nil); got != events.ReasonToken {
		t.Errorf("without the token: %q", got)
	}
	if got := forge(token).receive(t, func(o *events.VerifierOptions) { o.AcceptHMAC = false }); got != events.ReasonUnsupported {
		t.Errorf("with the form off: %q", got)
	}
}

// Only the padding that encryption writes is taken: what is lenient here can be forged without the key.
func TestPaddingOfTheSecret(t *testing.T) {
	const size = 256
	block := func(change func([]byte) []byte) []byte {
		b := append([]byte{0, 1}, make([]byte, size-2-1-6)...)
		for i := 2; i < len(b); i++ {
			b[i] = 0xff
		}
		return change(append(append(b, 0), "secret"...))
	}
	same := func(b []byte) []byte { return b }
	beyond := new(big.Int).SetBytes(block(same))
	tests := []struct {
		name string
		text []byte
		want string
	}{
		{name: "as it should be", text: block(same), want: "secret"},
		{name: "type 2", text: block(func(b []byte) []byte { b[1] = 2; return b })},
		{name: "type 0", text: block(func(b []byte) []byte { b[1] = 0; return b })},
		{name: "a first byte", text: block(func(b []byte) []byte { b[0] = 1; return b })},
		{name: "another byte in the padding", text: block(func(b []byte) []byte { b[20] = 0xfe; return b })},
		{name: "no end of the padding", text: block(func(b []byte) []byte { b[size-7] = 0xff; return b })},
		{name: "a short padding", text: block(func(b []byte) []byte { b[9] = 0; return b })},
		{name: "the shortest padding", text: block(func(b []byte) []byte { b[10] = 0; return b }), want: string(block(same)[11:])},
		{name: "no secret", text: block(func(b []byte) []byte {
			for i := 2; i < size-1; i++ {
				b[i] = 0xff
			}
			b[size-1] = 0
			return b
		})},
		{name: "too short", text: block(same)[1:]},
		{name: "too long", text: append([]byte{0}, block(same)...)},
		{name: "a number beyond the modulus", text: []byte(strings.Repeat("\xff", size))},
		{name: "the modulus more", text: beyond.Add(beyond, events.Modulus(size)).Bytes()},
		{name: "nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// With the exponent 1 what is encrypted is what is read.
			got, err := events.DecryptWithExponentOne(size, tt.text)
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestAVerifierSaysWhatItNeeds(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	good := events.VerifierOptions{PublicURL: publicURL, Clock: clock, Certificates: events.NewCertificateFile("none", clock)}
	tests := []struct {
		name   string
		change func(*events.VerifierOptions)
		want   string
	}{
		{"good", func(*events.VerifierOptions) {}, ""},
		{"no URL", func(o *events.VerifierOptions) { o.PublicURL = "" }, "public URL"},
		{"a path only", func(o *events.VerifierOptions) { o.PublicURL = "/eventbridge" }, "public URL"},
		{"another scheme", func(o *events.VerifierOptions) { o.PublicURL = "ftp://host/" }, "public URL"},
		{"a user", func(o *events.VerifierOptions) { o.PublicURL = "https://me@host/" }, "user"},
		{"a fragment", func(o *events.VerifierOptions) { o.PublicURL = "https://host/#x" }, "fragment"},
		{"the older form without a token", func(o *events.VerifierOptions) { o.AcceptHMAC = true }, "token"},
		{"a token with a line break", func(o *events.VerifierOptions) { o.Token = "token\n" }, "printf"},
		{"no clock", func(o *events.VerifierOptions) { o.Clock = nil }, "clock"},
		{"no certificates", func(o *events.VerifierOptions) { o.Certificates = nil }, "certificates"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			_, err := events.NewVerifier(o)
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "token\n") {
				t.Error("the error tells the token")
			}
		})
	}
}
