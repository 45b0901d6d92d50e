package emulator

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// prepare makes the directories and the script of a run. It returns an ending instead where the command cannot
// run on this instance.
func (e *Emulator) prepare(r *row, target *instance) (process.Spec, *ending, error) {
	state := e.look(target)
	i := r.invocation
	content := i.Command.Content
	if i.Command.EnableParameter {
		var ok bool
		content, ok = fillPlaceholders(content, i.Parameters, map[string]string{
			"RegionId": i.RegionID, "AccountId": i.AccountID, "InstanceId": state.ID, "InstanceName": state.Name,
			"InvokeId": i.ID, "CommandId": i.Command.ID,
		})
		if !ok {
			return process.Spec{}, &endNoBuiltIn, nil
		}
	}
	place, err := e.furnish(target)
	if err != nil {
		return process.Spec{}, nil, err
	}
	launcher, extension, username := i.Launcher, "", i.Username
	var directory string
	if i.inContainer() {
		// The default user and working directory of the container, and no interpreter but its shell.
		if directory, err = e.furnishContainer(r, &place); err != nil {
			return process.Spec{}, nil, err
		}
		username, launcher = defaultUsername, firstOf(launcher, "/bin/sh {{ACS::ScriptFileName}}")
	} else {
		var end *ending
		if directory, end = place.workingDirectory(i.WorkingDir, state.OSType); end != nil {
			return process.Spec{}, end, nil
		}
	}
	if match := scriptFileParam.FindStringSubmatch(launcher); match != nil {
		extension = match[1]
	}
	script := filepath.Join(place.scripts, i.ID+extension)
	if err := os.WriteFile(script, content, 0o600); err != nil {
		return process.Spec{}, nil, fmt.Errorf("cannot write the script of a command; check ScratchDir: %w", err)
	}
	if launcher != "" {
		launcher = scriptFileParam.ReplaceAllLiteralString(launcher, quote(script))
	}
	environment := map[string]string{
		"HOME": place.home, "PWD": directory, "TMPDIR": place.temporary, "USER": username, "LOGNAME": username,
		"SHELL": "/bin/sh", "LANG": "C.UTF-8",
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	spec := process.Spec{Script: script, Launcher: launcher, Dir: directory, Run: e.marker(state) + i.ID, Spare: i.spares}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		spec.Env = append(spec.Env, name+"="+environment[name])
	}
	return spec, nil, nil
}

// marker begins the names of all runs of an instance since its last boot, as the emulator marks their processes.
func (e *Emulator) marker(i instance) string {
	return fmt.Sprintf("%s/%s/%d/", e.id, i.ID, i.seen.boots)
}

// spares says whether the descendants of a script live on when it is ended. The TerminationMode decides that for a stop
// and a timeout; nothing outlives its instance.
func (i *invocation) spares(cause error) bool {
	return i.TerminationMode == terminateProcess && (errors.Is(cause, errStopped) || errors.Is(cause, errTimeout))
}

// place is where the files of an instance are on this machine.
type place struct{ root, home, temporary, scripts string }

// furnish makes the directories of an instance, the first time that a command comes to it.
func (e *Emulator) furnish(target *instance) (place, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	root := filepath.Join(e.scratch, "instances", target.ID)
	p := place{
		root: root, home: localPath(root, defaultDirectory(target.OSType), target.OSType),
		temporary: filepath.Join(root, "tmp"), scripts: filepath.Join(root, "scripts"),
	}
	// The emulator's own directory is there always; the instance's are the instance's to keep.
	directories := []string{p.scripts}
	if !target.furnished {
		directories = append(directories, p.home, p.temporary)
	}
	for _, directory := range directories {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return place{}, fmt.Errorf("cannot make the directories of an instance; check ScratchDir: %w", err)
		}
	}
	target.furnished = true
	return p, nil
}

// workingDirectory is where a script begins, by the WorkingDir that was asked for; empty is the default.
func (p place) workingDirectory(asked, osType string) (string, *ending) {
	directory := localPath(p.root, firstOf(asked, defaultDirectory(osType)), osType)
	switch {
	case isDirectory(directory):
		return directory, nil
	case asked == "":
		return "", &endNoDefault
	}
	return "", &endNoDirectory
}

// defaultDirectory is where a script of an administrator begins, from the vendor's page on failed commands.
func defaultDirectory(osType string) string {
	if osType == OSWindows {
		return `C:\Windows\System32`
	}
	return defaultWorkingDir
}

// localPath is where a path of an instance is below its root. A Windows path has its drive as the first directory; one
// without a drive is on C:, as on Windows.
func localPath(root, path, osType string) string {
	if osType == OSWindows {
		path = strings.ReplaceAll(path, `\`, "/")
		if len(path) < 2 || path[1] != ':' {
			path = "C:/" + path
		}
		path = strings.ToLower(path)
	}
	// Cleaned as an absolute path first, so that no ".." leads out of the instance.
	return filepath.Join(root, filepath.Clean("/"+path))
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// quote makes one word of a shell out of text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
