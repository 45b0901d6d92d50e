package emulator

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// cronSchedule is a cron expression as the vendor has them: seconds, minutes, hours, days of the month, months, days of
// the week and, if given, years. Where both kinds of days are restricted, either lets a day in: the vendor's page wants a
// question mark in one of them, and does not say what happens otherwise.
type cronSchedule struct {
	seconds, minutes, hours, months, years numbers
	days                                   monthDays
	weekdays                               weekDays
	zone                                   *time.Location
}

// numbers are the values that a field lets in: those whose place is true.
type numbers []bool

// monthDays is the field of the days of the month.
type monthDays struct {
	all           bool
	plain         numbers
	nearest       numbers // 15W: the working day nearest to the 15th, within its month
	last, lastOff bool    // L and LW: the last day and the last working day
}

// weekDays is the field of the days of the week, from Monday, which is 1, to Sunday, which is 7.
type weekDays struct {
	all   bool
	plain numbers
	last  numbers    // 6L: the last Saturday of the month
	nth   [6]numbers // 6#3: the third Saturday of the month
}

// The years of cron expressions end with 2099, by the vendor's page. It lets them begin with the current one; the
// emulator takes earlier ones too, for a schedule that has expired.
const (
	firstYear = 1970
	lastYear  = 2099
)

var (
	monthNames   = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	weekdayNames = []string{"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}
)

// cronField is what may stand in a field.
type cronField struct {
	low, high int
	// names are those of low and on.
	names []string
}

var (
	cronSeconds  = cronField{high: 59}
	cronHours    = cronField{high: 23}
	cronDays     = cronField{low: 1, high: 31}
	cronMonths   = cronField{low: 1, high: 12, names: monthNames}
	cronWeekdays = cronField{low: 1, high: 7, names: weekdayNames}
	cronYears    = cronField{low: firstYear, high: lastYear}
)

// parseCron reads six or seven fields, and a time zone behind them if there is one.
func parseCron(text string) (*cronSchedule, error) {
	fields := strings.Fields(text)
	zone := time.UTC
	if n := len(fields); n > 6 {
		if found, err := parseZone(fields[n-1]); err == nil {
			zone, fields = found, fields[:n-1]
		}
	}
	if len(fields) == 6 {
		fields = append(fields, "*")
	}
	if len(fields) != 7 {
		return nil, refuse("InvalidParam.Frequency")
	}
	s := &cronSchedule{zone: zone}
	ok := make([]bool, 7)
	s.seconds, ok[0] = cronSeconds.parse(fields[0])
	s.minutes, ok[1] = cronSeconds.parse(fields[1])
	s.hours, ok[2] = cronHours.parse(fields[2])
	s.days, ok[3] = parseMonthDays(fields[3])
	s.months, ok[4] = cronMonths.parse(fields[4])
	s.weekdays, ok[5] = parseWeekDays(fields[5])
	s.years, ok[6] = cronYears.parse(fields[6])
	if slices.Contains(ok, false) {
		return nil, refuse("InvalidParam.Frequency")
	}
	return s, nil
}

// parse reads a list of values, ranges and steps.
func (f cronField) parse(text string) (numbers, bool) {
	found := make(numbers, f.high+1)
	for item := range strings.SplitSeq(text, ",") {
		if !f.add(found, item) {
			return nil, false
		}
	}
	return found, true
}

// add adds one item of a list; false if it is none.
func (f cronField) add(found numbers, item string) bool {
	item, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = digits(stepText, 2); !ok || step == 0 {
			return false
		}
	}
	low, high := f.low, f.high
	if item != "*" {
		first, second, isRange := strings.Cut(item, "-")
		var ok bool
		if low, ok = f.value(first); !ok {
			return false
		}
		switch {
		case isRange:
			if high, ok = f.value(second); !ok || high < low {
				return false
			}
		case !stepped:
			high = low
		}
	}
	for n := low; n <= high; n += step {
		found[n] = true
	}
	return true
}

// value reads one number or name.
func (f cronField) value(text string) (int, bool) {
	if n := slices.Index(f.names, strings.ToUpper(text)); n >= 0 {
		return f.low + n, true
	}
	n, ok := digits(text, len(strconv.Itoa(max(f.high, 10))))
	return n, ok && f.low <= n && n <= f.high
}

// digits reads a number of so many digits at most: 01 is one of two, and 001 is none, as the vendor's page has it.
func digits(text string, most int) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && len(text) <= most
}

func parseMonthDays(text string) (monthDays, bool) {
	if text == "*" || text == "?" {
		return monthDays{all: true}, true
	}
	d := monthDays{plain: make(numbers, 32), nearest: make(numbers, 32)}
	for item := range strings.SplitSeq(strings.ToUpper(text), ",") {
		near, isNear := strings.CutSuffix(item, "W")
		n, isDay := cronDays.value(near)
		switch {
		case item == "L":
			d.last = true
		case item == "LW":
			d.lastOff = true
		case isNear && isDay:
			d.nearest[n] = true
		case !cronDays.add(d.plain, item):
			return monthDays{}, false
		}
	}
	return d, true
}

