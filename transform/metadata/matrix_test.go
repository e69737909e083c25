package metadata_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

// leakKinds are what a picture says about its maker: the columns of leakMatrix. Each is written into files as CANARY- and its name.
var leakKinds = strings.Fields("gps serial owner xmp extended iptc c2pa maker thumb comment trailer private")

// leakMatrix says where each kind can be in each format: E where exiftool reads it too, B where only a search of the bytes finds
// it, - where the format has no place for it; leakReasons says why. After the strip every cell is empty.
const leakMatrix = `
                 gps serial owner xmp extended iptc c2pa maker thumb comment trailer private
jpeg               E      E     E   E        E    E    E     E     B       E       B       B
ultra-hdr          E      E     E   E        E    E    E     E     B       E       B       B
png                E      E     E   E        -    E    B     E     B       E       B       B
apng               E      E     E   E        -    E    B     E     B       E       B       B
webp               E      E     E   E        -    -    B     E     B       -       B       B
webp-animation     E      E     E   E        -    -    B     E     B       -       B       B
gif                E      E     E   E        -    -    B     -     B       E       B       B
tiff               E      E     E   E        -    E    B     E     E       E       B       E
bigtiff            E      E     E   E        -    E    B     E     E       E       B       E
avif               E      E     E   E        -    -    B     E     B       -       B       E
heic               E      E     E   E        -    -    B     E     B       -       B       E
jxl                E      E     E   E        -    -    E     E     B       -       B       B
jxl-brotli         B      B     B   B        -    -    B     B     B       -       B       B
svg                E      E     E   E        -    -    B     -     B       B       B       E
`

// leakReasons are the reasons of the cells with a -, by kind and format; "" is of every other format.
var leakReasons = map[string]map[string]string{
	"extended": {"": "a segment of a JPEG is at most 64 KiB long; in other formats an XMP packet is whole"},
	"iptc":     {"": "no place for IPTC-IIM: IPTC's properties are in XMP"},
	"maker":    {"gif": "no Exif, where maker notes are", "svg": "no Exif, where maker notes are"},
	"comment":  {"": "no place for a comment beside Exif and XMP"},
}

