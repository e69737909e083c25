package storetest

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// StraceArgs are the arguments of strace(1) for a trace that ParseTrace and CheckFlushOrder understand, but for -o and
// the command: all threads, the file of every descriptor, and the calls that matter.
var StraceArgs = []string{
	"-f", "-y", "-s", "64", "-e", "signal=none", "-e", "trace=openat,read,recvfrom,write,writev,pwrite64,pwritev,sendto,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat",
}

// Event is one system call of a trace.
type Event struct {
	Call string // such as "fsync"
	Args string // as strace prints them; what a call read is among them
	// Path is the file of the call: of its descriptor, or the one that it names.
	Path string
	// Begin and End are the lines of the trace in which the call began and returned. A call that never returned ends
	// at a line after the last.
	Begin, End int
	Failed     bool // returned -1, or never returned
}

// ParseTrace reads what strace wrote with StraceArgs. Lines that are no system calls are passed over.
func ParseTrace(r io.Reader) ([]Event, error) {
	var events []Event
	open := make(map[string]int) // by pid and call, the index of an event whose end is still to come
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // the longest line; with -s 64 they have some hundreds of bytes
	n := 0
	for ; lines.Scan(); n++ {
		pid, text, ok := strings.Cut(lines.Text(), " ")
		text = strings.TrimSpace(text)
		if !ok {
			continue
		}
		if rest, ok := strings.CutPrefix(text, "<... "); ok {
			call, rest, _ := strings.Cut(rest, " ")
			if i, ok := open[pid+call]; ok {
				events[i].End = n
				more, failed := cutResult(strings.TrimPrefix(rest, "resumed>"))
				events[i].Args += more
				events[i].Failed = failed
				delete(open, pid+call)
			}
			continue
		}
		call, args, ok := strings.Cut(text, "(")
		if !ok || strings.ContainsAny(call, " +-") {
			continue
		}
		e := Event{Call: call, Begin: n, End: n}
		if before, ok := strings.CutSuffix(args, " <unfinished ...>"); ok {
			args = before
			open[pid+call] = len(events)
		} else {
			args, e.Failed = cutResult(args)
		}
		e.Args, e.Path = args, tracePath(call, args)
		events = append(events, e)
	}
	for _, i := range open {
		events[i].End, events[i].Failed = n, true
	}
	return events, lines.Err()
}

// cutResult cuts the result off a call's arguments: ") = 0" or ")       = -1 EIO (Input/output error)".
func cutResult(text string) (args string, failed bool) {
	i := strings.LastIndex(text, " = ")
	if i < 0 {
		return text, true
	}
	return strings.TrimSuffix(strings.TrimRight(text[:i], " "), ")"), strings.HasPrefix(text[i:], " = -1")
}

// tracePath returns the file of a call from its arguments.
func tracePath(call, args string) string {
	switch call {
	case "openat", "unlinkat", "unlink", "rename", "renameat", "renameat2": // the first string names it
		_, rest, _ := strings.Cut(args, `"`)
		path, _, _ := strings.Cut(rest, `"`)
		return path
	}
	_, rest, ok := strings.Cut(args, "<") // 7</the/path>, ...
	if !ok {
		return ""
	}
	path, _, _ := strings.Cut(rest, ">")
	return path
}

