package app_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator/ram"
)

func TestCredentialsOfASecret(t *testing.T) {
	w := newRunningWorld(t)
	w.cloud.AddAccessKey(emulator.AccessKey{ID: "tenant", Secret: "tenant-secret", AccountID: "42"})
	row := running(1)
	succeed(&row)
	if err := w.cloud.PutInvocation(emulator.Scripted{ID: "t-tenant", AccountID: "42", RegionID: region, CreatedAt: longAgo, Rows: []emulator.Row{row}}); err != nil {
		t.Fatal(err)
	}
	w.apply(t, "tenant", fmt.Sprintf("{regionID: %s, invokeID: t-tenant, credentials: {secretRef: {name: ecs-reader}}}", region))

	denial := func(what, message string) {
		t.Helper()
		w.until(t, "tenant", "AccessDenied because of "+what, func(result *v1alpha1.InvocationResult) bool {
			stalled := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionStalled)
			return stalled != nil && stalled.Reason == v1alpha1.ReasonAccessDenied && strings.Contains(stalled.Message, message)
		})
	}
	retry := func(value string) {
		t.Helper()
		w.run(t, "annotate", "--overwrite", "ir/tenant", v1alpha1.AnnotationReconcileRequestedAt+"="+value)
	}
	denial("a missing Secret", "Secret "+w.namespace+"/ecs-reader does not exist")
	w.run(t, "create", "secret", "generic", "ecs-reader", "--from-literal=accessKeyID=tenant")
	retry("1")
	denial("a missing key", "accessKeySecret")
	w.run(t, "patch", "secret", "ecs-reader", "--type=merge", "--patch", `{"stringData":{"accessKeySecret":"wrong-canary"}}`)
	retry("2")
	denial("a wrong secret", "SignatureDoesNotMatch")
	w.run(t, "patch", "secret", "ecs-reader", "--type=merge", "--patch", `{"stringData":{"accessKeySecret":"tenant-secret"}}`)
	retry("3")
	w.untilReason(t, "tenant", v1alpha1.ReasonSucceeded)
	everything := w.run(t, "get", "ir,events", "-o", "yaml")
	for _, secret := range []string{"wrong-canary", "tenant-secret"} {
		if strings.Contains(everything, secret) {
			t.Errorf("%s appears in the status or the events", secret)
		}
	}
}

func TestWhoMayUseTheOperatorsOwnCredentials(t *testing.T) {
	w := newWorld(t)
	w.options.DefaultCredentialsNamespaces = []string{"ops"}
	w.start(t)
	w.apply(t, "outsider", fmt.Sprintf("{regionID: %s, invokeID: t-1}", region))
	result := w.untilReason(t, "outsider", v1alpha1.ReasonAccessDenied)
	message := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, "namespace "+w.namespace) || !strings.Contains(message, "spec.credentials.secretRef") {
		t.Errorf("the denial says %q, want the namespace and what to set", message)
	}
	if n := w.calls("t-1"); n != 0 {
		t.Errorf("it cost %d calls", n)
	}
}

