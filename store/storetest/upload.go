package storetest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

// five is a body of the least size that a part may have.
var five = random(store.MinPartSize, 30)

func testUpload(t *testing.T, s store.Store) {
	tests := []struct {
		name   string
		opt    store.UploadOptions
		bodies []string
		want   func(whole string, parts []store.Part) store.Checksum
	}{
		{"one small part", store.UploadOptions{}, []string{"x"}, func(whole string, _ []store.Part) store.Checksum {
			return checksum(store.CRC64NVME, whole)
		}},
		{"an empty part", store.UploadOptions{}, []string{""}, func(whole string, _ []store.Part) store.Checksum {
			return checksum(store.CRC64NVME, whole)
		}},
		{"three parts with everything", store.UploadOptions{
			Headers: store.Headers{ContentType: "image/jpeg"}, Metadata: map[string]string{"a": "b"}, Tags: map[string]string{"t": "1"},
			ChecksumAlgorithm: store.CRC32, ChecksumType: store.FullObject, Initiator: "arn:x",
		}, []string{five, five[:store.MinPartSize-1] + "yz", "end"}, func(whole string, _ []store.Part) store.Checksum {
			return checksum(store.CRC32, whole)
		}},
		{"the CRC64NVME of two", store.UploadOptions{ChecksumAlgorithm: store.CRC64NVME}, []string{five, random(70_000, 3)}, func(whole string, _ []store.Part) store.Checksum {
			return checksum(store.CRC64NVME, whole)
		}},
		{"the CRC32C of two", store.UploadOptions{ChecksumAlgorithm: store.CRC32C, ChecksumType: store.FullObject}, []string{five, "z"}, func(whole string, _ []store.Part) store.Checksum {
			return checksum(store.CRC32C, whole)
		}},
		{"a composite SHA-256", store.UploadOptions{ChecksumAlgorithm: store.SHA256}, []string{five, "z"}, composite(store.SHA256)},
		{"a composite CRC32", store.UploadOptions{ChecksumAlgorithm: store.CRC32}, []string{five, "z"}, composite(store.CRC32)},
	}
	for _, tt := range tests {
		up := createUpload(t, s, "b", "k", tt.opt)
		absent(t, s, "b", "k")
		var parts []store.Part
		for i, body := range tt.bodies {
			parts = append(parts, putPart(t, s, up, 3*i+1, body))
		}
		absent(t, s, "b", "k")
		info, err := s.CompleteUpload(t.Context(), up, parts, store.CompleteOptions{})
		whole := strings.Join(tt.bodies, "")
		want := store.Info{
			Key: "k", Size: int64(len(whole)), ETag: multipartETag(tt.bodies...), Modified: info.Modified, VersionID: store.NullVersion,
			Headers: tt.opt.Headers, Metadata: tt.opt.Metadata, Tags: tt.opt.Tags, Encrypted: info.Encrypted,
			Checksum: tt.want(whole, parts), PartCount: len(parts),
		}
		if diff := cmp.Diff(want, info); err != nil || diff != "" {
			t.Errorf("%s: CompleteUpload: %v (-want +got):\n%s", tt.name, err, diff)
		}
		page, err := s.List(t.Context(), "b", store.ListOptions{})
		if err != nil || len(page.Objects) != 1 {
			t.Fatalf("%s: List = %+v, %v; want one object", tt.name, page, err)
		}
		shown := inListing(s, want)
		if diff := cmp.Diff(shown, promised(s, shown, page.Objects[0])); diff != "" {
			t.Errorf("%s: List (-want +got):\n%s", tt.name, diff)
		}
		want.Parts = parts
		head, err := s.Head(t.Context(), "b", "k")
		if diff := cmp.Diff(want, promised(s, want, head)); err != nil || diff != "" {
			t.Errorf("%s: Head: %v (-want +got):\n%s", tt.name, err, diff)
		}
		if got := read(t, s, "b", "k"); got != whole {
			t.Errorf("%s: the object reads %d bytes, want %d", tt.name, len(got), len(whole))
		}
		if uploads, err := s.ListUploads(t.Context(), "b", store.EntryOptions{}); err != nil || len(uploads.Entries) != 0 {
			t.Errorf("%s: after completion ListUploads = %+v, %v", tt.name, uploads, err)
		}
		// A completion whose answer was lost is sent again.
		again, err := s.CompleteUpload(t.Context(), up, parts, store.CompleteOptions{})
		if diff := cmp.Diff(info, promised(s, info, again)); err != nil || diff != "" {
			t.Errorf("%s: CompleteUpload again: %v (-first +second):\n%s", tt.name, err, diff)
		}
		if err := s.Delete(t.Context(), "b", "k"); err != nil {
			t.Fatal(err)
		}
	}
}

