package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// page is docs/api.md in the making.
type page struct {
	strings.Builder
	source *source
	// shown are the objects that have a section.
	shown []section
}

// section is an object of the schema: where it is, and what it is in Go.
type section struct {
	path, typeName string
	schema         *schema
}

func (p *page) write(d *definition) (string, error) {
	v := d.Spec.Versions[0]
	root := section{typeName: d.Spec.Names.Kind, schema: v.Schema.OpenAPIV3Schema}
	p.printf("<!-- Written by make manifests from the Go types in api/v1alpha1: change those. -->\n")
	p.printf("# %s\n\n%s\n\n", d.Spec.Names.Kind, firstParagraph(p.source.types[root.typeName].doc))
	p.names(d)
	p.columns(v.AdditionalPrinterColumns)
	p.printf("A field that is not required may be left out. What the limits have in quotes is what `kubectl apply` says of a value\n" +
		"beyond them. What a status means, and what to do about it: [status.md](status.md) and\n[troubleshooting.md](troubleshooting.md).\n\n")
	for _, name := range []string{"spec", "status"} {
		p.printf("- [%s](#%s)\n", name, anchor(name))
	}
	p.printf("- [Conditions](#conditions)\n- [Reasons](#reasons)\n- [Annotations](#annotations)\n\n")
	for _, name := range []string{"spec", "status"} {
		property := root.schema.Properties[name]
		if property == nil {
			return "", fmt.Errorf("the schema has no %s", name)
		}
		if err := p.object(section{path: name, typeName: p.typeOf(root.typeName, name), schema: property}); err != nil {
			return "", err
		}
	}
	err := p.constants()
	return strings.TrimSpace(p.String()) + "\n", err
}

func (p *page) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p, format, args...) // A strings.Builder takes everything.
}

func (p *page) names(d *definition) {
	v := d.Spec.Versions[0]
	var selectable []string
	for _, f := range v.SelectableFields {
		selectable = append(selectable, strings.TrimPrefix(f.JSONPath, "."))
	}
	p.printf("| | |\n|---|---|\n")
	p.printf("| `apiVersion` | %s |\n", code(d.Spec.Group+"/"+v.Name))
	p.printf("| `kind` | %s, %s |\n", code(d.Spec.Names.Kind), strings.ToLower(d.Spec.Scope))
	p.printf("| resource | %s, in short %s; in the category %s |\n", code(d.Spec.Names.Plural), codes(d.Spec.Names.ShortNames), codes(d.Spec.Names.Categories))
	p.printf("| field selectors | `metadata.name`, `metadata.namespace`, %s |\n\n", codes(selectable))
}

func (p *page) columns(columns []column) {
	p.printf("| column of `kubectl get` | field | |\n|---|---|---|\n")
	for _, c := range columns {
		name := strings.ToUpper(c.Name)
		if c.Priority > 0 {
			name += " (with `-o wide`)"
		}
		p.printf("| %s | %s | %s |\n", name, code(strings.TrimPrefix(c.JSONPath, ".")), cell(c.Description))
	}
	p.printf("\n")
}

// typeOf is the Go type of the elements of a member.
func (p *page) typeOf(typeName, member string) string {
	for _, f := range p.source.types[typeName].fields {
		if f.name == member {
			return f.typeName
		}
	}
	return ""
}

// members are the names of an object's members in the order of the Go type, or by name where it is of another package.
func (p *page) members(s section) ([]string, error) {
	sorted := slices.Sorted(maps.Keys(s.schema.Properties))
	declared := p.source.types[s.typeName].fields
	if len(declared) == 0 {
		return sorted, nil
	}
	names := make([]string, len(declared))
	for n, f := range declared {
		names[n] = f.name
	}
	if inOrder := slices.Sorted(slices.Values(names)); !slices.Equal(inOrder, sorted) {
		return nil, fmt.Errorf("%s has the members %v in the CRD and %v in Go", s.path, sorted, inOrder)
	}
	return names, nil
}

// object writes the section of an object, then those of the objects in it.
func (p *page) object(s section) error {
	p.shown = append(p.shown, s)
	names, err := p.members(s)
	if err != nil {
		return err
	}
	doc := p.source.types[s.typeName].doc
	if doc == "" {
		doc = s.schema.Description
	}
	p.printf("## %s\n\n%s\n\n", s.path, firstParagraph(doc))
	if s.schema.Default != nil {
		p.printf("Default %s.\n\n", jsonOf(s.schema.Default))
	}
	for _, r := range s.schema.Rules {
		p.printf("- %s\n", quoted(r.Message))
	}
	if len(s.schema.Rules) > 0 {
		p.printf("\n")
	}
	p.printf("| field | type | limits | |\n|---|---|---|---|\n")
	var inner []section
	for _, name := range names {
		member := s.schema.Properties[name]
		object := section{path: s.path + "." + name, typeName: p.typeOf(s.typeName, name), schema: member}
		for object.schema.Items != nil {
			object.path, object.schema = object.path+"[]", object.schema.Items
		}
		kind := typeName(member)
		if len(object.schema.Properties) > 0 {
			target := p.same(object, inner)
			if target == "" {
				inner = append(inner, object)
				target = object.path
			}
			kind = fmt.Sprintf("[%s](#%s)", kind, anchor(target))
		}
		limits := p.limits(name, member, slices.Contains(s.schema.Required, name))
		p.printf("| %s | %s | %s | %s%s |\n", code(name), kind, strings.Join(limits, "; "), cell(member.Description), p.values(object))
	}
	p.printf("\n")
	for _, o := range inner {
		if err := p.object(o); err != nil {
			return err
		}
	}
	return nil
}

