package render

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image/gif"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"glassine/transform/sample"
)

// exiftool runs it, and ends the test when it is missing.
func exiftool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("exiftool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("exiftool: %v (it is in Debian's libimage-exiftool-perl): %s", err, out)
	}
	return string(out)
}

// canaries writes a word into every place of a file that exiftool knows for its format.
func canaries(t *testing.T, extension string, file []byte) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a."+extension)
	if err := os.WriteFile(name, file, 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", "-q", "-m", "-overwrite_original", "-Comment=CANARY comment", "-XMP-dc:Creator=CANARY XMP", "-XMP-photoshop:City=CANARY city"}
	if extension != "gif" {
		args = append(args, "-EXIF:Make=CANARY make", "-EXIF:Artist=CANARY artist", "-EXIF:ImageDescription=CANARY description",
			"-EXIF:UserComment=CANARY user comment", "-EXIF:XPAuthor=CANARY XP", "-EXIF:SerialNumber=CANARY serial", "-GPSLatitude=48.8", "-GPSLongitude=123.4",
			"-GPSLatitudeRef=N", "-EXIF:Orientation#=3", "-EXIF:XResolution=123", "-EXIF:YResolution=123")
	}
	if extension == "jpg" || extension == "tif" {
		args = append(args, "-IPTC:City=CANARY IPTC", "-IPTC:By-line=CANARY by-line")
	}
	if extension == "jpg" {
		thumbnail := filepath.Join(t.TempDir(), "thumb.jpg")
		if err := os.WriteFile(thumbnail, asJPEG(t, scene(32, 24)), 0o666); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-ThumbnailImage<="+thumbnail, "-Photoshop:URL=CANARY URL")
	}
	exiftool(t, append(args, name)...)
	out, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(out, []byte("CANARY")); n < 2 {
		t.Fatalf("exiftool wrote %d canaries into %s", n, extension)
	}
	return out
}

