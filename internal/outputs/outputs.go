// Package outputs keeps the outputs of commands in Secrets: as many as it takes, each owned by the InvocationResult, so
// that garbage collection removes them with it.
package outputs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

const (
	// secretBytes is the most that goes into one Secret; the API server takes 1 MiB of data.
	secretBytes = 1_000_000
	// maxSecrets is how many Secrets a resource has at most. Their names have to fit in the smallest status.
	maxSecrets = 32
	// uidLength is how much of the resource's UID a name has. It keeps the Secrets of a resource apart from those of
	// one that had its name before, until these are collected.
	uidLength = 8
	// maxName is how much of the resource's name a name has, of which a status names many.
	maxName = 63

	managedBy = "cloud-assistant-operator"
)

// Keeper writes Secrets.
type Keeper struct {
	// Reader reads from the API server itself: a cache of all Secrets would need the right to list them.
	Reader client.Reader
	Writer client.Writer
}

// Refusal is why outputs are not kept, where another attempt would end alike.
type Refusal struct {
	// Sentence says what is wrong and what to do.
	Sentence string
}

func (r *Refusal) Error() string { return r.Sentence }

// Keep puts the outputs into Secrets, takes out of them what belongs to runs no longer kept, and returns the names of
// all of them. A Secret that somebody else owns is left as it is. It fails with a *Refusal where waiting does not help;
// what could be kept is kept all the same, and named.
func (k Keeper) Keep(ctx context.Context, owner *v1alpha1.InvocationResult, keep projection.Keep) ([]string, error) {
	// At its highest levels the log has the bodies of all requests, and these are of Secrets.
	ctx = logr.NewContext(ctx, logr.Discard())
	secrets, err := k.read(ctx, owner)
	if err != nil {
		return nil, err
	}
	shards := make([]shard, len(secrets))
	for n, secret := range secrets {
		if secret != nil {
			shards[n] = shard{data: secret.Data}
		}
	}
	shards, refusal := arrange(shards, keep)
	var names []string
	for n, s := range shards {
		name := nameOf(owner, n)
		there := n < len(secrets) && secrets[n] != nil
		switch {
		case there && s.changed:
			secrets[n].Data = s.data
			err = k.Writer.Update(ctx, secrets[n])
		case !there && len(s.data) > 0:
			err = k.Writer.Create(ctx, newSecret(owner, name, s.data))
		case !there:
			continue
		}
		if err != nil {
			return names, refused(owner, err)
		}
		names = append(names, name)
	}
	if refusal != nil {
		return names, refusal
	}
	return names, nil
}

// read gets the Secrets that the owner has already, in order; nil for one that is missing among them.
func (k Keeper) read(ctx context.Context, owner *v1alpha1.InvocationResult) ([]*corev1.Secret, error) {
	var secrets []*corev1.Secret
	for n := range maxSecrets {
		secret := &corev1.Secret{}
		err := k.Reader.Get(ctx, types.NamespacedName{Namespace: owner.Namespace, Name: nameOf(owner, n)}, secret)
		switch {
		case apierrors.IsNotFound(err) && n >= len(owner.Status.OutputSecrets):
			return secrets, nil
		case apierrors.IsNotFound(err):
			secrets = append(secrets, nil)
			continue
		case err != nil:
			return nil, refused(owner, err)
		case !metav1.IsControlledBy(secret, owner):
			return nil, &Refusal{fmt.Sprintf("Secret %s exists and belongs to somebody else, so the output is not kept: delete or rename it", secret.Name)}
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// Delay is why outputs are not kept yet. It hides the API server's own error: a conflict here must not read as one of
// the resource itself.
type Delay struct {
	// Reason is the API server's.
	Reason metav1.StatusReason
	text   string
}

func (d *Delay) Error() string { return "cannot keep the output in a Secret: " + d.text }

// refused tells what no second attempt would change, a *Refusal, from what may pass, a *Delay.
func refused(owner *v1alpha1.InvocationResult, err error) error {
	reason := apierrors.ReasonForError(err)
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err) {
		return &Refusal{fmt.Sprintf("the output cannot be kept in a Secret of namespace %s (%s): let the operator write Secrets there (config/output-secrets), and see whether a quota is used up or a policy is against it",
			owner.Namespace, reason)}
	}
	return &Delay{reason, err.Error()}
}

func nameOf(owner *v1alpha1.InvocationResult, n int) string {
	uid := string(owner.UID)
	name := strings.TrimRight(owner.Name[:min(len(owner.Name), maxName)], "-.") + "-output-" + uid[:min(len(uid), uidLength)]
	if n > 0 {
		name += fmt.Sprintf("-%d", n)
	}
	return name
}

func newSecret(owner *v1alpha1.InvocationResult, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.Namespace, Name: name,
			Labels: map[string]string{"app.kubernetes.io/managed-by": managedBy},
			// It blocks nothing: blocking the deletion of the owner would need a right on its finalizers.
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "InvocationResult", Name: owner.Name, UID: owner.UID,
				Controller: ptr.To(true),
			}},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
}

