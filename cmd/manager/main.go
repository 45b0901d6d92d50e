// Command manager is the Cloud Assistant Operator.
package main

import (
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
)

func main() {
	var options app.Options
	var logging zap.Options
	version := flag.Bool("version", false, "Print the version and exit.")
	options.Bind(flag.CommandLine)
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	if *version {
		fmt.Println(app.Version)
		return
	}
	if flag.NArg() > 0 {
		fatal(fmt.Errorf("unexpected argument %q: flags only, see --help", flag.Arg(0)), 2)
	}
	if err := options.Validate(); err != nil {
		fatal(err, 2)
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	config, err := ctrl.GetConfig()
	if err != nil {
		fatal(fmt.Errorf("no cluster: %w (set --kubeconfig or $KUBECONFIG, or run in a cluster)", err), 1)
	}
	if err := app.Run(ctrl.SetupSignalHandler(), config, options); err != nil {
		fatal(err, 1)
	}
}

func fatal(err error, status int) {
	fmt.Fprintln(os.Stderr, "manager:", err)
	os.Exit(status)
}
