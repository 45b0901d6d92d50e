package outputs

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// Whatever is kept, over as many rounds as it takes: every output is in exactly one Secret byte for byte, no Secret is
// too large, of the earlier runs of a place there are the newest, what is there stays where it is, and a second look
// changes nothing.
func TestArrange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shards []shard
		want := map[string][]byte{}
		perPlace := rapid.IntRange(0, 3).Draw(t, "runs per place")
		for round := range rapid.IntRange(1, 4).Draw(t, "rounds") {
			keep := projection.Keep{RunsPerPlace: perPlace}
			for n, instance := range rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 12, rapid.ID[int]).Draw(t, "instances") {
				key := fmt.Sprintf("i-%d", instance)
				if rapid.Bool().Draw(t, "run") {
					key = fmt.Sprintf("run-%d.i-%d", round*100+n, instance%3)
				}
				data := bytes.Repeat([]byte{byte(round), byte(n)}, rapid.SampledFrom([]int{1, 12 << 10, 200_000, 499_000}).Draw(t, "size"))
				keep.Outputs = append(keep.Outputs, projection.KeptOutput{Key: key, Data: data})
				want[key] = data
			}
			for instance := range 3 {
				var runs []string
				for key := range want {
					if place, _, isRun := projection.ParseRun(key); isRun && place == fmt.Sprintf("i-%d", instance) {
						runs = append(runs, key)
					}
				}
				slices.SortFunc(runs, func(a, b string) int {
					_, first, _ := projection.ParseRun(a)
					_, second, _ := projection.ParseRun(b)
					return cmp.Compare(second, first)
				})
				for _, key := range runs[min(perPlace, len(runs)):] {
					delete(want, key)
				}
			}
			after, refusal := arrange(shards, keep)
			if refusal != nil {
				t.Fatal(refusal)
			}
			check(t, after, want)
			for n := range shards {
				for key, data := range shards[n].data {
					if wanted, kept := want[key]; kept && bytes.Equal(wanted, data) && !bytes.Equal(after[n].data[key], data) {
						t.Fatalf("%s has moved", key)
					}
				}
			}
			stored := make([]shard, len(after))
			for n := range after {
				stored[n] = shard{data: after[n].data}
			}
			// What prune has taken out would be put in and taken out again.
			again, _ := arrange(stored, projection.Keep{RunsPerPlace: perPlace})
			for n, s := range again {
				if s.changed {
					t.Fatalf("Secret %d changes at a second look", n)
				}
			}
			shards = stored
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

// What does not fit is refused, and the rest is kept.
func TestArrangeRefusesWhatDoesNotFit(t *testing.T) {
	keep := projection.Keep{Outputs: []projection.KeptOutput{{Key: "i-1", Data: make([]byte, secretBytes)}, {Key: "i-2", Data: []byte("x")}}}
	shards, refusal := arrange(nil, keep)
	if refusal == nil || !strings.Contains(refusal.Error(), "i-1 has 1000000 bytes") || len(shards) != 1 || string(shards[0].data["i-2"]) != "x" {
		t.Errorf("beside an output larger than a Secret: %v, %d Secrets", refusal, len(shards))
	}
	var many projection.Keep
	for n := range maxSecrets + 1 {
		many.Outputs = append(many.Outputs, projection.KeptOutput{Key: fmt.Sprint("i-", n), Data: make([]byte, secretBytes*2/3)})
	}
	shards, refusal = arrange(nil, many)
	if refusal == nil || !strings.Contains(refusal.Error(), "32 Secrets") || len(shards) != maxSecrets {
		t.Errorf("more outputs than Secrets: %v, %d Secrets", refusal, len(shards))
	}
	many.Outputs = many.Outputs[:maxSecrets]
	if shards, refusal = arrange(nil, many); refusal != nil || len(shards) != maxSecrets {
		t.Errorf("as many outputs as Secrets: %d, %v", len(shards), refusal)
	}
}

func TestNames(t *testing.T) {
	owner := &v1alpha1.InvocationResult{}
	owner.UID = types.UID("3f2a91bc-0000-4000-8000-000000000000")
	for name, want := range map[string]string{
		"patch-web":              "patch-web-output-3f2a91bc-31",
		strings.Repeat("a", 253): strings.Repeat("a", 63) + "-output-3f2a91bc-31",
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
