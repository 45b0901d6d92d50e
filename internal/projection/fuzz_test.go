package projection

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// property makes a fuzz target of a property. The bytes are what it draws first; where they end, the same random ones
// follow, so that none are too few.
func property(check func(*rapid.T)) func(*testing.T, []byte) {
	endless := make([]byte, 0, 1<<18)
	for random := rand.New(rand.NewPCG(1, 1)); len(endless) < cap(endless); {
		endless = binary.LittleEndian.AppendUint64(endless, random.Uint64())
	}
	target := rapid.MakeFuzz(check)
	return func(t *testing.T, drawn []byte) {
		t.Helper()
		padded := append([]byte(nil), drawn...)
		target(t, append(padded, endless[min(len(drawn), len(endless)):]...))
	}
}

// addDraws adds seeds that draw one thing or another.
func addDraws(f *testing.F) {
	f.Helper()
	f.Add([]byte(nil))
	f.Add(make([]byte, 1024))
	for seed := range uint64(24) {
		var drawn []byte
		for random := rand.New(rand.NewPCG(seed, 2)); len(drawn) < 512; {
			drawn = binary.LittleEndian.AppendUint64(drawn, random.Uint64())
		}
		f.Add(drawn)
	}
}

// FuzzProject is TestAnyHistoryOfAnswers, led by what code is reached.
func FuzzProject(f *testing.F) {
	addDraws(f)
	f.Fuzz(property(anyHistory))
}

// FuzzTrueRun is TestATrueRunEndsAsItEnded, led by what code is reached.
func FuzzTrueRun(f *testing.F) {
	addDraws(f)
	f.Fuzz(property(anyTrueRun))
}

// Whatever the strings of the API are, the status can be stored and shown.
func FuzzStrings(f *testing.F) {
	f.Add("i-a", "Success", "ExitCodeNonzero", "info", "out", "Forbidden.RAM", "denied", 0)
	f.Add("\x00", "Weird\x1b", "<<<<", "\xff", "\x1b[0m", "", "", 8192)
	f.Add("i-a", "Failed", "i-b", strings.Repeat("<", 1024), strings.Repeat("&", 3000), "Forbidden.RAM", strings.Repeat("\u2028", 1024), 1)
	f.Add("i/a", "Scheduled", "%d", "a\\x00b", "\xd6\xd0", "InvalidTimeStamp", "2026-11-23T08:00:00Z 473469C7-AA6F-4DC5-B3DB-A3DC0DE00000", -1)
	f.Fuzz(func(t *testing.T, instance, status, code, info, out, errorCode, message string, budget int) {
		records := []cloudassistant.Record{
			{
				InvokeID: "t-1", InstanceID: instance, InvocationStatus: cloudassistant.InvocationStatus(status), ErrorCode: code, ErrorInfo: info,
				Output: []byte(out), Launcher: info, Tags: []cloudassistant.Tag{{Key: code, Value: info}},
				OSSOutput: cloudassistant.OSSOutput{Delivery: info, URI: info, Status: code, ErrorCode: code, ErrorInfo: info},
			},
			{InvokeID: "t-1", InstanceID: code, ContainerName: status, InvocationStatus: failed, ErrorCode: instance, Username: info, Output: []byte(out)},
		}
		var previous *v1alpha1.InvocationResultStatus
		for step, observation := range []Observation{
			{Live: answer(t0, records...)},
			{Failure: &cloudassistant.Error{Class: cloudassistant.ClassDenied, Code: errorCode, Message: message, RequestID: instance}},
			{Live: answer(t0.Add(time.Hour), records[1])},
		} {
			in := Input{
				Now: t0.Add(time.Duration(step) * time.Hour), Generation: 1, Spec: run1(), Previous: previous,
				Observation: observation, Settings: Settings{MaxStatusBytes: budget},
			}
			projected := Project(in)
			checkAlways(t, in, projected)
			previous = roundTrip(t, &projected.Status)
		}
	})
}

// Whatever a command printed, what is shown of it is its end, safe to show, and what is not shown is counted.
func FuzzOutput(f *testing.F) {
	for _, seed := range []string{
		"plain\n", "\x1b[2J", "a\r\nb", "\xe4\xb8", "中文", "\xef\xbb\xbfBOM", "\xff\xfea\x00", "\xfe\xff\x00a", "\x00\x01", "\u0085\uFFFE",
		"\x96a\xf0\x9f\x98\x80\x80b\xe4", "\xd6\xd0\xce\xc4", "\x81\x30\x81\x30", "\x82\xa0\x82", "--- # : |\n\t", "<&>\u2028\"\\", "\u202e\uFEFF",
	} {
		for charset := range charsets {
			f.Add([]byte(seed), int64(1), int32(3), charset, 7)
		}
		f.Add([]byte(seed), int64(0), int32(1024), "", 1<<20)
		f.Add([]byte(strings.Repeat(seed, 9)), int64(9), int32(5), "UTF-8", 20)
	}
	f.Fuzz(func(t *testing.T, raw []byte, dropped int64, maxBytes int32, charset string, space int) {
		if len(raw) == 0 || maxBytes < 1 || maxBytes > 24576 || space < 0 {
			return
		}
		spec := &v1alpha1.OutputSpec{MaxBytes: maxBytes, Charset: charset}
		whole := receivedOutput(raw, dropped).prepare(int(maxBytes), charset)
		for _, room := range []int{1 << 20, space} {
			start, used := whole.fit(room)
			got := whole.from(start)
			checkOutput(t, raw, dropped, spec, got)
			if text, err := json.Marshal(got.Text); err != nil || len(text) != used+2 || used > room {
				t.Fatalf("%q takes %d bytes, not %d of %d", got.Text, len(text)-2, used, room)
			}
			// From what was stored, it is shown the same.
			kept := storedOutput(got).prepare(int(maxBytes), charset)
			start, _ = kept.fit(room)
			if again := kept.from(start); *again != *got {
				t.Fatalf("stored as %+v, it is shown as %+v", *got, *again)
			}
		}
	})
}

// Whatever the API calls something, it is shown as something visible and short.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "a", "a\x1b[31m\tb\r\n", "\u202ertl\ufeff", "bad\xff", "\xe4\xb8", "中文中文", "it's \"so\" \\", "…", "<&>\u2028", "\U000e0001", "a\u0301"} {
		for _, most := range []int{1, 4, 256} {
			f.Add(seed, most)
		}
	}
	f.Fuzz(func(t *testing.T, in string, most int) {
		if most < 1 || most > 1<<20 {
			return
		}
		checkClean(t, in, most)
	})
}
