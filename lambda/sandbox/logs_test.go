package sandbox

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

func frame(message string) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0xa55a0003|3<<2)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	b = binary.BigEndian.AppendUint64(b, 1_700_000_000_000_000)
	return append(b, message...)
}

// collect writes b in pieces of n bytes and returns the events.
func collect(write func([]byte, func(time.Time, []byte)), b []byte, n int) []string {
	var out []string
	for piece := range slices.Chunk(b, n) {
		write(piece, func(_ time.Time, line []byte) { out = append(out, string(line)) })
	}
	return out
}

func TestFramesAreEvents(t *testing.T) {
	b := slices.Concat(frame("one\nwith two lines\n"), frame(""), frame("two"))
	for _, n := range []int{1, 3, 17, 1000} {
		var f frames
		if got, want := collect(f.write, b, n), []string{"one\nwith two lines", "", "two"}; !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, want %q", n, got, want)
		}
	}
	var f frames
	got := collect(f.write, append(frame("one"), "no frame, but a line\nand another one\n"...), 1000)
	if want := []string{"one", "no frame, but a line", "and another one"}; !slices.Equal(got, want) {
		t.Errorf("frames, then lines: %q, want %q", got, want)
	}
}

func TestLinesAreEvents(t *testing.T) {
	for _, n := range []int{1, 4, 1000} {
		var l lines
		got := collect(l.write, []byte("one\ntwo\rof two\nthree\r\nrest"), n)
		l.flush(func(_ time.Time, line []byte) { got = append(got, string(line)) })
		if want := []string{"one", "two\nof two", "three", "rest"}; !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, want %q", n, got, want)
		}
	}
}

func TestLongLinesAreCut(t *testing.T) {
	var sizes []int
	l := newLogger(Config{Now: time.Now, Log: func(_ Version, _ string, _ time.Time, line []byte) { sizes = append(sizes, len(line)) }}, Version{Version: "1"})
	l.takeOutput(append(bytes.Repeat([]byte("x"), 600<<10), '\n'))
	l.takeFrames(frame(strings.Repeat("y", 300<<10)))
	if want := []int{256 << 10, 256 << 10, 88 << 10, 256 << 10, 44 << 10}; !slices.Equal(sizes, want) {
		t.Errorf("events = %d, want %d", sizes, want)
	}
}

func TestStreamName(t *testing.T) {
	l := newLogger(Config{Now: func() time.Time { return time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC) }}, Version{Version: "$LATEST"})
	if !strings.HasPrefix(l.stream, "2026/11/26/[$LATEST]") || len(l.stream) != len("2026/11/26/[$LATEST]")+32 {
		t.Errorf("stream = %s", l.stream)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(slices.Concat(frame("one"), frame("two")), 5)
	f.Add([]byte("no frame\n"), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		whole, pieces := frames{}, frames{}
		a := collect(whole.write, b, max(len(b), 1))
		c := collect(pieces.write, b, min(max(n, 1), 4096))
		if !slices.Equal(a, c) {
			t.Errorf("%x: %q whole, %q in pieces", b, a, c)
		}
	})
}
