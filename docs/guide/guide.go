// Package guide holds the guide to glassine as files, so that the program shows it without a network. It is text and no more: who
// shows it makes pages of it.
package guide

import "embed"

// Files are the guide's pages, in Markdown.
//
//go:embed *.md
var Files embed.FS
