package client

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Element is an element of a configuration in XML: the console changes what it has a form for, and sends back all else as it came.
type Element struct {
	Name     string
	Space    string // of the outermost alone
	Text     string // of one without children
	Children []*Element
}

// maxDepth bounds how deep a configuration nests; CloudFront's has nine levels.
const maxDepth = 32

// parseElement reads one element with all that is in it. Attributes are not kept: CloudFront's have none but the namespace.
func parseElement(raw []byte) (*Element, error) {
	var open []*Element
	var root *Element
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			if root == nil || len(open) > 0 {
				return nil, errors.New("no whole element")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			e := &Element{Name: t.Name.Local}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.Children = append(parent.Children, e)
			case root != nil:
				return nil, errors.New("more than one element")
			default:
				root, e.Space = e, t.Name.Space
			}
			if open = append(open, e); len(open) > maxDepth {
				return nil, errors.New("it nests too deep")
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].Text += string(t)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// bytes writes an element.
func (e *Element) bytes(b *bytes.Buffer) {
	b.WriteString("<" + e.Name)
	if e.Space != "" {
		b.WriteString(` xmlns="`)
		_ = xml.EscapeText(b, []byte(e.Space)) // a Buffer does not fail
		b.WriteString(`"`)
	}
	b.WriteString(">")
	for _, c := range e.Children {
		c.bytes(b)
	}
	if len(e.Children) == 0 {
		_ = xml.EscapeText(b, []byte(e.Text))
	}
	b.WriteString("</" + e.Name + ">")
}

// Of returns the element at a path of names, which it makes where they are not.
func (e *Element) Of(path ...string) *Element {
	for _, name := range path {
		i := slices.IndexFunc(e.Children, func(c *Element) bool { return c.Name == name })
		if i < 0 {
			e.Children = append(e.Children, &Element{Name: name})
			i = len(e.Children) - 1
		}
		e = e.Children[i]
	}
	return e
}

// Get returns the text at a path, "" where there is none. Set sets it.
func (e *Element) Get(path ...string) string {
	for _, name := range path {
		i := slices.IndexFunc(e.Children, func(c *Element) bool { return c.Name == name })
		if i < 0 {
			return ""
		}
		e = e.Children[i]
	}
	return strings.TrimSpace(e.Text)
}

// Set sets the text at a path.
func (e *Element) Set(text string, path ...string) {
	at := e.Of(path...)
	at.Text, at.Children = text, nil
}

// Drop takes away the children of a name.
func (e *Element) Drop(name string) {
	e.Children = slices.DeleteFunc(e.Children, func(c *Element) bool { return c.Name == name })
}

// Items are the elements of a list of CloudFront's, which has a Quantity.
func (e *Element) Items() []*Element {
	for _, c := range e.Children {
		if c.Name == "Items" {
			return c.Children
		}
	}
	return nil
}

// SetItems sets them with their quantity.
func (e *Element) SetItems(all []*Element) {
	e.Text, e.Children = "", []*Element{{Name: "Quantity", Text: strconv.Itoa(len(all))}}
	if len(all) > 0 {
		e.Children = append(e.Children, &Element{Name: "Items", Children: all})
	}
}

// NewElement makes an element of names and texts in turn.
func NewElement(name string, pairs ...string) *Element {
	e := &Element{Name: name}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Children = append(e.Children, &Element{Name: pairs[i], Text: pairs[i+1]})
	}
	return e
}

// EditDistribution reads a distribution's configuration, has edit change it, and sends it back under the ETag that it was read
// with. filter is what edit does, as a filter of jq, for the command that does the same.
func (c *Client) EditDistribution(ctx context.Context, id, filter string, edit func(*Element) error) error {
	raw, h, err := c.read(ctx, c.cloudfront("GetDistributionConfig", http.MethodGet, "distribution/"+url.PathEscape(id)+"/config", nil, "get-distribution-config", "--id", id))
	if err != nil {
		return err
	}
	config, err := parseElement(raw)
	if err != nil {
		return err
	}
	if err := edit(config); err != nil {
		return err
	}
	var body bytes.Buffer
	config.bytes(&body)
	r := c.cloudfront("UpdateDistribution", http.MethodPut, "distribution/"+url.PathEscape(id)+"/config", body.Bytes())
	r.cli, r.command = nil, EditCommand(id, h.Get("Etag"), filter)
	r.header.Set("If-Match", h.Get("Etag"))
	_, err = c.xml(ctx, r, nil)
	return err
}

// EditCommand changes a distribution's configuration from a shell: the AWS CLI reads and writes it, jq changes it.
func EditCommand(id, etag, filter string) string {
	return "aws cloudfront get-distribution-config --id " + quote(id) + " --query DistributionConfig | jq " + quote(filter) + " > config.json\n" +
		"aws cloudfront update-distribution --id " + quote(id) + " --if-match " + quote(etag) + " --distribution-config file://config.json"
}
