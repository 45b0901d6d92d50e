package scenario

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/emulator.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The scenarios in the reference are accepted as they stand.
func TestReferenceScenarios(t *testing.T) {
	blocks := regexp.MustCompile("(?s)<!-- test: scenario -->\n```yaml\n(.*?)\n```").FindAllStringSubmatch(reference(t), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d scenarios are in the reference", len(blocks))
	}
	for _, block := range blocks {
		s, err := Parse([]byte(block[1]))
		if err == nil {
			err = s.Configure(&emulator.Options{}, func(name string) string { return "value of " + name })
		}
		if err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
	}
}

// Every key that a scenario may have is in the reference, and every kind of fault.
func TestReferenceIsComplete(t *testing.T) {
	text := reference(t)
	words := map[string]bool{}
	for _, word := range regexp.MustCompile(`[A-Za-z]+`).FindAllString(text, -1) {
		words[word] = true
	}
	for _, key := range allKeys(reflect.TypeFor[Scenario]()) {
		if !words[key] {
			t.Errorf("the key %s is not in the reference", key)
		}
	}
	for _, kind := range emulator.FaultKinds() {
		if !strings.Contains(text, "`"+string(kind)+"`") {
			t.Errorf("the fault %s is not in the reference", kind)
		}
	}
}

// allKeys are the keys of a type, and of all below it.
func allKeys(of reflect.Type) []string {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || strings.HasSuffix(of.PkgPath(), "/ram") {
		return nil
	}
	var keys []string
	for _, field := range reflect.VisibleFields(of) {
		if settable(field) {
			keys = append(append(keys, keyOf(field.Name)), allKeys(field.Type)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
