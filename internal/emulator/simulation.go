package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// Simulation pretends the runs of some commands: nothing is executed, and all else, from the delivery over time-out
// and stop to the delivery of the output, is as with a process. A run with all that it needs takes a few kilobytes.
//
// What is random in it is drawn by Seed and the run's place among all that were submitted, so that the same calls in
// the same order give the same runs.
type Simulation struct {
	// InstanceID is a pattern as path.Match has it, such as i-web-*; empty is every instance.
	InstanceID string
	// CommandName is a pattern as path.Match has it; empty is every command, named or not.
	CommandName string
	// Content is a part of the command's content; empty is in every command.
	Content string

	// Duration is how long a run takes, on the emulator's clock.
	Duration time.Duration
	// Sigma, if positive, spreads the durations lognormally: Duration is their median, and about two thirds lie
	// between Duration/e^Sigma and Duration*e^Sigma.
	Sigma float64
	Seed  uint64

	// Output is printed as a run begins.
	Output string
	// OutputBytes, if more than Output has, is how many bytes are printed in all.
	OutputBytes int

	// FailRate is the share of the runs that fail, from 0 to 1. The others end with Success.
	FailRate float64
	// Status is how a run fails: Failed, Error, or Invalid and Aborted for one that does not even begin. Empty is
	// Failed.
	Status string
	// ExitCode is that of a run that ends as Failed; 0 is 1.
	ExitCode int64
	// ErrorCode and ErrorInfo of a run that fails; an empty ErrorCode is the usual one of its status.
	ErrorCode string
	ErrorInfo string
}

// simulatedFailures are the usual endings of the runs that fail.
var simulatedFailures = map[string]ending{
	StatusFailed:  endOf(1, nil, nil),
	StatusError:   endException,
	StatusInvalid: endWrongType,
	StatusAborted: *endUndelivered[AgentSilent],
}

// Check refuses what no run could do.
func (s Simulation) Check() error {
	for _, pattern := range []string{s.InstanceID, s.CommandName} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q is not valid; use * and ? and [a-z], with a backslash before one that means itself", pattern)
		}
	}
	switch _, known := simulatedFailures[firstOf(s.Status, StatusFailed)]; {
	case s.Duration < 0 || s.Sigma < 0 || s.OutputBytes < 0 || math.IsNaN(s.Sigma):
		return errors.New("the duration, sigma or outputBytes of a simulation is negative; give 0 or more")
	case !(s.FailRate >= 0 && s.FailRate <= 1):
		return fmt.Errorf("failRate %v is no share; give a number from 0 to 1", s.FailRate)
	case !known:
		return fmt.Errorf("a run cannot fail with status %q; give Failed, Error, Invalid or Aborted", s.Status)
	case s.ExitCode != 0 && firstOf(s.Status, StatusFailed) != StatusFailed:
		return fmt.Errorf("a run that ends as %s has no exit code; leave exitCode out", s.Status)
	case s.FailRate == 0 && (s.Status != "" || s.ExitCode != 0 || s.ErrorCode != "" || s.ErrorInfo != ""):
		return errors.New("a simulation says how runs fail, and none does; give failRate, 1 if all fail")
	case s.ErrorCode == "" && s.ErrorInfo != "":
		return errors.New("errorInfo belongs to an errorCode; give that too")
	}
	return nil
}

// matches says whether runs of the command on the instance are pretended as s says.
func (s Simulation) matches(c *command, instanceID string) bool {
	return matchPattern(s.InstanceID, instanceID) && matchPattern(s.CommandName, c.Name) &&
		strings.Contains(string(c.Content), s.Content)
}

func matchPattern(pattern, text string) bool {
	// Check has refused the patterns that give an error.
	matched, _ := path.Match(pattern, text)
	return pattern == "" || matched
}

// plan draws one run.
func (s Simulation) plan(random *rand.Rand) (time.Duration, ending) {
	duration := s.Duration
	if s.Sigma > 0 {
		// The conversion of what is too large is not defined.
		duration = time.Duration(min(float64(s.Duration)*math.Exp(s.Sigma*random.NormFloat64()), math.MaxInt64/2))
	}
	if random.Float64() >= s.FailRate {
		return duration, endOf(0, nil, nil)
	}
	end := simulatedFailures[firstOf(s.Status, StatusFailed)]
	if s.ExitCode != 0 {
		end.exitCode = &s.ExitCode
	}
	if s.ErrorCode != "" {
		end.code, end.info = s.ErrorCode, s.ErrorInfo
	}
	return duration, end
}

// print writes what a run prints, in pieces: many runs print at once.
func (s Simulation) print(output io.Writer) {
	const piece = "The quick brown fox jumps over the lazy dog.\n"
	// Neither the output that is kept nor an object of a bucket that cannot be written may end a run.
	_, _ = io.WriteString(output, s.Output)
	for left := s.OutputBytes - len(s.Output); left > 0; left -= len(piece) {
		_, _ = io.WriteString(output, piece[:min(left, len(piece))])
	}
}

// simulationRunner pretends runs.
type simulationRunner struct {
	Simulation
	clock clock.Clock
}

func (s simulationRunner) prepare(r *row, _ *instance) (preparedRun, *ending, error) {
	// Spread, because neighbours in both numbers must not draw alike.
	random := rand.New(rand.NewPCG(s.Seed, r.Sequence*0x9e3779b97f4a7c15+uint64(r.Repeats)))
	duration, end := s.plan(random)
	if !end.ran {
		return nil, &end, nil
	}
	run := &simulatedRun{simulation: s.Simulation, end: end}
	if duration < r.invocation.Timeout {
		// Made before the row says Running: whoever moves a fake clock may go by the row.
		run.timer = s.clock.NewTimer(duration)
	}
	return run, nil, nil
}

type simulatedRun struct {
	simulation Simulation
	end        ending
	// timer ends the run; nil if its timeout does.
	timer clock.Timer
}

func (s *simulatedRun) run(ctx context.Context, output io.Writer) ending {
	s.simulation.print(output)
	var done <-chan time.Time
	if s.timer != nil {
		done = s.timer.C()
	}
	select {
	case <-done:
		return s.end
	case <-ctx.Done():
	}
	if s.timer != nil && errors.Is(context.Cause(ctx), errTimeout) {
		// A clock that leaps makes both due at once; the run would have been first.
		return s.end
	}
	return endOf(0, process.ErrKilled, context.Cause(ctx))
}

func (s *simulatedRun) close() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
