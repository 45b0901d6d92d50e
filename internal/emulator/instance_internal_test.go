package emulator

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestInstanceThatCannotBe(t *testing.T) {
	for name, i := range map[string]Instance{
		"operating system":  {OSType: "plan9"},
		"status":            {Status: "Starting"},
		"agent":             {Agent: "Sleepy"},
		"agent version":     {AgentVersion: "2.2.3"},
		"version of words":  {AgentVersion: "a.b.c.d"},
		"container ID":      {Containers: []Container{{ID: "short", Name: "n"}}},
		"container name":    {Containers: []Container{{ID: strings.Repeat("a", 64)}}},
		"container runtime": {Containers: []Container{{ID: strings.Repeat("a", 64), Name: "n", Runtime: "chroot"}}},
	} {
		i.ID = "i-1"
		if err := i.withDefaults(DefaultRegionIDs).check(); err == nil || !strings.Contains(err.Error(), "i-1") {
			t.Errorf("an instance with a wrong %s gives %v, want an error that names it", name, err)
		}
	}
}

func TestAgentVersions(t *testing.T) {
	for version, want := range map[string]bool{"2.2.3.344": true, "2.2.3.343": false, "2.2.4.0": true, "10.0.0.0": true, "2.2.3.1000": true} {
		if got := sinceContainers.includes(Instance{OSType: OSLinux, AgentVersion: version}); got != want {
			t.Errorf("agent %s knows containers: %v, want %v", version, got, want)
		}
	}
	if sinceContainers.includes(Instance{OSType: OSWindows, AgentVersion: "9.9.9.9"}) {
		t.Error("an agent on Windows knows containers")
	}
}

// The pattern means the same as the regular expression that it abbreviates.
func TestMatchesPattern(t *testing.T) {
	letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab*")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern, name := letters.Draw(t, "pattern"), strings.ReplaceAll(letters.Draw(t, "name"), "*", "")
		want := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$").MatchString(name)
		if got := matchesPattern(pattern, name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}
