//go:build linux && !novips

package library

import "embed"

// lib holds the library that fetch.sh put there, if it did.
//
//go:embed lib/amd64
var lib embed.FS