// same is where an object like this one has, or will have, its section; "" if nowhere.
func (p *page) same(object section, inner []section) string {
	for _, known := range slices.Concat(p.shown, inner) {
		if known.typeName == object.typeName && reflect.DeepEqual(known.schema.Properties, object.schema.Properties) {
			return known.path
		}
	}
	return ""
}

// values tells what the values of an enumeration mean, where Go has constants for them.
func (p *page) values(s section) string {
	var text strings.Builder
	for _, c := range p.source.meanings(s.typeName, s.schema.Enum) {
		fmt.Fprintf(&text, " %s%s", code(c.value), cell(c.doc))
	}
	return text.String()
}

func typeName(s *schema) string {
	switch {
	case s.Type == "array":
		return "list of " + typeName(s.Items) + "s"
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}

// matches is a rule that says no more than a pattern.
var matches = regexp.MustCompile(`^self\.matches\('([^']*)'\)$`)

func (p *page) limits(name string, s *schema, required bool) []string {
	var limits []string
	if required {
		limits = append(limits, "required")
	}
	if s.Default != nil {
		limits = append(limits, "default "+jsonOf(s.Default))
	}
	limits = append(limits, between(s.MinLength, s.MaxLength, " characters")...)
	limits = append(limits, between(s.Minimum, s.Maximum, unit(name))...)
	limits = append(limits, between(s.MinItems, s.MaxItems, " items")...)
	if s.ListType == "map" {
		limits = append(limits, "one for each "+codes(s.ListMapKeys))
	}
	if len(s.Enum) > 0 {
		limits = append(limits, "one of "+codes(s.Enum))
	}
	rules := s.Rules
	if len(s.Properties) > 0 {
		// They are in the section of the object.
		rules = nil
	}
	for _, r := range rules {
		if pattern := matches.FindStringSubmatch(r.Rule); pattern != nil {
			limits = append(limits, code(pattern[1]))
		}
		limits = append(limits, quoted(r.Message))
	}
	if s.Pattern != "" && len(s.Rules) == 0 {
		limits = append(limits, code(s.Pattern))
	}
	if s.Items != nil && len(s.Items.Properties) == 0 {
		for _, limit := range p.limits(name, s.Items, false) {
			limits = append(limits, "each "+limit)
		}
	}
	return limits
}

func between(least, most *int64, unit string) []string {
	switch {
	case least != nil && most != nil:
		return []string{fmt.Sprintf("%d to %d%s", *least, *most, unit)}
	case least != nil:
		return []string{fmt.Sprintf("at least %d%s", *least, unit)}
	case most != nil:
		return []string{fmt.Sprintf("at most %d%s", *most, unit)}
	}
	return nil
}

// unit is that which a field's name speaks of.
func unit(name string) string {
	switch {
	case strings.Contains(name, "Seconds"):
		return " seconds"
	case strings.HasSuffix(name, "Bytes"):
		return " bytes"
	}
	return ""
}

// constants writes what the constants of the package mean.
func (p *page) constants() error {
	for _, prefix := range []string{"Condition", "Reason", "Annotation"} {
		group, err := p.source.prefixed(prefix)
		if err != nil {
			return err
		}
		p.printf("## %ss\n\n%s\n\n", prefix, group.doc)
		for _, c := range group.members {
			name := code(c.value)
			if prefix == "Reason" {
				name = fmt.Sprintf("[%s](troubleshooting.md#%s)", name, anchor(c.value))
			}
			p.printf("- %s%s\n", name, cell(c.doc))
		}
		p.printf("\n")
	}
	return nil
}

// firstParagraph leaves out what is for whoever changes the types.
func firstParagraph(doc string) string {
	first, _, _ := strings.Cut(doc, "\n\n")
	return first
}

// jsonOf writes what came from YAML.
func jsonOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return code(err.Error())
	}
	return code(string(text))
}

func code(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }

func codes(texts []string) string {
	marked := make([]string, len(texts))
	for n, text := range texts {
		marked[n] = code(text)
	}
	return strings.Join(marked, ", ")
}

func quoted(text string) string { return "“" + cell(text) + "”" }

// cell is text in one line, for a table.
func cell(text string) string {
	space := ""
	if strings.HasPrefix(text, " ") {
		space = " "
	}
	return space + strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// anchor is what a heading is linked by.
func anchor(heading string) string {
	return regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
}
