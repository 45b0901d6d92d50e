package cloudassistant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	sdkcredentials "github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// answer is a response of the API that is not an error, whole and not yet decoded.
type answer struct {
	header http.Header
	body   []byte
	// clean knows the secrets of the call, should the answer have to be spoken of.
	clean sanitizer
}

// call signs a request with the provider's credentials and sends it. Credentials that the API refuses are
// renewed and tried once again, if the provider has others by then.
func (c *Client) call(
	ctx context.Context, at endpoint, provider CredentialProvider, build func() requests.AcsRequest,
) (answer, error) {
	credentials, err := obtain(ctx, provider)
	if err != nil {
		return answer{}, err
	}
	got, err := c.send(ctx, at, credentials, build())
	var refusal *Error
	if !errors.As(err, &refusal) || !judge(refusal.Code, refusal.HTTPStatus).credentials {
		return got, err
	}
	if cache, caches := provider.(Invalidator); caches {
		cache.Invalidate(credentials)
		fresh, err := obtain(ctx, provider)
		if err != nil {
			return answer{}, err
		}
		if fresh != credentials {
			return c.send(ctx, at, fresh, build())
		}
	}
	// Nobody has better credentials, so asking again is no use until somebody mends them, even where the
	// code alone would only mean that they have run out.
	refusal.Class = ClassDenied
	return answer{}, refusal
}

// obtain asks the provider for complete credentials.
func obtain(ctx context.Context, provider CredentialProvider) (Credentials, error) {
	credentials, err := provider.Credentials(ctx)
	var known *Error
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return Credentials{}, fmt.Errorf("getting the credentials: %w", ctx.Err())
	case errors.As(err, &known):
		return Credentials{}, known
	default:
		return Credentials{}, &Error{
			Class: ClassUnavailable, Code: CodeCredentials, Message: newSanitizer().message(err.Error()),
		}
	}
	if credentials.AccessKeyID == "" || credentials.AccessKeySecret == "" {
		return Credentials{}, &Error{
			Class: ClassDenied, Code: CodeNoCredentials,
			Message: "the credentials lack the access key ID or the access key secret; give both",
		}
	}
	return credentials, nil
}

// send signs and sends one request, once. Failures are an *Error, or ctx's own error.
func (c *Client) send(
	ctx context.Context, at endpoint, credentials Credentials, request requests.AcsRequest,
) (answer, error) {
	if err := sign(request, at, credentials); err != nil {
		return answer{}, err
	}
	clean := newSanitizer(
		credentials.AccessKeyID, credentials.AccessKeySecret, credentials.SecurityToken,
		request.GetQueryParams()["Signature"],
	)
	return c.do(ctx, request.GetMethod(), request.BuildUrl(), request.GetHeaders(), request.GetBodyReader(), clean)
}

// do sends a request as it is, within the time of one call, and reads the answer.
func (c *Client) do(
	ctx context.Context, method, target string, header map[string]string, content io.Reader, clean sanitizer,
) (answer, error) {
	callCtx, cancel := context.WithTimeout(ctx, c.callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(callCtx, method, target, content)
	if err != nil {
		// The text of this error is the URL, which may be signed.
		return answer{}, internalError("the request could not be built")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", c.userAgent)
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, c.transportError(ctx, err, clean)
	}
	// There is nothing to be done about a failing close of a body that was read or given up.
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, c.maxResponseBytes+1))
	requestID := clean.name(response.Header.Get("X-Acs-Request-Id"))
	switch {
	case err != nil:
		return answer{}, c.transportError(ctx, err, clean)
	case int64(len(body)) > c.maxResponseBytes:
		return answer{}, &Error{
			Class: ClassUnavailable, Code: CodeResponseTooLarge,
			Message:   fmt.Sprintf("the answer is larger than %d bytes; ask for fewer rows a page", c.maxResponseBytes),
			RequestID: requestID, HTTPStatus: response.StatusCode,
		}
	case response.StatusCode != http.StatusOK:
		return answer{}, refusalError(response, body, clean)
	}
	return answer{header: response.Header, body: body, clean: clean}, nil
}

// sdkConfig is only read by the SDK; a request names its own scheme.
var sdkConfig = sdk.NewConfig()

