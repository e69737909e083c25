// Package discovery is in place of client-go's, for a Helm that speaks to no cluster.
package discovery

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Client finds nothing.
type Client struct{}

// NewDiscoveryClientForConfig fails: there is no cluster.
func NewDiscoveryClientForConfig(*rest.Config) (*Client, error) {
	return nil, errors.New("this Helm speaks to no cluster")
}

// ServerResourcesForGroupVersion fails: there is no cluster.
func (*Client) ServerResourcesForGroupVersion(string) (*metav1.APIResourceList, error) {
	return nil, errors.New("this Helm speaks to no cluster")
}
