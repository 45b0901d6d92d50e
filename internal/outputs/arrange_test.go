package outputs

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// Whatever is kept, over as many rounds as it takes: every output is in exactly one Secret byte for byte, no Secret is
// too large, runs no longer kept are gone, what is there stays where it is, and a second look changes nothing.
func TestArrange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shards []shard
		want := map[string][]byte{}
		for round := range rapid.IntRange(1, 4).Draw(t, "rounds") {
			keep := projection.Keep{}
			for n, instance := range rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 12, rapid.ID[int]).Draw(t, "instances") {
				key := fmt.Sprintf("i-%d", instance)
				if rapid.Bool().Draw(t, "run") {
					key = fmt.Sprintf("run-%d.%s", n, key)
					keep.Runs = append(keep.Runs, key)
				}
				data := bytes.Repeat([]byte{byte(round), byte(n)}, rapid.SampledFrom([]int{1, 12 << 10, 200_000, 499_000}).Draw(t, "size"))
				keep.Outputs = append(keep.Outputs, projection.KeptOutput{Key: key, Data: data})
				want[key] = data
			}
			maps.DeleteFunc(want, func(key string, _ []byte) bool {
				kept := false
				for _, run := range keep.Runs {
					kept = kept || run == key
				}
				return projection.IsRun(key) && !kept
			})
			after, err := arrange(shards, keep)
			if err != nil {
				t.Fatal(err)
			}
			check(t, after, want)
			for n := range shards {
				for key, data := range shards[n].data {
					if wanted, kept := want[key]; kept && bytes.Equal(wanted, data) && !bytes.Equal(after[n].data[key], data) {
						t.Fatalf("%s has moved", key)
					}
				}
			}
			again, err := arrange(after, keep)
			if err != nil {
				t.Fatal(err)
			}
			for n, s := range again {
				if s.changed {
					t.Fatalf("Secret %d changes at a second look", n)
				}
			}
			shards = after
		}
	})
}

func check(t *rapid.T, shards []shard, want map[string][]byte) {
	found := map[string]bool{}
	for n := range shards {
		if size := shards[n].size(); size > secretBytes {
			t.Fatalf("Secret %d has %d bytes", n, size)
		}
		for key, data := range shards[n].data {
			if found[key] || !bytes.Equal(data, want[key]) {
				t.Fatalf("%s is there twice, or is not what was printed", key)
			}
			found[key] = true
		}
	}
	if len(found) != len(want) {
		t.Fatalf("%d outputs are kept, want %d", len(found), len(want))
	}
}

func TestArrangeRefusesWhatDoesNotFit(t *testing.T) {
	large := projection.KeptOutput{Key: "i-1", Data: make([]byte, secretBytes)}
	if _, err := arrange(nil, projection.Keep{Outputs: []projection.KeptOutput{large}}); err == nil || !strings.Contains(err.Error(), "i-1 has 1000000 bytes") {
		t.Errorf("an output larger than a Secret: %v", err)
	}
	var many projection.Keep
	for n := range maxSecrets + 1 {
		many.Outputs = append(many.Outputs, projection.KeptOutput{Key: fmt.Sprint("i-", n), Data: make([]byte, secretBytes*2/3)})
	}
	if _, err := arrange(nil, many); err == nil || !strings.Contains(err.Error(), "64 Secrets") {
		t.Errorf("more outputs than Secrets: %v", err)
	}
	many.Outputs = many.Outputs[:maxSecrets]
	if shards, err := arrange(nil, many); err != nil || len(shards) != maxSecrets {
		t.Errorf("as many outputs as Secrets: %d, %v", len(shards), err)
	}
}

func TestNames(t *testing.T) {
	owner := &v1alpha1.InvocationResult{}
	owner.UID = types.UID("3f2a91bc-0000-4000-8000-000000000000")
	for name, want := range map[string]string{
		"patch-web":              "patch-web-output-3f2a91bc-63",
		strings.Repeat("a", 253): strings.Repeat("a", 234) + "-output-3f2a91bc-63",
	} {
		owner.Name = name
		if got := nameOf(owner, maxSecrets-1); got != want || len(validation.IsDNS1123Subdomain(got)) > 0 {
			t.Errorf("the Secret of %s is named %s, want %s", name, got, want)
		}
	}
	owner.Name = "patch-web"
	if got := nameOf(owner, 0); got != "patch-web-output-3f2a91bc" {
		t.Errorf("the first Secret is named %s", got)
	}
}
