package metadata_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

const (
	svgOpen = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">`
	svgIn   = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape">`
)

func TestSVGThatStays(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"shapes", `<g id="a" transform="rotate(45)"><path d="M0 0L1 1" fill="red"/></g>`, `<g id="a" transform="rotate(45)"><path d="M0 0L1 1" fill="red"/></g>`},
		{"text", `<text x="1">a <tspan>b</tspan> &amp; c</text>`, `<text x="1">a <tspan>b</tspan> &amp; c</text>`},
		{"links within the document", `<use href="#a"/><use xlink:href=" #b "/><path fill="url(#c)" clip-path="url('#d')"/>`, `<use href="#a"/><use xlink:href="#b"/><path fill="url(#c)" clip-path="url(#d)"/>`},
		{"styles", `<style>a{fill:url(#x)} /*CANARY*/ b{stroke:#fff}</style>`, `<style>a{fill:url(#x)}   b{stroke:#fff}</style>`},
		{"a style in CDATA", `<style><![CDATA[a>b{fill:red}]]></style>`, `<style>a&gt;b{fill:red}</style>`},
		{"filters, gradients, animation", `<filter id="f"><feGaussianBlur stdDeviation="2"/></filter><animate attributeName="x" to="3"/>`, `<filter id="f"><feGaussianBlur stdDeviation="2"/></filter><animate attributeName="x" to="3"/>`},
		{"language of text", `<text xml:space="preserve" xml:lang="de"> a </text>`, `<text xml:space="preserve" xml:lang="de"> a </text>`},
		{"line breaks in attributes", "<path d='M0\n0' id='a\"b'/>", `<path d="M0 0" id="a&quot;b"/>`},
		{"comments, instructions, metadata, titles", `<!--CANARY--><?CANARY x?><metadata>CANARY</metadata><title>CANARY</title><desc>CANARY</desc><path id="p"><title>CANARY</title></path>`, `<path id="p"/>`},
		{"what editors add", `<inkscape:page x="CANARY"/><path inkscape:label="CANARY" data-name="CANARY" aria-label="CANARY" role="img" d="M0"/><g inkscape:groupmode="CANARY"/>`, `<path d="M0"/><g/>`},
		{"text that is not shown", `CANARY<g>CANARY<path d="M0"/></g>`, `<g><path d="M0"/></g>`},
		{"scripts", `<script>CANARY</script><script href="https://CANARY"/><path onclick="CANARY()" d="M0" onload='x'/>`, `<path d="M0"/>`},
		{"HTML", `<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><iframe src="CANARY"/></body></foreignObject><iframe/><audio/><form/>`, ``},
		{"script of another prefix", `<s:script xmlns:s="http://www.w3.org/2000/svg">CANARY</s:script><h:script xmlns:h="http://www.w3.org/1999/xhtml">CANARY</h:script>`, ``},
		{"links out", `<a href="https://CANARY.example"><path d="M0"/></a><use href="CANARY.svg#a"/><image href="https://CANARY/x.png"/><a xlink:href="javascript:CANARY"/>`, `<a><path d="M0"/></a><use/><image/><a/>`},
		{"animation of a link", `<a href="#x"><set attributeName="href" to="javascript:CANARY"/><animate attributeName=" xlink:href " values="CANARY"/><set attributeName="onclick" to="CANARY"/></a>`, `<a href="#x"/>`},
		{"data URL that is no picture", `<image href="data:text/html;base64,Q0FOQVJZ"/><image href="data:image/png,CANARY"/><a href="data:image/svg+xml;base64,AAAA"/>`, `<image/><image/><a/>`},
		{"addresses in styles", `<style>@import url(https://CANARY); a{background:url(https://CANARY);b:url( "//CANARY" )} @import "CANARY";c{d:e}</style><path style="fill:url(https://CANARY)" fill="url(CANARY.svg#x) red"/>`, `<style>a{background:none;b:none} c{d:e}</style><path style="fill:none" fill="none red"/>`},
		{"programs in styles", `<style>a{width:expression(CANARY)}</style><path style="behavior:url(#x)"/><path style="-moz-binding:url(#CANARY)"/><path fill="image-set('CANARY')"/>`, `<style/><path/><path/><path/>`},
		{"escapes in styles", `<style>a{b:\75rl(CANARY)} @\69mport "CANARY"</style><style>a{b:u\72 l(CANARY)}</style><path style="content:'\41'"/>`, `<style/><style/><path style="content:'\41'"/>`},
		{"words that only look like programs", `<style>.facial-expression{fill:red} .image{x:y}</style>`, `<style>.facial-expression{fill:red} .image{x:y}</style>`},
		{"escaped backslashes in styles", `<style>a{b:\\75rl(CANARY)}</style>`, `<style/>`},
		{"programs in attributes", `<path filter="url(javascript:CANARY)" mask="URL( 'http://CANARY' )"/>`, `<path filter="none" mask="none"/>`},
		{"strings in styles", `<style>a{content:"url(x) /* y */"}</style><style>a{content:"CANARY</style>`, `<style>a{content:"url(x) /* y */"}</style><style/>`},
		{"fonts in styles", `<style>@font-face{src:url(data:font/woff2;base64,AAAA)}</style>`, `<style>@font-face{src:url("data:font/woff2;base64,AAAA")}</style>`},
		{"attribute twice", `<path id="a" xlink:href="#x" xlink:href="#y"/>`, `<path id="a" xlink:href="#x"/>`},
	} {
		out, _ := strip(t, []byte(svgIn+c.in+"</svg>"))
		if want := svgOpen + c.want + "</svg>"; string(out) != strings.Replace(want, "></svg>", "/>", map[bool]int{true: 1}[c.want == ""]) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, out, want)
		}
		if again, _ := strip(t, out); !bytes.Equal(again, out) {
			t.Errorf("%s: the copy's copy is %s", c.name, again)
		}
	}
}

