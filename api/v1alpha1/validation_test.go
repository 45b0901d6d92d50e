package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/testenv"
)

var controlPlane *testenv.ControlPlane

func TestMain(m *testing.M) {
	testenv.RunSuite(m, &controlPlane)
}

func manifest(name, spec string) string {
	return fmt.Sprintf("apiVersion: ecs.k8s.alibabacloud/v1alpha1\nkind: InvocationResult\nmetadata: {name: %s}\nspec: %s\n", name, spec)
}

// tags writes n distinct tags in YAML flow style.
func tags(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("{key: k%d}", i)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func TestBadSpecsAreRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	const oneOf = "set exactly one of invokeID (the ID of the run, t-…) and match (what the run was tagged with)"
	const region = "must be a region ID such as cn-hangzhou"
	for name, test := range map[string]struct{ spec, want string }{
		"no region":                       {`{invokeID: t-1}`, "spec.regionID: Required value"},
		"empty region":                    {`{regionID: "", invokeID: t-1}`, region},
		"region that is a host":           {`{regionID: evil.com/, invokeID: t-1}`, region},
		"region with a port":              {`{regionID: "cn-hangzhou:80", invokeID: t-1}`, region},
		"region without a hyphen":         {`{regionID: cn, invokeID: t-1}`, region},
		"region with a newline":           {`{regionID: "cn-hangzhou\nx", invokeID: t-1}`, region},
		"region of upper case":            {`{regionID: CN-HANGZHOU, invokeID: t-1}`, region},
		"region too long":                 {`{regionID: cn-` + strings.Repeat("a", 62) + `, invokeID: t-1}`, "spec.regionID: Too long: may not be more than 64"},
		"neither invokeID nor match":      {`{regionID: cn-hangzhou}`, oneOf},
		"both invokeID and match":         {`{regionID: cn-hangzhou, invokeID: t-1, match: {commandID: c-1}}`, oneOf},
		"empty match":                     {`{regionID: cn-hangzhou, match: {}}`, "set at least one of tags, commandID and resourceGroupID: an empty match would fit every run"},
		"empty list of tags":              {`{regionID: cn-hangzhou, match: {tags: []}}`, "spec.match.tags in body should have at least 1 items"},
		"ID of a file":                    {`{regionID: cn-hangzhou, invokeID: f-1}`, "must be the ID of a run as RunCommand or InvokeCommand returned it, such as t-hz0jdfwd9f"},
		"ID of a command":                 {`{regionID: cn-hangzhou, invokeID: c-1}`, "such as t-hz0jdfwd9f (c-… is a command"},
		"21 tags":                         {`{regionID: cn-hangzhou, match: {tags: ` + tags(21) + `}}`, "spec.match.tags: Too many: 21: must have at most 20 items"},
		"duplicate tag keys":              {`{regionID: cn-hangzhou, match: {tags: [{key: a, value: x}, {key: a, value: y}]}}`, `spec.match.tags[1]: Duplicate value: {"key":"a"}`},
		"tag key acs:":                    {`{regionID: cn-hangzhou, match: {tags: [{key: "acs:x"}]}}`, "must not start with aliyun or acs: (reserved by Alibaba Cloud): use a key of your own"},
		"tag key ACS:":                    {`{regionID: cn-hangzhou, match: {tags: [{key: "aCS:x"}]}}`, "must not start with aliyun or acs:"},
		"tag key Aliyun":                  {`{regionID: cn-hangzhou, match: {tags: [{key: AliyunX}]}}`, "must not start with aliyun or acs:"},
		"tag key with a URL":              {`{regionID: cn-hangzhou, match: {tags: [{key: "x-HTTPS://y"}]}}`, "must not contain http:// or https://: use a key without a URL"},
		"tag value with a URL":            {`{regionID: cn-hangzhou, match: {tags: [{key: a, value: "http://y"}]}}`, "must not contain http:// or https://: use a value without a URL"},
		"empty tag key":                   {`{regionID: cn-hangzhou, match: {tags: [{key: ""}]}}`, "spec.match.tags[0].key in body should be at least 1 chars long"},
		"tag without a key":               {`{regionID: cn-hangzhou, match: {tags: [{value: x}]}}`, "spec.match.tags[0].key: Required value"},
		"tag key too long":                {`{regionID: cn-hangzhou, match: {tags: [{key: ` + strings.Repeat("k", 65) + `}]}}`, "spec.match.tags[0].key: Too long: may not be more than 64"},
		"tag value too long":              {`{regionID: cn-hangzhou, match: {tags: [{key: k, value: ` + strings.Repeat("v", 129) + `}]}}`, "spec.match.tags[0].value: Too long: may not be more than 128"},
		"bad resource group":              {`{regionID: cn-hangzhou, match: {resourceGroupID: default}}`, "must be the ID of a resource group, such as rg-bp67acfmxazb4p"},
		"bad command":                     {`{regionID: cn-hangzhou, match: {commandID: "c 1"}}`, "must be the ID of a command, such as c-hz0jdfwcsr"},
		"bad instance":                    {`{regionID: cn-hangzhou, invokeID: t-1, instanceID: "i-1,i-2"}`, "must be the ID of one instance, such as i-bp1i7gg30r52z2em"},
		"minimum above maximum":           {`{regionID: cn-hangzhou, invokeID: t-1, polling: {minIntervalSeconds: 60, maxIntervalSeconds: 2}}`, "minIntervalSeconds must not be greater than maxIntervalSeconds: raise maxIntervalSeconds or lower minIntervalSeconds"},
		"interval of zero":                {`{regionID: cn-hangzhou, invokeID: t-1, polling: {minIntervalSeconds: 0}}`, "minIntervalSeconds in body should be greater than or equal to 1"},
		"negative interval":               {`{regionID: cn-hangzhou, invokeID: t-1, polling: {maxIntervalSeconds: -5}}`, "maxIntervalSeconds in body should be greater than or equal to 1"},
		"interval that is a string":       {`{regionID: cn-hangzhou, invokeID: t-1, polling: {maxIntervalSeconds: 5m}}`, `must be of type integer: "string"`},
		"timeout beyond retention":        {`{regionID: cn-hangzhou, invokeID: t-1, polling: {timeoutSeconds: 2592001}}`, "timeoutSeconds in body should be less than or equal to 2592000"},
		"negative history limit":          {`{regionID: cn-hangzhou, invokeID: t-1, historyLimit: -1}`, "historyLimit in body should be greater than or equal to 0"},
		"unknown output policy":           {`{regionID: cn-hangzhou, invokeID: t-1, output: {policy: All}}`, `supported values: "None", "Tail", "Secret"`},
		"more output than there is":       {`{regionID: cn-hangzhou, invokeID: t-1, output: {maxBytes: 24577}}`, "maxBytes in body should be less than or equal to 24576"},
		"unknown charset":                 {`{regionID: cn-hangzhou, invokeID: t-1, output: {charset: klingon}}`, `supported values: "UTF-8", "GBK"`},
		"empty credentials":               {`{regionID: cn-hangzhou, invokeID: t-1, credentials: {}}`, "set secretRef (a Secret with accessKeyID and accessKeySecret), roleARN (a RAM role to assume), or both"},
		"secret of another namespace":     {`{regionID: cn-hangzhou, invokeID: t-1, credentials: {secretRef: {name: other/ecs}}}`, "must be the name of a Secret in the same namespace"},
		"role that is no ARN":             {`{regionID: cn-hangzhou, invokeID: t-1, credentials: {roleARN: reader}}`, "must be the ARN of a RAM role, such as acs:ram::1234567890123456:role/reader"},
		"negative time to live":           {`{regionID: cn-hangzhou, invokeID: t-1, ttlSecondsAfterFinished: -1}`, "ttlSecondsAfterFinished in body should be greater than or equal to 0"},
		"no spec":                         {`null`, "spec: Required value"},
		"a field that does not exist":     {`{regionID: cn-hangzhou, invokeId: t-1}`, `unknown field "spec.invokeId"`},
		"several things wrong, all named": {`{regionID: x, historyLimit: -1}`, oneOf},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := kubectl.Apply(t.Context(), manifest("bad", test.spec))
			if result.ExitCode == 0 {
				t.Fatalf("kubectl apply admitted %s: %s", test.spec, result.Stdout)
			}
			if !strings.Contains(result.Stderr, test.want) {
				t.Errorf("kubectl apply of %s said:\n%s\nwant it to contain:\n%s", test.spec, result.Stderr, test.want)
			}
		})
	}
}

