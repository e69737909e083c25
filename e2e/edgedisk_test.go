package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glassine"
	"glassine/edge"
	"glassine/iam"
)

// versioned is an origin of numbered objects, each of which says which version of it it is. Down, it answers nothing.
type versioned struct {
	*httptest.Server
	versions []atomic.Int64
	down     atomic.Bool
}

func newVersioned(t *testing.T, objects int) *versioned {
	o := &versioned{versions: make([]atomic.Int64, objects)}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if o.down.Load() || err != nil {
			panic(http.ErrAbortHandler)
		}
		v := o.versions[n].Load()
		w.Header().Set("Cache-Control", "max-age=86400")
		w.Header().Set("Etag", fmt.Sprintf(`"%d-%d"`, n, v))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(versionedBody(n, v)))
	}))
	t.Cleanup(o.Close)
	return o
}

// versionedBody is object n: of 100 bytes to 3 MB, so that there are bodies in memory, in files and in slices.
func versionedBody(n int, version int64) []byte {
	line := fmt.Sprintf("%04d v%08d\n", n, version)
	size := 100 << (n * 7 % 13)
	if n%25 == 0 {
		size = 3 << 20
	}
	return []byte(strings.Repeat(line, size/len(line)+1))
}

// judge tells whether body is whole, and of which version.
func judgeVersioned(n int, body []byte) (version int64, whole bool) {
	if _, err := fmt.Sscanf(string(body[:min(len(body), 14)]), "%04d v%08d", new(int), &version); err != nil {
		return 0, false
	}
	return version, bytes.Equal(body, versionedBody(n, version))
}

// edgeProcess is a glassine serve in front of a test's origin.
type edgeProcess struct {
	cmd        *exec.Cmd
	http, aws  string // addresses
	https      string
	complaints *bytes.Buffer
	output     sync.WaitGroup
	host       string // of the distribution
}

