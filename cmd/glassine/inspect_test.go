package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func TestInspectGroupsByRisk(t *testing.T) {
	dir := tree(t, map[string][]byte{"a.jpg": sample.JPEG, "clean.jpg": clean(t)})
	out, _ := wants(t, 0, "inspect", filepath.Join(dir, "a.jpg"))
	groups := make(map[string]string)
	group := ""
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "  ") || len(line) < 11 {
			continue
		}
		if name := strings.TrimSpace(line[:11]); name != "" {
			group = name
		}
		groups[group] += strings.TrimSpace(line[10:]) + "\n"
	}
	for group, want := range map[string][]string{
		"Where":  {"-48.875444, -123.392519, 3 m above the sea (Exif)", "photoshop:City: Nowhere (XMP)", "City: Nowhere (IPTC)"},
		"Who":    {"Artist: Alex Example (Exif)", "CameraOwnerName: Alex Example (Exif)", "dc:creator: Alex Example (XMP)", "Contact: alex@example.com (IPTC)", "UserComment: A note to myself (Exif)"},
		"When":   {"DateTimeOriginal: 2026-06-21T21:14:07.000Z (Exif)"},
		"Device": {"BodySerialNumber: GL-0000042-DEMO (Exif)", "LensModel: Imaginar 35mm f/2 (Exif)", "MakerNote: Glassine maker note"},
		"Other":  {"a thumbnail of 3326 bytes (Exif)", "ExposureTime"},
	} {
		for _, line := range want {
			if !strings.Contains(groups[group], line) {
				t.Errorf("%s lacks %q:\n%s", group, line, out)
			}
		}
	}
	if out, _ := wants(t, 0, "inspect", filepath.Join(dir, "clean.jpg")); !strings.HasSuffix(out, "image/jpeg, 1200x1600\n  It gives nothing away.\n") {
		t.Errorf("a stripped picture: %q", out)
	}
}

func TestInspectAsJSON(t *testing.T) {
	dir := tree(t, map[string][]byte{"sub/a.jpg": sample.JPEG, "b.jpg": clean(t), "c.txt": []byte("x"), "d.jpg": sample.JPEG[:100]})
	out, errs := wants(t, 1, "inspect", "--output", "json", dir)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 2 || !strings.Contains(errs, "d.jpg: damaged jpeg") || !strings.Contains(errs, "1 could not be read, 2 were") {
		t.Fatalf("got %d lines, %q", len(lines), errs)
	}
	for i, b := range [][]byte{clean(t), sample.JPEG} {
		about, err := metadata.Describe(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := about.JSON()
		if err != nil {
			t.Fatal(err)
		}
		file, err := json.Marshal(filepath.Join(dir, []string{"b.jpg", "sub/a.jpg"}[i]))
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"file":` + string(file) + "," + string(text[1:]); lines[i] != want {
			t.Errorf("got  %s\nwant %s", lines[i], want)
		}
	}
	out, _, status := command(t, bytes.NewReader(sample.JPEG), "inspect", "-", "-o", "json")
	if status != 0 || !strings.HasPrefix(out, `{"file":"-","type":"image/jpeg"`) {
		t.Errorf("standard input: status %d, %.100s", status, out)
	}
}

// TestInspectIsSafeForATerminal: a picture's texts, and names of files, are anybody's.
func TestInspectIsSafeForATerminal(t *testing.T) {
	dir := tree(t, map[string][]byte{"a\x1b]0;evil\x07.jpg": sample.JPEG})
	file := filepath.Join(dir, list(t, dir)[0])
	if _, err := exec.LookPath("exiftool"); err != nil {
		t.Fatal("this test asks exiftool: apt-get install libimage-exiftool-perl")
	}
	exiftool(t, "-q", "-overwrite_original", "-Artist=\x1b[2Jevil\u202etxt", "-UserComment=\x1b]52;c;evil", "-XMP-dc:Creator=\x9b1;31mevil", file)
	out, _ := wants(t, 0, "inspect", dir)
	if !strings.Contains(out, "evil") || strings.ContainsAny(out, "\x1b\x07\u202e\u009b") {
		t.Errorf("what a terminal would obey: %q", out)
	}
	out, _ = wants(t, 0, "strip", dir)
	if strings.ContainsAny(out, "\x1b\x07") {
		t.Errorf("the name of a file: %q", out)
	}
}
