package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"glassine/console/client"
	"glassine/telemetry"
)

// maxPicture bounds a picture that is held whole, to be looked into: 64 MiB, as much as the image function takes.
const maxPicture = 64 << 20

// studioData is the first page: a photograph on its way from the bucket to the world.
type studioData struct {
	Chains   []*chain
	Chain    *chain // the one that is looked at; nil for none
	Key      string
	Sample   string // name of the photograph that can be tried, or ""
	Recent   []client.Object
	Original *original // nil without a key
	URL      string    // of the picture, for viewers
	CAFile   string
	ARN      string // of the Object Lambda access point
}

// original is what lies in the bucket.
type original struct {
	Head       client.Head
	Picture    *Picture // nil when it is no picture
	NoPicture  string   // why
	Name       string   // what its very name gives away, or ""
	All, Risky int      // fields
}

// studioPage is the landing page.
func studioPage(q *request) error {
	all, err := chains(q.ctx(), q.aws)
	if err != nil {
		return err
	}
	d := studioData{Chains: all, Sample: q.c.cfg.SampleName, Key: q.arg("key"), CAFile: q.c.cfg.CAFile}
	for _, c := range all {
		if d.Chain == nil || c.Distribution.Id == q.arg("d") {
			d.Chain = c
		}
	}
	if d.Chain == nil {
		return q.show("studio", "studio", "Studio", d)
	}
	c := d.Chain
	d.ARN = "arn:aws:s3-object-lambda:" + q.c.cfg.Region + ":" + q.c.cfg.Account + ":accesspoint/" + c.ObjectLambda
	if c.Complete() {
		if page, err := q.aws.ListObjects(q.ctx(), c.Bucket, "", "", 50); err == nil {
			d.Recent = latest(page.Objects, 8)
		} else if d.Key == "" {
			c.Note = "The bucket cannot be listed: " + problemOf(err).Why
		}
	}
	if d.Key != "" && c.Complete() {
		d.URL = q.c.viewerURL(c.Host) + "/" + client.EscapeKey(d.Key)
		if d.Original, err = q.original(c.Bucket, d.Key); err != nil {
			q.problem = problemOf(err)
		}
	}
	return q.show("studio", "studio", "Studio", d, "studio.js", "compare.js")
}

// latest returns the most recent pictures of a listing.
func latest(objects []client.Object, most int) []client.Object {
	var out []client.Object
	for _, o := range objects {
		if rasterType(mime.TypeByExtension(strings.ToLower(path.Ext(o.Key)))) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b client.Object) int { return b.LastModified.Compare(a.LastModified) })
	return out[:min(most, len(out))]
}

// original reads an object as the user, and what it says.
func (q *request) original(bucket, key string) (*original, error) {
	head, body, err := q.aws.GetObject(q.ctx(), bucket, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	out := &original{Head: head, Name: telling(key)}
	if head.Size > maxPicture {
		out.NoPicture = "It is larger than 64 MiB; the console does not look into it."
		return out, nil
	}
	raw, err := io.ReadAll(io.LimitReader(body, maxPicture))
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	picture, err := q.c.cfg.Inspect(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		out.NoPicture = err.Error()
		return out, nil
	}
	out.Picture = picture
	out.All, out.Risky = picture.Fields()
	return out, nil
}

// dated finds names that cameras give: IMG_20260331_143022.jpg.
var dated = regexp.MustCompile(`(19|20)\d\d[-_]?[01]\d[-_]?[0-3]\d([-_ T]?[0-2]\d[-_]?[0-5]\d([-_]?[0-5]\d)?)?`)

// telling says what an object's name gives away, which no strip takes out of a URL.
func telling(key string) string {
	if m := dated.FindString(key[strings.LastIndexByte(key, '/')+1:]); m != "" {
		return "The name says when it was taken (" + m + "), and the name is part of the URL."
	}
	return ""
}

// rasterType reports whether a browser shows a type as pixels alone.
func rasterType(t string) bool {
	switch strings.TrimSpace(strings.SplitN(t, ";", 2)[0]) {
	case "image/jpeg", "image/png", "image/webp", "image/gif", "image/avif":
		return true
	}
	return false
}

// studioOriginal shows an object of a bucket, read as the user.
func studioOriginal(q *request) error { return q.preview(q.arg("bucket"), q.arg("key")) }

// preview sends an object so that it cannot act in the console's name: pixels and SVG in a sandbox without scripts, all else
// as a download of unknown type.
func (q *request) preview(bucket, key string) error {
	head, body, err := q.aws.GetObject(q.ctx(), bucket, key)
	if err != nil {
		return err
	}
	defer body.Close()
	h := q.w.Header()
	kind, _, err := mime.ParseMediaType(head.ContentType)
	if err != nil {
		kind = "" // it says nothing that can be relied on
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
	if (rasterType(kind) || kind == "image/svg+xml") && q.arg("download") == "" {
		h.Set("Content-Type", kind)
		h.Set("Content-Disposition", "inline")
	} else {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base("/" + key)}))
	}
	if head.Size >= 0 {
		h.Set("Content-Length", fmt.Sprint(head.Size))
	}
	_, _ = io.Copy(q.w, body) // the length tells a browser that it broke off
	return nil
}