// TestLeakMatrix is the promise that nothing leaks, cell by cell: it writes every kind into every format, proves that it is there,
// strips, and looks again in the same way.
func TestLeakMatrix(t *testing.T) {
	dirty := leakFiles(t)
	var rows []string
	clean := make(map[string][]byte)
	seen := exiftoolCanaryKinds(t, dirty)
	for _, line := range strings.Split(strings.TrimSpace(leakMatrix), "\n")[1:] {
		name := strings.Fields(line)[0]
		b, ok := dirty[name]
		if !ok {
			t.Fatalf("no file for the row %s", name)
		}
		found := canaryKinds(t, b)
		row := fmt.Sprintf("%-16s", name)
		for _, kind := range leakKinds {
			cell := "-"
			switch {
			case slices.Contains(seen[name], kind):
				cell = "E"
			case found[kind] > 0:
				cell = "B"
			}
			if reason := leakReason(kind, name); (cell == "-") != (reason != "") {
				t.Errorf("%s, %s: cell %s, and the reason for none is %q", name, kind, cell, reason)
			}
			row += fmt.Sprintf("%*s", max(len(kind), 3)+1, cell)
		}
		rows = append(rows, row)
		out, err := tryStrip(metadata.Options{}, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		clean[name] = out
		if left := canaryKinds(t, out); len(left) > 0 {
			t.Errorf("%s: copy still holds %v", name, left)
		}
	}
	if len(rows) != len(dirty) {
		t.Errorf("%d rows for %d files", len(rows), len(dirty))
	}
	head, _, _ := strings.Cut(strings.TrimLeft(leakMatrix, "\n"), "\n")
	if got := "\n" + head + "\n" + strings.Join(rows, "\n") + "\n"; got != leakMatrix {
		t.Errorf("the matrix before the strip is%swant%s", got, leakMatrix)
	}
	for name, kinds := range exiftoolCanaryKinds(t, clean) {
		if len(kinds) > 0 {
			t.Errorf("%s: exiftool still finds %v", name, kinds)
		}
	}
	named := make(map[string][]byte)
	for name, b := range clean {
		named[leakFileName(name)] = b
	}
	exiftoolFindsNothing(t, named)
	sameRender(t, dirty, clean)
}

// leakReason returns why a format has no place for a kind, "" when it has one.
func leakReason(kind, name string) string {
	places := map[string]string{
		"extended": "jpeg ultra-hdr", "iptc": "jpeg ultra-hdr png apng tiff bigtiff", "comment": "jpeg ultra-hdr png apng gif tiff bigtiff svg",
	}
	if reason := leakReasons[kind][name]; reason != "" {
		return reason
	}
	if slices.Contains(strings.Fields(places[kind]), name) {
		return ""
	}
	return leakReasons[kind][""]
}

// leakFileName is the name of a row's file, with the ending that tools ask for.
func leakFileName(row string) string {
	ending := map[string]string{"ultra-hdr": "jpg", "jpeg": "jpg", "apng": "png", "webp-animation": "webp", "bigtiff": "tiff", "jxl-brotli": "jxl"}[row]
	if ending == "" {
		ending = row
	}
	return row + "." + ending
}

// exiftoolCanaryKinds returns which kinds exiftool reads in each of the files: all tags, known or not, twice or not, embedded or not,
// and of binary ones their values.
func exiftoolCanaryKinds(t *testing.T, files map[string][]byte) map[string][]string {
	t.Helper()
	exiftool := tool(t, "exiftool", "libimage-exiftool-perl")
	out := make(map[string][]string)
	for name, b := range files {
		file := writeFile(t, leakFileName(name), b)
		report := run(t, nil, exiftool, "-a", "-G1", "-s", "-ee3", "-U", "-m", file)
		kinds := make(map[string]bool)
		for _, c := range kindCanary.FindAllStringSubmatch(string(report), -1) {
			kinds[c[1]] = true
		}
		out[name] = slices.Sorted(maps.Keys(kinds))
	}
	return out
}

// canaryKinds counts the canaries in b, by kind: in its bytes, in UTF-16, in everything that inflates, in text that is base64, and
// in what Brotli compressed.
func canaryKinds(t testing.TB, b []byte) map[string]int {
	t.Helper()
	found := make(map[string]int)
	look := func(b []byte) {
		for _, s := range []string{string(b), strings.ReplaceAll(string(b), "\x00", "")} {
			for _, c := range kindCanary.FindAllStringSubmatch(s, -1) {
				found[c[1]]++
			}
		}
	}
	look(b)
	for _, s := range inflated(b) {
		look(s)
	}
	for _, s := range base64Text.FindAll(b, -1) {
		s = s[:len(s)/4*4]
		if plain, err := base64.StdEncoding.DecodeString(string(s)); err == nil {
			look(plain)
		}
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte("brob"))
		if i < 4 || len(rest) < i+8 {
			break
		}
		end := i - 4 + int(binary.BigEndian.Uint32(rest[i-4:]))
		if end > i+8 && end <= len(rest) {
			look(brotli(t, "brotliDecompressSync", rest[i+8:end]))
		}
		rest = rest[i+4:]
	}
	return found
}

// brotli runs a function of Node's zlib on b: Go has no Brotli.
func brotli(t testing.TB, function string, b []byte) []byte {
	t.Helper()
	program := fmt.Sprintf("process.stdout.write(require('node:zlib').%s(require('node:fs').readFileSync(0)))", function)
	return run(t, b, tool(t, "node", "nodejs"), "-e", program)
}

// sameRender asks an independent decoder of each format what it sees before and after.
func sameRender(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	asked := make(map[string][]byte)
	for name, b := range before {
		file := leakFileName(name)
		switch filepath.Ext(file) {
		case ".heic", ".jxl", ".jpg":
			a, z := rendered(t, filepath.Ext(file), b), rendered(t, filepath.Ext(file), after[name])
			if !bytes.Equal(a, z) || len(a) < 1000 {
				t.Errorf("%s: %d bytes of pixels before, other %d after", name, len(a), len(z))
			}
			if filepath.Ext(file) == ".jpg" {
				asked[file] = b
			}
		default:
			asked[file] = b
		}
	}
	samePixels(t, asked, func(name string, _ []byte) []byte { return after[strings.TrimSuffix(name, filepath.Ext(name))] })
}

// rendered returns the pixels that djpeg, heif-convert or djxl see, upright except for djpeg's.
func rendered(t *testing.T, ext string, b []byte) []byte {
	t.Helper()
	if ext == ".jpg" {
		return decode(t, b)
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"+ext), filepath.Join(dir, "out.png")
	if err := os.WriteFile(in, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if ext == ".jxl" {
		out = filepath.Join(dir, "out.ppm")
		run(t, nil, tool(t, "djxl", "libjxl-tools"), in, out)
		return readFile(t, out)
	}
	run(t, nil, tool(t, "heif-convert", "libheif-examples"), in, out)
	return pixelsOfPNG(t, readFile(t, out))
}
