package app_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

func TestTheFlagsOfEventsAreExplained(t *testing.T) {
	t.Parallel()
	var options app.Options
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	options.Bind(flags)
	_, table, _ := strings.Cut(document(t, "events.md"), "\n## All flags\n")
	found := 0
	flags.VisitAll(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "events-") {
			return
		}
		found++
		if !strings.Contains(table, "`--"+f.Name+"`") {
			t.Errorf("docs/events.md does not explain --%s", f.Name)
		}
	})
	if named := strings.Count(table, "`--events-"); found < 9 || named != found {
		t.Errorf("there are %d flags, and docs/events.md names %d", found, named)
	}
}

// What the rule of docs/events.md lets through is what is published, and taken.
func TestTheRuleLetsTheEventsThrough(t *testing.T) {
	w := newEventWorld(t)
	w.start(t)
	w.await(t, "published")
	w.end(t, "published")
	w.untilReason(t, "published", v1alpha1.ReasonSucceeded)
	untilTrue(t, "the event is answered", func() bool { return len(w.front.events()) > 0 })
	var event, pattern map[string]any
	if err := json.Unmarshal(w.front.events()[0].body, &event); err != nil {
		t.Fatal(err)
	}
	code, err := block("events.md", "event-pattern", "json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(code), &pattern); err != nil {
		t.Fatal(err)
	}
	if len(pattern) != 2 {
		t.Errorf("the pattern is %v, want one for the source and the type", pattern)
	}
	for field, values := range pattern {
		if !slices.Contains(values.([]any), event[field]) {
			t.Errorf("the pattern wants %s of %v, and an event has %v", field, values, event[field])
		}
	}
	w.expectValues(t, map[string]float64{answered("accepted"): 1})
}

// deploymentOf is the Deployment of a folder of config.
func deploymentOf(t *testing.T, folder string) *appsv1.Deployment {
	t.Helper()
	built := controlPlane.AdminKubectl(t, testenv.OperatorNamespace).Run(t.Context(), "kustomize", testenv.Root()+"/"+folder)
	for text := range strings.SplitSeq(built.Stdout, "\n---\n") {
		if !strings.Contains(text, "\nkind: Deployment\n") {
			continue
		}
		found := &appsv1.Deployment{}
		if err := yaml.UnmarshalStrict([]byte(text), found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	t.Fatalf("%s has no Deployment: %s%s", folder, built.Stdout, built.Stderr)
	return nil
}

// The overlay is the install with flags that the operator takes, whose files are mounted and whose port is served.
func TestTheOverlayForEvents(t *testing.T) {
	t.Parallel()
	container := deploymentOf(t, "config/events").Spec.Template.Spec.Containers[0]
	options, err := parse(t, container.Args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{options.Events.TokenFile, options.Events.TLSCertFile, options.Events.TLSKeyFile} {
		if !slices.ContainsFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool { return strings.HasPrefix(path, mount.MountPath+"/") }) {
			t.Errorf("nothing is mounted where %s is: %v", path, container.VolumeMounts)
		}
	}
	// The token of CloudMonitor is another key of the Secret that the other token is of.
	if flag := "`--events-cloudmonitor-token-file=" + filepath.Dir(options.Events.TokenFile) + "/cloudmonitor-token`"; !strings.Contains(document(t, "events.md"), flag) {
		t.Errorf("docs/events.md does not name the flag %s", flag)
	}
	for name, field := range map[string]string{"POD_IP": "status.podIP", "POD_NAMESPACE": "metadata.namespace"} {
		if !slices.ContainsFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == name && v.ValueFrom.FieldRef.FieldPath == field }) {
			t.Errorf("%s is not given: %v", name, container.Env)
		}
	}
	port := fmt.Sprintf("%s :%d", container.Ports[0].Name, container.Ports[0].ContainerPort)
	if port != "events "+options.Events.BindAddress {
		t.Errorf("events are received at %s, and the port is %s", options.Events.BindAddress, port)
	}
	if !options.LeaderElect || !options.MetricsSecure {
		t.Errorf("the overlay is not the install with events: %+v", options)
	}
}
