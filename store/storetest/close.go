package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"glassine/store"
)

func testClose(t *testing.T, s store.Store) {
	put(t, s, "b", "k", "body")
	o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	up := createUpload(t, s, "b", "uploaded", store.UploadOptions{})
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if b, err := io.ReadAll(o.Body); err != nil || string(b) != "body" {
		t.Errorf("a body that was open at Close reads %q, %v", b, err)
	}
	o.Body.Close()
	calls := map[string]func(ctx context.Context) error{
		"Put": func(ctx context.Context) error {
			_, err := s.Put(ctx, "b", "k", bytes.NewReader(nil), store.PutOptions{})
			return err
		},
		"Get":    func(ctx context.Context) error { _, err := s.Get(ctx, "b", "k", store.GetOptions{}); return err },
		"Head":   func(ctx context.Context) error { _, err := s.Head(ctx, "b", "k"); return err },
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, "b", "k") },
		"List":   func(ctx context.Context) error { _, err := s.List(ctx, "b", store.ListOptions{}); return err },
		"Copy": func(ctx context.Context) error {
			_, err := s.Copy(ctx, store.Source{Bucket: "b", Key: "k"}, "b", "l", store.PutOptions{})
			return err
		},
		"SetTags":     func(ctx context.Context) error { _, err := s.SetTags(ctx, "b", "k", "", nil); return err },
		"HeadVersion": func(ctx context.Context) error { _, err := s.HeadVersion(ctx, "b", "k", "x"); return err },
		"DeleteVersion": func(ctx context.Context) error {
			_, err := s.DeleteVersion(ctx, "b", "k", store.DeleteOptions{})
			return err
		},
		"ListVersions": func(ctx context.Context) error { _, err := s.ListVersions(ctx, "b", store.EntryOptions{}); return err },
		"CreateUpload": func(ctx context.Context) error {
			_, err := s.CreateUpload(ctx, "b", "k", store.UploadOptions{})
			return err
		},
		"PutPart": func(ctx context.Context) error {
			_, err := s.PutPart(ctx, up, 1, bytes.NewReader(nil), store.PartOptions{})
			return err
		},
		"CopyPart": func(ctx context.Context) error {
			_, err := s.CopyPart(ctx, store.Source{Bucket: "b", Key: "k"}, nil, up, 1, store.PartOptions{})
			return err
		},
		"ListParts":   func(ctx context.Context) error { _, err := s.ListParts(ctx, up, 0, 0); return err },
		"ListUploads": func(ctx context.Context) error { _, err := s.ListUploads(ctx, "b", store.EntryOptions{}); return err },
		"CompleteUpload": func(ctx context.Context) error {
			_, err := s.CompleteUpload(ctx, up, []store.Part{{Number: 1}}, store.CompleteOptions{})
			return err
		},
		"AbortUpload": func(ctx context.Context) error { return s.AbortUpload(ctx, up) },
		"Close":       func(context.Context) error { return s.Close() },
	}
	for name, call := range calls {
		if err := call(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}
