package scenario

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// Configure adds what the scenario has to the options of an emulator. getenv reads the secrets of access keys. The
// result is tried out, so that whatever an emulator refuses is an error here, of one sentence.
func (s *Scenario) Configure(options *emulator.Options, getenv func(string) string) error {
	regionIDs := options.RegionIDs
	if len(regionIDs) == 0 {
		regionIDs = emulator.DefaultRegionIDs
	}
	options.RegionIDs = slices.Clone(regionIDs)
	for _, id := range s.RegionIDs {
		if !slices.Contains(options.RegionIDs, id) {
			options.RegionIDs = append(options.RegionIDs, id)
		}
	}
	for _, key := range s.AccessKeys {
		secret := getenv(key.SecretEnv)
		if secret == "" {
			return fmt.Errorf("the environment variable %s, which holds the secret of the access key %s, is not set; set it", key.SecretEnv, key.ID)
		}
		options.AccessKeys = append(options.AccessKeys, emulator.AccessKey{
			ID: key.ID, Secret: secret, AccountID: key.AccountID, Disabled: key.Disabled,
			UserName: key.UserName, Policies: key.Policies,
		})
	}
	options.Roles = slices.Concat(options.Roles, s.Roles)
	options.OIDCProviders = slices.Concat(options.OIDCProviders, s.OIDCProviders)
	options.Retention.MaxAge = cmp.Or(s.Retention.MaxAge, options.Retention.MaxAge)
	options.Retention.MaxRecords = cmp.Or(s.Retention.MaxRecords, options.Retention.MaxRecords)
	options.OSSBuckets = slices.Concat(options.OSSBuckets, s.Settings.OSSBuckets)
	options.OSSDelay = cmp.Or(s.Settings.OSSDelay, options.OSSDelay)
	options.Settings = s.Settings.Settings
	options.Instances = s.instances(options.Instances)
	options.Simulations = slices.Concat(s.Simulations, options.Simulations)
	options.Quotas = slices.Concat(s.Quotas, options.Quotas)
	options.MinRate = cmp.Or(s.Settings.MinRate, options.MinRate)
	options.DeliveryTimeout = cmp.Or(s.Settings.DeliveryTimeout, options.DeliveryTimeout)
	if err := s.checkEvents(options.Instances); err != nil {
		return err
	}
	return s.try(*options)
}

// instances adds the scenario's instances to those that are there.
func (s *Scenario) instances(all []emulator.Instance) []emulator.Instance {
	all = slices.Clone(all)
	numbered := 0
	taken := map[string]bool{}
	for _, i := range all {
		taken[i.ID] = true
	}
	for _, group := range s.Instances {
		if group.Count == 0 {
			all = append(all, group.Instance)
		}
		for made := 0; made < group.Count; numbered++ {
			i := group.Instance
			i.ID, i.Name = fmt.Sprintf("i-emulator%010d", numbered+1), fmt.Sprintf("emulator-%d", numbered+1)
			if !taken[i.ID] {
				all = append(all, i)
				made++
			}
		}
	}
	return all
}

// checkEvents refuses events of instances that do not exist: they would fail an hour later.
func (s *Scenario) checkEvents(instances []emulator.Instance) error {
	for n, event := range s.Events {
		id := cmp.Or(event.StartInstance, event.StopInstance, event.RebootInstance, event.RemoveInstance, event.RestartAgent)
		if event.SetAgent != nil {
			id = event.SetAgent.InstanceID
		}
		known := slices.ContainsFunc(instances, func(i emulator.Instance) bool { return i.ID == id })
		if (id != "" || event.SetAgent != nil) && !known {
			return fmt.Errorf("events[%d]: instance %q does not exist; add it to instances", n, id)
		}
	}
	return nil
}

