package controller

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// memory is what is kept of an object between two reconciles. A restart may lose all of it.
type memory struct {
	uid types.UID
	// forced is the reconcile request that is being answered, and when it was first seen.
	forced   string
	forcedAt time.Time
	// demand is what the last projection asked of the engine.
	demand demand
	// writtenVersion is the resource version of the last write, and writtenAt when that was.
	writtenVersion string
	writtenAt      time.Time
	// waveredAt is when a trouble that came or went was last written.
	waveredAt time.Time
	// kept are the digests of the outputs that were put into Secrets, or refused, by key; secrets are the names of
	// these. told is what the latest event said of outputs that are not kept.
	kept    map[string]string
	secrets []string
	told    string
	// begun says that the object was looked at since the operator started.
	begun bool
	// owed says that outputs could not be kept, for a reason that may pass: their only copy here is the snapshot.
	owed bool
}

// ahead says that the cache has not seen the last write yet. Judging a state older than one's own last word
// would ask the API anew for a run that has ended.
func (m *memory) ahead(cached *v1alpha1.InvocationResult) bool {
	if m.writtenVersion == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(cached.ResourceVersion, m.writtenVersion)
	return err == nil && order < 0
}

// noteForced remembers a request to ask now until the status echoes it.
func (m *memory) noteForced(result *v1alpha1.InvocationResult, now time.Time) {
	switch requested := requestedAt(result); {
	case !isAsked(result):
		m.forced = ""
	case requested != m.forced:
		m.forced, m.forcedAt = requested, now
		// Whoever asks anew may have deleted a Secret, or granted the right to write one.
		m.kept, m.told = nil, ""
	}
}

// mayWriteAt is from when may be written what is not urgent.
func (m *memory) mayWriteAt() time.Time { return m.writtenAt.Add(progressInterval) }

// paces says that a projection has to wait: it comes too soon, and tells of mere progress, or of a trouble that comes and
// goes.
func (m *memory) paces(result *v1alpha1.InvocationResult, output projection.Output, now time.Time) bool {
	if !now.Before(m.mayWriteAt()) {
		return false
	}
	wavers := now.Before(m.waveredAt.Add(progressInterval)) && projection.Wavers(&result.Status, &output.Status)
	return wavers || !projection.Urgent(&result.Status, &output.Status)
}

// wants is what the engine is asked for beyond the spec.
func (m *memory) wants() demand {
	wants := m.demand
	if m.forced != "" {
		wants.answerFrom = m.forcedAt
	}
	return wants
}

// memories are kept by owner. A workqueue hands out one object to one worker at a time, so that a memory
// itself needs no lock.
type memories struct {
	mutex   sync.Mutex
	byOwner map[types.NamespacedName]*memory
	// perNamespace is how many owners a namespace has.
	perNamespace map[string]int
}

func (m *memories) of(owner types.NamespacedName, uid types.UID) *memory {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known := m.byOwner[owner]
	if known == nil {
		m.count(owner.Namespace, 1)
	}
	// An object made anew under the same name is another one.
	if known == nil || known.uid != uid {
		if m.byOwner == nil {
			m.byOwner = map[types.NamespacedName]*memory{}
		}
		known = &memory{uid: uid}
		m.byOwner[owner] = known
	}
	return known
}

func (m *memories) forget(owner types.NamespacedName) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.byOwner[owner] != nil {
		m.count(owner.Namespace, -1)
	}
	delete(m.byOwner, owner)
}
