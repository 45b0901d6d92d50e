package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

// snippet is the code block of the README that follows the comment <!-- test: NAME -->.
func snippet(t *testing.T, name string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(testenv.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "<!-- test: "+name+" -->\n```sh\n")
	block, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatalf("the README has no shell snippet marked %s", name)
	}
	return block
}
