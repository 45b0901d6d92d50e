package emulator

import (
	"errors"
	"testing"
	"time"
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
