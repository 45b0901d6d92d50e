package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// wiretap stands between the operator and the emulator. It learns every secret that the operator sends or is sent, and
// may answer itself, as a gateway would that repeats to everybody what it was sent.
type wiretap struct {
	behind http.Handler

	mu sync.Mutex
	// secrets are the values by what they are.
	secrets map[string]string
	// hostile are the answers of its own, by the invocation or the role that is asked for.
	hostile map[string]http.HandlerFunc
	// asked counts the calls by the invocation or the role; changed is closed when one more comes in.
	asked   map[string]int
	changed chan struct{}
}

func newWiretap(behind http.Handler) *wiretap {
	return &wiretap{
		behind: behind, secrets: map[string]string{}, hostile: map[string]http.HandlerFunc{},
		asked: map[string]int{}, changed: make(chan struct{}),
	}
}

// ServeHTTP implements http.Handler.
func (w *wiretap) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	sent := request.URL.Query()
	if body, err := io.ReadAll(request.Body); err == nil {
		request.Body = io.NopCloser(bytes.NewReader(body))
		if form, err := url.ParseQuery(string(body)); err == nil {
			for name, values := range form {
				sent[name] = append(sent[name], values...)
			}
		}
	}
	subject := sent.Get("InvokeId") + sent.Get("RoleArn")
	hostile := w.count(subject)
	w.learn(map[string]string{
		"Signature": sent.Get("Signature"), "SecurityToken": sent.Get("SecurityToken"), "AccessKeyId": sent.Get("AccessKeyId"),
	})
	switch {
	case hostile != nil:
		hostile(response, request)
	case sent.Get("Action") == "AssumeRole":
		said := httptest.NewRecorder()
		w.behind.ServeHTTP(said, request)
		var answer struct{ Credentials map[string]string }
		if json.Unmarshal(said.Body.Bytes(), &answer) == nil {
			delete(answer.Credentials, "Expiration")
			w.learn(answer.Credentials)
		}
		for name := range said.Header() {
			response.Header().Set(name, said.Header().Get(name))
		}
		response.WriteHeader(said.Code)
		_, _ = response.Write(said.Body.Bytes()) // An error here is a client that went away.
	default:
		w.behind.ServeHTTP(response, request)
	}
}

// learn remembers secrets.
func (w *wiretap) learn(values map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, value := range values {
		if value != "" {
			w.secrets[what+" on the wire: "+value] = value
		}
	}
}

// count counts a call about subject, and returns its hostile answer; nil if there is none.
func (w *wiretap) count(subject string) http.HandlerFunc {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[subject]++
	close(w.changed)
	w.changed = make(chan struct{})
	return w.hostile[subject]
}

// calm ends all hostility.
func (w *wiretap) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.hostile)
}

// untilAsked waits until there were n calls about an invocation or a role.
func (w *wiretap) untilAsked(t *testing.T, subject string, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		asked, changed := w.asked[subject], w.changed
		w.mu.Unlock()
		if asked >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("there were %d calls about %s within %v, want %d", asked, subject, patience, n)
		}
	}
}

// refuse refuses with a message made of the call.
func refuse(code string, message func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]string{"Code": code, "Message": message(r), "RequestId": "r-1"})
	}
}

// repeated is everything of a call, in each form that it has on its way.
func repeated(r *http.Request) string {
	signed := "http://" + r.Host + r.URL.RequestURI()
	decoded, _ := url.QueryUnescape(r.URL.RawQuery)
	return "denied: " + signed + " of " + decoded + " and " + url.QueryEscape(r.URL.RawQuery) + ", " + r.URL.Query().Get("Signature")
}

// raw answers with bytes instead of HTTP.
func raw(answer func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, answer(r))
		_ = connection.Close()
	}
}

// Answers that repeat what they were sent: refusals of the credentials, and what is no answer of the API.
var (
	denials = map[string]http.HandlerFunc{
		"a refusal by RAM":     refuse("Forbidden.RAM", repeated),
		"a wrong signature":    refuse("SignatureDoesNotMatch", repeated),
		"an unknown key":       refuse("InvalidAccessKeyId.NotFound", func(r *http.Request) string { return "no key " + r.URL.Query().Get("AccessKeyId") }),
		"an expired token":     refuse("InvalidSecurityToken.Expired", func(r *http.Request) string { return r.URL.Query().Get("SecurityToken") + " has expired" }),
		"a malformed token":    refuse("InvalidSecurityToken.Malformed", repeated),
		"an incomplete answer": refuse("IncompleteSignature", func(r *http.Request) string { return r.URL.RawQuery }),
		"a code that says it": func(w http.ResponseWriter, r *http.Request) {
			refuse("Forbidden."+r.URL.Query().Get("Signature"), repeated)(w, r)
		},
		"a string to sign": refuse("SignatureDoesNotMatch", func(r *http.Request) string {
			return "server string to sign is:GET&%2F&" + url.QueryEscape(r.URL.Query().Encode())
		}),
		"a string of other name": refuse("SignatureDoesNotMatch", func(r *http.Request) string { return "we signed GET&%2F&" + url.QueryEscape(r.URL.Query().Encode()) }),
	}
	breakdowns = map[string]http.HandlerFunc{
		"a page of HTML": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; url="+r.URL.RequestURI())
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<h1>"+repeated(r)+"</h1>")
		},
		"a page of HTML with status 200": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; url="+r.URL.RequestURI())
			_, _ = io.WriteString(w, "<h1>"+repeated(r)+"</h1>")
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Acs-Request-Id", r.URL.Query().Get("Signature"))
			w.Header().Set("Location", "http://example.invalid"+r.URL.RequestURI())
			w.WriteHeader(http.StatusFound)
		},
		"an echo":               raw(func(r *http.Request) string { return r.Method + " " + r.URL.RequestURI() + " HTTP/1.1\r\n\r\n" }),
		"a header that is none": raw(func(r *http.Request) string { return "HTTP/1.1 200 OK\r\n" + r.URL.RequestURI() + "\r\n\r\n" }),
		"a status that says it": raw(func(r *http.Request) string {
			return "HTTP/1.1 502 " + r.URL.RequestURI() + "\r\nContent-Length: 0\r\n\r\n"
		}),
		"a length that is none": raw(func(r *http.Request) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: " + r.URL.RequestURI() + "\r\n\r\n"
		}),
		"a server error": refuse("ServiceUnavailable", repeated),
		"a throttle answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Acs-Retry-After", "1000")
			refuse("Throttling.User", repeated)(w, r)
		},
	}
)
