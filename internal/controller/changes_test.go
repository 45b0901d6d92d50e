package controller

import (
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
)

// While the progress of many waits to be written, an end is written first, also of one that waits already.
func TestEndsOvertakeOtherNews(t *testing.T) {
	t.Parallel()
	q := priorityqueue.New[reconcile.Request]("news")
	defer q.ShutDown()
	changes := &Changes{}
	if err := changes.Start(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []poller.Owner{"ops/a", "ops/b", "ops/c"} {
		changes.Notify(owner, false)
	}
	changes.Notify("ops/d", true)
	changes.Notify("ops/c", true)
	var got []string
	for range 4 {
		request, _ := q.Get()
		got = append(got, request.Name)
		q.Done(request)
	}
	slices.Sort(got[:2])
	if want := []string{"c", "d", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("written in the order %v, want %v", got, want)
	}
}
