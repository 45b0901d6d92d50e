package emulator

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxRate is the longest interval of a rate(...) schedule.
const maxRate = 7 * 24 * time.Hour

// schedule is a Frequency. next is the first run after a time; a zero time is none any more.
type schedule interface {
	next(after time.Time) time.Time
}

type rateSchedule time.Duration

func (s rateSchedule) next(after time.Time) time.Time { return after.Add(time.Duration(s)) }

type atSchedule time.Time

func (s atSchedule) next(after time.Time) time.Time {
	if at := time.Time(s); at.After(after) {
		return at
	}
	return time.Time{}
}

var rateExpression = regexp.MustCompile(`^rate\((\d+)([smhd])\)$`)

// parseFrequency reads rate(5m), at(2006-01-02 15:04:05 zone) or a cron expression of six or seven fields, with an
// optional time zone behind them. Times without a zone are UTC. An empty one is no schedule.
func parseFrequency(frequency string, minRate time.Duration) (schedule, error) {
	invalid := refuse("InvalidParam.Frequency")
	if frequency == "" {
		return nil, nil
	}
	if match := rateExpression.FindStringSubmatch(frequency); match != nil {
		units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
		n, err := strconv.Atoi(match[1])
		interval := time.Duration(n) * units[match[2]]
		// The number is checked first: the product of a large one overflows.
		if err != nil || n > int(maxRate/units[match[2]]) || interval < minRate {
			return nil, invalid
		}
		return rateSchedule(interval), nil
	}
	if text, isAt := strings.CutPrefix(frequency, "at("); isAt {
		text, closed := strings.CutSuffix(text, ")")
		if !closed {
			return nil, invalid
		}
		return parseAt(text)
	}
	plan, err := parseCron(frequency)
	if err != nil {
		return nil, err
	}
	return plan, nil
}

// needsNewSchedules says whether a Frequency is more than a plain cron expression, which the agents that came before
// rate(...), at(...), years and time zones understand.
func needsNewSchedules(frequency string) bool {
	return strings.HasPrefix(frequency, "rate(") || strings.HasPrefix(frequency, "at(") || len(strings.Fields(frequency)) > 6
}

func parseAt(text string) (schedule, error) {
	fields := strings.Fields(text)
	zone := time.UTC
	var err error
	if len(fields) == 3 {
		zone, err = parseZone(fields[2])
	}
	if err != nil || len(fields) < 2 || len(fields) > 3 {
		return nil, refuse("InvalidParam.Frequency")
	}
	at, err := time.ParseInLocation(time.DateTime, fields[0]+" "+fields[1], zone)
	if err != nil {
		return nil, refuse("InvalidParam.Frequency")
	}
	return atSchedule(at), nil
}

var offsetZone = regexp.MustCompile(`^(?:GMT|UTC)([+-])(\d{1,2})(?::(\d{2}))?$`)

// parseZone reads a name of the time zone database, or an offset such as GMT+8:00.
func parseZone(name string) (*time.Location, error) {
	match := offsetZone.FindStringSubmatch(name)
	if match == nil {
		if !strings.ContainsAny(name, "/") && name != "UTC" && name != "GMT" {
			return nil, refuse("InvalidParam.Frequency")
		}
		return time.LoadLocation(name)
	}
	hours, _ := strconv.Atoi(match[2])
	minutes, _ := strconv.Atoi(match[3])
	seconds := hours*3600 + minutes*60
	if match[1] == "-" {
		seconds = -seconds
	}
	return time.FixedZone(name, seconds), nil
}
