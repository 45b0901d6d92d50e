package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRoundInterval(t *testing.T) {
	for name, c := range map[string]struct {
		pages, runs int
		youngest    time.Duration
		rate        float64
		from, to    time.Duration
	}{
		"few runs, rate to spare":              {pages: 1, runs: 2, rate: 100, from: 4 * time.Second, to: 4 * time.Second},
		"few runs, little rate":                {pages: 1, runs: 2, rate: 1, from: 27 * time.Second, to: 28 * time.Second},
		"200 runs on four pages":               {pages: 4, runs: 200, rate: 5, from: 4 * time.Second, to: 5 * time.Second},
		"100 among 5,000 of others":            {pages: 102, runs: 100, rate: 5, from: 55 * time.Second, to: 58 * time.Second},
		"all of them have gone on for an hour": {pages: 1, runs: 50, youngest: time.Hour, rate: 100, from: 14 * time.Second, to: 15 * time.Second},
		"all of them have gone on for a week":  {pages: 1, runs: 50, youngest: 168 * time.Hour, rate: 100, from: slowest, to: slowest},
		"nothing measured":                     {rate: 5, from: 4 * time.Second, to: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := roundInterval(c.pages, c.runs, c.youngest, c.rate); got < c.from || got > c.to {
				t.Errorf("%v, want %v to %v", got, c.from, c.to)
			}
		})
	}
}

// More pages never make rounds more frequent; more runs and more rate never rarer.
func TestRoundIntervalIsMonotonous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pages, runs := rapid.IntRange(1, 2000).Draw(t, "pages"), rapid.IntRange(1, 100_000).Draw(t, "runs")
		rate := rapid.Float64Range(0.1, 1000).Draw(t, "rate")
		youngest := time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "youngest"))
		interval := roundInterval(pages, runs, youngest, rate)
		if interval < roundAtLeast {
			t.Fatalf("%v is below the least", interval)
		}
		if more := roundInterval(pages+1, runs, youngest, rate); more < interval {
			t.Errorf("%v with a page more, %v without", more, interval)
		}
		if more := roundInterval(pages, runs+1, youngest, rate); more > interval {
			t.Errorf("%v with a run more, %v without", more, interval)
		}
		if more := roundInterval(pages, runs, youngest, rate*2); more > interval {
			t.Errorf("%v at twice the rate, %v at once it", more, interval)
		}
	})
}

