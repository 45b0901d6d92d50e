package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// secrets is a reader of Secrets that remembers how often it was asked.
type secrets struct {
	client.Reader
	mutex  sync.Mutex
	byName map[types.NamespacedName]map[string]string
	err    error
	reads  int
}

func (s *secrets) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.reads++
	if s.err != nil {
		return s.err
	}
	data, found := s.byName[key]
	if !found {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	secret := object.(*corev1.Secret)
	secret.ObjectMeta = metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, ResourceVersion: data["version"]}
	secret.Data = map[string][]byte{}
	for name, value := range data {
		secret.Data[name] = []byte(value)
	}
	return nil
}

func (s *secrets) set(name string, data map[string]string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.byName[types.NamespacedName{Namespace: "ops", Name: name}] = data
}

const (
	region   = "cn-hangzhou"
	ownerARN = "acs:ram::42:role/reader"
)

type world struct {
	sessions *Sessions
	secrets  *secrets
	cloud    *emulator.Emulator
	clock    *clocktesting.FakeClock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud, err := emulator.New(emulator.Options{AccessKeys: []emulator.AccessKey{
		{ID: "own", Secret: "own-secret", AccountID: "1"}, {ID: "tenant", Secret: "tenant-secret", AccountID: "42"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	url, err := cloud.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connection, err := cloudassistant.New(cloudassistant.Options{Endpoint: url, STSEndpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		connection.CloseIdleConnections()
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{
		secrets: &secrets{byName: map[types.NamespacedName]map[string]string{}},
		cloud:   cloud,
		clock:   clocktesting.NewFakeClock(time.Now()),
	}
	own := cloudassistant.Static(cloudassistant.Credentials{AccessKeyID: "own", AccessKeySecret: "own-secret"})
	w.sessions = New(connection, own, w.secrets, w.clock)
	w.secrets.set("tenant", map[string]string{"accessKeyID": "tenant", "accessKeySecret": "tenant-secret", "version": "1"})
	return w
}

// ask opens a session and asks with it.
func (w *world) ask(t *testing.T, identity cloudassistant.Identity) (cloudassistant.Session, error) {
	t.Helper()
	session, err := w.sessions.Session(t.Context(), identity, region)
	if err != nil {
		return nil, err
	}
	_, err = session.DescribeInvocationResults(t.Context(), cloudassistant.Query{RegionID: region}, cloudassistant.Paging{})
	return session, err
}

func (w *world) mustAsk(t *testing.T, identity cloudassistant.Identity) cloudassistant.Session {
	t.Helper()
	session, err := w.ask(t, identity)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

var tenant = cloudassistant.Identity{Secret: "ops/tenant"}

func TestWhoseAccountIsCounted(t *testing.T) {
	w := newWorld(t)
	w.secrets.set("named", map[string]string{"accessKeyID": "tenant", "accessKeySecret": "tenant-secret", "accountID": "7"})
	for name, test := range map[string]struct {
		identity cloudassistant.Identity
		account  string
		calls    int
	}{
		"the operator's own, asked for once": {cloudassistant.Identity{}, "1", 1},
		"a Secret's, asked for once":         {tenant, "42", 1},
		"what the Secret says":               {cloudassistant.Identity{Secret: "ops/named"}, "7", 0},
		"the role's, by its ARN":             {cloudassistant.Identity{Secret: "ops/tenant", RoleARN: ownerARN}, "42", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w.cloud.ResetCalls()
			for range 3 {
				if account := w.mustAsk(t, test.identity).Account(); account != test.account {
					t.Errorf("the account is %q, want %q", account, test.account)
				}
			}
			if n := w.cloud.Calls().Total("GetCallerIdentity"); n != test.calls {
				t.Errorf("the account was asked for %d times, want %d", n, test.calls)
			}
		})
	}
}

func TestWithoutSTSTheIdentityIsItsOwnAccount(t *testing.T) {
	w := newWorld(t)
	clearFault, err := w.cloud.Inject(emulator.Fault{Kind: emulator.FaultHTML, Action: "GetCallerIdentity"})
	if err != nil {
		t.Fatal(err)
	}
	own, other := w.mustAsk(t, cloudassistant.Identity{}).Account(), w.mustAsk(t, tenant).Account()
	if own == other || own == "" || other == "" {
		t.Errorf("two identities of unknown accounts are counted as %q and %q, want different ones", own, other)
	}
	clearFault()
	w.clock.Step(accountTTL)
	if account := w.mustAsk(t, cloudassistant.Identity{}).Account(); account != "1" {
		t.Errorf("later the account is still %q, want 1", account)
	}
}

func TestASecretIsReadAgainAfterAWhile(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.mustAsk(t, tenant)
	}
	if w.secrets.reads != 1 {
		t.Errorf("the Secret was read %d times within its time, want once", w.secrets.reads)
	}
	w.cloud.AddAccessKey(emulator.AccessKey{ID: "rotated", Secret: "rotated-secret", AccountID: "42"})
	w.secrets.set("tenant", map[string]string{"accessKeyID": "rotated", "accessKeySecret": "rotated-secret", "version": "2"})
	w.clock.Step(secretTTL)
	w.cloud.RemoveAccessKey("tenant")
	w.mustAsk(t, tenant)
	if w.secrets.reads != 2 {
		t.Errorf("the Secret was read %d times, want twice", w.secrets.reads)
	}
}

func TestRefusedCredentialsAreReadAgainAtOnce(t *testing.T) {
	w := newWorld(t)
	w.mustAsk(t, tenant)
	w.cloud.RemoveAccessKey("tenant")
	if _, err := w.ask(t, tenant); cloudassistant.ClassOf(err) != cloudassistant.ClassDenied {
		t.Fatalf("an access key that does not exist is refused with %v", err)
	}
	w.cloud.AddAccessKey(emulator.AccessKey{ID: "mended", Secret: "mended-secret", AccountID: "42"})
	w.secrets.set("tenant", map[string]string{"accessKeyID": "mended", "accessKeySecret": "mended-secret", "version": "2"})
	w.mustAsk(t, tenant)
}

func TestARoleStaysAssumedWhileTheSecretIsTheSame(t *testing.T) {
	w := newWorld(t)
	identity := cloudassistant.Identity{Secret: "ops/tenant", RoleARN: ownerARN}
	for range 3 {
		w.mustAsk(t, identity)
		w.clock.Step(secretTTL)
	}
	if n := w.cloud.Calls().Total("AssumeRole"); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
	if w.secrets.reads != 3 {
		t.Errorf("the Secret was read %d times, want 3", w.secrets.reads)
	}
}

func TestASecretThatNobodyAsksWithIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.mustAsk(t, tenant)
	w.mustAsk(t, cloudassistant.Identity{})
	w.clock.Step(secretTTL + unusedTTL + time.Second)
	w.secrets.set("another", map[string]string{"accessKeyID": "tenant", "accessKeySecret": "tenant-secret"})
	w.mustAsk(t, cloudassistant.Identity{Secret: "ops/another"})
	if _, kept := w.sessions.entries[tenant]; kept {
		t.Error("the credentials of a Secret that nobody asks with are kept")
	}
	if _, kept := w.sessions.entries[cloudassistant.Identity{}]; !kept {
		t.Error("the operator's own credentials are forgotten")
	}
}

func TestBadSecrets(t *testing.T) {
	const canary = "canary-4711"
	for name, test := range map[string]struct {
		data  map[string]string
		err   error
		class cloudassistant.Class
		want  string
	}{
		"missing":            {nil, nil, cloudassistant.ClassDenied, "Secret ops/bad does not exist: create it with the keys accessKeyID and accessKeySecret"},
		"no ID":              {map[string]string{"accessKeySecret": canary}, nil, cloudassistant.ClassDenied, "Secret ops/bad has no key accessKeyID"},
		"no secret":          {map[string]string{"accessKeyID": canary}, nil, cloudassistant.ClassDenied, "Secret ops/bad has no key accessKeySecret"},
		"empty secret":       {map[string]string{"accessKeyID": canary, "accessKeySecret": ""}, nil, cloudassistant.ClassDenied, "has no key accessKeySecret"},
		"line break":         {map[string]string{"accessKeyID": "x", "accessKeySecret": canary + "\n"}, nil, cloudassistant.ClassDenied, "the value of key accessKeySecret holds a space, a line break"},
		"space in the ID":    {map[string]string{"accessKeyID": canary + " ", "accessKeySecret": "x"}, nil, cloudassistant.ClassDenied, "the value of key accessKeyID holds a space"},
		"account of letters": {map[string]string{"accessKeyID": "x", "accessKeySecret": "y", "accountID": canary}, nil, cloudassistant.ClassDenied, "the value of key accountID must be the account ID, digits only"},
		"not allowed":        {nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "bad", errors.New("no")), cloudassistant.ClassDenied, "the operator may not get Secret ops/bad"},
		"API server away":    {nil, errors.New("connection refused"), cloudassistant.ClassUnavailable, "reading Secret ops/bad: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.secrets.err = test.err
			if test.data != nil {
				w.secrets.set("bad", test.data)
			}
			_, err := w.ask(t, cloudassistant.Identity{Secret: "ops/bad"})
			if err == nil || cloudassistant.ClassOf(err) != test.class || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v of class %s, want %q of class %s", err, cloudassistant.ClassOf(err), test.want, test.class)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats what the Secret holds: %v", err)
			}
		})
	}
}

