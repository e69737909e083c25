package pixel

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"glassine/transform/pixel/render"
)

func TestFramesRoundTrip(t *testing.T) {
	factor := 1.5
	q := request{render.Job{Source: "png", Format: "webp", Width: 8, Gamma: &factor, Exif: []byte{1, 2}, Watermarks: []render.Watermark{{Image: []byte("picture"), Scale: 0.5}}}}
	var b bytes.Buffer
	for _, body := range []string{"first", "", strings.Repeat("third", 1000)} {
		if err := writeFrame(&b, q, []byte(body), maxRequestHeader); err != nil {
			t.Fatal(err)
		}
	}
	var buffer []byte
	for _, want := range []string{"first", "", strings.Repeat("third", 1000)} {
		var got request
		body, err := readFrame(&b, &got, maxRequestHeader, buffer, maxRequestBody)
		if err != nil || string(body) != want || !reflect.DeepEqual(got, q) {
			t.Errorf("frame = %+v, %q, %v, want %+v, %q", got, body, err, q, want)
		}
		buffer = body
	}
	if _, err := readFrame(&b, &request{}, 10, nil, 10); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

func TestFramesThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		err   string
	}{
		"a header beyond the limit": {"\x00\x00\x00\x0b" + "\x00\x00\x00\x00\x00\x00\x00\x00", "a frame of 11 and 0 bytes"},
		"a body beyond the limit":   {"\x00\x00\x00\x02" + "\xff\xff\xff\xff\xff\xff\xff\xff{}", "a frame of 2 and 18446744073709551615"},
		"an end in the prefix":      {"\x00\x00", "unexpected EOF"},
		"an end before the header":  {"\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x01", "unexpected EOF"},
		"an end before the body":    {"\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x01{}", "unexpected EOF"},
		"a header that is no JSON":  {"\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x00{]", "header of a frame"},
	} {
		if _, err := readFrame(strings.NewReader(c.bytes), &response{}, 10, nil, 10); err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
	}
	if err := writeFrame(io.Discard, request{}, nil, 10); err == nil {
		t.Error("a header that is too long is written")
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	if err := writeFrame(&b, response{Result: &render.Result{Format: "png", Width: 1, Height: 2, Frames: 1}, ResidentMB: 3}, []byte("body"), maxResponseHeader); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 16
		var a response
		body, err := readFrame(bytes.NewReader(in), &a, limit, nil, limit)
		if len(body) > limit {
			t.Fatalf("a body of %d bytes", len(body))
		}
		if err != nil {
			return
		}
		// What was read is written and read the same.
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := writeFrame(&again, a, body, max(limit, len(text))); err != nil {
			t.Fatal(err)
		}
		var b response
		if got, err := readFrame(&again, &b, max(limit, len(text)), nil, limit); err != nil || !bytes.Equal(got, body) || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v, %q became %+v, %q, %v", a, body, b, got, err)
		}
		_ = a.check(&render.Job{Format: "png"})
	})
}
