package emulator

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"
)

// adminRoute is a part of the admin API.
type adminRoute struct {
	// pattern is a method and a path, as http.ServeMux takes them.
	pattern string
	// help says what it does, and shows a body where it takes one.
	help   string
	handle func(*Emulator) http.HandlerFunc
}

// adminRoutes are the admin API in the order of its help.
var adminRoutes = []adminRoute{
	{"GET /state", "what the emulator has now: clock, settings, quotas, faults, keys (no secrets), instances, counts of rows", (*Emulator).adminState},
	{"POST /clock/advance", `let time pass at once: {"millis":60000}`, (*Emulator).adminAdvance},
	{"PUT /settings", `replace the settings of what the vendor leaves open: {"rowOrder":"OldestFirst"}`, (*Emulator).adminSettings},
	{"PUT /quotas", `replace the quotas: [{"action":"DescribeInvocationResults","perMinute":60}]`, (*Emulator).adminQuotas},
	{"PUT /retention", `replace how long records are kept; 0 is what the vendor documents: {"maxAgeMillis":86400000,"maxRecords":10000}`, (*Emulator).adminRetention},
	{"POST /visibility", `show new rows late: {"firstMillis":200,"stepMillis":50}`, (*Emulator).adminVisibility},
	{"GET /faults", "list the faults that still meet calls, with how many they have left", (*Emulator).adminListFaults},
	{"POST /faults", `inject a fault: {"kind":"Error","code":"Throttling.User","count":3,"retryAfterMillis":500}`, (*Emulator).adminInject},
	{"DELETE /faults", "clear all faults", (*Emulator).adminClearFaults},
	{"GET /calls", "count the calls by action and InvokeId", (*Emulator).adminCalls},
	{"DELETE /calls", "forget the counts", (*Emulator).adminResetCalls},
	{"POST /accesskeys", `add or replace an access key: {"id":"reader","secret":"s","policies":[{"Version":"1","Statement":[...]}]}`, (*Emulator).adminAddKey},
	{"DELETE /accesskeys/{id}", "make an access key unknown", (*Emulator).adminRemoveKey},
	{"POST /roles", `add or replace a RAM role: {"name":"reader","policies":[...],"trust":{"Version":"1","Statement":[...]}}`, (*Emulator).adminAddRole},
	{"POST /oidcproviders", `add or replace an OIDC provider: {"name":"ack","issuer":"https://...","clientIDs":["sts.aliyuncs.com"],"jwks":{"keys":[...]}}`, (*Emulator).adminAddProvider},
	{"POST /instances", `add an instance: {"id":"i-1","regionID":"cn-hangzhou"}`, (*Emulator).adminAddInstance},
	{"POST /instances/{id}", `change an instance: {"status":"Stopped","agent":"Offline"}, either may be left out`, (*Emulator).adminChangeInstance},
	{"DELETE /instances/{id}", "release an instance: what it runs ends", (*Emulator).adminRemoveInstance},
	{"POST /instances/{id}/reboot", "reboot a running instance", (*Emulator).adminReboot},
	{"POST /instances/{id}/agent/restart", "restart the agent of an instance", (*Emulator).adminRestartAgent},
	{"PUT /invocations", `put a scripted invocation: {"id":"t-1","rows":[{"instanceID":"i-1","invocationStatus":"Success","exitCode":0}]}; an output is Base64`, (*Emulator).adminPutInvocation},
	{"GET /invocations/{id}/rows", "the live rows as they are, whatever lag, hiding and faults show", (*Emulator).adminRows},
	{"PUT /invocations/{id}/rows/{instance}", `set or add a live row: {"invocationStatus":"Running"}`, (*Emulator).adminPutRow},
	{"PATCH /invocations/{id}/rows/{instance}", `hide a live row, or show another status: {"hidden":true,"shownStatus":"Exploded"}, either may be left out`, (*Emulator).adminChangeRow},
	{"POST /invocations/{id}/history", `add the row of a past run: {"instanceID":"i-1","invocationStatus":"Failed","exitCode":1}`, (*Emulator).adminPutHistory},
	{"GET /events/certificate", "the certificate, in PEM, of the key that events are signed with", (*Emulator).adminEventsCertificate},
	{"DELETE /invocations/{id}", "forget an invocation", (*Emulator).adminForget},
}

