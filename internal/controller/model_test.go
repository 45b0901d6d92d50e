package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
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
		Notify: func(owner poller.Owner, _ bool) {
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
	if verdict := judge(after); misjudged(after, verdict) {
		m.fault("%s is judged %q: %+v", name, verdict, after.Status.Conditions)
	}
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

// misjudged says that a verdict lets somebody wait after the end, or go on before it.
func misjudged(result *v1alpha1.InvocationResult, verdict kstatus.Status) bool {
	ready := meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionReady)
	held := meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionSuspended)
	return verdict == "" || verdict == kstatus.InProgressStatus && over(result) && !held || verdict == kstatus.CurrentStatus && !ready
}

// judge is what kstatus says of a result; empty if it cannot tell.
func judge(result *v1alpha1.InvocationResult) kstatus.Status {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(result)
	if err != nil {
		return ""
	}
	judged, err := kstatus.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		return ""
	}
	return judged.Status
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