// studioThumbnail is the small picture that an original has inside.
func studioThumbnail(q *request) error {
	o, err := q.original(q.arg("bucket"), q.arg("key"))
	if err != nil {
		return err
	}
	if o.Picture == nil || len(o.Picture.Thumbnail) == 0 {
		http.NotFound(q.w, q.r)
		return nil
	}
	h := q.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Type", "image/jpeg")
	_, _ = q.w.Write(o.Picture.Thumbnail) // a failed write is the browser's leaving
	return nil
}

// studioUpload stores what a script sends as the body. The answer names the key.
func studioUpload(q *request) error {
	bucket, key := q.arg("bucket"), q.arg("key")
	if bucket == "" || key == "" || q.r.ContentLength < 0 {
		return &asked{"Nothing to store.", "An upload names a bucket and a key, and says how long it is.", ""}
	}
	kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	if err != nil {
		kind = "application/octet-stream"
	}
	if err := q.aws.PutObject(q.ctx(), bucket, key, kind, q.r.Body, q.r.ContentLength); err != nil {
		return err
	}
	q.s.say(flash{Text: "Stored " + key + ".", Calls: q.aws.Calls()})
	return q.json(map[string]string{"key": key})
}

// studioSample stores the photograph that comes with the program.
func studioSample(q *request) error {
	bucket, name := q.form("bucket"), q.c.cfg.SampleName
	if len(q.c.cfg.Sample) == 0 {
		return &asked{"There is no sample photograph.", "This program has none.", ""}
	}
	if err := q.aws.PutObject(q.ctx(), bucket, name, "image/jpeg", bytes.NewReader(q.c.cfg.Sample), int64(len(q.c.cfg.Sample))); err != nil {
		return q.again(err, studioPage)
	}
	return q.done("/?d="+url.QueryEscape(q.form("d"))+"&key="+url.QueryEscape(name), "Stored the sample photograph.")
}

// viewed is what a viewer got. It goes to the script in a header of the picture's own answer.
type viewed struct {
	URL       string            `json:"url"`
	Status    int               `json:"status"`
	Headers   map[string]string `json:"headers"`
	Bytes     int               `json:"bytes"`
	FirstByte float64           `json:"firstByte"` // ms
	Total     float64           `json:"total"`     // ms
	Fields    int               `json:"fields"`    // that the picture says; -1 when it is none
	Size      string            `json:"size"`      // "1600 × 1067"
	Type      string            `json:"type"`
}

