package app_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// codeBlock is a block of code in a document, or a heredoc in one of sh.
type codeBlock struct {
	line int
	// language is that of the fence; of a heredoc, what its command makes of it.
	language string
	// marker is NAME of <!-- test: NAME --> in the line before the fence.
	marker string
	code   string
}

// languages are those that a fence may name. What they hold is told apart by nothing else.
var languages = []string{"console", "go", "json", "mermaid", "promql", "sh", "yaml"}

var (
	fence  = regexp.MustCompile("^(`{3,}|~{3,})(.*)$")
	marked = regexp.MustCompile(`^<!-- test: ([a-z-]+) -->$`)
	// object is a line that only YAML or JSON of a Kubernetes object has, indented one of any YAML that is set as code.
	object   = regexp.MustCompile(`(?m)^[\s>*-]*(apiVersion: *\S|"apiVersion":)`)
	indented = regexp.MustCompile(`^(    |\t)\s*(- )?\w+:( |$)`)
	heredoc  = regexp.MustCompile(`<<(-?) *(['"]?)(\w+)(['"]?)`)
	file     = regexp.MustCompile(`> *\S+\.(\w+)`)
	fromPipe = regexp.MustCompile(`\bkubectl\b.* (-f|--filename)[ =]-`)
)

// blocksOf are the blocks of code in a document, in their order, a heredoc behind the block that it is in. It is an
// error if code may hide from it: in a block of no language that we know, or in no block.
func blocksOf(text string) (blocks []codeBlock, err error) {
	var (
		problems []error
		open     *codeBlock
		end      string
		before   string
	)
	complain := func(line int, format string, args ...any) {
		problems = append(problems, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
	}
	for n, line := range strings.Split(text, "\n") {
		n++
		match := fence.FindStringSubmatch(strings.TrimLeft(line, " >"))
		switch {
		case open != nil && line == end:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.code += line + "\n"
		case match != nil && line != match[0]:
			complain(n, "a fence that is indented or quoted: begin it at the margin")
		case match != nil:
			open, end = &codeBlock{line: n, language: match[2]}, match[1]
			if mark := marked.FindStringSubmatch(before); mark != nil {
				open.marker = mark[1]
			}
			if !slices.Contains(languages, open.language) {
				complain(n, "a block of %q: name one of the languages %v", open.language, languages)
			}
		case object.MatchString(line) || indented.MatchString(line) || heredoc.MatchString(line):
			complain(n, "YAML or a heredoc outside of a fence: %s", line)
		}
		before = line
	}
	if open != nil {
		complain(open.line, "the block is not closed")
	}
	for n := 0; n < len(blocks); n++ {
		block := &blocks[n]
		if block.language == "sh" || block.language == "console" {
			var inside []codeBlock
			if block.code, inside, err = heredocsOf(*block); err != nil {
				problems = append(problems, err)
			}
			blocks = slices.Insert(blocks, n+1, inside...)
		}
		if block := blocks[n]; block.language != "yaml" && object.MatchString(block.code) {
			complain(block.line, "an object of Kubernetes in a block of %s", block.language)
		}
	}
	return blocks, errors.Join(problems...)
}

// heredocsOf takes the heredocs out of a script.
func heredocsOf(script codeBlock) (rest string, inside []codeBlock, err error) {
	var open *codeBlock
	end, tabs := "", ""
	for n, line := range strings.Split(strings.TrimSuffix(script.code, "\n"), "\n") {
		n += script.line + 1
		if open != nil {
			if line = strings.TrimLeft(line, tabs); line == end {
				inside = append(inside, *open)
				open = nil
			} else {
				open.code += line + "\n"
			}
			continue
		}
		rest += line + "\n"
		match := heredoc.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		open, end = &codeBlock{line: n, marker: script.marker}, match[3]
		if tabs = ""; match[1] != "" {
			tabs = "\t"
		}
		written := file.FindStringSubmatch(line)
		switch {
		case strings.Contains(line, "<<<"):
			return rest, nil, fmt.Errorf("line %d: a here-string: write a heredoc", n)
		case fromPipe.MatchString(line):
			open.language = "yaml"
		case written != nil && slices.Contains(languages, written[1]):
			open.language = written[1]
		default:
			return rest, nil, fmt.Errorf("line %d: a heredoc that goes neither to kubectl -f - nor into a file of %v: %s", n, languages, line)
		}
	}
	if open != nil {
		return rest, nil, fmt.Errorf("line %d: the heredoc does not end at a line %s", open.line, end)
	}
	return rest, inside, nil
}

func TestBlocksOfADocument(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines []string
		want  []codeBlock
	}{
		"plain": {
			lines: []string{"Text:", "", "```yaml", "a: b", "", "c: d", "```", "```sh", "true", "```"},
			want:  []codeBlock{{line: 3, language: "yaml", code: "a: b\n\nc: d\n"}, {line: 8, language: "sh", code: "true\n"}},
		},
		"marked": {
			lines: []string{"<!-- test: some-name -->", "```yaml", "a: b", "```", "```yaml", "```"},
			want:  []codeBlock{{line: 2, language: "yaml", marker: "some-name", code: "a: b\n"}, {line: 5, language: "yaml"}},
		},
		"a fence in a fence": {
			lines: []string{"````yaml", "a: |", "```", "````"},
			want:  []codeBlock{{line: 1, language: "yaml", code: "a: |\n```\n"}},
		},
		"heredocs": {
			lines: []string{
				"<!-- test: own -->", "```sh", "kubectl apply --server-side -f - <<EOF", "apiVersion: v1", "EOF", "true",
				"cat <<-'GO' > a.go", "\tx <<= 1", "\tGO", `cat << "EOF" | kubectl create --filename=-`, "kind: b", "EOF", "```",
			},
			want: []codeBlock{
				{2, "sh", "own", "kubectl apply --server-side -f - <<EOF\ntrue\ncat <<-'GO' > a.go\ncat << \"EOF\" | kubectl create --filename=-\n"},
				{3, "yaml", "own", "apiVersion: v1\n"},
				{7, "go", "own", "x <<= 1\n"},
				{10, "yaml", "own", "kind: b\n"},
			},
		},
	} {
		blocks, err := blocksOf(strings.Join(test.lines, "\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, blocks, cmp.AllowUnexported(codeBlock{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCodeThatHidesIsFound(t *testing.T) {
	t.Parallel()
	for want, lines := range map[string][]string{
		"line 1: the block is not closed":                       {"```yaml", "a: b", "``"},
		`line 2: a block of "yml"`:                              {"", "```yml", "```"},
		`line 1: a block of ""`:                                 {"```", "a: b", "```"},
		"line 1: a fence that is indented or quoted":            {"  ```yaml", "  a: b", "  ```"},
		"line 2: a fence that is indented or quoted":            {"", "> ```yaml"},
		"line 2: YAML or a heredoc outside":                     {"- so:", "  apiVersion: v1"},
		"line 3: YAML or a heredoc outside":                     {"so:", "", "    spec:", "      a: b"},
		"line 1: YAML or a heredoc outside":                     {"    kubectl apply -f - <<EOF"},
		"line 1: an object of Kubernetes in a block of json":    {"```json", "{", `  "apiVersion": "v1"`, "}", "```"},
		"line 1: an object of Kubernetes in a block of console": {"```console", "apiVersion: v1", "```"},
		"line 2: a here-string":                                 {"```sh", `kubectl apply -f - <<<"a"`, "```"},
		"line 2: a heredoc that goes neither":                   {"```sh", "cat <<EOF", "a: b", "EOF", "```"},
		"line 3: the heredoc does not end at a line EOF":        {"```sh", "true", "cat > a.yaml <<EOF", "a: b", " EOF", "```"},
	} {
		if blocks, err := blocksOf(strings.Join(lines, "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %q these are found: %+v, with the error %v, want %q", lines, blocks, err, want)
		}
	}
}