// composite returns what the composite checksum of parts must be.
func composite(algorithm string) func(string, []store.Part) store.Checksum {
	return func(_ string, parts []store.Part) store.Checksum {
		var sums strings.Builder
		for _, p := range parts {
			sums.WriteString(fromBase64(p.Checksum.Value))
		}
		c := checksum(algorithm, sums.String())
		c.Type, c.Value = store.Composite, c.Value+"-2"
		return c
	}
}

func testParts(t *testing.T, s store.Store) {
	opt := store.UploadOptions{Metadata: map[string]string{"a": "b"}, Initiator: "someone", ChecksumAlgorithm: store.SHA1}
	up := createUpload(t, s, "b", "k", opt)
	want := make(map[int]store.Part)
	for _, n := range []int{10_000, 7, 1, 20, 7, 3} {
		want[n] = putPart(t, s, up, n, random(n, uint64(n)))
		if c := checksum(store.SHA1, random(n, uint64(n))); want[n].Checksum != c {
			t.Errorf("part %d has checksum %+v, want %+v", n, want[n].Checksum, c)
		}
	}
	want[7] = putPart(t, s, up, 7, "another")
	for _, tt := range []struct {
		name        string
		after, most int
		numbers     []int
		next        int
	}{
		{"all", 0, 0, []int{1, 3, 7, 20, 10_000}, 0},
		{"a page", 0, 2, []int{1, 3}, 3},
		{"the next", 3, 2, []int{7, 20}, 20},
		{"the last", 20, 2, []int{10_000}, 0},
		{"just what is left", 3, 3, []int{7, 20, 10_000}, 0},
		{"nothing", 10_000, 2, nil, 0},
	} {
		page, err := s.ListParts(t.Context(), up, tt.after, tt.most)
		var parts []store.Part
		for _, n := range tt.numbers {
			parts = append(parts, want[n])
		}
		if diff := cmp.Diff(parts, promisedParts(s, parts, page.Parts)); err != nil || diff != "" || page.Next != tt.next {
			t.Errorf("%s: ListParts: %v, next %d (-want +got):\n%s", tt.name, err, page.Next, diff)
		}
		opt.Encrypt = page.Upload.Options.Encrypt // a store may encrypt on its own account
		if page.Upload.ID != up.ID || page.Upload.Key != "k" || !cmp.Equal(page.Upload.Options, of(s, opt)) {
			t.Errorf("%s: ListParts says the upload is %+v", tt.name, page.Upload)
		}
	}
	// What is not named is left out.
	info, err := s.CompleteUpload(t.Context(), up, []store.Part{want[20]}, store.CompleteOptions{})
	if err != nil || info.Size != 20 || info.PartCount != 1 || read(t, s, "b", "k") != random(20, 20) {
		t.Errorf("CompleteUpload of one part = %+v, %v", info, err)
	}
	if head, err := s.Head(t.Context(), "b", "k"); err != nil || !cmp.Equal(promisedParts(s, []store.Part{want[20]}, head.Parts), []store.Part{want[20]}) {
		t.Errorf("Head says the parts are %+v, %v", head.Parts, err)
	}
}

