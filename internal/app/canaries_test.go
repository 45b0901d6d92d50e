package app_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

// canaries is a world in which every secret is one that can be told from any other text.
type canaries struct {
	*world
	tap     *wiretap
	secrets map[string]string
	// denied and healing are the results that are refused, and those that succeed once the faults are over.
	denied, healing []string
	// accounts are numbered up to this.
	accounts int
}

// plant makes a secret value. It has the characters that look different in each encoding.
func (c *canaries) plant(what string) string {
	value := "canary/" + rand.Text() + "+&%=" + rand.Text()
	c.secrets[what] = value
	return value
}

// key makes an access key of an account of its own, with a Secret of the name that has it: nobody shares its quota.
func (c *canaries) key(t *testing.T, name string) emulator.AccessKey {
	t.Helper()
	c.accounts++
	key := emulator.AccessKey{
		ID: "LTAI" + c.plant("access key ID of "+name), Secret: c.plant("access key secret of " + name),
		SecurityToken: c.plant("security token of " + name), AccountID: fmt.Sprint(c.accounts),
	}
	c.cloud.AddAccessKey(key)
	c.keepSecret(t, name, map[string]string{
		"accessKeyID": key.ID, "accessKeySecret": key.Secret, "securityToken": key.SecurityToken, "accountID": key.AccountID,
	})
	return key
}

// keepSecret makes a Secret, byte for byte.
func (c *canaries) keepSecret(t *testing.T, name string, data map[string]string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name}, Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	if err := c.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// runOf is the invocation of a result.
func runOf(name string) string { return "t-" + strings.ReplaceAll(name, "-", "") }

