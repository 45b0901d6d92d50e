package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// drainTime is how long calls in flight may take to end once a signal came.
const drainTime = 3 * time.Second

const usage = `ecs-emulator serves the Cloud Assistant part of Alibaba Cloud's ECS API on this machine.

IT RUNS COMMANDS. Whoever can reach it and knows the access key runs shell scripts on this machine as the
user of this process. It listens on loopback only, unless --allow-remote is given.

Point a client at it with the access key, plain HTTP and the printed address as its endpoint. One line per
call is logged to standard error.

Usage: ecs-emulator [flags]

`

// settings are the command line.
type settings struct {
	listen, adminListen string
	key                 emulator.AccessKey
	instances           int
	region              string
	minRate             time.Duration
	allowRemote         bool
}

// parse reads the command line. It returns nil settings if only help was asked for.
func parse(args []string, getenv func(string) string, stdout io.Writer) (*settings, error) {
	var s settings
	flags := pflag.NewFlagSet("ecs-emulator", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8080", "address of the API; port 0 takes a free one")
	flags.StringVar(&s.adminListen, "admin-listen", "", "address of the API that injects faults and counts calls; empty serves none. It has no authentication")
	flags.StringVar(&s.key.ID, "access-key-id", "", "access key that may sign calls (default: environment variable ALIBABA_CLOUD_ACCESS_KEY_ID)")
	flags.StringVar(&s.key.Secret, "access-key-secret", "", "its secret (default: environment variable ALIBABA_CLOUD_ACCESS_KEY_SECRET)")
	flags.StringVar(&s.key.AccountID, "account-id", emulator.DefaultAccountID, "account of the access key and the instances")
	flags.IntVar(&s.instances, "instances", 3, "number of pretended instances, i-emulator0000000001 and on")
	flags.StringVar(&s.region, "region", emulator.DefaultRegionIDs[0], "region of the instances")
	flags.DurationVar(&s.minRate, "min-rate", time.Minute, "shortest interval of a rate(...) schedule")
	flags.BoolVar(&s.allowRemote, "allow-remote", false, "allow --listen and --admin-listen to be reached from other machines, which lets them run commands on this one")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = fmt.Fprint(stdout, usage+flags.FlagUsages())
		return nil, err
	case err != nil:
		return nil, err
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q; all settings are flags", flags.Arg(0))
	case s.instances < 0:
		return nil, fmt.Errorf("--instances is %d; give a number that is not negative", s.instances)
	case s.minRate <= 0:
		return nil, fmt.Errorf("--min-rate is %s; give a positive duration such as 1s", s.minRate)
	}
	if s.key.ID == "" {
		s.key.ID = getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
	}
	if s.key.Secret == "" {
		s.key.Secret = getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	}
	if s.key.ID == "" || s.key.Secret == "" {
		return nil, errors.New("no access key: give --access-key-id and --access-key-secret, or set " +
			"ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET; any values will do, the client must use the same")
	}
	return &s, nil
}

// serve runs the emulator until ctx ends.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) (err error) {
	regions := slices.Clone(emulator.DefaultRegionIDs)
	if !slices.Contains(regions, s.region) {
		regions = append(regions, s.region)
	}
	e, err := emulator.New(emulator.Options{
		Logger:      slog.New(newLineHandler(stderr)),
		AccessKeys:  []emulator.AccessKey{s.key},
		Instances:   emulator.NumberedInstances(s.instances, s.region, s.key.AccountID),
		RegionIDs:   regions,
		MinRate:     s.minRate,
		AllowRemote: s.allowRemote,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if s.adminListen != "" {
		url, err := e.StartAdmin(s.adminListen)
		if err != nil {
			return fmt.Errorf("--admin-listen: %w", err)
		}
		_, _ = fmt.Fprintf(stdout, "admin listening on %s\n", url)
	}
	url, err := e.Start(s.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	_, _ = fmt.Fprintf(stderr, "commands sent to %s run on this machine; %d instances in %s, account %s\n",
		url, s.instances, s.region, s.key.AccountID)
	// Programs wait for this line and read the URL from it.
	_, _ = fmt.Fprintf(stdout, "listening on %s\n", url)

	<-ctx.Done()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := e.Drain(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
