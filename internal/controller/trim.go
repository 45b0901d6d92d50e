package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// settlesWithin is how long before a result is settled its copy is trimmed already. It covers the wait for the history
// of a run that ended; until it is over the few reconciles that there are read the whole.
const settlesWithin = 2 * time.Minute

// trimmed marks a trimmed copy, as an operation of managedFields. An API server knows Apply and Update only and takes no
// other from anybody, so that it can neither be forged nor be written.
const trimmed metav1.ManagedFieldsOperationType = "Trimmed"

// Trim is the transform of the informers' cache. It drops what nothing here reads. Of a settled result, with which
// nothing is left to do but to delete it one day, it keeps what tells that day: what is in its status was written once
// and is not needed in memory.
func Trim(settings Settings, now clock.PassiveClock) cache.TransformFunc {
	return func(object any) (any, error) {
		result, ok := object.(*v1alpha1.InvocationResult)
		if !ok {
			return object, nil
		}
		if _, ok := settledOf(result); ok {
			return result, nil
		}
		result.ManagedFields = nil
		delete(result.Annotations, corev1.LastAppliedConfigAnnotation)
		if isAsked(result) {
			return result, nil
		}
		for _, at := range []time.Time{now.Now(), now.Now().Add(settlesWithin)} {
			if settles(result, settings, at) {
				return settledCopy(result, at), nil
			}
		}
		return result, nil
	}
}

// settles is projection.Settled. A panic here would end the operator; in the reconcile, where one with the same cause
// comes again, it ends that of one result.
func settles(result *v1alpha1.InvocationResult, settings Settings, at time.Time) (isSettled bool) {
	defer func() {
		if recover() != nil {
			isSettled = false
		}
	}()
	return projection.Settled(result, settings.Projection, at)
}

// settledCopy is what the cache keeps of a result that is settled from then on.
func settledCopy(result *v1alpha1.InvocationResult, from time.Time) *v1alpha1.InvocationResult {
	kept := &v1alpha1.InvocationResult{
		TypeMeta: result.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: result.Namespace, Name: result.Name, UID: result.UID, ResourceVersion: result.ResourceVersion,
			DeletionTimestamp: result.DeletionTimestamp,
			ManagedFields:     []metav1.ManagedFieldsEntry{{Operation: trimmed, Time: &metav1.Time{Time: from}}},
		},
		Spec:   v1alpha1.InvocationResultSpec{TTLSecondsAfterFinished: result.Spec.TTLSecondsAfterFinished},
		Status: v1alpha1.InvocationResultStatus{OutputSecrets: result.Status.OutputSecrets},
	}
	for _, conditionType := range []string{v1alpha1.ConditionCompleted, v1alpha1.ConditionSucceeded, v1alpha1.ConditionStalled} {
		if c := meta.FindStatusCondition(result.Status.Conditions, conditionType); c != nil {
			kept.Status.Conditions = append(kept.Status.Conditions, metav1.Condition{
				Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime,
			})
		}
	}
	return kept
}

// settled is a trimmed copy. It is a type of its own, which nothing takes that projects or writes a status: a status made
// from so little would erase what was recorded.
type settled struct {
	// from is since when it is settled, if nobody changes it.
	from   time.Time
	object *v1alpha1.InvocationResult
}

// settledOf is what the cache gave as a trimmed copy; false if it gave the whole.
func settledOf(cached *v1alpha1.InvocationResult) (settled, bool) {
	fields := cached.ManagedFields
	if len(fields) != 1 || fields[0].Operation != trimmed {
		return settled{}, false
	}
	return settled{from: fields[0].Time.Time, object: cached}, true
}

// rest is the reconcile of a settled result. Where something is left to do after all, it is that of the whole.
func (r *InvocationResultReconciler) rest(ctx context.Context, request ctrl.Request, result settled, memory *memory) (time.Time, error) {
	now := r.Clock.Now()
	expiry := expiresAt(result.object, r.Settings.DefaultTTL)
	switch {
	case !expiry.IsZero() && !now.Before(expiry):
		return time.Time{}, r.delete(ctx, result.object)
	case now.Before(result.from) || memory.holdsMoreThan(result):
		whole, err := r.whole(ctx, result)
		if err != nil {
			return time.Time{}, err
		}
		return r.reconcile(ctx, request, whole, memory)
	}
	r.Engine.Forget(ownerOf(request.NamespacedName))
	memory.settle()
	r.observer().Skipped(SkipUnchanged)
	return expiry, nil
}

// whole reads from the API server what the cache has trimmed. One that is gone, or another one by now, is a conflict.
func (r *InvocationResultReconciler) whole(ctx context.Context, result settled) (*v1alpha1.InvocationResult, error) {
	whole := &v1alpha1.InvocationResult{}
	err := r.Reader.Get(ctx, client.ObjectKeyFromObject(result.object), whole)
	if apierrors.IsNotFound(err) || err == nil && (whole.UID != result.object.UID || !whole.DeletionTimestamp.IsZero()) {
		return nil, apierrors.NewConflict(schema.GroupResource{}, result.object.Name, errors.New("it has been deleted"))
	}
	if err != nil {
		return nil, err
	}
	order, err := resourceversion.CompareResourceVersion(whole.ResourceVersion, result.object.ResourceVersion)
	if err == nil && order < 0 {
		err = fmt.Errorf("the API server gave version %s of a result whose version %s was seen before", whole.ResourceVersion, result.object.ResourceVersion)
	}
	return whole, err
}

// holdsMoreThan says that something is known of a result that its status lacks: an output that is owed, or Secrets that
// were written when the status could not be.
func (m *memory) holdsMoreThan(result settled) bool {
	return m.owed || slices.ContainsFunc(m.secrets, func(secret string) bool {
		return !slices.Contains(result.object.Status.OutputSecrets, secret)
	})
}

// settle forgets what is of no use for a settled result. The names of its Secrets are: somebody may take them out of the
// status.
func (m *memory) settle() {
	*m = memory{uid: m.uid, begun: true, writtenVersion: m.writtenVersion, writtenAt: m.writtenAt, secrets: m.secrets}
}
