package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

const (
	region = "cn-hangzhou"
	// fullOutput is what Cloud Assistant keeps of an output.
	fullOutput = 24 << 10
)

// sizingCase is so many objects of one size.
type sizingCase struct {
	size
	objects int
}

func (c sizingCase) String() string { return fmt.Sprintf("%s:%d", c.name, c.objects) }

// size is a kind of run.
type size struct {
	name string
	// about says it in the report.
	about string
	// budget is --max-status-bytes.
	budget int
	// instances it ran on, each with so many bytes of output, and earlier runs of the first one.
	instances, output, runs int
	spec                    v1alpha1.InvocationResultSpec
}

var sizes = []size{
	{name: "one", about: "one instance, 200 bytes of output", budget: 96 << 10, instances: 1, output: 200},
	{name: "hundred", about: "100 instances, 1 KB of output each", budget: 96 << 10, instances: 100, output: 1000},
	{
		name: "schedule", about: "one instance, 1,000 earlier runs, 60 bytes of output each", budget: 96 << 10, instances: 1, output: 60, runs: 1000,
		spec: v1alpha1.InvocationResultSpec{IncludeHistory: true, HistoryLimit: ptr.To[int32](1000)},
	},
	{
		name: "full", about: "100 instances, 24 KB of output each, --max-status-bytes=1048576", budget: 1 << 20, instances: 100, output: fullOutput,
		spec: v1alpha1.InvocationResultSpec{Output: &v1alpha1.OutputSpec{MaxBytes: fullOutput}},
	},
}

// allCases stop well below etcd's default quota of 2 GiB.
func allCases() []sizingCase {
	counts := map[string][]int{"one": {1000, 10_000}, "hundred": {300, 2000}, "schedule": {500}, "full": {30, 300}}
	var cases []sizingCase
	for _, s := range sizes {
		for _, n := range counts[s.name] {
			cases = append(cases, sizingCase{s, n})
		}
	}
	return cases
}

// choose are the cases that only names; it may name another number of objects than they have.
func choose(cases []sizingCase, only string) ([]sizingCase, error) {
	if only == "" {
		return cases, nil
	}
	var chosen []sizingCase
	for item := range strings.SplitSeq(only, ",") {
		name, count, _ := strings.Cut(item, ":")
		i := slices.IndexFunc(sizes, func(s size) bool { return s.name == name })
		n := 0
		if _, err := fmt.Sscanf(count, "%d", &n); i < 0 || err != nil || n < 1 {
			return nil, fmt.Errorf("--only: %q is no case: give one, hundred, schedule or full with a number of objects, such as one:1000", item)
		}
		chosen = append(chosen, sizingCase{sizes[i], n})
	}
	return chosen, nil
}

// object is the n-th of its size as the operator leaves it once the run, and whatever was awaited after it, is over.
// Equal arguments make equal objects.
func (s size) object(namespace string, n int, now time.Time) *v1alpha1.InvocationResult {
	random := rand.New(rand.NewPCG(uint64(n), 0)) //nolint:gosec // what is made up must be the same every time
	observed := now.UTC().Truncate(time.Second).Add(-2 * time.Hour)
	object := &v1alpha1.InvocationResult{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%06d", s.name, n)},
		Spec:       s.spec,
	}
	object.Spec.RegionID, object.Spec.InvokeID = region, "t-hz0"+name(random, 11)
	commandID := "c-hz0" + name(random, 11)
	row := func(instanceID string, began time.Time) cloudassistant.Record {
		return cloudassistant.Record{
			CommandID: commandID, InvokeID: object.Spec.InvokeID, InstanceID: instanceID,
			InvocationStatus: cloudassistant.StatusSuccess, InvokeRecordStatus: cloudassistant.RecordFinished,
			ExitCode: ptr.To[int64](0), Output: printed(random, s.output), Repeats: 1,
			StartTime: began, FinishedTime: began.Add(9 * time.Second), Username: "root", TerminationMode: "Process",
		}
	}
	live := &cloudassistant.Answer{StartedAt: observed, EndedAt: observed, Complete: true}
	for range s.instances {
		live.Records = append(live.Records, row("i-bp1"+name(random, 17), observed.Add(-time.Hour)))
	}
	observation := projection.Observation{Live: live}
	if s.runs > 0 {
		last := &live.Records[0]
		last.Repeats = int64(s.runs)
		history := &cloudassistant.Answer{StartedAt: observed, EndedAt: observed, Complete: true}
		for i := range s.runs {
			past := row(last.InstanceID, last.StartTime.Add(-time.Duration(i+1)*time.Minute))
			past.Repeats = int64(s.runs - i - 1)
			history.Records = append(history.Records, past)
		}
		observation.History = history
	}
	object.Status = projection.Project(projection.Input{
		Now: observed, Generation: 1, Spec: &object.Spec, Observation: observation,
		Settings: projection.Settings{MaxStatusBytes: s.budget},
	}).Status
	return object
}

func name(random *rand.Rand, length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	text := make([]byte, length)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

// printed is so many bytes of a log, about as compressible as one.
func printed(random *rand.Rand, length int) []byte {
	words := []string{"installed", "libssl3", "unpacking", "restarted", "nginx", "kernel", "/var/log/messages", "ok", "skipped", "configuring"}
	var text []byte
	for len(text) < length {
		text = fmt.Appendf(text, "Nov 25 %02d:%02d:%02d %s %s[%d]: %s %x\n", random.IntN(24), random.IntN(60), random.IntN(60),
			words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(32768), words[random.IntN(len(words))], random.Uint32())
	}
	return text[:length]
}