// shard is the data of one Secret.
type shard struct {
	data    map[string][]byte
	changed bool
}

func (s *shard) size() int {
	size := 0
	for key, value := range s.data {
		size += len(key) + len(value)
	}
	return size
}

// arrange puts outputs into shards, and takes the runs out that are too many. An output stays in the shard where it is;
// a new one goes into the first with room. What does not fit is refused, the rest is kept. Nothing that is given is
// changed.
func arrange(before []shard, keep projection.Keep) ([]shard, *Refusal) {
	shards := make([]shard, len(before))
	for n := range before {
		shards[n] = shard{data: maps.Clone(before[n].data)}
		if shards[n].data == nil {
			shards[n].data = map[string][]byte{}
		}
	}
	var refusal *Refusal
	for _, output := range keep.Outputs {
		if isThere(shards, output) {
			continue
		}
		needs := len(output.Key) + len(output.Data)
		at := slices.IndexFunc(shards, func(s shard) bool { return s.size()+needs <= secretBytes })
		switch {
		case needs > secretBytes:
			refusal = &Refusal{fmt.Sprintf("the output under %s has %d bytes, more than a Secret holds", output.Key, len(output.Data))}
			continue
		case at < 0 && len(shards) == maxSecrets:
			refusal = &Refusal{fmt.Sprintf("not all outputs fit into %d Secrets", maxSecrets)}
			continue
		case at < 0:
			at = len(shards)
			shards = append(shards, shard{data: map[string][]byte{}})
		}
		shards[at].data[output.Key], shards[at].changed = output.Data, true
	}
	prune(shards, keep.RunsPerPlace)
	return shards, refusal
}

// prune takes out the earlier runs of each place, but for the newest.
func prune(shards []shard, perPlace int) {
	runs := map[string][]int64{}
	for _, s := range shards {
		for key := range s.data {
			if place, began, isRun := projection.ParseRun(key); isRun {
				runs[place] = append(runs[place], began)
			}
		}
	}
	for _, began := range runs {
		slices.Sort(began)
	}
	for n := range shards {
		for key := range shards[n].data {
			place, began, isRun := projection.ParseRun(key)
			if tooMany := runs[place][:max(0, len(runs[place])-perPlace)]; isRun && slices.Contains(tooMany, began) {
				delete(shards[n].data, key)
				shards[n].changed = true
			}
		}
	}
}

// isThere says whether an output is in the shards already. What they have under its key of another is taken out.
func isThere(shards []shard, output projection.KeptOutput) bool {
	for n := range shards {
		known, found := shards[n].data[output.Key]
		switch {
		case !found:
		case string(known) == string(output.Data):
			return true
		default:
			delete(shards[n].data, output.Key)
			shards[n].changed = true
		}
	}
	return false
}
