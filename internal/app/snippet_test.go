package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// snippet is the code of the README that follows the comment <!-- test: NAME -->.
func snippet(t *testing.T, name string) string {
	t.Helper()
	code, err := block("../README.md", name, "sh")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// block is the code of a file under docs that follows the comment <!-- test: NAME -->.
func block(document, name, language string) (string, error) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", document))
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(text), "<!-- test: "+name+" -->\n```"+language+"\n")
	code, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		return "", fmt.Errorf("%s has no block of %s marked %s", document, language, name)
	}
	return code, nil
}
