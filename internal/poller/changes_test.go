package poller

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func code(n int64) *int64 { return &n }

// fullRow has a value in every field.
func fullRow(status cloudassistant.InvocationStatus) cloudassistant.Record {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return cloudassistant.Record{
		CommandID: "c-1", InvokeID: "t-1", InstanceID: "i-1", ContainerID: "cid", ContainerName: "cname",
		InvocationStatus: status, InvokeRecordStatus: cloudassistant.RecordRunning, ExitCode: code(3),
		ErrorCode: "ExitCodeNonzero", ErrorInfo: "info", Output: []byte("out"), Dropped: 7, Repeats: 2,
		StartTime: at, FinishedTime: at.Add(time.Second), StopTime: at.Add(2 * time.Second),
		Username: "root", Launcher: "sh", TerminationMode: "Process",
		Tags:      []cloudassistant.Tag{{Key: "k", Value: "v"}},
		OSSOutput: cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: "InProgress"},
	}
}

// mutate changes one field of a row, found by reflection so that a new field cannot be forgotten.
func mutate(t *testing.T, row *cloudassistant.Record, field int) string {
	t.Helper()
	value := reflect.ValueOf(row).Elem().Field(field)
	switch value.Interface().(type) {
	case *int64:
		value.Set(reflect.ValueOf(code(4)))
	case []byte:
		value.Set(reflect.ValueOf([]byte("other")))
	case time.Time:
		value.Set(reflect.ValueOf(time.Unix(1, 0)))
	case []cloudassistant.Tag:
		value.Set(reflect.ValueOf([]cloudassistant.Tag{{Key: "k", Value: "w"}}))
	case cloudassistant.OSSOutput:
		value.Set(reflect.ValueOf(cloudassistant.OSSOutput{Delivery: "oss://b/p", Status: "Finished"}))
	default:
		switch {
		case value.CanInt():
			value.SetInt(value.Int() + 1)
		case value.Kind() == reflect.String:
			value.SetString(value.String() + "x")
		default:
			t.Fatalf("the test cannot change a %s", value.Type())
		}
	}
	return reflect.TypeFor[cloudassistant.Record]().Field(field).Name
}

func TestEveryFieldCounts(t *testing.T) {
	for _, status := range []cloudassistant.InvocationStatus{cloudassistant.StatusRunning, cloudassistant.StatusFailed} {
		for field := range reflect.TypeFor[cloudassistant.Record]().NumField() {
			row := fullRow(status)
			name := mutate(t, &row, field)
			want := status.Terminal() || name != "Output" && name != "Dropped"
			got := changed([]cloudassistant.Record{fullRow(status)}, []cloudassistant.Record{row})
			if got != want {
				t.Errorf("%s: changed by %s = %v, want %v", status, name, got, want)
			}
		}
	}
}

func TestChangedExitCode(t *testing.T) {
	for _, c := range []struct {
		before, after *int64
		want          bool
	}{
		{nil, nil, false}, {code(0), code(0), false}, {nil, code(0), true}, {code(0), nil, true}, {code(0), code(1), true},
	} {
		before, after := fullRow(cloudassistant.StatusFailed), fullRow(cloudassistant.StatusFailed)
		before.ExitCode, after.ExitCode = c.before, c.after
		if got := changed([]cloudassistant.Record{before}, []cloudassistant.Record{after}); got != c.want {
			t.Errorf("changed from %v to %v = %v, want %v", c.before, c.after, got, c.want)
		}
	}
}

func TestChangedIgnoresZonesOfTimes(t *testing.T) {
	before, after := fullRow(cloudassistant.StatusFailed), fullRow(cloudassistant.StatusFailed)
	after.StartTime = after.StartTime.In(time.FixedZone("elsewhere", 8*3600))
	if changed([]cloudassistant.Record{before}, []cloudassistant.Record{after}) {
		t.Error("the same instant in another zone is taken for a change")
	}
}

func TestProgressed(t *testing.T) {
	progress := map[string]bool{
		"InvokeID": true, "InstanceID": true, "ContainerID": true, "ContainerName": true,
		"InvocationStatus": true, "Repeats": true, "StartTime": true,
	}
	for field := range reflect.TypeFor[cloudassistant.Record]().NumField() {
		row := fullRow(cloudassistant.StatusScheduled)
		name := mutate(t, &row, field)
		got := progressed([]cloudassistant.Record{fullRow(cloudassistant.StatusScheduled)}, []cloudassistant.Record{row})
		if got != progress[name] {
			t.Errorf("progressed by %s = %v, want %v", name, got, progress[name])
		}
	}
}

// someRows draws rows with distinct keys.
func someRows() *rapid.Generator[[]cloudassistant.Record] {
	row := rapid.Custom(func(t *rapid.T) cloudassistant.Record {
		return cloudassistant.Record{
			InvokeID:         rapid.SampledFrom([]string{"t-1", "t-2"}).Draw(t, "invokeID"),
			InstanceID:       rapid.SampledFrom([]string{"i-1", "i-2", "i-3"}).Draw(t, "instanceID"),
			ContainerName:    rapid.SampledFrom([]string{"", "app"}).Draw(t, "container"),
			InvocationStatus: rapid.SampledFrom([]cloudassistant.InvocationStatus{"Running", "Success", "New"}).Draw(t, "status"),
			Output:           rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "output"),
		}
	})
	return rapid.SliceOfNDistinct(row, 0, 6, func(r cloudassistant.Record) rowKey { return keyOf(&r) })
}

func TestChangedIsAnEquivalence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someRows().Draw(t, "a"), someRows().Draw(t, "b")
		shuffled := slices.Clone(a)
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, seed)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		if changed(a, shuffled) {
			t.Fatal("order counts")
		}
		if changed(a, b) != changed(b, a) {
			t.Fatal("not symmetric")
		}
		if progressed(a, b) && !changed(a, b) {
			t.Fatal("progress is not a change")
		}
		if len(a) > 0 && !changed(a, a[1:]) {
			t.Fatal("a lost row is not a change")
		}
		if len(a) > 0 && changed(append([]cloudassistant.Record{{
			InvokeID: a[0].InvokeID, InstanceID: a[0].InstanceID, ContainerName: a[0].ContainerName,
		}}, a...), a) {
			t.Fatal("of two rows with one key, the first counts")
		}
	})
}
