package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a command, from the vendor's pages of CreateCommand, RunCommand and InvokeCommand.
const (
	maxContent        = 24 * 1024 // bytes, once Base64 encoded
	maxCommandName    = 128
	maxDescription    = 512
	maxWorkingDir     = 200
	maxUsername       = 255
	maxLauncher       = 1024
	maxParameters     = 10 // of a submission
	maxDefined        = 20 // of a command
	maxParameterName  = 64
	defaultTimeout    = 60 // seconds
	minInvokeTimeout  = 10 // seconds, of InvokeCommand
	defaultUsername   = "root"
	windowsUsername   = "System"
	terminateProcess  = "Process"
	terminateTree     = "ProcessTree"
	shellScript       = "RunShellScript"
	powerShellScript  = "RunPowerShellScript"
	batchScript       = "RunBatScript"
	contentBase64     = "Base64"
	contentPlainText  = "PlainText"
	defaultWorkingDir = "/root"
)

// command is what CreateCommand keeps and RunCommand makes for one invocation. But for InvokeTimes, which Emulator.mu
// guards, it does not change: ModifyCommand puts another in its place, and invocations keep what they ran.
type command struct {
	ID              string
	AccountID       string
	RegionID        string
	Name            string
	Description     string
	Type            string
	Content         []byte
	Timeout         time.Duration
	WorkingDir      string
	Launcher        string
	TerminationMode string
	EnableParameter bool
	ResourceGroupID string
	Tags            []Tag
	Created         time.Time
	// Sequence is the place in the order of making, and InvokeTimes counts InvokeCommand, of a command that is kept.
	Sequence    uint64
	InvokeTimes int
}

// newCommand reads a command out of the parameters of CreateCommand or RunCommand, whose default encodings of
// the content differ.
func newCommand(c *Call, defaultEncoding string) (*command, error) {
	cmd := &command{
		ID: newID("c-emu"), AccountID: c.AccountID, RegionID: c.RegionID, ResourceGroupID: c.Parameter("ResourceGroupId"), Name: c.Parameter("Name"),
		Description: c.Parameter("Description"), Type: c.Parameter("Type"),
		WorkingDir: c.Parameter("WorkingDir"), Launcher: c.Parameter("Launcher"),
		EnableParameter: c.boolean("EnableParameter"),
	}
	switch cmd.Type {
	case shellScript, powerShellScript, batchScript:
	case "":
		return nil, refuse("MissingParameter.Type")
	default:
		return nil, refuse("InvalidCmdType.NotFound")
	}
	var err error
	if cmd.Content, err = content(c, firstOf(c.knownEncoding(), defaultEncoding)); err != nil {
		return nil, err
	}
	if cmd.Timeout, err = c.timeout(); err != nil {
		return nil, err
	}
	if cmd.TerminationMode, err = terminationMode(c, terminateProcess); err != nil {
		return nil, err
	}
	if cmd.Tags, err = c.tags(); err != nil {
		return nil, err
	}
	return cmd, cmd.check()
}

// check refuses a command beyond the limits that the pages of CreateCommand and RunCommand give.
func (cmd *command) check() error {
	switch {
	case utf8.RuneCountInString(cmd.Name) > maxCommandName:
		return refuse("CmdName.ExceedLimit")
	case utf8.RuneCountInString(cmd.Description) > maxDescription:
		return refuse("CmdDesc.ExceedLimit")
	case utf8.RuneCountInString(cmd.WorkingDir) > maxWorkingDir:
		return refuse("InvalidParameter.WorkingDir")
	case len(cmd.Launcher) > maxLauncher:
		return refuse("InvalidLauncher.LengthLimitExceeded")
	case !cmd.EnableParameter:
		return nil
	}
	for _, match := range anyPlaceholder.FindAllSubmatch(cmd.Content, -1) {
		switch name := strings.TrimSpace(string(match[1])); {
		case strings.HasPrefix(name, "ACS"):
		case name == "":
			return refuse("CmdParam.EmptyKey")
		case !parameterName.MatchString(name):
			return refuse("CmdParam.InvalidParamName")
		case len(name) > maxParameterName:
			return refuse("CmdParamName.ExceedLimit")
		}
	}
	if len(cmd.parameterNames()) > maxDefined {
		return refuse("CmdParamCount.ExceedLimit")
	}
	return nil
}

