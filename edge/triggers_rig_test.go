package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/edge/http1"
)

// stage is an edge and its origin behind real sockets, with functions.
type stage struct {
	*rig
	address string
	lines   chan string // of the access log
	logs    *logs

	mu   sync.Mutex
	seen []string // what the origin was asked: method, target, body, and the fields of shownFields that there were
	runs []string // the events that ran, in their order
}

// logs is what FunctionLog got.
type logs struct {
	mu    sync.Mutex
	lines map[string][]string // by group
}

func (l *logs) add(group, _ string, _ time.Time, lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[group] = append(l.lines[group], lines...)
}

func (l *logs) of(group string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[group], "\n")
}

// function is a Lambda@Edge function: of Records[0].cf it makes what it returns, or an error.
type function func(ctx context.Context, cf map[string]any) (any, error)

// functions are those of a behavior, by event.
type functions map[string]function

var shownFields = []string{"X-Key", "X-By", "Content-Type"}

// newStage serves a distribution with functions; change may be nil. In the origin, /missing is 404, /down 503, /empty 204, /304
// answers 304 to a condition; other paths are a text that says what was asked.
func newStage(t *testing.T, fs functions, withBody bool, change func(*DistributionConfig)) *stage {
	t.Helper()
	st := &stage{lines: make(chan string, 100), logs: &logs{lines: map[string][]string{}}}
	origin := httptest.NewServer(http.HandlerFunc(st.origin))
	t.Cleanup(origin.Close)
	transport := NewOriginTransport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, origin.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	zero := int64(0)
	st.rig = newRig(t, setup{
		origin: transport.RoundTrip,
		function: func(ctx context.Context, arn string, event []byte) ([]byte, error) {
			var e struct {
				Records []struct{ CF map[string]any }
			}
			if err := json.Unmarshal(event, &e); err != nil {
				return nil, err
			}
			cf := e.Records[0].CF
			name := cf["config"].(map[string]any)["eventType"].(string)
			st.mu.Lock()
			st.runs = append(st.runs, name)
			st.mu.Unlock()
			if arn != functionAt(name) {
				return nil, fmt.Errorf("%s ran at %s", arn, name)
			}
			out, err := fs[name](ctx, cf)
			if text, ok := out.(string); ok || err != nil {
				return []byte(text), err
			}
			return json.Marshal(out)
		},
		policy: func(p *CachePolicyConfig) {
			p.QueryStrings = Selection{Behavior: "all"}
			p.Headers = Selection{Behavior: "whitelist", Names: []string{"X-Key", "Accept-Language"}}
		},
		config: func(c *Config) { c.AccessLog, c.FunctionLog = lineWriter(st.lines), st.logs.add },
		dist: func(d *DistributionConfig) {
			b := &d.DefaultCacheBehavior
			d.Origins[0].Custom, b.ViewerProtocolPolicy = &CustomOrigin{ProtocolPolicy: "http-only"}, "allow-all"
			b.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
			b.LambdaFunctions = nil
			for name := range fs {
				b.LambdaFunctions = append(b.LambdaFunctions, LambdaFunctionAssociation{functionAt(name), name, withBody && strings.HasSuffix(name, "-request")})
			}
			d.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 503, ErrorCachingMinTTL: &zero}}
			if change != nil {
				change(d)
			}
		},
	})
	t.Cleanup(st.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http1.Server{Responder: st.Edge, HTTP: &http.Server{Handler: st.Edge}}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	st.address = l.Addr().String()
	return st
}

func functionAt(event string) string {
	return "arn:aws:lambda:us-east-1:" + account + ":function:" + event + ":1"
}

// lineWriter is an access log as lines.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) { w <- string(b); return len(b), nil }

func (st *stage) origin(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text := r.Method + " " + r.RequestURI
	for _, name := range shownFields {
		if v := r.Header.Get(name); v != "" {
			text += " " + name + "=" + v
		}
	}
	if len(body) > 0 {
		text += fmt.Sprintf(" %d:%.20s", len(body), body)
	}
	st.mu.Lock()
	st.seen = append(st.seen, text)
	st.mu.Unlock()
	w.Header().Set("X-Origin", "o")
	w.Header().Set("Content-Type", "text/plain")
	switch r.URL.Path {
	case "/missing":
		w.WriteHeader(http.StatusNotFound)
	case "/down":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
		return
	case "/304":
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	_, _ = io.WriteString(w, text)
}

func (st *stage) ran() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return strings.Join(st.runs, " ")
}

func (st *stage) asked() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return strings.Join(st.seen, "; ")
}

// ask sends a request over a connection of its own. Its first line is the request line without version, the others are fields;
// a body follows after an empty line. It also returns the line of the access log.
func (st *stage) ask(t *testing.T, text string) (a answer, log map[string]string) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	if body != "" {
		fields += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	conn, err := net.Dial("tcp", st.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	message := line + " HTTP/1.1\nHost: " + st.dist.DomainName + "\nConnection: close\n" + strings.TrimPrefix(fields, "\n")
	fmt.Fprintf(conn, "%s\r\n\r\n%s", strings.ReplaceAll(strings.TrimSpace(message), "\n", "\r\n"), body)
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(got)}, decode(t, <-st.lines)
}

// want is what a viewer gets and the log says; "" and 0 are not looked at. body "-" is an empty one.
type want struct {
	status         int
	xCache, detail string
	body           string
	fields         map[string]string // "" for a field that is not there
}

func (w want) check(t *testing.T, line string, a answer, log map[string]string) {
	t.Helper()
	differs := func(got, want any, what string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s = %v, want %v", line, what, got, want)
		}
	}
	if w.status != 0 {
		differs(a.status, w.status, "status")
		differs(log["sc-status"], fmt.Sprint(w.status), "sc-status")
	}
	if w.xCache != "" {
		differs(a.xCache(), w.xCache, "X-Cache")
		differs(log["x-edge-result-type"], w.xCache, "x-edge-result-type")
	}
	if w.detail != "" {
		differs(log["x-edge-detailed-result-type"], w.detail, "x-edge-detailed-result-type")
	}
	if w.body != "" && !(w.body == "-" && a.body == "") && a.body != w.body {
		t.Errorf("%s: body = %.300q, want %q", line, a.body, w.body)
	}
	for name, value := range w.fields {
		differs(a.header.Get(name), value, name)
	}
}

// pass returns the request or response of an event after change.
func pass(what string, change func(m map[string]any)) function {
	return func(_ context.Context, cf map[string]any) (any, error) {
		m := cf[what].(map[string]any)
		if change != nil {
			change(m)
		}
		return m, nil
	}
}

// field sets a header of a request or response.
func field(name string, values ...string) func(map[string]any) {
	return func(m map[string]any) {
		var lines []any
		for _, v := range values {
			lines = append(lines, map[string]any{"key": name, "value": v})
		}
		m["headers"].(map[string]any)[strings.ToLower(name)] = lines
	}
}

func without(name string) func(map[string]any) {
	return func(m map[string]any) { delete(m["headers"].(map[string]any), name) }
}

func set1(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}

func returns(v any, err error) function {
	return func(context.Context, map[string]any) (any, error) { return v, err }
}
