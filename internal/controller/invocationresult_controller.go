// Package controller reconciles InvocationResults: it declares to the observation engine what a resource
// wants to know, projects the newest snapshot into the status, and writes it if it differs. It never waits for
// the cloud.
package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// +kubebuilder:rbac:groups=ecs.k8s.alibabacloud,resources=invocationresults,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=ecs.k8s.alibabacloud,resources=invocationresults/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// progressInterval is the least time between two writes of one object that tell of mere progress, or of a trouble that
// comes and goes. An end is written at once.
const progressInterval = 10 * time.Second

const maxConcurrentReconciles = 8

// cacheLag is after what time an object is looked at again whose newest version the cache has yet to show, should the news of that
// not bring it back before.
const cacheLag = time.Second

// Engine is what the reconciler needs of the observation engine, poller.Poller.
type Engine interface {
	Watch(owner poller.Owner, watch poller.Watch) poller.Snapshot
	Forget(owner poller.Owner)
}

// Outputs is what the reconciler needs of outputs.Keeper.
type Outputs interface {
	Keep(ctx context.Context, owner *v1alpha1.InvocationResult, keep projection.Keep) (secrets []string, err error)
}

// Settings are the operator's choices for all resources.
type Settings struct {
	Projection projection.Settings
	// DefaultTTL deletes completed resources that name no time to live; 0 keeps them.
	DefaultTTL time.Duration
	// DefaultCredentialsNamespaces may use the operator's own credentials; nil means all may.
	DefaultCredentialsNamespaces []string
}

// InvocationResultReconciler keeps the status of InvocationResults.
type InvocationResultReconciler struct {
	// Client reads from the cache, which Trim has trimmed, and Reader from the API server itself.
	Client   client.Client
	Reader   client.Reader
	Engine   Engine
	Outputs  Outputs
	Recorder events.EventRecorder
	Clock    clock.WithTicker
	Settings Settings
	// Observer is told what is done; nil tells nobody.
	Observer Observer

	memories memories
}

// SetupWithManager registers the reconciler, to run for every change of a resource and for the engine's news.
func (r *InvocationResultReconciler) SetupWithManager(manager ctrl.Manager, changes *Changes) error {
	options := controller.Options{MaxConcurrentReconciles: maxConcurrentReconciles, EnableWarmup: ptr.To(true)}
	if r.Clock != clock.WithTicker(clock.RealClock{}) {
		options.NewQueue = r.queueByClock
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("invocationresult").
		For(&v1alpha1.InvocationResult{}).
		WatchesRawSource(changes).
		WithOptions(options).
		Complete(r)
}

// queueByClock makes a workqueue whose delays pass on the reconciler's clock. The default one, which starts with what
// changes before what is merely there, knows the real time only.
func (r *InvocationResultReconciler) queueByClock(name string, limiter workqueue.TypedRateLimiter[ctrl.Request]) workqueue.TypedRateLimitingInterface[ctrl.Request] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[ctrl.Request]{Name: name, Clock: r.Clock})
}

