package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/cel-go/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// The judges of a status: kstatus by its own library, Argo CD and Flux by what docs/wait.md offers to paste. All
// answer in the words of kstatus.
type judges struct {
	argoCD string
	flux   map[kstatus.Status]cel.Program
}

var loadJudges = sync.OnceValues(func() (*judges, error) {
	argoCD, err := documented("wait.md", "argocd")
	if err != nil {
		return nil, err
	}
	health, _, err := unstructured.NestedString(argoCD, "data", "resource.customizations.health.ecs.k8s.alibabacloud_InvocationResult")
	if err != nil || health == "" {
		return nil, fmt.Errorf("docs/wait.md has no health check for Argo CD: %w", err)
	}
	kustomization, err := documented("wait.md", "flux")
	if err != nil {
		return nil, err
	}
	checks, _, err := unstructured.NestedSlice(kustomization, "spec", "healthCheckExprs")
	if err != nil || len(checks) != 1 {
		return nil, fmt.Errorf("docs/wait.md has %d health checks for Flux, want 1: %w", len(checks), err)
	}
	j := &judges{argoCD: health, flux: map[kstatus.Status]cel.Program{}}
	environment, err := cel.NewEnv(cel.Variable("metadata", cel.DynType), cel.Variable("spec", cel.DynType), cel.Variable("status", cel.DynType))
	if err != nil {
		return nil, err
	}
	for name, verdict := range map[string]kstatus.Status{
		"inProgress": kstatus.InProgressStatus, "failed": kstatus.FailedStatus, "current": kstatus.CurrentStatus,
	} {
		expression, _ := checks[0].(map[string]any)[name].(string)
		compiled, issues := environment.Compile(expression)
		if issues.Err() != nil {
			return nil, fmt.Errorf("the %s expression for Flux: %w", name, issues.Err())
		}
		if j.flux[verdict], err = environment.Program(compiled); err != nil {
			return nil, err
		}
	}
	return j, nil
})

// documented is the YAML of a document that follows the comment <!-- test: NAME -->.
func documented(document, name string) (map[string]any, error) {
	block, err := block(document, name, "yaml")
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	return object, yaml.UnmarshalStrict([]byte(block), &object)
}

// judge is what all judges say of a result; they have to agree. It may be called from any goroutine.
func judge(t *testing.T, result *v1alpha1.InvocationResult) kstatus.Status {
	t.Helper()
	verdicts, err := askAll(result)
	if err != nil {
		t.Errorf("judging %s: %v", result.Name, err)
		return ""
	}
	if verdicts[1] != verdicts[0] || verdicts[2] != verdicts[0] {
		t.Errorf("kstatus judges %s as %s, Argo CD as %s, Flux as %s: %+v", result.Name, verdicts[0], verdicts[1], verdicts[2], result.Status.Conditions)
	}
	return verdicts[0]
}

// askAll is what kstatus, Argo CD and Flux say.
func askAll(result *v1alpha1.InvocationResult) (verdicts [3]kstatus.Status, err error) {
	j, err := loadJudges()
	if err != nil {
		return verdicts, err
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(result)
	if err != nil {
		return verdicts, err
	}
	object["apiVersion"], object["kind"] = v1alpha1.GroupVersion.String(), "InvocationResult"
	computed, err := kstatus.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		return verdicts, err
	}
	verdicts[0] = computed.Status
	if verdicts[1], err = j.askArgoCD(object); err != nil {
		return verdicts, err
	}
	verdicts[2], err = j.askFlux(object)
	return verdicts, err
}

// askArgoCD runs the health check with no more of the standard library than Argo CD gives it.
func (j *judges) askArgoCD(object map[string]any) (kstatus.Status, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	state.Push(state.NewFunction(lua.OpenBase))
	state.Push(lua.LString(lua.BaseLibName))
	state.Call(1, 0)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(j.argoCD); err != nil {
		return "", err
	}
	health, ok := state.Get(-1).(*lua.LTable)
	if !ok || health.RawGetString("message").String() == "" {
		return "", fmt.Errorf("the health check for Argo CD returns %v, want a table with status and message", state.Get(-1))
	}
	verdicts := map[string]kstatus.Status{
		"Healthy": kstatus.CurrentStatus, "Progressing": kstatus.InProgressStatus,
		"Suspended": kstatus.InProgressStatus, "Degraded": kstatus.FailedStatus,
	}
	verdict, known := verdicts[health.RawGetString("status").String()]
	if !known {
		return "", fmt.Errorf("Argo CD knows no health %s", health.RawGetString("status"))
	}
	return verdict, nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for name, member := range value {
			table.RawSetString(name, toLua(state, member))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, element := range value {
			table.Append(toLua(state, element))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	}
	return lua.LNil
}

// askFlux evaluates in the order of Flux; where nothing holds, it waits.
func (j *judges) askFlux(object map[string]any) (kstatus.Status, error) {
	for _, verdict := range []kstatus.Status{kstatus.InProgressStatus, kstatus.FailedStatus, kstatus.CurrentStatus} {
		holds, _, err := j.flux[verdict].Eval(map[string]any{"metadata": object["metadata"], "spec": object["spec"], "status": object["status"]})
		if err != nil {
			return "", fmt.Errorf("the expression for %s: %w", strings.ToLower(string(verdict)), err)
		}
		if holds.Value() == true {
			return verdict, nil
		}
	}
	return kstatus.InProgressStatus, nil
}
