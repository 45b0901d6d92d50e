package emulator

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// identity is who an access key speaks for.
type identity struct {
	// arn is as GetCallerIdentity shows it, trusted what a role's trust policy can name besides the account.
	arn, trusted string
	// callerType is the IdentityType of GetCallerIdentity, authType the AuthPrincipalType of a refusal.
	callerType, authType string
	id, displayName      string
}

func (k AccessKey) identity() identity {
	prefix := "acs:ram::" + k.AccountID + ":"
	switch {
	case k.AssumedRole != "":
		role, session, _ := strings.Cut(strings.TrimPrefix(k.AssumedRole, prefix+"assumed-role/"), "/")
		return identity{
			arn: k.AssumedRole, trusted: prefix + "role/" + role, callerType: "AssumedRoleUser", authType: "AssumedRoleUser",
			id: numericID(prefix+"role/"+role) + ":" + session, displayName: role + ":" + session,
		}
	case k.UserName != "":
		arn := prefix + "user/" + k.UserName
		return identity{arn: arn, trusted: arn, callerType: "RAMUser", authType: "SubUser", id: numericID(arn), displayName: numericID(arn)}
	}
	arn := prefix + "root"
	return identity{arn: arn, trusted: arn, callerType: "Account", authType: "Account", id: k.AccountID, displayName: k.AccountID}
}

// numericID makes an ID of the vendor's form out of an ARN; it is the same every time.
func numericID(arn string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(arn))
	return fmt.Sprintf("2%017d", h.Sum64()%1e17)
}
