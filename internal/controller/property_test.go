package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

const (
	// pollEvery is how often the model's objects ask, and endWithin how soon after its last row a run must be said to have
	// ended: a look, a second one where the run is young, and a little. It is less than progressInterval.
	pollEvery = time.Second
	endWithin = 8 * time.Second
	// callTakes is how long a call takes.
	callTakes = 100 * time.Millisecond
)

// subject is a run as an identity sees it.
type subject struct {
	identity cloudassistant.Identity
	invokeID string
}

// instance names an instance so that it tells who may see it.
func (s subject) instance(n int) string {
	return fmt.Sprintf("i-%d-%s", n, strings.ReplaceAll(s.identity.Secret+"-"+s.invokeID, "/", "-"))
}

// modelRun is what the API says about a subject.
type modelRun struct {
	rows      []cloudassistant.Record
	forgotten bool
	failing   bool
	// quiet is since when nothing has kept its end, if it has ended, from being seen.
	quiet    time.Time
	underWay int
}

// disturbed says that whoever watches it may have to begin anew.
func (r *modelRun) disturbed() {
	if now := time.Now(); now.After(r.quiet) {
		r.quiet = now
	}
}

func (r *modelRun) ended() bool {
	return !slices.ContainsFunc(r.rows, func(row cloudassistant.Record) bool { return !row.InvocationStatus.Terminal() })
}

// model is an operator, put together from the reconciler and the engine as they are, between a cloud and an API server
// that are made up. It implements cloudassistant.Sessions, and all but the cloud runs on one goroutine.
type model struct {
	client     client.Client
	reconciler *InvocationResultReconciler
	stop       func()

	mu      sync.Mutex
	due     map[types.NamespacedName]time.Time
	wake    chan struct{}
	cloud   map[subject]*modelRun
	written map[types.NamespacedName]time.Time
	// forced are the calls since a finished object was asked to look again, which nobody else wants.
	forced map[types.NamespacedName]*int
	faults []string
}

type silence struct{}

func (silence) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

func newModel() *model {
	m := &model{
		due: map[types.NamespacedName]time.Time{}, wake: make(chan struct{}, 1), cloud: map[subject]*modelRun{},
		written: map[types.NamespacedName]time.Time{}, forced: map[types.NamespacedName]*int{},
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	m.client = interceptor.NewClient(
		fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.InvocationResult{}).Build(),
		interceptor.Funcs{SubResourcePatch: m.patched},
	)
	m.start()
	return m
}

func (m *model) start() {
	ctx, cancel := context.WithCancel(context.Background())
	engine := poller.New(m, poller.Options{
		Clock: clock.RealClock{}, QPS: 1000, Burst: 1000, Jitter: func() float64 { return 0.5 },
		Notify: func(owner poller.Owner) {
			namespace, name, _ := strings.Cut(string(owner), "/")
			m.look(types.NamespacedName{Namespace: namespace, Name: name}, time.Now())
		},
	})
	m.reconciler = &InvocationResultReconciler{Client: trimming{m.client}, Reader: m.client, Engine: engine, Recorder: silence{}, Clock: clock.RealClock{}}
	ended := make(chan error, 1)
	go func() { ended <- engine.Start(ctx) }()
	m.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			panic(err)
		}
	}
	for _, result := range m.results() {
		m.look(client.ObjectKeyFromObject(&result), time.Now())
	}
}

// look has an object reconciled at that time, or earlier.
func (m *model) look(name types.NamespacedName, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, planned := m.due[name]; !planned || at.Before(before) {
		m.due[name] = at
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// next takes the object that is due first out of the plan, if it is due now; else it says when the next one is.
func (m *model) next(until time.Time) (name types.NamespacedName, at time.Time, isDue bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at = until
	for other, due := range m.due {
		if due.Before(at) || due.Equal(at) && (name.Name == "" || other.String() < name.String()) {
			name, at = other, due
		}
	}
	if name.Name == "" || at.After(time.Now()) {
		return types.NamespacedName{}, at, false
	}
	delete(m.due, name)
	return name, at, true
}

// pass lets time pass, and the operator do what is due.
func (m *model) pass(t *rapid.T, d time.Duration) {
	until := time.Now().Add(d)
	for {
		synctest.Wait()
		name, at, isDue := m.next(until)
		switch {
		case isDue:
			after, err := m.reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: name})
			if err != nil {
				t.Fatalf("reconciling %s: %v", name, err)
			}
			if after.RequeueAfter > 0 {
				m.look(name, time.Now().Add(after.RequeueAfter))
			}
		case !time.Now().Before(until):
			return
		default:
			select {
			case <-m.wake:
			case <-time.After(time.Until(at)):
			}
		}
	}
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, time.Now().Format("15:04:05.000: ")+fmt.Sprintf(format, args...))
}

