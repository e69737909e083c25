//go:build !linux || !(amd64 || arm64) || novips

package library

import "embed"

// lib is empty in a program that embeds nothing.
var lib embed.FS
