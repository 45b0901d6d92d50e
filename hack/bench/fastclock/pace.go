package fastclock

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Pace is how fast a clock runs: one stretch after the other, the last without end. The zero value is real time.
type Pace []Stretch

// Stretch is a time during which a clock runs at one speed.
type Stretch struct {
	// Scale is how many seconds pass on the clock in a real one.
	Scale float64
	// For is how long that goes on, by the clock; the last stretch has 0.
	For time.Duration
}

// ParsePace reads a pace as String writes it: 20 is twenty times as fast, 1:15m+20 the same after a quarter of an hour
// in real time.
func ParsePace(text string) (Pace, error) {
	parts := strings.Split(text, "+")
	pace := make(Pace, len(parts))
	for n, part := range parts {
		scale, length, ends := strings.Cut(part, ":")
		if last := n == len(parts)-1; ends == last {
			return nil, fmt.Errorf("pace %q: each stretch but the last has a length, as in 1:15m+20", text)
		}
		var err error
		if pace[n].Scale, err = strconv.ParseFloat(scale, 64); err != nil || !(pace[n].Scale > 0) || math.IsInf(pace[n].Scale, 0) {
			return nil, fmt.Errorf("pace %q: %q is no scale; give a number above 0", text, scale)
		}
		if !ends {
			continue
		}
		if pace[n].For, err = time.ParseDuration(length); err != nil || pace[n].For <= 0 {
			return nil, fmt.Errorf("pace %q: %q is no length of time such as 15m", text, length)
		}
	}
	return pace, nil
}

func (p Pace) String() string {
	var parts []string
	for _, s := range p {
		part := strconv.FormatFloat(s.Scale, 'f', -1, 64)
		if s.For > 0 {
			part += ":" + shortly(s.For)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "+")
}

// shortly is 15m rather than 15m0s.
func shortly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// IsReal says that the clock runs as a real one does, from its origin on.
func (p Pace) IsReal() bool {
	for _, s := range p {
		if s.Scale != 1 {
			return false
		}
	}
	return true
}

// ahead is what the clock has run through once real time has passed since its origin.
func (p Pace) ahead(elapsed time.Duration) time.Duration {
	var passed time.Duration
	for _, s := range p {
		through := time.Duration(math.Floor(float64(elapsed) * s.Scale))
		if s.For == 0 || through < s.For {
			return passed + through
		}
		passed += s.For
		elapsed -= s.takes(s.For)
	}
	return passed + elapsed
}

// takes is the real time until the clock has run through d since its origin. Rounded up: nothing is due early.
func (p Pace) takes(d time.Duration) time.Duration {
	var elapsed time.Duration
	for _, s := range p {
		if s.For == 0 || d < s.For {
			return elapsed + s.takes(d)
		}
		elapsed += s.takes(s.For)
		d -= s.For
	}
	return elapsed + d
}

func (s Stretch) takes(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(d) / s.Scale))
}
