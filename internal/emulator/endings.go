package emulator

import (
	"errors"
	"fmt"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// Why a run ends before its script does.
var (
	errStopped          = errors.New("StopInvocation was called")
	errTimeout          = errors.New("the timeout passed")
	errInstanceStopped  = errors.New("the instance was stopped")
	errInstanceRestart  = errors.New("the instance was restarted")
	errInstanceReleased = errors.New("the instance was released")
	errAgentRestart     = errors.New("the agent was restarted")
)

// ending is how a run on an instance ended, as the API words it.
type ending struct {
	status, code, info string
	exitCode           *int64
	// ran is set if the command had started.
	ran bool
}

// The sentences are the vendor's, from its list of ErrorInfo or its page on failed commands.
var (
	endNotExists   = ending{status: StatusAborted, code: "InstanceNotExists", info: "the specified instance does not exists."}
	endReleased    = ending{status: StatusAborted, code: "InstanceReleased", info: "the instance has released when create task."}
	endNotRunning  = ending{status: StatusAborted, code: "InstanceNotRunning", info: "the instance is not running when create task."}
	endTooMany     = ending{status: StatusAborted, code: "TaskConcurrencyLimit", info: "the number of tasks that run on the instance exceeds the limit."}
	endWrongType   = ending{status: StatusInvalid, code: "CommandNotApplicable", info: "the command is not applicable."}
	endNoText      = ending{status: StatusInvalid, code: "InvalidCommandText", info: "the command content is invalid."}
	endNoAccount   = ending{status: StatusInvalid, code: "AccountNotExists", info: "the specified account does not exists."}
	endNoDirectory = ending{status: StatusInvalid, code: "DirectoryNotExists", info: "the specified directory does not exists."}
	endNoDefault   = ending{status: StatusInvalid, code: "DefaultWorkingDirectoryNotAvailable", info: "the default working directory in the instance is not available."}
	endNoBuiltIn   = ending{status: StatusInvalid, code: "InvalidSystemBuiltInParameter", info: "the system built-in parameter is invalid."}
	endCancelled   = ending{status: StatusCancelled}
	endTerminated  = ending{status: StatusTerminated, code: "ExecutionInterrupted", info: "the command execution has been interrupted.", ran: true}
	endInterrupted = ending{status: StatusError, code: "ExecutionInterrupted", info: "the command execution has been interrupted.", ran: true}
	endRestarted   = ending{status: StatusError, code: "InstanceRestarted", info: "the instance was restarted during task execution.", ran: true}
	endAgentGone   = ending{status: StatusError, code: "ClientRestarted", info: "the task was interrupted because the aliyun service was restarted.", ran: true}
	endVanished    = ending{status: StatusError, code: "InstanceReleased", info: "the instance was released during command execution.", ran: true}
	endTimedOut    = ending{status: StatusTimeout, code: "ExecutionTimeout", info: "the command execution has been timeout.", ran: true}
	endException   = ending{status: StatusError, code: "ExecutionException", info: "the command execution got an exception.", ran: true}
)

// endUndelivered is how a command ends that waited for an agent in vain, by the state of the agent.
var endUndelivered = map[AgentState]*ending{
	AgentOffline:      {status: StatusAborted, code: "ClientNotOnline", info: "the aliyun service is not online on the instance."},
	AgentSilent:       {status: StatusAborted, code: "DeliveryTimeout", info: "the command delivery has been timeout."},
	AgentStopped:      {status: StatusAborted, code: "ClientNotRunning", info: "the aliyun service is not running on the instance."},
	AgentUnresponsive: {status: StatusAborted, code: "ClientNotResponse", info: "the aliyun service in the instance does not response."},
	AgentUpgrading:    {status: StatusAborted, code: "ClientIsUpgrading", info: "the aliyun service in the instance is upgrading now."},
	AgentBlocked:      {status: StatusAborted, code: "ClientNetworkBlocked", info: "the network environment of the instance is abnormal."},
	AgentDenied:       {status: StatusAborted, code: "SecurityGroupRuleDenied", info: "The security group rules denied access to the aliyun service."},
}

// endTooOld is how a command ends on an instance whose agent has not got a feature.
func endTooOld(since agentSince, on Instance, feature string) *ending {
	return &ending{
		status: StatusAborted, code: "ClientNeedUpgrade",
		info: fmt.Sprintf("the aliyun service in the instance need to be upgraded to at least version %s to support the feature %s.", since.of(on), feature),
	}
}

// endsByCause is how a run ends that something ended, by the cause of its context.
var endsByCause = map[error]ending{
	errStopped: endTerminated, errTimeout: endTimedOut, errInstanceStopped: endInterrupted, errInstanceRestart: endRestarted,
	errInstanceReleased: endVanished, errAgentRestart: endAgentGone,
}

// exitKilled is the exit code of a script that SIGKILL ended.
const exitKilled = 128 + 9

// endOf is the ending of a script that was started: its exit code if it ended by itself, else why it did not.
func endOf(exitCode int, err, cause error) ending {
	code := int64(exitCode)
	switch {
	case err == nil && code == 0:
		return ending{status: StatusSuccess, exitCode: &code, ran: true}
	case err == nil:
		return ending{
			status: StatusFailed, code: "ExitCodeNonzero", info: "the command execution exit code is not zero.",
			exitCode: &code, ran: true,
		}
	case !errors.Is(err, process.ErrKilled):
		return endException
	}
	return endsByCause[cause]
}
