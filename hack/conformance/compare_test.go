package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// What is no known quirk of an SDK must show.
func TestCompare(t *testing.T) {
	tests := []struct {
		name          string
		sent, decoded string
		quirks        quirks
		varies        []string
		want          []string
	}{
		{name: "equal", sent: `{"A":[{"B":1,"C":"x"}]}`, decoded: `{"A":[{"C":"x","B":1}]}`},
		{name: "another value", sent: `{"A":[{"B":1}]}`, decoded: `{"A":[{"B":2}]}`, want: []string{"A.0.B was sent as 1, and reads 2"}},
		{name: "another type", sent: `{"A":"1"}`, decoded: `{"A":1}`, want: []string{"A was sent as 1, and reads 1"}},
		{name: "an object for a list", sent: `{"A":[]}`, decoded: `{"A":{}}`, want: []string{"A was sent as [], and reads map[]"}},
		{name: "a list for an object", sent: `{"A":{}}`, decoded: `{"A":[]}`, want: []string{"A was sent as map[], and reads []"}},
		{name: "a shorter list", sent: `{"A":[1,2]}`, decoded: `{"A":[1]}`, want: []string{"A was sent as [1 2], and reads [1]"}},
		{name: "lost", sent: `{"A":1,"B":2}`, decoded: `{"A":1}`, want: []string{"B was sent as 2, and is lost"}},
		{name: "made up", sent: `{"A":{}}`, decoded: `{"A":{"B":3}}`, want: []string{"A.B was not sent, and reads 3"}},
		{name: "made up, a zero", sent: `{}`, decoded: `{"B":0}`, want: []string{"B was not sent, and reads 0"}},
		{name: "an absent element that reads zero", sent: `{}`, decoded: `{"A":0,"B":"","C":false,"D":null,"E":{"F":0},"G":[]}`, quirks: goV1Quirks},
		{name: "an absent element that reads something", sent: `{}`, decoded: `{"A":{"B":1}}`, quirks: goV1Quirks, want: []string{"A was not sent, and reads map[B:1]"}},
		{name: "an empty list that reads none", sent: `{"A":[]}`, decoded: `{"A":null}`, quirks: goV1Quirks},
		{name: "a list that reads none", sent: `{"A":[1]}`, decoded: `{"A":null}`, quirks: goV1Quirks, want: []string{"A was sent as [1], and reads <nil>"}},
		{name: "an element younger than the SDK", sent: `{"OssOutputUri":"oss://b"}`, decoded: `{}`, quirks: goV1Quirks},
		{name: "chance", sent: `{"A":[{"Repeats":1}]}`, decoded: `{"A":[{"Repeats":2}]}`, varies: []string{"Repeats"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.quirks.compare("", parse(t, tt.sent), parse(t, tt.decoded), tt.varies)
			if !slices.Equal(got, tt.want) {
				t.Errorf("differences %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExpect(t *testing.T) {
	answer := parse(t, `{"A":[{"B":"x","Zero":0,"Empty":""}],"None":null}`)
	tests := []struct {
		expectation string
		quirks      quirks
		want        string
	}{
		{`{"A.0.B":"x","A.#":1,"A.0.Empty":"","A.0.Zero":0,"A.0.C":null}`, nodeQuirks, ""},
		{`{"A.0.B":"*"}`, nodeQuirks, ""},
		{`{"A.0.Empty":"*"}`, nodeQuirks, "A.0.Empty is , want *"},
		{`{"A.0.B":"y"}`, nodeQuirks, "A.0.B is x, want y"},
		{`{"A.1.B":"x"}`, nodeQuirks, "A.1.B is absent, want x"},
		{`{"A.0.Zero":null}`, nodeQuirks, "A.0.Zero is 0, want <nil>"},
		{`{"A.0.Zero":null}`, goV1Quirks, ""},
		{`{"A.0.B":null}`, goV1Quirks, "A.0.B is x, want <nil>"},
		{`{"None.#":0}`, goV1Quirks, ""},
		{`{"None.#":0}`, nodeQuirks, "None.# is absent, want 0"},
		{`{"A.0.OssOutputUri":"oss://b"}`, goV1Quirks, ""},
		{`{"A.0.OssOutputUri":"oss://b"}`, nodeQuirks, "A.0.OssOutputUri is absent, want oss://b"},
	}
	for _, tt := range tests {
		t.Run(tt.expectation, func(t *testing.T) {
			got := tt.quirks.expect(answer, parse(t, tt.expectation).(map[string]any))
			if strings.Join(got, "; ") != tt.want {
				t.Errorf("unmet %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	const id = "473469C7-AA6F-4DC5-B3DB-A3DC0DEABCDE"
	want := wantRefusal{Status: 400, Code: "Throttling.User", Message: "flow control", RetryAfterMillis: 1500}
	got := refusal{Status: 400, Code: "Throttling.User", Message: "user flow control.", RequestID: id, RetryAfterMillis: 1500}
	tests := []struct {
		name   string
		quirks quirks
		change func(*refusal)
		unmet  bool
	}{
		{"as it should be", nodeQuirks, func(*refusal) {}, false},
		{"another status", nodeQuirks, func(r *refusal) { r.Status = 429 }, true},
		{"another code", nodeQuirks, func(r *refusal) { r.Code = "Throttling" }, true},
		{"another message", nodeQuirks, func(r *refusal) { r.Message = "no" }, true},
		{"no request ID", nodeQuirks, func(r *refusal) { r.RequestID = "" }, true},
		{"no retry after", nodeQuirks, func(r *refusal) { r.RetryAfterMillis = 0 }, true},
		{"no retry after, of an SDK that reads none", goV1Quirks, func(r *refusal) { r.RetryAfterMillis = 0 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := got
			tt.change(&changed)
			if unmet := tt.quirks.refused(&changed, want); (len(unmet) > 0) != tt.unmet {
				t.Errorf("unmet %q, want any: %v", unmet, tt.unmet)
			}
		})
	}
}

// Two emulators' answers are equal once normalised, and only in what may differ.
func TestNormalise(t *testing.T) {
	one := captures{"invocation": "t-emuaaaaaaaaaaaaa", "endpoint": "127.0.0.1:1"}
	two := captures{"invocation": "t-emubbbbbbbbbbbbb", "endpoint": "127.0.0.1:2"}
	a := parse(t, `{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DEABCDE","InvokeId":"t-emuaaaaaaaaaaaaa","Host":"http://127.0.0.1:1/",
		"Rows":[{"CommandId":"c-emuccccccccccccc","StartTime":"2019-12-20T06:15:55Z","StopTime":"","NextToken":"abc","Output":"x"}]}`)
	b := parse(t, `{"RequestId":"573469C7-AA6F-4DC5-B3DB-A3DC0DEABCDE","InvokeId":"t-emubbbbbbbbbbbbb","Host":"http://127.0.0.1:2/",
		"Rows":[{"CommandId":"c-emuddddddddddddd","StartTime":"2019-12-20T06:15:56Z","StopTime":"","NextToken":"def","Output":"x"}]}`)
	if differences := nodeQuirks.compare("", one.normalise("", a), two.normalise("", b), nil); len(differences) > 0 {
		t.Errorf("differences %q", differences)
	}
	for _, change := range []struct{ element, value string }{
		{"InvokeId", "t-emuccccccccccccc"}, {"StartTime", ""}, {"StartTime", "yesterday"}, {"NextToken", ""}, {"Output", "y"},
	} {
		changed := parse(t, `{"InvokeId":"t-emuaaaaaaaaaaaaa","StartTime":"2019-12-20T06:15:55Z","NextToken":"abc","Output":"x"}`).(map[string]any)
		before := one.normalise("", changed)
		changed[change.element] = change.value
		if differences := nodeQuirks.compare("", before, one.normalise("", changed), nil); len(differences) != 1 {
			t.Errorf("%s=%q: differences %q, want one", change.element, change.value, differences)
		}
	}
}

func TestFill(t *testing.T) {
	c := captures{"id": "t-1"}
	got, err := c.fill(parse(t, `{"A":["x-${id}-y",1,true],"B":{"C":"${id}"}}`))
	encoded, _ := json.Marshal(got)
	if err != nil || string(encoded) != `{"A":["x-t-1-y",1,true],"B":{"C":"t-1"}}` {
		t.Errorf("filled %s, error %v", encoded, err)
	}
	if _, err := c.fill(parse(t, `{"A":["${none}"]}`)); err == nil || !strings.Contains(err.Error(), "${none}") {
		t.Errorf("error %v, want one that names ${none}", err)
	}
}

// The script in the repository is well formed, and its steps have names of their own.
func TestScript(t *testing.T) {
	steps, err := loadScript("steps.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range steps {
		if s.Name == "" || seen[s.Name] {
			t.Errorf("step %q has no name of its own", s.Name)
		}
		seen[s.Name] = true
		if s.Refused != nil && (s.Expect != nil || s.Until != nil || s.Capture != nil) {
			t.Errorf("step %q expects both a refusal and an answer", s.Name)
		}
	}
}