// readmePolicy is the RAM policy that the README asks for.
func readmePolicy(t *testing.T) ram.Policy {
	t.Helper()
	document, err := block("../README.md", "policy", "json")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := ram.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// scriptFor puts a run that succeeded into an account.
func (w *world) scriptFor(t *testing.T, accountID, id string) {
	t.Helper()
	row := running(1)
	succeed(&row)
	err := w.cloud.PutInvocation(emulator.Scripted{
		ID: id, AccountID: accountID, RegionID: region, CreatedAt: longAgo, Rows: []emulator.Row{row},
		Tags: []emulator.Tag{{Key: "deploy", Value: id}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// secret makes a Secret with the credentials of an access key.
func (w *world) secret(t *testing.T, key emulator.AccessKey) {
	t.Helper()
	w.cloud.AddAccessKey(key)
	w.run(t, "create", "secret", "generic", key.ID, "--from-literal=accessKeyID="+key.ID, "--from-literal=accessKeySecret="+key.Secret)
}

// The policy of the README is enough for a RAM user, also to find a run by its tags.
func TestThePolicyOfTheREADMEIsEnough(t *testing.T) {
	w := newRunningWorld(t)
	w.secret(t, emulator.AccessKey{ID: "reader", Secret: "s", AccountID: "42", UserName: "reader", Policies: []ram.Policy{readmePolicy(t)}})
	w.scriptFor(t, "42", "t-read")
	w.apply(t, "byid", fmt.Sprintf("{regionID: %s, invokeID: t-read, credentials: {secretRef: {name: reader}}}", region))
	w.apply(t, "bytag", fmt.Sprintf("{regionID: %s, match: {tags: [{key: deploy, value: t-read}]}, credentials: {secretRef: {name: reader}}}", region))
	w.untilReason(t, "byid", v1alpha1.ReasonSucceeded)
	w.untilReason(t, "bytag", v1alpha1.ReasonSucceeded)
}

// What one identity may read is never shown to another, though both ask the same of the same account.
func TestAnswersAreNotSharedAcrossIdentities(t *testing.T) {
	w := newRunningWorld(t)
	w.secret(t, emulator.AccessKey{ID: "reader", Secret: "s", AccountID: "42", UserName: "reader", Policies: []ram.Policy{readmePolicy(t)}})
	w.secret(t, emulator.AccessKey{ID: "stranger", Secret: "s", AccountID: "42", UserName: "stranger", Policies: []ram.Policy{}})
	w.scriptFor(t, "42", "t-shared")
	for _, who := range []string{"reader", "stranger"} {
		w.apply(t, who, fmt.Sprintf("{regionID: %s, invokeID: t-shared, credentials: {secretRef: {name: %s}}}", region, who))
	}
	w.untilReason(t, "reader", v1alpha1.ReasonSucceeded)
	denied := w.untilReason(t, "stranger", v1alpha1.ReasonAccessDenied)
	stalled := meta.FindStatusCondition(denied.Status.Conditions, v1alpha1.ConditionStalled)
	if !strings.Contains(stalled.Message, "ecs:DescribeInvocationResults") {
		t.Errorf("the denial says %q, want the permission that is missing", stalled.Message)
	}
	// Asked again, when the answer to the other is long known.
	w.run(t, "annotate", "ir/stranger", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	w.until(t, "stranger", "asked again", func(result *v1alpha1.InvocationResult) bool { return result.Status.LastHandledReconcileAt == "now" })
	for _, version := range w.recorder.since("stranger", "") {
		if len(version.Status.Instances) > 0 || version.Status.Summary != nil {
			t.Errorf("the stranger was shown %+v", version.Status)
		}
	}
	// It heals when the permission is granted.
	w.cloud.AddAccessKey(emulator.AccessKey{ID: "stranger", Secret: "s", AccountID: "42", UserName: "stranger", Policies: []ram.Policy{readmePolicy(t)}})
	w.run(t, "annotate", "--overwrite", "ir/stranger", v1alpha1.AnnotationReconcileRequestedAt+"=again")
	w.untilReason(t, "stranger", v1alpha1.ReasonSucceeded)
}

// A role of another account is assumed by STS, if it trusts the operator, and heals once it does.
func TestARoleIsAssumed(t *testing.T) {
	w := newRunningWorld(t)
	trust := func(accountID string) *ram.TrustPolicy {
		t.Helper()
		policy, err := ram.ParseTrust([]byte(`{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": "acs:ram::` + accountID + `:root"}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return &policy
	}
	role := emulator.Role{Name: "reader", AccountID: "43", Policies: []ram.Policy{readmePolicy(t)}, Trust: trust("999")}
	if err := w.cloud.AddRole(role); err != nil {
		t.Fatal(err)
	}
	w.scriptFor(t, "43", "t-role")
	w.apply(t, "role", fmt.Sprintf("{regionID: %s, invokeID: t-role, credentials: {roleARN: 'acs:ram::43:role/reader'}}", region))
	denied := w.untilReason(t, "role", v1alpha1.ReasonAccessDenied)
	if message := meta.FindStatusCondition(denied.Status.Conditions, v1alpha1.ConditionStalled).Message; !strings.Contains(message, "Let the role trust the credentials") {
		t.Errorf("the denial says %q, want that the role cannot be assumed", message)
	}
	role.Trust = trust(emulator.DefaultAccountID)
	if err := w.cloud.AddRole(role); err != nil {
		t.Fatal(err)
	}
	w.run(t, "annotate", "ir/role", v1alpha1.AnnotationReconcileRequestedAt+"=now")
	w.untilReason(t, "role", v1alpha1.ReasonSucceeded)
}
