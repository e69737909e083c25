// Package rest is in place of client-go's, for a Helm that speaks to no cluster.
package rest

// Config says nothing.
type Config struct{}
