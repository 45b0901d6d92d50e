package cloudassistant

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	sdkcredentials "github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
)

// The environment variables that configure credentials, as all of the vendor's SDKs know them.
const (
	envAccessKeyID        = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	envAccessKeySecret    = "ALIBABA_CLOUD_ACCESS_KEY_SECRET" //nolint:gosec // the name of a variable
	envSecurityToken      = "ALIBABA_CLOUD_SECURITY_TOKEN"
	envOIDCTokenFile      = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"
	envOIDCProviderARN    = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"
	envRoleARN            = "ALIBABA_CLOUD_ROLE_ARN"
	envRoleSessionName    = "ALIBABA_CLOUD_ROLE_SESSION_NAME"
	envCLIProfileDisabled = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"
	envCredentialsFile    = "ALIBABA_CLOUD_CREDENTIALS_FILE"
	envCredentialsURI     = "ALIBABA_CLOUD_CREDENTIALS_URI"
	envInstanceRole       = "ALIBABA_CLOUD_ECS_METADATA"
	envMetadataDisabled   = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
)

const notConfigured = "no credentials are configured; set " + envAccessKeyID + " and " + envAccessKeySecret +
	", or give the pod a RAM role (" + envRoleARN + ", " + envOIDCProviderARN + " and " + envOIDCTokenFile +
	"), a profile in ~/.aliyun/config.json or ~/.alibabacloud/credentials, or " + envCredentialsURI +
	", or attach a RAM role to the instance"

// DefaultCredentials returns the credentials of the machine or the pod, from the first of these that is
// configured, in the vendor's order: the access key in the environment; a RAM role for the service account
// (RRSA, OIDC); the profile of the command line tool; the profile in ~/.alibabacloud/credentials; a named RAM
// role of the instance; the credentials URI; and whatever RAM role the instance has.
//
// Unlike the vendor's chain it does not try the next one when the chosen one fails, for that would be another
// identity, nor does it stay with one that nobody configured and that never worked. Nothing is read before
// credentials are asked for, and nothing is printed.
func (c *Client) DefaultCredentials() Invalidator {
	// A leaseFunc is never called twice at a time, hence there is no lock.
	var chosen leaseFunc
	return newLeaseProvider(c.clock, func(ctx context.Context, anew bool) (lease, error) {
		source := chosen
		if source == nil {
			source = c.configured()
		}
		got, err := source(ctx, anew)
		if err == nil {
			chosen = source
		}
		return got, err
	})
}

// configured finds out which credentials are configured, by looking only.
func (c *Client) configured() leaseFunc {
	home, _ := os.UserHomeDir() // empty where there is none: then no file is found
	switch {
	case os.Getenv(envAccessKeyID) != "" || os.Getenv(envAccessKeySecret) != "":
		return fromEnvironment
	case os.Getenv(envOIDCTokenFile) != "" && os.Getenv(envOIDCProviderARN) != "" && os.Getenv(envRoleARN) != "":
		return c.assumeWithOIDC
	case !isTrue(envCLIProfileDisabled) && exists(filepath.Join(home, ".aliyun", "config.json")):
		return fromSDK(commandLineProfile, ClassDenied, "check the profile in ~/.aliyun/config.json, or set "+
			envCLIProfileDisabled+"=true")
	case os.Getenv(envCredentialsFile) != "" || exists(filepath.Join(home, ".alibabacloud", "credentials")):
		return fromSDK(iniProfile, ClassDenied, "check the profile in ~/.alibabacloud/credentials or in "+
			envCredentialsFile)
	case os.Getenv(envInstanceRole) != "" && !isTrue(envMetadataDisabled):
		return fromSDK(instanceRole, ClassUnavailable, "check the RAM role of the instance and "+envInstanceRole)
	case os.Getenv(envCredentialsURI) != "":
		return c.fetchURI
	case isTrue(envMetadataDisabled):
		return func(context.Context, bool) (lease, error) {
			return lease{}, &Error{Class: ClassDenied, Code: CodeNoCredentials, Message: notConfigured}
		}
	}
	return fromInstance()
}

func isTrue(name string) bool { return strings.EqualFold(os.Getenv(name), "true") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func fromEnvironment(context.Context, bool) (lease, error) {
	return lease{credentials: seal(Credentials{
		AccessKeyID:     os.Getenv(envAccessKeyID),
		AccessKeySecret: os.Getenv(envAccessKeySecret),
		SecurityToken:   os.Getenv(envSecurityToken),
	})}, nil
}

type sdkProvider = sdkcredentials.CredentialsProvider

func commandLineProfile() (sdkProvider, error) {
	return sdkcredentials.NewCLIProfileCredentialsProviderBuilder().Build(), nil
}

func iniProfile() (sdkProvider, error) {
	return sdkcredentials.NewProfileCredentialsProviderBuilder().Build(), nil
}

func instanceRole() (sdkProvider, error) {
	return sdkcredentials.NewECSRAMRoleCredentialsProviderBuilder().Build()
}

// fromSDK wraps a provider of the SDK. These know no contexts, but end within seconds by time-outs of their own;
// they keep their credentials and renew them three minutes before their end; and they are not safe for many
// goroutines, which a leaseFunc need not be. A provider is made anew when its credentials are refused, since
// the profiles are read only once. class is that of the failures that do not tell theirs.
func fromSDK(build func() (sdkProvider, error), class Class, remedy string) leaseFunc {
	var provider sdkProvider
	return func(_ context.Context, anew bool) (lease, error) {
		if provider == nil || anew {
			built, err := build()
			if err != nil {
				return lease{}, sdkFailure(err, class, remedy)
			}
			provider = built
		}
		got, err := provider.GetCredentials()
		if err != nil {
			return lease{}, sdkFailure(err, class, remedy)
		}
		return lease{credentials: seal(Credentials{
			AccessKeyID:     got.AccessKeyId,
			AccessKeySecret: got.AccessKeySecret,
			SecurityToken:   got.SecurityToken,
		})}, nil
	}
}

// fromInstance asks for whatever RAM role the instance has, if this is an instance and it has one. As long as
// that has never worked, the likely trouble is that nothing was configured at all.
func fromInstance() leaseFunc {
	ask := fromSDK(instanceRole, ClassUnavailable, "check the RAM role of the instance")
	worked := false
	return func(ctx context.Context, anew bool) (lease, error) {
		got, err := ask(ctx, anew)
		switch {
		case err == nil:
			worked = true
		case !worked:
			err = &Error{Class: ClassDenied, Code: CodeNoCredentials, Message: notConfigured}
		}
		return got, err
	}
}

// sdkFailure says why a provider of the SDK failed. Its own words stay unsaid: they may be the whole profile
// file or a URL with a token in it.
func sdkFailure(err error, class Class, remedy string) *Error {
	var refused *sdkerrors.ServerError
	var network *url.Error
	switch {
	case errors.As(err, &refused):
		class = judge(refused.ErrorCode(), refused.HttpStatus()).class
		if class == ClassInvalid {
			class = ClassDenied
		}
		return credentialsError(class, http.StatusText(refused.HttpStatus())+" "+refused.ErrorCode()+
			" when asking for temporary credentials; "+remedy)
	case errors.As(err, &network):
		return credentialsError(ClassUnavailable, "asking for temporary credentials failed on the network: "+
			network.Err.Error())
	}
	return credentialsError(class, "the credentials could not be had; "+remedy)
}