func testUploadErrors(t *testing.T, s store.Store) {
	up := createUpload(t, s, "b", "k", store.UploadOptions{ChecksumAlgorithm: store.CRC32})
	small, large := putPart(t, s, up, 1, "small"), putPart(t, s, up, 2, five)
	end := putPart(t, s, up, 3, "end")
	other := func(p store.Part, change func(*store.Part)) store.Part { change(&p); return p }
	for _, tt := range []struct {
		name  string
		parts []store.Part
		want  error
	}{
		{"no part", nil, store.ErrInvalidPart},
		{"a part that is not there", []store.Part{{Number: 4, ETag: end.ETag}}, store.ErrInvalidPart},
		{"a part with another ETag", []store.Part{other(end, func(p *store.Part) { p.ETag = small.ETag })}, store.ErrInvalidPart},
		{"a part with no ETag", []store.Part{other(end, func(p *store.Part) { p.ETag = "" })}, store.ErrInvalidPart},
		{"a part with another checksum", []store.Part{other(end, func(p *store.Part) { p.Checksum.Value = small.Checksum.Value })}, store.ErrInvalidPart},
		{"parts that descend", []store.Part{end, large}, store.ErrPartOrder},
		{"a part twice", []store.Part{large, large}, store.ErrPartOrder},
		{"a small part before the last", []store.Part{small, large}, store.ErrPartTooSmall},
	} {
		if _, err := s.CompleteUpload(t.Context(), up, tt.parts, store.CompleteOptions{}); !errors.Is(err, tt.want) {
			t.Errorf("completion with %s: %v, want %v", tt.name, err, tt.want)
		}
		absent(t, s, "b", "k")
	}
	for _, number := range []int{-1, 0, 10_001, 65_536 + 1} {
		if _, err := s.PutPart(t.Context(), up, number, strings.NewReader(""), store.PartOptions{}); !errors.Is(err, store.ErrPartNumber) {
			t.Errorf("PutPart %d: %v, want ErrPartNumber", number, err)
		}
	}
	for name, no := range map[string]store.UploadID{
		"another id":     {Bucket: "b", Key: "k", ID: otherID(up.ID)},
		"no id":          {Bucket: "b", Key: "k"},
		"nonsense":       {Bucket: "b", Key: "k", ID: "../x"},
		"another key":    {Bucket: "b", Key: "kk", ID: up.ID},
		"another bucket": {Bucket: "bb", Key: "k", ID: up.ID},
	} {
		if no == up {
			continue
		}
		refuseUpload(t, s, name, no)
	}
	broken := errors.New("broken")
	if _, err := s.PutPart(t.Context(), up, 3, io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), store.PartOptions{}); !errors.Is(err, broken) {
		t.Errorf("PutPart of a body that fails: %v", err)
	}
	refuse := store.PartOptions{Accept: func(p store.Part) error {
		if p.ETag != etag("x") || p.Size != 1 || p.Number != 3 || p.Checksum != checksum(store.CRC32, "x") {
			t.Errorf("Accept saw %+v", p)
		}
		return broken
	}}
	if _, err := s.PutPart(t.Context(), up, 3, strings.NewReader("x"), refuse); !errors.Is(err, broken) {
		t.Errorf("PutPart that is refused: %v", err)
	}
	if page, err := s.ListParts(t.Context(), up, 0, 0); err != nil || !cmp.Equal(promisedParts(s, []store.Part{small, large, end}, page.Parts), []store.Part{small, large, end}) {
		t.Errorf("after refusals the parts are %+v, %v", page.Parts, err)
	}
	for _, opt := range []store.UploadOptions{
		{ChecksumAlgorithm: "x"},
		{ChecksumType: "x"},
		{ChecksumAlgorithm: store.SHA256, ChecksumType: store.FullObject},
		{ChecksumAlgorithm: store.CRC64NVME, ChecksumType: store.Composite},
		{ChecksumType: store.Composite},
	} {
		if _, err := s.CreateUpload(t.Context(), "b", "k", opt); !errors.Is(err, store.ErrChecksum) {
			t.Errorf("CreateUpload(%+v): %v, want ErrChecksum", opt, err)
		}
	}
	if _, err := s.CreateUpload(t.Context(), "b", "", store.UploadOptions{}); !errors.Is(err, store.ErrName) {
		t.Errorf("CreateUpload of no key: %v, want ErrName", err)
	}
}

