package emulator

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/process"
)

// runner readies runs of commands that were delivered: as processes, or pretended ones.
type runner interface {
	// prepare readies a run of the row on the instance. It returns an ending instead where the command cannot
	// run there.
	prepare(r *row, target *instance) (preparedRun, *ending, error)
}

// preparedRun is one run that may start.
type preparedRun interface {
	// run runs the command until it ends by itself or ctx does, and says how it ended. The cause of ctx tells why
	// it was ended.
	run(ctx context.Context, output io.Writer) ending
	// close removes what prepare made. It is called once, whether or not the run was started.
	close()
}

// runner is what runs a command on an instance: the first simulation that matches, else processes.
func (e *Emulator) runner(c *command, instanceID string) runner {
	for _, s := range e.options.Simulations {
		if s.matches(c, instanceID) {
			return simulationRunner{s, e.clock}
		}
	}
	return processRunner{e}
}

// processRunner runs commands as processes of this machine.
type processRunner struct{ *Emulator }

func (p processRunner) prepare(r *row, target *instance) (preparedRun, *ending, error) {
	spec, end, err := p.Emulator.prepare(r, target)
	if end != nil || err != nil {
		return nil, end, err
	}
	return &processRun{emulator: p.Emulator, spec: spec, invokeID: r.invocation.ID, instanceID: target.ID}, nil, nil
}

type processRun struct {
	emulator             *Emulator
	spec                 process.Spec
	invokeID, instanceID string
}

func (p *processRun) run(ctx context.Context, output io.Writer) ending {
	p.spec.Output = output
	exitCode, err := process.Run(ctx, p.spec)
	if err != nil && !errors.Is(err, process.ErrKilled) {
		p.emulator.log.Error("a command cannot be run", "InvokeId", p.invokeID, "InstanceId", p.instanceID, "error", err)
	}
	return endOf(exitCode, err, context.Cause(ctx))
}

func (p *processRun) close() { _ = os.Remove(p.spec.Script) }
