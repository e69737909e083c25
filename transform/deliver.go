package transform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"glassine/aws/sigv4"
)

// deliver sends ans through WriteGetObjectResponse and returns the status that it answered.
// Amazon S3 API Reference, "WriteGetObjectResponse".
func (f *Function) deliver(ctx context.Context, ev *event, creds Credentials, ans *answer) (int, error) {
	target, err := endpoint(ev.GetObjectContext.OutputRoute, creds.Region)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return 0, err
	}
	h := req.Header
	h.Set("X-Amz-Request-Route", ev.GetObjectContext.OutputRoute)
	h.Set("X-Amz-Request-Token", ev.GetObjectContext.OutputToken)
	h.Set("X-Amz-Fwd-Status", strconv.Itoa(ans.status))
	for name, values := range ans.header {
		h.Set("X-Amz-Fwd-Header-"+name, headerText(values[0]))
	}
	if ans.code != "" {
		h.Set("X-Amz-Fwd-Error-Code", ans.code)
		h.Set("X-Amz-Fwd-Error-Message", headerText(ans.message))
	}
	f.sign(req, creds, "s3-object-lambda")

	if req.ContentLength = ans.size; ans.size > 0 {
		b := &body{r: ans.body}
		defer func() { _ = b.Close() }() // a transport may read on after RoundTrip has returned; the source is about to go
		req.Body = b
	} else {
		req.Body = http.NoBody
	}
	resp, err := f.transport().RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	return resp.StatusCode, nil
}

// sign signs a request with the credentials of the function's role.
func (f *Function) sign(req *http.Request, creds Credentials, service string) {
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey, SessionToken: creds.SessionToken},
		creds.Region, service, sigv4.UnsignedPayload, now())
}

// endpoint returns the URL of WriteGetObjectResponse for a route. The route comes from the event, so it must be one
// label: it chooses a host.
func endpoint(route, region string) (string, error) {
	if !isLabel(route) {
		return "", errors.New("the event's outputRoute is not a host label")
	}
	if !isLabel(region) {
		return "", fmt.Errorf("region %q is not a region", region)
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return "https://" + route + ".s3-object-lambda." + region + "." + suffix + "/WriteGetObjectResponse", nil
}

func isLabel(s string) bool {
	if len(s) < 1 || len(s) > 63 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// headerText makes s fit for a header: printable ASCII, at most 1024 bytes.
func headerText(s string) string {
	s = s[:min(len(s), 1024)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// body is a request body that is surely not read any more once Close has returned.
type body struct {
	mu sync.Mutex
	// r is nil once closed. mu guards it, and is held while it is read: the one exception to no lock across I/O, since
	// waiting for that read is what Close is for.
	r io.Reader
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errors.New("read of a closed request body")
	}
	return b.r.Read(p)
}

func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
	return nil
}
