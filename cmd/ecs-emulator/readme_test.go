package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The README's way to use the emulator in one's own tests works as written, in a clone.
func TestReadmeSnippet(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "<!-- test: own-tests -->\n```sh\n")
	snippet, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatal("the README has no shell snippet marked own-tests")
	}
	command := exec.CommandContext(t.Context(), "sh", "-euc", snippet)
	command.Dir = "../.."
	command.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	printed, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(printed), "ok  \texample.com/mytool") {
		t.Fatalf("%v\n%s", err, printed)
	}
}
