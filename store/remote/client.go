package remote

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// How the service is reached. A connection that broke is no reason to wait long for the next.
const (
	dialTimeout   = 5 * time.Second
	tlsTimeout    = 10 * time.Second
	keptIdle      = 90 * time.Second
	keptPerHost   = 64
	maxPause      = 5 * time.Second
	continueAfter = time.Second // RFC 9110, section 10.1.1: how long to wait for 100 before the body goes out all the same
)

// newClient returns the SDK's client over a transport of its own. The transport asks no proxy: glassine env exports one that
// leads to glassine itself.
func newClient(cfg Config, stall time.Duration) *s3.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{c, stall}, nil
		},
		TLSClientConfig:     &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: tlsTimeout, ResponseHeaderTimeout: stall, ExpectContinueTimeout: continueAfter,
		MaxIdleConns: keptPerHost, MaxIdleConnsPerHost: keptPerHost, IdleConnTimeout: keptIdle,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(cfg.Endpoint), Region: cfg.Region, UsePathStyle: !cfg.VirtualHosts,
		Credentials: provider{cfg.Credentials},
		HTTPClient: &client{http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // another place has other credentials
		}},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = cfg.Attempts, maxPause, ratelimit.None
		}),
		// Checksums go out and are looked at where we say so: payload.go.
		RequestChecksumCalculation:  aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:  aws.ResponseChecksumValidationWhenRequired,
		DisableS3ExpressSessionAuth: aws.Bool(true), DisableLogOutputChecksumValidationSkipped: true,
	})
}

// client sends the SDK's requests. They come without a version of HTTP, and net/http waits for 100 in HTTP/1.1 alone.
type client struct{ http.Client }

func (c *client) Do(r *http.Request) (*http.Response, error) {
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	return c.Client.Do(r)
}

func closeIdle(c *s3.Client) {
	if h, ok := c.Options().HTTPClient.(*client); ok {
		h.CloseIdleConnections()
	}
}

// watchedConn is a connection that breaks when nothing moves on it for a while though somebody waits for it.
type watchedConn struct {
	net.Conn
	stall time.Duration
}

func (c *watchedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write moves the reader's deadline too: it waits for an answer that cannot come before the request has gone out.
func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err == nil {
		err = c.SetReadDeadline(time.Now().Add(c.stall))
	}
	return n, err
}

// option changes one call.
type option = func(*s3.Options)

// metaPrefix begins the names of user metadata's headers.
const metaPrefix = "X-Amz-Meta-"

// headers sets headers of the request before it is signed; an empty value removes a header that is no metadata's.
func headers(h map[string]string) option {
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("GlassineHeaders", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				for name, value := range h {
					if value == "" && !strings.HasPrefix(name, metaPrefix) {
						req.Header.Del(name)
					} else {
						req.Header.Set(name, value)
					}
				}
			}
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	})
}

// cautious sends a request again only when the service said that it did nothing, or nothing was sent. For requests that
// must not be done twice: a conditional write whose answer was lost would meet its own object and take it for another's.
func cautious(o *s3.Options) { o.Retryer = cautiousRetryer{o.Retryer} }

type cautiousRetryer struct{ aws.Retryer }

// IsErrorRetryable implements aws.Retryer.
func (r cautiousRetryer) IsErrorRetryable(err error) bool {
	return nothingDone(err) && r.Retryer.IsErrorRetryable(err) || statusOf(err) == http.StatusConflict && codeOf(err) == "ConditionalRequestConflict"
}

// conditional is the option of a request with conditions.
func conditional(ifMatch, ifNoneMatch string) []option {
	if ifMatch == "" && ifNoneMatch == "" {
		return nil
	}
	return []option{cautious}
}
