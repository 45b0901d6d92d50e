package app_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// recorder keeps every version of every InvocationResult of a namespace. Each has to pass checkStatus and checkTruth, and
// each change checkChange.
type recorder struct {
	// cloud knows the truth.
	cloud    atomic.Pointer[emulator.Emulator]
	mu       sync.Mutex
	versions map[string][]*v1alpha1.InvocationResult
	// more is closed, and replaced, with every version.
	more chan struct{}
}

// record watches a namespace until the test ends. No reconcile may panic in the meantime.
func record(t *testing.T, c client.WithWatch, namespace string) *recorder {
	t.Helper()
	r := &recorder{versions: map[string][]*v1alpha1.InvocationResult{}, more: make(chan struct{})}
	panics := reconcilePanics(t)
	ctx, stop := context.WithCancel(context.Background())
	watcher, err := c.Watch(ctx, &v1alpha1.InvocationResultList{}, client.InNamespace(namespace))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range watcher.ResultChan() {
			result, ok := event.Object.(*v1alpha1.InvocationResult)
			switch {
			case ok:
			case ctx.Err() != nil: // the last word of a watch that was stopped
				continue
			default:
				t.Errorf("watching %s: %v", namespace, event.Object)
				continue
			}
			checkStatus(t, result)
			checkTruth(t, r.cloud.Load(), result)
			r.mu.Lock()
			if earlier := r.versions[result.Name]; len(earlier) > 0 && earlier[len(earlier)-1].UID == result.UID {
				checkChange(t, earlier[len(earlier)-1], result)
			}
			r.versions[result.Name] = append(r.versions[result.Name], result)
			close(r.more)
			r.more = make(chan struct{})
			r.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
		if n := reconcilePanics(t) - panics; n != 0 {
			t.Errorf("reconcilers panicked %v times while this test ran", n)
		}
	})
	return r
}

// since is what a result became after one of its versions.
func (r *recorder) since(name, resourceVersion string) []*v1alpha1.InvocationResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	versions := r.versions[name]
	for n, version := range versions {
		if version.ResourceVersion == resourceVersion {
			return versions[n+1:]
		}
	}
	return versions
}

// between is what a result became after one of its versions, up to and with another.
func (r *recorder) between(t *testing.T, first, last *v1alpha1.InvocationResult) []*v1alpha1.InvocationResult {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		versions := r.versions[first.Name]
		index := func(of *v1alpha1.InvocationResult) int {
			return slices.IndexFunc(versions, func(v *v1alpha1.InvocationResult) bool { return v.ResourceVersion == of.ResourceVersion })
		}
		from, to, more := index(first), index(last), r.more
		r.mu.Unlock()
		if from >= 0 && to >= from {
			return versions[from+1 : to+1]
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("the versions %s to %s of %s were not seen within %v", first.ResourceVersion, last.ResourceVersion, first.Name, patience)
		}
	}
}
