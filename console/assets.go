package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// asset is a static file, compressed once.
type asset struct {
	contentType string
	plain, gzip []byte
	hash        string // of the content, in hex
}

// assets are the static files by name.
type assets map[string]asset

// contentTypes are those of the static files there are.
var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8"}

func loadAssets(files fs.FS) (assets, error) {
	out := assets{}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		plain, err := fs.ReadFile(files, "static/"+e.Name())
		if err != nil {
			return nil, err
		}
		kind, ok := contentTypes[path.Ext(e.Name())]
		if !ok {
			return nil, fmt.Errorf("static file %s has no content type", e.Name())
		}
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one that there is
		_, _ = w.Write(plain)                                      // a Buffer does not fail
		_ = w.Close()
		sum := sha256.Sum256(plain)
		out[e.Name()] = asset{kind, plain, packed.Bytes(), hex.EncodeToString(sum[:8])}
	}
	return out, nil
}

// url is where an asset of this very content is, which may be kept for ever.
func (a assets) url(name string) (string, error) {
	found, ok := a[name]
	if !ok {
		return "", fmt.Errorf("no static file %s", name)
	}
	return "/static/" + name + "?" + found.hash, nil
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	etag := `"` + found.hash + `"`
	h.Set("Content-Type", found.contentType)
	h.Set("ETag", etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if r.URL.RawQuery == found.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := found.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = found.gzip
	}
	_, _ = w.Write(body) // a failed write is the browser's leaving
}

// icons are drawn on 16 by 16, one stroke.
var icons = map[string]string{
	"studio":  `<circle cx="8" cy="8.5" r="3"/><path d="M2 5h2.5l1-2h5l1 2H14v8.5H2z"/>`,
	"guide":   `<path d="M3 4.5l1.2 1.2L6.5 3M3 11l1.2 1.2 2.3-2.7M9 4.5h5M9 11h5"/>`,
	"bucket":  `<path d="M2.5 4l1.3 9.5h8.4L13.5 4"/><ellipse cx="8" cy="4" rx="5.5" ry="1.8"/>`,
	"point":   `<path d="M8 14s4.5-4.2 4.5-7.5a4.5 4.5 0 0 0-9 0C3.5 9.800 8 14 8 14z"/><circle cx="8" cy="6.500" r="1.600"/>`,
	"lambda":  `<path d="M4 2.500h2.500l5 11H14M7.700 7L4 13.500"/>`,
	"olap":    `<path d="M2 8h3M11 8h3M5 4.500h6v7H5z"/><path d="M7 10l1-4 1 4"/>`,
	"access":  `<rect x="3.500" y="7" width="9" height="6.500"/><path d="M5.500 7V5a2.500 2.500 0 0 1 5 0v2"/>`,
	"globe":   `<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c2.200 1.600 2.200 10.400 0 12M8 2c-2.200 1.600-2.200 10.400 0 12"/>`,
	"policy":  `<path d="M3.500 2h6l3 3v9h-9zM6 8h4M6 10.500h4"/>`,
	"logs":    `<path d="M2.500 4h11M2.500 8h7M2.500 12h9"/>`,
	"metrics": `<path d="M2.500 2.500v11h11M5 11V8.500M8 11V5.500M11 11V7"/>`,
	"stack":   `<path d="M8 2l6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3"/>`,
	"gear":    `<path d="M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7"/><circle cx="10.500" cy="4.500" r="1.500"/><circle cx="5.500" cy="11.500" r="1.500"/>`,
	"docs":    `<path d="M8 4c-1.500-1-3.500-1.300-5.500-1v9.500c2-.3 4 0 5.500 1 1.500-1 3.500-1.300 5.500-1V3c-2-.3-4 0-5.500 1zM8 4v9.500"/>`,
	"backup":  `<ellipse cx="8" cy="3.800" rx="5" ry="1.800"/><path d="M3 3.800v8.400c0 1 2.200 1.800 5 1.800s5-.8 5-1.800V3.800M3 8c0 1 2.200 1.800 5 1.800s5-.8 5-1.800"/>`,
	"trace":   `<path d="M2 3.500h5M5 8h6M9 12.500h5"/>`,
	"copy":    `<path d="M5.500 5.500h8v8h-8z"/><path d="M10.500 5.500v-3h-8v8h3"/>`,
	"lock":    `<rect x="3.500" y="7" width="9" height="6.500"/><path d="M5.500 7V5a2.500 2.500 0 0 1 5 0v2"/>`,
	"warn":    `<path d="M8 2l6.500 11.500h-13zM8 6.500v3.500M8 11.800v.4"/>`,
	"check":   `<path d="M3 8.500l3.200 3.200L13 4.500"/>`,
	"cross":   `<path d="M4 4l8 8M12 4l-8 8"/>`,
	"arrow":   `<path d="M3 8h10M9.500 4.500L13 8l-3.500 3.500"/>`,
	"upload":  `<path d="M8 11V3M4.500 6.500L8 3l3.500 3.500M3 13.500h10"/>`,
	"folder":  `<path d="M2 4h4l1.500 2H14v7H2z"/>`,
	"file":    `<path d="M3.500 2h6l3 3v9h-9z"/><path d="M9.500 2v3h3"/>`,
	"menu":    `<path d="M2.500 4.500h11M2.500 8h11M2.500 11.500h11"/>`,
	"refresh": `<path d="M13 8a5 5 0 1 1-1.500-3.600M13 2.500v3h-3"/>`,
}

// icon is a drawing that says nothing to a screen reader.
func icon(name string) (template.HTML, error) {
	drawing, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %s", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">` + drawing + `</svg>`), nil
}
