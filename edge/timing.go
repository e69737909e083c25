package edge

import (
	"context"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// asksForTiming reports whether the viewer forces Server-Timing where the policy offers it.
// CloudFront Developer Guide, "Server-Timing header".
func (x *exchange) asksForTiming() bool {
	for _, line := range x.header.Values("Pragma") {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), "server-timing") {
				return true
			}
		}
	}
	return false
}

// serverTiming is the value of Server-Timing: what the cache did, where, for which request, and how long it took to the
// first byte. Ibid., "Server-Timing metrics".
func (x *exchange) serverTiming() string {
	var parts []string
	switch x.result {
	case resultHit:
		parts = append(parts, "cdn-cache-hit")
	case resultRefreshHit:
		parts = append(parts, "cdn-cache-refresh")
	default:
		parts = append(parts, "cdn-cache-miss")
	}
	parts = append(parts, `cdn-pop;desc="`+x.edge.cfg.Location+`"`, `cdn-rid;desc="`+x.id+`"`)
	if x.result == resultHit {
		parts = append(parts, `cdn-hit-layer;desc="EDGE"`)
	} else {
		parts = append(parts, `cdn-upstream-layer;desc="Origin"`)
	}
	if x.upstream != nil && x.result != resultHit {
		parts = append(parts, x.upstream.metrics()...)
	}
	if !x.began.IsZero() {
		parts = append(parts, "cdn-downstream-fbl;dur="+milliseconds(x.edge.cfg.Now().Sub(x.began)))
	}
	return strings.Join(parts, ",")
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(0, d.Milliseconds()), 10)
}

// upstream are the times of the last request to an origin, in milliseconds; -1 where there was none. The fill writes them,
// perhaps after the viewer was answered.
type upstream struct{ dns, connect, first atomic.Int64 }

func newUpstream() *upstream {
	u := &upstream{}
	u.dns.Store(-1)
	u.connect.Store(-1)
	u.first.Store(-1)
	return u
}

// trace returns a context in which an HTTP transport tells u its times.
func (u *upstream) trace(ctx context.Context, now func() time.Time) context.Context {
	began := now()
	var dns, connect time.Time
	since := func(t time.Time) int64 { return max(0, now().Sub(t).Milliseconds()) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { dns = now() },
		DNSDone:              func(httptrace.DNSDoneInfo) { u.dns.Store(since(dns)) },
		ConnectStart:         func(string, string) { connect = now() },
		ConnectDone:          func(string, string, error) { u.connect.Store(since(connect)) },
		GotFirstResponseByte: func() { u.first.Store(since(began)) },
	})
}

// metrics are u's part of Server-Timing.
func (u *upstream) metrics() []string {
	var out []string
	for _, m := range []struct {
		name  string
		value int64
	}{{"cdn-upstream-dns", u.dns.Load()}, {"cdn-upstream-connect", u.connect.Load()}, {"cdn-upstream-fbl", u.first.Load()}} {
		if m.value >= 0 {
			out = append(out, m.name+";dur="+strconv.FormatInt(m.value, 10))
		}
	}
	return out
}