func TestSpareInterval(t *testing.T) {
	for name, c := range map[string]struct {
		runs int
		age  time.Duration
		rate float64
		want time.Duration
	}{
		"one young run":             {runs: 1, rate: 100, want: 4 * time.Second},
		"one run, little rate":      {runs: 1, rate: 1, want: 33333 * time.Millisecond},
		"one run of 50 minutes":     {runs: 1, age: 50 * time.Minute, rate: 100, want: 12 * time.Second},
		"one run of a month":        {runs: 1, age: 720 * time.Hour, rate: 100, want: slowest},
		"a hundred, plenty of rate": {runs: 100, rate: 100, want: 33333 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if got := spareInterval(c.runs, c.age, c.rate).Truncate(time.Millisecond); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestPays(t *testing.T) {
	for _, c := range []struct {
		pages, runs int
		want        bool
	}{
		{1, 0, false}, {0, 1, false}, {1, 1, false}, {1, 2, true}, {2, 3, false}, {2, 4, true}, {102, 100, false}, {4, 200, true},
	} {
		if got := pays(c.pages, c.runs); got != c.want {
			t.Errorf("%d pages for %d runs: %v", c.pages, c.runs, got)
		}
	}
}

func TestPurse(t *testing.T) {
	for name, c := range map[string]struct {
		sought int
		found  []int // on page after page
		want   int   // pages until it is empty
	}{
		"nothing found for few":  {sought: 3, found: []int{0, 0, 0, 0, 0}, want: 3},
		"nothing found for many": {sought: 40, found: make([]int, 50), want: 11},
		"found now and then":     {sought: 8, found: []int{0, 3, 0, 0, 0, 0, 0, 0}, want: 6},
		"found on every page":    {sought: 8, found: []int{1, 1, 1, 1, 1, 1, 1, 1}, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			purse, got := collecting(c.sought), 0
			for n, found := range c.found {
				purse.pages++
				purse.found += found
				if purse.empty() {
					got = n + 1
					break
				}
			}
			if got != c.want {
				t.Errorf("empty after page %d, want %d", got, c.want)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	for name, c := range map[string]struct {
		depth  depth
		window time.Duration
		want   int
	}{
		"never measured":  {window: time.Hour, want: 1},
		"as measured":     {depth: depth{pages: 10, window: time.Minute}, window: time.Minute, want: 10},
		"half the window": {depth: depth{pages: 10, window: time.Minute}, window: 30 * time.Second, want: 5},
		"twice":           {depth: depth{pages: 10, window: time.Minute}, window: 2 * time.Minute, want: 20},
		"no runs left":    {depth: depth{pages: 10, window: time.Minute}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.depth.now(c.window); got != c.want {
				t.Errorf("%d pages, want %d", got, c.want)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		costs surveyCosts
		want  SurveyPlan
	}{
		"nothing measured": {surveyCosts{runs: 100, unfinished: 3, ordered: true}, SurveySweep},
		"no order":         {surveyCosts{runs: 100, unfinished: 90, ended: 1, harvest: 2, measured: true}, SurveySweep},
		"few ended lately": {surveyCosts{runs: 1000, unfinished: 20, ended: 2, harvest: 3, measured: true, ordered: true}, SurveyHarvest},
		"few ended lately, but the others were not seen for long": {
			surveyCosts{runs: 1000, unfinished: 20, ended: 2, harvest: 3, measured: true, ordered: true, overdue: true}, SurveySweep,
		},
		"few ended lately, and the others are too many to see": {
			surveyCosts{runs: 100, unfinished: 102, ended: 2, harvest: 3, measured: true, ordered: true, overdue: true}, SurveyHarvest,
		},
		"many ended lately": {surveyCosts{runs: 1000, unfinished: 20, ended: 40, harvest: 41, departures: 10, measured: true, ordered: true}, SurveySweep},
		"many are new": {
			surveyCosts{runs: 1000, unfinished: 20, ended: 40, harvest: 41, awaiting: 500, measured: true, ordered: true}, SurveyDiscover,
		},
		"many are new, and lists were wrong": {
			surveyCosts{runs: 1000, unfinished: 20, ended: 40, harvest: 41, awaiting: 500, measured: true, ordered: true, doubted: true}, SurveySweep,
		},
		"few ended lately, and lists were wrong": {
			surveyCosts{runs: 1000, unfinished: 20, ended: 2, harvest: 3, measured: true, ordered: true, doubted: true}, SurveySweep,
		},
		"the same, and the others are too many to see": {
			surveyCosts{runs: 100, unfinished: 102, ended: 2, harvest: 3, measured: true, ordered: true, doubted: true}, SurveyHarvest,
		},
		"some are new": {
			surveyCosts{runs: 1000, unfinished: 10, ended: 40, harvest: 41, awaiting: 15, measured: true, ordered: true}, SurveySweep,
		},
		"few ended lately, but many timed out": {
			surveyCosts{runs: 1000, unfinished: 20, ended: 2, harvest: 22, measured: true, ordered: true}, SurveySweep,
		},
		"as cheap either way": {surveyCosts{runs: 1000, unfinished: 10, ended: 10, harvest: 11, measured: true, ordered: true}, SurveySweep},
	} {
		t.Run(name, func(t *testing.T) {
			if got := choose(c.costs); got != c.want {
				t.Errorf("plan %s, want %s", got, c.want)
			}
		})
	}
}
