// Package kubernetes is in place of client-go's, which Helm imports for its version alone.
package kubernetes
