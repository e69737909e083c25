package metadata

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// xmpNode is an element of an XMP packet.
type xmpNode struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*xmpNode
	text     strings.Builder
}

// xmpPrefixes are the usual names of namespaces (XMP Specification Part 1, section 8; Part 2, section 2).
var xmpPrefixes = map[string]string{
	"http://purl.org/dc/elements/1.1/":                 "dc",
	"http://ns.adobe.com/xap/1.0/":                     "xmp",
	"http://ns.adobe.com/xap/1.0/rights/":              "xmpRights",
	"http://ns.adobe.com/xap/1.0/mm/":                  "xmpMM",
	"http://ns.adobe.com/xap/1.0/bj/":                  "xmpBJ",
	"http://ns.adobe.com/xap/1.0/sType/ResourceRef#":   "stRef",
	"http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
	"http://ns.adobe.com/photoshop/1.0/":               "photoshop",
	"http://ns.adobe.com/camera-raw-settings/1.0/":     "crs",
	"http://ns.adobe.com/tiff/1.0/":                    "tiff",
	"http://ns.adobe.com/exif/1.0/":                    "exif",
	"http://cipa.jp/exif/1.0/":                         "exifEX",
	"http://ns.adobe.com/exif/1.0/aux/":                "aux",
	"http://ns.adobe.com/lightroom/1.0/":               "lr",
	"http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/":      "Iptc4xmpCore",
	"http://iptc.org/std/Iptc4xmpExt/2008-02-29/":      "Iptc4xmpExt",
	"http://ns.google.com/photos/1.0/container/":       "Container",
	"http://ns.google.com/photos/1.0/container/item/":  "Item",
	"http://ns.google.com/photos/1.0/camera/":          "GCamera",
	"http://ns.adobe.com/xmp/note/":                    "xmpNote",
	gainMapSpace:                                       "hdrgm",
	"http://ns.useplus.org/ldf/xmp/1.0/":               "plus",
	"http://creativecommons.org/ns#":                   "cc",
	"http://web.resource.org/cc/":                      "cc",
}

const (
	maxXMPNodes = 50000
	maxXMPDepth = 64
)

// parseXMP returns the properties of every description in an XMP packet, or in an SVG that holds RDF; nil when there is no RDF
// to read. What follows a syntax error is left out.
func parseXMP(packet []byte) map[string]any {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimRight(packet, "\x00 \r\n\t")))
	d.Strict = false
	out := make(map[string]any)
	found, nodes := false, 0
	for {
		tok, err := d.Token()
		if err != nil {
			break
		}
		start, ok := tok.(xml.StartElement)
		if !ok || start.Name != (xml.Name{Space: rdfSpace, Local: "RDF"}) {
			continue
		}
		found = true
		for _, description := range readXMP(d, start, &nodes, 0).children {
			for name, value := range description.structure() {
				if _, twice := out[name]; !twice {
					out[name] = value
				}
			}
		}
	}
	if !found {
		return nil
	}
	return out
}

// readXMP reads an element to its end.
func readXMP(d *xml.Decoder, start xml.StartElement, nodes *int, depth int) *xmpNode {
	n := &xmpNode{name: start.Name, attrs: start.Attr}
	for {
		tok, err := d.Token()
		if err != nil {
			return n
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if *nodes++; *nodes > maxXMPNodes || depth == maxXMPDepth {
				if d.Skip() != nil {
					return n
				}
				continue
			}
			n.children = append(n.children, readXMP(d, t, nodes, depth+1))
		case xml.CharData:
			n.text.Write(t)
		case xml.EndElement:
			return n
		}
	}
}

// xmpName returns a property's name with its usual prefix; "" for those of RDF and XML themselves.
func xmpName(n xml.Name) string {
	switch {
	case n.Space == rdfSpace || n.Space == xmlSpace || n.Space == "xml" || n.Space == "xmlns" || n.Space == "":
		return ""
	case xmpPrefixes[n.Space] != "":
		return xmpPrefixes[n.Space] + ":" + n.Local
	}
	return n.Space + n.Local
}

// structure returns the attributes and child elements of a node as properties.
func (n *xmpNode) structure() map[string]any {
	out := make(map[string]any)
	for _, a := range n.attrs {
		if name := xmpName(a.Name); name != "" {
			out[name] = a.Value
		}
	}
	for _, c := range n.children {
		if name := xmpName(c.name); name != "" {
			out[name] = c.value()
		}
	}
	return out
}

func (n *xmpNode) attr(local string) string {
	for _, a := range n.attrs {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// value returns the value of a property: XMP Specification Part 1, section 7.
func (n *xmpNode) value() any {
	if len(n.children) == 1 && n.children[0].name.Space == rdfSpace {
		c := n.children[0]
		switch c.name.Local {
		case "Seq", "Bag":
			list := []any{}
			for _, li := range c.children {
				list = append(list, li.value())
			}
			return list
		case "Alt":
			for _, li := range c.children {
				if lang := li.attr("lang"); lang == "x-default" || lang == "" {
					return li.value()
				}
			}
			if len(c.children) > 0 {
				return c.children[0].value()
			}
			return ""
		case "Description":
			return c.structure()
		}
	}
	if s := n.structure(); len(s) > 0 {
		return s
	}
	if resource := n.attr("resource"); resource != "" {
		return resource
	}
	return strings.TrimSpace(n.text.String())
}
