package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a command, from the vendor's pages of CreateCommand, RunCommand and InvokeCommand.
const (
	maxContent        = 24 * 1024 // bytes, once Base64 encoded
	maxCommandName    = 128
	maxWorkingDir     = 200
	maxUsername       = 255
	maxLauncher       = 1024
	maxParameters     = 10
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

// command is what CreateCommand keeps and RunCommand makes for one invocation. It does not change.
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
}

// newCommand reads a command out of the parameters of CreateCommand or RunCommand, whose default encodings of
// the content differ.
func newCommand(c *Call, defaultEncoding string) (*command, error) {
	cmd := &command{
		ID: newID("c-emu"), AccountID: c.AccountID, RegionID: c.RegionID, Name: c.Parameter("Name"),
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
	if cmd.Content, err = content(c, defaultEncoding); err != nil {
		return nil, err
	}
	seconds, err := c.integer("Timeout", defaultTimeout, 1, math.MaxInt32, "InvalidParam.Timeout")
	if err != nil {
		return nil, err
	}
	cmd.Timeout = time.Duration(seconds) * time.Second
	if utf8.RuneCountInString(cmd.WorkingDir) > maxWorkingDir {
		return nil, refuse("InvalidParameter.WorkingDir")
	}
	if len(cmd.Launcher) > maxLauncher {
		return nil, refuse("Launcher.ExceedLimit")
	}
	cmd.TerminationMode, err = terminationMode(c, terminateProcess)
	return cmd, err
}

// content decodes CommandContent. An encoding other than the two is taken for the default, as documented.
func content(c *Call, defaultEncoding string) ([]byte, error) {
	text := c.Parameter("CommandContent")
	if text == "" {
		return nil, refuse("MissingParameter.CommandContent")
	}
	encoding := c.Parameter("ContentEncoding")
	if encoding != contentBase64 && encoding != contentPlainText {
		encoding = defaultEncoding
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
	return "", refuse("InvalidParameter.TerminationMode")
}

var (
	parameterName   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	placeholder     = regexp.MustCompile(`\{\{\s*([A-Za-z0-9_-]+)\s*\}\}`)
	builtIn         = regexp.MustCompile(`\{\{\s*ACS\s*::\s*([\w.-]+)\s*\}\}`)
	scriptFileParam = regexp.MustCompile(`\{\{\s*ACS::ScriptFileName(?:\|Ext\("([.\w-]*)"\))?\s*\}\}`)
)

// parameters reads the map Parameters, and checks that it has exactly the placeholders of the command. No value
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
	for name := range values {
		if !parameterName.MatchString(name) {
			return nil, refuse("ParameterKey.InvalidFormat")
		}
	}
	wanted := map[string]bool{}
	for _, match := range placeholder.FindAllSubmatch(cmd.Content, -1) {
		wanted[string(match[1])] = true
	}
	if len(wanted) != len(values) {
		return nil, refuse("Parameter.NotMatched")
	}
	for name := range wanted {
		if _, given := values[name]; !given {
			return nil, refuse("Parameter.NotMatched")
		}
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
