package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// document reads a file under docs.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources parses the Go files under a folder, but for tests.
func sources(t *testing.T, folder string) []*ast.File {
	t.Helper()
	var files []*ast.File
	err := filepath.WalkDir(filepath.Join(testenv.Root(), folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// stringsOf are the string literals of a folder.
func stringsOf(t *testing.T, folder string) []string {
	t.Helper()
	var literals []string
	for _, file := range sources(t, folder) {
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if value, err := strconv.Unquote(literal.Value); err == nil {
					literals = append(literals, value)
				}
			}
			return true
		})
	}
	return literals
}

// constantsOf are the values of the string constants of a folder whose names begin with a prefix.
func constantsOf(t *testing.T, folder, prefix string) []string {
	t.Helper()
	var values []string
	for _, file := range sources(t, folder) {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.CONST {
				continue
			}
			for _, spec := range general.Specs {
				constant := spec.(*ast.ValueSpec)
				for n, value := range constant.Values {
					if !strings.HasPrefix(constant.Names[n].Name, prefix) {
						continue
					}
					literal, ok := value.(*ast.BasicLit)
					if !ok {
						t.Fatalf("%s is no literal", constant.Names[n].Name)
					}
					text, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, text)
				}
			}
		}
	}
	return values
}

func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	status, troubleshooting := document(t, "status.md"), document(t, "troubleshooting.md")
	reasons := constantsOf(t, "api/v1alpha1", "Reason")
	events := slices.DeleteFunc(constantsOf(t, "internal/projection", "Event"), func(value string) bool {
		return value == projection.EventNormal || value == projection.EventWarning
	})
	if len(reasons) < 16 || len(events) < 2 {
		t.Errorf("the source has the reasons %v and the events %v: the search is broken", reasons, events)
	}
	for _, reason := range slices.Concat(reasons, events) {
		if !strings.Contains(troubleshooting, "\n### "+reason+"\n") {
			t.Errorf("docs/troubleshooting.md has no section %s", reason)
		}
		if !strings.Contains(status, "`"+reason+"`") {
			t.Errorf("docs/status.md does not name %s", reason)
		}
	}
}

// produced are the sentences of conditions and events that the projection makes of some observations.
func produced(t *testing.T) []string {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	row := func(id string, status cloudassistant.InvocationStatus, exit *int64) cloudassistant.Record {
		record := cloudassistant.Record{
			InvokeID: "t-1", InstanceID: id, InvocationStatus: status, ExitCode: exit, StartTime: now.Add(-time.Hour),
		}
		if exit != nil && *exit != 0 {
			record.ErrorCode = "ExitCodeNonzero"
		}
		return record
	}
	const (
		success, failed, terminated = cloudassistant.StatusSuccess, cloudassistant.StatusFailed, cloudassistant.StatusTerminated
		running, scheduled          = cloudassistant.StatusRunning, cloudassistant.StatusScheduled
	)
	zero, three := new(int64(0)), new(int64(3))
	var sentences []string
	for _, failure := range []cloudassistant.Error{
		{Class: cloudassistant.ClassDenied, Code: "Forbidden.RAM", Message: "Not you."},
		{Class: cloudassistant.ClassDenied, Code: "SignatureDoesNotMatch", Message: "No."},
		{Class: cloudassistant.ClassDenied, Code: "NoPermission", Message: "Not you.", RoleARN: "acs:ram::43:role/r"},
		{Class: cloudassistant.ClassInvalid, Code: "InvalidRegionId.NotFound", Message: "There is none."},
	} {
		output := projection.Project(projection.Input{
			Now: now, Generation: 1, Spec: &v1alpha1.InvocationResultSpec{RegionID: region, InvokeID: "t-1"},
			Observation: projection.Observation{Failure: &failure},
		})
		sentences = append(sentences, output.Status.Conditions[0].Message)
	}
	for name, answers := range map[string][][]cloudassistant.Record{
		"succeeded":          {{row("i-a", success, zero), row("i-b", success, zero), row("i-c", success, zero)}},
		"failed":             {{row("i-a", success, zero), row("i-b", success, zero), row("i-c", failed, three)}},
		"stopped":            {{row("i-a", success, zero), row("i-b", terminated, nil)}},
		"scheduled, no run":  {{row("i-a", scheduled, nil)}},
		"scheduled, success": {{row("i-a", scheduled, zero)}},
		"scheduled, failure": {{row("i-a", scheduled, three)}},
		"partly gone":        {{row("i-a", success, zero), row("i-b", running, nil)}, {row("i-a", success, zero)}},
	} {
		var previous *v1alpha1.InvocationResultStatus
		for n, records := range answers {
			at := now.Add(time.Duration(n) * time.Hour)
			output := projection.Project(projection.Input{
				Now: at, Generation: 1, Previous: previous,
				Spec: &v1alpha1.InvocationResultSpec{RegionID: region, InvokeID: "t-1"},
				Observation: projection.Observation{
					Live:           &cloudassistant.Answer{Records: records, Complete: true, StartedAt: at, EndedAt: at},
					UnchangedSince: at.Add(-10 * time.Minute),
				},
			})
			previous = &output.Status
			for _, event := range output.Events {
				sentences = append(sentences, event.Note)
			}
		}
		if len(previous.Conditions) == 0 {
			t.Fatalf("%s: nothing is produced", name)
		}
		for _, condition := range previous.Conditions {
			sentences = append(sentences, condition.Message)
		}
	}
	return sentences
}

