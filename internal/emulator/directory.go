package emulator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// Role is a RAM role.
type Role struct {
	Name string `json:"name"`
	// AccountID: empty is DefaultAccountID.
	AccountID string `json:"accountID,omitempty"`
	// Policies are what it may do; nil is everything, and an empty list nothing.
	Policies []ram.Policy `json:"policies"`
	// Trust says who may assume it; nil is everybody.
	Trust *ram.TrustPolicy `json:"trust,omitempty"`
}

func (r Role) arn() string { return "acs:ram::" + r.AccountID + ":role/" + r.Name }

// OIDCProvider is an identity provider whose tokens AssumeRoleWithOIDC takes, such as a cluster of Kubernetes.
type OIDCProvider struct {
	// Name is the end of its ARN, acs:ram::{account}:oidc-provider/{name}.
	Name string `json:"name"`
	// AccountID: empty is DefaultAccountID.
	AccountID string `json:"accountID,omitempty"`
	// Issuer must be the claim iss of its tokens.
	Issuer string `json:"issuer"`
	// ClientIDs are the audiences of which a token must name one, such as sts.aliyuncs.com.
	ClientIDs []string `json:"clientIDs"`
	// JWKS are its public keys, a JSON Web Key Set of RSA and P-256 keys. The vendor fetches them from the issuer; the
	// emulator calls nobody.
	JWKS json.RawMessage `json:"jwks"`
}

func (p OIDCProvider) arn() string { return "acs:ram::" + p.AccountID + ":oidc-provider/" + p.Name }

// directory holds the roles and the identity providers. It is safe for many goroutines.
type directory struct {
	mu        sync.Mutex
	roles     map[string]Role
	providers map[string]trustedProvider
}

// trustedProvider is an OIDCProvider whose keys were read.
type trustedProvider struct {
	OIDCProvider
	keys oidc.KeySet
}

func newDirectory() *directory {
	return &directory{roles: map[string]Role{}, providers: map[string]trustedProvider{}}
}

var entityName = regexp.MustCompile(`^[\w.-]{1,64}$`)

// AddRole adds a role, or replaces the one with its name. As long as none was added, every role exists in every
// account that has an access key, may do everything and trusts everybody. It fails if the name is none.
func (e *Emulator) AddRole(role Role) error {
	role.AccountID = firstOf(role.AccountID, DefaultAccountID)
	if !entityName.MatchString(role.Name) {
		return fmt.Errorf("role name %q is not valid; use 1 to 64 letters, digits and .-_", role.Name)
	}
	role.Policies = slices.Clone(role.Policies)
	e.directory.mu.Lock()
	defer e.directory.mu.Unlock()
	e.directory.roles[role.arn()] = role
	return nil
}

// AddOIDCProvider adds an identity provider, or replaces the one with its name. It fails if the name is none, or the
// keys cannot be read.
func (e *Emulator) AddOIDCProvider(provider OIDCProvider) error {
	provider.AccountID = firstOf(provider.AccountID, DefaultAccountID)
	if !entityName.MatchString(provider.Name) {
		return fmt.Errorf("OIDC provider name %q is not valid; use 1 to 64 letters, digits and .-_", provider.Name)
	}
	keys, err := oidc.ParseKeys(provider.JWKS)
	if err != nil {
		return fmt.Errorf("the keys of OIDC provider %s cannot be read: %w", provider.Name, err)
	}
	e.directory.mu.Lock()
	defer e.directory.mu.Unlock()
	e.directory.providers[provider.arn()] = trustedProvider{provider, keys}
	return nil
}

// role finds a role; ok is false if it does not exist.
func (e *Emulator) role(arn, accountID, name string) (role Role, ok bool) {
	e.directory.mu.Lock()
	defer e.directory.mu.Unlock()
	if len(e.directory.roles) == 0 {
		return Role{Name: name, AccountID: accountID}, e.keys.hasAccount(accountID)
	}
	role, ok = e.directory.roles[arn]
	return role, ok
}

func (e *Emulator) provider(arn string) (provider trustedProvider, ok bool) {
	e.directory.mu.Lock()
	defer e.directory.mu.Unlock()
	provider, ok = e.directory.providers[arn]
	return provider, ok
}
