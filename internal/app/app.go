package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/controller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/metrics"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/outputs"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,resourceNames=cloud-assistant-operator.ecs.k8s.alibabacloud,verbs=get;update
// +kubebuilder:rbac:groups="",namespace=system,resources=events,verbs=create;patch

// Version of the operator, set when it is built.
var Version = "unknown"

const (
	name    = "cloud-assistant-operator"
	leaseID = name + ".ecs.k8s.alibabacloud"

	// A lease of this length outlives a slow API server; it is released at a graceful stop.
	leaseDuration = 35 * time.Second
	renewDeadline = 30 * time.Second
	retryPeriod   = 5 * time.Second
)

// Scheme knows every type that the operator reads or writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// Run runs the operator against the cluster until ctx ends. It has the garbage collector of the process run more often than by
// default, unless GOGC is set.
func Run(ctx context.Context, cluster *rest.Config, options Options) error {
	spareMemory()
	cluster = rest.CopyConfig(cluster)
	cluster.UserAgent = name + "/" + Version
	// The API server's priority and fairness protects it better than a limit here.
	cluster.QPS = -1

	intake, err := newIntake(cluster, options)
	if err != nil {
		return fmt.Errorf("receiving events: %w", err)
	}
	defer intake.close()
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	settings := controllerSettings(options)
	managing := managerOptions(options, controller.Trim(settings, options.Clock))
	intake.elect(&managing)
	manager, err := ctrl.NewManager(cluster, managing)
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}
	sessions, err := newSessions(manager.GetAPIReader(), options)
	if err != nil {
		return err
	}
	meters := metrics.New(options.Clock)
	changes := &controller.Changes{}
	engine := poller.New(meters.Sessions(sessions), poller.Options{
		Clock:     options.Clock,
		QPS:       options.APIQPS,
		Burst:     options.APIBurst,
		AskSingly: options.AskSingly,
		Notify:    changes.Notify,
		Observer:  meters,

		EventsInterval: options.Events.pollingInterval(),
	})
	if err := manager.Add(engine); err != nil {
		return err
	}
	reconciler := &controller.InvocationResultReconciler{
		Client:   manager.GetClient(),
		Reader:   manager.GetAPIReader(),
		Engine:   engine,
		Outputs:  outputs.Keeper{Reader: manager.GetAPIReader(), Writer: manager.GetClient()},
		Recorder: manager.GetEventRecorder(name),
		Clock:    options.Clock,
		Observer: meters,
		Settings: settings,
	}
	meters.Read(engine, reconciler)
	unregister, err := meters.Register(options.registry())
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	defer unregister()
	if err := reconciler.SetupWithManager(manager, changes); err != nil {
		return err
	}
	if err := intake.addTo(manager, engine, meters); err != nil {
		return fmt.Errorf("receiving events: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("cache", cacheSynced(manager.GetCache())); err != nil {
		return err
	}
	manager.GetLogger().Info("Starting", "version", Version)
	return manager.Start(ctx)
}

func controllerSettings(options Options) controller.Settings {
	return controller.Settings{
		Projection: projection.Settings{
			MaxStatusBytes:      options.MaxStatusBytes,
			DefaultOutputPolicy: options.DefaultOutputPolicy,
			MaxOutputPolicy:     options.MaxOutputPolicy,
		},
		DefaultTTL:                   options.DefaultTTL,
		DefaultCredentialsNamespaces: options.DefaultCredentialsNamespaces,
	}
}

func managerOptions(options Options, trim toolscache.TransformFunc) ctrl.Options {
	// Validate has parsed it before; the zero value selects everything.
	selector, _ := labels.Parse(options.WatchLabelSelector)
	var namespaces map[string]cache.Config
	if len(options.WatchNamespaces) > 0 {
		namespaces = map[string]cache.Config{}
		for _, namespace := range options.WatchNamespaces {
			namespaces[namespace] = cache.Config{}
		}
	}
	serving := metricsserver.Options{
		BindAddress:   options.MetricsBindAddress,
		SecureServing: options.MetricsSecure,
		// HTTP/2 has had denials of service, and a scrape gains nothing from it.
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
	}
	if options.MetricsSecure {
		serving.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return ctrl.Options{
		Scheme: Scheme(),
		Cache: cache.Options{
			DefaultTransform:  cache.TransformStripManagedFields(),
			DefaultNamespaces: namespaces,
			ByObject:          map[client.Object]cache.ByObject{&v1alpha1.InvocationResult{}: {Label: selector, Transform: trim}},
		},
		Client:                        client.Options{FieldOwner: name},
		LeaderElection:                options.LeaderElect,
		LeaderElectionID:              options.LeaderElectID,
		LeaderElectionNamespace:       options.leaseNamespace(),
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(leaseDuration),
		RenewDeadline:                 ptr.To(renewDeadline),
		RetryPeriod:                   ptr.To(retryPeriod),
		Metrics:                       serving,
		HealthProbeBindAddress:        options.HealthProbeBindAddress,
		Controller:                    config.Controller{SkipNameValidation: ptr.To(options.skipNameValidation)},
	}
}
