package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// trimming is a client that reads as from a cache that trims.
type trimming struct{ client.Client }

func (c trimming) Get(ctx context.Context, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if err := c.Client.Get(ctx, name, into, options...); err != nil {
		return err
	}
	kept, err := Trim(Settings{}, clock.RealClock{})(into.DeepCopyObject())
	if err == nil {
		*into.(*v1alpha1.InvocationResult) = *kept.(*v1alpha1.InvocationResult)
	}
	return err
}

// shelf is a client of one object, read through a transform or without one, and what is done to it.
type shelf struct {
	client.Client
	stored    *v1alpha1.InvocationResult
	transform cache.TransformFunc
	reads     int
	patches   []string
	deletions []string
}

func (s *shelf) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.reads++
	if s.stored == nil || client.ObjectKeyFromObject(s.stored) != name {
		return apierrors.NewNotFound(schema.GroupResource{}, name.Name)
	}
	read := s.stored.DeepCopy()
	if s.transform != nil {
		transformed, err := s.transform(read)
		if err != nil {
			return err
		}
		read = transformed.(*v1alpha1.InvocationResult)
	}
	read.DeepCopyInto(into.(*v1alpha1.InvocationResult))
	return nil
}

func (s *shelf) Delete(_ context.Context, object client.Object, options ...client.DeleteOption) error {
	var all client.DeleteOptions
	all.ApplyOptions(options)
	text, err := json.Marshal(all.Preconditions)
	s.deletions = append(s.deletions, client.ObjectKeyFromObject(object).String()+string(text))
	return err
}

func (s *shelf) Status() client.SubResourceWriter { return statusOf{shelf: s} }

type statusOf struct {
	client.SubResourceWriter
	shelf *shelf
}

func (s statusOf) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	data, err := patch.Data(object)
	s.shelf.patches = append(s.shelf.patches, string(data))
	return err
}

// teller is an engine that knows one answer, and what it was asked last.
type teller struct {
	snapshot poller.Snapshot
	watched  *poller.Watch
}

func (e *teller) Watch(_ poller.Owner, watch poller.Watch) poller.Snapshot {
	e.watched = &watch
	return e.snapshot
}
func (e *teller) Forget(poller.Owner) { e.watched = nil }

// keeper keeps outputs in a Secret that is there already.
type keeper struct{}

func (keeper) Keep(context.Context, *v1alpha1.InvocationResult, projection.Keep) ([]string, error) {
	return []string{"kept-output-1"}, nil
}

// decision is what came of a reconcile.
type decision struct {
	Result    ctrl.Result
	Err       string
	Patches   []string
	Deletions []string
	Watched   *poller.Watch
	Events    []string
}

// situation is all that a reconcile depends on.
type situation struct {
	stored   *v1alpha1.InvocationResult
	settings Settings
	memory   memory
	snapshot poller.Snapshot
	// cachedAt is when the cache took it, at when it is reconciled.
	cachedAt, at time.Time
}

// notes are events.
type notes struct{ all []string }

func (n *notes) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	n.all = append(n.all, kind+" "+reason+" "+fmt.Sprintf(note, args...))
}

// decide reconciles in a situation, with a trimmed cache or a whole one, and says how often the API server was read.
func decide(s situation, trims bool) (decision, int) {
	cached, live := &shelf{stored: s.stored}, &shelf{stored: s.stored}
	if trims {
		cached.transform = Trim(s.settings, clocktesting.NewFakePassiveClock(s.cachedAt))
	}
	engine, told := &teller{snapshot: s.snapshot, watched: &poller.Watch{Tenant: "as before"}}, &notes{}
	r := &InvocationResultReconciler{
		Client: cached, Reader: live, Engine: engine, Outputs: keeper{}, Recorder: told, Clock: clocktesting.NewFakeClock(s.at), Settings: s.settings,
	}
	name := client.ObjectKeyFromObject(s.stored)
	before := s.memory
	before.uid = s.stored.UID
	*r.memories.of(name, s.stored.UID) = before
	result, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: name})
	d := decision{Result: result, Patches: cached.patches, Deletions: cached.deletions, Watched: engine.watched, Events: told.all}
	if err != nil {
		d.Err = err.Error()
	}
	return d, live.reads
}

// check fails unless a trimmed cache leads to the same as a whole one, and says what it did instead of nothing.
func (s situation) check(t interface{ Fatalf(string, ...any) }) (isTrimmed bool, reads int) {
	want, _ := decide(s, false)
	got, reads := decide(s, true)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("of a trimmed cache comes something else (-whole +trimmed):\n%s", diff)
	}
	once, err := Trim(s.settings, clocktesting.NewFakePassiveClock(s.cachedAt))(s.stored.DeepCopy())
	if err != nil {
		t.Fatalf("trimming: %v", err)
	}
	twice, err := Trim(s.settings, clocktesting.NewFakePassiveClock(s.at))(once.(*v1alpha1.InvocationResult).DeepCopy())
	_, isTrimmed = settledOf(once.(*v1alpha1.InvocationResult))
	if _, again := settledOf(twice.(*v1alpha1.InvocationResult)); err != nil || isTrimmed && !again {
		t.Fatalf("trimmed twice it is whole, or %v", err)
	}
	if diff := cmp.Diff(once, twice); isTrimmed && diff != "" {
		t.Fatalf("trimming twice is not trimming once:\n%s", diff)
	}
	return isTrimmed, reads
}