// sign has the vendor's SDK put the common parameters and the signature into the request.
func sign(request requests.AcsRequest, at endpoint, credentials Credentials) error {
	request.SetScheme(at.scheme)
	// With a domain set, the SDK does not look for one, which it would do over the network.
	request.SetDomain(at.host)
	return contain(func() error {
		var provider sdkcredentials.CredentialsProvider
		if credentials.SecurityToken == "" {
			provider = sdkcredentials.NewStaticAKCredentialsProvider(
				credentials.AccessKeyID, credentials.AccessKeySecret)
		} else {
			provider = sdkcredentials.NewStaticSTSCredentialsProvider(
				credentials.AccessKeyID, credentials.AccessKeySecret, credentials.SecurityToken)
		}
		client, err := sdk.NewClientWithOptions("", sdkConfig, provider)
		if err == nil {
			err = client.BuildRequestWithSigner(request, nil)
		}
		if err != nil {
			return internalError("the vendor's SDK could not sign the request")
		}
		return nil
	})
}

// contain turns a panic of the vendor's SDK into an error. What it panicked with stays unsaid: it may hold
// the request.
func contain(run func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = internalError("the vendor's SDK broke down")
		}
	}()
	return run()
}

func internalError(message string) *Error {
	return &Error{Class: ClassUnavailable, Code: CodeInternal, Message: message + "; this is a fault to report"}
}

// transportError says what went wrong on the way. ctx is the caller's; the call's own deadline is not.
func (c *Client) transportError(ctx context.Context, err error, clean sanitizer) error {
	if ctx.Err() != nil {
		return fmt.Errorf("asking the API: %w", ctx.Err())
	}
	// *url.Error prints the signed URL.
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &Error{
			Class: ClassUnavailable, Code: CodeTimeout,
			Message: fmt.Sprintf("no whole answer in time (a call may take %s); check the way to the endpoint",
				c.callTimeout),
		}
	}
	return &Error{
		Class: ClassUnavailable, Code: CodeNetwork,
		Message: clean.message("the call failed on the network: " + err.Error()),
	}
}

// refusal is the body of an error answer. The types are open, for a gateway may send a number as a code.
type refusal struct {
	RequestID text `json:"RequestId"`
	Code      any  `json:"Code"`
	Message   text `json:"Message"`
}

// refusalError reads an answer whose status is not 200.
func refusalError(response *http.Response, body []byte, clean sanitizer) *Error {
	failure := &Error{
		RequestID:  clean.name(response.Header.Get("X-Acs-Request-Id")),
		HTTPStatus: response.StatusCode,
		RetryAfter: retryAfter(response.Header),
	}
	var said refusal
	err := json.Unmarshal(body, &said)
	// The codes of the API are words. What sent a number, a blank or no text at all only looks like the API, and its
	// word must not end an observation.
	code, isText := said.Code.(string)
	if err != nil || !isText || !strings.ContainsFunc(code, unicode.IsLetter) {
		failure.Class, failure.Code = ClassUnavailable, CodeHTTPStatus
		if response.StatusCode == http.StatusTooManyRequests {
			failure.Class = ClassThrottled
		}
		failure.Message = clean.message(fmt.Sprintf(
			"%s instead of an answer of the API; a proxy or a load balancer on the way may be at fault",
			response.Status))
		return failure
	}
	opinion := judge(code, response.StatusCode)
	failure.Class = opinion.class
	failure.Code = clean.name(code)
	failure.Message = clean.advise(string(said.Message), opinion.advice)
	if said.RequestID != "" {
		failure.RequestID = clean.name(string(said.RequestID))
	}
	return failure
}

// malformed is the failure of an answer that arrived whole and is not one of the API's.
func malformed(got answer, detail string) *Error {
	return &Error{
		Class: ClassUnavailable, Code: CodeMalformedResponse,
		Message: got.clean.message(fmt.Sprintf("%s (%d bytes of %q); a proxy on the way may have answered",
			detail, len(got.body), got.header.Get("Content-Type"))),
		RequestID:  got.clean.name(got.header.Get("X-Acs-Request-Id")),
		HTTPStatus: http.StatusOK,
	}
}
