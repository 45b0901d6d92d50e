package projection

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// runPrefix begins the keys of earlier runs, and no others: the IDs of instances begin with i-.
const runPrefix = "run-"

// Keep are the outputs that belong in a Secret, because of spec.output.policy.
type Keep struct {
	// Outputs are all that the API gives, in order of importance.
	Outputs []KeptOutput
	// Runs are the keys of all earlier runs that the status has; those of others need not be kept any longer.
	Runs []string
}

// KeptOutput is one output, byte for byte.
type KeptOutput struct {
	// Key is unique within a resource, and fit for the data of a Secret.
	Key string
	// SHA256 is the digest of Data in hexadecimal.
	SHA256 string
	Data   []byte
}

// IsRun says whether a key is that of an earlier run.
func IsRun(key string) bool { return strings.HasPrefix(key, runPrefix) }

// keep is what belongs in a Secret now.
func (p *projection) keep() Keep {
	var keep Keep
	if p.policy() != v1alpha1.OutputSecret {
		return keep
	}
	used := map[string]bool{}
	add := func(key string, e *entry) {
		if len(e.output.raw) > 0 && !used[key] {
			used[key] = true
			keep.Outputs = append(keep.Outputs, KeptOutput{Key: key, SHA256: e.output.known.SHA256, Data: e.output.raw})
		}
	}
	for _, e := range p.instances {
		add(e.key(), e)
	}
	for _, e := range p.newest(p.history.runs) {
		key := fmt.Sprintf("%s%d.%s", runPrefix, e.run().began, e.key())
		keep.Runs = append(keep.Runs, key)
		add(key, e)
	}
	return keep
}

// key names a place in the data of a Secret.
func (e *entry) key() string {
	name := e.InstanceID
	switch {
	case e.ContainerName != "":
		name += "." + e.ContainerName
	case e.ContainerID != "":
		name += "." + e.ContainerID
	}
	fit := func(r rune) rune {
		if strings.ContainsRune("-._", r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}
	return strings.Map(fit, name)
}

// outputSecrets are those that the status names: once there, a Secret stays as long as the resource does.
func (p *projection) outputSecrets() []string {
	named := slices.Clone(p.previous.OutputSecrets)
	for _, secret := range p.OutputSecrets {
		if !slices.Contains(named, secret) {
			named = append(named, secret)
		}
	}
	return named
}
