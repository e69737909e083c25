package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"glassine/store"
)

func (r *rig) read(t testing.TB, target Target, key, version string) string {
	t.Helper()
	o, err := r.GetObject(context.Background(), r.root, target, key, store.GetOptions{VersionID: version})
	if err != nil {
		t.Fatalf("GetObject %s %s: %v", key, version, err)
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func sum(algorithm, body string) string {
	h, err := store.NewHash(algorithm)
	if err != nil {
		panic(err)
	}
	h.Write([]byte(body))
	return store.SumOf(algorithm, h).Value
}

func said(value string) func() string { return func() string { return value } }

func TestUploadBecomesAnObject(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	big := strings.Repeat("0123456789abcdef", store.MinPartSize/16)
	_, up, err := r.CreateMultipartUpload(ctx, r.root, bucket, "big", store.UploadOptions{
		Headers: store.Headers{ContentType: "text/plain"}, Metadata: map[string]string{"album": "summer"}, Tags: map[string]string{"a": "b"}, ChecksumAlgorithm: store.CRC32,
	})
	if err != nil {
		t.Fatal(err)
	}
	var parts []store.Part
	for i, body := range []string{big, "the end"} {
		p, _, err := r.UploadPart(ctx, r.root, bucket, "big", up.ID, i+1, strings.NewReader(body), Digest{Algorithm: store.CRC32, Value: said(sum(store.CRC32, body))})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	_, page, err := r.ListParts(ctx, r.root, bucket, "big", up.ID, 1, 5)
	if err != nil || len(page.Parts) != 1 || page.Parts[0].Number != 2 {
		t.Errorf("parts after 1 = %+v, %v", page.Parts, err)
	}
	bare := []store.Part{{Number: 1, ETag: parts[0].ETag}, {Number: 2, ETag: parts[1].ETag}}
	_, _, err = r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: bare, Size: -1})
	wantCode(t, "complete a composite upload without checksums", err, "InvalidRequest")
	other := []store.Part{parts[0], parts[1]}
	other[1].Checksum = store.Checksum{Algorithm: store.SHA1, Value: sum(store.SHA1, "the end")}
	_, _, err = r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: other, Size: -1})
	wantCode(t, "complete with another algorithm", err, "BadDigest")
	_, _, err = r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: parts, Size: 3})
	wantCode(t, "complete with another size", err, "InvalidRequest")
	_, _, err = r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: parts, Size: -1, ChecksumType: store.FullObject})
	wantCode(t, "complete with another checksum type", err, "InvalidRequest")
	_, _, err = r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: parts, Size: -1, Digest: Digest{Algorithm: store.CRC32, Value: said("AAAAAA==")}})
	wantCode(t, "complete with another checksum", err, "BadDigest")
	_, info, err := r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: parts, Size: int64(len(big) + 7), IfNoneMatch: "*"})
	if err != nil {
		t.Fatal(err)
	}
	if info.Checksum.Type != store.Composite || !strings.HasSuffix(info.ETag, "-2") || info.VersionID != "" {
		t.Errorf("object = %+v", info)
	}
	_, again, err := r.CompleteMultipartUpload(ctx, r.root, bucket, "big", up.ID, Complete{Parts: parts, Size: -1})
	if err != nil || again.ETag != info.ETag {
		t.Errorf("completed again = %+v, %v", again, err)
	}
	got, err := r.HeadObject(ctx, r.root, bucket, "big", "")
	if err != nil || got.Headers.ContentType != "text/plain" || got.Metadata["album"] != "summer" || got.Tags["a"] != "b" || got.PartCount != 2 {
		t.Errorf("HeadObject = %+v, %v", got, err)
	}
	if body := r.read(t, bucket, "big", ""); body != big+"the end" {
		t.Errorf("body of %d bytes, want %d", len(body), len(big)+7)
	}
	o, err := r.GetObjectPart(ctx, r.root, bucket, "big", "", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if b, _ := io.ReadAll(o.Body); string(b) != "the end" || o.Offset != int64(len(big)) {
		t.Errorf("part 2 = %q at %d", b, o.Offset)
	}
	_, err = r.GetObjectPart(ctx, r.root, bucket, "big", "", 3)
	wantCode(t, "part 3 of 2", err, "InvalidPartNumber")
	_, err = r.GetObjectPart(ctx, r.root, bucket, "a.jpg", "", 2)
	wantCode(t, "part 2 of a plain object", err, "InvalidPartNumber")
}

