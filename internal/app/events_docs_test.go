package app_test

import (
	"encoding/json"
	"flag"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
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

// The overlay is the install with flags that the operator takes, whose files are mounted and whose port is served.
func TestTheOverlayForEvents(t *testing.T) {
	t.Parallel()
	built := controlPlane.AdminKubectl(t, testenv.OperatorNamespace).Run(t.Context(), "kustomize", testenv.Root()+"/config/events")
	if built.ExitCode != 0 {
		t.Fatal(built.Stderr)
	}
	var installed *appsv1.Deployment
	for text := range strings.SplitSeq(built.Stdout, "\n---\n") {
		if strings.Contains(text, "\nkind: Deployment\n") {
			installed = &appsv1.Deployment{}
			if err := yaml.UnmarshalStrict([]byte(text), installed); err != nil {
				t.Fatal(err)
			}
		}
	}
	if installed == nil {
		t.Fatalf("the overlay has no Deployment:\n%s", built.Stdout)
	}
	container := installed.Spec.Template.Spec.Containers[0]
	options, err := parse(t, container.Args...)
	if err != nil {
		t.Fatal(err)
	}
	mounted := 0
	for _, path := range []string{options.Events.TokenFile, options.Events.TLSCertFile, options.Events.TLSKeyFile} {
		for _, mount := range container.VolumeMounts {
			if strings.HasPrefix(path, mount.MountPath+"/") {
				mounted++
			}
		}
	}
	if mounted != 3 {
		t.Errorf("of the files of the flags %d are mounted, want 3: %v", mounted, container.VolumeMounts)
	}
	for name, field := range map[string]string{"POD_IP": "status.podIP", "POD_NAMESPACE": "metadata.namespace"} {
		given := false
		for _, variable := range container.Env {
			given = given || variable.Name == name && variable.ValueFrom.FieldRef.FieldPath == field
		}
		if !given {
			t.Errorf("%s is not given: %v", name, container.Env)
		}
	}
	if port := container.Ports[0]; port.Name != "events" || options.Events.BindAddress != ":9443" || port.ContainerPort != 9443 {
		t.Errorf("events are received at %s, and the port is %v", options.Events.BindAddress, port)
	}
	if !options.LeaderElect || !options.MetricsSecure {
		t.Errorf("the overlay is not the install with events: %+v", options)
	}
}