// parameterNames are the placeholders of the command, in their order; none without EnableParameter.
func (cmd *command) parameterNames() []string {
	names := []string{}
	if !cmd.EnableParameter {
		return names
	}
	for _, match := range placeholder.FindAllSubmatch(cmd.Content, -1) {
		if name := string(match[1]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// timeout reads the Timeout of a command, in seconds.
func (c *Call) timeout() (time.Duration, error) {
	seconds, err := c.integer("Timeout", defaultTimeout, 1, math.MaxInt32, "InvalidParam.Timeout")
	return time.Duration(seconds) * time.Second, err
}

// knownEncoding is the ContentEncoding of a submitting call. One other than the two is taken for the default, as
// documented.
func (c *Call) knownEncoding() string {
	if encoding := c.Parameter("ContentEncoding"); encoding == contentBase64 || encoding == contentPlainText {
		return encoding
	}
	return ""
}

// defaultUser is who runs commands of a type that name nobody.
func defaultUser(commandType string) string {
	if commandType == shellScript {
		return defaultUsername
	}
	return windowsUsername
}

// content decodes CommandContent.
func content(c *Call, encoding string) ([]byte, error) {
	text := c.Parameter("CommandContent")
	if text == "" {
		return nil, refuse("MissingParameter.CommandContent")
	}
	decoded := []byte(text)
	if encoding == contentBase64 {
		var err error
		if decoded, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, refuse("CmdContent.DecodeError")
		}
	}
	if base64.StdEncoding.EncodedLen(len(decoded)) > maxContent {
		return nil, refuse("CmdContent.ExceedLimit")
	}
	return decoded, nil
}

func terminationMode(c *Call, fallback string) (string, error) {
	switch mode := firstOf(c.Parameter("TerminationMode"), fallback); mode {
	case terminateProcess, terminateTree:
		return mode, nil
	}
	return "", refuse("InvalidTerminationMode.NotFound")
}

var (
	parameterName   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	placeholder     = regexp.MustCompile(`\{\{\s*([A-Za-z0-9_-]+)\s*\}\}`)
	anyPlaceholder  = regexp.MustCompile(`\{\{([^{}]*)\}\}`)
	builtIn         = regexp.MustCompile(`\{\{\s*ACS\s*::\s*([\w.-]+)\s*\}\}`)
	scriptFileParam = regexp.MustCompile(`\{\{\s*ACS::ScriptFileName(?:\|Ext\("([.\w-]*)"\))?\s*\}\}`)
)

// commandParameters reads the map Parameters, and checks that it has exactly the placeholders of the command. No value
// ever appears in an error.
func (c *Call) commandParameters(cmd *command) (map[string]string, error) {
	values := map[string]string{}
	if text := c.Parameter("Parameters"); text != "" {
		if err := json.Unmarshal([]byte(text), &values); err != nil {
			return nil, refuse("InvalidParameter.Parameters")
		}
	}
	if !cmd.EnableParameter {
		if len(values) > 0 {
			return nil, refuse("Parameter.Disabled")
		}
		return nil, nil
	}
	if len(values) > maxParameters {
		return nil, refuse("ParameterCount.ExceedLimit")
	}
	defined := cmd.parameterNames()
	for name := range values {
		switch {
		case len(name) > maxParameterName:
			return nil, refuse("ParameterKey.ExceedLimit")
		case !slices.Contains(defined, name):
			return nil, refuse("Parameter.NotMatched")
		}
	}
	if len(values) < len(defined) {
		return nil, refuse("Parameter.MissingValue")
	}
	return values, nil
}

// fillPlaceholders replaces {{name}} by the parameters and then {{ACS::Name}} by the built-ins, in the order in which
// the service and then its agent do. ok is false if a built-in does not exist.
func fillPlaceholders(content []byte, parameters, builtIns map[string]string) (filled []byte, ok bool) {
	filled = placeholder.ReplaceAllFunc(content, func(match []byte) []byte {
		return []byte(parameters[string(placeholder.FindSubmatch(match)[1])])
	})
	ok = true
	filled = builtIn.ReplaceAllFunc(filled, func(match []byte) []byte {
		value, known := builtIns[string(builtIn.FindSubmatch(match)[1])]
		ok = ok && known
		return []byte(value)
	})
	return filled, ok
}

// newID makes an ID that no other has, of the length of the vendor's.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:13]) }
