package emulator

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The values of OssOutputStatus.
const (
	ossInProgress = "InProgress"
	ossFinished   = "Finished"
	ossFailed     = "Failed"
)

// export opens the object that the whole output of a run is delivered to: a file under the scratch directory,
// oss/<bucket>/<prefix>/<invocation>/<instance>.txt. Without a delivery it is a writer that keeps nothing.
func (e *Emulator) export(i *invocation, instanceID string) (io.Writer, func(), error) {
	key, ok := i.objectKey(instanceID)
	if !ok {
		return io.Discard, func() {}, nil
	}
	path := filepath.Join(e.scratch, "oss", filepath.Clean("/"+key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return io.Discard, func() {}, fmt.Errorf("cannot make a bucket; check ScratchDir: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return io.Discard, func() {}, fmt.Errorf("cannot write to a bucket; check ScratchDir: %w", err)
	}
	return file, func() { _ = file.Close() }, nil
}

// objectKey is bucket and object of the delivery from an instance, without the scheme; false if none was asked for.
func (i *invocation) objectKey(instanceID string) (string, bool) {
	bucket, ok := strings.CutPrefix(i.OSSDelivery, "oss://")
	return strings.TrimSuffix(bucket, "/") + "/" + i.ID + "/" + instanceID + ".txt", ok && bucket != ""
}

// deliverOSS tells how the delivery of a run ended. The one error that the vendor documents is that of a run
// that has no output to deliver. The caller holds Emulator.mu.
func (r *row) deliverOSS(end ending) {
	if r.OSSOutput.Status != ossInProgress {
		return
	}
	key, ok := r.invocation.objectKey(r.InstanceID)
	if !ok || !end.ran {
		r.OSSOutput.Status = ossFailed
		r.OSSOutput.ErrorCode = "CloudAssistant.UnsupportedInvocationStatus"
		r.OSSOutput.ErrorInfo = "The invocation status does not support output delivery."
		return
	}
	r.OSSOutput.Status, r.OSSOutput.URI = ossFinished, "oss://"+key
}
