package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Marker is the environment variable that every process of the emulator carries. It names the run, so that
// descendants which left their process group can still be found and ended.
const Marker = "ECS_EMULATOR_RUN"

// Spec is one run of a script.
type Spec struct {
	// Script is a file. Its "#!" line chooses the interpreter, /bin/sh without one.
	Script string
	// Launcher, if set, is a line of shell that starts the script instead.
	Launcher string
	Dir      string
	// Env is the whole environment, as "name=value"; nothing is inherited.
	Env []string
	// Run names this run in Marker; no other has the same.
	Run string
	// Spare, if set, says by the cause of the context that ended the run whether its descendants live on. They have no
	// standard output any more.
	Spare func(cause error) bool
	// Output receives standard output and standard error, merged in the order of writing. Its Write must not fail: a
	// script whose output nobody reads any more waits until it is killed.
	Output io.Writer
}

// ErrKilled is returned by Run when its context ended before the script.
var ErrKilled = errors.New("the script was killed before it ended by itself")

// Run runs the script until it ends or ctx does, and returns its exit code, 128 plus the number of the
// signal if one ended it. When Run returns, the script's process group is gone; when ctx ended the run, so
// is every descendant that left the group. A descendant that left it survives a script that ended by itself,
// as a daemon does on a real instance, and all of them survive one that was ended while Spare held; KillMarked ends
// them.
func Run(ctx context.Context, spec Spec) (exitCode int, err error) {
	argv, err := command(spec)
	if err != nil {
		return 0, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("cannot make a pipe for the output of a script: %w", err)
	}
	defer func() { _ = reader.Close() }()
	// Not CommandContext: it kills the leader only, and its Wait would wait for whoever holds the pipe.
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // see above
	cmd.Dir = spec.Dir
	// The slash ends the name, so that killing i-1 spares i-10.
	mark := spec.Run + "/"
	cmd.Env = append([]string{Marker + "=" + mark}, spec.Env...)
	cmd.Stdout, cmd.Stderr = writer, writer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	_ = writer.Close()
	if err != nil {
		return 0, fmt.Errorf("cannot start the script: %w", err)
	}

	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(spec.Output, reader)
	}()
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		// The exit code is read from ProcessState; an error says nothing more.
		_ = cmd.Wait()
	}()

	killed, spared := false, false
	select {
	case <-exited:
	case <-ctx.Done():
		killed, spared = true, spec.Spare != nil && spec.Spare(context.Cause(ctx))
		// Not yet reaped, so the ID is still its own.
		_ = cmd.Process.Kill()
		<-exited
	}
	if !spared {
		// What the script left in its group ends with it.
		killGroup(cmd.Process.Pid)
	}
	if killed && !spared {
		KillMarked(mark)
	}
	drain(reader, copied, spec.Output)
	if killed {
		return 0, ErrKilled
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// drain ends the copying and takes what is still in the pipe, without waiting for an end of file that a
// descendant outside the group could withhold.
func drain(reader *os.File, copied <-chan struct{}, output io.Writer) {
	_ = reader.SetReadDeadline(time.Unix(1, 0))
	<-copied
	_ = reader.SetReadDeadline(time.Time{})
	raw, err := reader.SyscallConn()
	if err != nil {
		return
	}
	buffer := make([]byte, 32*1024)
	for more := true; more; {
		err = raw.Read(func(fd uintptr) bool {
			n, readErr := syscall.Read(int(fd), buffer)
			if errors.Is(readErr, syscall.EINTR) {
				return true
			}
			more = readErr == nil && n > 0
			if more {
				_, _ = output.Write(buffer[:n])
			}
			return true
		})
		if err != nil {
			return
		}
	}
}

// command is what to execute. A script is always handed to its interpreter by name and never executed itself:
// executing a file that was just written fails with "text file busy" while any other run is being forked.
func command(spec Spec) ([]string, error) {
	if spec.Launcher != "" {
		return []string{"/bin/sh", "-c", spec.Launcher}, nil
	}
	script, err := os.Open(spec.Script)
	if err != nil {
		return nil, fmt.Errorf("cannot read the script: %w", err)
	}
	defer func() { _ = script.Close() }()
	start := make([]byte, 256)
	n, err := script.Read(start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the script: %w", err)
	}
	line, found := strings.CutPrefix(string(start[:n]), "#!")
	if !found {
		return []string{"/bin/sh", spec.Script}, nil
	}
	line, _, _ = strings.Cut(line, "\n")
	interpreter, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	if argument = strings.TrimSpace(argument); argument != "" {
		return []string{interpreter, argument, spec.Script}, nil
	}
	return []string{interpreter, spec.Script}, nil
}

func killGroup(pgid int) {
	// ESRCH: the group is gone already, which is what is wanted.
	_ = syscall.Kill(-pgid, syscall.SIGKILL)
}
