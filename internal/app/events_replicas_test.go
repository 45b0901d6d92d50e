package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

const lease = "cloud-assistant-operator.ecs.k8s.alibabacloud"

// electHere has operators elect a leader in the world's own namespace, with the rights that the install gives them in its
// own, and no more.
func (w *eventWorld) electHere(t *testing.T) {
	t.Helper()
	installed := &rbacv1.Role{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: testenv.OperatorNamespace, Name: testenv.OperatorServiceAccount}, installed); err != nil {
		t.Fatal(err)
	}
	here := metav1.ObjectMeta{Namespace: w.namespace, Name: "manager"}
	for _, object := range []client.Object{
		&rbacv1.Role{ObjectMeta: here, Rules: installed.Rules},
		&rbacv1.RoleBinding{
			ObjectMeta: here, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: here.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: testenv.OperatorNamespace, Name: testenv.OperatorServiceAccount}},
		},
	} {
		if err := w.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	w.options.LeaderElect, w.options.LeaderElectNamespace, w.options.LeaderElectID = true, w.namespace, lease
}

// holder is who holds the Lease.
func (w *eventWorld) holder(t *testing.T) string {
	t.Helper()
	held := &coordinationv1.Lease{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: lease}, held); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return ptr.Deref(held.Spec.HolderIdentity, "")
}

// untilHeldAt waits until the Lease says that the leader receives at an address.
func (w *eventWorld) untilHeldAt(t *testing.T, address string) {
	t.Helper()
	untilTrue(t, "the leader is at "+address, func() bool { return strings.Contains(w.holder(t), "_"+address+"_") })
}

func forwarded(outcome string) string { return `events_forwarded_total{outcome="` + outcome + `"}` }

// Of two replicas one works. An event that reaches the other one is passed on, and once the first has gone the second takes
// events itself.
func TestAnEventReachesTheReplicaThatWorks(t *testing.T) {
	w := newEventWorld(t)
	w.electHere(t)
	leading := w.metrics
	w.start(t)
	stopLeader := sync.OnceFunc(w.stop)
	t.Cleanup(stopLeader)
	w.untilHeldAt(t, w.options.Events.BindAddress)
	follower := w.nextReplica(t)
	w.start(t)
	t.Cleanup(w.stop)
	untilServed(t, follower)

	w.await(t, "passed")
	w.end(t, "passed")
	w.untilReason(t, "passed", v1alpha1.ReasonSucceeded)
	untilTrue(t, "the follower counts it", func() bool { n, _ := w.value(t, answered("accepted")); return n == 1 })
	w.expectValues(t, map[string]float64{forwarded("taken"): 1, `events_nudges_total{watched="true"}`: 0})
	for series, want := range map[string]float64{answered("accepted"): 1, `events_nudges_total{watched="true"}`: 1, forwarded("taken"): 0} {
		if got, _ := valueIn(t, leading, series); got != want {
			t.Errorf("the leader's %s is %v, want %v", series, got, want)
		}
	}

	// A forger does not get as far as the leader.
	for range 10 {
		if status, answer := w.front.send(t, "/eventbridge", http.Header{}, []byte("{}")); status != http.StatusUnauthorized {
			t.Errorf("an unsigned request is answered with %d: %s", status, answer)
		}
	}
	if got, _ := valueIn(t, leading, answered("unsigned")); got != 0 {
		t.Errorf("%v unsigned requests reached the leader", got)
	}

	stopLeader()
	w.untilHeldAt(t, follower)
	w.await(t, "taken")
	w.end(t, "taken")
	w.untilReason(t, "taken", v1alpha1.ReasonSucceeded)
	w.expectValues(t, map[string]float64{`events_nudges_total{watched="true"}`: 1, forwarded("taken"): 1})
}

// What was passed on is not passed on again.
func TestAnEventIsPassedOnOnce(t *testing.T) {
	w := newEventWorld(t)
	w.electHere(t)
	w.holdElsewhere(t, freeAddress(t))
	w.start(t)
	untilServed(t, w.options.Events.BindAddress)
	w.script(t, "t-once", running(1))
	w.end(t, "once")
	untilTrue(t, "the event is published", func() bool { return len(w.front.events()) > 0 })
	event := w.front.events()[0]
	event.header.Set("Cloud-Assistant-Operator-Forwarded", "1")
	if status, answer := w.front.send(t, "/eventbridge", event.header, event.body); status != http.StatusServiceUnavailable {
		t.Errorf("it is answered with %d: %s", status, answer)
	}
	w.expectValues(t, map[string]float64{forwarded("again"): 1, forwarded("unreachable"): 1, answered("undelivered"): 2})
}

// holdElsewhere has somebody hold the Lease who receives nothing at an address.
func (w *eventWorld) holdElsewhere(t *testing.T, address string) *coordinationv1.Lease {
	t.Helper()
	held := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: lease},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To("gone_0_" + address + "_" + strings.Repeat("ab", 32)),
			LeaseDurationSeconds: ptr.To(int32(3600)), RenewTime: ptr.To(metav1.NowMicro()),
		},
	}
	if err := w.client.Create(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	return held
}

// While nobody works an event is answered so that it is sent again, and then it is taken.
func TestAnEventThatFindsNobodyComesAgain(t *testing.T) {
	w := newEventWorld(t)
	w.electHere(t)
	held := w.holdElsewhere(t, freeAddress(t))
	w.start(t)
	untilServed(t, w.options.Events.BindAddress)
	w.script(t, "t-late", running(1), running(2))
	w.end(t, "late")
	untilTrue(t, "the event is refused", func() bool {
		return len(w.front.events()) == 1 && w.front.events()[0].status == http.StatusServiceUnavailable
	})
	w.expectValues(t, map[string]float64{forwarded("unreachable"): 1, answered("undelivered"): 1})

	held.Spec.HolderIdentity = ptr.To("")
	if err := w.client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	w.untilHeldAt(t, w.options.Events.BindAddress)
	w.apply(t, "late", fmt.Sprintf("{regionID: %s, invokeID: t-late, polling: {%s}}", region, slow))
	w.untilReason(t, "late", v1alpha1.ReasonRunning)
	// Retries wait by the cloud's clock, from when they have been planned.
	untilTrue(t, "the event comes again", func() bool {
		w.pass(t, 20*time.Second)
		n, _ := w.value(t, answered("accepted"))
		return n == 1
	})
	w.expectValues(t, map[string]float64{`events_nudges_total{watched="true"}`: 1})
}
