package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// p99 reports the 99th percentile of durations.
func p99(b *testing.B, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}

func benchmarkPut(b *testing.B, size, workers int) {
	s := openAt(b, b.TempDir())
	body := make([]byte, size)
	var n atomic.Int64
	b.SetBytes(int64(size))
	b.ReportAllocs()
	if workers == 1 {
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			key := fmt.Sprintf("key-%d", n.Add(1)%200)
			if _, err := s.Put(b.Context(), "b", key, bytes.NewReader(body), store.PutOptions{}); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		p99(b, took)
		return
	}
	b.SetParallelism(workers) // times GOMAXPROCS
	b.ResetTimer()            // making the store takes long
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key := fmt.Sprintf("key-%d", n.Add(1)%200)
			if _, err := s.Put(b.Context(), "b", key, bytes.NewReader(body), store.PutOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkPut100KB(b *testing.B)   { benchmarkPut(b, 100_000, 1) }
func BenchmarkPut100KBx8(b *testing.B) { benchmarkPut(b, 100_000, 4) }
func BenchmarkPut5MB(b *testing.B)     { benchmarkPut(b, 5_000_000, 1) }
func BenchmarkPut5MBx8(b *testing.B)   { benchmarkPut(b, 5_000_000, 4) }

func BenchmarkGet100KB(b *testing.B) {
	s := openAt(b, b.TempDir())
	if _, err := s.Put(b.Context(), "b", "k", bytes.NewReader(make([]byte, 100_000)), store.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 100_000)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		o, err := s.Get(b.Context(), "b", "k", store.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(o.Body, buf); err != nil {
			b.Fatal(err)
		}
		o.Body.Close()
	}
}

func BenchmarkHead(b *testing.B) {
	s := openAt(b, b.TempDir())
	fillIndex(b, s, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Head(b.Context(), "b", "directory-07/key-0000050007"); err != nil {
			b.Fatal(err)
		}
	}
}

// fillIndex makes the records of n objects, without bodies, in a hundred rolled-up prefixes.
func fillIndex(b *testing.B, s *Store, n int) {
	b.Helper()
	err := s.index.db.Update(func(tx *bbolt.Tx) error {
		records, err := tx.Bucket(objectsBucket).CreateBucketIfNotExists([]byte("b"))
		if err != nil {
			return err
		}
		r := sampleRecords()[0]
		r.info.Headers.ContentType = "image/jpeg"
		v, err := r.encode()
		if err != nil {
			return err
		}
		for i := range n {
			if err := records.Put(fmt.Appendf(nil, "directory-%02d/key-%010d", i%100, i), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func benchmarkList(b *testing.B, opt store.ListOptions) {
	s := openAt(b, b.TempDir())
	fillIndex(b, s, 100_000)
	b.ReportAllocs()
	next := ""
	var took []time.Duration
	for b.Loop() { // page after page, from the beginning again after the last
		began := time.Now()
		opt.After = next
		page, err := s.List(b.Context(), "b", opt)
		if err != nil || len(page.Objects)+len(page.Prefixes) == 0 {
			b.Fatalf("%d objects, %d prefixes, %v", len(page.Objects), len(page.Prefixes), err)
		}
		next = page.Next
		took = append(took, time.Since(began))
	}
	p99(b, took)
}

func BenchmarkListPageOf100k(b *testing.B)     { benchmarkList(b, store.ListOptions{}) }
func BenchmarkListRolledUpOf100k(b *testing.B) { benchmarkList(b, store.ListOptions{Delimiter: "/"}) }

func benchmarkGet(b *testing.B, size int, encrypt bool) {
	s := openFast(b, b.TempDir(), Options{Keys: [][32]byte{{1}}})
	if _, err := s.Put(b.Context(), "b", "k", bytes.NewReader(make([]byte, size)), store.PutOptions{Encrypt: encrypt}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		o, err := s.Get(b.Context(), "b", "k", store.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(o.Body, buf); err != nil {
			b.Fatal(err)
		}
		o.Body.Close()
	}
}

func BenchmarkGet5MB(b *testing.B)            { benchmarkGet(b, 5_000_000, false) }
func BenchmarkGetEncrypted100KB(b *testing.B) { benchmarkGet(b, 100_000, true) }
func BenchmarkGetEncrypted5MB(b *testing.B)   { benchmarkGet(b, 5_000_000, true) }

func BenchmarkPutEncrypted5MB(b *testing.B) {
	s, err := Open(b.TempDir(), Options{Keys: [][32]byte{{1}}})
	if err != nil {
		b.Fatal(err)
	}
	defer shut(b, s)
	body := make([]byte, 5_000_000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Put(b.Context(), "b", "k", bytes.NewReader(body), store.PutOptions{Encrypt: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCopy5MB(b *testing.B) {
	s := openAt(b, b.TempDir())
	if _, err := s.Put(b.Context(), "b", "k", bytes.NewReader(make([]byte, 5_000_000)), store.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Copy(b.Context(), store.Source{Bucket: "b", Key: "k"}, "b", "copy", store.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// uploadOf makes an upload with n parts that all have the bytes of one blob, and returns it with the parts.
func uploadOf(b *testing.B, s *Store, n int) (store.UploadID, []store.Part) {
	b.Helper()
	u, err := s.createUpload(b.Context(), "b", "k", store.UploadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	one, err := s.PutPart(b.Context(), u.UploadID, 1, bytes.NewReader(make([]byte, store.MinPartSize)), store.PartOptions{})
	if err != nil {
		b.Fatal(err)
	}
	parts := []store.Part{one}
	err = s.index.db.Update(func(tx *bbolt.Tx) error {
		t := &txn{tx: tx}
		first, err := decodePart(partKey(u.id, 1), tx.Bucket(partsBucket).Get(partKey(u.id, 1)))
		for i := 2; i <= n && err == nil; i++ {
			p := first
			p.info.Number = i
			parts = append(parts, p.info)
			v, encodeErr := p.encode()
			err = errors.Join(encodeErr, tx.Bucket(partsBucket).Put(partKey(u.id, i), v), t.share(p.segments[0].blob))
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return u.UploadID, parts
}

func BenchmarkComplete1000Parts(b *testing.B) {
	s := openAt(b, b.TempDir())
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		up, parts := uploadOf(b, s, 1000)
		b.StartTimer()
		if _, err := s.CompleteUpload(b.Context(), up, parts, store.CompleteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet100KBOf1000Parts(b *testing.B) {
	s := openAt(b, b.TempDir())
	up, parts := uploadOf(b, s, 1000)
	if _, err := s.CompleteUpload(b.Context(), up, parts, store.CompleteOptions{}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 100_000)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		o, err := s.Get(b.Context(), "b", "k", store.GetOptions{Range: &store.Range{Start: 3 << 30, End: 3<<30 + 99_999}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(o.Body, buf); err != nil {
			b.Fatal(err)
		}
		o.Body.Close()
	}
}
