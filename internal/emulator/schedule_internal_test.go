package emulator

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseFrequency(t *testing.T) {
	after := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		frequency string
		// want is the first run after the time above; empty is refused, "never" is none.
		want string
	}{
		{"rate(60s)", "2026-11-23T12:01:00Z"},
		{"rate(5m)", "2026-11-23T12:05:00Z"},
		{"rate(2h)", "2026-11-23T14:00:00Z"},
		{"rate(7d)", "2026-11-30T12:00:00Z"},
		{"rate(59s)", ""},
		{"rate(8d)", ""},
		{"rate(0m)", ""},
		{"rate(m)", ""},
		{"rate(5w)", ""},
		{"rate(99999999999999999999s)", ""},
		{"rate(106752d)", ""},
		{"at(2026-11-24 00:00:00)", "2026-11-24T00:00:00Z"},
		{"at(2026-11-24 00:00:00 Asia/Shanghai)", "2026-11-23T16:00:00Z"},
		{"at(2026-11-24 00:00:00 GMT-3:30)", "2026-11-24T03:30:00Z"},
		{"at(2026-11-23 12:00:00)", "never"},
		{"at(2026-11-24)", ""},
		{"at(tomorrow 00:00:00)", ""},
		{"at(2026-11-24 00:00:00 Mars/Olympus)", ""},
		{"at(2026-11-24 00:00:00 now)", ""},
		{"0 30 12 * * ?", "2026-11-23T12:30:00Z"},
		{"0 30 12 * * ? *", "2026-11-23T12:30:00Z"},
		{"0 0 9 ? * MON", "2026-11-30T09:00:00Z"},
		{"0 0 9 * * ? Asia/Shanghai", "2026-11-24T01:00:00Z"},
		{"0 0 9 * * ? GMT+8", "2026-11-24T01:00:00Z"},
		{"0 0 0 1 1 ? 2030", "2030-01-01T00:00:00Z"},
		{"0 0 0 1 1 ? 2030 UTC", "2030-01-01T00:00:00Z"},
		{"0 0 0 1 1 ? 2020", "never"},
		{"0 0 0 1 1 ? 2029,2031", "2029-01-01T00:00:00Z"},
		{"0 0 0 1 1 ? 2028-2030", "2028-01-01T00:00:00Z"},
		{"0 0 0 1 1 ? 2027/3", "2027-01-01T00:00:00Z"},
		{"0 0 0 1 1 ? 2024/6", "2030-01-01T00:00:00Z"},
		{"0 15 10 ? * 1", "2026-11-30T10:15:00Z"},
		{"0 15 10 ? * 7", "2026-11-29T10:15:00Z"},
		{"0 15 10 ? * 1-7", "2026-11-24T10:15:00Z"},
		{"0 15 10 ? * mon-sun", "2026-11-24T10:15:00Z"},
		{"0 15 10 ? * SAT-SUN", "2026-11-28T10:15:00Z"},
		{"0 15 10 ? * L", "2026-11-29T10:15:00Z"},
		{"0 15 10 ? * 6L", "2026-11-28T10:15:00Z"},
		{"0 15 10 ? * MONL", "2026-11-30T10:15:00Z"},
		{"0 15 10 ? * 6#3", "2026-12-19T10:15:00Z"},
		{"0 15 10 ? * 2#1", "2026-12-01T10:15:00Z"},
		{"0 15 10 ? * 2#5", "2026-12-29T10:15:00Z"},
		{"0 15 10 L * ?", "2026-11-30T10:15:00Z"},
		{"0 15 10 L FEB ?", "2027-02-28T10:15:00Z"},
		{"0 15 10 29 2 ?", "2028-02-29T10:15:00Z"},
		{"0 15 10 15W * ?", "2026-12-15T10:15:00Z"},
		{"0 15 10 15W 11 ? 2026/1", "2027-11-15T10:15:00Z"},
		{"0 15 10 28W 11 ?", "2026-11-27T10:15:00Z"},
		{"0 15 10 29W 11 ?", "2026-11-30T10:15:00Z"},
		{"0 15 10 1W 5 ?", "2027-05-03T10:15:00Z"},
		{"0 15 10 31W 1 ?", "2027-01-29T10:15:00Z"},
		{"0 15 10 LW 1 ?", "2027-01-29T10:15:00Z"},
		{"0 15 10 31W 2,4 ?", "never"},
		{"0 15 10 30 2 ?", "never"},
		{"0 15 10 25 * 5", "2026-11-25T10:15:00Z"},
		{"0 15 10 28 * 5", "2026-11-27T10:15:00Z"},
		{"0 0 8 ? * * 2026", "2026-11-24T08:00:00Z"},
		{"0 0 08 ? * *", "2026-11-24T08:00:00Z"},
		{"0 0/30 9-17 * * ?", "2026-11-23T12:30:00Z"},
		{"0 */25 12 * * ?", "2026-11-23T12:25:00Z"},
		{"0 10,44 14 ? 3 WED", "2027-03-03T14:10:00Z"},
		{"0 0-5/2 12 * * ?", "2026-11-23T12:02:00Z"},
		{"0 0 008 ? * *", ""},
		{"0 0 9 ? * 0", ""},
		{"0 0 9 ? * 8", ""},
		{"0 0 9 ? * 6#6", ""},
		{"0 0 9 ? * #3", ""},
		{"0 0 9 ? * SOON", ""},
		{"0 0 9 0 * ?", ""},
		{"0 0 9 32W * ?", ""},
		{"0 0 9 W * ?", ""},
		{"0 0 9 6#3 * ?", ""},
		{"0 0 9 * L ?", ""},
		{"0 0 9 * ? *", ""},
		{"0 0 9 * 13 ?", ""},
		{"0 0-60 9 * * ?", ""},
		{"0 5-3 9 * * ?", ""},
		{"0 5/0 9 * * ?", ""},
		{"0 5/x 9 * * ?", ""},
		{"0 , 9 * * ?", ""},
		{"0 -5 9 * * ?", ""},
		{"0 +5 9 * * ?", ""},
		{"0 0 0 1 1 ? 2100", ""},
		{"0 0 0 1 1 ? 30", ""},
		{"at(2030-01-01 00:00:00", ""},
		{"0 0 9 * * ? CRON_TZ=UTC", ""},
		{"CRON_TZ=UTC 0 0 9 * * ?", ""},
		{"@daily", ""},
		{"* * * * *", ""},
		{"0 0 25 * * ?", ""},
		{"0 0 0 1 1 ? soon", ""},
		{"0 0 0 1 1 ? 2030 2031 UTC", ""},
		{"daily", ""},
	}
	for _, tt := range tests {
		t.Run(tt.frequency, func(t *testing.T) {
			plan, err := parseFrequency(tt.frequency, time.Minute)
			if tt.want == "" {
				var refusal *apiError
				if !errors.As(err, &refusal) || refusal.code != "InvalidParam.Frequency" {
					t.Fatalf("accepted as %v (%v)", plan, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := "never"
			if next := plan.next(after); !next.IsZero() {
				got = next.UTC().Format(time.RFC3339)
			}
			if got != tt.want {
				t.Errorf("first run %s, want %s", got, tt.want)
			}
		})
	}
}

// Seconds that are in the fields, and no others: the next run is what a look at every second finds.
func TestCronFindsTheNextSecond(t *testing.T) {
	zones := []string{"UTC", "GMT+5:30", "America/New_York", "Australia/Lord_Howe"}
	rapid.Check(t, func(t *rapid.T) {
		some := func(field string, most int) string {
			var items []string
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, most), 1, 3, rapid.ID[int]).Draw(t, field) {
				items = append(items, strconv.Itoa(n))
			}
			return strings.Join(items, ",")
		}
		fields := []string{some("seconds", 59), some("minutes", 59), some("hours", 23)}
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		text := strings.Join(fields, " ") + " * * ? " + zone
		plan, err := parseFrequency(text, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		location, _ := parseZone(zone)
		// Around the changes of the clocks of 2026 in both countries.
		day := rapid.SampledFrom([]string{"2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04", "2026-06-30"}).Draw(t, "day")
		start, _ := time.ParseInLocation(time.DateOnly, day, location)
		after := start.Add(time.Duration(rapid.IntRange(0, 86400).Draw(t, "second")) * time.Second)
		seen := map[string]bool{}
		for at := start.Add(-2 * time.Hour); ; at = at.Add(time.Second) {
			clock := []string{strconv.Itoa(at.Second()), strconv.Itoa(at.Minute()), strconv.Itoa(at.Hour())}
			matches := true
			for n, value := range clock {
				matches = matches && slices.Contains(strings.Split(fields[n], ","), value)
			}
			if wall := at.Format(time.DateTime); matches && !seen[wall] {
				seen[wall] = true
				if at.After(after) {
					if got := plan.next(after); !got.Equal(at) {
						t.Fatalf("%s after %s runs at %s, want %s", text, after, got, at)
					}
					return
				}
			}
		}
	})
}

// A time that comes twice is the first of the two, in whichever direction the zone lies. Found by the test above.
func TestCronAtATimeThatComesTwice(t *testing.T) {
	for zone, want := range map[string]string{
		"0 30 1 5 4 ? 2026 Australia/Lord_Howe":  "2026-04-04T14:30:00Z",
		"0 30 1 1 11 ? 2026 America/New_York":    "2026-11-01T05:30:00Z",
		"0 30 2 25 10 ? 2026 Europe/Berlin":      "2026-10-25T00:30:00Z",
		"0 30 2 25 10 ? 2026 Atlantic/Reykjavik": "2026-10-25T02:30:00Z",
	} {
		plan, err := parseCron(zone)
		if err != nil {
			t.Fatal(err)
		}
		first := plan.next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if got := first.UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s runs at %s, want %s", zone, got, want)
		}
		if again := plan.next(first); !again.IsZero() {
			t.Errorf("%s runs again at %s", zone, again)
		}
	}
}

