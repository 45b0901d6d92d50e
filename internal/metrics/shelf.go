package metrics

import (
	"sync"
	"time"
)

// keepUnused is how long the series of what is gone are kept: whoever scrapes at all has their last values by then.
const keepUnused = 15 * time.Minute

// shelf knows which values of a label are in use, so that the series of the others can go.
type shelf[K comparable] struct {
	// most bounds how many there are at a time; 0 means no bound.
	most int

	mu   sync.Mutex
	used map[K]time.Time
}

// use notes that a value is used at now; false says that there are too many to have this one, too.
func (s *shelf[K]) use(key K, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.used[key]; !known && s.most > 0 && len(s.used) >= s.most {
		return false
	}
	if s.used == nil {
		s.used = map[K]time.Time{}
	}
	s.used[key] = now
	return true
}

// drop forgets the values that were not used for a while before now, and has them dropped.
func (s *shelf[K]) drop(now time.Time, dropped func(K)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, at := range s.used {
		if now.Sub(at) >= keepUnused {
			delete(s.used, key)
			dropped(key)
		}
	}
}