func TestRefusalsOfUploads(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	id, part := r.begin(t)
	upload := func(number int, d Digest) error {
		_, _, err := r.UploadPart(ctx, r.root, bucket, "a.jpg", id, number, strings.NewReader("part"), d)
		return err
	}
	complete := func(parts ...store.Part) error {
		_, _, err := r.CompleteMultipartUpload(ctx, r.root, bucket, "a.jpg", id, Complete{Parts: parts, Size: -1})
		return err
	}
	good := md5.Sum([]byte("part"))
	wantCode(t, "a part's own MD5", upload(2, Digest{MD5: hex.EncodeToString(good[:])}), "")
	wantCode(t, "another MD5", upload(2, Digest{MD5: strings.Repeat("0", 32)}), "BadDigest")
	wantCode(t, "a checksum of another algorithm than the upload's own, right", upload(2, Digest{Algorithm: store.SHA256, Value: said(sum(store.SHA256, "part"))}), "")
	wantCode(t, "a checksum of another algorithm than the upload's own, wrong", upload(2, Digest{Algorithm: store.SHA256, Value: said(sum(store.SHA256, "trap"))}), "BadDigest")
	wantCode(t, "a checksum behind the body that is none", upload(2, Digest{Algorithm: store.CRC32, Value: said("?")}), "InvalidRequest")
	wantCode(t, "part 0", upload(0, Digest{}), "InvalidArgument")
	wantCode(t, "part 10001", upload(10001, Digest{}), "InvalidArgument")
	wantCode(t, "no part at all", complete(), "InvalidPart")
	wantCode(t, "a part that is not there", complete(store.Part{Number: 9, ETag: part.ETag}), "InvalidPart")
	wantCode(t, "a part with another ETag", complete(store.Part{Number: 1, ETag: strings.Repeat("0", 32)}), "InvalidPart")
	wantCode(t, "parts in disorder", complete(store.Part{Number: 2, ETag: part.ETag}, store.Part{Number: 1, ETag: part.ETag}), "InvalidPartOrder")
	wantCode(t, "a small part before another", complete(store.Part{Number: 1, ETag: part.ETag}, store.Part{Number: 2, ETag: part.ETag}), "EntityTooSmall")
	_, _, err := r.UploadPart(ctx, r.root, bucket, "other", id, 1, strings.NewReader("x"), Digest{})
	wantCode(t, "a part under another key", err, "NoSuchUpload")
	wantCode(t, "abort", r.AbortMultipartUpload(ctx, r.root, bucket, "a.jpg", id), "")
	wantCode(t, "abort again", r.AbortMultipartUpload(ctx, r.root, bucket, "a.jpg", id), "NoSuchUpload")
	wantCode(t, "complete what is aborted", complete(store.Part{Number: 1, ETag: part.ETag}), "NoSuchUpload")
	_, _, err = r.CreateMultipartUpload(ctx, r.root, bucket, "k", store.UploadOptions{ChecksumAlgorithm: store.SHA1, ChecksumType: store.FullObject})
	wantCode(t, "SHA1 over the full object", err, "InvalidRequest")

	_, up, err := r.CreateMultipartUpload(ctx, r.root, bucket, "k", store.UploadOptions{ChecksumAlgorithm: store.CRC32C})
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Digest{"without": {}, "with another": {Algorithm: store.CRC32, Value: said(sum(store.CRC32, "part"))}} {
		_, _, err := r.UploadPart(ctx, r.root, bucket, "k", up.ID, 1, strings.NewReader("part"), d)
		wantCode(t, "a part of a CRC32C upload "+name+" checksum", err, "InvalidRequest")
	}
}

