package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxStatusItems is the most entries that status.instances and status.history can each hold. The byte budget of
// the status is reached long before.
const MaxStatusItems = 10000

// InvocationResultStatus is what is known of the run. It outlives the records of the API, which forgets a run
// after four weeks.
//
// The patterns and rules on its times close holes of the API server, which admits a list where a date-time
// belongs, and zones that Go cannot parse: either would stop the informer of every controller that watches.
type InvocationResultStatus struct {
	// observedGeneration is the generation of the spec that this status answers; -1 before the first.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// invokeID is the run that is observed: spec.invokeID, or what spec.match resolved to.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	InvokeID string `json:"invokeID,omitempty"`

	// lastHandledReconcileAt echoes the annotation that last asked for an answer at once.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`

	// observedSince is when the grace time and the timeout began to count: the first observation, moved
	// forward by the time spent suspended.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	// +kubebuilder:validation:XValidation:rule="self == self",message="must be a time in UTC, such as 2026-01-02T03:04:05Z"
	ObservedSince *metav1.Time `json:"observedSince,omitempty"`

	// exitCode is there once Completed: 0 if all instances succeeded, else the first other exit code by order
	// of status.instances; absent when no failed instance has any.
	//
	// +optional
	ExitCode *int64 `json:"exitCode,omitempty"`

	// summary counts the instances.
	//
	// +optional
	Summary *InvocationSummary `json:"summary,omitempty"`

	// startTime is the earliest start on any instance.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	// +kubebuilder:validation:XValidation:rule="self == self",message="must be a time in UTC, such as 2026-01-02T03:04:05Z"
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is the latest end on any instance, once all have ended.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	// +kubebuilder:validation:XValidation:rule="self == self",message="must be a time in UTC, such as 2026-01-02T03:04:05Z"
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// conditions are for programs to wait on: Ready, Completed, Succeeded, Reconciling, Stalled, Suspended.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime == c.lastTransitionTime)",message="lastTransitionTime must be a time, such as 2026-01-02T03:04:05Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// instances has one entry for each instance (and container): failed ones first, then those not ended,
	// then the rest; by ID within.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10000
	Instances []InstanceResult `json:"instances,omitempty"`

	// history has the earlier runs of a scheduled command, newest first.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10000
	History []InstanceResult `json:"history,omitempty"`

	// outputSecrets are the Secrets of this namespace that hold all of the output, with spec.output.policy Secret. Each
	// key is an instance ID, or INSTANCE.CONTAINER; earlier runs have run-SECONDS before it, the Unix time of their
	// start, and a dot. An output is in one of them. They are deleted with the resource.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	OutputSecrets []string `json:"outputSecrets,omitempty"`

	// truncated counts what did not fit in this status; absent when everything did.
	//
	// +optional
	Truncated *TruncatedStatus `json:"truncated,omitempty"`
}

// InvocationSummary counts the instances of the run by how it stands there.
type InvocationSummary struct {
	// total is the number of instances (and containers).
	//
	// +required
	Total int32 `json:"total"`
	// pending counts those where it has not begun, or waits for its next scheduled run.
	//
	// +required
	Pending int32 `json:"pending"`
	// running counts those where it runs or is being stopped.
	//
	// +required
	Running int32 `json:"running"`
	// succeeded counts those where it ended with exit code 0.
	//
	// +required
	Succeeded int32 `json:"succeeded"`
	// failed counts those where it ended badly: Failed, Invalid, Aborted, Error or Timeout.
	//
	// +required
	Failed int32 `json:"failed"`
	// stopped counts those where somebody stopped it: Cancelled or Terminated.
	//
	// +required
	Stopped int32 `json:"stopped"`
	// other counts those with a status that this version of the operator does not know.
	//
	// +required
	Other int32 `json:"other"`
}

