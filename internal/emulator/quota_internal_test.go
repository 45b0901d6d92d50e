package emulator

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever calls come when: in each minute each (account, region, action) gets its quota and no call more, each call
// below it is accepted, and a refusal names the time after which the next one is.
func TestQuotaWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quotas := []Quota{
			{AccountID: "a", Action: "x", PerMinute: rapid.IntRange(0, 4).Draw(t, "specific")},
			{RegionID: "r", PerMinute: rapid.IntRange(0, 4).Draw(t, "regional")},
		}
		limit := func(key quotaKey) int {
			switch {
			case key.accountID == "a" && key.action == "x":
				return quotas[0].PerMinute
			case key.regionID == "r":
				return quotas[1].PerMinute
			}
			return 1 << 30
		}
		var set quotaSet
		if err := set.set(quotas); err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 11, 23, 12, 0, 59, 999_999_999, time.UTC)
		type slot struct {
			key    quotaKey
			minute int64
		}
		accepted := map[slot]int{}
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "later")))
			key := quotaKey{
				rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account"),
				rapid.SampledFrom([]string{"r", "s"}).Draw(t, "region"),
				rapid.SampledFrom([]string{"x", "y"}).Draw(t, "action"),
			}
			at := slot{key, now.Unix() / 60}
			exceeded, wait := set.take(key, now)
			if full := accepted[at] >= limit(key); full != (exceeded != nil) {
				t.Fatalf("at %v, after %d of %d calls: refused by %+v", now, accepted[at], limit(key), exceeded)
			}
			if exceeded == nil {
				accepted[at]++
				continue
			}
			if turn := now.Add(wait); wait <= 0 || turn.Unix()/60 != at.minute+1 || turn.Add(-1).Unix()/60 != at.minute {
				t.Fatalf("at %v told to wait %v, which is not when the minute turns", now, wait)
			}
		}
	})
}
