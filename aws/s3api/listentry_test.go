package s3api

import (
	"encoding/xml"
	"testing"
)

func checkEntry(t *testing.T, e listEntry) {
	t.Helper()
	want, err := xml.Marshal(struct {
		XMLName  xml.Name `xml:"List"`
		Contents []listEntry
		After    string
	}{Contents: []listEntry{e, e}, After: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var l listEntries
	l.add(&e)
	l.add(&e)
	got, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"List"`
		listEntries
		After string
	}{listEntries: l, After: "x"})
	if err != nil || string(got) != string(want) {
		t.Errorf("%+v\n%s, %v, want\n%s", e, got, err, want)
	}
}

// Entries are written as encoding/xml would.
func FuzzListEntry(f *testing.F) {
	f.Add("a/b.jpg", `"0123"`, "CRC64NVME", "FULL_OBJECT", int64(5), "123456789012", "")
	f.Add("a&b<c>'d'\"e\"", `"&"`, "", "", int64(0), "", "")
	f.Add("ü\n\t\x00\x7f\xff\uFFFE", "", "", "COMPOSITE", int64(-1), "<", "&")
	f.Fuzz(func(t *testing.T, key, etag, algorithm, kind string, size int64, id, name string) {
		e := listEntry{Key: key, LastModified: "2026-11-26T00:00:00.000Z", ETag: etag, ChecksumAlgorithm: algorithm, ChecksumType: kind, Size: size, StorageClass: "STANDARD"}
		if id != "" {
			e.Owner = &principal{ID: id, DisplayName: name}
		}
		checkEntry(t, e)
	})
}

func BenchmarkListEntries(b *testing.B) {
	e := listEntry{
		Key: "photos/2026/0000001.jpg", LastModified: "2026-11-26T00:00:00.000Z", ETag: `"d41d8cd98f00b204e9800998ecf8427e"`,
		ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT", StorageClass: "STANDARD",
	}
	b.Run("written", func(b *testing.B) {
		for b.Loop() {
			l := listEntries{XML: make([]byte, 0, 1000*listEntrySize)}
			for range 1000 {
				l.add(&e)
			}
		}
	})
	b.Run("encoding/xml", func(b *testing.B) {
		all := make([]listEntry, 1000)
		for i := range all {
			all[i] = e
		}
		for b.Loop() {
			if _, err := xml.Marshal(struct {
				XMLName  xml.Name `xml:"List"`
				Contents []listEntry
			}{Contents: all}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
