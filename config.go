package glassine

// How a System is told to run.

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"glassine/initscript"
	"glassine/lambda/runner"
	"glassine/telemetry"
)

// Config says how to run. The zero value of every field but Data is sensible.
type Config struct {
	// Data is the data directory; it is made when it is not there.
	Data string
	// Addresses to listen on, host:port; port 0 takes a free one. Loopback unless told otherwise.
	AWS   string // AWS APIs; "" means 127.0.0.1:4566
	HTTP  string // viewers, plaintext; "" means 127.0.0.1:8080
	HTTPS string // viewers, TLS; "" means 127.0.0.1:8443
	Admin string // health; "" means 127.0.0.1:7070
	// Listeners are listeners that are open already, in place of addresses: by aws, http, https and admin. They are closed.
	Listeners map[string]net.Listener
	// QUIC is the open UDP socket of HTTP/3, whose port viewers are told; nil means that of HTTPS's number. It is closed.
	QUIC net.PacketConn
	// Drain is how long Close waits for requests under way; 0 means DrainTime, less than 0 not at all.
	Drain time.Duration
	// Account is the AWS account id, 12 digits; "" means 123456789012.
	Account string
	// Region is where things are made whose maker names no region; "" means us-east-1. Every name is accepted.
	Region string
	// Demo deploys the demo in a data directory that never had it.
	Demo bool
	// CacheBytes bounds the edge's cache in memory; 0 means 256 MiB.
	CacheBytes int64
	// CacheDiskBytes bounds the edge's cache on disk, which is in Data/cache and found again at the next start. 0 means 10 GiB, or
	// half of what the file system has for it, if that is less; less than 0 keeps nothing on disk.
	CacheDiskBytes int64
	// Remotes and Directories are buckets whose objects are kept elsewhere. A bucket that was among them at an earlier start
	// and is not now refuses its requests.
	Remotes     []Remote
	Directories []Directory
	// AccessLog gets a JSON line for each viewer request; nil writes none.
	AccessLog io.Writer
	// LogEvery is how long a file of a distribution's standard log collects lines before it is delivered; 0 means 5 minutes.
	LogEvery time.Duration
	// GeoDatabases are files in the MaxMind DB format that say where viewers are. A file that is replaced is taken up.
	GeoDatabases []string
	// ConsoleHosts are names, besides those of loopback, at which a proxy with TLS serves the web console.
	ConsoleHosts []string
	// Strict names what is done as AWS does it where glassine does better: vary, targeted, must-revalidate, truncated,
	// authorization, edge-functions, or all. See docs/aws-differences.md.
	Strict []string
	// CacheStatus adds Cache-Status (RFC 9211) to the answers to viewers, which CloudFront does not.
	CacheStatus bool
	// CertificateDir is a directory of certificates with their keys, for the names that viewers ask for: see package certdir. They
	// go before all others, and files that change are read again. "" means none.
	CertificateDir string
	// ACME gets certificates for public names.
	ACME ACME
	// NoHTTP3 serves no HTTP/3, whatever distributions say.
	NoHTTP3 bool
	// Isolation is the weakest level at which a function may run in a process of its own, and a picture be made: "strict", or ""
	// for what the machine gives. See System.Isolation.
	Isolation string
	// Libvips is the library that makes pictures; "" means the embedded one, or the system's.
	Libvips string
	// PictureWorkers is how many pictures are made at a time; 0 means one for each CPU that Go uses.
	PictureWorkers int
	// Interpreters are directories to look for node and python3 in, before the usual ones: see sandbox.SearchDirs.
	Interpreters []string
	// Functions are functions of the program that embeds this one, by the URI that names them as code, such as
	// glassine://mine: see Transport for how they reach AWS's names.
	Functions map[string]runner.Func
	// OTLP exports the traces of requests, but for hits, to a receiver of OpenTelemetry's. The zero value exports none.
	OTLP telemetry.OTLP
	// InitScripts are told of at /_localstack/init; whoever makes the System runs them. nil: there are none.
	InitScripts *initscript.Scripts
	// AllowReset lets who may glassine:Reset empty the System while it runs: see System.Reset. It is for tests.
	AllowReset bool
	// Log gets what an operator must know; nil means slog.Default.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DrainTime is how long Close waits for requests under way, unless Config.Drain says otherwise.
const DrainTime = 10 * time.Second

func (c *Config) fill() {
	defaults := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	defaults(&c.AWS, "127.0.0.1:4566")
	defaults(&c.HTTP, "127.0.0.1:8080")
	defaults(&c.HTTPS, "127.0.0.1:8443")
	defaults(&c.Admin, "127.0.0.1:7070")
	defaults(&c.Account, "123456789012")
	defaults(&c.Region, "us-east-1")
	if c.Drain == 0 {
		c.Drain = DrainTime
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = slog.New(requestLog{c.Log.Handler()})
	if c.Now == nil {
		c.Now = time.Now
	}
}

func validAccount(id string) error {
	if len(id) != 12 {
		return fmt.Errorf("the account %q is not 12 digits", id)
	}
	for _, c := range id {
		if c < '0' || c > '9' {
			return fmt.Errorf("the account %q is not 12 digits", id)
		}
	}
	return nil
}