// full is a spec with every field set, by invokeID or by match.
const full = `{regionID: ap-southeast-1, %s, instanceID: i-bp1i7gg30r52z2em, includeHistory: true,
  polling: {minIntervalSeconds: 2, maxIntervalSeconds: 60, timeoutSeconds: 86400}, historyLimit: 10,
  output: {policy: Tail, maxBytes: 1024, charset: GBK}, suspend: false, ttlSecondsAfterFinished: 604800,
  credentials: {secretRef: {name: ecs-reader}, roleARN: "acs:ram::1234567890123456:role/reader"}}`

const (
	byID    = "invokeID: t-hz0jdfwd9f"
	byMatch = "match: {tags: [{key: deploy, value: 9f3c2e1}, {key: empty}], commandID: c-hz0jdfwcsr, resourceGroupID: rg-bp67acfmxazb4p}"
)

func TestGoodSpecsAreAdmitted(t *testing.T) {
	t.Parallel()
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	for name, spec := range map[string]string{
		"least":            `{regionID: cn-hangzhou, invokeID: t-hz0jdfwd9f}`,
		"full-by-id":       fmt.Sprintf(full, byID),
		"full-by-match":    fmt.Sprintf(full, byMatch),
		"twenty-tags":      `{regionID: cn-hangzhou, match: {tags: ` + tags(20) + `}}`,
		"equal-intervals":  `{regionID: cn-hangzhou, invokeID: t-1, polling: {minIntervalSeconds: 5, maxIntervalSeconds: 5}}`,
		"special-region":   `{regionID: cn-shanghai-finance-1, invokeID: t-1}`,
		"managed-instance": `{regionID: us-west-1, invokeID: t-1, instanceID: mi-hz01nmcf8v3w6ww}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if result := kubectl.Apply(t.Context(), manifest(name, spec)); result.ExitCode != 0 {
				t.Errorf("kubectl apply of %s: exit %d: %s", spec, result.ExitCode, result.Stderr)
			}
		})
	}
}

func TestTheQuestionCannotBeChanged(t *testing.T) {
	t.Parallel()
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	for name, spec := range map[string]string{"by-id": fmt.Sprintf(full, byID), "by-match": fmt.Sprintf(full, byMatch)} {
		if result := kubectl.Apply(t.Context(), manifest(name, spec)); result.ExitCode != 0 {
			t.Fatalf("kubectl apply of %s: %s", spec, result.Stderr)
		}
	}
	const want = "regionID, invokeID, match, instanceID and includeHistory cannot be changed: create an InvocationResult with another name for another question"
	for name, test := range map[string]struct{ object, patch string }{
		"region":                 {"by-id", `{"spec":{"regionID":"cn-beijing"}}`},
		"invoke ID":              {"by-id", `{"spec":{"invokeID":"t-2"}}`},
		"invoke ID to match":     {"by-id", `{"spec":{"invokeID":null,"match":{"commandID":"c-1"}}}`},
		"match to invoke ID":     {"by-match", `{"spec":{"match":null,"invokeID":"t-2"}}`},
		"tag value":              {"by-match", `{"spec":{"match":{"tags":[{"key":"deploy","value":"x"},{"key":"empty"}]}}}`},
		"tag removed":            {"by-match", `{"spec":{"match":{"tags":[{"key":"deploy","value":"9f3c2e1"}]}}}`},
		"command":                {"by-match", `{"spec":{"match":{"commandID":"c-2"}}}`},
		"resource group removed": {"by-match", `{"spec":{"match":{"resourceGroupID":null}}}`},
		"instance":               {"by-id", `{"spec":{"instanceID":"i-2"}}`},
		"instance removed":       {"by-id", `{"spec":{"instanceID":null}}`},
		"history":                {"by-id", `{"spec":{"includeHistory":false}}`},
		"history removed":        {"by-id", `{"spec":{"includeHistory":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := kubectl.Run(t.Context(), "patch", "ir", test.object, "--type=merge", "--patch", test.patch)
			if result.ExitCode == 0 {
				t.Fatalf("kubectl patch with %s was admitted", test.patch)
			}
			if !strings.Contains(result.Stderr, want) {
				t.Errorf("kubectl patch with %s said:\n%s\nwant it to contain:\n%s", test.patch, result.Stderr, want)
			}
		})
	}
}

