package route_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"glassine/store"
	"glassine/store/memory"
	"glassine/store/route"
	"glassine/store/storetest"
)

// Some buckets lie elsewhere, so that the suite copies within a store and between two. Its multipart copies stay within one:
// between two they lose their parts, as Copy says.
func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		s := route.New(new(memory.Store))
		other := new(memory.Store)
		for _, bucket := range []string{"b", "bb", "bucket", "c"} {
			s.Send(bucket, other)
		}
		return s
	})
}

func TestEachBucketGoesToItsStore(t *testing.T) {
	rest, other := new(memory.Store), new(memory.Store)
	s := route.New(rest)
	s.Send("elsewhere", other)
	s.Send("forgotten", nil)
	for _, bucket := range []string{"here", "elsewhere"} {
		if _, err := s.Put(t.Context(), bucket, "k", strings.NewReader("in "+bucket), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		s      store.Store
		bucket string
		want   error
	}{
		{"the rest has its own", rest, "here", nil},
		{"the rest has nothing of the other's", rest, "elsewhere", store.ErrNotFound},
		{"the other has its own", other, "elsewhere", nil},
		{"the other has nothing of the rest's", other, "here", store.ErrNotFound},
		{"a bucket of which nobody said where it is", s, "forgotten", store.ErrUndeclared},
	} {
		if _, err := tt.s.Head(t.Context(), tt.bucket, "k"); !errors.Is(err, tt.want) {
			t.Errorf("%s: Head: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := s.Put(t.Context(), "forgotten", "k", strings.NewReader("x"), store.PutOptions{}); !errors.Is(err, store.ErrUndeclared) {
		t.Errorf("Put into a bucket of which nobody said where it is: %v, want ErrUndeclared", err)
	}
}

func TestCopiesBetweenStores(t *testing.T) {
	s := route.New(new(memory.Store))
	s.Send("elsewhere", new(memory.Store))
	src, err := s.Put(t.Context(), "here", "k", strings.NewReader("0123456789"), store.PutOptions{ChecksumAlgorithm: store.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	from := store.Source{Bucket: "here", Key: "k", VersionID: src.VersionID, ETag: src.ETag}
	info, err := s.Copy(t.Context(), from, "elsewhere", "copy", store.PutOptions{Metadata: map[string]string{"a": "b"}})
	if err != nil || info.ETag != src.ETag || info.Checksum != src.Checksum || info.Metadata["a"] != "b" {
		t.Errorf("Copy = %+v, %v; want the bytes and the checksum of %+v", info, err, src)
	}
	up, err := s.CreateUpload(t.Context(), "elsewhere", "joined", store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id := store.UploadID{Bucket: "elsewhere", Key: "joined", ID: up.ID}
	part, err := s.CopyPart(t.Context(), from, &store.Range{Start: 2, End: 4}, id, 1, store.PartOptions{})
	if err != nil || part.Size != 3 {
		t.Fatalf("CopyPart = %+v, %v", part, err)
	}
	if _, err := s.CompleteUpload(t.Context(), id, []store.Part{part}, store.CompleteOptions{}); err != nil {
		t.Fatal(err)
	}
	o, err := s.Get(t.Context(), "elsewhere", "joined", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if b, err := io.ReadAll(o.Body); err != nil || string(b) != "234" {
		t.Errorf("the part that was copied reads %q, %v", b, err)
	}
	from.ETag = "another"
	if _, err := s.Copy(t.Context(), from, "elsewhere", "copy", store.PutOptions{}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("Copy of another ETag: %v, want ErrPrecondition", err)
	}
}
