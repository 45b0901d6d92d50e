package emulator_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestFaultsOfTheEnvelope(t *testing.T) {
	b := newBench(t, emulator.Options{})
	r := b.raw(nil)
	t.Run("ContentType", func(t *testing.T) {
		b.inject(emulator.Fault{Kind: emulator.FaultContentType, Count: 1})
		got := r.call(t, list)
		if contentType := got.header.Get("Content-Type"); contentType != "text/html;charset=utf-8" {
			t.Errorf("content type %q, want text/html", contentType)
		}
		got.rows(t)
	})
	for _, tt := range []struct {
		name, size string
		status     int
		code       string
	}{{"an answer", "1", 200, ""}, {"a refusal", "x", 400, "InvalidParameter.MaxResults"}} {
		t.Run("NoRequestID of "+tt.name, func(t *testing.T) {
			b.inject(emulator.Fault{Kind: emulator.FaultNoRequestID, Count: 1})
			got := r.call(t, list, "MaxResults", tt.size)
			got.wantCode(t, tt.status, tt.code)
			_, sent := got.object(t)["RequestId"]
			if _, header := got.header["X-Acs-Request-Id"]; sent || header {
				t.Errorf("RequestId sent: %v, x-acs-request-id sent: %v; want neither", sent, header)
			}
		})
	}
	t.Run("a burst of 5xx", func(t *testing.T) {
		b.inject(emulator.Fault{Kind: emulator.FaultError, Code: "InternalError.Dispatch", Count: 3})
		for range 3 {
			r.call(t, list).wantCode(t, 500, "InternalError.Dispatch")
		}
		r.call(t, list).wantCode(t, 200, "")
	})
}

// The answer drips, piece by piece, and ends in the middle; what it was about is done.
func TestDrip(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	b.inject(emulator.Fault{Kind: emulator.FaultDrip, Delay: time.Second, Count: 1})
	parameters := r.sign(http.MethodPost, r.rpc("CreateCommand", pairs("Name", "n", "Type", "RunShellScript", "CommandContent", "dHJ1ZQ==")))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/?"+parameters.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	type read struct {
		body string
		err  error
	}
	ended := make(chan read, 1)
	go func() {
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			ended <- read{err: err}
			return
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		ended <- read{string(body), err}
	}()
	for range 4 {
		waitForWaiters(t, fake, 1)
		select {
		case early := <-ended:
			t.Fatalf("the answer ended before its time: %+v", early)
		default:
		}
		fake.Step(time.Second)
	}
	got := <-ended
	if !errors.Is(got.err, io.ErrUnexpectedEOF) || !strings.HasPrefix(got.body, `{"RequestId":"`) || strings.HasSuffix(got.body, "}") {
		t.Errorf("read %q and error %v, want the first half and an unexpected end", got.body, got.err)
	}
}

// Without a delay the answer is cut at once; the vendor's client does not take the half for a whole.
func TestSDKMeetsHalfAnAnswer(t *testing.T) {
	b := newBench(t, emulator.Options{})
	b.inject(emulator.Fault{Kind: emulator.FaultDrip, Count: 1})
	if _, err := b.sdk.DescribeRegions(ecs.CreateDescribeRegionsRequest()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want an unexpected end", err)
	}
}

// A drip ends when the service goes away.
func TestDripEndsWithTheService(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake})
	r := b.raw(fake)
	b.inject(emulator.Fault{Kind: emulator.FaultDrip, Delay: time.Hour})
	ended := make(chan error, 1)
	go func() { ended <- r.try(t.Context(), t) }()
	waitForWaiters(t, fake, 1)
	if err := b.e.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the answer came after the service had stopped")
	}
}
