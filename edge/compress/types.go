package compress

import "strings"

// Compressible tells whether a Content-Type is one that CloudFront compresses; parameters and case do not count.
func Compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return types[strings.ToLower(strings.Trim(t, " \t"))]
}

// types are those of the Developer Guide, "File types that CloudFront compresses", as of 15 June 2023. WebAssembly is not among
// them, and no picture but SVG.
var types = map[string]bool{
	"application/dash+xml":          true,
	"application/eot":               true,
	"application/font":              true,
	"application/font-sfnt":         true,
	"application/javascript":        true,
	"application/json":              true,
	"application/opentype":          true,
	"application/otf":               true,
	"application/pkcs7-mime":        true,
	"application/protobuf":          true,
	"application/rss+xml":           true,
	"application/truetype":          true,
	"application/ttf":               true,
	"application/vnd.apple.mpegurl": true,
	"application/vnd.ms-fontobject": true,
	"application/xhtml+xml":         true,
	"application/xml":               true,
	"application/x-font-opentype":   true,
	"application/x-font-truetype":   true,
	"application/x-font-ttf":        true,
	"application/x-httpd-cgi":       true,
	"application/x-javascript":      true,
	"application/x-mpegurl":         true,
	"application/x-opentype":        true,
	"application/x-otf":             true,
	"application/x-perl":            true,
	"application/x-ttf":             true,
	"font/eot":                      true,
	"font/opentype":                 true,
	"font/otf":                      true,
	"font/ttf":                      true,
	"image/svg+xml":                 true,
	"text/css":                      true,
	"text/csv":                      true,
	"text/html":                     true,
	"text/javascript":               true,
	"text/js":                       true,
	"text/plain":                    true,
	"text/richtext":                 true,
	"text/tab-separated-values":     true,
	"text/xml":                      true,
	"text/x-component":              true,
	"text/x-java-source":            true,
	"text/x-script":                 true,
	"vnd.apple.mpegurl":             true,
}
