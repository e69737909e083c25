package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// level is what is logged.
func (f *logFlags) level() slog.Level {
	if f.Verbose {
		return slog.LevelDebug
	}
	return map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}[f.LogLevel] // info is 0
}

// logger writes to w in the format of the settings; level may change meanwhile.
func (f *logFlags) logger(w *os.File, level *slog.LevelVar) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" || f.LogFormat == "auto" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// accessLog is where the edge's access log goes. It can be opened anew while lines are written. Safe for many goroutines.
type accessLog struct{ file atomic.Pointer[os.File] }

// newAccessLog is a log in a file.
func newAccessLog(name string) (*accessLog, error) {
	file, err := openAccessLog(name)
	if err != nil {
		return nil, err
	}
	a := &accessLog{}
	a.file.Store(file)
	return a, nil
}

// openAccessLog opens a file to add lines to; "-" is standard output.
func openAccessLog(name string) (*os.File, error) {
	if name == "-" {
		return os.Stdout, nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open access log: %w", err)
	}
	return file, nil
}

// use writes to file from now on, and closes the one before.
func (a *accessLog) use(file *os.File) error {
	if before := a.file.Swap(file); before != nil && before != os.Stdout && before != file {
		return before.Close()
	}
	return nil
}

// Write implements io.Writer: a whole line each time. A line is in one file, that from before or the new one.
func (a *accessLog) Write(line []byte) (int, error) {
	for {
		file := a.file.Load()
		n, err := file.Write(line)
		if errors.Is(err, os.ErrClosed) && n == 0 && a.file.Load() != file {
			continue
		}
		return n, err
	}
}