func (m *model) results() []v1alpha1.InvocationResult {
	var list v1alpha1.InvocationResultList
	if err := m.client.List(context.Background(), &list); err != nil {
		panic(err)
	}
	return list.Items
}

// subjectOf says whose answer about which run an object may be shown: that of a Secret of its own namespace.
func subjectOf(result *v1alpha1.InvocationResult) subject {
	of := subject{invokeID: result.Spec.InvokeID}
	if credentials := result.Spec.Credentials; credentials != nil {
		of.identity.Secret = result.Namespace + "/" + credentials.SecretRef.Name
	}
	return of
}

// over says that the stored status tells of the command's end, after which it costs no call.
func over(result *v1alpha1.InvocationResult) bool {
	return meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionCompleted)
}

// patched checks every write of a status (invariant 5) and what it holds (invariants 1, 2 and 10).
func (m *model) patched(ctx context.Context, c client.Client, subResource string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	name := client.ObjectKeyFromObject(object)
	var before v1alpha1.InvocationResult
	if err := c.Get(ctx, name, &before); err != nil {
		return err
	}
	if err := c.SubResource(subResource).Patch(ctx, object, patch, options...); err != nil {
		return err
	}
	after := object.(*v1alpha1.InvocationResult)
	m.mu.Lock()
	defer m.mu.Unlock()
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		m.fault("the status of %s is written without a change", name)
	}
	last, isKnown := m.written[name]
	if isKnown && time.Since(last) < progressInterval && equality.Semantic.DeepEqual(gist(&before.Status), gist(&after.Status)) {
		m.fault("progress of %s is written %v after the last write", name, time.Since(last))
	}
	m.written[name] = time.Now()
	of := subjectOf(after)
	seen, outputs := map[string]string{}, map[string]*v1alpha1.OutputStatus{}
	for _, row := range after.Status.Instances {
		seen[row.InstanceID], outputs[row.InstanceID] = row.Status, row.Output
		if row.Output != nil && !cloudassistant.InvocationStatus(row.Status).Terminal() {
			m.fault("%s shows output of a run still going", name)
		}
		if !strings.HasSuffix(row.InstanceID, of.instance(0)[len("i-0"):]) {
			m.fault("%s, of %v, is shown %s", name, of, row.InstanceID)
		}
	}
	for _, row := range before.Status.Instances {
		if status := seen[row.InstanceID]; status == "" || cloudassistant.InvocationStatus(row.Status).Terminal() && status != row.Status {
			m.fault("%s of %s was %s and is %q", row.InstanceID, name, row.Status, status)
		}
		if output := outputs[row.InstanceID]; row.Output != nil && !equality.Semantic.DeepEqual(row.Output, output) {
			m.fault("the output of %s of %s was %+v and is %+v", row.InstanceID, name, row.Output, output)
		}
	}
	return nil
}

// gist is a status without what is mere progress.
func gist(status *v1alpha1.InvocationResultStatus) *v1alpha1.InvocationResultStatus {
	bare := &v1alpha1.InvocationResultStatus{
		ObservedGeneration: status.ObservedGeneration, InvokeID: status.InvokeID, LastHandledReconcileAt: status.LastHandledReconcileAt,
		ExitCode: status.ExitCode, CompletionTime: status.CompletionTime,
	}
	for _, c := range status.Conditions {
		bare.Conditions = append(bare.Conditions, metav1.Condition{Type: c.Type, Status: c.Status, Reason: c.Reason, ObservedGeneration: c.ObservedGeneration})
	}
	return bare
}

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
			run.rows[n].InvocationStatus, run.rows[n].FinishedTime = cloudassistant.StatusSuccess, time.Now()
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
