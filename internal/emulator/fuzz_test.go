package emulator_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// Whatever arrives, nobody without the secret is answered by an action, and nothing panics.
func FuzzGateway(f *testing.F) {
	e, err := emulator.New(emulator.Options{AccessKeys: []emulator.AccessKey{{ID: testKeyID, Secret: testSecret}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	f.Add("Action=DescribeRegions&Version=2014-05-26&AccessKeyId=test-key&Signature=x&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=1&Timestamp=2026-11-23T12:00:00Z", "", "")
	f.Add("", "ACS3-HMAC-SHA256 Credential=test-key,SignedHeaders=host;x-acs-action,Signature=ab", "a=b")
	f.Add("Action=RunCommand&Version=2014-05-26&Format=JSON", "", "%zz&;=")
	f.Fuzz(func(t *testing.T, query, authorization, body string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		request.URL = &url.URL{Path: "/", RawQuery: query}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Authorization", authorization)
		request.Header.Set("x-acs-action", "DescribeRegions")
		request.Header.Set("x-acs-version", "2014-05-26")
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, request)
		if recorder.Code < 400 || recorder.Code >= 500 {
			t.Errorf("answer %d to an unsigned request: %s", recorder.Code, recorder.Body)
		}
	})
}
