package app_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// signedURL is the part of a signed URL that matters, unless it is blotted out.
var signedURL = regexp.MustCompile(`Signature(=|%3D|%253D)[A-Za-z0-9%+/].{0,20}`)

// No secret and no parameter reaches what the operator writes, whatever it meets, not even at the highest level of its
// log: neither statuses nor events, Secrets, metrics or what it prints.
func TestNoSecretIsEverShown(t *testing.T) {
	c := &canaries{world: newWorld(t), secrets: map[string]string{}, accounts: 5000}
	c.allowSecrets(t)
	c.tap = newWiretap(c.cloud)
	server := httptest.NewServer(c.tap)
	defer server.Close()
	own := emulator.AccessKey{ID: "LTAI" + c.plant("the operator's access key ID"), Secret: c.plant("the operator's access key secret")}
	c.cloud.AddAccessKey(own)
	environment := []string{"ALIBABA_CLOUD_ACCESS_KEY_ID=" + own.ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + own.Secret, "DEBUG=sdk"}
	binary := buildOperator(t)
	c.meetFaults(t)
	c.meetIdentities(t)
	c.runCommands(t)

	shown := map[string]string{}
	operator := c.startLoud(t, binary, environment, "--ecs-endpoint="+server.URL)
	for _, name := range c.denied {
		c.untilReason(t, name, v1alpha1.ReasonAccessDenied)
	}
	for _, name := range c.healing {
		// Asked again, it has coped with the first answer.
		c.tap.untilAsked(t, runOf(name), 2)
	}
	c.cloud.ClearFaults()
	c.tap.calm()
	for _, name := range append(c.healing, "own", "assumed", "both", "printed", "foreign") {
		c.untilReason(t, name, v1alpha1.ReasonSucceeded)
	}
	c.untilReason(t, "invoked", v1alpha1.ReasonCommandFailed)
	c.untilReason(t, "run", v1alpha1.ReasonCommandFailed)
	// Nobody listens any more.
	server.CloseClientConnections()
	server.Close()
	c.askInVain(t, "refused")
	shown["metrics"] = operator.scrape(t)
	shown["log"] = operator.end(t)

	for how, away := range c.awayEndpoints(t) {
		operator := c.startLoud(t, binary, append(away.environment, environment...), "--ecs-endpoint="+away.endpoint, "--sts-endpoint="+away.endpoint)
		c.askInVain(t, fmt.Sprint(len(shown)))
		shown["metrics, "+how] = operator.scrape(t)
		shown["log, "+how] = operator.end(t)
	}
	refused := exec.CommandContext(t.Context(), binary, "--ecs-endpoint=http://ecs:"+c.plant("password in the endpoint")+"@127.0.0.1/?Signature="+c.plant("query of the endpoint"))
	said, err := refused.CombinedOutput()
	if err == nil {
		t.Error("the operator takes an endpoint with a password")
	}
	shown["refusal of an endpoint"] = string(said)

	maps.Copy(shown, c.written(t))
	maps.Copy(c.secrets, c.tap.secrets)
	// Of an output that belongs into a Secret only that may tell.
	if strings.Contains(undump(shown["log"]), string(printed(1).Output)) {
		t.Error("log: an output that belongs into a Secret")
	}
	for where, text := range shown {
		for _, leak := range leaks(text, c.secrets) {
			t.Errorf("%s: %s", where, leak)
		}
		if signed := signedURL.FindString(undump(text)); signed != "" {
			t.Errorf("%s: part of a signed URL: %s", where, signed)
		}
	}
	// What has to be there is: the search looked at the right texts.
	for where, marker := range map[string]string{
		"log": `"controllerKind":"InvocationResult"`, "metrics": "controller_runtime_reconcile_total", "results": "Forbidden.RAM",
		"events": "AccessDenied", "events of events.k8s.io": "AccessDenied", "Secrets": base64.StdEncoding.EncodeToString(printed(1).Output),
		"refusal of an endpoint": "--ecs-endpoint",
	} {
		if !strings.Contains(shown[where], marker) {
			t.Errorf("%s hold no %s:\n%.2000s", where, marker, shown[where])
		}
	}
}

// away is a place where no ECS API is to be had.
type away struct {
	endpoint    string
	environment []string
}

func (c *canaries) awayEndpoints(t *testing.T) map[string]away {
	t.Helper()
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprint(r.Header, r.URL), http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	through := url.URL{Scheme: "http", Host: strings.TrimPrefix(proxy.URL, "http://"), User: url.UserPassword("proxy", c.plant("password of the proxy"))}
	return map[string]away{
		"TLS of a stranger":  {endpoint: stranger.URL},
		"a proxy that minds": {endpoint: "https://ecs.example.invalid", environment: []string{"HTTPS_PROXY=" + through.String()}},
	}
}

// askInVain has the results of every kind of identity asked for, when no answer can come.
func (c *canaries) askInVain(t *testing.T, value string) {
	t.Helper()
	for _, name := range []string{"own", "assumed", "both", "fault-0"} {
		c.askAgain(t, name, value)
	}
}

// written is everything that the operator has written to the API server.
func (c *canaries) written(t *testing.T) map[string]string {
	t.Helper()
	var results, secrets strings.Builder
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	for _, versions := range c.recorder.versions {
		if err := json.NewEncoder(&results).Encode(versions); err != nil {
			t.Fatal(err)
		}
	}
	list := &corev1.SecretList{}
	if err := c.client.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for n := range list.Items {
		if secret := &list.Items[n]; secret.Namespace == c.namespace && metav1.GetControllerOf(secret) != nil {
			if err := json.NewEncoder(&secrets).Encode(secret); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]string{
		"results": results.String(), "Secrets": secrets.String(),
		"events":                  c.run(t, "get", "events", "-o", "yaml", "--show-managed-fields"),
		"events of events.k8s.io": c.run(t, "get", "events.v1.events.k8s.io", "-o", "yaml", "--show-managed-fields"),
	}
}
