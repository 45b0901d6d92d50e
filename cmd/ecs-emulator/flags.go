package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/scenario"
)

const usage = `ecs-emulator serves the Cloud Assistant part of Alibaba Cloud's ECS API on this machine.

IT RUNS COMMANDS. Whoever can reach it and knows the access key runs shell scripts on this machine as the
user of this process, but for those that a scenario simulates. It listens on loopback only, unless
--allow-remote is given.

Point a client at it with the access key, plain HTTP and the printed address as its endpoint. One line per
call is logged to standard error.

Usage: ecs-emulator [flags]

`

// settings are the command line, with what its scenario adds.
type settings struct {
	listen, adminListen string
	key                 emulator.AccessKey
	region              string
	options             emulator.Options
	// scenario is nil if there is none.
	scenario *scenario.Scenario
}

// flags are the command line as it is written.
type flags struct {
	*pflag.FlagSet
	settings
	instances    int
	scenarioFile string
	quotas       []string
	events       eventFlags
}

func newFlags() *flags {
	f := &flags{FlagSet: pflag.NewFlagSet("ecs-emulator", pflag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address of the API; port 0 takes a free one")
	f.StringVar(&f.adminListen, "admin-listen", "", "address of the API that injects faults, moves the clock and more, see its GET /; empty serves none. It has no authentication")
	f.StringVar(&f.key.ID, "access-key-id", "", "access key that may sign calls (default: environment variable ALIBABA_CLOUD_ACCESS_KEY_ID)")
	f.StringVar(&f.key.Secret, "access-key-secret", "", "its secret (default: environment variable ALIBABA_CLOUD_ACCESS_KEY_SECRET)")
	f.StringVar(&f.key.AccountID, "account-id", emulator.DefaultAccountID, "account of the access key and the instances")
	f.IntVar(&f.instances, "instances", 3, "number of pretended instances, i-emulator0000000001 and on; 0 if a scenario has instances and this is not given")
	f.StringVar(&f.region, "region", emulator.DefaultRegionIDs[0], "region of the instances")
	f.DurationVar(&f.options.MinRate, "min-rate", time.Minute, "shortest interval of a rate(...) schedule")
	f.StringArrayVar(&f.quotas, "quota", nil, "`ACTION=N` accepts N calls of the action per minute from each account in each region; *=N is for each action; may be repeated")
	f.DurationVar(&f.options.Retention.MaxAge, "retention", 0, "how long results are kept; 0 is the documented four weeks")
	f.IntVar(&f.options.Retention.MaxRecords, "max-records", 0, "how many results each account keeps in each region; 0 is the documented 100000")
	f.StringVar(&f.scenarioFile, "scenario", "", "YAML `file` that sets up and drives the emulator")
	f.StringVar(&f.options.StateFile, "state", "", "`file` that keeps the state over restarts; it holds parameters and outputs of commands, and temporary credentials")
	f.StringVar(&f.options.OSSDir, "oss-dir", "", "`directory` with a directory for each OSS bucket that outputs are delivered to; empty is the name of the state file with .oss, or a temporary one without --state")
	f.BoolVar(&f.options.AllowRemote, "allow-remote", false, "allow --listen and --admin-listen to be reached from other machines, which lets them run commands on this one")
	f.events.add(f.FlagSet)
	return f
}

// parse reads the command line and the scenario. It returns nil settings if only help was asked for.
func parse(args []string, getenv func(string) string, stdout io.Writer) (*settings, error) {
	f := newFlags()
	err := f.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = fmt.Fprint(stdout, usage+f.FlagUsages())
		return nil, err
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q; all settings are flags", f.Arg(0))
	case f.instances < 0:
		return nil, fmt.Errorf("--instances is %d; give a number that is not negative", f.instances)
	case f.options.Retention.MaxAge < 0 || f.options.Retention.MaxRecords < 0:
		return nil, errors.New("--retention or --max-records is negative; give 0 for what is documented")
	case f.options.MinRate <= 0:
		return nil, fmt.Errorf("--min-rate is %s; give a positive duration such as 1s", f.options.MinRate)
	}
	if f.options.Quotas, err = parseQuotas(f.quotas); err != nil {
		return nil, err
	}
	if f.options.Events, err = f.events.publishing(getenv); err != nil {
		return nil, err
	}
	if f.scenarioFile != "" {
		if f.scenario, err = readScenario(f.scenarioFile); err != nil {
			return nil, err
		}
		if len(f.scenario.Instances) > 0 && !f.Changed("instances") {
			f.instances = 0
		}
	}
	if err := f.findKey(getenv); err != nil {
		return nil, err
	}
	f.options.Instances = emulator.NumberedInstances(f.instances, f.region, f.key.AccountID)
	f.options.RegionIDs = slices.Clone(emulator.DefaultRegionIDs)
	if !slices.Contains(f.options.RegionIDs, f.region) {
		f.options.RegionIDs = append(f.options.RegionIDs, f.region)
	}
	if f.scenario != nil {
		if err := f.scenario.Configure(&f.options, getenv); err != nil {
			return nil, fmt.Errorf("--scenario %s: %w", f.scenarioFile, err)
		}
	}
	return &f.settings, nil
}

// findKey takes the access key from the environment where no flag gives one. A scenario may bring others instead.
func (f *flags) findKey(getenv func(string) string) error {
	if f.key.ID == "" {
		f.key.ID = getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
	}
	if f.key.Secret == "" {
		f.key.Secret = getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	}
	switch {
	case f.key.ID != "" && f.key.Secret != "":
		f.options.AccessKeys = []emulator.AccessKey{f.key}
	case f.key.ID != "" || f.key.Secret != "" || f.scenario == nil || len(f.scenario.AccessKeys) == 0:
		return errors.New("no access key: give --access-key-id and --access-key-secret, or set " +
			"ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET; any values will do, the client must use the same")
	}
	return nil
}

func readScenario(file string) (*scenario.Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--scenario: %w", err)
	}
	s, err := scenario.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("--scenario %s: %w", file, err)
	}
	return s, nil
}

func parseQuotas(texts []string) ([]emulator.Quota, error) {
	var quotas []emulator.Quota
	for _, text := range texts {
		action, limit, _ := strings.Cut(text, "=")
		perMinute, err := strconv.Atoi(limit)
		if action == "" || err != nil || perMinute < 0 {
			return nil, fmt.Errorf("--quota %q is not of the form ACTION=N, such as DescribeInvocationResults=600", text)
		}
		if action == "*" {
			action = ""
		}
		quotas = append(quotas, emulator.Quota{Action: action, PerMinute: perMinute})
	}
	return quotas, nil
}
