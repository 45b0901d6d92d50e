package events_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const (
	places  = 384
	fromOne = 256
	waiting = 768
	youth   = 500 * time.Millisecond
)

// crowd is who has connected to a receiver.
type crowd struct {
	*house
	listener *pipes
	t        *testing.T
	// guests are by the order in which they came.
	guests []net.Conn
}

// inCrowd runs a test with a receiver that anybody can connect to, in no time.
func inCrowd(t *testing.T, test func(*crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{house: newHouse(t), listener: newPipes(), t: t}
		serve(t, c.house, c.listener, nil)
		test(c)
	})
}

// come has so many connect from an address, one in a millisecond, who say nothing. They are known by their numbers.
func (c *crowd) come(from string, count int) (first int) {
	first = len(c.guests)
	for range count {
		c.guests = append(c.guests, c.listener.dial(from))
		pass(time.Millisecond)
	}
	synctest.Wait()
	return first
}

// closed are the numbers of those whose connections the receiver has closed.
func (c *crowd) closed() (numbers []int) {
	c.t.Helper()
	synctest.Wait()
	for n, guest := range c.guests {
		_ = guest.SetReadDeadline(time.Now())
		switch _, err := guest.Read(make([]byte, 1)); {
		case errors.Is(err, io.EOF):
			numbers = append(numbers, n)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			c.t.Errorf("guest %d: %v", n, err)
		}
		_ = guest.SetReadDeadline(time.Time{})
	}
	return numbers
}

// announce has a guest send a good event.
func (c *crowd) announce(number int) {
	c.t.Helper()
	c.post(number)
	c.expectOK(number)
}

// post has a guest send an event that is good, and await no answer.
func (c *crowd) post(number int) {
	c.t.Helper()
	bearer := http.Header{"Authorization": {"Bearer " + monitorToken}}
	if _, err := io.WriteString(c.guests[number], head(http.MethodPost, "/cloudmonitor", bearer, len(monitored))+monitored); err != nil {
		c.t.Fatalf("guest %d: %v", number, err)
	}
	synctest.Wait()
}

// expectOK has a guest read the answer.
func (c *crowd) expectOK(number int) {
	c.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(c.guests[number]), nil)
	if err != nil {
		c.t.Fatalf("guest %d: %v", number, err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		c.t.Errorf("guest %d is answered with %s, %v", number, response.Status, err)
	}
	synctest.Wait()
}

// ask has a guest send a head that looks good, and no body.
func (c *crowd) ask(number int) {
	c.t.Helper()
	if _, err := io.WriteString(c.guests[number], head(http.MethodPost, "/cloudmonitor?token="+monitorToken, nil, 1)); err != nil {
		c.t.Fatalf("guest %d: %v", number, err)
	}
	synctest.Wait()
}

func (c *crowd) expectClosed(when string, want ...int) {
	c.t.Helper()
	if got := c.closed(); !slices.Equal(got, want) {
		c.t.Errorf("%s: closed are %v, want %v", when, got, want)
	}
}

// pass lets time pass on the clock of the bubble that the test is in, until nothing is left to do.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// expectTurnedAway wants so many connections counted as turned away.
func (c *crowd) expectTurnedAway(want int64) {
	c.t.Helper()
	if got := c.turnedAway.Load(); got != want {
		c.t.Errorf("%d are turned away, want %d", got, want)
	}
}

// numbers are count of them from the first on.
func numbers(first, count int) []int {
	all := make([]int, count)
	for n := range all {
		all[n] = first + n
	}
	return all
}

// expectAnnounced has one more come from an address, whose good event is answered within a while, at once if that is 0.
func (c *crowd) expectAnnounced(from string, within time.Duration) {
	c.t.Helper()
	number, began := c.come(from, 1), time.Now().Add(-time.Millisecond)
	c.announce(number)
	if took := time.Since(began); took > within+time.Millisecond || within > 0 && took <= time.Millisecond {
		c.t.Errorf("guest %d is answered after %v, want %v at most", number, took, within)
	}
}

// Who holds all connections that one address may have holds up nobody else, and others of that address for a moment only.
func TestOneAddressCannotHoldAllConnections(t *testing.T) {
	for name, address := range map[string]struct{ own, same, other string }{
		"IPv4":           {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
		"IPv4 in IPv6":   {"192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"},
		"a network of 6": {"2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"},
	} {
		t.Run(name, func(t *testing.T) {
			inCrowd(t, func(c *crowd) {
				c.come(address.other, 1)
				c.come(address.own, fromOne)
				c.expectAnnounced(address.other, 0)
				c.expectAnnounced(address.same, youth)
				c.expectClosed("one more has come from there", 1)
			})
		})
	}
}

// All connections are held from many addresses, and whoever comes gets the place of who has been there longest.
func TestStrangersCannotHoldAllConnections(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for n := range places {
			c.come(fmt.Sprintf("198.51.100.%d", n%128), 1)
		}
		c.expectClosed("all places are taken")
		c.expectAnnounced("192.0.2.1", youth)
		c.expectAnnounced("192.0.2.2", 0)
		c.expectClosed("two more have come", 0, 1)
		c.expectTurnedAway(2)
	})
}

