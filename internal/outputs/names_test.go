package outputs

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// A Secret can be made for every result that can be, wherever its name is cut.
func TestEveryNameIsValid(t *testing.T) {
	endings := rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,3}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,3}[a-z0-9])?){0,20}`)
	names := rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat("a", rapid.IntRange(0, 70).Draw(t, "before")) + endings.Draw(t, "ending")
	}).Filter(func(name string) bool { return validation.NameIsDNSSubdomain(name, false) == nil })
	rapid.Check(t, func(t *rapid.T) {
		name := names.Draw(t, "name")
		owner := &v1alpha1.InvocationResult{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("12345678-aaaa")}}
		for n := range 3 {
			if bad := validation.NameIsDNSSubdomain(nameOf(owner, n), false); bad != nil {
				t.Fatalf("%s: %v", nameOf(owner, n), bad)
			}
		}
	})
}
