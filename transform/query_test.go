package transform

import (
	"fmt"
	"testing"

	"glassine/transform/metadata"
)

func TestWishes(t *testing.T) {
	for _, c := range []struct {
		url       string
		exif      bool
		canonical string
	}{
		{"https://olap/a b%zz.jpg?showExif=true", true, "showExif=true"},
		{"https://olap/a.jpg?x=1&showExif=TRUE&y", true, "showExif=true"},
		{"https://olap/a.jpg?show%45xif=%74rue", true, "showExif=true"},
		{"https://olap/a.jpg?showExif=true&metadata=all&format=webp", true, "showExif=true"},
		{"https://olap/a.jpg?showExif=false&showExif=true", false, ""}, // the first one, as URLSearchParams.get
		{"https://olap/a.jpg?showExif", false, ""},
		{"https://olap/a.jpg?showExif=true ", false, ""},
		{"https://olap/a.jpg#?showExif=true", false, ""},
		{"https://olap/showExif=true", false, ""},
		{"", false, ""},
		{"?size=100&utm_source=x", false, ""},
		{"?f=json&format=webp", false, "format=json"},
		{"?orient=tag", false, ""},
		{"?metadata=copyright&icc=strip", false, "icc=strip&metadata=copyright"},
		{"?metadata=keep&icc=keep", false, "metadata=keep"},
		{"?meta%64ata=none", false, ""},
	} {
		got, err := parseWish(c.url, nil, &config{})
		if err != nil || got.exif != c.exif || got.canonical != c.canonical {
			t.Errorf("parseWish(%q): exif %v, %q, %v, want %v, %q", c.url, got.exif, got.canonical, err, c.exif, c.canonical)
		}
	}
}

func TestWishesThatCannotBe(t *testing.T) {
	in := picture(t)
	const noEngine = "this needs the pixels of the picture, and there is no pixel engine here"
	for _, c := range []struct{ query, message string }{
		{"?metadata=all", "metadata=all cannot be; allowed are none, copyright and keep"},
		{"?icc=srgb", noEngine},
		{"?metadata=keep&icc=strip", "icc=strip goes with metadata=none and metadata=copyright; metadata=keep changes nothing"},
		{"?format=bmp", "format=bmp cannot be; allowed are auto, avif, webp, jpeg, baseline-jpeg, png, gif, tiff and json"},
		{"?f=webp", noEngine},
		{"?width=10", noEngine},
		{"?orient=bake", noEngine},
		{"?preset=x", "preset=x is not known; there are none"},
	} {
		d := &double{s3: object(in, "image/jpeg")}
		if _, err := d.function(t).Handle(t.Context(), testEvent("https://olap/a.jpg"+c.query), testCreds); err != nil {
			t.Fatal(err)
		}
		got := d.got[0].header
		for name, want := range map[string]string{
			"X-Amz-Fwd-Status": "400", "X-Amz-Fwd-Error-Code": "InvalidArgument", "X-Amz-Fwd-Error-Message": c.message,
		} {
			if g := got.Get(name); g != want {
				t.Errorf("%s: %s: got %q, want %q", c.query, name, g, want)
			}
		}
	}
}

func TestAnswersToWishes(t *testing.T) {
	in := picture(t)
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><path d="M0 0"/></svg>`)
	for _, c := range []struct {
		name, query, contentType, etag string
		in                             []byte
		body                           string
	}{
		{"keep gives the original", "?metadata=keep", "image/jpeg", "glassine2-keep", in, string(in)},
		{"copyright of a picture without one", "?metadata=copyright", "image/jpeg", "glassine2-copyright", in, string(stripped(t, in))},
		{"the picture's own format", "?format=jpeg", "image/jpeg", "glassine2", in, string(stripped(t, in))},
		{"no profile", "?icc=strip", "image/jpeg", "glassine2-noicc", in, string(stripped(t, in))},
		{
			"all that it says", "?format=json", "application/json", "glassine2-json", in,
			fmt.Sprintf(`{"type":"image/jpeg","bytes":%d,"width":40,"height":30,"frames":1,"orientation":6,"exif":{"bigEndian":true,"Image":{"Make":"Acm","Orientation":6}},"notes":["dominant colour, blurhash and thumbhash: there is no pixel engine here"]}`, len(in)),
		},
		{
			"SVG", "", "image/svg+xml", "glassine2", svg,
			`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><path d="M0 0"/></svg>`,
		},
	} {
		d := &double{s3: object(c.in, "application/octet-stream")}
		if _, err := d.function(t).Handle(t.Context(), testEvent("https://olap/a.jpg"+c.query), testCreds); err != nil {
			t.Fatal(err)
		}
		got := d.got[0]
		if string(got.body) != c.body {
			t.Errorf("%s: got %.300q, want %.300q", c.name, got.body, c.body)
		}
		if g := got.header.Get("X-Amz-Fwd-Header-Content-Type"); g != c.contentType {
			t.Errorf("%s: Content-Type: got %q, want %q", c.name, g, c.contentType)
		}
		if g, want := got.header.Get("X-Amz-Fwd-Header-Etag"), `"0123456789abcdef-`+c.etag+`"`; g != want {
			t.Errorf("%s: ETag: got %q, want %q", c.name, g, want)
		}
		policy := got.header.Get("X-Amz-Fwd-Header-Content-Security-Policy")
		if (policy == metadata.SVGPolicy) != (c.contentType == "image/svg+xml") {
			t.Errorf("%s: Content-Security-Policy: got %q", c.name, policy)
		}
	}
}