func TestWhatSTSRefusesIsNotAskedOfECS(t *testing.T) {
	w := newWorld(t)
	if _, err := w.cloud.Inject(emulator.Fault{Kind: emulator.FaultError, Action: "AssumeRole", Code: "Throttling.User"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.sessions.Session(t.Context(), cloudassistant.Identity{Secret: "ops/tenant", RoleARN: ownerARN}, region)
	if cloudassistant.ClassOf(err) != cloudassistant.ClassThrottled {
		t.Errorf("opening a session whose role cannot be assumed fails with %v, want the throttle answer of STS", err)
	}
}

func TestABadRoleIsDenied(t *testing.T) {
	w := newWorld(t)
	_, err := w.ask(t, cloudassistant.Identity{RoleARN: "reader"})
	if cloudassistant.ClassOf(err) != cloudassistant.ClassDenied {
		t.Errorf("a role that is no ARN is refused with %v, want class Denied", err)
	}
}

func TestWhoeverGoesAwayDoesNotFailTheOthers(t *testing.T) {
	w := newWorld(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.sessions.Session(gone, tenant, region); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled opening fails with %v", err)
	}
	w.mustAsk(t, tenant)
}

// Identities that nobody asks with any more are forgotten, those of a role alone too: anybody who may make results can
// name any number of them.
func TestUnusedIdentitiesAreForgotten(t *testing.T) {
	w := newWorld(t)
	for n := range 50 {
		// Whether it can be assumed does not matter here.
		_, _ = w.sessions.Session(t.Context(), cloudassistant.Identity{RoleARN: fmt.Sprintf("acs:ram::42:role/r%d", n)}, region)
	}
	w.clock.Step(24 * time.Hour)
	if _, err := w.sessions.Session(t.Context(), cloudassistant.Identity{Secret: "ops/tenant"}, region); err != nil {
		t.Fatal(err)
	}
	w.sessions.mutex.Lock()
	defer w.sessions.mutex.Unlock()
	if got := len(w.sessions.entries); got != 1 {
		t.Errorf("a day later %d identities are remembered, want 1", got)
	}
}
