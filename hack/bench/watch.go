package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	toolswatch "k8s.io/client-go/tools/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// sighting is what the API server has shown of one object.
type sighting struct {
	// made is when it was there, and completed when it was Completed; zero before.
	made, completed time.Time
	exitCode        *int64
	// changes counts its versions after the first.
	changes int
}

// observer watches all objects, as one who waits for them does.
type observer struct {
	clock clock.PassiveClock

	mu        sync.Mutex
	seen      map[string]*sighting
	completed int
	changes   int
	// all is closed once so many have completed.
	all  chan struct{}
	want int
}

func newObserver(clk clock.PassiveClock, want int) *observer {
	return &observer{clock: clk, seen: map[string]*sighting{}, all: make(chan struct{}), want: want}
}

// watcher is a watch of all objects that RetryWatcher can begin anew.
type watcher struct{ client.WithWatch }

func (w watcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return w.Watch(ctx, &v1alpha1.InvocationResultList{}, &client.ListOptions{Namespace: namespace, Raw: &options})
}

// watch follows the objects until ctx ends. It calls begun when nothing from then on escapes it.
func (o *observer) watch(ctx context.Context, admin client.WithWatch, begun func()) error {
	list := &v1alpha1.InvocationResultList{}
	if err := admin.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	events, err := toolswatch.NewRetryWatcherWithContext(ctx, list.ResourceVersion, watcher{admin})
	if err != nil {
		return err
	}
	defer func() {
		events.Stop()
		<-events.Done()
	}()
	begun()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-events.ResultChan():
			switch object := event.Object.(type) {
			case *v1alpha1.InvocationResult:
				o.note(object)
			case *metav1.Status:
				return fmt.Errorf("watching the objects: %w", apierrors.FromObject(object))
			}
			if !open && ctx.Err() == nil {
				return errors.New("the watch of the objects ended")
			}
		}
	}
}

func (o *observer) note(object *v1alpha1.InvocationResult) {
	now := o.clock.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.seen[object.Name]
	if s == nil {
		o.seen[object.Name] = &sighting{made: now}
		return
	}
	s.changes++
	o.changes++
	if !s.completed.IsZero() || !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionCompleted) {
		return
	}
	s.completed, s.exitCode = now, object.Status.ExitCode
	if o.completed++; o.completed == o.want {
		close(o.all)
	}
}

// progress is how many have completed and how many changes there were.
func (o *observer) progress() (completed, changes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.completed, o.changes
}
