// Package naive is the operator that this one is measured against: a reconciler as most would write it, correct and
// without a thought for the API. Every object asks for its own run every five seconds, ten at a time, through the
// vendor's SDK, until the run has ended.
package naive

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/fastclock"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
)

const (
	interval = 5 * time.Second
	workers  = 10
)

// Options say where the API is and how time runs.
type Options struct {
	// Endpoint is an http URL.
	Endpoint        string
	RegionID        string
	AccessKeyID     string
	AccessKeySecret string

	Clock                  clock.PassiveClock
	HealthProbeBindAddress string
}

// Run runs the naive operator until ctx ends.
func Run(ctx context.Context, cluster *rest.Config, options Options) error {
	cluster = rest.CopyConfig(cluster)
	cluster.QPS = -1
	manager, err := ctrl.NewManager(cluster, ctrl.Options{
		Scheme:                 app.Scheme(),
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: options.HealthProbeBindAddress,
	})
	if err != nil {
		return err
	}
	r := &reconciler{Client: manager.GetClient(), clock: options.Clock, clients: make(chan *ecs.Client, workers)}
	for range workers {
		cloud, err := newClient(options)
		if err != nil {
			return err
		}
		r.clients <- cloud
	}
	err = ctrl.NewControllerManagedBy(manager).
		// Its own writes of the status do not wake it. Not everybody thinks of that; it is given the credit.
		For(&v1alpha1.InvocationResult{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
	if err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return manager.Start(ctx)
}

func newClient(options Options) (*ecs.Client, error) {
	cloud, err := ecs.NewClientWithOptions(options.RegionID, sdk.NewConfig().WithScheme("HTTP"),
		credentials.NewAccessKeyCredential(options.AccessKeyID, options.AccessKeySecret))
	if err != nil {
		return nil, err
	}
	cloud.Domain = strings.TrimPrefix(options.Endpoint, "http://")
	return cloud, nil
}

type reconciler struct {
	client.Client
	clock clock.PassiveClock
	// clients holds one for each worker: the vendor's client changes its own state with every call.
	clients chan *ecs.Client
}

// Reconcile asks for the run of one object.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	result := &v1alpha1.InvocationResult{}
	if err := r.Get(ctx, request.NamespacedName, result); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if meta.IsStatusConditionTrue(result.Status.Conditions, v1alpha1.ConditionCompleted) {
		return ctrl.Result{}, nil
	}
	again := ctrl.Result{RequeueAfter: fastclock.Real(r.clock, interval)}
	rows, err := r.ask(result.Spec)
	if err != nil {
		log.FromContext(ctx).V(1).Info("Asking failed", "error", err.Error())
		return again, nil
	}
	before := result.DeepCopy()
	done := r.fill(result, rows)
	if !equality.Semantic.DeepEqual(before.Status, result.Status) {
		if err := r.Status().Patch(ctx, result, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, err
		}
	}
	if done {
		return ctrl.Result{}, nil
	}
	return again, nil
}

func (r *reconciler) ask(spec v1alpha1.InvocationResultSpec) ([]ecs.InvocationResult, error) {
	cloud := <-r.clients
	defer func() { r.clients <- cloud }()
	request := ecs.CreateDescribeInvocationResultsRequest()
	request.RegionId = spec.RegionID
	request.InvokeId = spec.InvokeID
	request.ContentEncoding = "PlainText"
	answer, err := cloud.DescribeInvocationResults(request)
	if err != nil {
		return nil, err
	}
	return answer.Invocation.InvocationResults.InvocationResult, nil
}

// fill writes the rows into the status and says whether the run has ended.
func (r *reconciler) fill(result *v1alpha1.InvocationResult, rows []ecs.InvocationResult) (done bool) {
	if len(rows) == 0 {
		return false
	}
	status := &result.Status
	status.ObservedGeneration = result.Generation
	status.InvokeID = result.Spec.InvokeID
	status.Instances = nil
	summary := v1alpha1.InvocationSummary{Total: int32(len(rows))}
	exitCode := int64(0)
	for _, row := range rows {
		instance := v1alpha1.InstanceResult{
			InstanceID: row.InstanceId, CommandID: row.CommandId, Status: row.InvocationStatus,
			StartTime: moment(row.StartTime), FinishedTime: moment(row.FinishedTime),
		}
		switch row.InvocationStatus {
		case "Success":
			summary.Succeeded++
		case "Failed", "Invalid", "Aborted", "Error", "Timeout", "Cancelled", "Terminated":
			summary.Failed++
			exitCode = row.ExitCode
		default:
			summary.Running++
		}
		if instance.FinishedTime != nil {
			instance.ExitCode = &row.ExitCode
			instance.Output = &v1alpha1.OutputStatus{Text: row.Output, Encoding: "PlainText"}
		}
		status.Instances = append(status.Instances, instance)
	}
	status.Summary = &summary
	done = summary.Running == 0
	completed := metav1.Condition{Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRunning}
	if done {
		status.ExitCode = &exitCode
		completed.Status, completed.Reason = metav1.ConditionTrue, v1alpha1.ReasonSucceeded
		completed.Message = fmt.Sprintf("%d of %d instances failed", summary.Failed, summary.Total)
	}
	completed.ObservedGeneration = result.Generation
	completed.LastTransitionTime = metav1.NewTime(r.clock.Now())
	meta.SetStatusCondition(&status.Conditions, completed)
	return done
}

func moment(text string) *metav1.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	return &metav1.Time{Time: at}
}
