package emulator

import (
	"crypto/rand"
	"regexp"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

const (
	minSession     = 900  // seconds
	defaultSession = 3600 // seconds, and the longest
)

type identityAnswer struct {
	answerHead
	AccountID    string `json:"AccountId" xml:"AccountId"`
	Arn          string `json:"Arn" xml:"Arn"`
	PrincipalID  string `json:"PrincipalId" xml:"PrincipalId"`
	UserID       string `json:"UserId" xml:"UserId"`
	IdentityType string `json:"IdentityType" xml:"IdentityType"`
}

func (e *Emulator) getCallerIdentity(c *Call) (any, error) {
	who := c.key.identity()
	return identityAnswer{
		answerHead: answerHead{c.requestID}, AccountID: c.AccountID, Arn: who.arn,
		PrincipalID: who.id, UserID: who.id, IdentityType: who.callerType,
	}, nil
}

type assumeRoleAnswer struct {
	answerHead
	AssumedRoleUser struct {
		Arn           string `json:"Arn" xml:"Arn"`
		AssumedRoleID string `json:"AssumedRoleId" xml:"AssumedRoleId"`
	} `json:"AssumedRoleUser" xml:"AssumedRoleUser"`
	Credentials struct {
		AccessKeyID     string `json:"AccessKeyId" xml:"AccessKeyId"`
		AccessKeySecret string `json:"AccessKeySecret" xml:"AccessKeySecret"`
		SecurityToken   string `json:"SecurityToken" xml:"SecurityToken"`
		Expiration      string `json:"Expiration" xml:"Expiration"`
	} `json:"Credentials" xml:"Credentials"`
}

var (
	roleARN     = regexp.MustCompile(`^acs:ram::(\d+):role/([\w.-]{1,64})$`)
	sessionName = regexp.MustCompile(`^[\w.@-]{2,64}$`)
)

// session is what a call asks for that wants to assume a role.
type session struct {
	roleARN, accountID, roleName, name string
	// policy is the parameter Policy; nil if it was not sent.
	policy   *ram.Policy
	duration time.Duration
}

func (c *Call) session() (session, error) {
	arn := c.Parameter("RoleArn")
	parts := roleARN.FindStringSubmatch(arn)
	name := c.Parameter("RoleSessionName")
	switch {
	case parts == nil:
		return session{}, refuse("InvalidParameter.RoleArn")
	case !sessionName.MatchString(name):
		return session{}, refuse("InvalidParameter.RoleSessionName")
	}
	s := session{roleARN: arn, accountID: parts[1], roleName: parts[2], name: name}
	if document := c.Parameter("Policy"); document != "" {
		policy, err := ram.Parse([]byte(document))
		if err != nil {
			return session{}, refuse("InvalidParameter.PolicyGrammar")
		}
		s.policy = &policy
	}
	seconds, err := c.integer("DurationSeconds", defaultSession, minSession, defaultSession, "InvalidParameter.DurationSeconds")
	s.duration = time.Duration(seconds) * time.Second
	return s, err
}

// assumeRole gives temporary credentials of the role's account to a caller that the role trusts. The vendor refuses
// its accounts' own keys here ("Roles may not be assumed by root accounts."); the emulator takes them, for its
// simplest set-up has no others.
func (e *Emulator) assumeRole(c *Call) (any, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	role, err := e.roleOf(s)
	if err != nil {
		return nil, err
	}
	caller := ram.Candidate{RAM: []string{c.key.identity().trusted, "acs:ram::" + c.AccountID + ":root"}}
	if role.Trust != nil && !role.Trust.Trusts(caller) {
		return nil, denied(c, "sts:AssumeRole", trustPolicy, ram.ImplicitDeny)
	}
	return e.open(c, s, role), nil
}

func (e *Emulator) roleOf(s session) (Role, error) {
	role, known := e.role(s.roleARN, s.accountID, s.roleName)
	if !known {
		return Role{}, refuseSaying("EntityNotExist.Role", "The role not exists: "+s.roleARN+".")
	}
	return role, nil
}

// open makes the credentials of a session.
func (e *Emulator) open(c *Call, s session, role Role) *assumeRoleAnswer {
	// Whole seconds, as the answer says it: the credentials do not outlive their word.
	expires := e.clientNow().Add(s.duration).Truncate(time.Second)
	key := AccessKey{
		ID: "STS." + rand.Text(), Secret: rand.Text(), SecurityToken: rand.Text() + rand.Text(), AccountID: s.accountID,
		ExpiresAt: expires, AssumedRole: "acs:ram::" + s.accountID + ":assumed-role/" + s.roleName + "/" + s.name,
		Policies: role.Policies, SessionPolicy: s.policy,
	}
	e.keys.addSession(key, e.clientNow())
	e.mu.touch()
	answer := &assumeRoleAnswer{answerHead: answerHead{c.requestID}}
	answer.AssumedRoleUser.Arn = key.AssumedRole
	answer.AssumedRoleUser.AssumedRoleID = key.identity().id
	answer.Credentials.AccessKeyID, answer.Credentials.AccessKeySecret = key.ID, key.Secret
	answer.Credentials.SecurityToken, answer.Credentials.Expiration = key.SecurityToken, stamp(expires)
	return answer
}