// codes are the codes of errors in the table under a heading, and the texts that go with them, if it has such.
func codes(t *testing.T, text, heading string) (named, texts []string) {
	t.Helper()
	_, section, found := strings.Cut(text, "\n### "+heading+"\n")
	if !found {
		t.Fatalf("there is no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n### ")
	inCode := regexp.MustCompile("`([^`]+)`")
	of := func(cell string) []string {
		var marked []string
		for _, match := range inCode.FindAllStringSubmatch(cell, -1) {
			marked = append(marked, match[1])
		}
		return marked
	}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		named = append(named, of(cells[1])...)
		if len(cells) > 4 {
			texts = append(texts, of(cells[2])...)
		}
	}
	return named, texts
}

// A code before a sentence is not part of it: what follows is the API's own or ours.
var codeBefore = regexp.MustCompile(`^[A-Z][A-Za-z.]+: `)

// TestQuotedSentencesAreTheOperators: what docs/troubleshooting.md quotes as written by the operator, in lines that
// begin with > and in the tables of codes, is in its source, or is made by the projection.
func TestQuotedSentencesAreTheOperators(t *testing.T) {
	t.Parallel()
	text := document(t, "troubleshooting.md")
	literals, sentences := stringsOf(t, "internal"), produced(t)
	isOurs := func(piece string) bool {
		return slices.ContainsFunc(literals, func(literal string) bool { return strings.Contains(literal, piece) })
	}
	var quotes []string
	for line := range strings.Lines(text) {
		if quote, isQuote := strings.CutPrefix(line, "> "); isQuote {
			quotes = append(quotes, strings.TrimSpace(quote))
		}
	}
	denials, texts := codes(t, text, "AccessDenied")
	refusals, _ := codes(t, text, "InvalidQuery")
	if len(quotes) < 30 || len(texts) < 10 || len(denials) < 20 || len(refusals) < 5 {
		t.Errorf("found %d quotes, %d texts, %d and %d codes: the search is broken", len(quotes), len(texts), len(denials), len(refusals))
	}
	for _, code := range slices.Concat(denials, refusals) {
		if !slices.Contains(literals, code) {
			t.Errorf("docs/troubleshooting.md names the code %s, which is not in the source", code)
		}
	}
	for _, quote := range slices.Concat(quotes, texts) {
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(quote), "…", ".+") + "$")
		if slices.ContainsFunc(sentences, pattern.MatchString) {
			continue
		}
		letters := 0
		if code := codeBefore.FindString(quote); code != "" {
			quote = strings.TrimPrefix(quote, code)
			if code = strings.TrimSuffix(code, ": "); !slices.Contains(literals, code) {
				t.Errorf("docs/troubleshooting.md quotes the code %s, which is not in the source", code)
			}
		}
		for piece := range strings.SplitSeq(quote, "…") {
			piece = strings.Trim(piece, " .")
			letters += len(piece)
			if !isOurs(piece) {
				t.Errorf("docs/troubleshooting.md quotes %q, of which the operator never writes %q", quote, piece)
			}
		}
		if letters < 15 {
			t.Errorf("docs/troubleshooting.md quotes %q, which says too little to be found", quote)
		}
	}
}

// messagesOf are the messages of the rules in a schema and all that is in it.
func messagesOf(schema any) []string {
	var messages []string
	if schema, isObject := schema.(map[string]any); isObject {
		rules, _, _ := unstructured.NestedSlice(schema, "x-kubernetes-validations")
		for _, rule := range rules {
			if message, ok := rule.(map[string]any)["message"].(string); ok {
				messages = append(messages, message)
			}
		}
		for _, member := range schema {
			messages = append(messages, messagesOf(member)...)
		}
	}
	return messages
}

func TestEveryRefusalIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "config/crd/bases/ecs.k8s.alibabacloud_invocationresults.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crd := map[string]any{}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	if err != nil || len(versions) != 1 {
		t.Fatalf("the CRD has %d versions, want 1: %v", len(versions), err)
	}
	spec, _, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec")
	if err != nil {
		t.Fatal(err)
	}
	messages := messagesOf(spec)
	if len(messages) < 15 {
		t.Errorf("the CRD has the rules %q: the search is broken", messages)
	}
	troubleshooting, api := document(t, "troubleshooting.md"), document(t, "api.md")
	for _, message := range messages {
		if !strings.Contains(troubleshooting, "| “"+message+"” |") {
			t.Errorf("docs/troubleshooting.md does not say what to do about %q", message)
		}
		if !strings.Contains(api, "“"+message+"”") {
			t.Errorf("docs/api.md lacks the rule %q", message)
		}
	}
	for _, quoted := range regexp.MustCompile(`(?m)^\| “(.+)” \|`).FindAllStringSubmatch(troubleshooting, -1) {
		if !slices.Contains(messages, quoted[1]) {
			t.Errorf("docs/troubleshooting.md explains %q, which no rule says", quoted[1])
		}
	}
}
