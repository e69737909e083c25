// Package scheme knows the groups that the chart has objects of. It is in place of client-go's, which knows them all.
package scheme

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

var builder = runtime.NewSchemeBuilder(appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme)

// AddToScheme adds the groups to a scheme.
var AddToScheme = builder.AddToScheme

// Scheme has the groups.
var Scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		panic(err) // a broken program
	}
	return s
}()
