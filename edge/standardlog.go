package edge

import (
	"bytes"
	"context"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// Logging is where the standard log of a distribution goes; without a Bucket there is none.
// CloudFront API Reference, "LoggingConfig".
type Logging struct {
	Bucket         string // the domain name of a bucket: logs.s3.amazonaws.com
	Prefix         string // of the names of the files, at most 256 characters; a slash comes behind it
	IncludeCookies bool   // the Cookie header is logged
}

// LogDelivery takes log files to buckets, as the service delivery.logs.amazonaws.com. Safe for many goroutines.
type LogDelivery interface {
	// AllowLogs sees to it that files may be put under the keys that begin with prefix. Where that is to be allowed first, it is
	// done as the caller, whose want of rights is the error.
	AllowLogs(ctx context.Context, c iam.Caller, bucket, prefix string) error
	// PutLog puts a gzip file, for a distribution's ARN. It is called again with the same key and body after an error, and after a
	// crash that came before the first call returned.
	PutLog(ctx context.Context, distributionARN, bucket, key string, body []byte) error
}

// StandardLog is how standard logs are delivered; its zero value refuses distributions that have one.
type StandardLog struct {
	Delivery LogDelivery
	// Dir holds the lines that are not delivered, and is for one process at a time. Lines are on disk within a second: so much is
	// lost when the process or the machine dies.
	Dir string
	// Every is how long a file collects lines before it is delivered; 0 means 5 minutes, as CloudFront often takes.
	Every time.Duration
	// Bytes bounds Dir: when delivery fails for long, the oldest files go. 0 means 1 GiB.
	Bytes int64
}

// logTarget is the standard log of a distribution.
type logTarget struct {
	spool   *logSpool
	id      string // of the distribution
	cookies bool
	head    string // the first line of its files in the spool: see logHead
}

// logHead says where a file of the spool goes; it is the file's first line, in JSON.
type logHead struct {
	ARN    string // of the distribution
	Bucket string
	Prefix string // with its slash, of the object's key
}

// checkLogging validates where a standard log is to go.
func (e *Edge) checkLogging(l Logging) error {
	switch {
	case l.Bucket == "":
		return nil
	case e.spool == nil:
		return notImplemented("Logging to a bucket, where no delivery is configured")
	case bucketOf(l.Bucket) == "":
		// As CloudFront says it (seen in reports of aws-cli's and Terraform's users).
		return invalid("The parameter Logging Bucket does not refer to a valid S3 bucket.")
	case len(l.Prefix) > 256 || strings.HasPrefix(l.Prefix, "/") || strings.ContainsFunc(l.Prefix, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid("The parameter Logging Prefix is longer than 256 characters, begins with a slash or contains a control character.")
	}
	return nil
}

// bucketOf returns the bucket whose domain name it is given, "" when it is none.
func bucketOf(domain string) string {
	if _, ok := s3Region(domain); !ok {
		return ""
	}
	name, rest, ok := strings.Cut(domain, ".s3")
	if i := strings.LastIndex(domain, ".s3."); i >= 0 { // a bucket's name may have .s3 in it
		name, rest = domain[:i], domain[i+3:]
	}
	if !ok || name == "" || !strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "-") {
		return ""
	}
	return name
}

// allowLogs sees to it that the standard log that cfg newly asks for can be delivered. It asks others, so e.control is not held.
func (e *Edge) allowLogs(ctx context.Context, c iam.Caller, id string, cfg DistributionConfig) error {
	l := cfg.Logging
	if l.Bucket == "" {
		return nil
	}
	if err := e.checkLogging(l); err != nil {
		return err
	}
	e.control.Lock()
	d := e.distributions[id]
	same := d != nil && d.Config.Logging.Bucket == l.Bucket && d.Config.Logging.Prefix == l.Prefix
	e.control.Unlock()
	if same {
		return nil
	}
	err := e.cfg.StandardLog.Delivery.AllowLogs(ctx, c, bucketOf(l.Bucket), logPrefix(l.Prefix))
	if fault.Is(err, "NoSuchBucket") {
		return invalid("The parameter Logging Bucket does not refer to a valid S3 bucket.")
	}
	return err
}

// logPrefix is the beginning of a log's keys. CloudFront Developer Guide, "Standard logging (legacy)", "Log file names".
func logPrefix(prefix string) string {
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return prefix
}

// logTarget returns the standard log of d, or nil.
func (e *Edge) logTarget(d *Distribution) *logTarget {
	l := d.Config.Logging
	if e.spool == nil || l.Bucket == "" {
		return nil
	}
	head := logHead{d.ARN, bucketOf(l.Bucket), logPrefix(l.Prefix)}
	return &logTarget{spool: e.spool, id: d.ID, cookies: l.IncludeCookies, head: head.line()}
}

// write adds the line of x to the log.
func (t *logTarget) write(x *exchange, f *logFields, now time.Time) {
	all := *f
	if t.cookies {
		all[cookieField] = strings.Join(x.header.Values("Cookie"), "; ")
	}
	t.spool.add(t, now, appendW3C(make([]byte, 0, 512), &all))
}

// w3cHead are the lines that a log file begins with. CloudFront Developer Guide, "Standard logging reference".
var w3cHead = "#Version: 1.0\n#Fields: " + strings.Join(logNames[:], " ") + "\n"

// appendW3C appends a line of a standard log: the fields with tabs between them, "-" for an empty one.
func appendW3C(b []byte, f *logFields) []byte {
	for i, value := range f {
		if i > 0 {
			b = append(b, '\t')
		}
		if value == "" {
			b = append(b, '-')
		}
		b = appendEscaped(b, value)
	}
	return append(b, '\n')
}

// appendEscaped appends s with the characters that a standard log escapes: those of ASCII up to 32 and from 127, and some that
// mean something in URLs. Ibid., "Log file format": the per cent sign is one of them, so what was escaped is so twice.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c > ' ' && c < 0x7f && bytes.IndexByte(logEscaped, c) < 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
	}
	return b
}

var logEscaped = []byte("<>\"#%{}|\\^~[]`'")