// InstanceResult is the result on one instance (and container), or one earlier run there.
type InstanceResult struct {
	// instanceID is the instance.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	InstanceID string `json:"instanceID,omitempty"`

	// commandID is the command.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	CommandID string `json:"commandID,omitempty"`

	// status is the API's InvocationStatus: Pending, Scheduled, Running, Stopping, Success, Failed, Invalid,
	// Aborted, Error, Timeout, Cancelled, Terminated, or a value added since.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Status string `json:"status,omitempty"`

	// invokeRecordStatus is the status of the whole invocation as the API gives it with this instance.
	// It says nothing of how the run ended here.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	InvokeRecordStatus string `json:"invokeRecordStatus,omitempty"`

	// exitCode of the command; absent while the API has none.
	//
	// +optional
	ExitCode *int64 `json:"exitCode,omitempty"`

	// errorCode is the API's reason for a failure, such as ExitCodeNonzero or DeliveryTimeout.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ErrorCode string `json:"errorCode,omitempty"`

	// errorInfo is the API's sentence for errorCode.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	ErrorInfo string `json:"errorInfo,omitempty"`

	// startTime is when the command began on the instance.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	// +kubebuilder:validation:XValidation:rule="self == self",message="must be a time in UTC, such as 2026-01-02T03:04:05Z"
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// finishedTime is when it ended; on a timeout, the start plus the timeout.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	// +kubebuilder:validation:XValidation:rule="self == self",message="must be a time in UTC, such as 2026-01-02T03:04:05Z"
	FinishedTime *metav1.Time `json:"finishedTime,omitempty"`

	// stopTime is when somebody asked for it to be stopped.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	// +kubebuilder:validation:XValidation:rule="self == self",message="must be a time in UTC, such as 2026-01-02T03:04:05Z"
	StopTime *metav1.Time `json:"stopTime,omitempty"`

	// repeats is how often the command has run on the instance: 0 or 1 for a one-time run.
	//
	// +optional
	Repeats int64 `json:"repeats,omitempty"`

	// username is the user of the instance's operating system who ran the command.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Username string `json:"username,omitempty"`

	// launcher is the line that started the script.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Launcher string `json:"launcher,omitempty"`

	// terminationMode is what is killed when the run is stopped or times out: Process or ProcessTree.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	TerminationMode string `json:"terminationMode,omitempty"`

	// containerID is the container that the command ran in.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ContainerID string `json:"containerID,omitempty"`

	// containerName is the name of that container.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ContainerName string `json:"containerName,omitempty"`

	// tags of the run.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tags []ResultTag `json:"tags,omitempty"`

	// output is what the command printed.
	//
	// +optional
	Output *OutputStatus `json:"output,omitempty"`

	// ossOutput tells of the delivery of the output to an OSS bucket.
	//
	// +optional
	OSSOutput *OSSOutputStatus `json:"ossOutput,omitempty"`
}

// ResultTag is a tag as the API gives it: nothing of it is checked.
type ResultTag struct {
	// key of the tag.
	//
	// +required
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key"`
	// value of the tag.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Value string `json:"value,omitempty"`
}

// OutputEncoding is how output.text holds the bytes.
//
// +kubebuilder:validation:Enum=PlainText;Base64
type OutputEncoding string

// The output encodings.
const (
	// OutputPlainText: text is the output itself, valid UTF-8 without control characters but tab and newline.
	OutputPlainText OutputEncoding = "PlainText"
	// OutputBase64: text is the output in Base64, because it would not be safe to show.
	OutputBase64 OutputEncoding = "Base64"
)

// OutputStatus is what the command printed, standard output and error merged.
type OutputStatus struct {
	// text is the end of the output.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	Text string `json:"text,omitempty"`

	// encoding of text; absent without text.
	//
	// +optional
	Encoding OutputEncoding `json:"encoding,omitempty"`

	// droppedBytes is what Cloud Assistant cut out of the middle, because it keeps 24 KB.
	//
	// +optional
	DroppedBytes int64 `json:"droppedBytes,omitempty"`

	// truncatedBytes is what the operator cut off the front, of what Cloud Assistant kept.
	//
	// +optional
	TruncatedBytes int64 `json:"truncatedBytes,omitempty"`

	// sha256 is the digest, in hexadecimal, of all bytes that Cloud Assistant kept.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`
}

// OSSOutputStatus tells of the delivery of the output to an OSS bucket.
type OSSOutputStatus struct {
	// delivery is where it was asked to go, oss://bucket/prefix.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Delivery string `json:"delivery,omitempty"`

	// uri is the object, once delivered.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	URI string `json:"uri,omitempty"`

	// status is InProgress, Finished or Failed, or a value added since.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Status string `json:"status,omitempty"`

	// errorCode says why the delivery failed.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ErrorCode string `json:"errorCode,omitempty"`

	// errorInfo is the API's sentence for errorCode.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	ErrorInfo string `json:"errorInfo,omitempty"`
}

// TruncatedStatus counts what did not fit in the status.
type TruncatedStatus struct {
	// instances is how many entries of status.instances are missing.
	//
	// +required
	Instances int32 `json:"instances"`
	// history is how many earlier runs that the API had are not in status.history.
	//
	// +required
	History int32 `json:"history"`
	// outputBytes is how many bytes of output are not shown, in the entries that are and in those that are not.
	//
	// +required
	OutputBytes int64 `json:"outputBytes"`
}
