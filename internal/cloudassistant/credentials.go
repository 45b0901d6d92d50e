package cloudassistant

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// Credentials are an access key, temporary when it has a security token. They print as "[redacted]",
// whatever the verb or the encoder.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	// SecurityToken is empty for a permanent access key.
	SecurityToken string
}

// String returns "[redacted]".
func (Credentials) String() string { return redacted }

// GoString returns "[redacted]".
func (Credentials) GoString() string { return redacted }

// Format writes "[redacted]" for every verb: %d and %x would otherwise reach the fields.
func (Credentials) Format(state fmt.State, _ rune) {
	// A fmt.State cannot fail.
	_, _ = io.WriteString(state, redacted)
}

// MarshalJSON encodes as "[redacted]".
func (Credentials) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue logs as "[redacted]".
func (Credentials) LogValue() slog.Value { return slog.StringValue(redacted) }

// sealed keeps credentials where no printer looks. The methods of Credentials do not protect what is held in an
// unexported field, at any depth: fmt reads such a field without asking it.
type sealed func() Credentials

func seal(credentials Credentials) sealed { return func() Credentials { return credentials } }

// opaque makes the struct that embeds it print as "[redacted]", so that printing it reads nothing of what other
// goroutines are changing.
type opaque struct{}

func (opaque) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// CredentialProvider has credentials to sign with. Implementations are safe for many goroutines, and their
// errors hold no secrets: an *Error, ctx's own error, or any other, which counts as worth another attempt.
type CredentialProvider interface {
	Credentials(ctx context.Context) (Credentials, error)
}

// Invalidator is a CredentialProvider that caches. When the API refuses its credentials, it is told, and
// asked once more; should it then have others, the call is sent once again with those.
type Invalidator interface {
	CredentialProvider
	// Invalidate drops stale from the cache. Credentials that have replaced it meanwhile stay.
	Invalidate(stale Credentials)
}

// Static returns a provider of credentials that never change.
func Static(credentials Credentials) CredentialProvider { return staticProvider{seal(credentials)} }

type staticProvider struct{ credentials sealed }

func (p staticProvider) Credentials(context.Context) (Credentials, error) {
	return p.credentials(), nil
}
