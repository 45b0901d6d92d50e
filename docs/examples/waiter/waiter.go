// Package waiter is an example of a controller that goes on once a command has succeeded on its instances. Here the
// next step is for a ConfigMap: one that names an InvocationResult in the annotation WaitsFor is told the outcome in
// the annotation Outcome.
package waiter

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

const (
	// WaitsFor names an InvocationResult of the same namespace.
	WaitsFor = "example.com/waits-for"
	// Outcome is Succeeded or Failed, once the command has ended.
	Outcome = "example.com/outcome"
)

// Reconciler waits for InvocationResults on behalf of ConfigMaps.
type Reconciler struct {
	Client client.Client
}

// SetupWithManager registers the reconciler. The manager's scheme needs v1alpha1.AddToScheme.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		For(&corev1.ConfigMap{}).
		Watches(&v1alpha1.InvocationResult{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		Complete(r)
}

// waiting are the ConfigMaps that wait for a result: nobody polls.
func (r *Reconciler) waiting(ctx context.Context, result client.Object) []reconcile.Request {
	var all corev1.ConfigMapList
	if err := r.Client.List(ctx, &all, client.InNamespace(result.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot list who waits", "result", result.GetName())
		return nil
	}
	var requests []reconcile.Request
	for _, one := range all.Items {
		if one.Annotations[WaitsFor] == result.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&one)})
		}
	}
	return requests
}

// Reconcile tells a ConfigMap how the command that it waits for has ended. Until then there is nothing to do: the
// result's next change brings it back.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var one corev1.ConfigMap
	if err := r.Client.Get(ctx, request.NamespacedName, &one); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	name := one.Annotations[WaitsFor]
	if name == "" || one.Annotations[Outcome] != "" {
		return ctrl.Result{}, nil
	}
	var result v1alpha1.InvocationResult
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: one.Namespace, Name: name}, &result); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	outcome := outcomeOf(&result)
	if outcome == "" {
		return ctrl.Result{}, nil
	}
	before := one.DeepCopy()
	one.Annotations[Outcome] = outcome
	if err := r.Client.Patch(ctx, &one, client.MergeFrom(before)); err != nil {
		return ctrl.Result{}, fmt.Errorf("cannot tell the outcome: %w", err)
	}
	return ctrl.Result{}, nil
}

// outcomeOf is how the command ended; empty while it has not. Completed comes first: it is True on every end, also
// where how the command ended cannot be learnt.
func outcomeOf(result *v1alpha1.InvocationResult) string {
	is := func(condition string, status metav1.ConditionStatus) bool {
		found := meta.FindStatusCondition(result.Status.Conditions, condition)
		return found != nil && found.Status == status && found.ObservedGeneration == result.Generation
	}
	switch {
	case !is(v1alpha1.ConditionCompleted, metav1.ConditionTrue):
		return ""
	case is(v1alpha1.ConditionSucceeded, metav1.ConditionTrue):
		return "Succeeded"
	}
	return "Failed"
}
