// Command soak lets the operator work for a long while on a real API server, against an emulated API that misbehaves in
// every way it can, one after the other, and fails if its memory or its goroutines grow, or if a result ends otherwise
// than its run did. `make soak` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

func main() {
	var s soak
	flag.DurationVar(&s.duration, "duration", 30*time.Minute, "How long; at least five minutes.")
	flag.Float64Var(&s.perSecond, "rate", 2, "How many runs are started a second, each on up to three instances.")
	flag.DurationVar(&s.faultEvery, "fault-every", 20*time.Second, "How often a fault begins; it lasts half as long.")
	flag.Float64Var(&s.growth, "growth", 0.15, "By what share the last third of the figures may be above the second.")
	flag.Parse()
	os.Exit(s.exitStatus())
}

func (s *soak) exitStatus() int {
	ctx, stop := testenv.Interruptible(context.Background())
	defer stop()
	err := s.run(ctx)
	if stopErr := s.tearDown(); err == nil {
		err = stopErr
	}
	switch {
	case ctx.Err() != nil:
		fmt.Println("Interrupted; everything has been stopped.")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	}
	return 0
}

// run is the whole soak.
func (s *soak) run(ctx context.Context) error {
	if s.duration < 5*time.Minute {
		return errors.New("--duration: give five minutes at least, for what is warm by then to be told from what grows")
	}
	if err := s.setUp(ctx); err != nil {
		return err
	}
	end := time.Now().Add(s.duration)
	submit := time.NewTicker(time.Duration(float64(time.Second) / s.perSecond))
	defer submit.Stop()
	fault := time.NewTicker(s.faultEvery / 2)
	defer fault.Stop()
	sample := time.NewTicker(15 * time.Second)
	defer sample.Stop()
	for time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-submit.C:
			if err := s.submit(ctx); err != nil {
				return err
			}
		case <-fault.C:
			if err := s.misbehave(); err != nil {
				return err
			}
		case <-sample.C:
			if err := s.sample(ctx); err != nil {
				return err
			}
		}
	}
	return judge(s.figures, s.growth)
}
