package initscript_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/initscript"
)

// journal is a log that several goroutines write.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// said are the lines of scripts, in their order.
func (j *journal) said(t *testing.T) (out []string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range bytes.Lines(j.b.Bytes()) {
		var r struct{ Msg, Line string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Msg == "init script says" {
			out = append(out, r.Line)
		}
	}
	return out
}

func open(t *testing.T, files map[string]string) (*initscript.Scripts, *journal, string) {
	t.Helper()
	dir, log := t.TempDir(), &journal{}
	for name, text := range files {
		name = filepath.Join(dir, name)
		mode := os.FileMode(0o755)
		if strings.Contains(name, "plain") {
			mode = 0o644
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	s, err := initscript.Open(dir, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, log, dir
}

func TestScriptsRunInOrderAndFailuresStopNothing(t *testing.T) {
	t.Parallel()
	s, log, _ := open(t, map[string]string{
		"ready.d/10-b.sh":        "#!/bin/sh\necho second; echo more >&2; exit 3\n",
		"ready.d/05-a.sh":        "#!/bin/sh\necho first $GIVEN\n",
		"ready.d/sub/00.sh":      "#!/bin/sh\nprintf last\n",
		"ready.d/20-plain.sh":    "#!/bin/sh\necho not executable\n",
		"ready.d/30-py.py":       "print('never')\n",
		"ready.d/.hidden/01.sh":  "#!/bin/sh\necho hidden\n",
		"ready.d/README":         "text",
		"shutdown.d/goodbye.sh":  "#!/bin/sh\necho goodbye\n",
		"unknown.d/something.sh": "#!/bin/sh\necho never\n",
	})
	states := func(stage initscript.Stage) (out []string) {
		for _, x := range s.Of(stage) {
			out = append(out, x.Name+" "+string(x.State))
		}
		return out
	}
	if got := states(initscript.Ready); !slices.Equal(got, []string{"05-a.sh UNKNOWN", "10-b.sh UNKNOWN", "20-plain.sh UNKNOWN", "30-py.py UNKNOWN", "00.sh UNKNOWN"}) {
		t.Errorf("before: %q", got)
	}
	if s.Completed(initscript.Ready) {
		t.Error("the stage is over before it began")
	}
	s.Run(t.Context(), initscript.Ready, append(os.Environ(), "GIVEN=here"))
	if got := states(initscript.Ready); !slices.Equal(got, []string{"05-a.sh SUCCESSFUL", "10-b.sh ERROR", "20-plain.sh ERROR", "30-py.py UNKNOWN", "00.sh SUCCESSFUL"}) {
		t.Errorf("after: %q", got)
	}
	if got := log.said(t); !slices.Equal(got, []string{"first here", "second", "more", "last"}) {
		t.Errorf("the log has %q", got)
	}
	if !s.Completed(initscript.Ready) || s.Completed(initscript.Shutdown) {
		t.Error("the stages that are over are wrong")
	}
	raw, err := json.Marshal(s.Of(initscript.Shutdown))
	if err != nil || string(raw) != `[{"stage":"SHUTDOWN","name":"goodbye.sh","state":"UNKNOWN"}]` {
		t.Errorf("as JSON: %s, %v", raw, err)
	}
}

func TestAScriptThatIsCutOffLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s, log, dir := open(t, map[string]string{
		// The group is told to leave; what does not listen is killed.
		"ready.d/a.sh": "#!/bin/sh\ntrap '' TERM\nsh -c \"trap '' TERM; echo begun; sleep 2; sleep 2; echo late >>$DIR/late\" &\nwait\nsleep 60\n",
		"ready.d/b.sh": "#!/bin/sh\necho never\n",
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, initscript.Ready, append(os.Environ(), "DIR="+dir))
	}()
	for deadline := time.Now().Add(20 * time.Second); len(log.said(t)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the script did not begin")
		}
	}
	if got := s.Of(initscript.Ready); got[0].State != initscript.Running || got[1].State != initscript.Unknown {
		t.Errorf("meanwhile: %v", got)
	}
	stop()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the stage did not end")
	}
	if got := s.Of(initscript.Ready); got[0].State != initscript.Failed || got[1].State != initscript.Unknown || s.Completed(initscript.Ready) {
		t.Errorf("after it was cut off: %v", got)
	}
	if got := log.said(t); !slices.Equal(got, []string{"begun"}) {
		t.Errorf("the log has %q", got)
	}
}

func TestNoFolderHasNoScripts(t *testing.T) {
	t.Parallel()
	s, err := initscript.Open(filepath.Join(t.TempDir(), "none"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*initscript.Scripts{s, nil} {
		s.Run(t.Context(), initscript.Boot, nil)
		if got := s.Of(initscript.Boot); got == nil || len(got) != 0 || !s.Completed(initscript.Boot) {
			t.Errorf("%v, completed %t", got, s.Completed(initscript.Boot))
		}
	}
}

func TestLongLinesAreCut(t *testing.T) {
	t.Parallel()
	s, log, _ := open(t, map[string]string{"boot.d/a.sh": "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x; echo; echo short\n"})
	s.Run(t.Context(), initscript.Boot, nil)
	got := log.said(t)
	if len(got) != 2 || len(got[0]) != 4<<10 || got[1] != "short" {
		t.Errorf("%d lines, the first of %d bytes, the last %q", len(got), len(got[0]), got[len(got)-1])
	}
}
