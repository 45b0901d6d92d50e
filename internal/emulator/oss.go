package emulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The values of OssOutputStatus.
const (
	ossInProgress = "InProgress"
	ossFinished   = "Finished"
	ossFailed     = "Failed"
)

// ossScheme begins a delivery and the URI of an object.
const ossScheme = "oss://"

// maxObjectName is the longest name of an object that OSS takes, in bytes. The emulator keeps room in it for the names
// that it adds.
const maxObjectName = 1023 - 128

// ossDelivery is the documented form oss://${BucketName}/${Prefix}. The prefix may be left out.
var ossDelivery = regexp.MustCompile(`^oss://[A-Za-z0-9][A-Za-z0-9-]{1,61}[A-Za-z0-9](/[^\x00-\x1f\\]*)?$`)

// checkOSSDelivery refuses an OssOutputDelivery that names no place in a bucket.
func checkOSSDelivery(delivery string) error {
	segments := strings.Split(delivery, "/")
	if delivery != "" && (!ossDelivery.MatchString(delivery) || len(delivery) > maxObjectName || slices.Contains(segments, "..")) {
		return refuse("InvalidParameter.OssOutputDelivery")
	}
	return nil
}

// OSSDir is where the buckets are: a directory each, in which an object is the file of its name. Unless
// Options say where, Close removes it.
func (e *Emulator) OSSDir() string { return firstOf(e.options.OSSDir, filepath.Join(e.scratch, "oss")) }

// upload is the output of one run on its way to a bucket. It is kept beside the buckets until it is delivered, under a
// name that no bucket can have.
type upload struct{ part, bucket, object string }

// upload is that of the ordinal-th run on an instance; false if none was asked for. The name of the object is the
// emulator's choice, as the vendor documents its place only: <prefix>/<invocation>/<instance>.txt, and
// <instance>-<ordinal>.txt where there may be many runs.
func (e *Emulator) upload(i *invocation, instanceID string, ordinal int) (upload, bool) {
	place, asked := strings.CutPrefix(i.OSSDelivery, ossScheme)
	if !asked {
		return upload{}, false
	}
	name := instanceID
	if i.repeats() {
		name = fmt.Sprintf("%s-%d", instanceID, ordinal)
	}
	bucket, prefix, _ := strings.Cut(place, "/")
	object := i.ID + "/" + name + ".txt"
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		object = prefix + "/" + object
	}
	part := filepath.Join(e.OSSDir(), ".uploads", fmt.Sprintf("%s-%s-%d", i.ID, instanceID, ordinal))
	return upload{part, bucket, object}, true
}

// exportFile takes the whole output of a run on its way to a bucket. Its Write never fails: whatever the disk does, the
// run goes on, for its script would wait for ever for somebody to read what it prints.
type exportFile struct {
	file *os.File
	// err is the first write that failed. Nothing is written after it.
	err error
}

func (x *exportFile) Write(p []byte) (int, error) {
	if x.err == nil {
		_, x.err = x.file.Write(p)
	}
	return len(p), nil
}

// close ends the export. It removes an output that is not whole, so that putObject finds none to deliver.
func (x *exportFile) close() error {
	err := errors.Join(x.err, x.file.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(x.file.Name()))
	}
	return err
}

// export opens the file that takes the whole output of a run. Without a delivery it is a writer that keeps nothing.
func (e *Emulator) export(r *row) (io.Writer, func() error, error) {
	nothing := func() error { return nil }
	e.mu.LockToRead()
	u, asked := e.upload(r.invocation, r.InstanceID, r.Repeats+1)
	e.mu.Unlock()
	if !asked {
		return io.Discard, nothing, nil
	}
	if err := os.MkdirAll(filepath.Dir(u.part), 0o700); err != nil {
		return io.Discard, nothing, err
	}
	file, err := os.OpenFile(u.part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return io.Discard, nothing, err
	}
	x := &exportFile{file: file}
	return x, x.close, nil
}

// refuseDelivery ends the delivery of a run that never began: it has no output. The code is the one that the vendor
// documents. The caller holds Emulator.mu.
func (r *row) refuseDelivery() {
	if r.OSSOutput.Status == ossInProgress && !r.delivering {
		r.OSSOutput.Status, r.OSSOutput.ErrorCode = ossFailed, "CloudAssistant.UnsupportedInvocationStatus"
		r.OSSOutput.ErrorInfo = "The invocation status does not support output delivery."
	}
}

// deliverOutput delivers the output of a run that ended, after Options.OSSDelay. rows are those that show it: the live
// row and, where there is one, that of the history. The caller holds e.mu.
func (e *Emulator) deliverOutput(rows ...*row) {
	r := rows[0]
	u, asked := e.upload(r.invocation, r.InstanceID, r.Repeats)
	if !asked || r.OSSOutput.Status != ossInProgress {
		return
	}
	run := r.Repeats
	for _, shown := range rows {
		shown.delivering = true
	}
	settle := func() {
		outcome := e.putObject(u, r.OSSOutput.Delivery)
		for _, shown := range rows {
			// A live row may tell of the next run by now.
			if shown.delivering && shown.Repeats == run {
				shown.OSSOutput, shown.delivering, shown.UpdatedAt = outcome, false, e.now()
			}
		}
	}
	if e.options.OSSDelay == 0 {
		settle()
		return
	}
	timer := e.clock.NewTimer(e.options.OSSDelay)
	e.runs.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C():
			e.mu.Lock()
			defer e.mu.Unlock()
			settle()
		case <-e.ctx.Done():
		}
	})
}

// putObject puts an output into its bucket, and says how that went. NoSuchBucket is OSS's own word; InternalError
// is the emulator's for an output or a bucket that this machine has lost.
func (e *Emulator) putObject(u upload, delivery string) OSSOutput {
	if buckets := e.options.OSSBuckets; buckets != nil && !slices.Contains(buckets, u.bucket) {
		// Best effort: a file that stays behind is in nobody's way.
		_ = os.Remove(u.part)
		return OSSOutput{Delivery: delivery, Status: ossFailed, ErrorCode: "NoSuchBucket", ErrorInfo: "The specified bucket does not exist."}
	}
	path := filepath.Join(e.OSSDir(), u.bucket, filepath.FromSlash(u.object))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.Rename(u.part, path)
	}
	if err != nil {
		e.log.Error("an output cannot be delivered; check OSSDir", "bucket", u.bucket, "object", u.object, "error", err)
		return OSSOutput{Delivery: delivery, Status: ossFailed, ErrorCode: "InternalError", ErrorInfo: "The output cannot be delivered."}
	}
	return OSSOutput{Delivery: delivery, Status: ossFinished, URI: ossScheme + u.bucket + "/" + u.object}
}

// resumeDeliveries goes on with the deliveries that were under way when the emulator was closed. The caller holds e.mu.
func (e *Emulator) resumeDeliveries(i *invocation) {
	if !i.repeats() {
		for _, r := range i.Rows {
			if Terminal(r.InvocationStatus) && !r.Scripted {
				e.deliverOutput(r)
			}
		}
		return
	}
	for _, past := range i.History {
		rows := []*row{past}
		if live := i.row(past.InstanceID); live != nil && live.Repeats == past.Repeats {
			rows = append(rows, live)
		}
		if !past.Scripted {
			e.deliverOutput(rows...)
		}
	}
}
