//go:build !linux

package main

import "golang.org/x/sys/unix"

// How the modes of a terminal are read and set. tty(4) of the BSDs.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)