func parseWeekDays(text string) (weekDays, bool) {
	if text == "*" || text == "?" {
		return weekDays{all: true}, true
	}
	d := weekDays{plain: make(numbers, 8), last: make(numbers, 8)}
	for n := range d.nth {
		d.nth[n] = make(numbers, 8)
	}
	for item := range strings.SplitSeq(strings.ToUpper(text), ",") {
		lastText, isLast := strings.CutSuffix(item, "L")
		last, lastOK := cronWeekdays.value(lastText)
		dayText, nthText, isNth := strings.Cut(item, "#")
		day, dayOK := cronWeekdays.value(dayText)
		nth, nthOK := digits(nthText, 1)
		switch {
		case item == "L":
			// The last day of a week.
			d.plain[7] = true
		case isLast && lastOK:
			d.last[last] = true
		case isNth && dayOK && nthOK && 1 <= nth && nth <= 5:
			d.nth[nth][day] = true
		case !cronWeekdays.add(d.plain, item):
			return weekDays{}, false
		}
	}
	return d, true
}

// next is the first time after another that the expression lets in. A time that a change of the clocks leaves out does
// not come; one that comes twice is the first of the two.
func (s *cronSchedule) next(after time.Time) time.Time {
	local := after.In(s.zone)
	hour, minute, second := local.Clock()
	// A day of the calendar, in a zone whose days are all alike.
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	for day.Year() <= lastYear {
		switch {
		case day.Year() < firstYear || !s.years[day.Year()]:
			day = time.Date(day.Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
		case !s.months[day.Month()]:
			day = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		default:
			if s.letsIn(day) {
				if at := s.nextOn(day, hour, minute, second, after); !at.IsZero() {
					return at
				}
			}
			day = day.AddDate(0, 0, 1)
		}
		hour, minute, second = 0, 0, 0
	}
	return time.Time{}
}

// nextOn is the first time on a day, from a time of that day on and after another; zero if there is none.
func (s *cronSchedule) nextOn(day time.Time, hour, minute, second int, after time.Time) time.Time {
	for ; hour < 24; hour, minute, second = hour+1, 0, 0 {
		if !s.hours[hour] {
			continue
		}
		for ; minute < 60; minute, second = minute+1, 0 {
			if !s.minutes[minute] {
				continue
			}
			for ; second < 60; second++ {
				if !s.seconds[second] {
					continue
				}
				at := firstOfTwo(time.Date(day.Year(), day.Month(), day.Day(), hour, minute, second, 0, s.zone))
				if at.After(after) && at.Hour() == hour && at.Minute() == minute {
					return at
				}
			}
		}
	}
	return time.Time{}
}

// firstOfTwo is the first of the two moments at which clocks that are put back show the same time; of any other time it
// is the only one. Which of them time.Date takes is not defined.
func firstOfTwo(at time.Time) time.Time {
	changed, _ := at.ZoneBounds()
	if changed.IsZero() {
		return at
	}
	_, before := changed.Add(-time.Second).Zone()
	_, now := at.Zone()
	if first := at.Add(time.Duration(now-before) * time.Second); before > now && first.Before(changed) {
		return first
	}
	return at
}

// letsIn says whether the two fields of days let a day in.
func (s *cronSchedule) letsIn(day time.Time) bool {
	switch {
	case s.days.all && s.weekdays.all:
		return true
	case s.days.all:
		return s.weekdays.letIn(day)
	case s.weekdays.all:
		return s.days.letIn(day)
	}
	return s.days.letIn(day) || s.weekdays.letIn(day)
}

func (d monthDays) letIn(day time.Time) bool {
	n, last := day.Day(), daysIn(day)
	if d.plain[n] || d.last && n == last || d.lastOff && n == nearestWorkday(day, last) {
		return true
	}
	for asked := 1; asked <= last; asked++ {
		if d.nearest[asked] && n == nearestWorkday(day, asked) {
			return true
		}
	}
	return false
}

func (d weekDays) letIn(day time.Time) bool {
	weekday := (int(day.Weekday())+6)%7 + 1
	return d.plain[weekday] || d.last[weekday] && day.Day()+7 > daysIn(day) || d.nth[(day.Day()+6)/7][weekday]
}

// daysIn is how many days the month of a day has.
func daysIn(day time.Time) int {
	return time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// nearestWorkday is the working day nearest to the n-th of the month of a day, within that month.
func nearestWorkday(day time.Time, n int) int {
	switch time.Date(day.Year(), day.Month(), n, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if n == 1 {
			return 3
		}
		return n - 1
	case time.Sunday:
		if n == daysIn(day) {
			return n - 2
		}
		return n + 1
	}
	return n
}

// minCronInterval is the shortest time between two runs of a cron expression, from the vendor's page on RunCommand. It
// also must not be shorter than the command's Timeout.
const minCronInterval = 10 * time.Second

// isTooFrequent says whether two runs of a cron expression follow each other too closely. It looks at a year of them, or
// at more than the ten-second intervals of a day.
func (s *cronSchedule) isTooFrequent(after time.Time, timeout time.Duration) bool {
	const runsOfADay = 8700
	run := s.next(after)
	first := run
	for range runsOfADay {
		next := s.next(run)
		if next.IsZero() || next.Sub(first) > 366*24*time.Hour {
			return false
		}
		if next.Sub(run) < max(minCronInterval, timeout) {
			return true
		}
		run = next
	}
	return false
}