func TestCronThatIsTooFrequent(t *testing.T) {
	// A Sunday.
	after := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		frequency string
		timeout   time.Duration
		refused   bool
	}{
		{"* * * * * *", time.Second, true},
		{"0/9 * * * * ?", time.Second, true},
		{"0/10 * * * * ?", time.Second, false},
		{"0/10 * * * * ?", 11 * time.Second, true},
		{"0,55 * * * * ?", time.Second, true},
		{"0 * * * * ?", time.Minute, false},
		{"0 * * * * ?", time.Minute + 1, true},
		{"0 0 0 * * ?", 24 * time.Hour, false},
		{"0 0 0,23 ? * 5-6", 90 * time.Minute, true},
		{"0 0 0,23 ? * 5", 90 * time.Minute, false},
		{"0 59,0 0 1 1 ?", time.Hour, true},
		{"0 0 0 1 1 ? 2030", 24 * time.Hour, false},
		{"0 0 0 1 1 ? 2020", 24 * time.Hour, false},
	}
	for _, tt := range tests {
		plan, err := parseCron(tt.frequency)
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.isTooFrequent(after, tt.timeout); got != tt.refused {
			t.Errorf("%s with a timeout of %s is too frequent: %v, want %v", tt.frequency, tt.timeout, got, tt.refused)
		}
	}
}
