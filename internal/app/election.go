package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/relay"
)

// podNamespaceFile is where a pod finds the name of its namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// leaseNamespace is where the Lease is; empty if that cannot be told.
func (o *Options) leaseNamespace() string {
	for _, namespace := range []string{o.LeaderElectNamespace, os.Getenv("POD_NAMESPACE")} {
		if namespace != "" {
			return namespace
		}
	}
	text, err := os.ReadFile(podNamespaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// election is the Lease, taken with an identity that says where events are received. The manager's own identity does not.
type election struct {
	identity *relay.Identity
	lock     *resourcelock.LeaseLock
	leases   coordinationv1.LeaseInterface
	name     string
}

// newElection is for who receives at an address of this machine.
func newElection(cluster *rest.Config, options Options, listening net.Addr) (*election, error) {
	address, err := options.Events.reachable(listening)
	if err != nil {
		return nil, err
	}
	namespace := options.leaseNamespace()
	if namespace == "" {
		return nil, errors.New("--leader-elect-namespace: outside of a cluster it must be set")
	}
	pod, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	identity, err := relay.NewIdentity(pod, address, options.Events.Secure)
	if err != nil {
		return nil, err
	}
	// As the manager does: a request that hangs is not to lose the Lease.
	locking := rest.AddUserAgent(rest.CopyConfig(cluster), "leader-election")
	locking.Timeout = renewDeadline / 2
	client, err := coordinationv1.NewForConfig(locking)
	if err != nil {
		return nil, err
	}
	return &election{
		identity: identity, leases: client.Leases(namespace), name: options.LeaderElectID,
		lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: options.LeaderElectID}, Client: client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity.String()},
		},
	}, nil
}

// record has the manager record who leads, as it does by itself.
func (e *election) record(m ctrl.Manager) {
	e.lock.LockConfig.EventRecorder = m.GetEventRecorderFor(name) //nolint:staticcheck // The lock takes the recorder of the older kind only.
}

// holder is the identity of who leads; empty if nobody does.
func (e *election) holder(ctx context.Context) (string, error) {
	lease, err := e.leases.Get(ctx, e.name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return ptr.Deref(lease.Spec.HolderIdentity, ""), nil
}

// reachable is where other replicas reach who listens at an address.
func (o *EventsOptions) reachable(listening net.Addr) (string, error) {
	bound, ok := listening.(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("--events-bind-address: %s is no address of TCP", listening)
	}
	host := o.PodIP
	if host == "" {
		host = os.Getenv("POD_IP")
	}
	if net.ParseIP(host) == nil {
		return "", fmt.Errorf("--events-pod-ip: other replicas have to reach this one to pass events on, and %q is no address of IP: set it, or $POD_IP, or work alone with --leader-elect=false", host)
	}
	return net.JoinHostPort(host, strconv.Itoa(bound.Port)), nil
}
