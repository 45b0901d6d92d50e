package emulator

import (
	"fmt"
	"log/slog"
	"time"

	"k8s.io/utils/clock"
)

// DefaultAccountID is the account of an access key or an instance that names none.
const DefaultAccountID = "1234567890123456"

// DefaultRegionIDs are the regions that exist where Options names none.
var DefaultRegionIDs = []string{
	"cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "cn-zhangjiakou", "cn-hongkong",
	"ap-southeast-1", "ap-northeast-1", "eu-central-1", "us-east-1", "us-west-1",
}

// Options configure an Emulator. The zero value of each field has a documented meaning.
type Options struct {
	// Clock is read for every timestamp and every wait; nil is the real one. Processes take real time whatever
	// it says. Advance moves the emulator ahead of it.
	Clock clock.WithDelayedExecution
	// Logger receives one line for every call; nil discards them.
	Logger *slog.Logger
	// AccessKeys may be added later with AddAccessKey.
	AccessKeys []AccessKey
	// Roles may be added later with AddRole.
	Roles []Role
	// OIDCProviders may be added later with AddOIDCProvider.
	OIDCProviders []OIDCProvider
	// AuthorizeByInvocation judges a call that names an invocation and no instance by the instances of the invocation.
	// Without it such a call asks for instance/*, which a policy for single instances does not allow. The vendor does
	// not document which; the stricter one is the default.
	AuthorizeByInvocation bool
	// Instances may be added later with AddInstance. See NumberedInstances.
	Instances []Instance
	// RegionIDs are the regions that exist; empty is DefaultRegionIDs.
	RegionIDs []string
	// ScratchDir holds a directory for each instance; empty is a temporary one that Close removes.
	ScratchDir string
	// MinRate is the shortest interval of a rate(...) schedule; 0 is the documented minute. Tests shorten it.
	MinRate time.Duration
	// DeliveryTimeout is how long a command waits for an agent that is not online; 0 is the documented minute.
	DeliveryTimeout time.Duration
	// Quotas limit the calls per minute; empty is no limit. See SetQuotas.
	Quotas []Quota
	// StateFile, if set, keeps the state over restarts: New goes on from it as LoadState does, changes are in it a
	// second later on Clock, and Close writes it a last time. It holds secrets as SaveState says, and one emulator
	// at a time may use it. An unreadable one makes New fail and stays as it is.
	StateFile string
	// Simulations pretend runs; the first that matches counts, and a command that none matches runs as a process.
	Simulations []Simulation
	// Settings are what the vendor leaves open; the zero value is the defaults. See SetSettings.
	Settings Settings
	// AllowRemote permits Start to listen on an address that is not loopback. Whoever can reach it and knows an
	// access key runs commands on this machine.
	AllowRemote bool
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.RegionIDs) == 0 {
		o.RegionIDs = DefaultRegionIDs
	}
	if o.MinRate == 0 {
		o.MinRate = time.Minute
	}
	if o.DeliveryTimeout == 0 {
		o.DeliveryTimeout = time.Minute
	}
	return o
}

// InstanceStatus is the power state of an instance, as DescribeInstances shows it.
type InstanceStatus string

// The states that the emulator knows.
const (
	InstanceRunning InstanceStatus = "Running"
	InstanceStopped InstanceStatus = "Stopped"
)

// AgentState is what the Cloud Assistant agent of an instance does with a command sent to it.
type AgentState string

// The states of an agent.
const (
	// AgentOnline runs what it is sent.
	AgentOnline AgentState = "Online"
	// AgentOffline is known to be away: after the delivery window a command is Aborted with ClientNotOnline.
	AgentOffline AgentState = "Offline"
	// AgentSilent takes no delivery: after the window a command is Aborted with DeliveryTimeout.
	AgentSilent AgentState = "Silent"
)

// Instance is a pretended ECS instance.
type Instance struct {
	// ID is unique over all accounts and regions.
	ID string
	// Name: empty is the ID.
	Name string
	// RegionID: empty is the first region that exists.
	RegionID string
	// AccountID: empty is DefaultAccountID.
	AccountID string
	// Status: empty is InstanceRunning.
	Status InstanceStatus
	// Agent: empty is AgentOnline.
	Agent AgentState
	// Users exist on the instance besides root. Their commands run as the emulator's own user all the same.
	Users []string
}

// check refuses states that do not exist: nothing could ever be delivered in them.
func (i Instance) check() error {
	if i.Status != InstanceRunning && i.Status != InstanceStopped {
		return fmt.Errorf("status %q of instance %s is unknown; use %s or %s", i.Status, i.ID, InstanceRunning, InstanceStopped)
	}
	if i.Agent != AgentOnline && i.Agent != AgentOffline && i.Agent != AgentSilent {
		return fmt.Errorf("agent state %q of instance %s is unknown; use %s, %s or %s", i.Agent, i.ID, AgentOnline, AgentOffline, AgentSilent)
	}
	return nil
}

// NumberedInstances are count running instances, from i-emulator0000000001 on, in a region of an account.
func NumberedInstances(count int, regionID, accountID string) []Instance {
	instances := make([]Instance, count)
	for i := range instances {
		instances[i] = Instance{
			ID:        fmt.Sprintf("i-emulator%010d", i+1),
			Name:      fmt.Sprintf("emulator-%d", i+1),
			RegionID:  regionID,
			AccountID: accountID,
		}
	}
	return instances
}

// Tag is a tag of an invocation.
type Tag struct {
	Key   string `json:"TagKey" xml:"TagKey"`
	Value string `json:"TagValue" xml:"TagValue"`
}