// Whatever a policy allows everybody.
func TestNobodyUploadsInPartsOrCopies(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if err := r.DeletePublicAccessBlock(ctx, r.root, "photos"); err != nil {
		t.Fatal(err)
	}
	r.bucketPolicy(t, to("Allow", `"*"`, "s3:*", bucketARN+"/*"))
	wantCode(t, "PutObject", r.put(ctx, nobody, bucket, "k"), "")
	_, _, err := r.CreateMultipartUpload(ctx, nobody, bucket, "k", store.UploadOptions{})
	wantCode(t, "CreateMultipartUpload", err, "AccessDenied")
	_, err = r.CopyObject(ctx, nobody, Copy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: bucket, Key: "k"})
	wantCode(t, "CopyObject", err, "AccessDenied")
}

// What waits in a bucket must not be found in the next one of its name.
func TestUploadsGoWithTheirBucket(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.CreateBucket(ctx, r.root, "second", ""); err != nil {
		t.Fatal(err)
	}
	second := Target{Bucket: "second"}
	_, up, err := r.CreateMultipartUpload(ctx, r.root, second, "k", store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteBucket(ctx, r.root, "second"); err != nil {
		t.Fatalf("DeleteBucket with an upload under way = %v", err)
	}
	if _, err := r.CreateBucket(ctx, r.root, "second", ""); err != nil {
		t.Fatal(err)
	}
	_, _, err = r.UploadPart(ctx, r.root, second, "k", up.ID, 1, strings.NewReader("x"), Digest{})
	wantCode(t, "a part for the old upload", err, "NoSuchUpload")
}

func TestCopies(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.PutObject(ctx, r.root, bucket, "from", strings.NewReader("body"), store.PutOptions{
		Headers: store.Headers{ContentType: "text/plain"}, Metadata: map[string]string{"m": "1"}, Tags: map[string]string{"t": "1"},
	}); err != nil {
		t.Fatal(err)
	}
	from := CopySource{Target: bucket, Key: "from"}
	for _, c := range []struct {
		name                       string
		cp                         Copy
		contentType, metadata, tag string
	}{
		{"everything", Copy{Source: from}, "text/plain", "1", "1"},
		{"new metadata", Copy{Source: from, ReplaceMetadata: true, Headers: store.Headers{ContentType: "text/html"}, Metadata: map[string]string{"m": "2"}}, "text/html", "2", "1"},
		{"new tags", Copy{Source: from, ReplaceTags: true, Tags: map[string]string{"t": "2"}}, "text/plain", "1", "2"},
		{"what is given is not used unless it replaces", Copy{Source: from, Metadata: map[string]string{"m": "2"}, Tags: map[string]string{"t": "2"}}, "text/plain", "1", "1"},
		{"through the access point", Copy{Source: CopySource{Target: point, Key: "from"}}, "text/plain", "1", "1"},
	} {
		c.cp.Target, c.cp.Key = bucket, "to/"+c.name
		if _, err := r.CopyObject(ctx, r.root, c.cp); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		info, err := r.HeadObject(ctx, r.root, bucket, c.cp.Key, "")
		if err != nil || info.Headers.ContentType != c.contentType || info.Metadata["m"] != c.metadata || info.Tags["t"] != c.tag {
			t.Errorf("%s: %+v, %v", c.name, info, err)
		}
		if got := r.read(t, bucket, c.cp.Key, ""); got != "body" {
			t.Errorf("%s: body %q", c.name, got)
		}
	}
	copyOf := func(src CopySource, key string, change func(*Copy)) error {
		cp := Copy{Source: src, Target: bucket, Key: key}
		if change != nil {
			change(&cp)
		}
		_, err := r.CopyObject(ctx, r.root, cp)
		return err
	}
	info, _ := r.HeadObject(ctx, r.root, bucket, "from", "")
	with := func(c Conditions) CopySource { return CopySource{Target: bucket, Key: "from", Conditions: c} }
	wantCode(t, "onto itself", copyOf(from, "from", nil), "InvalidRequest")
	wantCode(t, "onto itself with new metadata", copyOf(from, "from", func(c *Copy) { c.ReplaceMetadata = true }), "")
	wantCode(t, "an absent key", copyOf(CopySource{Target: bucket, Key: "absent"}, "to", nil), "NoSuchKey")
	wantCode(t, "if the ETag matches", copyOf(with(Conditions{IfMatch: `"` + info.ETag + `"`}), "to", nil), "")
	wantCode(t, "if another ETag matches", copyOf(with(Conditions{IfMatch: `"x"`}), "to", nil), "PreconditionFailed")
	wantCode(t, "if the ETag does not match", copyOf(with(Conditions{IfNoneMatch: info.ETag}), "to", nil), "PreconditionFailed")
	wantCode(t, "if modified since now", copyOf(with(Conditions{IfModifiedSince: info.Modified}), "to", nil), "PreconditionFailed")
	wantCode(t, "only onto nothing, onto something", copyOf(from, "to", func(c *Copy) { c.IfNoneMatch = "*" }), "PreconditionFailed")
	wantCode(t, "only onto what is not there", copyOf(from, "nothing", func(c *Copy) { c.IfMatch = "x" }), "NoSuchKey")
}

func TestCopiedParts(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.PutObject(ctx, r.root, bucket, "from", strings.NewReader("0123456789"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	id, _ := r.begin(t)
	part := func(rng *store.Range) (CopiedPart, error) {
		return r.UploadPartCopy(ctx, r.root, PartCopy{Source: CopySource{Target: bucket, Key: "from"}, Range: rng, Target: bucket, Key: "a.jpg", Upload: id, Number: 1})
	}
	p, err := part(&store.Range{Start: 2, End: 4})
	if err != nil || p.Size != 3 {
		t.Fatalf("a range = %+v, %v", p, err)
	}
	_, err = part(&store.Range{Start: 2, End: 10})
	wantCode(t, "a range past the end", err, "InvalidArgument")
	if _, _, err := r.CompleteMultipartUpload(ctx, r.root, bucket, "a.jpg", id, Complete{Parts: []store.Part{p.Part}, Size: -1}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(t, bucket, "a.jpg", ""); got != "234" {
		t.Errorf("object = %q, want 234", got)
	}
}

// overwriting is a store whose object is replaced between the look at it and the copy.
type overwriting struct {
	store.Store
	times int
}

func (o *overwriting) Copy(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	if o.times > 0 {
		o.times--
		if _, err := o.Store.Put(ctx, src.Bucket, src.Key, bytes.NewReader([]byte{byte(o.times)}), store.PutOptions{}); err != nil {
			return store.Info{}, err
		}
	}
	return o.Store.Copy(ctx, src, bucket, key, opt)
}

func TestCopyIsOfWhatWasDecidedAbout(t *testing.T) {
	for times, want := range []string{"", "", "", "OperationAborted"} {
		r := newRig(t)
		r.cfg.Store = &overwriting{r.store, times}
		_, err := r.CopyObject(t.Context(), r.root, Copy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: bucket, Key: "to"})
		if times > 0 && times < 3 && err == nil {
			if got := r.read(t, bucket, "to", ""); got != "\x00" {
				t.Errorf("overwritten %d times: copy of %q, want of the last", times, got)
			}
		}
		wantCode(t, "a copy whose source is overwritten meanwhile", err, want)
	}
}
