// Package process runs the commands of the emulator as local processes and keeps their output the way
// Cloud Assistant does.
package process

import "sync"

// OutputLimit is how much of a command's output Cloud Assistant keeps, in bytes.
const OutputLimit = 24 * 1024

// Output keeps the head and the tail of what is written to it, OutputLimit bytes in all, and counts what it
// dropped between them. The cut is on a byte boundary and may split a character, as the vendor's own does.
// The zero value is ready; it is safe for many goroutines.
type Output struct {
	mu   sync.Mutex
	head []byte
	// tail is a ring once it is full: its oldest byte is at next.
	tail  []byte
	next  int
	total int
}

const half = OutputLimit / 2

// Write keeps p or parts of it. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total += len(p)
	rest := p
	if room := half - len(o.head); room > 0 {
		n := min(room, len(rest))
		o.head = append(o.head, rest[:n]...)
		rest = rest[n:]
	}
	if len(rest) > half {
		rest = rest[len(rest)-half:]
	}
	for len(rest) > 0 {
		if len(o.tail) < half {
			n := min(half-len(o.tail), len(rest))
			o.tail = append(o.tail, rest[:n]...)
			rest = rest[n:]
			continue
		}
		n := copy(o.tail[o.next:], rest)
		o.next = (o.next + n) % half
		rest = rest[n:]
	}
	return len(p), nil
}

// Snapshot returns a copy of what is kept, and how many bytes are missing in its middle.
func (o *Output) Snapshot() (kept []byte, dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept = make([]byte, 0, len(o.head)+len(o.tail))
	kept = append(kept, o.head...)
	kept = append(kept, o.tail[o.next:]...)
	kept = append(kept, o.tail[:o.next]...)
	return kept, o.total - len(kept)
}
