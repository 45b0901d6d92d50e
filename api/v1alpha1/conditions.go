package v1alpha1

// Condition types of an InvocationResult. Ready, Reconciling and Stalled follow kstatus; the last three exist only
// while True.
const (
	// ConditionReady: True once every instance succeeded, and while a scheduled run goes on; its message is
	// the one sentence a person needs.
	ConditionReady = "Ready"
	// ConditionCompleted: True on every end of the observation, good or bad, so that a waiter always returns.
	ConditionCompleted = "Completed"
	// ConditionSucceeded: how the command ended. Unknown until it has, and where that cannot be learnt.
	ConditionSucceeded = "Succeeded"
	// ConditionReconciling: the operator is working on it and nobody need do anything.
	ConditionReconciling = "Reconciling"
	// ConditionStalled: it will not get better unless something changes outside.
	ConditionStalled = "Stalled"
	// ConditionSuspended: spec.suspend holds the observation.
	ConditionSuspended = "Suspended"
)

// Reasons of the conditions of an InvocationResult.
const (
	// ReasonPending: not asked yet.
	ReasonPending = "Pending"
	// ReasonRunning: at least one instance has not ended.
	ReasonRunning = "Running"
	// ReasonSucceeded: the command ended with Success on every instance.
	ReasonSucceeded = "Succeeded"
	// ReasonCommandFailed: all instances ended, at least one of them badly.
	ReasonCommandFailed = "CommandFailed"
	// ReasonStopped: all instances ended, none badly, at least one because somebody stopped it.
	ReasonStopped = "Stopped"
	// ReasonScheduled: a scheduled command, between or during its runs.
	ReasonScheduled = "Scheduled"
	// ReasonAwaitingRecords: the API has no records of the run yet, within the grace time.
	ReasonAwaitingRecords = "AwaitingRecords"
	// ReasonNoRecords: the API had no records of the run within the grace time. Heals when they appear.
	ReasonNoRecords = "NoRecords"
	// ReasonRecordsExpired: the API had records of the unfinished run and has them no longer.
	ReasonRecordsExpired = "RecordsExpired"
	// ReasonAmbiguousMatch: several runs fit spec.match; the message names them.
	ReasonAmbiguousMatch = "AmbiguousMatch"
	// ReasonAccessDenied: credentials are missing or wrong, or RAM refuses. Heals when they are mended.
	ReasonAccessDenied = "AccessDenied"
	// ReasonInvalidQuery: the API refuses the question.
	ReasonInvalidQuery = "InvalidQuery"
	// ReasonTimedOut: spec.polling.timeoutSeconds passed without an end. Late news still heal it.
	ReasonTimedOut = "TimedOut"
	// ReasonSuspended: spec.suspend holds the observation.
	ReasonSuspended = "Suspended"
	// ReasonThrottled: the answer is overdue because the API throttles the account.
	ReasonThrottled = "Throttled"
	// ReasonAPIUnavailable: the answer is overdue because the API cannot be reached or answers nonsense.
	ReasonAPIUnavailable = "APIUnavailable"
)

// Annotations that ask for an answer now, even of a finished run: any value not yet echoed in
// status.lastHandledReconcileAt. Where both are set the later one
// counts if both are times (RFC 3339), else ours.
const (
	AnnotationReconcileRequestedAt     = "ecs.k8s.alibabacloud/reconcile-requested-at"
	AnnotationFluxReconcileRequestedAt = "reconcile.fluxcd.io/requestedAt"
)
