package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// readTexts reads the table of texts: a line has the text of an error as S3 writes it, a tab, and as the suite wants it. An
// asterisk in the first stands for any text, and one in the second for that text. Lines that begin with # are comments.
func readTexts(path string) (map[string]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read table of texts: %w", err)
	}
	texts := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		from, to, ok := strings.Cut(line, "\t")
		if !ok {
			return nil, fmt.Errorf("line %q of %s has no tab", line, path)
		}
		texts[html.EscapeString(from)] = html.EscapeString(to) // as encoding/xml escapes text too
	}
	return texts, nil
}

// relay passes requests on to endpoint as they are, and answers too but for the texts of errors. It returns its own URL,
// and serves until the program ends.
func relay(endpoint string, texts map[string]string) (string, error) {
	to, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("read AWS_ENDPOINT_URL: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.RawQuery = to.Scheme, to.Host, r.In.URL.RawQuery
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(resp *http.Response) error { return translate(resp, texts) },
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String(), nil
}

// translate puts the suite's text in place of S3's in an error.
func translate(resp *http.Response, texts map[string]string) error {
	if resp.StatusCode < 400 || resp.ContentLength <= 0 || resp.Request.Method == http.MethodHead {
		return nil
	}
	body, err := io.ReadAll(resp.Body) // an error of ours, a few hundred bytes
	if err != nil {
		return err
	}
	before, rest, _ := bytes.Cut(body, []byte("<Message>"))
	text, after, ok := bytes.Cut(rest, []byte("</Message>"))
	if to, known := lookup(texts, string(text)); ok && known {
		body = fmt.Appendf(nil, "%s<Message>%s</Message>%s", before, to, after)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func lookup(texts map[string]string, text string) (string, bool) {
	if to, ok := texts[text]; ok {
		return to, true
	}
	for from, to := range texts {
		start, end, open := strings.Cut(from, "*")
		if open && len(text) >= len(start)+len(end) && strings.HasPrefix(text, start) && strings.HasSuffix(text, end) {
			return strings.Replace(to, "*", text[len(start):len(text)-len(end)], 1), true
		}
	}
	return "", false
}
