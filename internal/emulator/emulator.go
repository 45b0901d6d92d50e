package emulator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/movingclock"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// Emulator is the state of the emulated API, and the http.Handler that serves it. It is safe for many
// goroutines. Close must be called, or commands outlive it.
type Emulator struct {
	options Options
	clock   *movingclock.Clock
	log     *slog.Logger
	// id marks every process of this emulator, so that Close can find them, or whoever goes on from its state file.
	id         string
	scratch    string
	ownScratch bool
	tokens     tokenSigner

	keys      *keyring
	directory *directory
	faults    *faultSet
	quotas    quotaSet
	calls     *callMemory
	api       listener
	admin     listener
	// publisher is nil if events go nowhere. eventSigner makes its key when that is wanted first.
	publisher   *eventbridge.Publisher
	eventSigner func() (*eventbridge.Signer, error)

	// ctx ends with Close; runs counts the goroutines that follow commands.
	ctx    context.Context
	cancel context.CancelCauseFunc
	runs   sync.WaitGroup

	// mu guards everything below it, and the instances, invocations and rows reached from it.
	mu        stateMutex
	closed    bool
	instances map[string]*instance
	// released are the IDs of the instances that were released.
	released map[string]struct{}
	commands map[string]*command
	store    store
	// submitted remembers what a ClientToken has started.
	submitted map[submission]submitted
	lag       visibilityLag
	settings  Settings
}

var errClosed = errors.New("the emulator is closed")

// New makes an emulator that serves nothing yet: call Start, or use it as an http.Handler.
func New(options Options) (*Emulator, error) {
	options = options.withDefaults()
	for _, s := range options.Simulations {
		if err := s.Check(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	e := &Emulator{
		options: options, clock: movingclock.New(options.Clock), log: options.Logger,
		id: rand.Text(), scratch: options.ScratchDir, tokens: newTokenSigner(),
		keys: newKeyring(), directory: newDirectory(), faults: newFaultSet(), calls: newCallMemory(),
		ctx: ctx, cancel: cancel,
		instances: map[string]*instance{}, released: map[string]struct{}{}, commands: map[string]*command{},
		store: newStore(), submitted: map[submission]submitted{},
	}
	e.store.forgotten = e.forgotten
	e.eventSigner = sync.OnceValues(func() (*eventbridge.Signer, error) { return eventbridge.NewSigner(e.clientNow()) })
	for _, key := range options.AccessKeys {
		e.AddAccessKey(key)
	}
	if err := e.fill(); err != nil {
		cancel(err)
		return nil, err
	}
	if err := e.startPublishing(); err != nil {
		cancel(err)
		return nil, err
	}
	if e.scratch == "" {
		// Nobody can guess the ID, so the name is free.
		directory := filepath.Join(os.TempDir(), scratchName(e.id))
		if err := os.Mkdir(directory, 0o700); err != nil {
			cancel(err)
			return nil, fmt.Errorf("cannot make a scratch directory for the instances; set ScratchDir: %w", err)
		}
		e.scratch, e.ownScratch = directory, true
	}
	if options.StateFile != "" {
		e.mu.unsaved = make(chan struct{}, 1)
		if err := e.takeOver(); err != nil {
			return nil, errors.Join(err, e.end())
		}
		e.runs.Go(func() { e.keepState(ctx) })
	}
	return e, nil
}

// fill adds what the options name.
func (e *Emulator) fill() error {
	err := errors.Join(
		e.SetQuotas(e.options.Quotas...), e.SetSettings(e.options.Settings), e.SetRetention(e.options.Retention),
	)
	for _, role := range e.options.Roles {
		err = errors.Join(err, e.AddRole(role))
	}
	for _, provider := range e.options.OIDCProviders {
		err = errors.Join(err, e.AddOIDCProvider(provider))
	}
	for _, i := range e.options.Instances {
		err = errors.Join(err, e.AddInstance(i))
	}
	return err
}

// Close stops the listeners, kills every process that a command started, and removes the scratch directory if
// New made it, and writes the state file a last time. It returns when no goroutine and no process of the emulator is
// left.
func (e *Emulator) Close() error {
	err := e.end()
	if e.options.StateFile != "" {
		err = errors.Join(err, e.writeStateFile())
	}
	return err
}

// end is Close without a last save.
func (e *Emulator) end() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel(errClosed)
	err := errors.Join(e.api.stop(), e.admin.stop())
	e.runs.Wait()
	if e.publisher != nil {
		e.publisher.Close()
	}
	process.KillMarked(e.id)
	if e.ownScratch {
		err = errors.Join(err, os.RemoveAll(e.scratch))
	}
	return err
}

// AddAccessKey makes the pair valid from now on; one with the same ID is replaced.
func (e *Emulator) AddAccessKey(key AccessKey) { e.keys.add(key) }

// RemoveAccessKey makes the access key unknown.
func (e *Emulator) RemoveAccessKey(id string) { e.keys.remove(id) }

// now is the clock's time as the API shows it: UTC, whole seconds are cut where it is printed.
func (e *Emulator) now() time.Time { return e.clock.Now().UTC() }

// Clock is the emulator's own, which Advance moves.
func (e *Emulator) Clock() *movingclock.Clock { return e.clock }

// clientNow is the time that clients sign with and judge credentials by, which Advance does not move.
func (e *Emulator) clientNow() time.Time { return e.options.ClientClock.Now().UTC() }

// Advance lets time pass at once for everything that lives on the emulator's clock: schedules, delivery windows,
// timeouts, the lag of visibility, retention, quotas and the delays of faults. Processes do not run faster: one whose timeout
// passes is killed. A schedule that misses runs has one run and skips the others. The times of signatures and of
// temporary credentials stay on Options.ClientClock, so a client goes on working. A negative duration is refused.
func (e *Emulator) Advance(d time.Duration) error {
	defer e.mu.touch()
	return e.clock.Advance(d)
}
