package emulator

import "net/http"

// submitErrors are those of the actions that keep and submit commands, with the HTTP statuses and in the words of the
// vendor's pages of CreateCommand, DeleteCommand and InvokeCommand of December 2025 (InvalidCmdType.NotFound as RunCommand
// has it). InvalidParam.Timeout and InvalidParameter.OssOutputDelivery are on no page: the codes are the emulator's.
var submitErrors = map[string]wording{
	"MissingParam.InstanceId":                    {http.StatusBadRequest, "The parameter instanceId is missing or empty."},
	"MissingParam.Frequency":                     {http.StatusBadRequest, "The frequency must be specified when you create a timed task."},
	"InvalidParam.Frequency":                     {http.StatusBadRequest, "The specified frequency is invalid."},
	"InvalidParam.Timeout":                       {http.StatusBadRequest, "The specified parameter Timeout is not valid."},
	"InvalidParameter.WorkingDir":                {http.StatusBadRequest, "The specified parameter WorkingDir is not valid."},
	"InvalidParameter.Parameters":                {http.StatusBadRequest, "The specified parameter Parameters is not valid."},
	"InvalidParameter.OssOutputDelivery":         {http.StatusBadRequest, "The specified parameter OssOutputDelivery is not valid."},
	"InvalidContainerId.Malformed":               {http.StatusBadRequest, "The specified parameter ContainerId is not valid."},
	"InvalidContainerName.Malformed":             {http.StatusBadRequest, "The specified parameter ContainerName is not valid."},
	"InvalidClientToken.Malformed":               {http.StatusBadRequest, "The specified parameter clientToken is not valid."},
	"Parameter.MissingValue":                     {http.StatusBadRequest, "The parameter value of this command is required."},
	"Parameter.Disabled":                         {http.StatusBadRequest, "Parameters cannot be passed in when the command customization function is disabled."},
	"CmdParam.EmptyKey":                          {http.StatusBadRequest, "You must specify the parameter names."},
	"CmdParam.InvalidParamName":                  {http.StatusBadRequest, "Invalid parameter name. The name can contain only lowercase letters (a to z), uppercase letters (A to Z), numbers (0 to 9), hyphens (-), and underscores (_)."},
	"CmdContent.DecodeError":                     {http.StatusBadRequest, "The CommandContent can not be base64 decoded."},
	"NumberExceed.ResourceTags":                  {http.StatusBadRequest, "The maximum number of ResourceTags is exceeded."},
	"MissingParameter.ResourceTagKey":            {http.StatusBadRequest, "You must specify ResourceTag.N.Key."},
	"InvalidResourceTagKey.Malformed":            {http.StatusBadRequest, "The specified ResourceTag key is not valid."},
	"InvalidResourceTagValue.Malformed":          {http.StatusBadRequest, "The specified ResourceTag value is not valid."},
	"Duplicate.ResourceTagKey":                   {http.StatusBadRequest, "The ResourceTag contains duplicate keys."},
	"InvalidResourceTag.InstanceNotFound":        {http.StatusBadRequest, "InstanceIds are not found by the specified ResourceTag."},
	"InvalidResourceTag.ConflictWithInstanceIds": {http.StatusBadRequest, "The specified param ResourceTag conflicts with InstanceId."},
	"InstanceIds.ExceedLimit":                    {http.StatusForbidden, "The number of instance IDs exceeds the upper limit."},
	"CmdContent.ExceedLimit":                     {http.StatusForbidden, "The maximum length of a command is exceeded."},
	"CmdName.ExceedLimit":                        {http.StatusForbidden, "The length of the command name exceeds the upper limit."},
	"CmdDesc.ExceedLimit":                        {http.StatusForbidden, "The length of the command description exceeds the upper limit."},
	"CmdCount.ExceedQuota":                       {http.StatusForbidden, "The total number of commands in the current region exceeds the quota."},
	"CmdParamCount.ExceedLimit":                  {http.StatusForbidden, "The maximum number of custom parameters is exceeded."},
	"CmdParamName.ExceedLimit":                   {http.StatusForbidden, "The maximum length of a parameter name is exceeded."},
	"ParameterCount.ExceedLimit":                 {http.StatusForbidden, "The maximum number of parameters is exceeded."},
	"ParameterKey.ExceedLimit":                   {http.StatusForbidden, "The maximum length of a parameter name is exceeded."},
	"Parameter.NotMatched":                       {http.StatusForbidden, "The passed-in parameters do not match the parameters defined when you created the command."},
	"Username.ExceedLimit":                       {http.StatusForbidden, "The length of the username exceeds the upper limit."},
	"WindowsPasswordName.ExceedLimit":            {http.StatusForbidden, "The length of the WindowsPasswordName exceeds the upper limit."},
	"WindowsPasswordName.Missed":                 {http.StatusForbidden, "WindowsPasswordName must be specified when you create a Windows task."},
	"IdempotentParameterMismatch":                {http.StatusForbidden, "The specified parameter has changed while using an already used clientToken."},
	"InvalidLauncher.LengthLimitExceeded":        {http.StatusForbidden, "The length of the parameter Launcher exceeds the limit of 1 KB characters."},
	"InvalidStatus.CmdIdInUse":                   {http.StatusForbidden, "The specified commandId is in use by some runing Invocation."}, //nolint:misspell // the vendor's own word
	"InvalidCmdType.NotFound":                    {http.StatusForbidden, "The specified command type does not exist."},
	"InvalidCmdId.NotFound":                      {http.StatusNotFound, "The specified command ID does not exist."},
	"InvalidRepeatMode.NotFound":                 {http.StatusNotFound, "The specified repeat mode does not exist."},
	"InvalidTerminationMode.NotFound":            {http.StatusNotFound, "The specified parameter TerminationMode does not exist."},
}
