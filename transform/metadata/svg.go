package metadata

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// maxSVG is the largest SVG, before and after.
	maxSVG = 8 << 20
	// maxSVGDepth bounds how deep elements stand in each other, maxSVGNested how deep pictures in data: URLs do.
	maxSVGDepth  = 256
	maxSVGNested = 2

	svgSpace   = "http://www.w3.org/2000/svg"
	xlinkSpace = "http://www.w3.org/1999/xlink"
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
)

// SVGPolicy is the Content-Security-Policy that a stripped SVG should be served with, beside nosniff. The copy has no script and
// no address outside of it; the policy is for what a browser may yet invent.
const SVGPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"

// stripSVG writes the file anew: elements and attributes of the whitelist, styles without addresses, pictures in data: URLs
// stripped themselves. Scripts, event handlers, foreignObject, links, comments, titles, descriptions, editors' namespaces
// and the document type go.
func stripSVG(w *window, o Options) (*Plan, error) {
	if w.size > maxSVG {
		return nil, &UnsupportedError{Format: SVG, Detail: "of more than 8 MiB"}
	}
	b, err := w.read(0, w.size)
	if err != nil {
		return nil, err
	}
	out, gone, err := sanitizeSVG(b, o, 0)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Format: SVG, ContentType: SVG.ContentType(), Orientation: 1, notes: gone}
	plan.note(rewritten, 0, w.size)
	plan.put(out)
	return plan.finish(), nil
}

// svgWriter writes the copy of one document.
type svgWriter struct {
	o   Options
	in  *xml.Decoder
	out bytes.Buffer
	// nested is how deep in data: URLs the document is.
	nested int
	// open are the elements that were written and are not yet closed.
	open []string
	// pending says that the last start tag has no ">" yet.
	pending bool
	// style collects the text of a style element.
	style *strings.Builder
	done  bool
	// gone are the parts that go, began where the token under way does, and skipped how much stood before what the decoder sees.
	gone           []note
	began, skipped int64
}

func svgDamaged(at int64, reason string) error {
	return &DamagedError{Format: SVG, Offset: at, Reason: reason}
}

// sanitizeSVG returns the copy, and notes of what goes.
func sanitizeSVG(b []byte, o Options, nested int) ([]byte, []note, error) {
	whole := len(b)
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	s := &svgWriter{o: o, in: xml.NewDecoder(bytes.NewReader(b)), nested: nested, skipped: int64(whole - len(b))}
	s.in.CharsetReader = charset
	for {
		s.began = s.in.InputOffset()
		tok, err := s.in.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			var syntax *xml.SyntaxError
			reason := err.Error()
			if errors.As(err, &syntax) {
				reason = syntax.Msg
			}
			return nil, nil, svgDamaged(s.in.InputOffset(), reason)
		}
		if err := s.token(tok); err != nil {
			return nil, nil, err
		}
		if s.out.Len() > maxSVG {
			return nil, nil, &UnsupportedError{Format: SVG, Detail: "of more than 8 MiB"}
		}
	}
	if !s.done {
		return nil, nil, svgDamaged(s.in.InputOffset(), "no svg element")
	}
	return s.out.Bytes(), s.gone, nil
}

// charset reads the encodings that are a part of Latin-1; any other is an error of the decoder.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "iso-8859-1", "latin1", "us-ascii", "ascii":
	default:
		return nil, errors.New("encoding is not UTF-8")
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSVG))
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return strings.NewReader(out.String()), nil
}

func (s *svgWriter) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return s.start(t)
	case xml.EndElement:
		s.end()
	case xml.CharData:
		return s.text(t)
	case xml.Directive:
		if len(s.open) == 0 {
			return s.doctype(t)
		}
	case xml.Comment:
		s.noteToken(KindComment)
	}
	return nil // comments and processing instructions
}

var entityPattern = regexp.MustCompile(`<!ENTITY\s+([A-Za-z_][\w.-]*)\s+(?:"([^"&%<]*)"|'([^'&%<]*)')\s*>`)

