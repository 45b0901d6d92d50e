package controller

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// Session implements cloudassistant.Sessions.
func (m *model) Session(_ context.Context, identity cloudassistant.Identity, _ string) (cloudassistant.Session, error) {
	return &modelSession{model: m, identity: identity}, nil
}

type modelSession struct {
	model    *model
	identity cloudassistant.Identity
}

func (s *modelSession) Account() string { return "of " + s.identity.Secret }

func (s *modelSession) DescribeInvocationResults(ctx context.Context, query cloudassistant.Query, _ cloudassistant.Paging) (*cloudassistant.Page, error) {
	of := subject{s.identity, query.InvokeID}
	run := s.model.called(of)
	if run == nil {
		return &cloudassistant.Page{}, nil
	}
	select {
	case <-time.After(callTakes):
	case <-ctx.Done():
	}
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	run.underWay--
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case run.failing:
		return nil, &cloudassistant.Error{Class: cloudassistant.ClassUnavailable, Code: "ServiceUnavailable", Message: "told to"}
	}
	return run.answer(), nil
}

// called checks that somebody wants to know (invariant 6), and that all who ask the same share the answer (invariant 10).
func (m *model) called(of subject) *modelRun {
	results := m.results()
	m.mu.Lock()
	defer m.mu.Unlock()
	run := m.cloud[of]
	wanted := false
	for _, result := range results {
		if subjectOf(&result) != of {
			continue
		}
		calls := m.forced[client.ObjectKeyFromObject(&result)]
		if calls != nil {
			*calls++
		}
		wanted = wanted || !result.Spec.Suspend && (!over(&result) || calls != nil)
	}
	if run == nil || !wanted {
		m.fault("%v is asked, and nobody wants to know", of)
		return nil
	}
	if run.underWay++; run.underWay > 1 {
		m.fault("%v is asked twice at once", of)
	}
	return run
}

// answer is what the API says, of a run still going each time with more output.
func (r *modelRun) answer() *cloudassistant.Page {
	page := &cloudassistant.Page{}
	if r.forgotten {
		return page
	}
	for _, row := range r.rows {
		row.Output = []byte("done")
		if !row.InvocationStatus.Terminal() {
			row.Output = []byte("until " + time.Now().String())
		}
		page.Records = append(page.Records, row)
	}
	return page
}

func (m *model) create(t *rapid.T) {
	result := &v1alpha1.InvocationResult{ObjectMeta: metav1.ObjectMeta{
		Namespace: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "namespace"), Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"), Generation: 1,
	}}
	result.UID = types.UID(result.Namespace + result.Name + time.Now().String())
	result.Spec = v1alpha1.InvocationResultSpec{
		RegionID: "cn-hangzhou", InvokeID: rapid.SampledFrom([]string{"t-1", "t-2"}).Draw(t, "run"),
		Polling: &v1alpha1.PollingSpec{MinIntervalSeconds: int32(pollEvery / time.Second), MaxIntervalSeconds: int32(pollEvery / time.Second)},
	}
	if rapid.Bool().Draw(t, "secret") {
		result.Spec.Credentials = &v1alpha1.CredentialsSpec{SecretRef: &v1alpha1.SecretReference{Name: "reader"}}
	}
	if m.client.Create(context.Background(), result) != nil {
		return // it exists
	}
	of := subjectOf(result)
	m.mu.Lock()
	if m.cloud[of] == nil {
		m.cloud[of] = &modelRun{}
		for n := range rapid.IntRange(1, 3).Draw(t, "instances") {
			m.cloud[of].rows = append(m.cloud[of].rows, cloudassistant.Record{
				InvokeID: of.invokeID, InstanceID: of.instance(n), InvocationStatus: cloudassistant.StatusPending, StartTime: time.Now(),
			})
		}
	}
	m.cloud[of].disturbed()
	m.mu.Unlock()
	m.look(client.ObjectKeyFromObject(result), time.Now())
}

// any is one of the objects; nil if there are none.
func (m *model) any(t *rapid.T) *v1alpha1.InvocationResult {
	all := m.results()
	if len(all) == 0 {
		return nil
	}
	return &all[rapid.IntRange(0, len(all)-1).Draw(t, "object")]
}

func (m *model) remove(t *rapid.T) {
	result := m.any(t)
	if result == nil {
		return
	}
	name := client.ObjectKeyFromObject(result)
	if err := m.client.Delete(context.Background(), result); err != nil {
		t.Fatal(err)
	}
	delete(m.written, name)
	delete(m.forced, name)
	m.look(name, time.Now())
	m.pass(t, 0)
}

func (m *model) suspend(t *rapid.T) {
	result := m.any(t)
	if result == nil {
		return
	}
	result.Spec.Suspend = !result.Spec.Suspend
	result.Generation++
	if err := m.client.Update(context.Background(), result); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	m.cloud[subjectOf(result)].disturbed()
	m.mu.Unlock()
	m.look(client.ObjectKeyFromObject(result), time.Now())
	m.pass(t, 0)
}

