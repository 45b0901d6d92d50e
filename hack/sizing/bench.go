package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const (
	warmUps = 20
	writers = 8
	// timeout is for one request; the API server's own is 60 seconds.
	timeout = 2 * time.Minute
)

// measurement is what one round of one case measures.
type measurement struct {
	// object, status and managedFields are the bytes of one object as served, and of these parts of it.
	object, status, managedFields int64
	// database is the size of etcd's, defragmented, before and with the objects.
	databaseBefore, database int64
	etcd                     memory
	// apiBefore and api are the API server's memory at rest, before and with the objects; apiHeap is what its heap then
	// holds. The peaks are those while it is listed and while an operator starts.
	apiBefore, api          int64
	apiHeapBefore, apiHeap  int64
	peakListed, peakWatched int64
	// table and pages are lists in pages of 500, as kubectl get and kubectl get -o json ask for; atOnce is one unpaged.
	table, pages, atOnce []transfer
	patches              []time.Duration
	// operatorBefore is an operator's cost with next to nothing to do.
	operatorBefore operatorCost
	operator       []operatorCost
}

// bench measures one case in one control plane.
type bench struct {
	options
	sizingCase
	controlPlane *testenv.ControlPlane
	client       client.Client
	api          apiServer
	etcd         etcd
	// apiPID and etcdPID are the processes.
	apiPID, etcdPID int
	now             time.Time
}

func newBench(o options, c sizingCase, controlPlane *testenv.ControlPlane) (*bench, error) {
	b := &bench{options: o, sizingCase: c, controlPlane: controlPlane, etcd: etcd{controlPlane.EtcdURL()}, now: time.Now()}
	admin := *controlPlane.Admin
	admin.QPS, admin.Timeout = -1, timeout
	var err error
	if b.client, err = client.New(&admin, client.Options{Scheme: app.Scheme()}); err != nil {
		return nil, err
	}
	if b.api, err = newAPIServer(&admin); err != nil {
		return nil, err
	}
	if b.apiPID, err = child("kube-apiserver"); err != nil {
		return nil, err
	}
	b.etcdPID, err = child("etcd")
	return b, err
}

const (
	measured = "sizing"
	warm     = "warm-up"
)

func path(namespace string) string {
	return "/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/" + namespace + "/invocationresults"
}

// warmUp does everything once with a few small objects, and removes them.
func (b *bench) warmUp(ctx context.Context, m *measurement) (err error) {
	for _, namespace := range []string{measured, warm} {
		if err := b.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			return err
		}
	}
	if err := b.create(ctx, sizes[0], warm, warmUps); err != nil {
		return err
	}
	for _, accept := range []string{asJSON, asTable} {
		if _, err := b.api.list(ctx, path(warm), accept, nil); err != nil {
			return err
		}
	}
	if _, err := b.api.listAtOnce(ctx, path(warm)); err != nil {
		return err
	}
	if m.operatorBefore, err = startOperator(ctx, b.options, b.controlPlane, b.budget, warmUps); err != nil {
		return err
	}
	return b.client.DeleteAllOf(ctx, &v1alpha1.InvocationResult{}, client.InNamespace(warm))
}

// before measures the control plane without the objects.
func (b *bench) before(ctx context.Context, m *measurement) (err error) {
	if m.databaseBefore, err = b.etcd.defragmented(ctx); err != nil {
		return err
	}
	m.apiBefore, m.apiHeapBefore, err = b.settled(ctx)
	return err
}

// settled is the API server's memory at rest, and then what its heap holds.
func (b *bench) settled(ctx context.Context) (rss, heap int64, err error) {
	if err := wait(ctx, b.rest); err != nil {
		return 0, 0, err
	}
	m, err := memoryOf(b.apiPID)
	if err != nil {
		return 0, 0, err
	}
	heap, err = b.api.liveHeap(ctx)
	return m.rss, heap, err
}

func (b *bench) load(ctx context.Context, _ *measurement) error {
	return b.create(ctx, b.size, measured, b.objects)
}

