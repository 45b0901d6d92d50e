package ram_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, document string
		want           ram.Policy
		// err is a part of the error; empty if there is none.
		err string
	}{
		{
			"lists", `{"Version":"1","Statement":[{"Effect":"Allow","Action":["a","b"],"Resource":["c"]}]}`,
			ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: ram.Allow, Action: ram.Strings{"a", "b"}, Resource: ram.Strings{"c"}}}},
			"",
		},
		{
			"single texts", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`,
			ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: ram.Deny, Action: ram.Strings{"*"}, Resource: ram.Strings{"*"}}}},
			"",
		},
		{"no JSON", `policy`, ram.Policy{}, "invalid character"},
		{"a list of numbers", `{"Version":"1","Statement":[{"Effect":"Allow","Action":[1],"Resource":"*"}]}`, ram.Policy{}, "list of texts"},
		{"another version", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, ram.Policy{}, `use "1"`},
		{"no statement", `{"Version":"1","Statement":[]}`, ram.Policy{}, "no Statement"},
		{"another effect", `{"Version":"1","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`, ram.Policy{}, `Effect "allow"`},
		{"no resource", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*"}]}`, ram.Policy{}, "lacks Action or Resource"},
		{"no action", `{"Version":"1","Statement":[{"Effect":"Allow","Resource":"*","Action":[]}]}`, ram.Policy{}, "lacks Action or Resource"},
		{"a condition", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}`, ram.Policy{}, `"Condition"`},
		{"NotAction", `{"Version":"1","Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}`, ram.Policy{}, `"NotAction"`},
		{"two documents", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}{}`, ram.Policy{}, "after top-level value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ram.Parse([]byte(tt.document))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one about %q", err, tt.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("policy %+v, error %v; want %+v", got, err, tt.want)
			}
			encoded, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ram.Parse(encoded); err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("encoded and decoded again it is %+v (%v), want %+v", again, err, got)
			}
		})
	}
}

func statement(effect ram.Effect, action, resource string) ram.Policy {
	return ram.Policy{Version: "1", Statement: []ram.Statement{{Effect: effect, Action: ram.Strings{action}, Resource: ram.Strings{resource}}}}
}

func TestEvaluate(t *testing.T) {
	const action, resource = "ecs:DescribeInvocationResults", "acs:ecs:cn-hangzhou:42:instance/i-1"
	tests := []struct {
		name     string
		policies []ram.Policy
		want     ram.Decision
	}{
		{"no policy", nil, ram.ImplicitDeny},
		{"the very words", []ram.Policy{statement(ram.Allow, action, resource)}, ram.Allowed},
		{"wildcards", []ram.Policy{statement(ram.Allow, "ecs:Describe*", "acs:ecs:*:*:instance/i-?")}, ram.Allowed},
		{"an action in other letters", []ram.Policy{statement(ram.Allow, "ECS:describeinvocationresults", "*")}, ram.Allowed},
		{"a resource in other letters", []ram.Policy{statement(ram.Allow, "*", "acs:ecs:cn-hangzhou:42:instance/I-1")}, ram.ImplicitDeny},
		{"another action", []ram.Policy{statement(ram.Allow, "ecs:RunCommand", "*")}, ram.ImplicitDeny},
		{"another resource", []ram.Policy{statement(ram.Allow, "*", "acs:ecs:*:*:instance/i-2")}, ram.ImplicitDeny},
		{"the action of one policy and the resource of another", []ram.Policy{
			statement(ram.Allow, action, "acs:ecs:*:*:instance/i-2"), statement(ram.Allow, "ecs:RunCommand", resource),
		}, ram.ImplicitDeny},
		{"a deny after an allow", []ram.Policy{statement(ram.Allow, "*", "*"), statement(ram.Deny, "*", "*/i-1")}, ram.ExplicitDeny},
		{"a deny before an allow", []ram.Policy{statement(ram.Deny, "*", "*/i-1"), statement(ram.Allow, "*", "*")}, ram.ExplicitDeny},
		{"a deny of something else", []ram.Policy{statement(ram.Deny, "*", "*/i-2"), statement(ram.Allow, "*", "*")}, ram.Allowed},
		{"an effect that does not exist", []ram.Policy{statement(ram.Allow, "*", "*"), statement("Perhaps", "*", "*")}, ram.ExplicitDeny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ram.Evaluate(tt.policies, action, resource); got != tt.want {
				t.Errorf("decision %v, want %v", got, tt.want)
			}
		})
	}
}

// A regular expression is the judge of the wildcards.
func TestWildcards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.RuneFrom([]rune("ab中*?")), 0, 8, -1).Draw(t, "pattern")
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab中*?\n")), 0, 10, -1).Draw(t, "text")
		quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		want := ram.ImplicitDeny
		if regexp.MustCompile(`(?s)\A` + quoted + `\z`).MatchString(text) {
			want = ram.Allowed
		}
		if got := ram.Evaluate([]ram.Policy{statement(ram.Allow, "*", pattern)}, "a:b", text); got != want {
			t.Fatalf("%q on %q: decision %v, want %v", pattern, text, got, want)
		}
	})
}

// The order of policies does not matter, and a further one that denies never opens anything.
func TestDenialOnlyCloses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.Custom(func(t *rapid.T) ram.Policy {
			return statement(rapid.SampledFrom([]ram.Effect{ram.Allow, ram.Deny}).Draw(t, "effect"),
				rapid.SampledFrom([]string{"*", "a:b", "a:c"}).Draw(t, "action"), rapid.SampledFrom([]string{"*", "x", "y"}).Draw(t, "resource"))
		})
		policies := rapid.SliceOf(policy).Draw(t, "policies")
		before := ram.Evaluate(policies, "a:b", "x")
		shuffled := rapid.Permutation(policies).Draw(t, "shuffled")
		if got := ram.Evaluate(shuffled, "a:b", "x"); got != before {
			t.Fatalf("%v in another order is %v", before, got)
		}
		denial := policy.Draw(t, "further")
		denial.Statement[0].Effect = ram.Deny
		if after := ram.Evaluate(append(shuffled, denial), "a:b", "x"); after == ram.Allowed && before != ram.Allowed {
			t.Fatalf("a denial turned %v into %v", before, after)
		}
	})
}
