package storetest

import (
	"errors"
	"io"
	"strings"
	"testing"

	"glassine/store"
)

func testCopyPart(t *testing.T, s store.Store) {
	plain := random(100_000, 41)
	put(t, s, "b", "plain", plain)
	joined := five + random(90_000, 42)
	multipart(t, s, "joined", five, random(90_000, 42))
	empty := put(t, s, "b", "empty", "")
	tests := []struct {
		name, key string
		r         *store.Range
		want      string
	}{
		{"all of a plain object", "plain", nil, plain},
		{"a range of a plain object", "plain", &store.Range{Start: 70_000, End: 70_000}, plain[70_000:70_001]},
		{"all of a multipart object", "joined", nil, joined},
		{"a range over two parts", "joined", &store.Range{Start: 100, End: store.MinPartSize + 50}, joined[100 : store.MinPartSize+51]},
		{"a range of the second part", "joined", &store.Range{Start: -1, End: 80_000}, joined[len(joined)-80_000:]},
		{"nothing", "empty", nil, ""},
	}
	for i, tt := range tests {
		up := createUpload(t, s, "b", "copy", store.UploadOptions{ChecksumAlgorithm: store.SHA256})
		p, err := s.CopyPart(t.Context(), store.Source{Bucket: "b", Key: tt.key}, tt.r, up, i+1, store.PartOptions{})
		if err != nil || p.Number != i+1 || p.Size != int64(len(tt.want)) || p.ETag != etag(tt.want) || p.Checksum != checksum(store.SHA256, tt.want) {
			t.Errorf("%s: CopyPart = %+v, %v", tt.name, p, err)
			continue
		}
		if _, err := s.CompleteUpload(t.Context(), up, []store.Part{p}, store.CompleteOptions{}); err != nil {
			t.Errorf("%s: CompleteUpload: %v", tt.name, err)
		}
		if got := read(t, s, "b", "copy"); got != tt.want {
			t.Errorf("%s: the copy reads %d bytes, want %d", tt.name, len(got), len(tt.want))
		}
	}
	// The parts live on without what they were copied from.
	up := createUpload(t, s, "b", "copy", store.UploadOptions{})
	var parts []store.Part
	for n, r := range []*store.Range{{Start: 0, End: store.MinPartSize}, {Start: 10, End: store.MinPartSize + 9}, {Start: 5, End: 9}} {
		p, err := s.CopyPart(t.Context(), store.Source{Bucket: "b", Key: "joined"}, r, up, n+1, store.PartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	for _, key := range []string{"plain", "joined"} {
		if err := s.Delete(t.Context(), "b", key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.CompleteUpload(t.Context(), up, parts, store.CompleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, s, "b", "copy"), joined[:store.MinPartSize+1]+joined[10:store.MinPartSize+10]+joined[5:10]; got != want {
		t.Errorf("after the source was deleted the copy reads %d bytes, want %d", len(got), len(want))
	}

	up = createUpload(t, s, "b", "copy", store.UploadOptions{})
	for name, tt := range map[string]struct {
		src  store.Source
		r    *store.Range
		up   store.UploadID
		n    int
		want error
	}{
		"an absent object":       {store.Source{Bucket: "b", Key: "joined"}, nil, up, 1, store.ErrNotFound},
		"a range outside":        {store.Source{Bucket: "b", Key: "copy"}, &store.Range{Start: 1 << 40, End: -1}, up, 1, store.ErrRange},
		"another ETag":           {store.Source{Bucket: "b", Key: "empty", ETag: etag("x")}, nil, up, 1, store.ErrPrecondition},
		"no upload":              {store.Source{Bucket: "b", Key: "empty", ETag: empty.ETag}, nil, store.UploadID{Bucket: "b", Key: "copy", ID: "x"}, 1, store.ErrNoUpload},
		"a number out of bounds": {store.Source{Bucket: "b", Key: "empty"}, nil, up, 0, store.ErrPartNumber},
	} {
		if _, err := s.CopyPart(t.Context(), tt.src, tt.r, tt.up, tt.n, store.PartOptions{}); !errors.Is(err, tt.want) {
			t.Errorf("CopyPart of %s: %v, want %v", name, err, tt.want)
		}
	}
}

func testMultipartRanges(t *testing.T, s store.Store) {
	bodies := []string{five, random(store.MinPartSize+70_001, 51), random(66_000, 52)}
	whole := strings.Join(bodies, "")
	multipart(t, s, "k", bodies...)
	n := int64(len(whole))
	for _, r := range []*store.Range{
		nil,
		{Start: store.MinPartSize - 1, End: store.MinPartSize},
		{Start: store.MinPartSize, End: 2*store.MinPartSize + 70_000},
		{Start: 65_535, End: store.MinPartSize + 65_537},
		{Start: -1, End: 66_001},
		{Start: n - 1, End: -1},
	} {
		o, err := s.Get(t.Context(), "b", "k", store.GetOptions{Range: r})
		if err != nil {
			t.Fatal(err)
		}
		want := whole[o.Offset : o.Offset+o.Length]
		checkReader(t, o, want)
		o.Body.Close()
	}
	copied, err := s.Copy(t.Context(), store.Source{Bucket: "b", Key: "k"}, "c", "copy", store.PutOptions{})
	if err != nil || copied.Size != n || !isRelayed(s) && (copied.PartCount != 3 || copied.ETag != multipartETag(bodies...)) {
		t.Errorf("a copy of a multipart object = %+v, %v", copied, err)
	}
	if err := s.Delete(t.Context(), "b", "k"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "c", "copy"); got != whole {
		t.Errorf("the copy reads %d bytes", len(got))
	}
	if isRelayed(s) {
		return // whether a copy has parts is its service's matter
	}
	if head, err := s.Head(t.Context(), "c", "copy"); err != nil || len(head.Parts) != 3 || head.Parts[1].Size != int64(len(bodies[1])) {
		t.Errorf("the copy's parts are %+v, %v", head.Parts, err)
	}
}

// checkReader reads o in several ways.
func checkReader(t *testing.T, o *store.Object, want string) {
	t.Helper()
	if at, ok := o.Body.(io.ReaderAt); ok {
		if got, err := io.ReadAll(io.NewSectionReader(at, 0, o.Length+9)); err != nil || string(got) != want {
			t.Errorf("from %d: ReadAt gave %d bytes, %v; want %d", o.Offset, len(got), err, len(want))
		}
		for _, off := range []int{0, len(want) / 3, max(0, len(want)-5)} {
			b := make([]byte, min(100_000, len(want)-off))
			if n, err := at.ReadAt(b, int64(off)); n != len(b) || err != nil && err != io.EOF || string(b) != want[off:off+n] {
				t.Errorf("from %d: ReadAt(%d) = %d, %v; want %d bytes", o.Offset, off, n, err, len(b))
			}
		}
	}
	head := make([]byte, min(7, len(want)))
	_, err := io.ReadFull(o.Body, head)
	rest := new(strings.Builder)
	n, err2 := io.Copy(rest, o.Body)
	if got := string(head) + rest.String(); errors.Join(err, err2) != nil || got != want || n != int64(rest.Len()) {
		t.Errorf("from %d: Read gave %d bytes, %v, %v; want %d", o.Offset, len(got), err, err2, len(want))
	}
}

func testMultipartOpenReader(t *testing.T, s store.Store) {
	bodies := []string{five, random(store.MinPartSize, 61), "end"}
	multipart(t, s, "k", bodies...)
	var open []*store.Object
	for range 2 {
		o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, o)
		if len(open) == 1 {
			put(t, s, "b", "other", "x")
		}
	}
	head := make([]byte, 100)
	if _, err := io.ReadFull(open[1].Body, head); err != nil {
		t.Fatal(err)
	}
	put(t, s, "b", "k", "replaced")
	for i, o := range open {
		rest, err := io.ReadAll(o.Body)
		got := string(rest)
		if i == 1 {
			got = string(head) + got
		}
		if err != nil || got != strings.Join(bodies, "") {
			t.Errorf("reader %d of the replaced object got %d bytes, %v", i, len(got), err)
		}
		o.Body.Close()
	}
	if got := read(t, s, "b", "k"); got != "replaced" {
		t.Errorf("the key holds %d bytes", len(got))
	}
}
