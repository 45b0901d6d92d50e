package emulator_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// A web page whose name was made to lead to this machine reaches it by loopback, whatever else the emulator listens
// on. By another address it is called by whatever name that has.
func TestAdminGuardsLoopbackAgainstOtherNames(t *testing.T) {
	for _, tt := range []struct {
		name, local, host string
		allowRemote       bool
		want              int
	}{
		{"loopback by its address", "127.0.0.1:8081", "127.0.0.1:8081", false, http.StatusOK},
		{"loopback by its name", "[::1]:8081", "localhost:8081", true, http.StatusOK},
		{"loopback by another name", "127.0.0.1:8081", "evil.example:8081", false, http.StatusForbidden},
		{"loopback by another name, with remote access", "127.0.0.1:8081", "evil.example:8081", true, http.StatusForbidden},
		{"loopback of IPv6 by another name, with remote access", "[::1]:8081", "evil.example", true, http.StatusForbidden},
		{"another address by its name, with remote access", "192.0.2.7:8081", "emulator.example:8081", true, http.StatusOK},
		{"no known address", "", "emulator.example", true, http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := emulator.New(emulator.Options{AllowRemote: tt.allowRemote})
			must(t, err)
			defer func() { must(t, e.Close()) }()
			ctx := t.Context()
			if tt.local != "" {
				local, err := net.ResolveTCPAddr("tcp", tt.local)
				must(t, err)
				ctx = context.WithValue(ctx, http.LocalAddrContextKey, local)
			}
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://"+tt.host+"/state", nil)
			recorder := httptest.NewRecorder()
			e.AdminHandler().ServeHTTP(recorder, request)
			if recorder.Code != tt.want {
				t.Errorf("answered %d, want %d", recorder.Code, tt.want)
			}
		})
	}
}
