package ram

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// PolicyVersion is the only Version of policy documents.
const PolicyVersion = "1"

// Effect is what a statement does with the requests that it matches.
type Effect string

// The effects. In a Policy made in Go, any other one counts as Deny.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Strings is a list that a document may also give as a single text.
type Strings []string

// UnmarshalJSON accepts a text or an array of texts.
func (s *Strings) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = Strings{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return errors.New("a list of texts or a single text is wanted")
	}
	*s = many
	return nil
}

// Statement allows or denies actions on resources. In both lists "*" stands for any text and "?" for any character.
type Statement struct {
	Effect Effect `json:"Effect"`
	// Action is such as ecs:DescribeInvocationResults. Letters of either case are the same.
	Action Strings `json:"Action"`
	// Resource is such as acs:ecs:cn-hangzhou:1234567890123456:instance/i-1. Upper case and lower case differ.
	Resource Strings `json:"Resource"`
}

// Policy is a document that is attached to a user or a role, or limits a session. It is plain data: encoded as JSON
// and decoded again, it is the same.
type Policy struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Parse reads a policy document. It fails, saying where, if the document is no policy, or has elements that the
// emulator does not judge, such as Condition, NotAction or Principal.
func Parse(document []byte) (Policy, error) {
	var p Policy
	err := json.Unmarshal(document, &p)
	return p, err
}

// UnmarshalJSON is as strict as Parse.
func (p *Policy) UnmarshalJSON(document []byte) error {
	type plain Policy
	var read plain
	if err := decodeStrictly(document, &read); err != nil {
		return fmt.Errorf("a policy cannot be read; use Version, and Statement with Effect, Action and Resource only: %w", err)
	}
	if err := Policy(read).check(); err != nil {
		return err
	}
	*p = Policy(read)
	return nil
}

func (p Policy) check() error {
	if err := checkVersion(p.Version, len(p.Statement)); err != nil {
		return err
	}
	for n, s := range p.Statement {
		switch {
		case s.Effect != Allow && s.Effect != Deny:
			return unknownEffect(n, s.Effect)
		case len(s.Action) == 0 || len(s.Resource) == 0:
			return fmt.Errorf("statement %d lacks Action or Resource; give both", n+1)
		}
	}
	return nil
}

func checkVersion(version string, statements int) error {
	switch {
	case version != PolicyVersion:
		return fmt.Errorf("a policy has Version %q; use %q", version, PolicyVersion)
	case statements == 0:
		return errors.New("a policy has no Statement; give at least one")
	}
	return nil
}

func unknownEffect(n int, effect Effect) error {
	return fmt.Errorf("statement %d has the Effect %q; use %s or %s", n+1, effect, Allow, Deny)
}

// decodeStrictly refuses elements that have no place in the target, and anything behind the document.
func decodeStrictly(document []byte, target any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one document")
	}
	return nil
}

// Decision is the answer to a question.
type Decision int

// The decisions, from the weakest to the strongest.
const (
	// ImplicitDeny: no statement allows the request.
	ImplicitDeny Decision = iota
	// Allowed: a statement allows it, and none denies it.
	Allowed
	// ExplicitDeny: a statement denies it, whatever others say.
	ExplicitDeny
)

// Evaluate decides about one action on one resource by all policies of an identity together.
func Evaluate(policies []Policy, action, resource string) Decision {
	decision := ImplicitDeny
	for _, p := range policies {
		for _, s := range p.Statement {
			decision = max(decision, s.decide(action, resource))
		}
	}
	return decision
}

func (s Statement) decide(action, resource string) Decision {
	switch {
	case !matchesAny(lower(s.Action), strings.ToLower(action)) || !matchesAny(s.Resource, resource):
		return ImplicitDeny
	case s.Effect == Allow:
		return Allowed
	}
	return ExplicitDeny
}

func lower(patterns []string) []string {
	lowered := make([]string, len(patterns))
	for n, pattern := range patterns {
		lowered[n] = strings.ToLower(pattern)
	}
	return lowered
}

func matchesAny(patterns []string, text string) bool {
	for _, pattern := range patterns {
		if matches(pattern, text) {
			return true
		}
	}
	return false
}

// matches says whether all of text fits a pattern of "*" and "?". It looks back to the latest "*" only, which is
// enough: its time grows with the product of the lengths, whatever the pattern.
func matches(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	i, star, resume := 0, -1, 0
	for n := 0; n < len(t); {
		switch {
		case i < len(p) && p[i] == '*':
			star, resume = i, n
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[n]):
			i++
			n++
		case star >= 0:
			resume++
			i, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}
