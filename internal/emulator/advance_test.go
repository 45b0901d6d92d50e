package emulator_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// advance moves the emulator's clock or fails.
func (b *bench) advance(d time.Duration) {
	b.Helper()
	if err := b.e.Advance(d); err != nil {
		b.Fatal(err)
	}
}

// Time that is made to pass ends what waits for it, while the vendor's client signs by the real clock.
func TestAdvance(t *testing.T) {
	b := newBench(t, emulator.Options{})
	t.Run("the timeout of a process", func(t *testing.T) {
		id := b.run("exec sleep 1000", func(r *ecs.RunCommandRequest) { r.Timeout = "3600" })
		started := b.status(id, firstID, emulator.StatusRunning)
		b.advance(time.Hour)
		ended := b.status(id, firstID, emulator.StatusTimeout)
		if took := ended.FinishedTime.Sub(started.StartTime); took != time.Hour {
			t.Errorf("the run ended %v after its start, want its timeout of an hour", took)
		}
	})
	t.Run("the runs of a schedule", func(t *testing.T) {
		id := b.run("echo tick", func(r *ecs.RunCommandRequest) { r.Frequency = "rate(7d)" })
		last := b.row(id, firstID, "run three times", func(r emulator.Row) bool {
			b.advance(7 * 24 * time.Hour)
			return r.Repeats >= 3
		})
		if ahead := time.Until(last.StartTime); ahead < 21*24*time.Hour {
			t.Errorf("the last run started %v from now, want three weeks at least", ahead)
		}
	})
	t.Run("the delivery window", func(t *testing.T) {
		if err := b.e.SetAgent(secondID, emulator.AgentSilent); err != nil {
			t.Fatal(err)
		}
		id := b.run("true", nil, secondID)
		b.status(id, secondID, emulator.StatusPending)
		// The window opens a moment after the row is made, so one step might come too early.
		b.row(id, secondID, "aborted", func(r emulator.Row) bool {
			b.advance(time.Minute)
			return r.InvocationStatus == emulator.StatusAborted
		})
	})
	t.Run("the lag of visibility", func(t *testing.T) {
		b.e.SetVisibilityLag(time.Hour, 0)
		id := b.run("true", nil)
		if rows := b.results(id); len(rows) != 0 {
			t.Errorf("the invocation shows %d rows at once, want none for an hour", len(rows))
		}
		b.advance(time.Hour)
		if rows := b.results(id); len(rows) != 1 {
			t.Errorf("the invocation shows %d rows after an hour, want its row", len(rows))
		}
	})
}

// Advance turns the minute of a quota, and leaves signatures and temporary credentials as they are.
func TestAdvanceAndTheGateway(t *testing.T) {
	fake := clocktesting.NewFakeClock(noon)
	b := newBench(t, emulator.Options{Clock: fake, Quotas: []emulator.Quota{{Action: list, PerMinute: 1}}})
	r := b.raw(fake)
	role := r.call(t, "AssumeRole", "Version", "2015-04-01", "RoleArn", "acs:ram::"+emulator.DefaultAccountID+":role/reader",
		"RoleSessionName", "test").object(t)["Credentials"].(map[string]any)
	session := *r
	session.keyID, session.secret = role["AccessKeyId"].(string), role["AccessKeySecret"].(string)
	session.token = role["SecurityToken"].(string)

	var codes []int
	for range 2 {
		codes = append(codes, session.call(t, list).status, session.call(t, list).status)
		b.advance(24 * time.Hour)
	}
	if want := []int{200, 400, 200, 400}; !slices.Equal(codes, want) {
		t.Errorf("answers %v, want %v: one call a minute, by credentials that no advance ends", codes, want)
	}
	later := r.call(t, "AssumeRole", "Version", "2015-04-01", "RoleArn", "acs:ram::"+emulator.DefaultAccountID+":role/reader",
		"RoleSessionName", "test").object(t)["Credentials"].(map[string]any)
	if want := fake.Now().Add(time.Hour).Format(time.RFC3339); later["Expiration"] != want {
		t.Errorf("credentials expire at %v, want %v by the client's clock", later["Expiration"], want)
	}
}

// On a clock that is far from that of the clients, whose signatures are judged by theirs.
func TestAClockOfTheClientsOwn(t *testing.T) {
	b := newBench(t, emulator.Options{
		Clock:       clocktesting.NewFakeClock(time.Now().Add(90 * 24 * time.Hour)),
		ClientClock: clock.RealClock{},
	})
	b.put(emulator.Scripted{ID: "t-1", Rows: []emulator.Row{{InstanceID: firstID}}})
	if rows := b.results("t-1"); len(rows) != 1 {
		t.Errorf("a client that signs by its own clock sees %d rows, want one", len(rows))
	}
}

func TestScriptedRowsAreSeenFromTheirTimeOn(t *testing.T) {
	fake := clocktesting.NewFakeClock(time.Now())
	b := newBench(t, emulator.Options{Clock: fake, ClientClock: clock.RealClock{}})
	b.put(emulator.Scripted{
		ID: "t-late", CreatedAt: fake.Now(), VisibleAt: fake.Now().Add(2 * time.Second), Rows: []emulator.Row{{InstanceID: firstID}},
	})
	if rows := b.results("t-late"); len(rows) != 0 {
		t.Errorf("%d rows before their time, want none", len(rows))
	}
	fake.Step(2 * time.Second)
	if rows := b.results("t-late"); len(rows) != 1 {
		t.Errorf("%d rows when their time has come, want one", len(rows))
	}
}
