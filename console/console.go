// Package console is the web console: pages that Go's templates make, a few scripts of our own, and htmx, all embedded. It has
// no power of its own: whatever a page shows or a button does is a call of AWS's API, signed with the credentials of who is
// logged in and decided by the same IAM as any other, and each page shows its calls as AWS CLI commands (package client).
//
// It is served on the admin port, to loopback only unless a proxy with TLS is declared (Config.Hosts). Pages carry no inline
// script or style, ask no other machine for anything, and work without script where a form is enough.
//
// Start at New.
package console

import (
	"context"
	"embed"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glassine/aws/sigv4"
	"glassine/console/client"
)

//go:embed static templates
var files embed.FS

// Config says what the console works on. All fields without a word about their zero value are needed.
type Config struct {
	// Transport reaches AWS's names: the AWS endpoint of this program. Requests come to it signed.
	Transport http.RoundTripper
	// Viewer asks the edge as a viewer does, over TLS on its own listener, whatever host a request names. It follows nothing.
	Viewer http.RoundTripper
	// Inspect reads what a picture says: see Picture. Its errors are for people.
	Inspect func(src io.ReaderAt, size int64) (*Picture, error)
	// Metrics answers in Prometheus's text format. Whoever reaches the admin port may read it.
	Metrics http.Handler
	// Sample is a photograph to try, with its name; nil offers none.
	Sample     []byte
	SampleName string

	Account, Region string
	// CAFile is what clients of both trust, a path on this machine.
	CAFile string
	// Endpoint and ViewerURL are where clients find the AWS endpoint and viewers the edge: https://localhost:8443.
	Endpoint, ViewerURL string
	// Facts are lines for the settings page, in order.
	Facts func() []Fact
	// Hosts are names, besides those of loopback, at which a proxy with TLS serves the console: console.example.com.
	Hosts []string
	// Isolation is the level at which functions run, and why it is no firmer.
	Isolation func() (level string, why []string)

	Version string
	Log     *slog.Logger     // nil means slog.Default
	Now     func() time.Time // nil means time.Now
}

// Fact is a line of the settings page.
type Fact struct{ Group, Name, Value string }

// Picture is what a picture says about its maker.
type Picture struct {
	ContentType   string
	Width, Height int
	Bytes         int64
	Groups        []PictureGroup // the riskiest first
	// Thumbnail is the small JPEG inside of its Exif, or nil.
	Thumbnail []byte
	Notes     []string
}

// PictureGroup is fields of one risk.
type PictureGroup struct {
	Name   string // Location, People, Time, Device, Technical
	Risky  bool
	Fields []PictureField
}

// PictureField is one thing that a picture says, safe to show.
type PictureField struct{ Name, Value, Source string }

// Fields counts all fields and the risky ones.
func (p *Picture) Fields() (all, risky int) {
	for _, g := range p.Groups {
		all += len(g.Fields)
		if g.Risky {
			risky += len(g.Fields)
		}
	}
	return all, risky
}

// Console serves the web console. Make one with New, and Close it.
type Console struct {
	cfg      Config
	sessions *sessions
	limiter  *limiter
	series   *series
	pages    *pages
	assets   assets
	handler  http.Handler
	shown    []string // patterns of pages
	docs     docs
	running  context.Context // ends when streams are to end
	stop     context.CancelFunc
	done     chan struct{}
}

// New makes a console and begins to sample the metrics.
func New(cfg Config) (*Console, error) {
	if cfg.Transport == nil || cfg.Viewer == nil || cfg.Inspect == nil || cfg.Metrics == nil {
		return nil, errors.New("console: a needed field of the Config is nil")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Transport = awsOnly{cfg.Transport}
	assets, err := loadAssets(files)
	if err != nil {
		return nil, err
	}
	pages, err := loadPages(files, assets)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Console{
		cfg: cfg, sessions: newSessions(cfg.Now), limiter: newLimiter(cfg.Now), series: newSeries(cfg.Metrics, cfg.Now), pages: pages, assets: assets,
		running: ctx, stop: stop, done: make(chan struct{}),
	}
	c.handler = c.guard(c.routes())
	go func() {
		defer close(c.done)
		c.series.run(ctx)
	}()
	return c, nil
}

// awsOnly lets requests go to AWS's names alone: names of buckets and regions come from forms and URLs, and no such text may
// lead the console to another host.
type awsOnly struct{ next http.RoundTripper }

func (t awsOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || r.URL.User != nil || r.URL.Port() != "" || !strings.HasSuffix(r.URL.Hostname(), ".amazonaws.com") {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, &asked{"This is no name of AWS's.", "The console asks AWS's names alone, which stay in this program.", ""}
	}
	return t.next.RoundTrip(r)
}

// Drain ends all streams to browsers, and the sampling: an orderly end of the server would wait for them.
func (c *Console) Drain() { c.stop() }

// Close is Drain, and logs everybody out.
func (c *Console) Close() error {
	c.stop()
	<-c.done
	c.sessions.close()
	return nil
}

// ServeHTTP answers a browser.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// client makes calls as the user of a session.
func (c *Console) client(creds sigv4.Credentials) *client.Client {
	return &client.Client{Transport: c.cfg.Transport, Credentials: creds, Account: c.cfg.Account, Region: c.cfg.Region, Now: c.cfg.Now}
}

// LoginLink returns a link that logs in once with creds, within LinkLife. base is the console's URL. The token stands behind #,
// so that it reaches no log and no other site.
func (c *Console) LoginLink(base string, creds sigv4.Credentials) string {
	return base + "/login#" + c.sessions.link(creds)
}

// viewerURL is a distribution's URL for viewers of this machine, without a path.
func (c *Console) viewerURL(host string) string {
	u, err := url.Parse(c.cfg.ViewerURL)
	if err != nil || u.Port() == "" {
		return "https://" + host
	}
	return "https://" + host + ":" + u.Port()
}
