package projection

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// runPrefix begins the keys of earlier runs, and no others: the IDs of instances begin with i-.
const runPrefix = "run-"

// maxKey is the length of a key in a Secret.
const maxKey = 253

// Keep are the outputs that belong in a Secret, because of spec.output.policy.
type Keep struct {
	// Outputs are all that the API gives, in order of importance.
	Outputs []KeptOutput
	// RunsPerPlace is how many earlier runs of each place are kept, the newest.
	RunsPerPlace int
}

// KeptOutput is one output, byte for byte.
type KeptOutput struct {
	// Key is unique within a resource, and fit for the data of a Secret.
	Key string
	// SHA256 is the digest of Data in hexadecimal.
	SHA256 string
	Data   []byte
}

// ParseRun says of which place, and of which second, the earlier run with that key is; false if it is of no earlier run.
func ParseRun(key string) (place string, began int64, ok bool) {
	rest, isRun := strings.CutPrefix(key, runPrefix)
	second, place, _ := strings.Cut(rest, ".")
	began, err := strconv.ParseInt(second, 10, 64)
	return place, began, isRun && err == nil
}

// keep is what belongs in a Secret now.
func (p *projection) keep() Keep {
	if p.policy() != v1alpha1.OutputSecret {
		return Keep{}
	}
	keep := Keep{RunsPerPlace: HistoryLimit(p.Spec)}
	used := map[string]bool{}
	add := func(prefix string, e *entry) {
		key := prefix + e.key()
		if used[key] {
			key = prefix + e.distinctKey()
		}
		if len(e.output.raw) > 0 && !used[key] {
			used[key] = true
			keep.Outputs = append(keep.Outputs, KeptOutput{Key: key, SHA256: e.output.known.SHA256, Data: e.output.raw})
		}
	}
	items := make([]*item, len(p.instances))
	for n, e := range p.instances {
		items[n] = &item{entry: e}
		add("", e)
	}
	for _, e := range p.newest(p.earlierThan(items)) {
		add(fmt.Sprintf("%s%d.", runPrefix, e.run().began), e)
	}
	return keep
}

// OwesOutput says, from the stored status alone, whether an ended command printed something that belongs in a Secret and
// may be in none: no Secret is named, because it could not be written or the operator was restarted before it was; or it
// ran more than once, or on several instances, so that the Secrets that are named may hold what was kept before the end
// only. For an hour after the end the API is asked for it once more.
func OwesOutput(spec *v1alpha1.InvocationResultSpec, status *v1alpha1.InvocationResultStatus, settings Settings, now time.Time) bool {
	completed := findCondition(status, v1alpha1.ConditionCompleted)
	p := &projection{Input: Input{Spec: spec, Settings: settings}}
	if completed == nil || !isCommandEnd(completed.Reason) || p.policy() != v1alpha1.OutputSecret {
		return false
	}
	if len(status.OutputSecrets) > 0 && len(status.Instances) == 1 && !ranOnSchedule(status) || now.After(completed.LastTransitionTime.Add(owedTime)) {
		return false
	}
	return slices.ContainsFunc(status.Instances, func(r v1alpha1.InstanceResult) bool {
		return r.Output != nil && r.Output.TruncatedBytes > 0
	})
}

// key names a place in the data of a Secret: the instance and, if the command ran in one, the container.
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
	// Room for the prefix of a run; names of the API are far shorter.
	if name = strings.Map(fit, name); len(name) > maxKey/2 {
		return e.distinctKey()
	}
	return name
}

// distinctKey names a place whose key is too long, or reads as that of another.
func (e *entry) distinctKey() string {
	sum := sha256.Sum256([]byte(e.InstanceID + "\n" + e.ContainerID + "\n" + e.ContainerName))
	return "place-" + hex.EncodeToString(sum[:16])
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
