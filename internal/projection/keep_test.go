package projection

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func secretOutput(spec *v1alpha1.InvocationResultSpec) *v1alpha1.InvocationResultSpec {
	spec.Output = &v1alpha1.OutputSpec{Policy: v1alpha1.OutputSecret}
	return spec
}

func keptText(keep Keep) string {
	var parts []string
	for _, o := range keep.Outputs {
		parts = append(parts, fmt.Sprintf("%s=%s", o.Key, o.Data))
	}
	return strings.Join(parts, " ") + " runs " + strings.Join(keep.Runs, " ")
}

func TestWhatIsKept(t *testing.T) {
	inContainer := func(id, name string) func(*cloudassistant.Record) {
		return func(r *cloudassistant.Record) { r.ContainerID, r.ContainerName = id, name }
	}
	live := []cloudassistant.Record{
		row("i-c", success, printed("whole"), inContainer("ab/12", "")),
		row("i-b", success, printed("b"), inContainer("ab12", "web app")),
		row("i-a", success, printed("\xff\x00")),
		row("i-d", failed, printed("first")),
		row("i-e", success),
		row("i-f", running, printed("so far")),
	}
	in := Input{Now: t0, Generation: 1, Spec: secretOutput(run1()), Observation: Observation{Live: answer(t0, live...)}}
	want := "i-d=first i-a=\xff\x00 i-b.web_app=b i-c.ab_12=whole runs "
	if got := keptText(Project(in).Keep); got != want {
		t.Errorf("kept are %q, want %q", got, want)
	}
	in.Settings.MaxOutputPolicy = v1alpha1.OutputTail
	if got := keptText(Project(in).Keep); got != " runs " {
		t.Errorf("without leave to keep any, kept are %q", got)
	}
}

func TestKeptRunsOfASchedule(t *testing.T) {
	spec := secretOutput(withHistory())
	spec.HistoryLimit = new(int32(2))
	run := func(n int64, text string) cloudassistant.Record {
		r := earlier("i-a", n)
		r.Output = []byte(text)
		return r
	}
	in := Input{Now: t0, Generation: 1, Spec: spec, Observation: Observation{
		Live: answer(t0, row("i-a", waiting, ranBefore(3, 0))), History: answer(t0, run(1, "one"), run(2, "two"), run(3, "three")),
	}}
	out := Project(in)
	key := func(n int64) string { return fmt.Sprintf("run-%d.i-a", earlier("i-a", n).StartTime.Unix()) }
	want := fmt.Sprintf("%s=three %s=two runs %s %s", key(3), key(2), key(3), key(2))
	if got := keptText(out.Keep); got != want || !IsRun(key(3)) || IsRun("i-a") {
		t.Errorf("kept are %q, want %q", got, want)
	}
	// After a restart, with nothing but the status to go by, the runs are known and have nothing to be put there.
	in.Previous, in.Observation = &out.Status, Observation{}
	if got := keptText(Project(in).Keep); got != fmt.Sprintf(" runs %s %s", key(3), key(2)) {
		t.Errorf("after a restart kept are %q", got)
	}
}

func TestSecretsAreNamedAsLongAsTheyAre(t *testing.T) {
	in := Input{
		Now: t0, Generation: 1, Spec: secretOutput(run1()), OutputSecrets: []string{"a", "a-1"},
		Observation: Observation{Live: answer(t0, row("i-a", success, printed("x")))},
	}
	out := Project(in)
	if !slices.Equal(out.Status.OutputSecrets, []string{"a", "a-1"}) {
		t.Errorf("the status names %v", out.Status.OutputSecrets)
	}
	in.Previous, in.OutputSecrets, in.Spec = &out.Status, []string{"a", "a-1", "a-2"}, run1()
	if got := Project(in).Status.OutputSecrets; !slices.Equal(got, []string{"a", "a-1", "a-2"}) {
		t.Errorf("then it names %v", got)
	}
}

func TestASecretWantedInVainIsTold(t *testing.T) {
	s := tell(t, secretOutput(run1()))
	s.settings.MaxOutputPolicy = v1alpha1.OutputTail
	s.answers(0, row("i-a", running))
	s.wantEvents("")
	s.answers(0, row("i-a", success, printed("x")))
	s.wantEvents("Normal/Succeeded Warning/OutputNotKept")
	s.answers(0, row("i-a", success, printed("x")))
	s.wantEvents("")
}

// Two places that read alike in a Secret: the first is kept.
func TestAKeyIsUsedOnce(t *testing.T) {
	in := Input{Now: t0, Generation: 1, Spec: secretOutput(run1()), Observation: Observation{
		Live: answer(t0, row("i-a/", success, printed("1")), row("i-a:", success, printed("2"))),
	}}
	if got := keptText(Project(in).Keep); got != "i-a_=1 runs " {
		t.Errorf("kept are %q", got)
	}
}
