package main

import "time"

// pageRows is the most rows that a call brings.
const pageRows = 50

// Result is what one contestant came to on one case. All times but CPUSeconds and RealSeconds are by the clock of the
// case.
type Result struct {
	Case       string
	Settings   map[string]string
	Contestant string

	Runs, Completed int
	// Wrong are completions before the end could be seen, or with another exit code.
	Wrong int

	Calls         int
	CallsByAction map[string]int
	Throttled     int
	// RoundTripP50 and RoundTripP99 are what calls really took at the cloud's end: more than the setting where the
	// machine is too slow for the pace.
	RoundTripP50, RoundTripP99 float64

	// Lag is from the end of a run, or the making of its object if that was later, until the API server shows it
	// Completed, in seconds. LagQuantiles are its 101 percentiles from 0 to 100.
	LagP50, LagP99, LagMax float64
	LagQuantiles           []float64
	// LimitP50 and LimitP99 are the lags of one who asks at the right moment every time: until the end can be seen, and
	// a round trip.
	LimitP50, LimitP99 float64
	// FewestCalls is what nobody can do without for lags as these: see fewestCalls.
	FewestCalls int

	// StatusRequests are writes of a status by the API server's count, StatusChanges those that changed an object.
	StatusRequests, StatusChanges int

	// CPUSeconds are of the whole life of the process. Cores is how many processors it kept busy during the case.
	CPUSeconds   float64
	Cores        float64
	PeakRSS      int64
	ModelSeconds float64
	RealSeconds  float64
	// MadeP99 is how long after the start of a run its object was there, in seconds: what an API server that is too slow
	// makes of the starts.
	MadeP99 float64
	// LateSeconds is how late the bench itself was at most, and BenchCPUSeconds what it used, emulator and all.
	LateSeconds     float64
	BenchCPUSeconds float64
	// OtherCores is how many processors were busy with neither, the API server included: what disturbs a measurement.
	OtherCores float64
	Idle       *Idle `json:",omitempty"`
}

// Idle is what a contestant did when everything had completed.
type Idle struct {
	ModelSeconds, RealSeconds float64
	Calls, StatusRequests     int
	CPUSeconds                float64
}

func (r *Result) count(t tally) {
	r.Calls, r.CallsByAction, r.Throttled = t.total(), t.calls, t.throttled
}

func (r *Result) roundTrips(took []time.Duration) {
	r.RoundTripP50, r.RoundTripP99 = quantile(took, 0.5).Seconds(), quantile(took, 0.99).Seconds()
}

func (r *Result) spent(before, after spending) {
	r.RealSeconds = after.at.Sub(before.at).Seconds()
	contestant, bench := (after.contestant - before.contestant).Seconds(), (after.bench - before.bench).Seconds()
	r.Cores, r.BenchCPUSeconds = contestant/r.RealSeconds, bench
	r.OtherCores = ((after.system - before.system).Seconds() - contestant - bench) / r.RealSeconds
}

func (r *Result) lags(lags, limits []time.Duration) {
	r.LagP50, r.LagP99, r.LagMax = quantile(lags, 0.5).Seconds(), quantile(lags, 0.99).Seconds(), quantile(lags, 1).Seconds()
	r.LimitP50, r.LimitP99 = quantile(limits, 0.5).Seconds(), quantile(limits, 0.99).Seconds()
	for n := range 101 {
		r.LagQuantiles = append(r.LagQuantiles, quantile(lags, float64(n)/100).Seconds())
	}
}

// perRun is a number for each completed run.
func (r *Result) perRun(n int) float64 { return r.perCompleted(float64(n)) }

func (r *Result) perCompleted(value float64) float64 {
	if r.Completed == 0 {
		return 0
	}
	return value / float64(r.Completed)
}