func TestSVGDocuments(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{
			"declaration and document type go, entities of text are resolved",
			`<?xml version="1.0" encoding="utf-8"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://CANARY" [<!ENTITY ns_svg "http://www.w3.org/2000/svg"> <!ENTITY col 'red'>]><svg xmlns="&ns_svg;"><path fill="&col;"/></svg>`,
			svgOpen + `<path fill="red"/></svg>`,
		},
		{"byte order mark", "\xef\xbb\xbf" + `<svg xmlns="http://www.w3.org/2000/svg"/>`, strings.Replace(svgOpen, ">", "/>", 1)},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><svg xmlns='http://www.w3.org/2000/svg'><text>\xe4</text></svg>", svgOpen + "<text>ä</text></svg>"},
		{"no namespace", `<svg><path/></svg>`, svgOpen + `<path/></svg>`},
	} {
		if out, _ := strip(t, []byte(c.in)); string(out) != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, out, c.want)
		}
	}
	kept, err := tryStrip(metadata.Options{Metadata: metadata.KeepAll}, []byte(`<svg><title>T</title><script/><desc>D</desc></svg>`))
	if want := svgOpen + `<title>T</title><desc>D</desc></svg>`; err != nil || string(kept) != want {
		t.Errorf("metadata=keep: got %s, %v, want %s", kept, err, want)
	}
}

func TestSVGThatIsNone(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"external entity", `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>`, "entity"},
		{"entities of entities", `<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg><text>&b;</text></svg>`, "entity"},
		{"not closed", `<svg><g>`, "EOF"},
		{"wrongly nested", `<svg><g></svg>`, "closed by"},
		{"two roots", `<svg/><svg/>`, "second root"},
		{"another root", `<svg xmlns="http://example.com"/>`, "no svg element"},
		{"UTF-16 that it says it is", `<?xml version="1.0" encoding="utf-16"?><svg/>`, "encoding"},
		{"too deep", strings.Repeat("<svg>", 300), "too deep"},
		{"not UTF-8", "<svg>\xff</svg>", "UTF-8"},
	} {
		_, err := metadata.Strip(strings.NewReader(c.in), int64(len(c.in)))
		if !errors.Is(err, metadata.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a *DamagedError with %q", c.name, err, c.want)
		}
	}
	large := "<svg>" + strings.Repeat(" ", 8<<20) + "</svg>"
	if _, err := metadata.Strip(strings.NewReader(large), int64(len(large))); !errors.Is(err, metadata.ErrUnsupported) {
		t.Errorf("8 MiB and more: got %v, want ErrUnsupported", err)
	}
}