// Heads that look good and bodies that do not come are no reason to be kept.
func TestHeadsAloneHoldNoConnections(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for n := range fromOne {
			c.come("192.0.2.1", 1)
			c.ask(n)
		}
		c.expectAnnounced("192.0.2.1", youth)
		c.expectClosed("one more has come", 0)
	})
}

// Strangers take no place of those who have sent good events, such as the other replicas.
func TestWhoHasSentAGoodEventKeepsItsPlace(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for range 2 {
			c.announce(c.come("192.0.2.1", 1))
		}
		c.come("192.0.2.1", fromOne-2)
		c.come("198.51.100.1", places-fromOne)
		c.come("192.0.2.1", fromOne-2)
		pass(youth)
		c.expectClosed("strangers have come twice", numbers(2, fromOne-2)...)
		c.announce(0)
		c.announce(1)
	})
}

// Half of the places are kept by who has sent good events; the others are closed once they are answered, so that whoever
// comes is heard, however many strangers do. Who may keep its connection can use it.
func TestHalfOfThePlacesAreKept(t *testing.T) {
	const kept = fromOne / 2
	inCrowd(t, func(c *crowd) {
		for range fromOne {
			c.announce(c.come("192.0.2.1", 1))
		}
		c.expectClosed("all have sent a good event", numbers(kept, fromOne-kept)...)
		for range 5 {
			c.come("192.0.2.1", fromOne)
			pass(youth)
			c.expectAnnounced("192.0.2.1", youth)
		}
		for number := range kept {
			c.announce(number)
		}
	})
}

// While an event that has come whole is judged, its sender does not have to leave.
func TestWhoIsJudgedStays(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		c.hold = make(chan struct{})
		first := c.come("192.0.2.1", 1)
		c.post(first)
		c.come("192.0.2.1", fromOne)
		pass(youth)
		c.expectClosed("as many others have come", first+1)
		close(c.hold)
		c.expectOK(first)
	})
}

// Who has had to wait has as much time for a request as others; and nobody waits for longer than senders do.
func TestHowLongIsWaited(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		c.come("192.0.2.1", fromOne)
		late := c.come("192.0.2.1", 1)
		pass(2100 * time.Millisecond) // of which it has waited for half a second
		c.announce(late)
	})
	inCrowd(t, func(c *crowd) {
		c.hold = make(chan struct{})
		defer close(c.hold)
		for n := range fromOne {
			c.come("192.0.2.1", 1)
			c.post(n)
		}
		late := c.come("192.0.2.1", 1)
		pass(2400 * time.Millisecond)
		c.expectClosed("all are judged")
		pass(100 * time.Millisecond)
		if closed := c.closed(); !slices.Contains(closed, late) {
			t.Errorf("closed are %v, and not %d", closed, late)
		}
		c.expectTurnedAway(1)
	})
}

// More than may wait are sent away at once, and then others of their own address only.
func TestNotAllMayWait(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for range fromOne + waiting {
			c.guests = append(c.guests, c.listener.dial("192.0.2.1"))
		}
		late := c.come("192.0.2.1", 1)
		c.expectClosed("all are young", late)
		c.expectTurnedAway(1)
		c.expectAnnounced("192.0.2.2", 0)
	})
}

// Many events that come at once from one address, as through a load balancer, are all answered.
func TestABurstOfEventsIsAnswered(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for range fromOne + waiting {
			c.guests = append(c.guests, c.listener.dial("192.0.2.1"))
		}
		for n, guest := range c.guests {
			header := http.Header{"Authorization": {"Bearer " + monitorToken}, "Connection": {[]string{"close", "keep-alive"}[n%2]}}
			text := head(http.MethodPost, "/cloudmonitor", header, len(monitored)) + monitored
			go func() {
				if _, err := io.WriteString(guest, text); err != nil {
					t.Errorf("guest %d: %v", n, err)
				}
				response, err := http.ReadResponse(bufio.NewReader(guest), nil)
				if err != nil {
					t.Errorf("guest %d: %v", n, err)
					return
				}
				_ = response.Body.Close()
			}()
		}
		began := time.Now()
		synctest.Wait()
		if told, _ := c.take(); len(told) != len(c.guests) || time.Since(began) > 0 {
			t.Errorf("%d of %d are answered within %v", len(told), len(c.guests), time.Since(began))
		}
	})
}

// Whoever leaves makes room.
func TestPlacesAreGivenAgain(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for range 3 {
			first := c.come("192.0.2.1", fromOne+1)
			for _, guest := range c.guests[first:] {
				_ = guest.Close()
			}
			c.guests = nil
			synctest.Wait()
		}
		c.expectAnnounced("192.0.2.1", 0)
	})
}