// AdminHandler drives the emulator, and tells what it was asked, over HTTP. It has no authentication of its own, and
// whoever reaches it can make an access key and run commands: serve it on loopback. It refuses what web pages of
// other origins send, and, where a request comes in by loopback, host names that are not this machine's.
//
// GET / lists all that it does. A body is JSON, its elements those of the Go types; one that is not known is refused
// with 400, and so is a value that is wrong. What was asked for is done when the answer, 204 or JSON, arrives.
//
//	GET    /state                               what the emulator has now
//	POST   /clock/advance                       see Advance
//	PUT    /settings                            see Settings
//	PUT    /quotas                              see Quota
//	PUT    /retention                           see Retention
//	POST   /visibility                          see SetVisibilityLag
//	GET    /faults                              list the faults
//	POST   /faults                              see Fault; retryAfterMillis and delayMillis are its durations
//	DELETE /faults                              see ClearFaults
//	GET    /calls                               see Calls
//	DELETE /calls                               see ResetCalls
//	POST   /accesskeys                          see AccessKey
//	DELETE /accesskeys/{id}                     see RemoveAccessKey
//	POST   /roles                               see Role
//	POST   /oidcproviders                       see OIDCProvider
//	POST   /instances                           see Instance
//	POST   /instances/{id}                      see SetInstanceStatus and SetAgent
//	DELETE /instances/{id}                      see RemoveInstance
//	POST   /instances/{id}/reboot               see RebootInstance
//	POST   /instances/{id}/agent/restart        see RestartAgent
//	PUT    /invocations                         see Scripted
//	GET    /invocations/{id}/rows               see Rows
//	PUT    /invocations/{id}/rows/{instance}    see PutRow
//	PATCH  /invocations/{id}/rows/{instance}    see HideRow and OverrideStatus
//	POST   /invocations/{id}/history            see PutHistory
//	GET    /events/certificate                  see EventsCertificate
//	DELETE /invocations/{id}                    see ForgetInvocation
func (e *Emulator) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", adminHelp)
	for _, route := range adminRoutes {
		mux.HandleFunc(route.pattern, route.handle(e))
	}
	return ownHostOnly(http.NewCrossOriginProtection().Handler(mux))
}

// ownHostOnly refuses requests to other host names than this machine's: a web page whose name was made to lead here
// would count as of the same origin. By an address that is not loopback the emulator may have any name.
func ownHostOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if ip := net.ParseIP(host); !fromAfar(r) && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "the admin API is called by the address of this machine; use 127.0.0.1 or localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromAfar says whether a request came in by an address of this machine that is not loopback. Start takes such an
// address only where Options.AllowRemote is set.
func fromAfar(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && !local.IP.IsLoopback()
}

func adminHelp(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// Errors here are a client that went away.
	_, _ = fmt.Fprintln(w, "The admin API of the emulator. Bodies are JSON.")
	for _, route := range adminRoutes {
		method, path, _ := strings.Cut(route.pattern, " ")
		_, _ = fmt.Fprintf(w, "%-6s %-40s %s\n", method, path, route.help)
	}
	_, _ = fmt.Fprintf(w, "Kinds of faults: %v\n", FaultKinds())
}

// accept decodes a body of JSON, strictly, and answers 204, or 400 with the error's text.
func accept[T any](do func(*http.Request, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body T
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&body)
		if err == nil {
			err = do(r, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// toNamed does something to what the path names as {id}, and answers 204, or failed with the error's text.
func toNamed(failed int, do func(id string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), failed)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// clearing answers 204 once it is done.
func clearing(do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		do()
		w.WriteHeader(http.StatusNoContent)
	}
}

// showing answers with what get returns, as JSON.
func showing[T any](get func(*http.Request) T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// An error here is a client that went away.
		_ = json.NewEncoder(w).Encode(get(r))
	}
}

// milliseconds are a duration that JSON has as a number of milliseconds.
type milliseconds time.Duration

// UnmarshalJSON refuses what no duration holds: it would become another time.
func (m *milliseconds) UnmarshalJSON(text []byte) error {
	var n int64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	if most := int64(math.MaxInt64 / time.Millisecond); n > most || n < -most {
		return fmt.Errorf("%d milliseconds are too many; give %d at most", n, most)
	}
	*m = milliseconds(n) * milliseconds(time.Millisecond)
	return nil
}

// MarshalJSON cuts what is no whole millisecond.
func (m milliseconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(m).Milliseconds())
}
