package app_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/scenario"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// holders are what holds a block of YAML to its word, by the marker of the block. There is no other marker: a block
// that nothing holds fails the test.
var holders = map[string]func(t *testing.T, code string){
	"": applyManifest,
	// Of what is applied, these are read by tests of their own as well.
	"argocd": applyManifest,
	"flux":   applyManifest,
	"match":  applyManifest,
	"tekton": applyManifest,
	// What the text before it has shown already is left out of it.
	"excerpt": func(t *testing.T, code string) {
		t.Helper()
		applyManifest(t, "apiVersion: ecs.k8s.alibabacloud/v1alpha1\nkind: InvocationResult\nmetadata:\n  name: excerpt\n"+code)
	},
	// These are of the emulator and not of Kubernetes.
	"scenario":  configureScenario,
	"own-tests": configureScenario,
}

// Every YAML of every document, in fences and in heredocs, is what it is given to takes: the API server, with the kinds
// of Flux, Tekton and Prometheus in testdata/neighbors, or the emulator.
func TestTheDocumentsYAML(t *testing.T) {
	t.Parallel()
	held := map[string]int{}
	for document, blocks := range documents(t) {
		for _, block := range blocks {
			if block.language != "yaml" {
				continue
			}
			hold, known := holders[block.marker]
			if !known {
				t.Errorf("%s:%d: nothing holds YAML that is marked %s: leave the marker out, or say what does", document, block.line, block.marker)
				continue
			}
			held[block.marker]++
			t.Run(fmt.Sprintf("%s:%d", document, block.line), func(t *testing.T) {
				t.Parallel()
				hold(t, block.code)
			})
		}
	}
	for marker := range holders {
		if held[marker] == 0 {
			t.Errorf("no document has YAML that is marked %q: the search is broken, or it can go", marker)
		}
	}
}

// documents are the blocks of all files of Markdown in the repository.
func documents(t *testing.T) map[string][]codeBlock {
	t.Helper()
	found := map[string][]codeBlock{}
	root := testenv.Root()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		// What is hidden, built or installed is not ours to hold.
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "dist" || name == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		document, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if found[document], err = blocksOf(string(text)); err != nil {
			t.Errorf("%s: %v", document, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// configureScenario sets an emulator up by a scenario.
func configureScenario(t *testing.T, code string) {
	t.Helper()
	parsed, err := scenario.Parse([]byte(code))
	if err != nil {
		t.Fatal(err)
	}
	var options emulator.Options
	if err := parsed.Configure(&options, func(name string) string { return "value of " + name }); err != nil {
		t.Fatal(err)
	}
}

// applyManifest applies the objects of a manifest, as somebody would who pastes it, in a namespace of its own unless it
// names one. None of their fields is spelt in a way that would not matter.
func applyManifest(t *testing.T, manifest string) {
	t.Helper()
	namespace := controlPlane.NewNamespace(t)
	objects := objectsOf(t, manifest)
	applied := controlPlane.AdminKubectl(t, namespace).Apply(t.Context(), manifest, "--server-side", "--validate=strict")
	if applied.ExitCode != 0 || applied.Stderr != "" || strings.Count(applied.Stdout, "serverside-applied") != len(objects) {
		t.Fatalf("%d objects are applied with exit %d: %s%s", len(objects), applied.ExitCode, applied.Stdout, applied.Stderr)
	}
	admin, err := client.New(controlPlane.Admin, client.Options{Scheme: app.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
		tried := 0
		misspell(object.Object, "", func(field string) {
			tried++
			err := admin.Create(t.Context(), object.DeepCopy(), client.DryRunAll, client.FieldValidation("Strict"))
			if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "unknown field") {
				t.Errorf("%s with its field %s misspelt is answered with %v, want that there is no such field", object.GetKind(), field, err)
			}
		})
		// Its name, and what it is for.
		if tried < 2 {
			t.Errorf("%d fields of the %s are misspelt", tried, object.GetKind())
		}
	}
}

// objectsOf are the objects of a manifest, which has no key twice.
func objectsOf(t *testing.T, manifest string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		if len(object.Object) == 0 {
			t.Fatalf("a document is empty:\n%s", manifest)
		}
		objects = append(objects, object)
	}
	return objects
}

var (
	// ownKeys are the fields whose value is a map with keys of the user's own.
	ownKeys = []string{"annotations", "data", "labels", "matchLabels"}
	// address is what a request needs to come to the right place.
	address = []string{"apiVersion", "kind", "metadata", "metadata.namespace"}
)

// misspell calls try with each field of an object, or of a part of it, misspelt in turn.
func misspell(value any, path string, try func(field string)) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			misspell(element, path, try)
		}
	case map[string]any:
		if slices.Contains(ownKeys, path[strings.LastIndex(path, ".")+1:]) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			member, field := value[name], strings.TrimPrefix(path+"."+name, ".")
			misspell(member, field, try)
			if slices.Contains(address, field) {
				continue
			}
			delete(value, name)
			value[name+"X"] = member
			try(field)
			delete(value, name+"X")
			value[name] = member
		}
	}
}
