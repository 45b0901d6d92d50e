package controller

import (
	"context"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Changes carries the engine's news into the controller's workqueue, which keeps one entry for an object
// however often it changes and never makes the engine wait. It is a controller-runtime source.
type Changes struct {
	queue atomic.Pointer[queue]
}

// Start begins to carry. News before it are dropped: nobody watches before the controller runs.
func (c *Changes) Start(_ context.Context, q queue) error {
	c.queue.Store(&q)
	return nil
}

// Notify is the engine's poller.Options.Notify.
func (c *Changes) Notify(owner poller.Owner) {
	q := c.queue.Load()
	if q == nil {
		return
	}
	namespace, name, err := cache.SplitMetaNamespaceKey(string(owner))
	if err != nil {
		return
	}
	(*q).Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
}

func ownerOf(name types.NamespacedName) poller.Owner {
	return poller.Owner(name.String())
}
