package eventbridge_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"k8s.io/utils/clock"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/eventbridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const targetURL = "https://events.example.com/eventbridge?secret=hidden"

// receiver takes requests without a network, and remembers when they came.
type receiver struct {
	began time.Time
	mu    sync.Mutex
	// answer is the status for the n-th request, -1 for no connection.
	answer func(n int) int
	got    []received
}

type received struct {
	after  time.Duration
	body   string
	header http.Header
}

func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status := r.answer(len(r.got))
	r.got = append(r.got, received{after: time.Since(r.began), body: string(body), header: request.Header})
	if status < 0 {
		return nil, errors.New("connection refused")
	}
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(status)
	return recorder.Result(), nil
}

// publish sends events and returns what has come an hour later.
func publish(t *testing.T, signer *eventbridge.Signer, p eventbridge.Publishing, answer func(int) int, events ...string) ([]received, string) {
	t.Helper()
	var got []received
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{began: time.Now(), answer: answer}
		p.Targets = append(p.Targets, eventbridge.Target{URL: targetURL, Token: "T"})
		p.Transport = r
		publisher, err := eventbridge.NewPublisher(p, signer, clock.RealClock{}, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			publisher.Publish([]byte(event))
		}
		<-time.After(time.Hour)
		publisher.Close()
		got = r.got
	})
	return got, log.String()
}

func always(status int) func(int) int { return func(int) int { return status } }

func TestAnEventIsSentUntilItIsTaken(t *testing.T) {
	signer, _ := newSigner(t)
	for _, tt := range []struct {
		name   string
		answer func(int) int
		want   int
	}{
		{"at once", always(200), 1},
		{"without content", always(204), 1},
		{"the second time", func(n int) int { return []int{503, 200}[n] }, 2},
		{"the last time", func(n int) int { return []int{-1, 500, 302, 200}[n] }, 4},
		{"never", always(500), 4},
		{"nobody there", always(-1), 4},
		{"refused", always(401), 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, log := publish(t, signer, eventbridge.Publishing{}, tt.answer, "{}")
			if len(got) != tt.want {
				t.Fatalf("sent %d times, want %d", len(got), tt.want)
			}
			for n := 1; n < len(got); n++ {
				if pause := got[n].after - got[n-1].after; pause < 10*time.Second || pause > 20*time.Second {
					t.Errorf("again after %v", pause)
				}
				// A retry is signed anew, or it would be too old.
				if got[n].header.Get("x-eventbridge-signature-timestamp") == got[0].header.Get("x-eventbridge-signature-timestamp") {
					t.Error("a retry with the old signature")
				}
			}
			if strings.Contains(log, "hidden") {
				t.Errorf("the log tells the target's query: %s", log)
			}
		})
	}
}

// elsewhere answers everything with a redirect, and remembers which hosts were asked.
type elsewhere struct {
	status int
	mu     sync.Mutex
	asked  []string
}

func (e *elsewhere) RoundTrip(request *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, request.URL.Host)
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Location", "https://elsewhere.example.com/")
	recorder.WriteHeader(e.status)
	return recorder.Result(), nil
}

