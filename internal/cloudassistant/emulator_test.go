package cloudassistant_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

const region = "cn-hangzhou"

var key = cloudassistant.Credentials{AccessKeyID: "emulated-key-id", AccessKeySecret: "emulated-key-secret"}

// newBench starts an emulator, which checks every signature, and a client of it.
func newBench(t *testing.T) (*emulator.Emulator, *cloudassistant.Client) {
	t.Helper()
	e, err := emulator.New(emulator.Options{
		AccessKeys: []emulator.AccessKey{{ID: key.AccessKeyID, Secret: key.AccessKeySecret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	url, err := e.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := cloudassistant.New(cloudassistant.Options{
		Endpoint: url, STSEndpoint: url, CallTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := e.Close(); err != nil {
			t.Errorf("closing the emulator: %v", err)
		}
	})
	return e, client
}

func put(t *testing.T, e *emulator.Emulator, s emulator.Scripted) {
	t.Helper()
	if err := e.PutInvocation(s); err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) []emulator.Row {
	rows := make([]emulator.Row, n)
	for i := range rows {
		rows[i] = emulator.Row{InstanceID: fmt.Sprintf("i-%04d", i), InvocationStatus: emulator.StatusRunning}
	}
	return rows
}

func TestEveryFieldOfARow(t *testing.T) {
	e, client := newBench(t)
	exit := int64(3)
	at := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	put(t, e, emulator.Scripted{
		ID: "t-full", RegionID: region, CommandID: "c-full", ResourceGroupID: "rg-1",
		Tags: []emulator.Tag{{Key: "deploy", Value: "a b+c/=&*~中"}, {Key: "empty"}},
		Rows: []emulator.Row{{
			InstanceID: "i-1", InvocationStatus: emulator.StatusFailed, InvokeRecordStatus: emulator.RecordFinished,
			ExitCode: &exit, ErrorCode: "ExitCodeNonzero", ErrorInfo: "exit code is not zero",
			Output: []byte("a\x00\xff\xfe\n"), Dropped: 49259, Repeats: 1, StartTime: at, FinishedTime: at.Add(time.Second),
			StopTime: at.Add(2 * time.Second), Username: "test", Launcher: `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`,
			TerminationMode: "ProcessTree", ContainerID: "docker://ab", ContainerName: "web",
			OSSOutput: emulator.OSSOutput{
				Delivery: "oss://b/p", Status: "Failed", ErrorCode: "CloudAssistant.UnsupportedInvocationStatus", ErrorInfo: "no",
			},
		}},
	})
	// Every filter, so that one spelled wrongly would be found out: each is right, and one wrong hides the row.
	query := cloudassistant.Query{
		RegionID: region, InvokeID: "t-full", InstanceID: "i-1", CommandID: "c-full", ResourceGroupID: "rg-1",
		InvokeRecordStatus: cloudassistant.RecordFinished,
		Tags:               []cloudassistant.Tag{{Key: "empty"}, {Key: "deploy", Value: "a b+c/=&*~中"}},
	}
	session := client.Session(cloudassistant.Static(key), "1")
	answer, err := cloudassistant.Walk(t.Context(), session, query, cloudassistant.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []cloudassistant.Record{{
		CommandID: "c-full", InvokeID: "t-full", InstanceID: "i-1", ContainerID: "docker://ab", ContainerName: "web",
		InvocationStatus: cloudassistant.StatusFailed, InvokeRecordStatus: cloudassistant.RecordFinished, ExitCode: &exit,
		ErrorCode: "ExitCodeNonzero", ErrorInfo: "exit code is not zero", Output: []byte("a\x00\xff\xfe\n"), Dropped: 49259,
		Repeats: 1, StartTime: at, FinishedTime: at.Add(time.Second), StopTime: at.Add(2 * time.Second), Username: "test",
		Launcher: `python3 -u {{ACS::ScriptFileName|Ext(".py")}}`, TerminationMode: "ProcessTree",
		Tags: []cloudassistant.Tag{{Key: "deploy", Value: "a b+c/=&*~中"}, {Key: "empty"}},
		OSSOutput: cloudassistant.OSSOutput{
			Delivery: "oss://b/p", Status: "Failed", ErrorCode: "CloudAssistant.UnsupportedInvocationStatus", ErrorInfo: "no",
		},
	}}
	if diff := cmp.Diff(want, answer.Records); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for name, change := range map[string]func(*cloudassistant.Query){
		"InvokeID":           func(q *cloudassistant.Query) { q.InvokeID = "t-other" },
		"InstanceID":         func(q *cloudassistant.Query) { q.InstanceID = "i-2" },
		"CommandID":          func(q *cloudassistant.Query) { q.CommandID = "c-other" },
		"ResourceGroupID":    func(q *cloudassistant.Query) { q.ResourceGroupID = "rg-2" },
		"InvokeRecordStatus": func(q *cloudassistant.Query) { q.InvokeRecordStatus = cloudassistant.RecordRunning },
		"Tags":               func(q *cloudassistant.Query) { q.Tags = []cloudassistant.Tag{{Key: "deploy", Value: "other"}} },
	} {
		other := query
		change(&other)
		answer, err := cloudassistant.Walk(t.Context(), session, other, cloudassistant.WalkOptions{})
		if err != nil || len(answer.Records) != 0 || !answer.Complete {
			t.Errorf("another %s: %+v, %v", name, answer, err)
		}
	}
}

func TestPagesByTokenAndByNumber(t *testing.T) {
	e, client := newBench(t)
	put(t, e, emulator.Scripted{ID: "t-many", RegionID: region, Rows: numbered(120)})
	session := client.Session(cloudassistant.Static(key), "1")
	query := cloudassistant.Query{RegionID: region, InvokeID: "t-many"}
	answer, err := cloudassistant.Walk(t.Context(), session, query, cloudassistant.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, record := range answer.Records {
		seen[record.InstanceID] = true
	}
	if len(seen) != 120 || len(answer.Records) != 120 || answer.Pages != 3 || !answer.Complete {
		t.Errorf("%d rows, %d of them different, on %d pages, complete %t",
			len(answer.Records), len(seen), answer.Pages, answer.Complete)
	}
	page, err := session.DescribeInvocationResults(t.Context(), query, cloudassistant.Paging{PageNumber: 3, PageSize: 50})
	if err != nil || page.TotalCount != 120 || page.PageNumber != 3 || page.PageSize != 50 || len(page.Records) != 20 {
		t.Errorf("page %+v, error %v", page, err)
	}
	// A token belongs to its question.
	page, err = session.DescribeInvocationResults(t.Context(), query, cloudassistant.Paging{MaxResults: 50})
	if err != nil {
		t.Fatal(err)
	}
	query.InstanceID = "i-0001"
	_, err = session.DescribeInvocationResults(t.Context(), query, cloudassistant.Paging{MaxResults: 50, NextToken: page.NextToken})
	if cloudassistant.ClassOf(err) != cloudassistant.ClassTokenExpired {
		t.Errorf("error %v", err)
	}
}

func TestHistory(t *testing.T) {
	e, client := newBench(t)
	at := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	put(t, e, emulator.Scripted{
		ID: "t-cron", RegionID: region, RepeatMode: emulator.RepeatPeriod,
		Rows: []emulator.Row{{InstanceID: "i-1", InvocationStatus: emulator.StatusScheduled, Repeats: 3}},
	})
	for run := range 3 {
		err := e.PutHistory(emulator.Row{
			InvokeID: "t-cron", InstanceID: "i-1", InvocationStatus: emulator.StatusSuccess, Repeats: run + 1,
			StartTime: at.Add(time.Duration(run) * time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	session := client.Session(cloudassistant.Static(key), "1")
	for history, want := range map[bool]int{false: 1, true: 3} {
		answer, err := cloudassistant.Walk(t.Context(), session,
			cloudassistant.Query{RegionID: region, InvokeID: "t-cron", IncludeHistory: history},
			cloudassistant.WalkOptions{MaxResults: 2})
		if err != nil {
			t.Fatal(err)
		}
		runs := 0
		for _, record := range answer.Records {
			if !history || record.InvocationStatus == cloudassistant.StatusSuccess {
				runs++
			}
		}
		if runs != want {
			t.Errorf("with history %t: %d rows, want %d", history, runs, want)
		}
	}
}

func TestFaultsAndTheirClasses(t *testing.T) {
	e, client := newBench(t)
	put(t, e, emulator.Scripted{ID: "t-many", RegionID: region, Rows: numbered(60)})
	session := client.Session(cloudassistant.Static(key), "1")
	query := cloudassistant.Query{RegionID: region, InvokeID: "t-many"}
	for _, tc := range []struct {
		fault emulator.Fault
		class cloudassistant.Class
		code  string
	}{
		{emulator.Fault{Kind: emulator.FaultError, RetryAfter: 1500 * time.Millisecond}, cloudassistant.ClassThrottled, "Throttling.User"},
		{emulator.Fault{Kind: emulator.FaultError, Code: "ServiceUnavailable"}, cloudassistant.ClassUnavailable, "ServiceUnavailable"},
		{emulator.Fault{Kind: emulator.FaultError, Code: "Forbidden.RAM"}, cloudassistant.ClassDenied, "Forbidden.RAM"},
		{emulator.Fault{Kind: emulator.FaultCut}, cloudassistant.ClassUnavailable, cloudassistant.CodeNetwork},
		{emulator.Fault{Kind: emulator.FaultEmpty}, cloudassistant.ClassUnavailable, cloudassistant.CodeMalformedResponse},
		{emulator.Fault{Kind: emulator.FaultTruncated}, cloudassistant.ClassUnavailable, cloudassistant.CodeMalformedResponse},
		{emulator.Fault{Kind: emulator.FaultNumericCode}, cloudassistant.ClassUnavailable, cloudassistant.CodeHTTPStatus},
		{emulator.Fault{Kind: emulator.FaultHTML}, cloudassistant.ClassUnavailable, cloudassistant.CodeHTTPStatus},
	} {
		t.Run(string(tc.fault.Kind)+" "+tc.fault.Code, func(t *testing.T) {
			// In the middle of a walk: the second page.
			tc.fault.Match = func(call *emulator.Call) bool { return call.Parameter("NextToken") != "" }
			clearFault, err := e.Inject(tc.fault)
			if err != nil {
				t.Fatal(err)
			}
			defer clearFault()
			answer, err := cloudassistant.Walk(t.Context(), session, query, cloudassistant.WalkOptions{})
			var failure *cloudassistant.Error
			if !errors.As(err, &failure) || failure.Class != tc.class || failure.Code != tc.code || answer != nil {
				t.Fatalf("answer %+v, error %#v", answer, err)
			}
			if failure.RetryAfter != tc.fault.RetryAfter {
				t.Errorf("retry after %s", failure.RetryAfter)
			}
		})
	}
}

func TestHangingCallIsCancelled(t *testing.T) {
	e, client := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := e.Inject(emulator.Fault{Kind: emulator.FaultHang, Match: func(*emulator.Call) bool {
		cancel()
		return true
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Session(cloudassistant.Static(key), "1").
		DescribeInvocationResults(ctx, cloudassistant.Query{RegionID: region}, cloudassistant.Paging{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestWrongKeys(t *testing.T) {
	_, client := newBench(t)
	for code, wrong := range map[string]cloudassistant.Credentials{
		"SignatureDoesNotMatch":       {AccessKeyID: key.AccessKeyID, AccessKeySecret: "wrong-secret"},
		"InvalidAccessKeyId.NotFound": {AccessKeyID: "wrong-key-id", AccessKeySecret: "wrong-secret"},
	} {
		_, err := client.Session(cloudassistant.Static(wrong), "1").
			DescribeInvocationResults(t.Context(), cloudassistant.Query{RegionID: region}, cloudassistant.Paging{})
		var failure *cloudassistant.Error
		if !errors.As(err, &failure) || failure.Class != cloudassistant.ClassDenied || failure.Code != code {
			t.Errorf("want %s, got %#v", code, err)
		}
	}
}

func TestAssumedRole(t *testing.T) {
	e, client := newBench(t)
	const other = "9876543210987654"
	e.AddAccessKey(emulator.AccessKey{ID: "another-key-id", Secret: "another-key-secret", AccountID: other})
	put(t, e, emulator.Scripted{ID: "t-other", RegionID: region, AccountID: other, Rows: numbered(1)})
	role, err := client.AssumeRole(cloudassistant.Static(key), "acs:ram::"+other+":role/reader")
	if err != nil {
		t.Fatal(err)
	}
	if account, err := client.AccountID(t.Context(), cloudassistant.Static(key)); err != nil || account != emulator.DefaultAccountID {
		t.Errorf("account %q, %v", account, err)
	}
	if account, err := client.AccountID(t.Context(), role); err != nil || account != other {
		t.Errorf("account of the role %q, %v", account, err)
	}
	ask := func() {
		t.Helper()
		answer, err := cloudassistant.Walk(t.Context(), client.Session(role, other),
			cloudassistant.Query{RegionID: region, InvokeID: "t-other"}, cloudassistant.WalkOptions{})
		if err != nil || len(answer.Records) != 1 {
			t.Fatalf("answer %+v, error %v", answer, err)
		}
	}
	ask()
	// The service ends the session before its time. The next call finds out, and assumes the role again.
	before, err := role.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.AddAccessKey(emulator.AccessKey{
		ID: before.AccessKeyID, Secret: before.AccessKeySecret, SecurityToken: before.SecurityToken, AccountID: other,
		ExpiresAt: time.Unix(1, 0),
	})
	ask()
	after, err := role.Credentials(t.Context())
	if err != nil || after == before {
		t.Errorf("the role was not assumed again, error %v", err)
	}
}
