package cloudassistant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/utils"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
)

const (
	// sessionName is what the audit log (ActionTrail) shows as the user of an assumed role.
	sessionName = "cloud-assistant-operator"
	// sessionSeconds is how long assumed credentials live: the API's default, which every role admits.
	sessionSeconds = 3600
)

// AccountID asks the Security Token Service (GetCallerIdentity, which needs no permission) for the ID of the
// account that the credentials belong to. For an assumed role, it is the role's account.
func (c *Client) AccountID(ctx context.Context, credentials CredentialProvider) (string, error) {
	got, err := c.callSTS(ctx, credentials, func() requests.AcsRequest {
		return sts.CreateGetCallerIdentityRequest()
	})
	if err != nil {
		return "", err
	}
	var wire struct {
		AccountID text `json:"AccountId"`
	}
	if json.Unmarshal(got.body, &wire) != nil || wire.AccountID == "" {
		return "", malformed(got, "the answer lacks the account ID")
	}
	return string(wire.AccountID), nil
}

// AssumeRole returns a provider of the temporary credentials of a RAM role, assumed with the base credentials.
// They live an hour and are replaced five minutes before their end. It fails, with class Denied, when the ARN
// does not name a role; the role is not assumed before credentials are asked for.
func (c *Client) AssumeRole(base CredentialProvider, roleARN string) (Invalidator, error) {
	if _, err := RoleAccount(roleARN); err != nil {
		return nil, err
	}
	return newLeaseProvider(c.clock, func(ctx context.Context, _ bool) (lease, error) {
		got, err := c.callSTS(ctx, base, func() requests.AcsRequest {
			request := sts.CreateAssumeRoleRequest()
			request.RoleArn = roleARN
			request.RoleSessionName = sessionName
			request.DurationSeconds = requests.NewInteger(sessionSeconds)
			return request
		})
		if err != nil {
			return lease{}, ofRole(roleARN, err)
		}
		return decodeAssumed(got)
	}), nil
}

// ofRole says of a failure which role could not be assumed because of it.
func ofRole(roleARN string, err error) error {
	var failure *Error
	if !errors.As(err, &failure) {
		return err
	}
	// A copy: others may wait for the same attempt, and it is not their role.
	own := *failure
	own.RoleARN = roleARN
	return &own
}

// callSTS makes a signed call to the Security Token Service.
func (c *Client) callSTS(
	ctx context.Context, provider CredentialProvider, build func() requests.AcsRequest,
) (answer, error) {
	got, err := c.call(ctx, c.sts, provider, build)
	return got, denyInvalid(err)
}

// denyInvalid gives a refusal by the Security Token Service its class. A role that does not exist or a token
// file that nobody trusts is a matter of the credentials, never of the question that they were meant for.
func denyInvalid(err error) error {
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Class != ClassInvalid {
		return err
	}
	own := *refusal
	own.Class = ClassDenied
	return &own
}

var roleARNPattern = regexp.MustCompile(`^acs:ram::([0-9]+):role/[A-Za-z0-9.@_-]+$`)

// RoleAccount returns the ID of the account that owns a RAM role, which is part of its ARN,
// acs:ram::<account>:role/<name>. Its calls are counted against that account. It fails, with class Denied, when
// the ARN does not name a role.
func RoleAccount(roleARN string) (string, error) {
	match := roleARNPattern.FindStringSubmatch(roleARN)
	if match == nil {
		return "", &Error{
			Class: ClassDenied, Code: CodeInvalidRoleARN,
			Message: "the role ARN must look like acs:ram::123456789012:role/name",
		}
	}
	return match[1], nil
}

