package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	codeOK = "OK"
	// codeCanceled: nobody wanted the answer any more.
	codeCanceled = "Client.Canceled"
	// codeOther: a code that is not known.
	codeOther = "Other"

	apiResults = "DescribeInvocationResults"
)

// codeOf is the code of a call's outcome, one of a bounded set: what an answer gives as its code may be anything.
func codeOf(ctx context.Context, err error) string {
	var known *cloudassistant.Error
	switch {
	case err == nil:
		return codeOK
	case ctx.Err() != nil:
		return codeCanceled
	case errors.As(err, &known) && cloudassistant.Known(known.Code):
		return known.Code
	}
	return codeOther
}

// Sessions stands before the sessions that the engine asks with, and counts their calls.
func (m *Metrics) Sessions(sessions cloudassistant.Sessions) cloudassistant.Sessions {
	return meteredSessions{Sessions: sessions, metrics: m}
}

type meteredSessions struct {
	cloudassistant.Sessions
	metrics *Metrics
}

// Session implements cloudassistant.Sessions.
func (s meteredSessions) Session(ctx context.Context, identity cloudassistant.Identity, regionID string) (cloudassistant.Session, error) {
	opened, err := s.Sessions.Session(ctx, identity, regionID)
	if err != nil {
		s.metrics.sessionFailures.WithLabelValues(s.metrics.place(regionID, "").region, codeOf(ctx, err)).Inc()
		return nil, err
	}
	return meteredSession{Session: opened, metrics: s.metrics}, nil
}

type meteredSession struct {
	cloudassistant.Session
	metrics *Metrics
}

// DescribeInvocationResults implements cloudassistant.API.
func (s meteredSession) DescribeInvocationResults(ctx context.Context, query cloudassistant.Query, paging cloudassistant.Paging) (page *cloudassistant.Page, err error) {
	began, returned := s.metrics.clock.Now(), false
	defer func() {
		if !returned {
			// It panicked, which is told by whoever recovers.
			err = &cloudassistant.Error{Class: cloudassistant.ClassUnavailable, Code: cloudassistant.CodeInternal}
		}
		s.metrics.called(query.RegionID, s.Account(), codeOf(ctx, err), cloudassistant.ClassOf(err), s.metrics.clock.Since(began))
	}()
	page, err = s.Session.DescribeInvocationResults(ctx, query, paging)
	returned = true
	return page, err
}

// called counts a call.
func (m *Metrics) called(region, account, code string, class cloudassistant.Class, took time.Duration) {
	p := m.place(region, account)
	m.calls.WithLabelValues(apiResults, p.region, p.account, code).Inc()
	m.callDuration.WithLabelValues(apiResults, p.region, p.account).Observe(took.Seconds())
	throttles := m.throttled.WithLabelValues(apiResults, p.region, p.account)
	if class == cloudassistant.ClassThrottled {
		throttles.Inc()
	}
}
