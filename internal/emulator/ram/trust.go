package ram

import (
	"encoding/json"
	"fmt"
	"slices"
)

// The keys that a condition of a trust policy may ask about: claims of the token of an OIDC provider.
const (
	KeyIssuer   = "oidc:iss"
	KeyAudience = "oidc:aud"
	KeySubject  = "oidc:sub"
)

// The operators of conditions. StringLike knows "*" and "?".
const (
	StringEquals = "StringEquals"
	StringLike   = "StringLike"
)

// assumeRole is the one action of a trust policy.
const assumeRole = "sts:AssumeRole"

// Principal says who may assume a role.
type Principal struct {
	// RAM is such as acs:ram::42:root, which is everybody of account 42, acs:ram::42:user/alice or acs:ram::42:role/ci.
	RAM Strings `json:"RAM,omitempty"`
	// Federated is such as acs:ram::42:oidc-provider/ack-rrsa-c1.
	Federated Strings `json:"Federated,omitempty"`
}

// TrustStatement lets principals assume a role, or keeps them from it.
type TrustStatement struct {
	Effect    Effect    `json:"Effect"`
	Action    Strings   `json:"Action"`
	Principal Principal `json:"Principal"`
	// Condition is an operator, a key and the values of which one must agree. All conditions must hold.
	Condition map[string]map[string]Strings `json:"Condition,omitempty"`
}

// TrustPolicy is the document of a role that says who may assume it. It is plain data, as Policy is.
type TrustPolicy struct {
	Version   string           `json:"Version"`
	Statement []TrustStatement `json:"Statement"`
}

// ParseTrust reads a trust policy. It fails, saying where, if the document is none, or uses conditions other than
// StringEquals and StringLike of oidc:iss, oidc:aud and oidc:sub.
func ParseTrust(document []byte) (TrustPolicy, error) {
	var p TrustPolicy
	err := json.Unmarshal(document, &p)
	return p, err
}

// UnmarshalJSON is as strict as ParseTrust.
func (p *TrustPolicy) UnmarshalJSON(document []byte) error {
	type plain TrustPolicy
	var read plain
	if err := decodeStrictly(document, &read); err != nil {
		return fmt.Errorf("a trust policy cannot be read; use Version, and Statement with Effect, Action, Principal and Condition only: %w", err)
	}
	if err := TrustPolicy(read).check(); err != nil {
		return err
	}
	*p = TrustPolicy(read)
	return nil
}

func (p TrustPolicy) check() error {
	if err := checkVersion(p.Version, len(p.Statement)); err != nil {
		return err
	}
	for n, s := range p.Statement {
		switch {
		case s.Effect != Allow && s.Effect != Deny:
			return unknownEffect(n, s.Effect)
		case !slices.Equal(s.Action, Strings{assumeRole}):
			return fmt.Errorf("statement %d has the Action %q; a trust policy has %s only", n+1, s.Action, assumeRole)
		case len(s.Principal.RAM)+len(s.Principal.Federated) == 0:
			return fmt.Errorf("statement %d has no Principal that is known; give RAM or Federated", n+1)
		}
		for operator, conditions := range s.Condition {
			if operator != StringEquals && operator != StringLike {
				return fmt.Errorf("statement %d has a Condition %s; use %s or %s", n+1, operator, StringEquals, StringLike)
			}
			for key := range conditions {
				if key != KeyIssuer && key != KeyAudience && key != KeySubject {
					return fmt.Errorf("statement %d has a Condition on %s; use %s, %s or %s", n+1, key, KeyIssuer, KeyAudience, KeySubject)
				}
			}
		}
	}
	return nil
}

// Candidate is whoever wants to assume a role.
type Candidate struct {
	// RAM are the ARNs that a key is known by: its own and that of its account's root. Empty for a federated one.
	RAM []string
	// Federated is the ARN of the OIDC provider that vouches for the candidate; empty for a key.
	Federated string
	// Claims are those of the token, by the keys of conditions. A key has none.
	Claims map[string][]string
}

// Trusts decides about a candidate: a statement must let it, and none must keep it from the role.
func (p TrustPolicy) Trusts(candidate Candidate) bool {
	decision := ImplicitDeny
	for _, s := range p.Statement {
		switch {
		case !s.names(candidate) || !s.holds(candidate.Claims):
		case s.Effect == Allow:
			decision = max(decision, Allowed)
		default:
			decision = ExplicitDeny
		}
	}
	return decision == Allowed
}

func (s TrustStatement) names(candidate Candidate) bool {
	return candidate.Federated != "" && slices.Contains(s.Principal.Federated, candidate.Federated) ||
		slices.ContainsFunc(candidate.RAM, func(arn string) bool { return slices.Contains(s.Principal.RAM, arn) })
}

func (s TrustStatement) holds(claims map[string][]string) bool {
	for operator, conditions := range s.Condition {
		for key, wanted := range conditions {
			agrees := func(claim string) bool { return slices.Contains(wanted, claim) }
			if operator == StringLike {
				agrees = func(claim string) bool { return matchesAny(wanted, claim) }
			}
			if !slices.ContainsFunc(claims[key], agrees) {
				return false
			}
		}
	}
	return true
}