// CheckFlushOrder returns what is wrong with the order in which a store/disk store in dir flushed one Put, or nil. The
// Put lies between the end of the first event for which began is true and the beginning of the next one for which
// acknowledged is. dir must be free of symbolic links.
//
// The rules: the blob's bytes are flushed after the last of them was written; the blob's directory is flushed after the
// blob was made; the index is written only then, its root after its other pages are flushed; the root is flushed before
// the acknowledgement; and no blob goes before that. It proves the order of the calls, not that a disk obeys.
func CheckFlushOrder(events []Event, dir string, began, acknowledged func(Event) bool) error {
	begin, end := -1, -1
	for i, e := range events {
		if begin < 0 && began(e) {
			begin = i
		} else if begin >= 0 && e.Begin > events[begin].End && acknowledged(e) {
			end = i
			break
		}
	}
	if begin < 0 || end < 0 {
		return fmt.Errorf("the trace of %d calls has no put from its beginning to its acknowledgement", len(events))
	}
	w := window{from: events[begin].End, to: events[end].Begin}
	for _, e := range events {
		if e.Begin > w.from && e.End < w.to && !e.Failed {
			w.events = append(w.events, e)
		}
	}

	objects, index := filepath.Join(dir, "objects")+"/", filepath.Join(dir, "index.db")
	made := w.find(func(e Event) bool {
		return e.Call == "openat" && strings.HasPrefix(e.Path, objects) && strings.Contains(e.Args, "O_CREAT")
	})
	if len(made) != 1 {
		return fmt.Errorf("%d blobs were made, want 1", len(made))
	}
	blob := made[0].Path
	written := w.last(made[0].End, func(e Event) bool { return isWrite(e) && e.Path == blob })
	if written == 0 {
		return fmt.Errorf("blob %s was not written", blob)
	}
	blobFlushed := w.flush(blob, written)
	if blobFlushed == 0 {
		return fmt.Errorf("blob %s was not flushed between its last write and the acknowledgement", blob)
	}
	dirFlushed := w.flush(filepath.Dir(blob), made[0].End)
	if dirFlushed == 0 {
		return fmt.Errorf("directory %s was not flushed between the making of the blob and the acknowledgement", filepath.Dir(blob))
	}

	pages := w.find(func(e Event) bool { return isWrite(e) && e.Path == index })
	if len(pages) < 2 {
		return fmt.Errorf("the index got %d writes, want its pages and its root", len(pages))
	}
	if first := pages[0].Begin; first < blobFlushed || first < dirFlushed {
		return fmt.Errorf("the index was written at line %d, before the blob was flushed (%d) and its directory (%d)", first, blobFlushed, dirFlushed)
	}
	root := pages[len(pages)-1]
	if f := w.flush(index, pages[len(pages)-2].End); f == 0 || f > root.Begin {
		return fmt.Errorf("the index's pages were not flushed before its root was written at line %d", root.Begin)
	}
	published := w.flush(index, root.End)
	if published == 0 {
		return fmt.Errorf("the index's root was not flushed between its write and the acknowledgement")
	}
	gone := w.find(func(e Event) bool {
		return strings.HasPrefix(e.Call, "unlink") && strings.HasPrefix(e.Path, objects) && e.Begin < published
	})
	if len(gone) > 0 {
		return fmt.Errorf("blob %s was deleted at line %d, before the index was flushed (%d)", gone[0].Path, gone[0].Begin, published)
	}
	return nil
}

// window is a part of a trace: the calls that began after line from and returned before line to.
type window struct {
	events   []Event
	from, to int
}

func (w window) find(f func(Event) bool) []Event {
	var found []Event
	for _, e := range w.events {
		if f(e) {
			found = append(found, e)
		}
	}
	return found
}

// last returns the line at which the last call ended that began after the given line and for which f is true, else 0.
func (w window) last(after int, f func(Event) bool) (line int) {
	for _, e := range w.find(f) {
		if e.Begin > after {
			line = max(line, e.End)
		}
	}
	return line
}

// flush returns the line at which the first flush of path ended that began after the given line, else 0.
func (w window) flush(path string, after int) (line int) {
	for _, e := range w.events {
		if (e.Call == "fsync" || e.Call == "fdatasync") && e.Path == path && e.Begin > after && (line == 0 || e.End < line) {
			line = e.End
		}
	}
	return line
}

func isWrite(e Event) bool {
	return strings.HasPrefix(e.Call, "write") || strings.HasPrefix(e.Call, "pwrite")
}
