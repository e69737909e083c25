package metadata_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

// TestReferenceFunctionAgreesInContainers asks sharp and exif-reader for the EXIF of other formats than JPEG and PNG. They find
// none in TIFF, where we do: see TestTIFFExif.
func TestReferenceFunctionAgreesInContainers(t *testing.T) {
	plain := makePictures(t, "webp", "avif", "gif")
	files := withExiftool(t, plain, "-EXIF:Make=Acme", "-EXIF:Orientation#=5", "-EXIF:ExposureTime=1/80", "-EXIF:DateTimeOriginal=2026:01:02 03:04:05",
		"-EXIF:UserComment=note", "-GPSLatitude=12.5", "-GPSLatitudeRef=N", "-GPSLongitude=7.25", "-GPSLongitudeRef=W")
	for name, b := range plain {
		files["no EXIF, "+name] = b
	}
	files = withSamples(t, files, "formats/*.webp", "formats/*.avif", "formats/[cd]*.gif")
	names := slices.Sorted(maps.Keys(files))
	dir := writeFiles(t, files)
	var questions []map[string]string
	for _, name := range names {
		questions = append(questions, map[string]string{"op": "exif", "file": filepath.Join(dir, name)})
	}
	found := 0
	for i, want := range ask(t, questions...) {
		if got := exifJSON(t, files[names[i]]); got != want {
			t.Errorf("%s:\ngot       %.1000s\nreference %.1000s", names[i], got, want)
		}
		if len(want) > 100 {
			found++
		}
	}
	if found < 8 {
		t.Errorf("only %d of %d files have EXIF", found, len(files))
	}
}
