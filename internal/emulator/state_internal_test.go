package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// runtimeFields are the unexported fields of what is saved: they belong to runs that go on.
var runtimeFields = map[reflect.Type][]string{
	reflect.TypeFor[row]():        {"invocation", "printing", "past", "indexed", "queued", "delivering", "cancel"},
	reflect.TypeFor[instance]():   {"seen", "active", "furnished", "changed"},
	reflect.TypeFor[invocation](): {"submission", "scope", "indexed"},
	reflect.TypeFor[command]():    nil,
	reflect.TypeFor[Row]():        nil,
	reflect.TypeFor[Instance]():   nil,
	reflect.TypeFor[AccessKey]():  nil,
}

func TestEveryLastingFieldIsExported(t *testing.T) {
	for of, want := range runtimeFields {
		var got []string
		for n := range of.NumField() {
			if field := of.Field(n); !field.IsExported() && !field.Anonymous {
				got = append(got, field.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the unexported fields of %s are %q, and %q are known to belong to a run: an unexported field is not saved, "+
				"so export it, or name it in runtimeFields and say in resume what becomes of it", of, got, want)
		}
	}
}

// fill sets every exported field of v, at any depth, to something that is not its zero value.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).UTC()))
		return
	case []byte:
		v.SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes"))
		return
	case ram.Policy:
		// A policy with any other effect or version cannot be read back.
		action := ram.Strings{rapid.StringN(1, 10, -1).Draw(t, "action")}
		v.Set(reflect.ValueOf(ram.Policy{Version: ram.PolicyVersion, Statement: []ram.Statement{{Effect: ram.Deny, Action: action, Resource: action}}}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.StringN(1, 10, -1).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(1, 1<<62).Draw(t, "number"))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64Min(1).Draw(t, "number"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(1, 3).Draw(t, "length"), 3))
		for n := range v.Len() {
			fill(t, v.Index(n))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for n := range v.NumField() {
			if v.Type().Field(n).IsExported() {
				fill(t, v.Field(n))
			}
		}
	default:
		panic(fmt.Sprintf("give fill a case for %s", v.Type()))
	}
}

func filled[T any](t *rapid.T) T {
	var v T
	fill(t, reflect.ValueOf(&v).Elem())
	return v
}

// equalState compares what lasts.
func equalState(want, got *savedState) string {
	return cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty(),
		cmp.FilterPath(func(p cmp.Path) bool {
			field, ok := p.Last().(cmp.StructField)
			if !ok {
				return false
			}
			of := p.Index(-2).Type()
			// An invocation's command is compared by its place in the list of commands.
			return slices.Contains(runtimeFields[of], field.Name()) || of == reflect.TypeFor[invocation]() && field.Name() == "Command"
		}, cmp.Ignore()))
}

// A state with every field of every record filled is the same after it was written, read, restored and copied again.
func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &savedState{
			Version: stateVersion, PageTokenKey: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"),
			ClockAhead: 2, VisibilityFirst: 3, VisibilityStep: 5, Released: []string{"i-gone"},
		}
		// Sequence numbers have gaps: what was forgotten leaves some.
		next := func() uint64 {
			want.Sequence += rapid.Uint64Range(1, 3).Draw(t, "gap")
			return want.Sequence
		}
		for n := range rapid.IntRange(0, 2).Draw(t, "instances") {
			i := filled[instance](t)
			i.ID, i.Status, i.Agent = fmt.Sprint("i-", n), InstanceStopped, AgentSilent
			i.OSType, i.AgentVersion = OSWindows, defaultWindowsAgent
			for n := range i.Containers {
				i.Containers[n].ID, i.Containers[n].Runtime = strings.Repeat("a", 64), "docker"
			}
			want.Instances = append(want.Instances, i)
		}
		for n := range rapid.IntRange(0, 3).Draw(t, "invocations") {
			kept := rapid.Bool().Draw(t, "kept")
			c := savedCommand{filled[command](t), kept}
			c.ID = fmt.Sprint("c-", n)
			// snapshot names the commands that are kept first.
			at := len(want.Commands)
			if kept {
				at = slices.IndexFunc(want.Commands, func(c savedCommand) bool { return !c.Kept })
				if at < 0 {
					at = len(want.Commands)
				}
				for m := range want.Invocations {
					if want.Invocations[m].Command >= at {
						want.Invocations[m].Command++
					}
				}
			}
			want.Commands = slices.Insert(want.Commands, at, c)
			i := savedInvocation{filled[invocation](t), at}
			i.ID, i.Sequence = fmt.Sprint("t-", n), next()
			for _, r := range slices.Concat(i.Rows, i.History) {
				// The live rows, then the history; both in the order of making.
				r.Sequence = next()
			}
			want.Invocations = append(want.Invocations, i)
		}
		want.Count = len(want.Invocations)
		for n := range rapid.IntRange(0, 2).Draw(t, "submissions") {
			submission := filled[savedSubmission](t)
			submission.AccountID = fmt.Sprint(n)
			submission.Parameters = bytes.Repeat([]byte{7}, 32)
			want.Submissions = append(want.Submissions, submission)
		}
		for n := range rapid.IntRange(0, 2).Draw(t, "sessions") {
			session := filled[AccessKey](t)
			// One that expired long ago is not saved.
			session.ID, session.ExpiresAt = fmt.Sprint("STS.", n), time.Unix(1<<33, 0).UTC()
			want.Sessions = append(want.Sessions, session)
		}

		got := saved(t, loadedFrom(t, reread(t, want)))
		// Those are of the emulator that goes on.
		got.Emulator, got.Scratch = want.Emulator, want.Scratch
		if diff := equalState(want, got); diff != "" {
			t.Fatalf("the state is another after a round (-want +got):\n%s", diff)
		}
	})
}

// reread is a state after it was written and read.
func reread(t *rapid.T, s *savedState) *savedState {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	err := encoder.Encode(s)
	for n := range s.Invocations {
		err = errors.Join(err, encoder.Encode(s.Invocations[n]))
	}
	read, readErr := decodeState(&text)
	if err := errors.Join(err, readErr); err != nil {
		t.Fatal(err)
	}
	return read
}

// saved is what an emulator saves.
func saved(t *rapid.T, e *Emulator) *savedState {
	var text bytes.Buffer
	err := e.SaveState(&text)
	s, readErr := decodeState(&text)
	if err := errors.Join(err, readErr); err != nil {
		t.Fatal(err)
	}
	return s
}

func loadedFrom(t *rapid.T, s *savedState) *Emulator {
	e, err := New(Options{ScratchDir: "unused"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if err := e.restore(s); err != nil {
		t.Fatal(err)
	}
	return e
}

// However many records there are, saving them takes a sixth of the time at most.
func TestSavePause(t *testing.T) {
	for last, want := range map[time.Duration]time.Duration{
		0: time.Second, 200 * time.Millisecond: time.Second, 3 * time.Second: 15 * time.Second,
	} {
		if got := savePause(last); got != want {
			t.Errorf("after a save of %v the next waits %v, want %v", last, got, want)
		}
	}
}
