// Package v1alpha1 is the API of the Cloud Assistant Operator: the resource InvocationResult, the result of a
// command that Alibaba Cloud's Cloud Assistant ran on ECS instances. It imports apimachinery only, so that
// other controllers can import it.
//
// +kubebuilder:object:generate=true
// +groupName=ecs.k8s.alibabacloud
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of the types in this package.
var GroupVersion = schema.GroupVersion{Group: "ecs.k8s.alibabacloud", Version: "v1alpha1"}

var schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme adds the types in this package to a scheme.
var AddToScheme = schemeBuilder.AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &InvocationResult{}, &InvocationResultList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
