package projection

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	return strings.Join(parts, " ")
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
	want := "i-d=first i-a=\xff\x00 i-b.web_app=b i-c.ab_12=whole"
	if got := keptText(Project(in).Keep); got != want {
		t.Errorf("kept are %q, want %q", got, want)
	}
	in.Settings.MaxOutputPolicy = v1alpha1.OutputTail
	if got := keptText(Project(in).Keep); got != "" {
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
	if got, want := keptText(out.Keep), fmt.Sprintf("%s=three %s=two", key(3), key(2)); got != want || out.Keep.RunsPerPlace != 2 {
		t.Errorf("kept are %q of %d runs, want %q", got, out.Keep.RunsPerPlace, want)
	}
	place, began, isRun := ParseRun(key(3))
	if place != "i-a" || began != earlier("i-a", 3).StartTime.Unix() || !isRun {
		t.Errorf("the key of a run reads as %s, %d, %v", place, began, isRun)
	}
	for _, other := range []string{"i-a", "run-x.i-a", "i-a.run-1"} {
		if _, _, isRun := ParseRun(other); isRun {
			t.Errorf("%s reads as the key of a run", other)
		}
	}
	// At the end of the schedule the live row is the last run, and the earlier ones are those of the status.
	last := run(3, "three")
	in.Observation.Live = answer(t0, last)
	ended := Project(in)
	if got, want := keptText(ended.Keep), fmt.Sprintf("i-a=three %s=two %s=one", key(2), key(1)); got != want || len(ended.Status.History) != 2 {
		t.Errorf("at the end kept are %q, want %q as the status has: %v", got, want, ended.Status.History)
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
	s.wantEvents("Normal/Running")
	s.answers(0, row("i-a", success, printed("x")))
	s.wantEvents("Normal/Succeeded Warning/OutputNotKept")
	s.answers(0, row("i-a", success, printed("x")))
	s.wantEvents("")
}

// Places that read alike in a Secret, or are too long for one, have keys all the same.
func TestEveryOutputHasAKeyOfItsOwn(t *testing.T) {
	long := "i-" + strings.Repeat("x", 250)
	in := Input{Now: t0, Generation: 1, Spec: secretOutput(run1()), Observation: Observation{
		Live: answer(t0, row("i-a/", success, printed("1")), row("i-a:", success, printed("2")), row(long, success, printed("3"))),
	}}
	outputs := Project(in).Keep.Outputs
	keys := map[string]bool{}
	for _, o := range outputs {
		keys[o.Key] = true
		if len(o.Key) > maxKey || !keyPattern.MatchString(o.Key) {
			t.Errorf("%q is no key", o.Key)
		}
	}
	if len(outputs) != 3 || len(keys) != 3 || !keys["i-a_"] {
		t.Errorf("the keys are %v", keys)
	}
}

var keyPattern = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)

// What the status has shown already stays when a Secret is asked for later, until one holds it.
func TestAskingForASecretLater(t *testing.T) {
	s := tell(t, run1())
	s.answers(0, row("i-a", success, printed("precious")))
	text := func() string { return s.status.Instances[0].Output.Text }
	secretOutput(s.spec)
	s.at(0, Observation{})
	if text() != "precious" {
		t.Errorf("the only copy is now %q", text())
	}
	s.settings.MaxOutputPolicy = v1alpha1.OutputTail
	s.at(0, Observation{})
	if text() != "precious" {
		t.Errorf("where no Secret is allowed the only copy is %q", text())
	}
	s.generation++
	s.answers(0, row("i-a", success, printed("precious")))
	if text() != "precious" {
		t.Errorf("asked again where no Secret is allowed, the only copy is %q", text())
	}
	s.wantEvents("Warning/OutputNotKept")
	s.answers(0, row("i-a", success, printed("precious")))
	s.wantEvents("")
	s.settings.MaxOutputPolicy = ""
	s.answers(0, row("i-a", success, printed("precious")))
	if text() != "precious" || len(s.out.Keep.Outputs) != 1 {
		t.Errorf("before a Secret holds it the status shows %q, to be kept are %d", text(), len(s.out.Keep.Outputs))
	}
	s.status.OutputSecrets = []string{"result-output"}
	s.answers(0, row("i-a", success, printed("precious")))
	if text() != "" || len(s.out.Keep.Outputs) != 1 {
		t.Errorf("with a Secret that holds it the status shows %q, kept are %d", text(), len(s.out.Keep.Outputs))
	}
	s.settings.MaxOutputPolicy = v1alpha1.OutputNone
	s.at(0, Observation{})
	if text() != "" {
		t.Errorf("where none is allowed the status shows %q", text())
	}
}

// What is owed to a Secret can be told from the stored status, for an hour.
func TestOwesOutput(t *testing.T) {
	for name, test := range map[string]struct {
		edit  func(*story)
		after time.Duration
		want  bool
	}{
		"no Secret is named": {want: true},
		"a Secret is named":  {edit: func(s *story) { s.status.OutputSecrets = []string{"result-output"} }},
		"a Secret is named of a schedule": {want: true, edit: func(s *story) {
			s.status.OutputSecrets, s.status.Instances[0].Repeats = []string{"result-output"}, 2
		}},
		"a Secret is named of several instances": {want: true, edit: func(s *story) {
			s.status.OutputSecrets = []string{"result-output"}
			s.status.Instances = append(s.status.Instances, s.status.Instances[0])
		}},
		"another policy":         {edit: func(s *story) { s.spec.Output = nil }},
		"no Secrets are allowed": {edit: func(s *story) { s.settings.MaxOutputPolicy = v1alpha1.OutputTail }},
		"long ago":               {after: 2 * time.Hour},
		"nothing was printed":    {edit: func(s *story) { s.status.Instances[0].Output = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t, secretOutput(run1()))
			s.answers(0, row("i-a", success, printed("precious")))
			if test.edit != nil {
				test.edit(s)
			}
			if got := OwesOutput(s.spec, s.status, s.settings, t0.Add(test.after)); got != test.want {
				t.Errorf("owes output: %v, want %v", got, test.want)
			}
		})
	}
}