// create makes so many objects of a size: the spec as a user does, the status as the operator does.
func (b *bench) create(ctx context.Context, s size, namespace string, objects int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for n := range objects {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			object := s.object(namespace, n, b.now)
			status := object.Status
			if err := b.client.Create(ctx, object, client.FieldOwner("kubectl")); err != nil {
				return err
			}
			before := object.DeepCopy()
			object.Status = status
			return b.write(ctx, object, before)
		})
	}
	return group.Wait()
}

// write patches the status in the way of the operator.
func (b *bench) write(ctx context.Context, object, before *v1alpha1.InvocationResult) error {
	return b.client.Status().Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner("cloud-assistant-operator"))
}

// stored measures what the objects take where they are kept.
func (b *bench) stored(ctx context.Context, m *measurement) (err error) {
	if m.database, err = b.etcd.defragmented(ctx); err != nil {
		return err
	}
	if m.api, m.apiHeap, err = b.settled(ctx); err != nil {
		return err
	}
	if m.etcd, err = memoryOf(b.etcdPID); err != nil {
		return err
	}
	objects := 0
	_, err = b.api.list(ctx, path(measured), asJSON, func(page []byte) error {
		n, err := m.addObjects(page)
		objects += n
		return err
	})
	if err != nil {
		return err
	}
	if objects != b.objects {
		return fmt.Errorf("%d objects are listed, of %d", objects, b.objects)
	}
	m.object, m.status, m.managedFields = m.object/int64(objects), m.status/int64(objects), m.managedFields/int64(objects)
	return nil
}

// addObjects adds up the sizes of the objects of a page, and counts them.
func (m *measurement) addObjects(page []byte) (int, error) {
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(page, &list); err != nil {
		return 0, err
	}
	for _, item := range list.Items {
		var object struct {
			Status   json.RawMessage
			Metadata struct{ ManagedFields json.RawMessage }
		}
		if err := json.Unmarshal(item, &object); err != nil {
			return 0, err
		}
		m.object += int64(len(item))
		m.status += int64(len(object.Status))
		m.managedFields += int64(len(object.Metadata.ManagedFields))
	}
	return len(list.Items), nil
}

// lists measures what it takes to read everything.
func (b *bench) lists(ctx context.Context, m *measurement) (err error) {
	if err := forgetPeak(b.apiPID); err != nil {
		return err
	}
	for range b.options.lists {
		for _, ask := range []struct {
			into *[]transfer
			list func() (transfer, error)
		}{
			{&m.table, func() (transfer, error) { return b.api.list(ctx, path(measured), asTable, nil) }},
			{&m.pages, func() (transfer, error) { return b.api.list(ctx, path(measured), asJSON, nil) }},
			{&m.atOnce, func() (transfer, error) { return b.api.listAtOnce(ctx, path(measured)) }},
		} {
			took, err := ask.list()
			if err != nil {
				return err
			}
			*ask.into = append(*ask.into, took)
		}
	}
	m.peakListed, err = b.apiPeak()
	return err
}

func (b *bench) apiPeak() (int64, error) {
	m, err := memoryOf(b.apiPID)
	return m.peak, err
}

// watched measures the operator, and the API server while it starts.
func (b *bench) watched(ctx context.Context, m *measurement) (err error) {
	if err := forgetPeak(b.apiPID); err != nil {
		return err
	}
	for range b.starts {
		cost, err := startOperator(ctx, b.options, b.controlPlane, b.budget, b.objects)
		if err != nil {
			return err
		}
		m.operator = append(m.operator, cost)
	}
	m.peakWatched, err = b.apiPeak()
	return err
}

// patches times writes of a whole status, as an end is written, one after the other.
func (b *bench) patches(ctx context.Context, m *measurement) error {
	for i := range b.options.patches {
		object := b.object(measured, i%b.objects, b.now)
		key := client.ObjectKeyFromObject(object)
		status := object.Status
		status.LastHandledReconcileAt = fmt.Sprint("patch ", i)
		if err := b.client.Get(ctx, key, object); err != nil {
			return err
		}
		// As from a resource that has not been asked about: the patch then has everything in it.
		before := object.DeepCopy()
		before.Status = v1alpha1.InvocationResultStatus{}
		object.Status = status
		started := time.Now()
		if err := b.write(ctx, object, before); err != nil {
			return err
		}
		m.patches = append(m.patches, time.Since(started))
	}
	return nil
}