// try sets up an emulator that nobody can reach, and does to it what can be done without waiting.
func (s *Scenario) try(options emulator.Options) error {
	options.StateFile, options.Logger = "", nil
	e, err := emulator.New(options)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	if err := s.Apply(e); err != nil {
		return err
	}
	for n, event := range s.Events {
		if event.Fault != nil {
			if _, err := e.Inject(event.Fault.Fault); err != nil {
				return fmt.Errorf("events[%d]: %w", n, err)
			}
		}
		if event.SetAgent != nil {
			if err := e.SetAgent(event.SetAgent.InstanceID, event.SetAgent.Agent); err != nil {
				return fmt.Errorf("events[%d]: %w", n, err)
			}
		}
	}
	return nil
}

// Apply puts what is there from the start into an emulator made with the options of Configure. An invocation that is
// there already, from a state file, begins anew.
func (s *Scenario) Apply(e *emulator.Emulator) error {
	e.SetVisibilityLag(s.Settings.VisibilityFirst, s.Settings.VisibilityStep)
	now := e.Clock().Now().UTC()
	for n, i := range s.Invocations {
		scripted := i.Scripted
		if scripted.CreatedAt.IsZero() {
			scripted.CreatedAt = now.Add(-i.Age)
		}
		for _, r := range i.Rows {
			scripted.Rows = append(scripted.Rows, begun(r.Row, scripted.CreatedAt))
		}
		if err := e.PutInvocation(scripted); err != nil {
			return fmt.Errorf("invocations[%d]: %w", n, err)
		}
		for m, r := range i.History {
			r.InvokeID = i.ID
			if err := e.PutHistory(r); err != nil {
				return fmt.Errorf("invocations[%d].history[%d]: %w", n, m, err)
			}
		}
	}
	return nil
}

// begun gives a row that says nothing of its times those of its status.
func begun(r emulator.Row, at time.Time) emulator.Row {
	if r.StartTime.IsZero() && r.FinishedTime.IsZero() {
		Step{InvocationStatus: r.InvocationStatus}.change(&r, at)
	}
	return r
}

// change does a step to a row.
func (s Step) change(r *emulator.Row, now time.Time) {
	if s.InvocationStatus != "" {
		r.InvocationStatus = s.InvocationStatus
		ran := s.InvocationStatus == emulator.StatusSuccess || s.InvocationStatus == emulator.StatusFailed ||
			s.InvocationStatus == emulator.StatusTimeout || s.InvocationStatus == emulator.StatusTerminated
		if r.StartTime.IsZero() && (ran || s.InvocationStatus == emulator.StatusRunning) {
			r.StartTime = now
		}
		if emulator.Terminal(s.InvocationStatus) {
			r.FinishedTime = now
		}
		if ran {
			r.Repeats = max(r.Repeats, 1)
		}
		if s.InvocationStatus == emulator.StatusSuccess && r.ExitCode == nil {
			r.ExitCode = new(int64)
		}
	}
	if s.ExitCode != nil {
		r.ExitCode = s.ExitCode
	}
	if s.Output != nil {
		r.Output = []byte(*s.Output)
	}
	if s.ErrorCode != nil {
		r.ErrorCode = *s.ErrorCode
	}
	if s.ErrorInfo != nil {
		r.ErrorInfo = *s.ErrorInfo
	}
}

// Run does what the scenario says at its times, until all is done or ctx ends. address is where the API listens. What
// fails, such as a step of a row that somebody removed, is logged; an error is an outage that cannot be ended.
func (s *Scenario) Run(ctx context.Context, e *emulator.Emulator, address string, log *slog.Logger) error {
	clock := e.Clock()
	start := clock.Now()
	for _, p := range s.plan(address) {
		timer := clock.NewTimer(start.Add(p.at).Sub(clock.Now()))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		log.Info("scenario", "at", p.at, "what", p.what)
		if err := p.do(e); err != nil {
			if p.fatal {
				return fmt.Errorf("the scenario cannot go on after %s: %w", p.what, err)
			}
			log.Error("scenario", "at", p.at, "what", p.what, "error", err)
		}
	}
	return nil
}
