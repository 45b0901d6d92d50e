package controller

import (
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/poller"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/projection"
)

// demand is what the last projection wants of the engine beyond the spec.
type demand struct {
	answerFrom time.Time
	// leastInterval overrides shorter intervals of the spec.
	leastInterval time.Duration
	// judged is when the answer that it was made of was begun; zero if there was none, or no other is of interest.
	judged time.Time
}

// watchOf is what the engine is to find out for result.
func watchOf(result *v1alpha1.InvocationResult, wants demand) poller.Watch {
	spec := &result.Spec
	watch := poller.Watch{
		Identity:   identityOf(result),
		Tenant:     result.Namespace,
		Question:   questionOf(result),
		History:    spec.IncludeHistory,
		AnswerFrom: wants.answerFrom,
		Judged:     wants.judged,
	}
	if spec.IncludeHistory {
		// 0 would mean all.
		watch.HistoryLimit = max(1, projection.HistoryLimit(spec))
	}
	if polling := spec.Polling; polling != nil {
		watch.MinInterval = seconds(polling.MinIntervalSeconds)
		watch.MaxInterval = seconds(polling.MaxIntervalSeconds)
	}
	if least := wants.leastInterval; least > 0 {
		watch.MinInterval = max(least, watch.MinInterval)
		watch.MaxInterval = max(least, watch.MaxInterval)
	}
	return watch
}

// questionOf asks by ID once the ID is known, given or latched, and by what the run was tagged with until then.
func questionOf(result *v1alpha1.InvocationResult) cloudassistant.Query {
	spec := &result.Spec
	query := cloudassistant.Query{RegionID: spec.RegionID, InstanceID: spec.InstanceID}
	match := spec.Match
	switch {
	case spec.InvokeID != "":
		query.InvokeID = spec.InvokeID
	case result.Status.InvokeID != "":
		query.InvokeID = result.Status.InvokeID
	case match != nil:
		query.CommandID = match.CommandID
		query.ResourceGroupID = match.ResourceGroupID
		for _, tag := range match.Tags {
			query.Tags = append(query.Tags, cloudassistant.Tag{Key: tag.Key, Value: tag.Value})
		}
	}
	return query
}

// identityOf names the credentials for result. A Secret is always one of its own namespace.
func identityOf(result *v1alpha1.InvocationResult) cloudassistant.Identity {
	credentials := result.Spec.Credentials
	if credentials == nil {
		return cloudassistant.Identity{}
	}
	identity := cloudassistant.Identity{RoleARN: credentials.RoleARN}
	if credentials.SecretRef != nil {
		identity.Secret = result.Namespace + "/" + credentials.SecretRef.Name
	}
	return identity
}

func seconds(value int32) time.Duration {
	return time.Duration(value) * time.Second
}
