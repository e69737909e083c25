package packed

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// written is one of everything, as read reads it.
func written() []byte {
	b := binary.AppendVarint([]byte{7}, -5)
	b = binary.AppendUvarint(b, 1<<63)
	b = AppendText(b, "text")
	b = AppendTexts(b, []string{"", "two"})
	b = AppendTexts(b, nil)
	return append(b, "end"...)
}

type all struct {
	b           byte
	i           int64
	u           uint64
	text        string
	list, empty []string
	end         string
}

func read(r *Reader) all {
	return all{r.Byte(), r.Int(), r.Uint(), r.Text(), r.Texts(), r.Texts(), string(r.Bytes(3))}
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	r := Reader{Rest: written()}
	got := read(&r)
	if got.b != 7 || got.i != -5 || got.u != 1<<63 || got.text != "text" || !slices.Equal(got.list, []string{"", "two"}) || got.empty != nil || got.end != "end" || !r.Whole() {
		t.Errorf("read %+v, whole: %t", got, r.Whole())
	}
	r = Reader{Rest: append(written(), 0)}
	if read(&r); r.Whole() || r.Bad() {
		t.Errorf("with a byte more: whole %t, bad %t", r.Whole(), r.Bad())
	}
	for n := range len(written()) {
		r := Reader{Rest: written()[:n]}
		if got := read(&r); r.Whole() || !r.Bad() || got.end != "" {
			t.Errorf("the first %d bytes: %+v, whole %t, bad %t", n, got, r.Whole(), r.Bad())
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	long := strings.Repeat("\xff", 10) + "\x01" // more than 64 bits
	for name, f := range map[string]func() bool{
		"a number beyond 64 bits":         func() bool { r := Reader{Rest: []byte(long)}; return r.Int() == 0 && r.Bad() },
		"a count beyond 64 bits":          func() bool { r := Reader{Rest: []byte(long)}; return r.Uint() == 0 && r.Bad() },
		"a count of more than there is":   func() bool { r := Reader{Rest: []byte{3, 0, 0}}; return r.Count() == 0 && r.Bad() },
		"more bytes than there are":       func() bool { r := Reader{Rest: []byte{1, 2}}; return r.Bytes(3) == nil && r.Bad() },
		"anything after what was not":     func() bool { r := Reader{Rest: []byte{3, 0, 0}}; r.Count(); return r.Byte() == 0 && r.Text() == "" },
		"anything after what cannot be":   func() bool { r := Reader{Rest: []byte{1, 2}}; r.Fail(); return r.Int() == 0 && !r.Whole() },
		"to grow bytes into what follows": func() bool { r := Reader{Rest: []byte{1, 2}}; b := r.Bytes(1); return cap(b) == 1 },
	} {
		if !f() {
			t.Errorf("%s: it does not", name)
		}
	}
}

// FuzzReader: whatever the bytes, what is read whole is what is written of it, but for numbers in more bytes than they need.
func FuzzReader(f *testing.F) {
	f.Add(written())
	f.Add([]byte{0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := Reader{Rest: b}
		got := read(&r)
		if r.Bad() {
			return
		}
		again := binary.AppendUvarint(binary.AppendVarint([]byte{got.b}, got.i), got.u)
		again = append(AppendTexts(AppendTexts(AppendText(again, got.text), got.list), got.empty), got.end...)
		r2 := Reader{Rest: again}
		if twice := read(&r2); !r2.Whole() || len(again) > len(b)-len(r.Rest) || twice.text != got.text || !slices.Equal(twice.list, got.list) || twice.i != got.i || twice.u != got.u {
			t.Fatalf("%x: read %+v, written %x, read %+v", b, got, again, twice)
		}
	})
}
