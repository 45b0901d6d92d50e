package projection

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

func TestThePreviousStatusIsNotChanged(t *testing.T) {
	s := tell(t, withHistory())
	first := answer(t0, row("i-a", success, printed("hello"), func(r *cloudassistant.Record) {
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: "InProgress"}
	}), row("i-b", running))
	s.at(0, Observation{Live: first, History: answer(t0, earlier("i-a", 1))})
	before := s.status.DeepCopy()
	second := answer(t0.Add(time.Minute), row("i-a", success, printed("hello"), func(r *cloudassistant.Record) {
		r.OSSOutput = cloudassistant.OSSOutput{Delivery: "oss://b", Status: "Finished"}
	}), row("i-b", failed))
	previous := s.status
	s.at(time.Minute, Observation{Live: second, History: answer(t0, earlier("i-a", 2))})
	if !Equal(before, previous) {
		t.Error("projecting changed the previous status")
	}
}

// The order of the rows in an answer is the API's own business.
func TestTheOrderOfRowsDoesNotMatter(t *testing.T) {
	rows := append(append(many("a", 30, success, 50), many("b", 10, failed, 50)...), many("c", 10, running, 0)...)
	project := func() Output {
		return Project(Input{Now: t0, Generation: 1, Spec: run1(), Observation: Observation{Live: answer(t0, rows...)}})
	}
	want := project()
	shuffled := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffled.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if got := project(); !Equal(&want.Status, &got.Status) {
			t.Fatal("the status depends on the order of the rows")
		}
	}
}

// A run on 100 instances, each of which printed all that the service keeps.
func BenchmarkProject(b *testing.B) {
	rows := many("", 100, success, 24<<10)
	for i := range rows {
		rows[i].Output[i] = '\n'
		rows[i].ErrorInfo = fmt.Sprintf("row %d", i)
	}
	for name, limit := range map[string]int32{"LastKilobyte": 1024, "AsMuchAsFits": 24576} {
		spec := run1()
		spec.Output = &v1alpha1.OutputSpec{MaxBytes: limit}
		in := Input{Now: t0, Generation: 1, Spec: spec, Observation: Observation{Live: answer(t0, rows...)}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Project(in)
			}
		})
		b.Run(name+"/Unchanged", func(b *testing.B) {
			again := in
			again.Previous = new(Project(in).Status)
			b.ReportAllocs()
			for b.Loop() {
				Project(again)
			}
		})
	}
}
