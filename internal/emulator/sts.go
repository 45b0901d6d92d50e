package emulator

import (
	"crypto/rand"
	"regexp"
	"time"
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
	answer := identityAnswer{
		answerHead: answerHead{c.requestID}, AccountID: c.AccountID, Arn: "acs:ram::" + c.AccountID + ":root",
		PrincipalID: c.AccountID, UserID: c.AccountID, IdentityType: "Account",
	}
	if c.key.assumedRole != "" {
		answer.Arn, answer.PrincipalID = c.key.assumedRole, c.key.ID
		answer.UserID, answer.IdentityType = c.key.ID, "AssumedRoleUser"
	}
	return answer, nil
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

// assumeRole gives temporary credentials of the role's account. Every role exists in every account that has an
// access key, and trusts everybody.
func (e *Emulator) assumeRole(c *Call) (any, error) {
	role := roleARN.FindStringSubmatch(c.Parameter("RoleArn"))
	session := c.Parameter("RoleSessionName")
	switch {
	case role == nil:
		return nil, refuse("InvalidParameter.RoleArn")
	case !sessionName.MatchString(session):
		return nil, refuse("InvalidParameter.RoleSessionName")
	case !e.keys.hasAccount(role[1]):
		return nil, refuse("EntityNotExist.Role")
	}
	seconds, err := c.integer("DurationSeconds", defaultSession, minSession, defaultSession, "InvalidParameter.DurationSeconds")
	if err != nil {
		return nil, err
	}
	// Whole seconds, as the answer says it: the credentials do not outlive their word.
	expires := e.clientNow().Add(time.Duration(seconds) * time.Second).Truncate(time.Second)
	key := AccessKey{
		ID: "STS." + rand.Text(), Secret: rand.Text(), SecurityToken: rand.Text() + rand.Text(), AccountID: role[1],
		ExpiresAt: expires, assumedRole: "acs:ram::" + role[1] + ":assumed-role/" + role[2] + "/" + session,
	}
	e.keys.add(key)
	e.mu.touch()
	answer := &assumeRoleAnswer{answerHead: answerHead{c.requestID}}
	answer.AssumedRoleUser.Arn = key.assumedRole
	answer.AssumedRoleUser.AssumedRoleID = key.ID + ":" + session
	answer.Credentials.AccessKeyID, answer.Credentials.AccessKeySecret = key.ID, key.Secret
	answer.Credentials.SecurityToken, answer.Credentials.Expiration = key.SecurityToken, stamp(expires)
	return answer, nil
}
