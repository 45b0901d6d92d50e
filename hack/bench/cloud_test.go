package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"go.uber.org/goleak"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/fastclock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCloud is that of a case whose time runs a thousand times as fast.
func newCloud(t *testing.T, c Case) (*cloud, *ecs.Client) {
	t.Helper()
	w, err := startCloud(t.Context(), c, fastclock.New(time.Now(), fastclock.Pace{{Scale: 1000}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	sdkClient, err := ecs.NewClientWithOptions(region, sdk.NewConfig().WithScheme("HTTP"), credentials.NewAccessKeyCredential(accessKeyID, accessKeySecret))
	if err != nil {
		t.Fatal(err)
	}
	sdkClient.Domain = strings.TrimPrefix(w.URL, "http://")
	return w, sdkClient
}

func TestTheCloudCountsWhatItIsAsked(t *testing.T) {
	for name, tt := range map[string]struct{ quota, throttled int }{
		"within the quota":        {1000, 0},
		"with a quota of nothing": {0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := defaultCase()
			c.Runs, c.Quota, c.RoundTrip = 1, tt.quota, 10*time.Second
			w, client := newCloud(t, c)
			refused := 0
			for range 3 {
				if _, err := client.DescribeInvocationResults(ecs.CreateDescribeInvocationResultsRequest()); err != nil {
					refused++
				}
			}
			if got := w.tally(); got.total() != 3 || got.calls["DescribeInvocationResults"] != 3 || got.throttled != tt.throttled || refused != tt.throttled {
				t.Errorf("it counts %+v and has refused %d of three calls, want %d", got, refused, tt.throttled)
			}
			for _, took := range w.roundTrips() {
				if took < c.RoundTrip {
					t.Errorf("a call took %v, less than a round trip", took)
				}
			}
		})
	}
}

func TestThePlanIsPlayed(t *testing.T) {
	c := defaultCase()
	c.Runs, c.Quota, c.Foreign, c.FailRate, c.Longest = 40, 1000, 3, 0.5, 5*time.Minute
	w, _ := newCloud(t, c)
	if err := w.populate(c.Foreign); err != nil {
		t.Fatal(err)
	}
	runs, started := plan(c), make(chan run, c.Runs)
	zero := w.clock.Now()
	if _, err := w.play(t.Context(), runs, zero, 20, started); err != nil {
		t.Fatal(err)
	}
	for _, want := range runs {
		if got := <-started; got != want {
			t.Fatalf("%+v was started when it was the turn of %+v", got, want)
		}
		rows := w.emulator.Rows(want.InvokeID)
		if len(rows) != 1 || rows[0].ExitCode == nil || *rows[0].ExitCode != want.ExitCode || !rows[0].FinishedTime.Equal(zero.Add(want.End)) || len(rows[0].Output) != 20 {
			t.Errorf("%s ended as %+v", want.InvokeID, rows)
		}
	}
	if rows := w.emulator.Rows("t-foreign00002"); len(rows) != 1 || rows[0].InvocationStatus != "Scheduled" {
		t.Errorf("a schedule of somebody else is %+v", rows)
	}
}
