package s3

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/store"
	"glassine/store/disk"
)

// What is said to be encrypted is nowhere on the disk as it came, and comes back as it was.
func TestEncryptedObjectsOnDisk(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	objects, err := disk.Open(dir, disk.Options{Keys: [][32]byte{{1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	r := newRig(t)
	r.cfg.Store, r.cfg.Encrypts = objects, true
	if _, err := r.CreateBucket(ctx, r.root, "second", ""); err != nil {
		t.Fatal(err)
	}
	second := Target{Bucket: "second"}
	secret := strings.Repeat("a secret that is long enough to find. ", store.MinPartSize/32)
	if _, err := r.PutObject(ctx, r.root, second, "whole", strings.NewReader(secret), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	_, up, err := r.CreateMultipartUpload(ctx, r.root, second, "parts", store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := r.UploadPart(ctx, r.root, second, "parts", up.ID, 1, strings.NewReader(secret), Digest{})
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.UploadPartCopy(ctx, r.root, PartCopy{Source: CopySource{Target: second, Key: "whole"}, Range: &store.Range{Start: 2, End: 7}, Target: second, Key: "parts", Upload: up.ID, Number: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.CompleteMultipartUpload(ctx, r.root, second, "parts", up.ID, Complete{Parts: []store.Part{first, last.Part}, Size: -1}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CopyObject(ctx, r.root, Copy{Source: CopySource{Target: second, Key: "parts"}, Target: second, Key: "copy"}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"whole": secret, "parts": secret + "secret", "copy": secret + "secret"} {
		info, err := r.HeadObject(ctx, r.root, second, key, "")
		if err != nil || !info.Encrypted || r.read(t, second, key, "") != want {
			t.Errorf("%s: encrypted %v, %v, or another body", key, info.Encrypted, err)
		}
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("secret that is long")) {
			t.Errorf("%s holds the secret", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
