package events

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxConnections bounds what strangers can hold in memory; most of it is for TLS.
	maxConnections = 384
	// maxFromOne of them come from one address. Where a load balancer hides who is behind it, that is everybody's.
	maxFromOne = 256
	// maxWaiting more wait, for which there is little but a file descriptor. They are there for bursts of events.
	maxWaiting = 768
	// youth is what a connection has to prove itself when others wait for its place.
	youth = 500 * time.Millisecond
)

// limitConnections is a listener for a server, whose places nobody can hold against others.
//
// When all places are taken, or all that one address may have, those who come next wait for one to leave. After half a
// second whoever has been there longest without a good answer has to. Those who have had one keep their places, unless there
// is nobody else: then it is who has been silent for longest. So no place has to be kept for the other replicas, which
// nothing tells from strangers but that what they pass on is good.
func limitConnections(listener net.Listener, server *http.Server) net.Listener {
	g := &guard{Listener: listener, guests: map[*guest]struct{}{}, from: map[netip.Prefix]int{}}
	server.ConnState = g.observe
	return g
}

type guard struct {
	net.Listener

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

	// since is when it got its place, or was answered well last.
	since time.Time
	// proved says that it was answered well, and busy that another request has come since.
	proved, busy bool
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
	var crowded netip.Prefix
	full := false
	g.waiting = slices.DeleteFunc(g.waiting, func(next *guest) bool {
		if full || next.origin == crowded {
			return false
		}
		switch {
		case g.from[next.origin] >= maxFromOne:
			if !g.dismiss(now, func(other *guest) bool { return other.origin == next.origin }) {
				// There is not room for two addresses that have all that one may have.
				crowded = next.origin
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
		if !other.busy && these(other) && (first == nil || other.goesBefore(first)) {
			first = other
		}
	}
	if first == nil || !first.proved && now.Sub(first.since) < youth {
		return false
	}
	g.remove(first)
	_ = first.Conn.Close()
	return true
}

func (g *guest) goesBefore(other *guest) bool {
	if g.proved != other.proved {
		return other.proved
	}
	return g.since.Before(other.since)
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

// observe is told of what becomes of connections. One that goes on after an answer was given a good one: see Receiver.
func (g *guard) observe(connection net.Conn, state http.ConnState) {
	if secure, ok := connection.(interface{ NetConn() net.Conn }); ok {
		connection = secure.NetConn()
	}
	observed, ok := connection.(*guest)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateIdle:
		observed.proved, observed.busy, observed.since = true, false, time.Now()
		g.seat()
	case http.StateActive:
		observed.busy = observed.proved
	}
}

// Read implements net.Conn. It is what a server does first.
func (g *guest) Read(p []byte) (int, error) {
	if err := g.wait(); err != nil {
		return 0, err
	}
	return g.Conn.Read(p)
}

// wait waits for a place. Others may come of age while it does.
func (g *guest) wait() error {
	select {
	case <-g.seated:
		return nil
	default:
	}
	again := time.NewTicker(youth)
	defer again.Stop()
	for {
		select {
		case <-g.seated:
			return nil
		case <-g.gone:
			return net.ErrClosed
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
