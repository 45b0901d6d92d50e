package emulator

import (
	"fmt"
	"log/slog"
	"time"

	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
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
	// ClientClock is what clients sign by and credentials expire by; nil is Clock. It is for a Clock that does not run
	// as the clients' own does. Advance does not move it.
	ClientClock clock.PassiveClock
	// Logger receives one line for every call; nil discards them.
	Logger *slog.Logger
	// AccessKeys may be added later with AddAccessKey.
	AccessKeys []AccessKey
	// Roles may be added later with AddRole.
	Roles []Role
	// OIDCProviders may be added later with AddOIDCProvider.
	OIDCProviders []OIDCProvider
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
	// second later on Clock, or five times as long as the last save took if that is more, and Close writes it a last time. It holds secrets as SaveState says, and one emulator
	// at a time may use it: processes and the temporary scratch directory of the one before are ended and removed.
	// An unreadable one makes New fail and stays as it is, and so does one that cannot be written.
	StateFile string
	// Simulations pretend runs; the first that matches counts, and a command that none matches runs as a process.
	Simulations []Simulation
	// Retention is how long results are kept; the zero value is what the vendor documents. See SetRetention.
	Retention Retention
	// Settings are what the vendor leaves open; the zero value is the defaults. See SetSettings.
	Settings Settings
	// OSSDir holds a directory for each bucket that outputs are delivered to; empty is oss below ScratchDir, or, if that
	// is empty too, StateFile with .oss at its end: an object lasts as long as the row that tells of it.
	OSSDir string
	// OSSBuckets are the buckets that exist; nil is any. A delivery to another fails with NoSuchBucket.
	OSSBuckets []string
	// OSSDelay is how long a delivery takes once the command has ended; 0 is no time.
	OSSDelay time.Duration
	// Events are published when a run has ended on an instance; without a target none are.
	Events eventbridge.Publishing
	// AllowRemote permits Start to listen on an address that is not loopback. Whoever can reach it and knows an
	// access key runs commands on this machine.
	AllowRemote bool
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.ClientClock == nil {
		o.ClientClock = o.Clock
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
	if o.OSSDir == "" && o.ScratchDir == "" && o.StateFile != "" {
		o.OSSDir = o.StateFile + ".oss"
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

// The states of an agent. In any but the first, a command that is still undelivered when the delivery window ends is
// Aborted, with the error code that the state tells.
const (
	// AgentOnline runs what it is sent.
	AgentOnline AgentState = "Online"
	// AgentOffline has no connection: ClientNotOnline.
	AgentOffline AgentState = "Offline"
	// AgentSilent beats its heart and takes no delivery: DeliveryTimeout.
	AgentSilent AgentState = "Silent"
	// AgentStopped is not running, or not installed: ClientNotRunning.
	AgentStopped AgentState = "Stopped"
	// AgentUnresponsive takes a delivery and never answers: ClientNotResponse.
	AgentUnresponsive AgentState = "Unresponsive"
	// AgentUpgrading is being replaced: ClientIsUpgrading.
	AgentUpgrading AgentState = "Upgrading"
	// AgentBlocked has no network: ClientNetworkBlocked.
	AgentBlocked AgentState = "Blocked"
	// AgentDenied has a network whose security group lets it go nowhere: SecurityGroupRuleDenied.
	AgentDenied AgentState = "Denied"
)

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

// Tag is a tag of an invocation, a command or an instance.
type Tag struct {
	Key   string `json:"TagKey" xml:"TagKey"`
	Value string `json:"TagValue" xml:"TagValue"`
}