func TestTheRestCanBeChanged(t *testing.T) {
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	if result := kubectl.Apply(t.Context(), manifest("result", fmt.Sprintf(full, byID))); result.ExitCode != 0 {
		t.Fatal(result.Stderr)
	}
	for name, patch := range map[string]string{
		"polling":         `{"spec":{"polling":{"minIntervalSeconds":5,"timeoutSeconds":null}}}`,
		"polling removed": `{"spec":{"polling":null}}`,
		"history limit":   `{"spec":{"historyLimit":0}}`,
		"output":          `{"spec":{"output":{"policy":"None","charset":"UTF-8"}}}`,
		"credentials":     `{"spec":{"credentials":{"secretRef":{"name":"another"},"roleARN":null}}}`,
		"suspend":         `{"spec":{"suspend":true}}`,
		"time to live":    `{"spec":{"ttlSecondsAfterFinished":0}}`,
		"labels":          `{"metadata":{"labels":{"team":"web"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			result := kubectl.Run(t.Context(), "patch", "ir", "result", "--type=merge", "--patch", patch)
			if result.ExitCode != 0 {
				t.Errorf("kubectl patch with %s: %s", patch, result.Stderr)
			}
		})
	}
	t.Run("an empty value of a tag is the same as none", func(t *testing.T) {
		for _, tag := range []string{`{key: a, value: ""}`, `{key: a}`} {
			if result := kubectl.Apply(t.Context(), manifest("empty-value", `{regionID: cn-hangzhou, match: {tags: [`+tag+`]}}`)); result.ExitCode != 0 {
				t.Error(result.Stderr)
			}
		}
	})
	t.Run("history said to be false is the same as unsaid", func(t *testing.T) {
		if result := kubectl.Apply(t.Context(), manifest("unsaid", `{regionID: cn-hangzhou, invokeID: t-1}`)); result.ExitCode != 0 {
			t.Fatal(result.Stderr)
		}
		if result := kubectl.Apply(t.Context(), manifest("unsaid", `{regionID: cn-hangzhou, invokeID: t-1, includeHistory: false}`)); result.ExitCode != 0 {
			t.Error(result.Stderr)
		}
	})
}

func TestANewResultIsNotReadAsCurrent(t *testing.T) {
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	if result := kubectl.Apply(t.Context(), manifest("new", `{regionID: cn-hangzhou, invokeID: t-1}`)); result.ExitCode != 0 {
		t.Fatal(result.Stderr)
	}
	result := kubectl.Run(t.Context(), "get", "ir", "new", "-o", "jsonpath={.status.observedGeneration}")
	if result.Stdout != "-1" {
		t.Errorf("status.observedGeneration of a new result is %q, want -1 (%s)", result.Stdout, result.Stderr)
	}
}

func TestExplainAndListReadWell(t *testing.T) {
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	for name, id := range map[string]string{"one": "t-1", "two": "t-2"} {
		if result := kubectl.Apply(t.Context(), manifest(name, `{regionID: cn-hangzhou, invokeID: `+id+`}`)); result.ExitCode != 0 {
			t.Fatal(result.Stderr)
		}
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"explain":        {[]string{"explain", "invocationresult.spec"}, "regionID is the region that the command was run in, such as cn-hangzhou."},
		"explain status": {[]string{"explain", "ir.status.exitCode"}, "0 if all instances succeeded"},
		"field selector": {[]string{"get", "invocationresults", "--field-selector", "spec.invokeID=t-2", "-o", "name"}, "invocationresult.ecs.k8s.alibabacloud/two\n"},
		"by region":      {[]string{"get", "ir", "--field-selector", "spec.regionID=cn-beijing", "-o", "name"}, ""},
		"category":       {[]string{"get", "cloudassistant", "-o", "name"}, "invocationresult.ecs.k8s.alibabacloud/one\ninvocationresult.ecs.k8s.alibabacloud/two\n"},
	} {
		t.Run(name, func(t *testing.T) {
			result := kubectl.Run(t.Context(), test.args...)
			if result.ExitCode != 0 {
				t.Fatal(result.Stderr)
			}
			if test.args[0] == "explain" {
				if text := strings.Join(strings.Fields(result.Stdout), " "); !strings.Contains(text, test.want) {
					t.Errorf("kubectl %v printed:\n%s\nwant it to contain %q", test.args, result.Stdout, test.want)
				}
			} else if result.Stdout != test.want {
				t.Errorf("kubectl %v printed %q, want %q", test.args, result.Stdout, test.want)
			}
		})
	}
}

func TestSamplesAreAdmitted(t *testing.T) {
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	result := kubectl.Run(t.Context(), "apply", "--kustomize", testenv.Root()+"/config/samples")
	if result.ExitCode != 0 || strings.Count(result.Stdout, "created") != 4 {
		t.Errorf("kubectl apply of the samples: exit %d: %s%s", result.ExitCode, result.Stdout, result.Stderr)
	}
}

// A list where a date-time belongs is admitted by the API server's own type check.
func TestTimesThatCannotBeDecodedAreRefused(t *testing.T) {
	kubectl := controlPlane.AdminKubectl(t, controlPlane.NewNamespace(t))
	if result := kubectl.Apply(t.Context(), manifest("times", `{regionID: cn-hangzhou, invokeID: t-1}`)); result.ExitCode != 0 {
		t.Fatal(result.Stderr)
	}
	const want = "must be a time"
	for status, want := range map[string]string{
		`{"completionTime":[{}]}`:                              want,
		`{"observedSince":[]}`:                                 want,
		`{"startTime":["2026-01-02T03:04:05Z"]}`:               want,
		`{"startTime":"2026-01-02T03:04:05+0000"}`:             "should match",
		`{"startTime":"2026-02-30T00:00:00Z"}`:                 "date-time",
		`{"instances":[{"instanceID":"i-1","stopTime":[{}]}]}`: want,
		`{"conditions":[{"type":"Ready","status":"False","reason":"X","message":"","lastTransitionTime":[{}]}]}`: want,
	} {
		result := kubectl.Run(t.Context(), "patch", "ir", "times", "--subresource=status", "--type=merge", "--patch", `{"status":`+status+`}`)
		if result.ExitCode == 0 || !strings.Contains(result.Stderr, want) {
			t.Errorf("the status %s: exit %d: %s\nwant a refusal that contains %q", status, result.ExitCode, result.Stderr, want)
		}
	}
}
