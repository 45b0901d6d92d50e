package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/emulator.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReferenceHasEveryFlag(t *testing.T) {
	text := reference(t)
	newFlags().VisitAll(func(flag *pflag.Flag) {
		if !strings.Contains(text, "`--"+flag.Name) {
			t.Errorf("the flag --%s is not in the reference", flag.Name)
		}
	})
}

var (
	curl  = regexp.MustCompile(`(?m)^curl (?:-X ([A-Z]+) )?(?:-d '([^']*)' )?\$ADMIN(/\S*)$`)
	route = regexp.MustCompile(`(?m)^\s*(GET|PUT|POST|DELETE) +(/\S+)`)
)

// Every call of the admin API in the reference is accepted, in its order, and every route is among them.
func TestReferenceOfTheAdminAPI(t *testing.T) {
	e, err := emulator.New(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	admin := e.AdminHandler()
	send := func(method, path, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
		if body != "" {
			// As curl -d does.
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		recorder := httptest.NewRecorder()
		admin.ServeHTTP(recorder, request)
		return recorder
	}
	_, block, _ := strings.Cut(reference(t), "<!-- test: admin -->\n```sh\n")
	block, _, _ = strings.Cut(block, "\n```")
	var called []string
	for line := range strings.Lines(block) {
		match := curl.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			t.Fatalf("no call of curl: %s", line)
		}
		method := match[1]
		switch {
		case method == "" && match[2] != "":
			method = http.MethodPost
		case method == "":
			method = http.MethodGet
		}
		if answer := send(method, match[3], match[2]); answer.Code >= http.StatusBadRequest {
			t.Errorf("%sanswer %d %s", line, answer.Code, answer.Body)
		}
		called = append(called, method+" "+match[3])
	}
	routes := route.FindAllStringSubmatch(send(http.MethodGet, "/", "").Body.String(), -1)
	if len(routes) < 20 {
		t.Fatalf("the admin API says that it has the routes %q", routes)
	}
	for _, r := range routes {
		// An OIDC provider needs keys, which are too long for the reference.
		if r[2] == "/oidcproviders" || r[2] == "/" {
			continue
		}
		pattern := regexp.MustCompile("^" + r[1] + " " + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r[2], `[\w-]+`) + "$")
		found := false
		for _, call := range called {
			found = found || pattern.MatchString(call)
		}
		if !found {
			t.Errorf("the reference has no call of %s %s", r[1], r[2])
		}
	}
}
