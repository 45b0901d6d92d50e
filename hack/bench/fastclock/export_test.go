package fastclock

// For tests in a package of their own.
var (
	Ahead = Pace.ahead
	Takes = Pace.takes
)