// doctype takes over the entities that stand for plain text, as Adobe Illustrator declares them for namespaces. All others are
// unknown, and their use an error.
func (s *svgWriter) doctype(d xml.Directive) error {
	s.in.Entity = make(map[string]string)
	for _, m := range entityPattern.FindAllSubmatch(d, 64) {
		if value := string(m[2]) + string(m[3]); len(value) <= 256 {
			s.in.Entity[string(m[1])] = value
		}
	}
	return nil
}

// start writes a start tag, or passes over the whole element.
func (s *svgWriter) start(t xml.StartElement) error {
	if s.done {
		return svgDamaged(s.in.InputOffset(), "second root element")
	}
	root := len(s.open) == 0
	if root && (t.Name.Local != "svg" || t.Name.Space != svgSpace && t.Name.Space != "") {
		return svgDamaged(s.in.InputOffset(), "no svg element")
	}
	if len(s.open) == maxSVGDepth {
		return svgDamaged(s.in.InputOffset(), "elements too deep in each other")
	}
	if t.Name.Space != svgSpace && t.Name.Space != "" || !s.wanted(t.Name.Local) || s.style != nil || animatesReference(t) {
		if err := s.in.Skip(); err != nil {
			return svgDamaged(s.in.InputOffset(), "element that does not end")
		}
		s.noteToken(svgKind(t.Name.Space, t.Name.Local))
		return nil
	}
	s.closeTag()
	s.out.WriteString("<" + t.Name.Local)
	if root {
		s.out.WriteString(` xmlns="` + svgSpace + `" xmlns:xlink="` + xlinkSpace + `"`)
	}
	seen := make(map[string]bool)
	for _, a := range t.Attr {
		name, value, ok := s.attribute(t.Name.Local, a)
		if ok && !seen[name] {
			seen[name] = true
			writeAttribute(&s.out, name, value)
		}
	}
	s.pending = true
	s.open = append(s.open, t.Name.Local)
	if t.Name.Local == "style" {
		s.style = new(strings.Builder)
	}
	return nil
}

// wanted reports whether an element stays.
func (s *svgWriter) wanted(name string) bool {
	return svgElements[name] || s.o.Metadata == KeepAll && (name == "title" || name == "desc")
}

// animatesReference reports whether the element would change an address, a style or an event handler of another.
func animatesReference(t xml.StartElement) bool {
	for _, a := range t.Attr {
		if a.Name.Local != "attributeName" {
			continue
		}
		name := strings.TrimSpace(a.Value)
		return name == "href" || name == "style" || !svgAttributes[name]
	}
	return false
}

func (s *svgWriter) closeTag() {
	if s.pending {
		s.out.WriteByte('>')
		s.pending = false
	}
}

func (s *svgWriter) end() {
	name := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	if s.style != nil {
		if css := cleanCSS(s.style.String(), s.picture); css != "" {
			s.closeTag()
			writeText(&s.out, css)
		}
		s.style = nil
	}
	if s.pending {
		s.out.WriteString("/>")
		s.pending = false
	} else {
		s.out.WriteString("</" + name + ">")
	}
	s.done = len(s.open) == 0
}

func (s *svgWriter) text(t xml.CharData) error {
	switch {
	case len(s.open) == 0:
	case s.style != nil:
		s.style.Write(t)
	case len(bytes.TrimSpace(t)) > 0 || s.inText():
		if !s.inText() {
			return nil // text outside of text elements is not shown
		}
		s.closeTag()
		writeText(&s.out, string(t))
	}
	return nil
}

// inText reports whether characters are shown where the writer is.
func (s *svgWriter) inText() bool {
	for i := len(s.open) - 1; i >= 0; i-- {
		switch s.open[i] {
		case "text", "tspan", "textPath", "altGlyph", "tref", "title", "desc":
			return true
		case "a", "switch", "g":
			continue
		}
		return false
	}
	return false
}

