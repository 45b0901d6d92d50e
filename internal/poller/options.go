package poller

import (
	"cmp"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"
)

// Options tune the engine. The zero value of each field means its default.
type Options struct {
	// Clock is where all time comes from; the real clock by default.
	Clock clock.WithTicker
	// Jitter samples [0, 1) and may be called from any goroutine; random by default.
	Jitter func() float64
	// QPS is the most calls a second to the API of one account and region, 5 by default; Burst the most at
	// once, 10 by default. A call is one page.
	QPS   float64
	Burst int
	// DefaultMinInterval and DefaultMaxInterval serve Watches that name none: 2 seconds and 1 minute.
	DefaultMinInterval time.Duration
	DefaultMaxInterval time.Duration
	// MaxPages and MaxBytes are the budget of one walk, after which its answer is incomplete: 40 pages (2,000
	// rows) and 32 MiB by default.
	MaxPages int
	MaxBytes int64
	// EventsInterval is the longest time that a run which goes on is left to the hints that Nudge is given, where they have
	// proven reliable: an interval that its Watches name holds if it is shorter. Commands that run again and again, and
	// questions that name no run, are polled as ever. 0, the default, always polls as if there were no hints.
	EventsInterval time.Duration
	// AskSingly asks about each run by itself, however many there are.
	AskSingly bool
	// Concurrency is the most attempts under way at once for one identity and region, 4 by default; those that hints led to
	// have up to 16 places of their own.
	Concurrency int
	// Notify tells that Watch has news for an owner: a first or changed answer, a failure that begins, ends or
	// changes its cause, an answer about earlier runs, or the outcome that Watch.AnswerFrom demanded. It is
	// called from any goroutine, without locks, and must not block. A call that has begun when the owner is
	// forgotten still ends. ended says that the run has, which somebody may wait for while much other news comes: of
	// a run that goes on, of failures and of earlier runs.
	Notify func(owner Owner, ended bool)
	// Observer is told what the engine does; nobody by default.
	Observer Observer
	// pageRows is how many rows a page holds at most, 50 by default; smaller in tests, which have few rows.
	pageRows int
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Notify == nil {
		o.Notify = func(Owner, bool) {}
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	o.QPS = cmp.Or(o.QPS, 5)
	o.Burst = cmp.Or(o.Burst, 10)
	o.DefaultMinInterval = cmp.Or(o.DefaultMinInterval, 2*time.Second)
	o.DefaultMaxInterval = cmp.Or(o.DefaultMaxInterval, time.Minute)
	o.MaxPages = cmp.Or(o.MaxPages, 40)
	o.MaxBytes = cmp.Or(o.MaxBytes, 32<<20)
	o.pageRows = cmp.Or(o.pageRows, maxPageRows)
	o.Concurrency = cmp.Or(o.Concurrency, 4)
	return o
}

// boundsOf are the intervals that w asks for.
func (o Options) boundsOf(w Watch) bounds {
	b := bounds{min: w.MinInterval, max: w.MaxInterval}
	if b.min <= 0 {
		b.min = o.DefaultMinInterval
	}
	if b.max <= 0 {
		b.max = o.DefaultMaxInterval
	}
	b.max = max(b.min, b.max)
	return b
}
