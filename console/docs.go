package console

import (
	"bytes"
	"cmp"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"glassine/docs/guide"
)

// docs is the guide, made into pages when the first of them is asked for.
type docs struct {
	once  sync.Once
	pages []*docPage
	err   error
}

// docPage is a page of the guide.
type docPage struct {
	Name, Title string
	Summary     string        // how it begins
	HTML        template.HTML // of our own text, by goldmark with raw HTML off
	Headings    []docHeading
	sections    []docSection
}

// docHeading is a heading of the second or third level.
type docHeading struct {
	Level    int
	Text, Id string
}

// docSection is what stands below a heading, to be searched.
type docSection struct {
	heading, id, text string
	words             string // text and heading in lower case
}

// docFound is a place that a search found.
type docFound struct {
	Page, Title, Heading, Id string
	Before, Match, After     string // of the text around the first word
	score                    int
}

// docsData is the guide: its list, one page, or what a search found.
type docsData struct {
	Pages []*docPage
	Page  *docPage // nil for the list
	Query string
	Found []docFound
}

// load makes the pages. first orders the list; what it does not name comes behind, by title.
func (d *docs) load() ([]*docPage, error) {
	d.once.Do(func() { d.pages, d.err = readDocs(guide.Files) })
	return d.pages, d.err
}

// docOrder is the order of the guide's pages, by name: what one needs first.
var docOrder = []string{"index", "install", "first-picture", "your-bucket", "functions", "pictures", "policies", "edge", "production", "scaling", "security", "settings", "cli"}

func readDocs(files fs.FS) ([]*docPage, error) {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, name := range names {
		known[strings.TrimSuffix(name, ".md")] = true
	}
	var out []*docPage
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		page, err := makeDoc(strings.TrimSuffix(name, ".md"), raw, known)
		if err != nil {
			return nil, err
		}
		out = append(out, page)
	}
	place := func(p *docPage) int {
		if i := slices.Index(docOrder, p.Name); i >= 0 {
			return i
		}
		return len(docOrder)
	}
	slices.SortFunc(out, func(a, b *docPage) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a.Title, b.Title))
	})
	return out, nil
}

// makeDoc makes a page of Markdown: GitHub's tables, headings with anchors, links to other pages of the guide. Raw HTML is left out.
func makeDoc(name string, raw []byte, known map[string]bool) (*docPage, error) {
	md := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	tree := md.Parser().Parse(text.NewReader(raw))
	p := &docPage{Name: name, Title: name}
	var title ast.Node
	section := docSection{}
	var elsewhere []*ast.Link
	var said strings.Builder
	closeSection := func() {
		section.text = strings.Join(strings.Fields(said.String()), " ")
		section.words = strings.ToLower(section.heading + " " + section.text)
		p.sections = append(p.sections, section)
		said.Reset()
	}
	err := ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				said.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 1 && title == nil {
				title, p.Title = n, plainText(n, raw)
				section.heading = p.Title
				return ast.WalkSkipChildren, nil
			}
			closeSection()
			id, _ := n.AttributeString("id")
			bytesOf, _ := id.([]byte)
			section = docSection{heading: plainText(n, raw), id: string(bytesOf)}
			if n.Level <= 3 {
				p.Headings = append(p.Headings, docHeading{n.Level, section.heading, section.id})
			}
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			said.Write(n.Segment.Value(raw))
			if n.SoftLineBreak() {
				said.WriteByte(' ')
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			lines := n.Lines()
			for i := range lines.Len() {
				line := lines.At(i)
				said.Write(line.Value(raw))
			}
		case *ast.Link:
			if to := docLink(string(n.Destination), known); to != "" {
				n.Destination = []byte(to)
			} else {
				elsewhere = append(elsewhere, n)
			}
		case *ast.Image:
			n.Destination = nil // nothing is fetched, from here or elsewhere
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	closeSection()
	p.Summary = upTo(p.sections[0].text, 150)
	for _, n := range elsewhere {
		unlink(n)
	}
	if title != nil { // the page has its own
		title.Parent().RemoveChild(title.Parent(), title)
	}
	var b bytes.Buffer
	if err := md.Renderer().Render(&b, raw, tree); err != nil {
		return nil, err
	}
	p.HTML = template.HTML(scrollable.Replace(b.String()))
	return p, nil
}

// scrollable lets a keyboard reach what scrolls: blocks of code, and tables, which may be wide.
var scrollable = strings.NewReplacer("<pre><code", `<pre class="doc" tabindex="0"><code`,
	"<table>", `<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>`, "</table>", "</table></div>")

// unlink takes a link away. What it says stays.
func unlink(n *ast.Link) {
	for child := n.FirstChild(); child != nil; child = n.FirstChild() {
		n.Parent().InsertBefore(n.Parent(), n, child)
	}
	n.Parent().RemoveChild(n.Parent(), n)
}

// plainText is a node's text.
func plainText(n ast.Node, raw []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function has no error
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(raw))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// docLink makes a link of the guide's files one of the console: other pages of the guide are here, and what is elsewhere stays as it
// is. "" is for what cannot be had from here, such as files of the repository.
func docLink(to string, known map[string]bool) string {
	u, err := url.Parse(to)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "http" || u.Scheme == "https":
		return to
	case u.Scheme != "" || u.Host != "":
		return ""
	case u.Path == "": // a heading of the same page
		return to
	}
	name := strings.TrimSuffix(path.Base(u.Path), ".md")
	if path.Ext(u.Path) == ".md" && path.Dir(u.Path) == "." && known[name] {
		out := "/docs/" + name
		if u.Fragment != "" {
			out += "#" + u.Fragment
		}
		return out
	}
	return ""
}

