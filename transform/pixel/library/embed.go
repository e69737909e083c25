//go:build linux && (amd64 || arm64) && !novips

package library

import "embed"

// lib holds the library that fetch.sh put there, if it did.
//
//go:embed lib
var lib embed.FS
