package signature_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/signature"
)

// The first vector is the vendor's own; the second was captured from the vendor's Go SDK.
func TestRPCVectors(t *testing.T) {
	tests := []struct {
		name, method, query, want string
	}{
		{
			name:   "vendor documentation, DescribeRegions",
			method: http.MethodGet,
			query: "AccessKeyId=testid&Action=DescribeRegions&Format=XML&SignatureMethod=HMAC-SHA1" +
				"&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0" +
				"&Timestamp=2016-02-23T12:46:24Z&Version=2014-05-26",
			want: "OLeaidS1JvxuMvnyHOwuJ+uX5qY=",
		},
		{
			name:   "Go SDK v1, reserved characters, an empty parameter, tags",
			method: http.MethodPost,
			query: "AccessKeyId=testid&Action=DescribeInvocationResults&Format=JSON&IncludeHistory=true" +
				"&InvokeId=t-hz0%2A%281%29%21%27~+%2B%2F%E4%B8%AD&MaxResults=2&RegionId=cn-beijing" +
				"&SignatureMethod=HMAC-SHA1&SignatureNonce=04f1f108b3c2045b750699eb931e8d1f&SignatureType=" +
				"&SignatureVersion=1.0&Tag.1.Key=k1&Tag.1.Value=v+1&Tag.2.Key=k2" +
				"&Timestamp=2026-11-23T15%3A19%3A11Z&Version=2014-05-26",
			want: "5Ui8EUNR2BbX83WOYonp9qRMOM4=",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parameters, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got := signature.RPC("testsecret", signature.RPCStringToSign(tt.method, parameters))
			if got != tt.want {
				t.Errorf("signature %s, want %s", got, tt.want)
			}
			parameters.Set("Signature", got)
			if again := signature.RPC("testsecret", signature.RPCStringToSign(tt.method, parameters)); again != got {
				t.Errorf("the parameter Signature changed the signature to %s", again)
			}
		})
	}
}

func TestACS3Vector(t *testing.T) {
	header := http.Header{}
	header.Set("x-acs-action", "RunInstances")
	header.Set("x-acs-content-sha256", signature.HashHex(nil))
	header.Set("x-acs-date", "2023-10-26T10:22:32Z")
	header.Set("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d")
	header.Set("x-acs-version", "2014-05-26")
	request := signature.ACS3Request{
		Method: http.MethodPost,
		Path:   "/",
		Query: url.Values{
			"ImageId":  {"win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
			"RegionId": {"cn-shanghai"},
		},
		Host:   "ecs.cn-shanghai.aliyuncs.com",
		Header: header,
		SignedHeaders: []string{
			"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version",
		},
	}
	const wantHash = "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
	if got := request.StringToSign(); got != "ACS3-HMAC-SHA256\n"+wantHash {
		t.Errorf("string to sign %q, want the hash %s", got, wantHash)
	}
	const want = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
	if got := signature.ACS3("YourAccessKeySecret", request.StringToSign()); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestParseAuthorization(t *testing.T) {
	tests := []struct {
		name, header string
		wantErr      bool
	}{
		{name: "as the SDKs send it", header: "ACS3-HMAC-SHA256 Credential=id,SignedHeaders=host;x-acs-date,Signature=ab"},
		{name: "spaces after commas", header: "ACS3-HMAC-SHA256 Credential=id, SignedHeaders=host;x-acs-date, Signature=ab"},
		{name: "another algorithm", header: "ACS3-HMAC-SM3 Credential=id,SignedHeaders=host,Signature=ab", wantErr: true},
		{name: "no signature", header: "ACS3-HMAC-SHA256 Credential=id,SignedHeaders=host", wantErr: true},
		{name: "bearer", header: "Bearer secret", wantErr: true},
		{name: "empty", header: "", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := signature.ParseAuthorization(tt.header)
			if tt.wantErr {
				if err == nil {
					t.Fatalf("accepted as %+v", got)
				}
				if tt.header != "" && strings.Contains(err.Error(), tt.header) {
					t.Errorf("the error quotes the header: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != "id" || got.Signature != "ab" || !got.Signs("host") || !got.Signs("x-acs-date") || got.Signs("date") {
				t.Errorf("parsed as %+v", got)
			}
		})
	}
}

func TestEscapeLeavesUnreservedOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		escaped := signature.Escape(s)
		for _, r := range escaped {
			unreserved := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.~%", r)
			if !unreserved {
				t.Fatalf("%q leaves %q in %q", s, r, escaped)
			}
		}
		back, err := url.QueryUnescape(escaped)
		if err != nil || back != s {
			t.Fatalf("%q came back as %q (%v)", s, back, err)
		}
	})
}
