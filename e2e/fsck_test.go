package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/sample"
)

// Objects are encrypted at rest, and glassine fsck finds a byte of one that changed on the disk.
func TestObjectsAtRest(t *testing.T) {
	s := start(t)
	fsck := func() (string, error) {
		out, err := exec.Command(glassineCommand(t), "fsck", "--data", s.data).CombinedOutput()
		return string(out), err
	}
	if out, err := fsck(); err == nil || !strings.Contains(out, "in use") {
		t.Errorf("fsck while it runs: %q (%v), want a refusal", out, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := fsck(); err != nil || !strings.Contains(out, " 0 problems") {
		t.Errorf("fsck = %q (%v), want no problem", out, err)
	}
	blobs, err := filepath.Glob(filepath.Join(s.data, "objects", "objects", "*", "*"))
	if err != nil || len(blobs) != 1 {
		t.Fatalf("files of one object = %v (%v)", blobs, err)
	}
	content, err := os.ReadFile(blobs[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, []byte("Glassine Optical")) || len(content) < len(sample.JPEG) {
		t.Error("the photograph stands on the disk as it is")
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(blobs[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := fsck(); err == nil || !strings.Contains(out, `"sample.jpg"`) {
		t.Errorf("fsck after one bit flipped = %q (%v), want the object named", out, err)
	}
}