// refuseUpload tests that no method knows the upload.
func refuseUpload(t *testing.T, s store.Store, name string, up store.UploadID) {
	t.Helper()
	if _, err := s.PutPart(t.Context(), up, 1, strings.NewReader(""), store.PartOptions{}); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("%s: PutPart: %v, want ErrNoUpload", name, err)
	}
	if _, err := s.ListParts(t.Context(), up, 0, 0); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("%s: ListParts: %v, want ErrNoUpload", name, err)
	}
	if _, err := s.CompleteUpload(t.Context(), up, []store.Part{{Number: 1}}, store.CompleteOptions{}); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("%s: CompleteUpload: %v, want ErrNoUpload", name, err)
	}
	if err := s.AbortUpload(t.Context(), up); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("%s: AbortUpload: %v, want ErrNoUpload", name, err)
	}
}

func testAbort(t *testing.T, s store.Store) {
	up, stays := createUpload(t, s, "b", "k", store.UploadOptions{}), createUpload(t, s, "b", "k", store.UploadOptions{})
	part := putPart(t, s, stays, 1, "stays")
	putPart(t, s, up, 1, "goes")
	late := io.MultiReader(strings.NewReader("late"), readerFunc(func([]byte) (int, error) {
		if err := s.AbortUpload(t.Context(), up); err != nil {
			t.Errorf("AbortUpload: %v", err)
		}
		return 0, io.EOF
	}))
	if _, err := s.PutPart(t.Context(), up, 2, late, store.PartOptions{}); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("PutPart of an upload that was dropped meanwhile: %v, want ErrNoUpload", err)
	}
	refuseUpload(t, s, "dropped", up)
	uploads, err := s.ListUploads(t.Context(), "b", store.EntryOptions{})
	if err != nil || len(uploads.Entries) != 1 || uploads.Entries[0].ID != stays.ID {
		t.Errorf("ListUploads = %+v, %v; want the one that was not dropped", uploads, err)
	}
	if _, err := s.CompleteUpload(t.Context(), stays, []store.Part{part}, store.CompleteOptions{}); err != nil {
		t.Errorf("CompleteUpload beside it: %v", err)
	}
}

func testComplete(t *testing.T, s store.Store) {
	refusal := errors.New("refused")
	putVersion(t, s, "k", "before", store.Versioned)
	up := createUpload(t, s, "b", "k", store.UploadOptions{})
	parts := []store.Part{putPart(t, s, up, 1, "body")}
	for name, tt := range map[string]struct {
		opt  store.CompleteOptions
		want error
	}{
		"if there is none":    {store.CompleteOptions{IfNoneMatch: "*"}, store.ErrPrecondition},
		"if it is another":    {store.CompleteOptions{IfMatch: etag("x")}, store.ErrPrecondition},
		"if it is accepted":   {store.CompleteOptions{Accept: func(store.Info) error { return refusal }}, refusal},
		"an ETag in capitals": {store.CompleteOptions{IfMatch: strings.ToUpper(etag("before"))}, store.ErrPrecondition},
	} {
		if _, err := s.CompleteUpload(t.Context(), up, parts, tt.opt); !errors.Is(err, tt.want) {
			t.Errorf("completion %s: %v, want %v", name, err, tt.want)
		}
	}
	var seen store.Info
	opt := store.CompleteOptions{Version: store.Versioned, IfMatch: etag("before"), Accept: func(i store.Info) error { seen = i; return nil }}
	info, err := s.CompleteUpload(t.Context(), up, parts, opt)
	if err != nil || info.VersionID == store.NullVersion || seen.Size != 4 || seen.ETag != info.ETag {
		t.Errorf("completion as a version = %+v, %v; Accept saw %+v", info, err, seen)
	}
	if got := versions(t, s, "k"); len(got) != 2 || got[0] != info.VersionID+" *" {
		t.Errorf("versions after completion: %q", got)
	}
	putVersion(t, s, "k", "after", store.Versioned)
	if _, err := s.CompleteUpload(t.Context(), up, parts, opt); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("completion again under a newer version: %v, want ErrNoUpload", err)
	}
}