// edgeInFrontOf makes a data directory whose edge has a distribution in front of origin. It returns the distribution.
func edgeInFrontOf(t *testing.T, data, origin string) edge.Distribution {
	t.Helper()
	s, err := glassine.New(t.Context(), glassine.Config{
		Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	host, port, err := net.SplitHostPort(origin)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	none := edge.Selection{Behavior: "none"}
	policy, err := s.Edge.CreateCachePolicy(t.Context(), s.IAM.Root(), edge.CachePolicyConfig{Name: "plain", Headers: none, Cookies: none, QueryStrings: none})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Edge.CreateDistribution(t.Context(), s.IAM.Root(), edge.DistributionConfig{
		CallerReference: "disk", Enabled: true, Aliases: []string{"localhost"},
		Origins: []edge.Origin{{
			ID: "origin", DomainName: strings.Replace(host, "127.0.0.1", "localhost", 1), ConnectionAttempts: 1, ConnectionTimeout: 1,
			Custom: &edge.CustomOrigin{ProtocolPolicy: "http-only", HTTPPort: number, ReadTimeout: 5},
		}},
		DefaultCacheBehavior: edge.CacheBehavior{TargetOriginID: "origin", ViewerProtocolPolicy: "allow-all", CachePolicyID: policy.ID},
		CustomErrorResponses: []edge.CustomErrorResponse{{ErrorCode: 502, ErrorCachingMinTTL: new(int64(0))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var addresses = regexp.MustCompile(`(?:plaintext on http://(\S+) |AWS endpoint:  https://(\S+) |Viewer URL:    https://localhost:(\d+)/)`)

// serveEdge starts the program on data, and waits until it is ready.
func serveEdge(t *testing.T, data string, more ...string) *edgeProcess {
	t.Helper()
	args := append([]string{"serve", "--data", data, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off"}, more...)
	p := &edgeProcess{cmd: exec.Command(glassineCommand(t), args...), complaints: new(bytes.Buffer), host: "localhost"}
	p.cmd.Stderr = p.complaints
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	ready := make(chan bool, 1)
	p.output.Go(func() {
		defer close(ready)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			for _, m := range addresses.FindAllStringSubmatch(lines.Text(), -1) {
				p.http, p.aws = m[1]+p.http, m[2]+p.aws
				if m[3] != "" {
					p.https = "127.0.0.1:" + m[3]
				}
			}
			if lines.Text() == "Ready." {
				ready <- true
			}
		}
	})
	select {
	case ok := <-ready:
		if !ok || p.http == "" || p.aws == "" || p.https == "" {
			t.Fatalf("the program did not start: %+v %s", p, p.complaints)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the program is not ready after a minute: %s", p.complaints)
	}
	return p
}

// kill ends it as a crash would.
func (p *edgeProcess) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	p.output.Wait()
	_ = p.cmd.Wait()
}

// viewers are clients of HTTP/1.1 and of HTTP/2.
func (p *edgeProcess) viewers() []*http.Client {
	dial := func(address string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	return []*http.Client{
		{Transport: &http.Transport{DialContext: dial(p.http), DisableCompression: true}},
		{Transport: &http.Transport{DialContext: dial(p.https), DisableCompression: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}
}

// get asks for object n with client i of viewers. An error says that the answer is not whole.
func (p *edgeProcess) get(ctx context.Context, clients []*http.Client, i, n int, fields ...string) (status int, xCache string, body []byte, err error) {
	url := fmt.Sprintf("http://%s/%d", p.host, n)
	if i == 1 {
		url = "https" + strings.TrimPrefix(url, "http")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", nil, err
	}
	for j := 0; j < len(fields); j += 2 {
		r.Header.Set(fields[j], fields[j+1])
	}
	resp, err := clients[i].Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	xCache, _, _ = strings.Cut(resp.Header.Get("X-Cache"), " ")
	return resp.StatusCode, xCache, body, err
}

// invalidate asks for an invalidation of object n and returns once it is acknowledged.
func (p *edgeProcess) invalidate(ctx context.Context, aws *http.Client, root iam.Credentials, distribution, reference string, n int) error {
	body := []byte(xml.Header + `<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>` + reference +
		`</CallerReference><Paths><Quantity>1</Quantity><Items><Path>/` + strconv.Itoa(n) + `</Path></Items></Paths></InvalidationBatch>`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://cloudfront.amazonaws.com/2020-05-31/distribution/"+distribution+"/invalidation", bytes.NewReader(body))
	if err != nil {
		return err
	}
	sign(r, root, "cloudfront", body)
	resp, err := aws.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusCreated || !bytes.Contains(answer, []byte("<Status>Completed</Status>"))) {
		err = fmt.Errorf("CreateInvalidation: %s: %s", resp.Status, answer)
	}
	return err
}

// The program is killed under load, several times. Whatever a viewer got whole is what the origin had, and no older than the last
// invalidation that was acknowledged when he asked, before the kill and after it; and what was cached is served again with no
// origin.
func TestKilledEdgeStartsWarm(t *testing.T) {
	t.Parallel()
	const objects, rounds, viewers = 100, 4, 8
	const changing = 20 // of them are invalidated now and then
	data := t.TempDir()
	origin := newVersioned(t, objects)
	d := edgeInFrontOf(t, data, origin.Listener.Addr().String())
	var least [objects]atomic.Int64 // versions that were acknowledged
	reference := 0
	for round := range rounds {
		p := serveEdge(t, data)
		root, err := glassine.RootCredentials(data)
		if err != nil {
			t.Fatal(err)
		}
		aws := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, p.aws)
			},
		}}
		clients := p.viewers()
		check := func(n int, atLeast int64, status int, body []byte, what string) {
			version, whole := judgeVersioned(n, body)
			switch {
			case status != http.StatusOK || !whole:
				t.Errorf("round %d, %s: object %d: status %d, %d bytes that are not it: %.30q", round, what, n, status, len(body), body)
			case version < atLeast:
				t.Errorf("round %d, %s: object %d in version %d, which was invalidated: %d is the oldest there may be", round, what, n, version, atLeast)
			}
		}
		if round > 0 {
			hits := 0
			for n := range objects {
				status, xCache, body, err := p.get(t.Context(), clients, n%2, n)
				switch {
				case err != nil || status != http.StatusOK && status != http.StatusBadGateway:
					t.Errorf("round %d: object %d with no origin: %d %s, %v; want it or 502", round, n, status, xCache, err)
				case status == http.StatusOK:
					check(n, least[n].Load(), status, body, "with no origin")
				}
				if xCache == "Hit" { // and no Miss, which an object that is put together from stored slices is
					hits++
				}
			}
			t.Logf("round %d: %d of %d objects are served from disk", round, hits, objects)
			if hits < objects-changing {
				t.Errorf("round %d: %d of %d objects are served from disk", round, hits, objects)
			}
		}
		origin.down.Store(false)
		ctx, cancel := context.WithCancel(t.Context())
		var dead atomic.Bool
		var answers, seen atomic.Int64
		var load sync.WaitGroup
		for v := range viewers {
			load.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(round), uint64(v)))
				for i := v; ctx.Err() == nil; i += viewers {
					n := rnd.IntN(objects)
					if i < objects {
						n = i // each at least once
						seen.Add(1)
					}
					atLeast := least[n].Load()
					if i >= objects && rnd.IntN(5) == 0 {
						from := rnd.IntN(90)
						status, _, body, err := p.get(ctx, clients, v%2, n, "Range", fmt.Sprintf("bytes=%d-%d", from, from+9))
						if whole := versionedBody(n, 0); err == nil && (status != http.StatusPartialContent || len(body) != 10) && len(whole) > from+9 {
							t.Errorf("round %d: bytes %d-%d of object %d: %d %q", round, from, from+9, n, status, body)
						}
						continue
					}
					status, _, body, err := p.get(ctx, clients, v%2, n)
					switch {
					case err == nil && status == http.StatusOK:
						check(n, atLeast, status, body, "under load")
						answers.Add(1)
					case !dead.Load() && ctx.Err() == nil && !killedMeanwhile(&dead):
						t.Errorf("round %d: object %d: %d, %v", round, n, status, err)
					}
				}
			})
		}
		until := time.Now().Add(time.Duration(1500+round*333) * time.Millisecond)
		for time.Now().Before(until) || ctx.Err() == nil && seen.Load() < objects {
			n := rand.IntN(changing)
			version := origin.versions[n].Add(1)
			reference++
			if err := p.invalidate(t.Context(), aws, root, d.ID, strconv.Itoa(reference), n); err != nil {
				t.Fatal(err)
			}
			least[n].Store(version)
			time.Sleep(20 * time.Millisecond) // the pace of invalidations
		}
		dead.Store(true)
		p.kill()
		cancel()
		load.Wait()
		for _, c := range append(clients, aws) {
			c.CloseIdleConnections()
		}
		t.Logf("round %d: killed after %d whole answers and %d invalidations", round, answers.Load(), reference)
		origin.down.Store(true)
	}
}

// killedMeanwhile gives who kills a moment to say so: an answer may break before that.
func killedMeanwhile(dead *atomic.Bool) bool {
	for range 100 {
		if dead.Load() {
			return true
		}
		time.Sleep(10 * time.Millisecond) // no event says it
	}
	return false
}