func docsPage(q *request) error {
	pages, err := q.c.docs.load()
	if err != nil {
		return err
	}
	d := docsData{Pages: pages, Query: strings.TrimSpace(q.arg("q"))}
	title := "Guide"
	if name := q.r.PathValue("page"); name != "" {
		i := slices.IndexFunc(pages, func(p *docPage) bool { return p.Name == name })
		if i < 0 {
			q.problem = &problem{What: "There is no such page of the guide.", Why: "Nothing in it is called " + name + ".", Status: http.StatusNotFound}
		} else {
			d.Page, title = pages[i], pages[i].Title
		}
	}
	if d.Query != "" {
		d.Found = searchDocs(pages, d.Query)
	}
	return q.show("docs", "docs", title, d)
}

// maxFound is how many places a search shows.
const maxFound = 30

// searchDocs finds the sections that have all words of a query; those with a word in their heading come first.
func searchDocs(pages []*docPage, query string) []docFound {
	words := strings.FieldsFunc(strings.ToLower(query), unicode.IsSpace)
	if len(words) == 0 || len(query) > 200 {
		return nil
	}
	var out []docFound
	for _, p := range pages {
		for _, s := range p.sections {
			f := docFound{Page: p.Name, Title: p.Title, Heading: s.heading, Id: s.id}
			for _, w := range words {
				n := strings.Count(s.words, w)
				if n == 0 {
					f.score = 0
					break
				}
				f.score += min(n, 5)
				if strings.Contains(strings.ToLower(s.heading), w) {
					f.score += 20
				}
				if strings.Contains(strings.ToLower(p.Title), w) {
					f.score += 8
				}
			}
			if f.score > 0 {
				f.Before, f.Match, f.After = around(s.text, words[0])
				out = append(out, f)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b docFound) int { return cmp.Compare(b.score, a.score) })
	return out[:min(maxFound, len(out))]
}

// around cuts the first place of a word out of a text, with some of it before and after.
func around(s, word string) (before, match, after string) {
	at := strings.Index(strings.ToLower(s), word)
	if at < 0 || at+len(word) > len(s) || len(strings.ToLower(s)) != len(s) { // lower case of another length moves places
		return "", "", upTo(s, 180)
	}
	if before = cut(s, max(0, at-70), at); at > 70 {
		before = "…" + before
	}
	return before, s[at : at+len(word)], upTo(s[at+len(word):], 110)
}

// cut is s[from:to], moved to whole characters.
func cut(s string, from, to int) string {
	to = min(to, len(s))
	for from < to && !utf8.RuneStart(s[from]) {
		from++
	}
	for to > from && to < len(s) && !utf8.RuneStart(s[to]) {
		to--
	}
	return s[from:to]
}

// upTo is the beginning of s, with dots when it is longer.
func upTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return cut(s, 0, most) + "…"
}

func (c *Console) docRoutes(show func(string, handler)) {
	show("/docs", docsPage)
	show("/docs/{page}", docsPage)
}
