package emulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// savePause is how long a change waits for others before the state is written, by the time that the last save took: a
// state of many records must not keep the machine busy.
func savePause(last time.Duration) time.Duration { return max(time.Second, 5*last) }

// stateMutex guards the state of an Emulator and remembers that it may have changed: whoever takes Lock is thought
// to change something. LockToRead is for who does not; taking Lock instead costs an idle save, and loses nothing.
type stateMutex struct {
	sync.Mutex
	// unsaved has a place for one word that something may have changed; nil is nobody to hear it.
	unsaved chan struct{}
}

// Lock locks for a change.
func (m *stateMutex) Lock() {
	m.Mutex.Lock()
	m.touch()
}

// LockToRead locks for somebody who changes nothing that lasts.
func (m *stateMutex) LockToRead() { m.Mutex.Lock() }

func (m *stateMutex) touch() {
	select {
	case m.unsaved <- struct{}{}:
	default:
	}
}

// takeOver goes on from Options.StateFile, if there is one already, and ends what the emulator that wrote it left
// behind: nobody else can, if it was killed. The file is written before anything runs, so that this emulator can be
// followed in the same way from its first moment on.
func (e *Emulator) takeOver() error {
	s, err := e.readStateFile()
	if err != nil {
		return err
	}
	if s != nil {
		if err := e.restore(s); err != nil {
			return fmt.Errorf("state file %s: %w", e.options.StateFile, err)
		}
		e.endLeftOvers(s)
	}
	if err := e.writeStateFile(); err != nil {
		return err
	}
	e.resume()
	return nil
}

// readStateFile returns nil if there is none.
func (e *Emulator) readStateFile() (*savedState, error) {
	file, err := os.Open(e.options.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the state file: %w", err)
	}
	defer func() { _ = file.Close() }()
	s, err := decodeState(file)
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", e.options.StateFile, err)
	}
	return s, nil
}

// endLeftOvers ends the processes of an emulator that is gone, and removes the directory that it made for itself, which
// has scripts with their parameters. A directory that is not named after it is somebody else's.
func (e *Emulator) endLeftOvers(s *savedState) {
	if s.Emulator == "" {
		return
	}
	process.KillMarked(s.Emulator + "/")
	if filepath.Base(s.Scratch) != scratchName(s.Emulator) {
		return
	}
	if err := os.RemoveAll(s.Scratch); err != nil {
		e.log.Error("the scratch directory of an emulator that was killed is left; remove it, for it has scripts", "directory", s.Scratch, "error", err)
	}
}

// scratchName is that of the directory which an emulator makes for itself.
func scratchName(emulatorID string) string { return "ecs-emulator-" + emulatorID }

// keepState writes the state file soon after each change, until ctx ends. Close writes the last one.
func (e *Emulator) keepState(ctx context.Context) {
	var last time.Duration
	for {
		select {
		case <-e.mu.unsaved:
		case <-ctx.Done():
			return
		}
		pause := e.clock.NewTimer(savePause(last))
		select {
		case <-pause.C():
		case <-ctx.Done():
			pause.Stop()
			return
		}
		// What is said from here on may be too late for this save.
		select {
		case <-e.mu.unsaved:
		default:
		}
		started := e.clientNow()
		if err := e.writeStateFile(); err != nil {
			e.log.Error("the state is not saved", "error", err)
		}
		last = e.clientNow().Sub(started)
	}
}

// writeStateFile replaces the state file as a whole: whoever reads it, or ends this process, meets the old or the
// new one. Only its owner may read it, for it holds secrets.
func (e *Emulator) writeStateFile() error {
	path := e.options.StateFile
	// os.CreateTemp makes files that only their owner may read.
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("cannot write the state file; check its directory: %w", err)
	}
	buffer := bufio.NewWriterSize(file, 1<<20)
	err = errors.Join(e.SaveState(buffer), buffer.Flush(), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write the state file: %w", err), os.Remove(file.Name()))
	}
	return nil
}