// attribute returns an attribute as it may stay.
func (s *svgWriter) attribute(element string, a xml.Attr) (name, value string, ok bool) {
	name, value = a.Name.Local, a.Value
	switch a.Name.Space {
	case "":
	case xmlSpace, "xml":
		return "xml:" + name, value, name == "space" || name == "lang"
	case xlinkSpace:
		if name != "href" {
			return "", "", false
		}
	default:
		return "", "", false
	}
	switch {
	case name == "href":
		if value, ok = s.reference(element, value); a.Name.Space == xlinkSpace {
			name = "xlink:href"
		}
		return name, value, ok
	case !svgAttributes[name]:
		return "", "", false
	case name == "style":
		value = cleanCSS(value, s.picture)
		return name, value, value != ""
	case strings.ContainsAny(value, `(\`) && name != "d":
		value = cleanCSS(value, s.picture)
		return name, value, value != ""
	}
	return name, value, true
}

// reference keeps an address within the document, and a picture in a data: URL where a picture may stand.
func (s *svgWriter) reference(element, value string) (string, bool) {
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "#") {
		return value, true
	}
	if element == "image" || element == "feImage" {
		return s.picture(value)
	}
	return "", false
}

var dataURL = regexp.MustCompile(`^(?i:data):\s*((?i)image/[a-z0-9.+-]+)\s*;\s*(?i:base64)\s*,`)

// picture strips the picture of a data: URL.
func (s *svgWriter) picture(value string) (string, bool) {
	m := dataURL.FindStringSubmatch(value)
	if m == nil || s.nested == maxSVGNested {
		return "", false
	}
	compact := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, value[len(m[0]):])
	raw, err := base64.StdEncoding.DecodeString(compact)
	if err != nil {
		if raw, err = base64.RawStdEncoding.DecodeString(compact); err != nil {
			return "", false
		}
	}
	var out []byte
	format := Sniff(raw[:min(len(raw), SniffLen)])
	if format == SVG {
		if out, _, err = sanitizeSVG(raw, s.o, s.nested+1); err != nil {
			return "", false
		}
	} else {
		o := s.o
		if o.Metadata == KeepAll {
			o.Metadata = KeepNone
		}
		plan, err := o.Strip(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return "", false
		}
		if out, err = io.ReadAll(plan.Reader(bytes.NewReader(raw))); err != nil {
			return "", false
		}
	}
	return "data:" + format.ContentType() + ";base64," + base64.StdEncoding.EncodeToString(out), true
}

// writeAttribute writes an attribute. Line breaks and tabs become spaces, as XML readers make of them (XML 1.0 section 3.3.3).
func writeAttribute(out *bytes.Buffer, name, value string) {
	out.WriteString(" " + name + `="`)
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '&':
			out.WriteString("&amp;")
		case '<':
			out.WriteString("&lt;")
		case '"':
			out.WriteString("&quot;")
		case '\n', '\r', '\t':
			out.WriteByte(' ')
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
}

func writeText(out *bytes.Buffer, s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '&':
			out.WriteString("&amp;")
		case '<':
			out.WriteString("&lt;")
		case '>':
			out.WriteString("&gt;")
		case '\r':
			out.WriteString("&#13;")
		default:
			out.WriteByte(c)
		}
	}
}

// svgSize returns the width and height of the root element in pixels, from its attributes or its viewBox; 0 when it tells none.
func svgSize(b []byte) (width, height float64) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader, d.Strict = charset, false
	for {
		tok, err := d.Token()
		if err != nil {
			return 0, 0
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		var box []string
		for _, a := range t.Attr {
			switch a.Name.Local {
			case "width":
				width = svgLength(a.Value)
			case "height":
				height = svgLength(a.Value)
			case "viewBox":
				box = strings.FieldsFunc(a.Value, func(r rune) bool { return r == ',' || r < utf8.RuneSelf && r <= ' ' })
			}
		}
		if (width == 0 || height == 0) && len(box) == 4 {
			return svgLength(box[2]), svgLength(box[3])
		}
		return width, height
	}
}