// change lets something happen in the cloud. The lock orders it with the calls.
func (m *model) change(t *rapid.T) {
	result := m.any(t)
	if result == nil {
		return
	}
	run := m.cloud[subjectOf(result)]
	what := rapid.SampledFrom([]string{"row", "row", "row", "end", "forget", "fail", "heal"}).Draw(t, "what")
	n := rapid.IntRange(0, len(run.rows)-1).Draw(t, "row")
	m.mu.Lock()
	defer m.mu.Unlock()
	run.disturbed()
	switch what {
	case "row":
		run.rows[n].InvocationStatus = map[cloudassistant.InvocationStatus]cloudassistant.InvocationStatus{
			cloudassistant.StatusPending: cloudassistant.StatusRunning, cloudassistant.StatusRunning: cloudassistant.StatusStopping,
			cloudassistant.StatusStopping: cloudassistant.StatusRunning,
		}[run.rows[n].InvocationStatus]
		if run.rows[n].InvocationStatus == "" {
			run.rows[n].InvocationStatus = cloudassistant.StatusSuccess
		}
	case "end":
		for n := range run.rows {
			if !run.rows[n].InvocationStatus.Terminal() {
				run.rows[n].InvocationStatus, run.rows[n].FinishedTime = cloudassistant.StatusSuccess, time.Now()
			}
		}
	case "forget", "fail":
		run.forgotten, run.failing = what == "forget", what == "fail"
	case "heal":
		// An engine that met failures asks again within its longest interval for them.
		run.forgotten, run.failing, run.quiet = false, false, time.Now().Add(10*time.Minute)
	}
}

// force asks an object that is over to look again: one call, whatever comes of it (invariant 6).
func (m *model) force(t *rapid.T) {
	result := m.any(t)
	if result == nil || !over(result) || result.Spec.Suspend {
		return
	}
	of, name := subjectOf(result), client.ObjectKeyFromObject(result)
	for _, other := range m.results() {
		if subjectOf(&other) == of && other.UID != result.UID && !over(&other) {
			return // its calls could not be told from theirs
		}
	}
	m.pass(t, 2*pollEvery)
	request := time.Now().String()
	metav1.SetMetaDataAnnotation(&result.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, request)
	if err := m.client.Patch(context.Background(), &v1alpha1.InvocationResult{ObjectMeta: metav1.ObjectMeta{Namespace: result.Namespace, Name: result.Name}},
		client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationReconcileRequestedAt, request))); err != nil {
		t.Fatal(err)
	}
	calls := new(int)
	m.mu.Lock()
	m.forced[name] = calls
	m.mu.Unlock()
	m.look(name, time.Now())
	m.pass(t, 5*pollEvery)
	m.mu.Lock()
	delete(m.forced, name)
	m.mu.Unlock()
	var after v1alpha1.InvocationResult
	if err := m.client.Get(context.Background(), name, &after); err != nil {
		t.Fatal(err)
	}
	if *calls != 1 || after.Status.LastHandledReconcileAt != request || !over(&after) {
		t.Fatalf("the request to look again cost %d calls; the status of %s is %+v", *calls, name, after.Status)
	}
}

func (m *model) restart(t *rapid.T) {
	m.stop()
	m.mu.Lock()
	// What is remembered of writes is lost, too.
	m.written, m.due = map[types.NamespacedName]time.Time{}, map[types.NamespacedName]time.Time{}
	for _, run := range m.cloud {
		run.disturbed()
	}
	m.mu.Unlock()
	m.start()
	m.pass(t, 0)
}

// check is what must hold whenever nothing goes on: nobody waits for an end that is there to be seen.
func (m *model) check(t *rapid.T) {
	for _, result := range m.results() {
		run := m.cloud[subjectOf(&result)]
		isPlain := run.ended() && !run.failing && !run.forgotten && !result.Spec.Suspend
		if waited := time.Since(run.quiet); isPlain && waited > endWithin && !over(&result) {
			m.fault("the run of %s ended %v ago: %+v", result.Name, waited, result.Status.Conditions)
		}
	}
	if len(m.faults) > 0 {
		t.Fatalf("%s", m.faults[0])
	}
}

// Objects come and go, are suspended and asked to look again, runs go on, end, are forgotten and cannot be asked for, and
// the operator restarts. All the while
//   - no status is written without a change, none of mere progress within ten seconds, and an end at once,
//   - no output of a run still going is shown, and no row that ended changes or goes,
//   - what is over costs no call, across restarts too, and one if somebody asks for it,
//   - who asks the same shares the answer, and nobody is shown that of another identity.
func TestTheOperatorKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newModel()
			defer func() { m.stop() }()
			t.Repeat(map[string]func(*rapid.T){
				"create":  m.create,
				"remove":  m.remove,
				"suspend": m.suspend,
				"change":  m.change,
				"progress": func(t *rapid.T) {
					for range 4 {
						m.change(t)
						m.pass(t, 2*pollEvery)
					}
				},
				"force":   m.force,
				"restart": m.restart,
				"pass": func(t *rapid.T) {
					m.pass(t, time.Duration(rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "passes")))
				},
				"": m.check,
			})
		})
	})
}