// assumeWithOIDC exchanges the pod's service account token for the temporary credentials of a RAM role (RRSA).
// The SDK can do it as well, but knows neither contexts nor another endpoint. The call is not signed: the token
// is the proof. The file is read every time, for the kubelet rotates it.
func (c *Client) assumeWithOIDC(ctx context.Context, _ bool) (lease, error) {
	token, err := os.ReadFile(os.Getenv(envOIDCTokenFile))
	if err != nil {
		return lease{}, credentialsError(ClassDenied, "the service account token could not be read: "+err.Error())
	}
	query := url.Values{
		"Action":         {"AssumeRoleWithOIDC"},
		"Version":        {"2015-04-01"},
		"Format":         {"JSON"},
		"Timestamp":      {c.clock.Now().UTC().Format(time.RFC3339)},
		"SignatureNonce": {utils.GetNonce()},
	}
	form := url.Values{
		"RoleArn":         {os.Getenv(envRoleARN)},
		"OIDCProviderArn": {os.Getenv(envOIDCProviderARN)},
		"OIDCToken":       {string(token)},
		"RoleSessionName": {sessionName},
		"DurationSeconds": {strconv.Itoa(sessionSeconds)},
	}
	if name := os.Getenv(envRoleSessionName); name != "" {
		form.Set("RoleSessionName", name)
	}
	target := strings.ToLower(c.sts.scheme) + "://" + c.sts.host + "/?" + query.Encode()
	got, err := c.do(ctx, http.MethodPost, target, map[string]string{"Content-Type": requests.Form},
		strings.NewReader(form.Encode()), newSanitizer(string(token)))
	if err != nil {
		return lease{}, ofRole(form.Get("RoleArn"), denyInvalid(err))
	}
	return decodeAssumed(got)
}

// fetchURI reads temporary credentials from the address in ALIBABA_CLOUD_CREDENTIALS_URI. The SDK can do it as
// well, but prints its failures, address included, to standard output.
func (c *Client) fetchURI(ctx context.Context, _ bool) (lease, error) {
	address := os.Getenv(envCredentialsURI)
	got, err := c.do(ctx, http.MethodGet, address, nil, http.NoBody, newSanitizer(address))
	if err != nil {
		// It is no API that answers, so that a code in the answer says nothing.
		var failure *Error
		switch {
		case errors.As(err, &failure) && failure.Code == CodeInternal:
			return lease{}, credentialsError(ClassDenied, envCredentialsURI+" is not a URL")
		case failure != nil && failure.HTTPStatus >= 400 && failure.HTTPStatus < 500:
			return lease{}, credentialsError(ClassDenied,
				fmt.Sprintf("the credentials URI answered %d; check %s", failure.HTTPStatus, envCredentialsURI))
		}
		return lease{}, err
	}
	return decodeLease(got, got.body)
}

// decodeAssumed reads the answer of AssumeRole and AssumeRoleWithOIDC.
func decodeAssumed(got answer) (lease, error) {
	var wire struct{ Credentials json.RawMessage }
	if json.Unmarshal(got.body, &wire) != nil {
		return lease{}, malformed(got, "the answer holds no credentials")
	}
	return decodeLease(got, wire.Credentials)
}

// decodeLease reads temporary credentials as all of the vendor's services write them.
func decodeLease(got answer, raw []byte) (lease, error) {
	var wire struct {
		AccessKeyID     text `json:"AccessKeyId"`
		AccessKeySecret text
		SecurityToken   text
		Expiration      instant
	}
	if json.Unmarshal(raw, &wire) != nil ||
		wire.AccessKeyID == "" || wire.AccessKeySecret == "" || wire.Expiration.IsZero() {
		return lease{}, malformed(got, "the answer holds no credentials")
	}
	return lease{
		credentials: seal(Credentials{
			AccessKeyID:     string(wire.AccessKeyID),
			AccessKeySecret: string(wire.AccessKeySecret),
			SecurityToken:   string(wire.SecurityToken),
		}),
		expires: wire.Expiration.Time,
	}, nil
}

func credentialsError(class Class, message string) *Error {
	return &Error{Class: class, Code: CodeCredentials, Message: newSanitizer().message(message)}
}