// observe makes a result of a run of 60 instances, two pages, in an account.
func (c *canaries) observe(t *testing.T, name, accountID, spec string) (id string) {
	t.Helper()
	id = runOf(name)
	rows := make([]emulator.Row, 60)
	for n := range rows {
		rows[n] = running(n + 1)
		succeed(&rows[n])
	}
	if err := c.cloud.PutInvocation(emulator.Scripted{ID: id, AccountID: accountID, RegionID: region, CreatedAt: longAgo, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	c.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: %s, polling: {minIntervalSeconds: 1, maxIntervalSeconds: 1}, %s}", region, id, spec))
	return id
}

// observeWithKey is observe with a key of its own.
func (c *canaries) observeWithKey(t *testing.T, name string) (id string) {
	t.Helper()
	return c.observe(t, name, c.key(t, name).AccountID, fmt.Sprintf("credentials: {secretRef: {name: %s}}", name))
}

// role is the part of a spec that assumes a role of an account, on top of what else there is.
func (c *canaries) role(accountID, base string) string {
	// An account exists by its keys.
	c.cloud.AddAccessKey(emulator.AccessKey{ID: "owner-of-" + accountID, Secret: "unused", AccountID: accountID})
	return fmt.Sprintf("credentials: {roleARN: 'acs:ram::%s:role/reader'%s}", accountID, base)
}

// meetFaults makes a result for every fault that the emulator and the wiretap know.
func (c *canaries) meetFaults(t *testing.T) {
	t.Helper()
	for n, kind := range emulator.FaultKinds() {
		name := fmt.Sprintf("fault-%d", n)
		id := c.observeWithKey(t, name)
		c.inject(t, emulator.Fault{Kind: kind, InvokeID: id, RetryAfter: time.Second, Delay: 100 * time.Millisecond})
		c.healing = append(c.healing, name)
	}
	for n, code := range []string{"ServiceUnavailable", "Throttling.Api", "SignatureNonceUsed"} {
		name := fmt.Sprintf("code-%d", n)
		c.inject(t, emulator.Fault{Kind: emulator.FaultError, Code: code, InvokeID: c.observeWithKey(t, name), RetryAfter: time.Second})
		c.healing = append(c.healing, name)
	}
	for n, code := range []string{"SignatureDoesNotMatch", "InvalidAccessKeyId.NotFound", "InvalidSecurityToken.Expired", "Forbidden.RAM"} {
		name := fmt.Sprintf("refusal-%d", n)
		c.inject(t, emulator.Fault{Kind: emulator.FaultError, Code: code, InvokeID: c.observeWithKey(t, name)})
		c.denied = append(c.denied, name)
	}
	for _, gossip := range denials {
		name := fmt.Sprintf("denial-%d", c.accounts)
		c.tap.hostile[runOf(name)] = gossip
		c.observeWithKey(t, name)
		c.denied = append(c.denied, name)
	}
	for _, gossip := range breakdowns {
		name := fmt.Sprintf("breakdown-%d", c.accounts)
		c.tap.hostile[runOf(name)] = gossip
		c.observeWithKey(t, name)
		c.healing = append(c.healing, name)
	}
}

// meetIdentities makes results with every kind of identity, good and bad.
func (c *canaries) meetIdentities(t *testing.T) {
	t.Helper()
	c.observe(t, "own", "", "")
	c.observe(t, "assumed", "43", c.role("43", ""))
	c.key(t, "both")
	c.observe(t, "both", "44", c.role("44", ", secretRef: {name: both}"))

	c.tap.hostile["t-owndenied"] = refuse("Forbidden.RAM", repeated)
	c.observe(t, "own-denied", "", "")
	c.tap.hostile["t-roledenied"] = refuse("Forbidden.RAM", repeated)
	c.observe(t, "role-denied", "45", c.role("45", ""))
	c.tap.hostile["acs:ram::46:role/reader"] = refuse("NoPermission", repeated)
	c.observe(t, "role-refused", "46", c.role("46", ""))
	c.denied = append(c.denied, "own-denied", "role-denied", "role-refused")
	// Of a session that has run out there is soon another: it is no denial.
	c.tap.hostile["t-roleexpired"] = refuse("InvalidSecurityToken.Expired", repeated)
	c.observe(t, "role-expired", "47", c.role("47", ""))
	c.healing = append(c.healing, "role-expired")

	good := c.key(t, "good")
	for name, data := range map[string]map[string]string{
		"wrong-secret": {"accessKeyID": good.ID, "accessKeySecret": c.plant("a wrong secret"), "securityToken": good.SecurityToken, "accountID": good.AccountID},
		"wrong-token":  {"accessKeyID": good.ID, "accessKeySecret": good.Secret, "securityToken": c.plant("a wrong token")},
		"unknown-key":  {"accessKeyID": c.plant("an unknown key"), "accessKeySecret": c.plant("the secret of an unknown key")},
		"wrong-name":   {"accessKeyID": c.plant("a key ID alone"), "secretAccessKey": c.plant("a value of a wrong name")},
		"a-line-break": {"accessKeyID": good.ID, "accessKeySecret": c.plant("a secret with a line break") + "\n"},
		"a-space":      {"accessKeyID": " " + c.plant("a key ID with a space"), "accessKeySecret": good.Secret},
		"binary":       {"accessKeyID": good.ID, "accessKeySecret": good.Secret, "securityToken": "\x00\xff" + c.plant("a token with a zero byte")},
		"no-account":   {"accessKeyID": good.ID, "accessKeySecret": good.Secret, "accountID": c.plant("what is no account")},
	} {
		c.keepSecret(t, name, data)
		c.observe(t, name, good.AccountID, fmt.Sprintf("credentials: {secretRef: {name: %s}}", name))
		c.denied = append(c.denied, name)
	}
}

// runCommands runs commands that are told secrets and do not tell them, and one whose output goes into a Secret.
func (c *canaries) runCommands(t *testing.T) {
	t.Helper()
	vendor := c.ecs(t)
	created := ecs.CreateCreateCommandRequest()
	created.Name, created.Type, created.EnableParameter = "rotate", "RunShellScript", requests.NewBoolean(true)
	created.CommandContent = base64.StdEncoding.EncodeToString([]byte("# " + c.plant("content of a command") + "\n: '{{password}}'; exit 3"))
	command, err := vendor.CreateCommand(created)
	if err != nil {
		t.Fatal(err)
	}
	invoked := ecs.CreateInvokeCommandRequest()
	invoked.CommandId, invoked.InstanceId = command.CommandId, &[]string{instance(1)}
	invoked.Parameters = map[string]any{"password": c.plant("parameter of InvokeCommand")}
	invocation, err := vendor.InvokeCommand(invoked)
	if err != nil {
		t.Fatal(err)
	}
	run := c.runCommand(t, 1, "# "+c.plant("content of RunCommand")+"\n: '{{password}}'; exit 3", func(request *ecs.RunCommandRequest) {
		request.Parameters = map[string]any{"password": c.plant("parameter of RunCommand")}
	})
	c.apply(t, "invoked", fmt.Sprintf("{regionID: %s, invokeID: %s}", region, invocation.InvokeId))
	c.apply(t, "run", fmt.Sprintf("{regionID: %s, invokeID: %s, output: {policy: Secret}}", region, run))
	c.script(t, "t-printed", printed(1))
	for _, name := range []string{"printed", "foreign"} {
		c.apply(t, name, fmt.Sprintf("{regionID: %s, invokeID: t-printed, output: {policy: Secret}}", region))
	}
	uid := c.run(t, "get", "ir", "foreign", "-o", "jsonpath={.metadata.uid}")
	c.keepSecret(t, "foreign-output-"+uid[:8], map[string]string{"password": c.plant("a Secret of somebody else")})
}
