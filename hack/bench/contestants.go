package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/fastclock"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/hack/bench/naive"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
)

// contestant is an operator that is measured, by the name that it has as a subcommand.
type contestant struct {
	name, title string
	run         func(ctx context.Context, cluster *rest.Config, s settings) error
	// events says that it is told of the ends of runs.
	events bool
}

// theNaive is the one that the others, which are ours, are measured against.
const theNaive = "naive"

// contestants in the order of the tables.
var contestants = []contestant{
	{name: theNaive, title: theNaive, run: runNaive},
	{name: "singly", title: "ours, asking singly", run: runOurs(func(o *app.Options) { o.AskSingly = true })},
	{name: "full", title: "ours", run: runOurs(func(*app.Options) {})},
	{name: "events", title: "ours, with events", run: runOurs(func(*app.Options) {}), events: true},
}

// settings are what a contestant is told by its flags.
type settings struct {
	endpoint string
	health   string
	qps      float64
	origin   int64
	pace     fastclock.Pace
	// events is where events are received, verified with certificate; empty for nowhere.
	events, certificate string
}

func (s settings) args(name string) []string {
	return []string{
		name, "--endpoint=" + s.endpoint, "--health=" + s.health, "--qps=" + strconv.FormatFloat(s.qps, 'g', -1, 64),
		"--origin=" + strconv.FormatInt(s.origin, 10), "--pace=" + s.pace.String(),
		"--events=" + s.events, "--certificate=" + s.certificate,
	}
}

func (s settings) clock() clock.WithTickerAndDelayedExecution {
	return fastclock.New(time.Unix(0, s.origin), s.pace)
}

// compete is the process of a contestant.
func compete(ctx context.Context, who contestant, args []string) error {
	var s settings
	flags := flag.NewFlagSet(who.name, flag.ContinueOnError)
	flags.StringVar(&s.endpoint, "endpoint", "", "URL of the API.")
	flags.StringVar(&s.health, "health", "", "Address of /readyz.")
	flags.Float64Var(&s.qps, "qps", 5, "The most calls a second.")
	flags.Int64Var(&s.origin, "origin", time.Now().UnixNano(), "When the clock showed real time, in Unix nanoseconds.")
	flags.StringVar(&s.events, "events", "", "Address of the receiver of events; empty for none.")
	flags.StringVar(&s.certificate, "certificate", "", "File with the certificate that events are signed with.")
	flags.Func("pace", "Pace of the clock.", func(text string) (err error) {
		s.pace, err = fastclock.ParsePace(text)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctrl.SetLogger(zap.New())
	cluster, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("a contestant is started by the bench, not by hand: %w", err)
	}
	ctx, cancel := untilLeashed(ctx)
	defer cancel()
	return who.run(ctx, cluster, s)
}

func runNaive(ctx context.Context, cluster *rest.Config, s settings) error {
	return naive.Run(ctx, cluster, naive.Options{
		Endpoint: s.endpoint, RegionID: region, AccessKeyID: accessKeyID, AccessKeySecret: accessKeySecret,
		Clock: s.clock(), HealthProbeBindAddress: s.health,
	})
}

// runOurs runs our operator as set makes its defaults.
func runOurs(set func(*app.Options)) func(context.Context, *rest.Config, settings) error {
	return func(ctx context.Context, cluster *rest.Config, s settings) error {
		var options app.Options
		options.Bind(flag.NewFlagSet("", flag.ContinueOnError))
		options.ECSEndpoint = s.endpoint
		options.LeaderElect = false
		options.MetricsBindAddress = "0"
		options.HealthProbeBindAddress = s.health
		options.APIQPS = s.qps
		options.Clock = s.clock()
		if s.events != "" {
			options.Events.BindAddress, options.Events.PublicURL = s.events, eventsURL(s.events)
			options.Events.CertificateFile, options.Events.Secure = s.certificate, false
		}
		set(&options)
		return app.Run(ctx, cluster, options)
	}
}
