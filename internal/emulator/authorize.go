package emulator

import (
	"encoding/json"
	"slices"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// accessDeniedDetail says which permission is missing, in the words of the vendor's DecodeDiagnosticMessage.
type accessDeniedDetail struct {
	AuthAction               string `json:"AuthAction" xml:"AuthAction"`
	AuthPrincipalDisplayName string `json:"AuthPrincipalDisplayName" xml:"AuthPrincipalDisplayName"`
	AuthPrincipalOwnerID     string `json:"AuthPrincipalOwnerId" xml:"AuthPrincipalOwnerId"`
	AuthPrincipalType        string `json:"AuthPrincipalType" xml:"AuthPrincipalType"`
	PolicyType               string `json:"PolicyType" xml:"PolicyType"`
	NoPermissionType         string `json:"NoPermissionType" xml:"NoPermissionType"`
}

// The kinds of policies that a refusal can name.
const (
	identityPolicy = "AccountLevelIdentityBasedPolicy"
	sessionPolicy  = "SessionPolicy"
	trustPolicy    = "AssumeRolePolicy"
)

// authorize refuses a call that the caller's policies do not allow. That it comes after the quota and the region and
// before the parameters of the action is the emulator's choice.
func (e *Emulator) authorize(c *Call, op operation) error {
	if op.unjudged || c.key.Policies == nil && c.key.SessionPolicy == nil {
		return nil
	}
	action := "ecs:" + c.Action
	if c.version == stsVersion {
		action = "sts:" + c.Action
	}
	resources := []string{c.resource("*")}
	if op.resources != nil {
		resources = op.resources(e, c)
	}
	if policyType, decision := judge(c.key, action, resources); decision != ram.Allowed {
		return denied(c, action, policyType, decision)
	}
	return nil
}

// judge decides about all resources together: each must be allowed, by the key's policies and by its session's.
func judge(key AccessKey, action string, resources []string) (policyType string, decision ram.Decision) {
	if key.Policies != nil {
		if decision := evaluate(key.Policies, action, resources); decision != ram.Allowed {
			return identityPolicy, decision
		}
	}
	if key.SessionPolicy != nil {
		if decision := evaluate([]ram.Policy{*key.SessionPolicy}, action, resources); decision != ram.Allowed {
			return sessionPolicy, decision
		}
	}
	return "", ram.Allowed
}

func evaluate(policies []ram.Policy, action string, resources []string) ram.Decision {
	decision := ram.Allowed
	for _, resource := range resources {
		got := ram.Evaluate(policies, action, resource)
		if got == ram.ExplicitDeny {
			return got
		}
		decision = min(decision, got)
	}
	return decision
}

// denied is the refusal of an action, in the words of the service that it belongs to.
func denied(c *Call, action, policyType string, decision ram.Decision) *apiError {
	code := "Forbidden.RAM"
	if c.version == stsVersion {
		code = "NoPermission"
	}
	refusal := refuse(code)
	who := c.key.identity()
	refusal.denied = &accessDeniedDetail{
		AuthAction: action, AuthPrincipalDisplayName: who.displayName, AuthPrincipalOwnerID: c.AccountID,
		AuthPrincipalType: who.authType, PolicyType: policyType, NoPermissionType: "ImplicitDeny",
	}
	if decision == ram.ExplicitDeny {
		refusal.denied.NoPermissionType = "ExplicitDeny"
	}
	return refusal
}

// resource is the ARN of something in the call's account and region.
func (c *Call) resource(name string) string { return c.resourceIn(c.RegionID, name) }

func (c *Call) resourceIn(regionID, name string) string {
	return "acs:ecs:" + firstOf(regionID, "*") + ":" + c.AccountID + ":" + name
}

// commandResources are the commands that a call names, that of its invocation with them, and all of them if it names
// none.
func (e *Emulator) commandResources(c *Call) []string {
	ids := slices.Concat(c.list("CommandId"), nonEmpty(c.Parameter("CommandId")))
	if i := e.named(c); i != nil && !slices.Contains(ids, i.Command.ID) {
		// Not only where no command is named: an action that reads none would take any name for a pass.
		ids = append(ids, i.Command.ID)
	}
	arns := make([]string, 0, 1)
	for _, id := range orAll(ids) {
		arns = append(arns, c.resource("command/"+id))
	}
	return arns
}

// instanceResources are the instances that a call names. If it names none they are all, as a policy that is limited
// to instances is believed to see it, or with Settings.AuthorizeByInvocation those of the invocation that it names.
func (e *Emulator) instanceResources(c *Call) []string {
	ids := slices.Concat(c.list("InstanceId"), nonEmpty(c.Parameter("InstanceId")))
	if text := c.Parameter("InstanceIds"); text != "" {
		// A text that is no list names nothing; the action refuses it.
		_ = json.Unmarshal([]byte(text), &ids)
	}
	invocation := e.named(c)
	e.mu.LockToRead()
	defer e.mu.Unlock()
	if invocation != nil && len(ids) == 0 && e.settings.AuthorizeByInvocation {
		for _, r := range invocation.Rows {
			ids = append(ids, r.InstanceID)
		}
	}
	arns := make([]string, 0, len(ids)+1)
	for _, id := range orAll(ids) {
		regionID := c.RegionID
		if i := e.instances[id]; i != nil && regionID == "" && i.AccountID == c.AccountID {
			// The power actions need no RegionId: the instance knows its own.
			regionID = i.RegionID
		}
		arns = append(arns, c.resourceIn(regionID, "instance/"+id))
	}
	return arns
}

// commandAndInstanceResources are what the page of DescribeInvocationResults lists, and what the actions that submit,
// stop and describe have in common.
func (e *Emulator) commandAndInstanceResources(c *Call) []string {
	return append(e.commandResources(c), e.instanceResources(c)...)
}

// named is the caller's invocation that the call names by InvokeId; nil if there is none.
func (e *Emulator) named(c *Call) *invocation {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	if i := e.store.invocations[c.Parameter("InvokeId")]; i != nil && i.AccountID == c.AccountID && i.RegionID == c.RegionID {
		return i
	}
	return nil
}

func roleResource(_ *Emulator, c *Call) []string {
	return []string{firstOf(c.Parameter("RoleArn"), "*")}
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func orAll(ids []string) []string {
	if len(ids) == 0 {
		return []string{"*"}
	}
	return ids
}
