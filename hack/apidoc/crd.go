package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// definition is a CRD with every keyword that ours uses. Another one is an error: what the API server enforces must
// not be missing from the page unnoticed.
type definition struct {
	APIVersion, Kind string
	Metadata         any
	Spec             struct {
		Group, Scope string
		Names        struct {
			Kind, ListKind, Plural, Singular string
			ShortNames, Categories           []string
		}
		Versions []version
	}
}

type version struct {
	Name                     string
	Served, Storage          bool
	Subresources             any
	AdditionalPrinterColumns []column
	SelectableFields         []struct{ JSONPath string }
	Schema                   struct{ OpenAPIV3Schema *schema }
}

type column struct {
	Name, Type, JSONPath, Description string
	Priority                          int
}

type schema struct {
	Type, Format, Description, Pattern string
	Default                            any
	Properties                         map[string]*schema
	Required, Enum                     []string
	Items                              *schema
	Minimum, Maximum                   *int64
	MinLength, MaxLength               *int64
	MinItems, MaxItems                 *int64
	ListType                           string                           `json:"x-kubernetes-list-type"`
	ListMapKeys                        []string                         `json:"x-kubernetes-list-map-keys"`
	Rules                              []struct{ Rule, Message string } `json:"x-kubernetes-validations"`
}

func readDefinition(file string) (*definition, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := &definition{}
	if err := yaml.UnmarshalStrict(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(d.Spec.Versions) != 1 {
		return nil, fmt.Errorf("%s has %d versions, and the page is made for one", file, len(d.Spec.Versions))
	}
	return d, nil
}
