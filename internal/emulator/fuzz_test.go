package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"k8s.io/utils/clock"

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

// Whatever the parameters of a signed call are, the answer is an action's or a refusal that blames the caller, in
// JSON, and nothing panics. Runs are simulated: nothing that is made up here is executed.
func FuzzParameters(f *testing.F) {
	e, err := emulator.New(emulator.Options{
		AccessKeys: []emulator.AccessKey{{ID: testKeyID, Secret: testSecret}}, Instances: emulator.NumberedInstances(2, testRegion, ""),
		Simulations: []emulator.Simulation{{Output: "done"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	if err := e.PutInvocation(emulator.Scripted{ID: "t-1", RepeatMode: emulator.RepeatPeriod, Rows: []emulator.Row{{InstanceID: firstID}}}); err != nil {
		f.Fatal(err)
	}
	for _, action := range []string{
		list, "DescribeInvocations", "DescribeInstances", "DescribeRegions", "DescribeCommands", "ModifyCommand", "DeleteCommand",
		"DescribeCloudAssistantStatus", "StopInvocation", "StartInstance", "StopInstance", "RebootInstance",
	} {
		f.Add(action, "InvokeId=t-1&IncludeHistory=true&MaxResults=1&PageNumber=-1&Tag.1.Key=a&Tag.01.Value=&NextToken=AAAA&InstanceIds=[&InstanceId.1="+firstID)
	}
	f.Add("RunCommand", "Type=RunShellScript&CommandContent=a&Frequency=rate(5m)&Timeout=1e9&Parameters=[]&InstanceId.1="+firstID)
	f.Add("CreateCommand", "Name=%ff&Type=RunShellScript&CommandContent=%00&EnableParameter=true&Launcher={{&WorkingDir=..")
	f.Add("InvokeCommand", "CommandId=c-t-1&InstanceId.1="+firstID+"&Parameters={\"a\":1}&OssOutputDelivery=oss:///..&ContainerId=docker://")
	r := &raw{keyID: testKeyID, secret: testSecret, clock: clock.RealClock{}}
	f.Fuzz(func(t *testing.T, action, query string) {
		parameters, err := url.ParseQuery(query)
		if err != nil {
			parameters = url.Values{"InvokeId": {query}}
		}
		parameters.Del("Format")
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.URL = &url.URL{Path: "/", RawQuery: r.sign(http.MethodGet, r.rpc(action, parameters)).Encode()}
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, request)
		if recorder.Code >= 500 || !json.Valid(recorder.Body.Bytes()) {
			t.Errorf("answer %d to %s with %q: %s", recorder.Code, action, query, recorder.Body)
		}
	})
}
