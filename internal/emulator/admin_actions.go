package emulator

import (
	"errors"
	"net/http"
	"time"
)

func (e *Emulator) adminAdvance() http.HandlerFunc {
	return accept(func(_ *http.Request, by struct{ Millis milliseconds }) error {
		return e.Advance(time.Duration(by.Millis))
	})
}

func (e *Emulator) adminSettings() http.HandlerFunc {
	return accept(func(_ *http.Request, s Settings) error { return e.SetSettings(s) })
}

func (e *Emulator) adminQuotas() http.HandlerFunc {
	return accept(func(_ *http.Request, quotas []Quota) error { return e.SetQuotas(quotas...) })
}

func (e *Emulator) adminRetention() http.HandlerFunc {
	return accept(func(_ *http.Request, r struct {
		MaxAgeMillis milliseconds
		MaxRecords   int
	},
	) error {
		return e.SetRetention(Retention{MaxAge: time.Duration(r.MaxAgeMillis), MaxRecords: r.MaxRecords})
	})
}

func (e *Emulator) adminVisibility() http.HandlerFunc {
	return accept(func(_ *http.Request, lag struct{ FirstMillis, StepMillis milliseconds }) error {
		e.SetVisibilityLag(time.Duration(lag.FirstMillis), time.Duration(lag.StepMillis))
		return nil
	})
}

// adminFault is a Fault in JSON, its durations in milliseconds.
type adminFault struct {
	Fault
	RetryAfterMillis milliseconds `json:"retryAfterMillis,omitempty"`
	DelayMillis      milliseconds `json:"delayMillis,omitempty"`
}

func (e *Emulator) adminInject() http.HandlerFunc {
	return accept(func(_ *http.Request, f adminFault) error {
		f.RetryAfter, f.Delay = time.Duration(f.RetryAfterMillis), time.Duration(f.DelayMillis)
		_, err := e.Inject(f.Fault)
		return err
	})
}

func (e *Emulator) adminClearFaults() http.HandlerFunc { return clearing(e.ClearFaults) }

func (e *Emulator) adminResetCalls() http.HandlerFunc { return clearing(e.ResetCalls) }

func (e *Emulator) adminAddKey() http.HandlerFunc {
	return accept(func(_ *http.Request, key AccessKey) error {
		if key.ID == "" || key.Secret == "" {
			return errors.New("an access key needs an id and a secret; give both")
		}
		e.AddAccessKey(key)
		return nil
	})
}

func (e *Emulator) adminRemoveKey() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		clearing(func() { e.RemoveAccessKey(r.PathValue("id")) })(w, r)
	}
}

func (e *Emulator) adminAddRole() http.HandlerFunc {
	return accept(func(_ *http.Request, role Role) error { return e.AddRole(role) })
}

func (e *Emulator) adminAddProvider() http.HandlerFunc {
	return accept(func(_ *http.Request, provider OIDCProvider) error { return e.AddOIDCProvider(provider) })
}

func (e *Emulator) adminAddInstance() http.HandlerFunc {
	return accept(func(_ *http.Request, i Instance) error { return e.AddInstance(i) })
}

// adminInstanceChange is what POST /instances/{id} changes; an empty field stays as it is.
type adminInstanceChange struct {
	Status InstanceStatus
	Agent  AgentState
}

func (e *Emulator) adminChangeInstance() http.HandlerFunc {
	return accept(func(r *http.Request, change adminInstanceChange) error {
		return e.changeInstance(r.PathValue("id"), func(i *instance) {
			if change.Status != "" {
				i.setStatus(change.Status)
			}
			if change.Agent != "" {
				i.Agent = change.Agent
			}
		})
	})
}

func (e *Emulator) adminRemoveInstance() http.HandlerFunc {
	return toNamed(http.StatusNotFound, e.RemoveInstance)
}

func (e *Emulator) adminReboot() http.HandlerFunc {
	return toNamed(http.StatusBadRequest, e.RebootInstance)
}

func (e *Emulator) adminRestartAgent() http.HandlerFunc {
	return toNamed(http.StatusBadRequest, e.RestartAgent)
}

func (e *Emulator) adminPutInvocation() http.HandlerFunc {
	return accept(func(_ *http.Request, s Scripted) error { return e.PutInvocation(s) })
}

func (e *Emulator) adminPutRow() http.HandlerFunc {
	return accept(func(r *http.Request, row Row) error {
		row.InvokeID, row.InstanceID = r.PathValue("id"), r.PathValue("instance")
		return e.PutRow(row)
	})
}

// adminRowChange is what PATCH changes of how a row is shown; what is absent stays as it is.
type adminRowChange struct {
	Hidden *bool
	// ShownStatus is OverrideStatus's; an empty one shows the truth again.
	ShownStatus *string
}

func (e *Emulator) adminChangeRow() http.HandlerFunc {
	return accept(func(r *http.Request, change adminRowChange) error {
		return e.changeRow(r.PathValue("id"), r.PathValue("instance"), func(r *row) {
			if change.Hidden != nil {
				r.Hidden = *change.Hidden
			}
			if change.ShownStatus != nil {
				r.Override = *change.ShownStatus
			}
		})
	})
}

func (e *Emulator) adminPutHistory() http.HandlerFunc {
	return accept(func(r *http.Request, row Row) error {
		row.InvokeID = r.PathValue("id")
		return e.PutHistory(row)
	})
}

func (e *Emulator) adminForget() http.HandlerFunc {
	return toNamed(http.StatusNotFound, e.ForgetInvocation)
}