// TestPicturesInSVG: pictures in data: URLs are stripped themselves, and so are SVGs in SVGs.
func TestPicturesInSVG(t *testing.T) {
	jpeg := afterSOI(baseline(t), seg(0xfe, "CANARY"))
	clean, _ := strip(t, jpeg)
	url := func(kind string, b []byte) string {
		return "data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(b)
	}
	in := svgIn + `<image href="` + url("jpg", jpeg) + `"/><feImage xlink:href="` + url("png", jpeg) + `"/><style>a{b:url(` + url("jpeg", jpeg) + `)}</style></svg>`
	want := svgOpen + `<image href="` + url("jpeg", clean) + `"/><feImage xlink:href="` + url("jpeg", clean) + `"/><style>a{b:url("` + url("jpeg", clean) + `")}</style></svg>`
	out, _ := strip(t, []byte(in))
	if string(out) != want {
		t.Errorf("got  %.300s\nwant %.300s", out, want)
	}
	if again, _ := strip(t, out); !bytes.Equal(again, out) {
		t.Error("the copy's copy differs")
	}
	nested := []byte(`<svg><script>CANARY</script><path id="deep"/></svg>`)
	for range 4 {
		nested = []byte(`<svg><image href="` + url("svg+xml", nested) + `"/></svg>`)
	}
	out, _ = strip(t, nested)
	depth := 0
	for b := out; ; depth++ {
		_, rest, ok := strings.Cut(string(b), "base64,")
		if !ok {
			break
		}
		rest, _, _ = strings.Cut(rest, `"`)
		var err error
		if b, err = base64.StdEncoding.DecodeString(rest); err != nil {
			t.Fatal(err)
		}
	}
	if depth != 2 {
		t.Errorf("SVGs in SVGs: got %d deep, want 2", depth)
	}
}

// TestSVGLooksTheSame asks librsvg.
func TestSVGLooksTheSame(t *testing.T) {
	files := withSamples(t, map[string][]byte{"hand.svg": []byte(svgIn + `<defs><linearGradient id="g"><stop offset="0" stop-color="red"/><stop offset="1" stop-color="blue"/></linearGradient>
		<style>.a{fill:url(#g)} /* x */</style></defs><metadata>CANARY</metadata><rect class="a" width="90" height="50"/><!-- x --><text x="5" y="40" font-size="30">A<tspan>b</tspan> c</text>
		<image width="40" height="30" xlink:href="data:image/jpeg;base64,` + base64.StdEncoding.EncodeToString(afterSOI(baseline(t), seg(0xfe, "x"))) + `"/></svg>`)}, "formats/*.svg")
	samePixels(t, files, stripped(t))
}

func FuzzStripSVG(f *testing.F) {
	f.Add([]byte(svgIn + `<g onclick="x"><script>a</script><style>a{b:url(#c);d:url(http://e)}@import "f";</style><a href="javascript:x"><text>a&#38;b</text></a></g></svg>`))
	f.Add([]byte(`<!DOCTYPE svg [<!ENTITY a "b">]><svg><image href="data:image/gif;base64,R0lGODlh"/><set attributeName="href" to="x"/><path style="a:\75rl(x)"/></svg>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if metadata.Sniff(in) != metadata.SVG {
			return
		}
		out, err := tryStrip(metadata.Options{}, in)
		if err != nil {
			if !errors.Is(err, metadata.ErrUnsupported) && !errors.Is(err, metadata.ErrDamaged) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		// A byte may become a reference of six.
		if len(out) > 6*len(in)+200 {
			t.Errorf("%d bytes became %d", len(in), len(out))
		}
		if again, err := tryStrip(metadata.Options{}, out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("the copy's copy differs (%v):\n%q\n%q", err, out, again)
		}
		d := xml.NewDecoder(bytes.NewReader(out))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("copy is no XML: %v: %q", err, out)
			}
			checkSVGToken(t, tok)
		}
	})
}

// checkSVGToken fails for what no copy may have.
func checkSVGToken(t *testing.T, tok xml.Token) {
	switch e := tok.(type) {
	case xml.Comment, xml.ProcInst, xml.Directive:
		t.Errorf("copy holds %T", tok)
	case xml.StartElement:
		if e.Name.Space != "http://www.w3.org/2000/svg" || e.Name.Local == "script" || e.Name.Local == "foreignObject" {
			t.Errorf("copy holds element %v", e.Name)
		}
		for _, a := range e.Attr {
			if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") {
				t.Errorf("copy holds attribute %v", a.Name)
			}
			if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:image/") {
				t.Errorf("copy holds address %q", a.Value)
			}
		}
	}
}
