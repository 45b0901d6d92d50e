package main

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/cloud-assistant-operator/cloud-assistant-operator"

// The README's way to use the emulator in one's own tests works from an empty directory. The module is served from
// this checkout, as a proxy would serve it, and all others from the module cache.
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
	cache := goModCache(t)
	proxy, version := moduleProxy(t)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(cache, "cache", "download", module, "@v", version+"*"))
		for _, path := range append(left, filepath.Join(cache, module+"@"+version)) {
			err = errors.Join(err, os.RemoveAll(path))
		}
		if err != nil {
			t.Errorf("the module cache keeps the module of this test: %v", err)
		}
	})
	command := exec.CommandContext(t.Context(), "sh", "-euc", snippet)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(),
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(cache, "cache", "download"),
		"GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off")
	if printed, err := command.CombinedOutput(); err != nil {
		log, _ := os.ReadFile(filepath.Join(command.Dir, "emulator.log"))
		t.Fatalf("%v\n%s\n%s", err, printed, log)
	}
}

func goModCache(t *testing.T) string {
	t.Helper()
	printed, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(printed))
}

// moduleProxy is a directory that serves what the emulator is made of, in a version that nobody else has.
func moduleProxy(t *testing.T) (directory, version string) {
	t.Helper()
	version = "v0.0.0-checkout-" + strings.ToLower(rand.Text())
	var content bytes.Buffer
	archive := zip.NewWriter(&content)
	add := func(name string, data []byte) {
		t.Helper()
		file, err := archive.Create(module + "@" + version + "/" + name)
		if err == nil {
			_, err = file.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root := os.DirFS("../..")
	for _, below := range []string{"cmd/ecs-emulator", "internal/emulator"} {
		err := fs.WalkDir(root, below, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			data, err := fs.ReadFile(root, name)
			add(name, data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	goMod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	add("go.mod", goMod)
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	directory = t.TempDir()
	versions := filepath.Join(directory, module, "@v")
	if err := os.MkdirAll(versions, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(versions, version+".mod"), goMod)
	write(t, filepath.Join(versions, version+".zip"), content.Bytes())
	write(t, filepath.Join(versions, version+".info"), []byte(`{"Version":"`+version+`"}`))
	write(t, filepath.Join(versions, "list"), []byte(version+"\n"))
	return directory, version
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
