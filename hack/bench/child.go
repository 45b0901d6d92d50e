package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const stopTimeout = 20 * time.Second

// child is a contestant: a process of its own, so that what it costs is its own.
type child struct {
	command *exec.Cmd
	// leash ends it when it is closed, by us or by our end.
	leash  io.Closer
	log    string
	health string
	// exited is closed when it has ended, with failure.
	exited  chan struct{}
	failure error
}

// usage is what a process has cost.
type usage struct {
	CPU     time.Duration
	PeakRSS int64
}

func startChild(ctx context.Context, scratch, health string, environment []string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(scratch, args[0]+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	command := exec.CommandContext(context.WithoutCancel(ctx), self, args...)
	command.Env = append(os.Environ(), environment...)
	command.Stdout, command.Stderr = log, log
	// In a group of its own, so that Ctrl-C in the terminal does not end it before its turn.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &child{command: command, leash: leash, log: log.Name(), health: health, exited: make(chan struct{})}
	go func() {
		defer close(c.exited)
		c.failure = command.Wait()
	}()
	return c, nil
}

// ready waits until the contestant has its first list.
func (c *child) ready(ctx context.Context) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.health+"/readyz", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.exited:
			return c.died()
		case <-poll.C:
		}
	}
}

func (c *child) died() error {
	said, _ := os.ReadFile(c.log)
	return errors.Join(fmt.Errorf("the contestant ended early:\n%s", said[max(0, len(said)-4000):]), c.failure)
}

// cpu is what it has used so far; 0 where the system does not tell.
func (c *child) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(after))
	if len(fields) < 13 {
		return 0
	}
	// utime and stime are the 14th and 15th field of all.
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// peakRSS is the most memory that it has had so far; 0 where the system does not tell. The kernel's account of an ended
// child would not do: that begins with the memory of its parent.
func (c *child) peakRSS() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.command.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if size, found := strings.CutPrefix(line, "VmHWM:"); found {
			kibibytes, _ := strconv.ParseInt(strings.Fields(size)[0], 10, 64)
			return kibibytes << 10
		}
	}
	return 0
}

// stop ends it and returns what it has cost.
func (c *child) stop() (usage, error) {
	cost := usage{PeakRSS: c.peakRSS()}
	err := c.leash.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	killer := time.AfterFunc(stopTimeout, func() { _ = c.command.Process.Kill() })
	defer killer.Stop()
	<-c.exited
	if state := c.command.ProcessState; state != nil {
		cost.CPU = state.UserTime() + state.SystemTime()
	}
	if c.failure != nil {
		err = errors.Join(err, c.died())
	}
	return cost, err
}

// untilLeashed ends with ctx, or when whoever started this process closes its standard input, or is gone.
func untilLeashed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