// studioView asks the edge as a viewer, once and for real, and passes on what came. The page cannot ask by itself: the edge
// is another origin, and its certificate is not one that a browser knows.
func studioView(q *request) error {
	d, _, err := q.aws.GetDistribution(q.ctx(), q.arg("d"))
	if err != nil {
		return err
	}
	u := q.c.viewerURL(hostOf(d)) + "/" + client.EscapeKey(q.arg("key"))
	if query := q.arg("query"); query != "" {
		u += "?" + query
	}
	out, body, err := q.c.asViewer(q.r, u, q.arg("accept"))
	if err != nil {
		return err
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-View", base64.StdEncoding.EncodeToString(raw))
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	_, _ = q.w.Write(body) // a failed write is the browser's leaving
	return nil
}

// asViewer makes one request of a viewer and measures it.
func (c *Console) asViewer(r *http.Request, u, accept string) (*viewed, []byte, error) {
	var first time.Time
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Now() }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, nil, &asked{"This is no URL.", u, ""}
	}
	req.Header.Set("User-Agent", studioAgent)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	began := time.Now()
	resp, err := c.cfg.Viewer.RoundTrip(req)
	if err != nil {
		return nil, nil, &asked{"The edge gave no answer.", "The connection ended before one: " + reset(err), "glassine trace " + client.Quote(u)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPicture))
	if err != nil {
		return nil, nil, &asked{"The answer broke off.", "The edge reset the connection: what it was sending failed on the way.", "glassine trace " + client.Quote(u)}
	}
	ended := time.Now()
	out := &viewed{URL: u, Status: resp.StatusCode, Headers: map[string]string{}, Bytes: len(body), Total: milliseconds(ended.Sub(began)), Fields: -1, Type: resp.Header.Get("Content-Type")}
	if !first.IsZero() {
		out.FirstByte = milliseconds(first.Sub(began))
	}
	for name, values := range resp.Header {
		out.Headers[name] = shown(strings.Join(values, ", "))
	}
	if p, err := c.cfg.Inspect(bytes.NewReader(body), int64(len(body))); err == nil {
		out.Fields, _ = p.Fields()
		out.Size = fmt.Sprintf("%d × %d", p.Width, p.Height)
	}
	return out, body, nil
}

// reset says why there was no answer, in words that hold no address.
func reset(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it was reset."
	}
	return "is the edge running?"
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// hops is how a request was answered.
type hops struct {
	Hit   bool             `json:"hit"` // no trace is kept: it was answered from the cache
	Trace *telemetry.Trace `json:"trace,omitempty"`
}

// studioHops is the trace of a request by its X-Amz-Cf-Id.
func studioHops(q *request) error {
	t, err := q.aws.RecordedTrace(q.ctx(), q.arg("id"))
	if client.Code(err) == "NoSuchResource" {
		return q.json(hops{Hit: true})
	}
	if err != nil {
		return err
	}
	t = readable(t)
	return q.json(hops{Trace: &t})
}

// studioDenied asks for the original as a stranger would: without a signature.
func studioDenied(q *request) error {
	u := "https://" + q.arg("bucket") + ".s3." + q.c.cfg.Region + ".amazonaws.com/" + client.EscapeKey(q.arg("key"))
	req, err := http.NewRequestWithContext(q.ctx(), http.MethodGet, u, nil)
	if err != nil {
		return &asked{"This is no URL.", u, ""}
	}
	resp, err := q.c.cfg.Transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 2<<10))
	if err != nil {
		return err
	}
	return q.json(map[string]any{"url": u, "status": resp.Status, "text": shown(string(text))})
}

// studioPurge invalidates one object, all its sizes and forms.
func studioPurge(q *request) error {
	p := "/" + client.EscapeKey(q.form("key")) + "*"
	i, err := q.aws.CreateInvalidation(q.ctx(), q.form("d"), q.c.reference(), []string{p})
	if err != nil {
		return err
	}
	calls := q.aws.Calls()
	return q.json(map[string]string{"id": i.Id, "status": i.Status, "path": p, "command": calls[len(calls)-1].Command})
}

// reference is a CallerReference that no other request has.
func (c *Console) reference() string { return "console-" + newToken()[:16] }
