package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// InvocationResultSpec says which run of a command to observe, and how. What it asks (regionID, invokeID,
// match, instanceID, includeHistory) cannot be changed: an answer must never be read as the answer to another
// question.
//
// +kubebuilder:validation:XValidation:rule="has(self.invokeID) != has(self.match)",message="set exactly one of invokeID (the ID of the run, t-…) and match (what the run was tagged with)"
// +kubebuilder:validation:XValidation:rule="self.regionID == oldSelf.regionID && has(self.invokeID) == has(oldSelf.invokeID) && (!has(self.invokeID) || self.invokeID == oldSelf.invokeID) && has(self.match) == has(oldSelf.match) && (!has(self.match) || self.match == oldSelf.match) && has(self.instanceID) == has(oldSelf.instanceID) && (!has(self.instanceID) || self.instanceID == oldSelf.instanceID) && (has(self.includeHistory) && self.includeHistory) == (has(oldSelf.includeHistory) && oldSelf.includeHistory)",message="regionID, invokeID, match, instanceID and includeHistory cannot be changed: create an InvocationResult with another name for another question"
type InvocationResultSpec struct {
	// regionID is the region that the command was run in, such as cn-hangzhou.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]{2,}(-[a-z0-9]+)+$')",message="must be a region ID such as cn-hangzhou or ap-southeast-1: lower-case letters, digits and hyphens"
	RegionID string `json:"regionID,omitempty"`

	// invokeID is the ID of the run, as RunCommand or InvokeCommand returned it. Exactly one of invokeID and
	// match is set.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^t-[A-Za-z0-9]+$')",message="must be the ID of a run as RunCommand or InvokeCommand returned it, such as t-hz0jdfwd9f (c-… is a command, f-… a file sent by SendFile)"
	InvokeID string `json:"invokeID,omitempty"`

	// match finds the run by what it was started with, for an ID that is known only at run time. It resolves
	// once, when exactly one run fits; status.invokeID then names it.
	//
	// +optional
	Match *InvocationMatch `json:"match,omitempty"`

	// instanceID narrows the result to one instance of the run.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]+-[A-Za-z0-9]+$')",message="must be the ID of one instance, such as i-bp1i7gg30r52z2em"
	InstanceID string `json:"instanceID,omitempty"`

	// includeHistory also keeps the earlier runs of a scheduled command (RepeatMode Period or EveryReboot),
	// in status.history.
	//
	// +optional
	IncludeHistory bool `json:"includeHistory,omitempty"`

	// polling bounds how often and how long the API is asked.
	//
	// +optional
	Polling *PollingSpec `json:"polling,omitempty"`

	// historyLimit is how many earlier runs are kept per instance, with includeHistory. Default 10.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	HistoryLimit *int32 `json:"historyLimit,omitempty"`

	// output says what becomes of the command's output.
	//
	// +optional
	Output *OutputSpec `json:"output,omitempty"`

	// credentials are used for this resource instead of the operator's own.
	//
	// +optional
	Credentials *CredentialsSpec `json:"credentials,omitempty"`

	// suspend holds the observation: no call is made and time does not count. Default false.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// ttlSecondsAfterFinished deletes the resource that many seconds after Completed became True. Unset keeps
	// it, unless the operator has a default.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// InvocationMatch finds a run by what it was started with. Everything given must fit.
//
// +kubebuilder:validation:XValidation:rule="has(self.tags) || has(self.commandID) || has(self.resourceGroupID)",message="set at least one of tags, commandID and resourceGroupID: an empty match would fit every run"
type InvocationMatch struct {
	// tags are tags that the run was given (Tag.N of RunCommand or InvokeCommand), each with its key and value.
	//
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Tags []Tag `json:"tags,omitempty"`

	// commandID is the ID of the command that was run.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",message="must be the ID of a command, such as c-hz0jdfwcsr"
	CommandID string `json:"commandID,omitempty"`

	// resourceGroupID is the resource group that the run was started with.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^rg-[A-Za-z0-9]+$')",message="must be the ID of a resource group, such as rg-bp67acfmxazb4p"
	ResourceGroupID string `json:"resourceGroupID,omitempty"`
}

// Tag is a tag of a run, within the limits of Alibaba Cloud.
type Tag struct {
	// key is unique within a list of tags.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('aliyun') && !self.lowerAscii().startsWith('acs:')",message="must not start with aliyun or acs: (reserved by Alibaba Cloud): use a key of your own"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().contains('http://') && !self.lowerAscii().contains('https://')",message="must not contain http:// or https://: use a key without a URL"
	Key string `json:"key,omitempty"`

	// value may be empty, and is unless it is set.
	//
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().contains('http://') && !self.lowerAscii().contains('https://')",message="must not contain http:// or https://: use a value without a URL"
	Value string `json:"value,omitempty"`
}

// PollingSpec bounds how often and how long the API is asked. All values are whole seconds.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minIntervalSeconds) || !has(self.maxIntervalSeconds) || self.minIntervalSeconds <= self.maxIntervalSeconds",message="minIntervalSeconds must not be greater than maxIntervalSeconds: raise maxIntervalSeconds or lower minIntervalSeconds"
type PollingSpec struct {
	// minIntervalSeconds is the time between two calls while things change. Default 2.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	MinIntervalSeconds int32 `json:"minIntervalSeconds,omitempty"`

	// maxIntervalSeconds is what the time between two calls grows to while nothing changes. Default 60.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	MaxIntervalSeconds int32 `json:"maxIntervalSeconds,omitempty"`

	// timeoutSeconds is how long a one-time run is observed before it is given up as TimedOut, counted from
	// the first observation. Default 86400 (a day), at most 2592000 (30 days).
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2592000
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
}

// OutputPolicy says what becomes of the command's output.
//
// +kubebuilder:validation:Enum=None;Tail;Secret
type OutputPolicy string

// The output policies, each showing more than the one before. A cluster may limit them.
const (
	// OutputNone keeps the output out of the cluster; its size and digest are shown.
	OutputNone OutputPolicy = "None"
	// OutputTail shows the last bytes of the output in the status.
	OutputTail OutputPolicy = "Tail"
	// OutputSecret keeps all of the output in Secrets owned by the resource, and none of it in the status.
	OutputSecret OutputPolicy = "Secret"
)

// OutputSpec says what becomes of the command's output.
type OutputSpec struct {
	// policy is None, Tail or Secret. Default Tail, unless the operator has another default
	// (--default-output-policy). Where the operator does not allow as much (--max-output-policy, Tail unless it is
	// set), the output is neither kept nor shown.
	//
	// +optional
	Policy OutputPolicy `json:"policy,omitempty"`

	// maxBytes is how many bytes of each instance's output, counted from its end, are shown in the status.
	// Default 1024, at most 24576 (what Cloud Assistant itself keeps).
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=24576
	MaxBytes int32 `json:"maxBytes,omitempty"`

	// charset is the character set that the command printed in, for output that is not UTF-8.
	//
	// +optional
	// +kubebuilder:validation:Enum=UTF-8;GBK;GB18030;Big5;Shift_JIS;EUC-JP;EUC-KR;UTF-16LE;UTF-16BE;ISO-8859-1;windows-1251;windows-1252
	Charset string `json:"charset,omitempty"`
}

// CredentialsSpec says whose credentials sign the calls.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) || has(self.roleARN)",message="set secretRef (a Secret with accessKeyID and accessKeySecret), roleARN (a RAM role to assume), or both"
type CredentialsSpec struct {
	// secretRef names a Secret in the same namespace with the keys accessKeyID and accessKeySecret and,
	// optionally, securityToken and accountID.
	//
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// roleARN is a RAM role to assume, with the credentials of secretRef or else the operator's own.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^acs:ram::[0-9]+:role/[A-Za-z0-9._-]+$')",message="must be the ARN of a RAM role, such as acs:ram::1234567890123456:role/reader"
	RoleARN string `json:"roleARN,omitempty"`
}

// SecretReference names a Secret in the namespace of the resource.
type SecretReference struct {
	// name of the Secret.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="must be the name of a Secret in the same namespace: lower-case letters, digits, hyphens and dots"
	Name string `json:"name,omitempty"`
}

// InvocationResult is the result of one run of a command by Alibaba Cloud's Cloud Assistant: per instance the
// status, exit code and output, and conditions to wait on. It only observes: deleting it does nothing to the run.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=ir,categories=cloudassistant
// +kubebuilder:selectablefield:JSONPath=`.spec.invokeID`
// +kubebuilder:selectablefield:JSONPath=`.spec.regionID`
// +kubebuilder:printcolumn:name="Invoke ID",type=string,JSONPath=`.status.invokeID`,description="The run"
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Where it stands"
// +kubebuilder:printcolumn:name="Succeeded",type=integer,JSONPath=`.status.summary.succeeded`,description="Instances on which it succeeded"
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=`.status.summary.total`,description="Instances it was run on"
// +kubebuilder:printcolumn:name="Exit Code",type=integer,JSONPath=`.status.exitCode`,description="0 if all succeeded, else the first other one"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.regionID`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type InvocationResult struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which run to observe, and how.
	//
	// +required
	Spec InvocationResultSpec `json:"spec,omitzero"`

	// status is what is known of the run.
	//
	// +optional
	// +default={"observedGeneration":-1}
	Status InvocationResultStatus `json:"status,omitempty,omitzero"`
}

// InvocationResultList is a list of InvocationResults.
//
// +kubebuilder:object:root=true
type InvocationResultList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []InvocationResult `json:"items"`
}
