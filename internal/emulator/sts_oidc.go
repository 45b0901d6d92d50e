package emulator

import (
	"errors"
	"slices"
	"strings"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/oidc"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

// assumeWithOIDCAnswer is an assumeRoleAnswer that also tells about the token.
type assumeWithOIDCAnswer struct {
	*assumeRoleAnswer
	OIDCTokenInfo struct {
		Subject        string `json:"Subject" xml:"Subject"`
		Issuer         string `json:"Issuer" xml:"Issuer"`
		ClientIDs      string `json:"ClientIds" xml:"ClientIds"`
		IssuanceTime   string `json:"IssuanceTime" xml:"IssuanceTime"`
		ExpirationTime string `json:"ExpirationTime" xml:"ExpirationTime"`
	} `json:"OIDCTokenInfo" xml:"OIDCTokenInfo"`
}

const invalidToken = "AuthenticationFail.OIDCToken.Invalid"

// assumeRoleWithOIDC gives temporary credentials of a role to whoever brings a token that a registered provider has
// signed. The call itself is not signed. Unlike AssumeRole it works for no provider until one is added.
func (e *Emulator) assumeRoleWithOIDC(c *Call) (any, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	providerARN := c.Parameter("OIDCProviderArn")
	if providerARN == "" {
		return nil, refuse("MissingParameter.OIDCProviderArn")
	}
	provider, known := e.provider(providerARN)
	if !known || provider.AccountID != s.accountID {
		return nil, refuseSaying("AuthenticationFail.NoPermission", "No such OIDC Provider registered.")
	}
	token, err := e.verify(c.Parameter("OIDCToken"), provider)
	if err != nil {
		return nil, err
	}
	role, err := e.roleOf(s)
	if err != nil {
		return nil, err
	}
	bearer := ram.Candidate{Federated: providerARN, Claims: map[string][]string{
		ram.KeyIssuer: {token.Issuer}, ram.KeyAudience: token.Audience, ram.KeySubject: {token.Subject},
	}}
	if role.Trust != nil && !role.Trust.Trusts(bearer) {
		return nil, refuse("AuthenticationFail.NoPermission")
	}
	c.AccountID = s.accountID
	answer := assumeWithOIDCAnswer{assumeRoleAnswer: e.open(c, s, role)}
	about := &answer.OIDCTokenInfo
	about.Subject, about.Issuer, about.ClientIDs = token.Subject, token.Issuer, strings.Join(token.Audience, ",")
	about.IssuanceTime, about.ExpirationTime = stamp(token.IssuedAt), stamp(token.Expires)
	return answer, nil
}

// verify checks a token: its form, who issued it, the signature, the times and the audience. The order is the
// emulator's choice, and so are the words about a token that is not valid yet.
func (e *Emulator) verify(text string, provider trustedProvider) (*oidc.Token, error) {
	if text == "" {
		return nil, refuseSaying(invalidToken, "The OIDCToken can not empty.")
	}
	token, err := oidc.ParseToken(text)
	now := e.clientNow()
	switch {
	case errors.Is(err, oidc.ErrParts):
		return nil, refuseSaying(invalidToken, "The number of Jwt field should be divided into 3 parts with '.' .")
	case errors.Is(err, oidc.ErrEncoding):
		return nil, refuseSaying(invalidToken, "Cannot decode base64 encoded response(format invalided).")
	case errors.Is(err, oidc.ErrAlgorithm):
		return nil, refuseSaying(invalidToken, "The algorithm that be specified in Jwt header is unknown.")
	case err != nil:
		return nil, refuse(invalidToken)
	case token.Issuer != provider.Issuer:
		return nil, refuse("AuthenticationFail.OIDCToken.IssuerNotMatch")
	case token.Verify(provider.keys) != nil:
		return nil, refuse("AuthenticationFail.OIDCToken.InvalidSignature")
	case !now.Before(token.Expires):
		return nil, refuse("AuthenticationFail.OIDCToken.Expired")
	case now.Before(token.NotBefore):
		return nil, refuseSaying(invalidToken, "This JsonWebToken is not valid yet.")
	case !slices.ContainsFunc(token.Audience, func(audience string) bool { return slices.Contains(provider.ClientIDs, audience) }):
		return nil, refuse("AuthenticationFail.OIDCToken.AudienceNotMatch")
	}
	return token, nil
}
