package events

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// maxConnections bounds what strangers can hold in memory; most of it is for TLS.
	maxConnections = 384
	// maxFromOne of them come from one address. Where a load balancer hides who is behind it, that is everybody's.
	maxFromOne = 256
	// maxWaiting more wait, which takes a goroutine and some 10 KiB each. They are there for bursts of events.
	maxWaiting = 768
	// maxWait is how long they do: half of what EventBridge waits for an answer.
	maxWait = 2500 * time.Millisecond
	// youth is what a connection has to prove itself when others wait for its place.
	youth = 500 * time.Millisecond
)

// limitConnections is a listener for a server, whose places nobody can hold against others.
//
// When all places are taken, or all that one address may have, those who come next wait for one to leave. After half a
// second whoever has been there longest has to, unless its event has come whole, or it has sent a good one and may keep its
// connection. Half of the places at most are kept, so that there are always some that change hands. For the other
// replicas none has to be kept free: nothing tells them from strangers but that what they pass on is good.
func limitConnections(listener net.Listener, server *http.Server, turnedAway func()) net.Listener {
	g := &guard{Listener: listener, turnedAway: turnedAway, guests: map[*guest]struct{}{}, from: map[netip.Prefix]int{}}
	server.ConnContext = func(ctx context.Context, connection net.Conn) context.Context {
		if secure, ok := connection.(interface{ NetConn() net.Conn }); ok {
			connection = secure.NetConn()
		}
		return context.WithValue(ctx, guestKey{}, connection)
	}
	return g
}

type guestKey struct{}

// guestOf is whose request has this context; nil if its connection is not limited.
func guestOf(ctx context.Context) *guest {
	g, _ := ctx.Value(guestKey{}).(*guest)
	return g
}

type guard struct {
	net.Listener
	turnedAway func()

	mu sync.Mutex
	// guests have places, from says how many of an address do, and waiting have none, in the order in which they came.
	guests  map[*guest]struct{}
	from    map[netip.Prefix]int
	waiting []*guest
}

// guest is a connection. Until it has a place nothing is read from it.
type guest struct {
	net.Conn
	guard  *guard
	origin netip.Prefix
	seated chan struct{}
	gone   chan struct{}
	leave  sync.Once

	// since is when it got its place.
	since time.Time
	// answered says that a request was, after which the connection is closed unless it is kept.
	answered bool
	// judged says that an event has come whole, and kept that the connection stays after it was answered.
	judged, kept bool
}

// judge lets a connection be until its request is answered, after which it is closed or kept.
func (g *guest) judge() { g.note(func() { g.judged = true }) }

// answer notes that the request was answered: to have it leave turns nobody away any more.
func (g *guest) answer() { g.note(func() { g.answered = true }) }

// note does that under the lock, unless the connection is not limited.
func (g *guest) note(what func()) {
	if g == nil {
		return
	}
	g.guard.mu.Lock()
	defer g.guard.mu.Unlock()
	what()
}

// keep says whether a connection stays after a good answer.
func (g *guest) keep() bool {
	if g == nil {
		return true
	}
	g.guard.mu.Lock()
	defer g.guard.mu.Unlock()
	if g.kept {
		return true
	}
	all, near := 0, 0
	for other := range g.guard.guests {
		if other.kept {
			all++
			if other.origin == g.origin {
				near++
			}
		}
	}
	g.kept = all < maxConnections/2 && near < maxFromOne/2
	return g.kept
}

// Accept implements net.Listener.
func (g *guard) Accept() (net.Conn, error) {
	for {
		connection, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		newcomer := &guest{
			Conn: connection, guard: g, origin: originOf(connection.RemoteAddr()),
			seated: make(chan struct{}), gone: make(chan struct{}),
		}
		if g.take(newcomer) {
			return newcomer, nil
		}
		g.turnedAway()
		_ = connection.Close()
	}
}

// originOf is what counts as one address: of IPv6, what a customer of a provider has at least.
func originOf(address net.Addr) netip.Prefix {
	parsed, err := netip.ParseAddrPort(address.String())
	if err != nil {
		return netip.Prefix{}
	}
	bits := 64
	if parsed.Addr().Is4() {
		bits = 32
	}
	origin, _ := parsed.Addr().Prefix(bits)
	return origin
}

// take has a newcomer wait for its turn, which may come at once, unless too many wait.
func (g *guard) take(newcomer *guest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, newcomer)
	g.seat()
	if len(g.waiting) <= maxWaiting {
		return true
	}
	g.waiting = g.waiting[:maxWaiting]
	return false
}

// seat gives places to those who wait, as far as there are any or somebody can leave.
func (g *guard) seat() {
	now := time.Now()
	// There is not room for two addresses that have all that one may have.
	var crowded *netip.Prefix
	full := false
	g.waiting = slices.DeleteFunc(g.waiting, func(next *guest) bool {
		if full || crowded != nil && *crowded == next.origin {
			return false
		}
		switch {
		case g.from[next.origin] >= maxFromOne:
			if !g.dismiss(now, func(other *guest) bool { return other.origin == next.origin }) {
				crowded = &next.origin
				return false
			}
		case len(g.guests) >= maxConnections:
			if !g.dismiss(now, func(*guest) bool { return true }) {
				full = true
				return false
			}
		}
		g.guests[next] = struct{}{}
		g.from[next.origin]++
		next.since = now
		close(next.seated)
		return true
	})
}

// dismiss closes the connection of one of these guests, if one has to leave.
func (g *guard) dismiss(now time.Time, these func(*guest) bool) bool {
	var first *guest
	for other := range g.guests {
		if !other.kept && !other.judged && these(other) && (first == nil || other.since.Before(first.since)) {
			first = other
		}
	}
	if first == nil || now.Sub(first.since) < youth {
		return false
	}
	g.remove(first)
	if !first.answered {
		g.turnedAway()
	}
	_ = first.Conn.Close()
	return true
}

func (g *guard) remove(leaver *guest) {
	if _, there := g.guests[leaver]; !there {
		g.waiting = slices.DeleteFunc(g.waiting, func(other *guest) bool { return other == leaver })
		return
	}
	delete(g.guests, leaver)
	if g.from[leaver.origin]--; g.from[leaver.origin] == 0 {
		delete(g.from, leaver.origin)
	}
}

// Read implements net.Conn. It is what a server does first.
func (g *guest) Read(p []byte) (int, error) {
	if err := g.wait(); err != nil {
		return 0, err
	}
	return g.Conn.Read(p)
}

// wait waits for a place, where others may come of age meanwhile. Whoever gets one has as much time as those who did not have
// to wait; but nobody waits long, for senders do not either.
func (g *guest) wait() error {
	select {
	case <-g.seated:
		return nil
	default:
	}
	again, late := time.NewTicker(youth/5), time.NewTimer(maxWait)
	defer again.Stop()
	defer late.Stop()
	for {
		select {
		case <-g.seated:
			return g.SetDeadline(time.Now().Add(helloTimeout))
		case <-g.gone:
			return net.ErrClosed
		case <-late.C:
			g.guard.turnedAway()
			return os.ErrDeadlineExceeded
		case <-again.C:
			g.guard.mu.Lock()
			g.guard.seat()
			g.guard.mu.Unlock()
		}
	}
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave.Do(func() {
		close(g.gone)
		g.guard.mu.Lock()
		defer g.guard.mu.Unlock()
		g.guard.remove(g)
		g.guard.seat()
	})
	return g.Conn.Close()
}
