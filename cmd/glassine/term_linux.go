package main

import "golang.org/x/sys/unix"

// How the modes of a terminal are read and set. ioctl_tty(2).
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
