package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goSource = `package v1alpha1

// Kind is a kind.
type Kind struct {
	Spec Spec ` + "`json:\"spec\"`" + `
	Status Status ` + "`json:\"status\"`" + `
}

// Spec is a question.
//
// Not for the page.
//
// +marker
type Spec struct {
	Second string ` + "`json:\"second\"`" + `
	First  Choice ` + "`json:\"first\"`" + `
}

// Status is an answer.
type Status struct{}

// Choice is a choice.
type Choice string

// Choices.
const (
	// ChoiceA is the first letter.
	ChoiceA Choice = "A"
)

// Conditions.
const (
	// ConditionReady: it is.
	ConditionReady = "Ready"
)

// Reasons.
const (
	// ReasonBusy: it works.
	ReasonBusy = "Busy"
)

// Annotations.
const AnnotationNow = "now"
`

const crdSource = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec:
  group: g
  scope: Namespaced
  names: {kind: Kind, plural: kinds}
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        properties:
          spec:
            type: object
            required: [second]
            x-kubernetes-validations:
            - {rule: "true", message: Say so.}
            properties:
              first: {type: string, enum: [A, B]}
              second: {type: string, minLength: 1, maxLength: 9, LIMIT: 'a|b', description: the other}
          status: {type: object}
`

// write makes the page for a CRD whose second field has some keyword.
func write(t *testing.T, keyword string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	crd := filepath.Join(folder, "crd.yaml")
	for path, text := range map[string]string{
		crd: strings.ReplaceAll(crdSource, "LIMIT", keyword), filepath.Join(folder, "types.go"): goSource,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return generate(crd, folder)
}

func TestThePageHasTheOrderOfGoAndTheLimitsOfTheCRD(t *testing.T) {
	page, err := write(t, "pattern")
	if err != nil {
		t.Fatal(err)
	}
	const want = "## spec\n\nSpec is a question.\n\n- “Say so.”\n\n| field | type | limits | |\n|---|---|---|---|\n" +
		"| `second` | string | required; 1 to 9 characters; `a\\|b` | the other |\n" +
		"| `first` | string | one of `A`, `B` |  `A` is the first letter. |\n"
	if !strings.Contains(page, want) {
		t.Errorf("the page is\n%s\nwant it to contain\n%s", page, want)
	}
	if reason := "- [`Busy`](troubleshooting.md#busy): it works.\n"; !strings.Contains(page, reason) {
		t.Errorf("the page lacks %q:\n%s", reason, page)
	}
}

func TestALimitThatThePageCannotTellIsAnError(t *testing.T) {
	if page, err := write(t, "multipleOf"); err == nil || !strings.Contains(err.Error(), "multipleOf") {
		t.Errorf("an unknown keyword is answered with %v and the page\n%s", err, page)
	}
}