// Reconcile observes one resource. Where the cache is behind the API server it stops: the newer version is on its
// way, and will be reconciled when it arrives. So it does when the operator stops: the next one starts from what
// was written.
func (r *InvocationResultReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	result := &v1alpha1.InvocationResult{}
	err := r.Client.Get(ctx, request.NamespacedName, result)
	if apierrors.IsNotFound(err) || err == nil && !result.DeletionTimestamp.IsZero() {
		r.forget(request)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}

	memory := r.memories.of(request.NamespacedName, result.UID)
	if memory.ahead(result) {
		// What the cache has yet to see brings it back, and by this with the priority that it has.
		return ctrl.Result{RequeueAfter: cacheLag}, nil
	}
	var wait time.Time
	if settled, ok := settledOf(result); ok {
		wait, err = r.rest(ctx, request, settled, memory)
	} else {
		wait, err = r.reconcile(ctx, request, result, memory)
	}
	switch {
	case stopping(ctx):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		// The object has changed since it was read, which the cache has yet to see, too.
		return ctrl.Result{RequeueAfter: cacheLag}, nil
	case err != nil || wait.IsZero():
		return ctrl.Result{}, err
	}
	left := wait.Sub(r.Clock.Now())
	if left <= 0 {
		// A wait of nothing would mean none at all.
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	// What time alone gives reason for is not urgent, even if what came before was.
	return ctrl.Result{RequeueAfter: left, Priority: ptr.To(0)}, nil
}

// stopping says that the operator is, which is no failure of what it was at.
func stopping(ctx context.Context) bool { return ctx.Err() != nil }

// reconcile returns when time alone gives reason to come back; zero for never.
func (r *InvocationResultReconciler) reconcile(ctx context.Context, request ctrl.Request, result *v1alpha1.InvocationResult, memory *memory) (time.Time, error) {
	now := r.Clock.Now()
	if expiry := expiresAt(result, r.Settings.DefaultTTL); !expiry.IsZero() && !now.Before(expiry) {
		return time.Time{}, r.delete(ctx, result)
	}

	memory.noteForced(result, now)
	if !memory.begun {
		memory.begun = true
		memory.owed = projection.OwesOutput(&result.Spec, &result.Status, r.Settings.Projection, now)
	}
	seen := r.observe(request, result, memory, now)
	output, keepErr := r.judge(ctx, result, seen, now, memory)
	unanswered := memory.forced != "" && askedAt(seen).Before(memory.forcedAt)
	if memory.forced != "" && !unanswered {
		output.Status.LastHandledReconcileAt = memory.forced
		if output.Finished && failedSince(seen, memory.forcedAt) {
			// The status of what has ended shows no failure, and whoever asked would look for it in vain.
			output.Events = append(output.Events, projection.AskedInVain(seen.Failure.Err))
		}
	}

	wait := output.Requeue
	finished := output.Finished && !unanswered && !memory.owed
	switch {
	case projection.Equal(&result.Status, &output.Status):
		r.observer().Skipped(SkipUnchanged)
	case memory.paces(result, output, now):
		r.observer().Skipped(SkipPaced)
		wait = earliest(wait, memory.mayWriteAt())
		// What is to be written then has to be known then.
		finished = false
	default:
		if err := r.write(ctx, result, output, memory); err != nil {
			return time.Time{}, err
		}
		memory.writtenAt = now
	}

	memory.demand = demand{answerFrom: output.AnswerFrom, leastInterval: output.LeastInterval}
	if !output.Finished {
		memory.demand.judged = answeredAt(seen)
	}
	if memory.owed && output.Finished {
		memory.demand.leastInterval = projection.SlowInterval
	}
	newest := r.declare(request, result, memory, seen, finished)
	if keepErr != nil {
		return time.Time{}, keepErr
	}
	if differ(newest, seen) {
		// What came in between may be what was demanded only now, and would be announced to nobody.
		return now, nil
	}
	return earliest(wait, expiresAt(result, r.Settings.DefaultTTL)), nil
}

// judge projects what was seen and, where a status is to be written or somebody asks, puts the outputs into Secrets that
// belong there. The error is why they could not be, yet; the projection holds all the same.
func (r *InvocationResultReconciler) judge(ctx context.Context, result *v1alpha1.InvocationResult, seen poller.Snapshot, now time.Time, memory *memory) (projection.Output, error) {
	output := r.project(result, seen, now, memory.secrets)
	if memory.paces(result, output, now) && !memory.owed && memory.forced == "" {
		return output, nil
	}
	before := memory.secrets
	secrets, err := r.keep(ctx, result, output.Keep, memory)
	// With an answer at hand that has none to be kept, nothing is owed any more.
	memory.owed = memory.owed && (err != nil || seen.Live == nil)
	if slices.Equal(secrets, before) {
		return output, err
	}
	return r.project(result, seen, now, secrets), err
}

// project is the projection of what was seen, with the Secrets that hold outputs already.
func (r *InvocationResultReconciler) project(result *v1alpha1.InvocationResult, seen poller.Snapshot, now time.Time, secrets []string) projection.Output {
	return projection.Project(projection.Input{
		Now:           now,
		Generation:    result.Generation,
		Spec:          &result.Spec,
		Previous:      &result.Status,
		Observation:   observationOf(seen),
		OutputSecrets: secrets,
		Settings:      r.Settings.Projection,
	})
}

// observe declares what result wants to know and returns the newest that is known. Nothing is asked, and nothing
// known, while it is suspended or once it is finished.
func (r *InvocationResultReconciler) observe(request ctrl.Request, result *v1alpha1.InvocationResult, memory *memory, now time.Time) poller.Snapshot {
	if result.Spec.Suspend || memory.forced == "" && !memory.owed && projection.Finished(&result.Spec, &result.Status, now) {
		r.Engine.Forget(ownerOf(request.NamespacedName))
		return poller.Snapshot{}
	}
	if refusal := r.refuse(result); refusal != nil {
		r.Engine.Forget(ownerOf(request.NamespacedName))
		return poller.Snapshot{Failure: &poller.Failure{Err: refusal, Since: now, Began: now, At: now}}
	}
	return r.Engine.Watch(ownerOf(request.NamespacedName), watchOf(result, memory.wants()))
}

// declare tells the engine what the projection of seen wants next, or that nothing is wanted any more, and returns
// what is known by then.
func (r *InvocationResultReconciler) declare(request ctrl.Request, result *v1alpha1.InvocationResult, memory *memory, seen poller.Snapshot, finished bool) poller.Snapshot {
	switch {
	case result.Spec.Suspend || r.refuse(result) != nil:
		return seen
	case finished:
		r.Engine.Forget(ownerOf(request.NamespacedName))
		return seen
	}
	return r.Engine.Watch(ownerOf(request.NamespacedName), watchOf(result, memory.wants()))
}

// refuse says why result may not be observed with the credentials it asks for; nil if it may.
func (r *InvocationResultReconciler) refuse(result *v1alpha1.InvocationResult) *cloudassistant.Error {
	allowed := r.Settings.DefaultCredentialsNamespaces
	if identityOf(result).Secret != "" || allowed == nil || slices.Contains(allowed, result.Namespace) {
		return nil
	}
	return &cloudassistant.Error{
		Class:   cloudassistant.ClassDenied,
		Code:    "Client.DefaultCredentialsForbidden",
		Message: fmt.Sprintf("namespace %s may not use the operator's own credentials: set spec.credentials.secretRef to a Secret of this namespace", result.Namespace),
	}
}

// write patches the status, then tells of the transitions.
func (r *InvocationResultReconciler) write(ctx context.Context, result *v1alpha1.InvocationResult, output projection.Output, memory *memory) error {
	before := result.DeepCopy()
	result.Status = output.Status
	err := r.Client.Status().Patch(ctx, result, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	memory.writtenVersion = result.ResourceVersion
	if projection.Wavers(&before.Status, &output.Status) {
		memory.waveredAt = r.Clock.Now()
	}
	write := tell(&before.Status, &output.Status, output.Events, r.Clock.Now())
	write.RegionID, write.InvokeID = result.Spec.RegionID, output.Status.InvokeID
	r.observer().Wrote(result.Namespace, write)
	for _, event := range output.Events {
		r.Recorder.Eventf(result, nil, event.Type, event.Reason, "Observe", "%s", event.Note)
	}
	return nil
}

func (r *InvocationResultReconciler) delete(ctx context.Context, result *v1alpha1.InvocationResult) error {
	// Only what was judged: not one made anew under the name, nor one whose time to live was just changed.
	err := r.Client.Delete(ctx, result, client.Preconditions{UID: &result.UID, ResourceVersion: &result.ResourceVersion})
	if err == nil {
		r.observer().Deleted()
	}
	return client.IgnoreNotFound(err)
}

func (r *InvocationResultReconciler) forget(request ctrl.Request) {
	r.Engine.Forget(ownerOf(request.NamespacedName))
	r.memories.forget(request.NamespacedName)
}

// earliest is the earlier of two times, of which zero ones do not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
