package controller

import (
	"context"
	"fmt"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// endPriority is above that of everything else, which is 0 at most.
const endPriority = 1

type queue = priorityqueue.PriorityQueue[reconcile.Request]

// Changes carries the engine's news into the controller's workqueue, which keeps one entry for an object
// however often it changes and never makes the engine wait. It is a controller-runtime source.
type Changes struct {
	queue atomic.Pointer[queue]
}

// Start begins to carry. News before it are dropped: nobody watches before the controller runs. It fails for a queue without
// priorities, which a controller does not have.
func (c *Changes) Start(_ context.Context, plain workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	q, ok := plain.(queue)
	if !ok {
		return fmt.Errorf("the workqueue is a %T, which has no priorities", plain)
	}
	c.queue.Store(&q)
	return nil
}

// Notify is the engine's poller.Options.Notify. Ends overtake all else: what waits for a status waits for them, and a survey
// may have told of the progress of thousands of others just before.
func (c *Changes) Notify(owner poller.Owner, ended bool) {
	q := c.queue.Load()
	if q == nil {
		return
	}
	namespace, name, err := cache.SplitMetaNamespaceKey(string(owner))
	if err != nil {
		return
	}
	priority := 0
	if ended {
		priority = endPriority
	}
	(*q).AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, reconcile.Request{
		NamespacedName: types.NamespacedName{Namespace: namespace, Name: name},
	})
}

func ownerOf(name types.NamespacedName) poller.Owner {
	return poller.Owner(name.String())
}
