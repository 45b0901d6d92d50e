package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// The keys of a Secret with credentials. The last two are optional.
const (
	keyAccessKeyID     = "accessKeyID"
	keyAccessKeySecret = "accessKeySecret"
	keySecurityToken   = "securityToken"
	keyAccountID       = "accountID"
)

type secret struct {
	credentials cloudassistant.Credentials
	accountID   string
	version     string
}

// readSecret reads the Secret "namespace/name". What somebody must mend is of class Denied and says what.
func readSecret(ctx context.Context, reader client.Reader, path string) (*secret, error) {
	namespace, name, _ := strings.Cut(path, "/")
	object := &corev1.Secret{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, denied("Secret %s does not exist: create it with the keys %s and %s", path, keyAccessKeyID, keyAccessKeySecret)
	case apierrors.IsForbidden(err):
		return nil, denied("the operator may not get Secret %s: its ClusterRole must allow get on secrets", path)
	case err != nil:
		return nil, &cloudassistant.Error{Class: cloudassistant.ClassUnavailable, Code: codeCredentials, Message: fmt.Sprintf("reading Secret %s: %v", path, err)}
	}
	read := &secret{
		credentials: cloudassistant.Credentials{
			AccessKeyID:     string(object.Data[keyAccessKeyID]),
			AccessKeySecret: string(object.Data[keyAccessKeySecret]),
			SecurityToken:   string(object.Data[keySecurityToken]),
		},
		accountID: string(object.Data[keyAccountID]),
		version:   string(object.UID) + "/" + object.ResourceVersion,
	}
	for _, required := range []string{keyAccessKeyID, keyAccessKeySecret} {
		if len(object.Data[required]) == 0 {
			return nil, denied("Secret %s has no key %s: it needs %s and %s", path, required, keyAccessKeyID, keyAccessKeySecret)
		}
	}
	for _, rule := range []struct {
		key   string
		check func(string) error
	}{
		{keyAccessKeyID, printable}, {keyAccessKeySecret, printable}, {keySecurityToken, printable}, {keyAccountID, digits},
	} {
		if err := rule.check(string(object.Data[rule.key])); err != nil {
			return nil, denied("Secret %s: the value of key %s %v", path, rule.key, err)
		}
	}
	return read, nil
}

const codeCredentials = "Client.Credentials"

func denied(format string, args ...any) error {
	return &cloudassistant.Error{Class: cloudassistant.ClassDenied, Code: codeCredentials, Message: fmt.Sprintf(format, args...)}
}

// printable refuses what a key never has, and what echo and a missing -n leave behind.
func printable(value string) error {
	for _, r := range value {
		if r <= ' ' || r > '~' {
			return errors.New("holds a space, a line break or another character that no access key has: write it without (echo adds a line break, printf does not)")
		}
	}
	return nil
}

func digits(value string) error {
	if strings.Trim(value, "0123456789") != "" {
		return errors.New("must be the account ID, digits only")
	}
	return nil
}
