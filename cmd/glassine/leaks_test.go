package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"glassine/console/client"
	"glassine/transform/sample"
)

// ranges is a store of one object.
type ranges struct {
	body  []byte
	asked int
}

func (r *ranges) RoundTrip(req *http.Request) (*http.Response, error) {
	r.asked++
	resp := &http.Response{StatusCode: http.StatusPartialContent, Header: http.Header{"Content-Type": {"image/jpeg"}, "X-Amz-Meta-Owner": {"Ann"}, "Content-Disposition": {`attachment; filename="ann.jpg"`}}, Request: req}
	var from, to int
	if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || from >= len(r.body) || req.Header.Get("If-Match") != `"e"` {
		return nil, errors.New("no such range")
	}
	resp.Body = io.NopCloser(bytes.NewReader(r.body[from:min(to+1, len(r.body))]))
	return resp, nil
}

func TestAnObjectIsReadInBlocks(t *testing.T) {
	body := make([]byte, 20*objectBlock+12345)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	far := &ranges{body: body}
	r := &objectReader{ctx: t.Context(), caller: &client.Client{Transport: far, Region: "us-east-1"}, bucket: "b", object: client.Object{Key: "k", ETag: `"e"`, Size: int64(len(body))}}
	if got, err := io.ReadAll(io.NewSectionReader(r, 0, int64(len(body)))); err != nil || !bytes.Equal(got, body) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if far.asked != 21 {
		t.Errorf("%d requests for 21 blocks", far.asked)
	}
	for range 300 {
		at, n := rand.IntN(len(body)), rand.IntN(3*objectBlock)
		got := make([]byte, n)
		k, err := r.ReadAt(got, int64(at))
		want := body[at:min(at+n, len(body))]
		if !bytes.Equal(got[:k], want) || (k < n) != errors.Is(err, io.EOF) {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", n, at, k, err)
		}
		if len(r.blocks) > objectBlocks {
			t.Fatalf("%d blocks are held", len(r.blocks))
		}
	}
}

func TestAuditTellsWhatIsBesideThePicture(t *testing.T) {
	far := &ranges{body: sample.JPEG}
	p := auditObject(t.Context(), &client.Client{Transport: far, Region: "us-east-1"}, "b", client.Object{Key: "x/IMG_20260331_143022.jpg", ETag: `"e"`, Size: int64(len(sample.JPEG))})
	if p.Error != "" || len(p.Where) == 0 || p.Type != "image/jpeg" {
		t.Fatalf("%+v", p)
	}
	for _, want := range []string{"2026-03-31 (name)", "x-amz-meta-owner: Ann (header)", `Content-Disposition: attachment; filename="ann.jpg" (header)`} {
		if !strings.Contains(strings.Join(append(p.When, p.Other...), "\n"), want) {
			t.Errorf("%q is not told: %q %q", want, p.When, p.Other)
		}
	}
	for name, want := range map[string]bool{
		"IMG_20260331_143022.jpg": true, "2026-03-31.png": true, "holiday.jpg": false, "120260331.jpg": false, "20261331.jpg": false, "202603311.jpg": false, "scan 2026.03.31 a.jpg": true,
	} {
		if got := dateInName.MatchString(name); got != want {
			t.Errorf("%s has a date: %t", name, got)
		}
	}
	broken := auditObject(t.Context(), &client.Client{Transport: far, Region: "us-east-1"}, "b", client.Object{Key: "a.jpg", ETag: `"other"`, Size: 100})
	if broken == nil || !strings.Contains(broken.Error, "no such range") {
		t.Errorf("an object that changed: %+v", broken)
	}
}
