package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestACaseIsReadWithItsOwnSettings(t *testing.T) {
	base := defaultCase()
	base.Seed = 7
	c, err := parseCase(base, "1000/300,foreign=5000,tokens=Offset,pace=1:15m+20,round-trip=50ms")
	if err != nil {
		t.Fatal(err)
	}
	if c.Runs != 1000 || c.Quota != 300 || c.Foreign != 5000 || c.Tokens != emulator.TokensOffset || c.Pace.String() != "1:15m+20" ||
		c.RoundTrip != 50*time.Millisecond {
		t.Errorf("it is read as %+v", c)
	}
	if c.Seed != 7 || c.Median != 3*time.Minute {
		t.Errorf("what it does not name is %+v, want the base's", c)
	}
	if c.qps() != 5 {
		t.Errorf("our operator is given %v calls a second, want the quota", c.qps())
	}
}

func TestWhatIsNoCaseIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "1000", "0/300", "10/0", "10/x", "10/300,nonsense=1", "10/300,pace=x", "10/300,sigma=-1", "10/300,grace=0s",
		"10/300,fail-rate=2", "10/300,foreign=-1",
	} {
		if _, err := parseCase(defaultCase(), text); err == nil {
			t.Errorf("%q is taken for a case", text)
		}
	}
}

func TestTheCasesThatComeWithItAreCases(t *testing.T) {
	for _, text := range slices.Concat(allCases, quickCases) {
		if _, err := parseCase(defaultCase(), text); err != nil {
			t.Error(err)
		}
	}
}

func TestEverySettingOfACaseIsReported(t *testing.T) {
	settings := defaultCase().Settings()
	// Read back, they make the same case.
	var words []string
	for name, value := range settings {
		words = append(words, name+"="+value)
	}
	c, err := parseCase(Case{}, "10/600,"+strings.Join(words, ","))
	if err != nil {
		t.Fatal(err)
	}
	want := defaultCase()
	want.Runs, want.Quota, want.QPS = 10, 600, c.QPS
	if c.String() != want.String() {
		t.Errorf("read back it is %v, want %v", c, want)
	}
}

func TestPlansAreSeeded(t *testing.T) {
	c := defaultCase()
	c.Runs = 1000
	if !slices.Equal(plan(c), plan(c)) {
		t.Error("the same case has two plans")
	}
	other := c
	other.Seed++
	if slices.Equal(plan(c), plan(other)) {
		t.Error("another seed makes no difference")
	}
}

func TestAPlanIsAsItsCaseSays(t *testing.T) {
	c := defaultCase()
	c.Runs, c.Sigma, c.Longest, c.Commands = 10_000, 1, 20*time.Minute, 7
	runs := plan(c)
	var took []time.Duration
	failed, commands := 0, map[string]bool{}
	for _, r := range runs {
		took = append(took, r.End-r.Start)
		commands[r.CommandID] = true
		if r.ExitCode != 0 {
			failed++
		}
	}
	slices.Sort(took)
	if median := quantile(took, 0.5); median < 170*time.Second || median > 190*time.Second {
		t.Errorf("the median is %v", median)
	}
	// One standard deviation above the median is e times as long.
	if upper := quantile(took, 0.8413); upper < 460*time.Second || upper > 520*time.Second {
		t.Errorf("84 of 100 take up to %v, want about 489 s", upper)
	}
	if longest := took[len(took)-1]; longest != c.Longest {
		t.Errorf("the longest takes %v", longest)
	}
	if failed < 900 || failed > 1100 || len(commands) != 7 {
		t.Errorf("%d fail, of %d commands", failed, len(commands))
	}
	if last := lastEnd(runs); last < c.Longest || last > c.Longest+c.Starts {
		t.Errorf("the last ends after %v", last)
	}
}

func TestWhatIsSeenComesAfterWhatHappens(t *testing.T) {
	c := defaultCase()
	c.Runs = 10_000
	runs := plan(c)
	for n, r := range runs {
		if r.Start < 0 || r.Start > c.Starts || r.Seen < r.Start || r.Seen > r.Start+c.Visibility {
			t.Fatalf("run %d starts as %+v", n, r)
		}
		if r.EndSeen < max(r.End, r.Seen) || r.EndSeen > max(r.End+c.Visibility, r.Seen) {
			t.Fatalf("run %d ends as %+v", n, r)
		}
		if n > 0 && r.Start < runs[n-1].Start {
			t.Fatalf("run %d starts before the one before it", n)
		}
	}
}

func TestQuantiles(t *testing.T) {
	values := make([]time.Duration, 200)
	for n := range values {
		values[n] = time.Duration(n + 1)
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 100, 0.99: 198, 0.995: 199, 1: 200} {
		if got := quantile(values, q); got != want {
			t.Errorf("the quantile %v is %d, want %d", q, got, want)
		}
	}
	if got := quantile(values[:1], 0.99); got != 1 {
		t.Errorf("of one value it is %d", got)
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of none it is %d", got)
	}
}

func TestTheFewestCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		spans []span
		want  int
	}{
		"nothing":               {nil, 0},
		"one":                   {[]span{{1, 2}}, 1},
		"apart":                 {[]span{{1, 2}, {3, 4}, {5, 6}}, 3},
		"all at once":           {[]span{{1, 9}, {2, 8}, {3, 7}}, 1},
		"touching":              {[]span{{1, 2}, {2, 3}}, 1},
		"a chain needs two":     {[]span{{1, 3}, {2, 5}, {4, 6}}, 2},
		"more than a page fits": {slices.Repeat([]span{{1, 2}}, 51), 2},
	} {
		if got := fewestCalls(tt.spans, 50); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// No set of looks that meets every span is smaller.
func TestFewestCallsIsABound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) span {
			from := time.Duration(rapid.IntRange(0, 7).Draw(t, "from"))
			return span{from, from + time.Duration(rapid.IntRange(0, 4).Draw(t, "length"))}
		}), 1, 8).Draw(t, "spans")
		best := len(spans)
		for looks := range 1 << 12 {
			missed := slices.ContainsFunc(spans, func(s span) bool {
				for at := s.from; at <= s.to; at++ {
					if looks>>at&1 == 1 {
						return false
					}
				}
				return true
			})
			if count := popcount(looks); !missed && count < best {
				best = count
			}
		}
		if got := fewestCalls(spans, 50); got != best {
			t.Fatalf("%v need %d, it says %d", spans, best, got)
		}
	})
}

func popcount(n int) int {
	count := 0
	for ; n > 0; n &= n - 1 {
		count++
	}
	return count
}

func TestTheAPIServersCountOfStatusWrites(t *testing.T) {
	got, err := countStatusRequests(`# HELP apiserver_request_total [STABLE] Counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="ecs.k8s.alibabacloud",resource="invocationresults",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 41
apiserver_request_total{code="409",component="apiserver",dry_run="",group="ecs.k8s.alibabacloud",resource="invocationresults",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 1
apiserver_request_total{code="201",component="apiserver",dry_run="",group="ecs.k8s.alibabacloud",resource="invocationresults",scope="resource",subresource="",verb="POST",version="v1alpha1"} 100
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="nodes",scope="resource",subresource="status",verb="PATCH",version="v1"} 7
apiserver_request_duration_seconds_count{resource="invocationresults",subresource="status",verb="PATCH"} 42
`)
	if err != nil || got != 42 {
		t.Errorf("%d, %v; want 42", got, err)
	}
}

func TestWhatTheProcessorsWereBusyWith(t *testing.T) {
	// user 100, nice 1, system 50; idle and iowait do not count; irq 2, softirq 3, steal 4; guest is in user.
	if got := busy("cpu  100 1 50 9999 888 2 3 4 77 66"); got != 160*10*time.Millisecond {
		t.Errorf("%v, want 1.6 s", got)
	}
}

func TestTheReportComparesWithTheFirst(t *testing.T) {
	results := []Result{
		{Case: "100/300", Contestant: "naive", Runs: 100, Completed: 100, Calls: 4900, LagP50: 8, LagP99: 40, LimitP50: 2, LimitP99: 4, FewestCalls: 50, StatusRequests: 200, StatusChanges: 200, RealSeconds: 1},
		{Case: "100/300", Contestant: "ours", Runs: 100, Completed: 98, Wrong: 1, Calls: 490, LagP50: 4, LagP99: 8, LimitP50: 2, LimitP99: 4, FewestCalls: 49, StatusRequests: 196, StatusChanges: 98, RealSeconds: 1},
	}
	var text strings.Builder
	if err := report(&text, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### 100 runs, quota 300 a minute\n",
		"| naive | 49 (1.0× naive, 98× fewest) | 8.0/40 (4.0/10× limit) | 0 | 2.0 (2.0) |",
		"| ours | 5.0 (0.10× naive, 10× fewest) | 4.0/8.0 (0.50/0.20× naive) (2.0/2.0× limit) | 0 | 2.0 (1.0) |",
		"| 0 | 2 | 1 |\n",
		"| *limit* | 0.02 | 2.0/4.0 |",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}

func TestOursMustBringEveryRunToItsRightEnd(t *testing.T) {
	for _, who := range contestants {
		good := Result{Case: "100/300", Contestant: who.title, Runs: 100, Completed: 100}
		missing, wrong := good, good
		missing.Completed, wrong.Wrong = 98, 3
		if err := verdict([]Result{good, good}); err != nil {
			t.Errorf("all is well, and the bench fails: %v", err)
		}
		for told, bad := range map[string]Result{
			who.title + " on 100/300 (2 not completed, 0 wrong)": missing,
			who.title + " on 100/300 (0 not completed, 3 wrong)": wrong,
		} {
			err := verdict([]Result{bad, good})
			switch {
			case who.name == "naive" && err != nil:
				t.Errorf("the bench fails because of the naive one: %v", err)
			case who.name != "naive" && (err == nil || !strings.Contains(err.Error(), told)):
				t.Errorf("the bench fails with %v, want %s", err, told)
			}
		}
	}
	several := []Result{{Case: "1/2", Contestant: "ours", Runs: 1}, {Case: "3/4", Contestant: "ours", Runs: 3, Completed: 3, Wrong: 1}}
	if err := verdict(several); err == nil || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "1/2 (1 not") || !strings.Contains(err.Error(), "3/4 (0 not") {
		t.Errorf("of two cases is said %v, want both in one line", err)
	}
}