// What is signed for one URL, with its token, is posted to no other: a redirect is an event that was not taken.
func TestARedirectIsNotFollowed(t *testing.T) {
	signer, _ := newSigner(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		e := &elsewhere{status: status}
		synctest.Test(t, func(t *testing.T) {
			publisher, err := eventbridge.NewPublisher(eventbridge.Publishing{
				Targets: []eventbridge.Target{{URL: targetURL, Token: "T"}}, Transport: e,
			}, signer, clock.RealClock{}, time.Now, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			publisher.Publish([]byte("{}"))
			<-time.After(time.Hour)
			publisher.Close()
		})
		if want := slices.Repeat([]string{"events.example.com"}, 4); !slices.Equal(e.asked, want) {
			t.Errorf("%d: asked were %v, want %v", status, e.asked, want)
		}
	}
}

func TestWhatGoesWrongOnTheWay(t *testing.T) {
	signer, _ := newSigner(t)
	events := make([]string, 200)
	for n := range events {
		events[n] = fmt.Sprintf("%03d", n)
	}
	inOrder := func(got []received) bool {
		return slices.IsSortedFunc(got, func(a, b received) int { return strings.Compare(a.body, b.body) })
	}
	tests := []struct {
		name     string
		p        eventbridge.Publishing
		min, max int
		first    time.Duration
		last     time.Duration
		shuffled bool
	}{
		{name: "late", p: eventbridge.Publishing{Delay: 90 * time.Second}, min: 200, max: 200, first: 90 * time.Second, last: 90 * time.Second},
		{name: "overtaking", p: eventbridge.Publishing{Jitter: time.Minute}, min: 200, max: 200, last: time.Minute, shuffled: true},
		{name: "twice", p: eventbridge.Publishing{Duplicates: 1}, min: 400, max: 400},
		{name: "some twice", p: eventbridge.Publishing{Duplicates: 0.5}, min: 250, max: 350},
		{name: "lost", p: eventbridge.Publishing{Loss: 1, Duplicates: 1}},
		{name: "some lost", p: eventbridge.Publishing{Loss: 0.5}, min: 50, max: 150},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := publish(t, signer, tt.p, always(200), events...)
			if len(got) < tt.min || len(got) > tt.max {
				t.Errorf("%d came, want %d to %d", len(got), tt.min, tt.max)
			}
			for _, g := range got {
				if g.after < tt.first || g.after > tt.last {
					t.Errorf("one came after %v", g.after)
				}
			}
			if tt.shuffled && inOrder(got) {
				t.Error("all came in their order")
			}
		})
	}
}

func TestForms(t *testing.T) {
	signer, _ := newSigner(t)
	for form, want := range map[eventbridge.Form][2]bool{
		"": {true, false}, eventbridge.FormRSA: {true, false}, eventbridge.FormHMAC: {false, true}, eventbridge.FormBoth: {true, true},
	} {
		got, _ := publish(t, signer, eventbridge.Publishing{Form: form}, always(200), "{}")
		header := got[0].header
		if has := [2]bool{header.Get("x-eventbridge-signature-v2") != "", header.Get("x-eventbridge-signature") != ""}; has != want {
			t.Errorf("%q: RSA and HMAC: %v, want %v", form, has, want)
		}
		if header.Get("x-eventbridge-signature-url") != eventbridge.DefaultCertificateURL || header.Get("x-eventbridge-signature-token") != "T" {
			t.Errorf("headers %v", header)
		}
	}
}

func TestClosingTakesBackWhatIsOnItsWay(t *testing.T) {
	signer, _ := newSigner(t)
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{began: time.Now(), answer: always(500)}
		publisher, err := eventbridge.NewPublisher(eventbridge.Publishing{
			Targets: []eventbridge.Target{{URL: targetURL}}, Delay: time.Minute, Transport: r,
		}, signer, clock.RealClock{}, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		publisher.Publish([]byte("{}"))
		publisher.Close()
		if took := time.Since(r.began); took != 0 || len(r.got) != 0 {
			t.Errorf("closed after %v, %d sent", took, len(r.got))
		}
	})
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	targets := func(url string) []eventbridge.Target { return []eventbridge.Target{{URL: url}} }
	for want, p := range map[string]eventbridge.Publishing{
		"not a URL":    {Targets: targets("ftp://hidden/")},
		"such as":      {Targets: targets("hidden")},
		"0 to 1":       {Loss: 1.5},
		"numbers":      {Duplicates: -1},
		"not negative": {Delay: -1},
		"jitter":       {Jitter: -1},
		"unknown":      {Form: "MD5"},
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := (eventbridge.Publishing{}).Check(); err != nil {
		t.Errorf("nothing is refused: %v", err)
	}
}
