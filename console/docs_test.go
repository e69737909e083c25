package console

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestDocsAreMadeOfMarkdown(t *testing.T) {
	pages, err := readDocs(fstest.MapFS{
		"index.md": {Data: []byte("# The guide\n\nBegin [here](install.md#first), or [there](https://example.com/), or [not](../README.md) or [never](javascript:alert(1)).\n")},
		"install.md": {Data: []byte("# Install\n\n## First things\n\nTake the *binary*: <script>alert(1)</script> and `x < y`.\n\n```sh\nglassine up\n```\n\n## Second things\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" +
			"![a picture](https://evil.example/x.png)\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != 2 || pages[0].Title != "The guide" || pages[1].Title != "Install" {
		t.Fatalf("pages = %+v", pages)
	}
	index, install := string(pages[0].HTML), string(pages[1].HTML)
	for _, part := range []string{`<a href="/docs/install#first">here</a>`, `<a href="https://example.com/">there</a>`, "or not or never."} {
		if !strings.Contains(index, part) {
			t.Errorf("index = %s, want %s in it", index, part)
		}
	}
	for _, part := range []string{`<h2 id="first-things">First things</h2>`, `<pre class="doc" tabindex="0"><code class="language-sh">glassine up`, "<code>x &lt; y</code>", "<td>1</td>"} {
		if !strings.Contains(install, part) {
			t.Errorf("install = %s, want %s in it", install, part)
		}
	}
	for _, never := range []string{"<script", "javascript:", "evil.example", "<h1"} {
		if strings.Contains(index+install, never) {
			t.Errorf("%q is in a page: %s %s", never, index, install)
		}
	}
	if got := len(pages[1].Headings); got != 2 {
		t.Errorf("%d headings, want 2", got)
	}
	found := searchDocs(pages, "glassine UP")
	if len(found) != 1 || found[0].Id != "first-things" || found[0].Match != "glassine" {
		t.Errorf("found = %+v", found)
	}
	for query, want := range map[string]int{"second": 1, "nothing-there": 0, "  ": 0, strings.Repeat("a", 300): 0, "take binary": 1} {
		if got := len(searchDocs(pages, query)); got != want {
			t.Errorf("search %q found %d, want %d", query, got, want)
		}
	}
}

// The guide that is in the program has pages, each with a title and something in it.
func TestGuideIsInTheProgram(t *testing.T) {
	var d docs
	pages, err := d.load()
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, p := range pages {
		if p.Title == p.Name || len(p.HTML) < 100 {
			t.Errorf("page %s: title %q, %d bytes", p.Name, p.Title, len(p.HTML))
		}
	}
}

func FuzzMakeDoc(f *testing.F) {
	f.Add("# T\n\n## H\n\n[a](b.md) ![x](y) <b>raw</b>\n", "raw")
	f.Add("a\n===\n\n|a|\n|-|\n|`x`|\n", "x")
	f.Fuzz(func(t *testing.T, text, query string) {
		p, err := makeDoc("x", []byte(text), map[string]bool{"b": true})
		if err != nil {
			return
		}
		if strings.Contains(strings.ToLower(string(p.HTML)), "<script") {
			t.Errorf("%q became %q", text, p.HTML)
		}
		searchDocs([]*docPage{p}, query)
	})
}
