package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// screen is a terminal that a command has for itself.
type screen struct {
	in, out *os.File
	before  unix.Termios
}

// takeScreen has the terminal give keys one by one and shows an empty screen; release gives back what was there.
func takeScreen(in, out *os.File) (*screen, error) {
	before, err := unix.IoctlGetTermios(int(in.Fd()), getTermios)
	if err != nil {
		return nil, err
	}
	s := &screen{in: in, out: out, before: *before}
	own := *before
	own.Lflag &^= unix.ICANON | unix.ECHO // Ctrl-C is a signal still
	own.Cc[unix.VMIN], own.Cc[unix.VTIME] = 0, 1
	if err := unix.IoctlSetTermios(int(in.Fd()), setTermios, &own); err != nil {
		return nil, err
	}
	_, err = out.WriteString("\x1b[?1049h\x1b[?25l") // the other screen, no cursor (xterm control sequences)
	return s, err
}

func (s *screen) release() error {
	_, err := s.out.WriteString("\x1b[?25h\x1b[?1049l")
	return errors.Join(err, unix.IoctlSetTermios(int(s.in.Fd()), setTermios, &s.before))
}

// size is how many columns and lines there are; 80 by 24 where the terminal does not say.
func (s *screen) size() (width, height int) {
	w, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || w.Col == 0 || w.Row == 0 {
		return 80, 24
	}
	return int(w.Col), int(w.Row)
}

// keys sends what is typed until ctx ends, or the terminal is gone, when it closes the channel.
func (s *screen) keys(ctx context.Context, to chan<- byte) {
	defer close(to)
	fd, b := int(s.in.Fd()), make([]byte, 1)
	for ctx.Err() == nil {
		n, err := unix.Read(fd, b) // 0 after a tenth of a second
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return
		case n == 1:
			select {
			case to <- b[0]:
			case <-ctx.Done():
			}
		default: // a terminal that was hung up answers 0 at once
			hung := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(hung, 0); err == nil && hung[0].Revents&(unix.POLLHUP|unix.POLLNVAL|unix.POLLERR) != 0 {
				return
			}
		}
	}
}