// chunk is one of a PNG.
func chunk(kind, data string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(b, kind+data...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
}

// taintedOnce holds what tainted has made; exiftool takes its time.
var taintedOnce struct {
	sync.Mutex
	files map[string][]byte
}

// tainted are pictures of 60 x 40 that are full of canaries, by format. They are not to be changed.
func tainted(t *testing.T) map[string][]byte {
	t.Helper()
	taintedOnce.Lock()
	defer taintedOnce.Unlock()
	if taintedOnce.files == nil {
		taintedOnce.files = taint(t)
	}
	return maps.Clone(taintedOnce.files)
}

func taint(t *testing.T) map[string][]byte {
	m := scene(60, 40)
	png := asPNG(t, m)
	out := map[string][]byte{
		"jpeg": canaries(t, "jpg", asJPEG(t, m)),
		"png":  canaries(t, "png", png),
		"gif":  canaries(t, "gif", sharpFile(t, png, []any{"gif"})),
	}
	for format, extension := range map[string]string{"webp": "webp", "tiff": "tif", "avif": "avif"} {
		out[format] = canaries(t, extension, sharpFile(t, png, []any{format}))
	}
	// What exiftool does not write: text of PNG in every dress, segments of JPEG, and what lies behind the end.
	text := chunk("tEXt", "Comment\x00CANARY text") + chunk("iTXt", "k\x00\x00\x00\x00\x00CANARY iTXt") + chunk("tIME", "CANARY!") + chunk("bKGD", "CANARY")
	at := bytes.Index(out["png"], []byte("IDAT")) - 4
	out["png"] = append(append(bytes.Clone(out["png"][:at]), text...), append(out["png"][at:], "CANARY trailer"...)...)
	segments := ""
	for _, marker := range []byte{0xe2, 0xe5, 0xed, 0xef, 0xfe} {
		s := fmt.Sprintf("CANARY of segment %x", marker)
		segments += string([]byte{0xff, marker, 0, byte(len(s) + 2)}) + s
	}
	profile := iccOf(t)
	icc := "ICC_PROFILE\x00\x01\x01" + profile + "CANARY behind the profile"
	segments += string([]byte{0xff, 0xe2, byte((len(icc) + 2) >> 8), byte(len(icc) + 2)}) + icc
	out["jpeg"] = append(append([]byte("\xff\xd8"), segments...), append(out["jpeg"][2:], "CANARY trailer"...)...)
	return out
}

// iccOf is the sample's profile.
func iccOf(t *testing.T) string {
	_, profile, ok := strings.Cut(string(sample.JPEG), "ICC_PROFILE\x00\x01\x01")
	if !ok {
		t.Fatal("the sample has no profile")
	}
	return profile[:binary.BigEndian.Uint32([]byte(profile))]
}

// holdsCanary says whether a file holds one, plain or in UTF-16.
func holdsCanary(file []byte) bool {
	return bytes.Contains(bytes.ReplaceAll(file, []byte{0}, nil), []byte("CANARY"))
}

func TestNoMetadataStays(t *testing.T) {
	r := renderer(t)
	dir := t.TempDir()
	for from, file := range tainted(t) {
		for _, to := range []string{"jpeg", "png", "webp", "gif", "tiff", "avif"} {
			for name, change := range map[string]func(*Job){
				"as-is":   func(*Job) {},
				"resized": func(j *Job) { j.Width = 30 },
				"turned":  func(j *Job) { j.Orientation = 3 },
				"all":     func(j *Job) { j.Frames, j.Palette, j.Progressive, j.Fast = 10, true, true, true },
				"srgb":    func(j *Job) { j.ICC = "srgb" },
			} {
				job := Job{Source: from, SourceWidth: 60, SourceHeight: 40, Format: to}.with(change)
				got := render(t, r, job, file)
				if holdsCanary(got.Body) {
					t.Errorf("%s to %s, %s: the result holds a canary", from, to, name)
				}
				said := inspect(t, got.Body)
				if said.Exif > 0 || said.XMP > 0 || said.Orientation > 1 {
					t.Errorf("%s to %s, %s: sharp finds %d bytes of Exif, %d of XMP, orientation %d", from, to, name, said.Exif, said.XMP, said.Orientation)
				}
				if said.HasProfile != (from == "jpeg" && to != "gif" && name != "srgb") {
					t.Errorf("%s to %s, %s: sharp finds a profile: %v", from, to, name, said.HasProfile)
				}
				if err := os.WriteFile(filepath.Join(dir, from+"-"+name+"."+to), got.Body, 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	all := exiftool(t, "-q", "-q", "-r", "-a", "-u", "-G1", "-s", "-ee", dir)
	for line := range strings.Lines(all) {
		if strings.Contains(line, "CANARY") || strings.Contains(line, "[GPS]") || strings.Contains(line, "Thumbnail") || strings.Contains(line, " 123 ") {
			t.Errorf("exiftool finds %s", line)
		}
	}
	if !strings.Contains(all, "[ICC") {
		t.Errorf("exiftool finds no profile in any result: %.300s", all)
	}
}

// The pixels are the only thing that two results can tell sources apart by.
func TestResultDependsOnPixelsAlone(t *testing.T) {
	r := renderer(t)
	plain := asPNG(t, scene(60, 40))
	full := canaries(t, "png", plain)
	for _, to := range []string{"jpeg", "png", "webp", "gif", "tiff", "avif"} {
		job := pngJob(60, 40).with(func(j *Job) { j.Format = to })
		if a, b := render(t, r, job, plain), render(t, r, job, full); !bytes.Equal(a.Body, b.Body) {
			t.Errorf("%s: the results of one picture with and without metadata differ: %d and %d bytes", to, len(a.Body), len(b.Body))
		}
	}
}

// A watermark's metadata is no less private.
func TestWatermarkLeavesNoMetadata(t *testing.T) {
	r := renderer(t)
	for format, file := range tainted(t) {
		for _, to := range []string{"jpeg", "png", "webp"} {
			got := render(t, r, pngJob(80, 80).with(func(j *Job) {
				j.Format, j.Watermarks = to, []Watermark{{Image: file, Format: format}}
			}), asPNG(t, plainColour(80, 80, white)))
			if holdsCanary(got.Body) {
				t.Errorf("watermark of %s on %s: the result holds a canary", format, to)
			}
		}
	}
}

// Go's GIF reader finds no comment either, and an animation keeps none.
func TestAnimationWithComment(t *testing.T) {
	r := renderer(t)
	file := canaries(t, "gif", animation(t, 30, 20, corner[:], []int{5, 5, 5, 5}, 0))
	got := render(t, r, Job{Source: "gif", SourceWidth: 30, SourceHeight: 20, Frames: 4, Format: "gif"}, file)
	if g, err := gif.DecodeAll(bytes.NewReader(got.Body)); err != nil || len(g.Image) != 4 {
		t.Errorf("Go reads %v, %v", g, err)
	}
	if holdsCanary(got.Body) {
		t.Error("the result holds a canary")
	}
}
