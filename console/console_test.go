package console

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/sigv4"
)

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// goodKey is the one key that the test's AWS knows.
var goodKey = sigv4.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "secret"}

// fakeAWS verifies each signature by goodKey, and answers by operation: "METHOD host/path", or the Action of a form. What it
// does not know is refused, as everything is that is not allowed.
type fakeAWS struct {
	answers map[string]string

	mu      sync.Mutex // guards asked and queries
	asked   []string
	queries []string // of each
}

func (f *fakeAWS) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{"X-Amzn-Requestid": {"id-1"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	}
	served := r.Clone(r.Context())
	served.Host, served.RequestURI = r.URL.Host, r.URL.RequestURI()
	sig, err := sigv4.Parse(served)
	if err != nil || sig == nil {
		return answer(403, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
	}
	if sig.AccessKeyID != goodKey.AccessKeyID || sig.Verify(served, goodKey.SecretAccessKey) != nil {
		return answer(403, `<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not fit.</Message></Error></ErrorResponse>`)
	}
	name := r.Method + " " + r.URL.Host + r.URL.Path
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, err
		}
		name = form.Get("Action")
	}
	f.mu.Lock()
	f.asked, f.queries = append(f.asked, name), append(f.queries, r.URL.Query().Encode())
	f.mu.Unlock()
	if body, ok := f.answers[name]; ok {
		return answer(200, body)
	}
	return answer(403, `<Error><Code>AccessDenied</Code><Message>User is not authorized to perform `+name+`</Message></Error>`)
}

const identityXML = `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/anna</Arn><UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`

// signInXML are the credentials of a session, which fakeAWS takes for goodKey's.
const signInXML = `<GlassineSignInResponse><GlassineSignInResult><Credentials><AccessKeyId>AKIAGOOD</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>of a session</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></GlassineSignInResult></GlassineSignInResponse>`

// rig is a console on an AWS of the test's.
type rig struct {
	*Console
	aws *fakeAWS
	now time.Time
	t   *testing.T
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	rg := &rig{aws: &fakeAWS{answers: map[string]string{"GetCallerIdentity": identityXML, "GlassineSignIn": signInXML}}, now: time.Now(), t: t}
	cfg := Config{
		Transport: rg.aws, Viewer: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no edge here") }),
		Inspect: func(io.ReaderAt, int64) (*Picture, error) { return nil, errors.New("no picture") },
		Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), Account: "123456789012", Region: "us-east-1",
		ViewerURL: "https://localhost:8443", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return rg.now },
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	rg.Console = c
	return rg
}

// do sends a request as a browser of the console's own pages does; change sees it first.
func (rg *rig) do(method, target string, form url.Values, cookie *http.Cookie, change func(*http.Request)) *httptest.ResponseRecorder {
	rg.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:7070"+target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = "127.0.0.1:5000"
	if cookie != nil {
		r.AddCookie(cookie)
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	rg.ServeHTTP(w, r)
	return w
}

// login logs in with goodKey and returns the cookie and the token of its forms.
func (rg *rig) login() (*http.Cookie, string) {
	rg.t.Helper()
	w := rg.do("POST", "/login", url.Values{"access-key": {goodKey.AccessKeyID}, "secret-key": {goodKey.SecretAccessKey}}, nil, nil)
	if w.Code != http.StatusSeeOther {
		rg.t.Fatalf("login = %d: %s", w.Code, w.Body)
	}
	cookie := w.Result().Cookies()[0]
	page := rg.do("GET", "/settings", nil, cookie, nil)
	m := regexp.MustCompile(`<meta name="csrf" content="([^"]+)">`).FindStringSubmatch(page.Body.String())
	if m == nil {
		rg.t.Fatalf("the page after the login has no token: %s", page.Body)
	}
	return cookie, m[1]
}

func TestFrame(t *testing.T) {
	rg := newRig(t)
	cookie, _ := rg.login()
	for _, c := range []struct {
		name, method, target string
		cookie               *http.Cookie
		change               func(*http.Request)
		status               int
		says                 string
	}{
		{"who is not logged in is sent to the login, and back", "GET", "/buckets?x=1", nil, nil, 303, ""},
		{"a cookie of nobody's is none", "GET", "/buckets", &http.Cookie{Name: "glassine_console", Value: "x"}, nil, 303, ""},
		{"a page", "GET", "/settings", cookie, nil, 200, "arn:aws:iam::123456789012:user/anna"},
		{"what AWS refuses is shown in its words, with the command", "GET", "/distributions", cookie, nil, 403, "aws cloudfront list-distributions"},
		{"no such page", "GET", "/nothing", cookie, nil, 404, "There is no such page."},
		{"a host that resolves here but is not ours: DNS rebinding", "GET", "/settings", cookie, func(r *http.Request) { r.Host = "evil.example:7070" }, 421, "Not a name of this console."},
		{"localhost is ours", "GET", "/settings", cookie, func(r *http.Request) { r.Host = "localhost:7070" }, 200, ""},
		{"a form from another site", "POST", "/logout", cookie, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "sent from another site"},
		{"a form from another port of this host", "POST", "/logout", cookie, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403, "sent from another site"},
		{"a form from another origin, of a browser that sends no Sec-Fetch-Site", "POST", "/logout", cookie, func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://127.0.0.1:8080")
		}, 403, "sent from another site"},
		{"a picture of ours in another site's page", "GET", "/settings", cookie, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Sec-Fetch-Mode", "no-cors")
		}, 403, "asked by another site"},
		{"a frame in another site's page", "GET", "/settings", cookie, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "iframe")
		}, 403, "asked by another site"},
		{"a link in another site's page", "GET", "/settings", cookie, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
		}, 200, ""},
		{"a form without the session's token", "POST", "/logout", cookie, nil, 403, "not of your session"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var form url.Values
			if c.method == "POST" {
				form = url.Values{}
			}
			w := rg.do(c.method, c.target, form, c.cookie, c.change)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%s %s = %d, want %d with %q in: %s", c.method, c.target, w.Code, c.status, c.says, w.Body)
			}
			if got := w.Header().Get("Content-Security-Policy"); got != csp {
				t.Errorf("Content-Security-Policy = %q, want %q", got, csp)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control = %q, want no-store", got)
			}
		})
	}
	if got := rg.do("GET", "/buckets?x=1", nil, nil, nil).Header().Get("Location"); got != "/login?to=%2Fbuckets%3Fx%3D1" {
		t.Errorf("Location = %q", got)
	}
}

func TestPlaintextFromElsewhereIsRefused(t *testing.T) {
	rg := newRig(t, func(c *Config) { c.Hosts = []string{"console.example.com"} })
	served := httptest.NewUnstartedServer(rg)
	served.Start()
	defer served.Close()
	// The listener is loopback's, so a request with another host gets as far as the name; one for a declared name gets in.
	for host, want := range map[string]int{"evil.example": 421, "console.example.com": 200} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, served.URL+"/login", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s = %d, want %d", host, resp.StatusCode, want)
		}
	}
	// Behind a declared name the cookie is one that no other host and no plaintext page can set.
	w := rg.do("POST", "/login", url.Values{"access-key": {goodKey.AccessKeyID}, "secret-key": {goodKey.SecretAccessKey}}, nil, func(r *http.Request) { r.Host = "console.example.com" })
	got := w.Header().Get("Set-Cookie")
	for _, part := range []string{"__Host-glassine_console=", "Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=28800"} {
		if !strings.Contains(got, part) {
			t.Errorf("Set-Cookie = %q, want %q in it", got, part)
		}
	}
	if strings.Contains(got, "Domain=") {
		t.Errorf("Set-Cookie = %q: a __Host- cookie has no Domain", got)
	}
}

func TestLogin(t *testing.T) {
	rg := newRig(t)
	try := func(form url.Values) *httptest.ResponseRecorder { return rg.do("POST", "/login", form, nil, nil) }
	w := try(url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"secret"}, "to": {"/buckets"}})
	if w.Code != 303 || w.Header().Get("Location") != "/buckets" {
		t.Fatalf("login = %d to %q, want 303 to /buckets", w.Code, w.Header().Get("Location"))
	}
	got := w.Header().Get("Set-Cookie")
	for _, part := range []string{"glassine_console=", "Path=/", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(got, part) {
			t.Errorf("Set-Cookie = %q, want %q in it", got, part)
		}
	}
	for _, to := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "/a\r\nb", ""} {
		w := try(url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"secret"}, "to": {to}})
		if got := w.Header().Get("Location"); got != "/" {
			t.Errorf("login to %q = Location %q, want /", to, got)
		}
	}
	w = try(url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"<b>wrong</b>"}})
	if w.Code != 403 || !strings.Contains(w.Body.String(), "The signature does not fit.") || len(w.Result().Cookies()) != 0 {
		t.Errorf("a wrong secret = %d %v: %s", w.Code, w.Result().Cookies(), w.Body)
	}
	if strings.Contains(w.Body.String(), "wrong") {
		t.Error("the answer to a failed login shows the secret")
	}
}

func TestLoginIsLimited(t *testing.T) {
	rg := newRig(t)
	bad := url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"wrong"}}
	for i := range loginBurst {
		if w := rg.do("POST", "/login", bad, nil, nil); w.Code != 403 {
			t.Fatalf("failed login %d = %d, want 403", i+1, w.Code)
		}
	}
	w := rg.do("POST", "/login", url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"secret"}}, nil, nil)
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("after %d failures even the good key = %d, Retry-After %q; want 429 with one", loginBurst, w.Code, w.Header().Get("Retry-After"))
	}
	other := func(r *http.Request) { r.RemoteAddr = "127.0.0.2:1" }
	if w := rg.do("POST", "/login", bad, nil, other); w.Code != 403 {
		t.Errorf("another address = %d, want 403", w.Code)
	}
	rg.now = rg.now.Add(loginRefill)
	rg.login()
}

func TestLoginLink(t *testing.T) {
	rg := newRig(t)
	token := func() string {
		_, token, _ := strings.Cut(rg.LoginLink("http://127.0.0.1:7070", goodKey), "/login#")
		return token
	}
	first := token()
	if w := rg.do("POST", "/login", url.Values{"token": {first}}, nil, nil); w.Code != 303 {
		t.Errorf("a link = %d, want 303: %s", w.Code, w.Body)
	}
	if w := rg.do("POST", "/login", url.Values{"token": {first}}, nil, nil); w.Code != 403 {
		t.Errorf("the same link again = %d, want 403", w.Code)
	}
	late := token()
	rg.now = rg.now.Add(LinkLife)
	if w := rg.do("POST", "/login", url.Values{"token": {late}}, nil, nil); w.Code != 403 {
		t.Errorf("a link after %s = %d, want 403", LinkLife, w.Code)
	}
	w := rg.do("POST", "/login/link", url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"secret"}}, nil, nil)
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"path":"/login#`) {
		t.Errorf("a link by key = %d: %s", w.Code, w.Body)
	}
	if w := rg.do("POST", "/login/link", url.Values{"access-key": {"AKIAGOOD"}, "secret-key": {"no"}}, nil, nil); w.Code != 403 {
		t.Errorf("a link by a wrong key = %d, want 403", w.Code)
	}
}

func TestSessionEnds(t *testing.T) {
	for name, act := range map[string]func(rg *rig, cookie *http.Cookie, csrf string){
		"after the log out": func(rg *rig, cookie *http.Cookie, csrf string) {
			rg.do("POST", "/logout", url.Values{"csrf": {csrf}}, cookie, nil)
		},
		"when it was idle": func(rg *rig, _ *http.Cookie, _ string) { rg.now = rg.now.Add(sessionIdle) },
		"after eight hours, however busy": func(rg *rig, cookie *http.Cookie, _ string) {
			for range 8 * 4 {
				rg.now = rg.now.Add(15 * time.Minute)
				rg.do("GET", "/settings", nil, cookie, nil)
			}
		},
		"when its key is gone": func(rg *rig, cookie *http.Cookie, _ string) {
			was := goodKey
			defer func() { goodKey = was }()
			rg.Console.cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 403, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>`)), Request: r}, nil
			})
			rg.do("GET", "/distributions", nil, cookie, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rg := newRig(t)
			cookie, csrf := rg.login()
			act(rg, cookie, csrf)
			if w := rg.do("GET", "/settings", nil, cookie, nil); w.Code != 303 {
				t.Errorf("a page = %d, want 303 to the login", w.Code)
			}
		})
	}
}

// Each way out of a page is to be a file of ours, and nothing may stand in a page that the CSP forbids.
func TestPagesHoldNothingInline(t *testing.T) {
	for name := range newRig(t).pages.all {
		raw, err := files.ReadFile("templates/" + name + ".html")
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{`style="`, `onclick=`, `<script>`, `<style`, `javascript:`, `href="http`, `src="http`, `hx-on`} {
			if strings.Contains(string(raw), bad) {
				t.Errorf("template %s has %q", name, bad)
			}
		}
	}
}

// user-experience: at most 60 KB for the first page, compressed.
func TestFirstPageIsSmall(t *testing.T) {
	rg := newRig(t)
	rg.aws.answers["GET cloudfront.amazonaws.com/2020-05-31/distribution"] = `<DistributionList/>`
	cookie, _ := rg.login()
	w := rg.do("GET", "/", nil, cookie, nil)
	if w.Code != 200 {
		t.Fatalf("the first page = %d: %s", w.Code, w.Body)
	}
	total := w.Body.Len() // sent as it is
	for _, m := range regexp.MustCompile(`(?:src|href)="/static/([^"?]+)\?([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		got := rg.do("GET", "/static/"+m[1]+"?"+m[2], nil, nil, func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
		if got.Code != 200 || got.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s = %d %v", m[1], got.Code, got.Header())
		}
		total += got.Body.Len()
		z, err := gzip.NewReader(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(z); err != nil || len(plain) == 0 {
			t.Errorf("%s does not decompress: %v", m[1], err)
		}
	}
	for _, name := range []string{"studio.js", "compare.js"} { // of the Studio with a picture
		total += len(rg.assets[name].gzip)
	}
	const limit = 60_000 // 33,341 measured 2026-11-26
	if total > limit {
		t.Errorf("the first page is %d bytes, want at most %d", total, limit)
	}
	t.Logf("the first page is %d bytes", total)
}

// A stored object must not act in the console's name, whatever it says it is.
func TestPreviewsAreHarmless(t *testing.T) {
	for _, c := range []struct{ name, stored, want, disposition string }{
		{"a photograph is shown", "image/jpeg", "image/jpeg", "inline"},
		{"an SVG is shown in a sandbox", "image/svg+xml", "image/svg+xml", "inline"},
		{"HTML is a download", "text/html", "application/octet-stream", "attachment"},
		{"HTML behind parameters too", "text/html; charset=utf-8", "application/octet-stream", "attachment"},
		{"XHTML too", "application/xhtml+xml", "application/octet-stream", "attachment"},
		{"a script too", "text/javascript", "application/octet-stream", "attachment"},
		{"what cannot be read too", "image/jpeg;;;", "application/octet-stream", "attachment"},
		{"what has no type too", "", "application/octet-stream", "attachment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rg := newRig(t)
			cookie, _ := rg.login()
			rg.cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {c.stored}}, Body: io.NopCloser(strings.NewReader("<script>x</script>")), ContentLength: 18, Request: r}, nil
			})
			w := rg.do("GET", "/buckets/b/content?key=a/x.html", nil, cookie, nil)
			h := w.Header()
			if got := h.Get("Content-Type"); got != c.want {
				t.Errorf("Content-Type = %q, want %q", got, c.want)
			}
			if got := h.Get("Content-Disposition"); !strings.HasPrefix(got, c.disposition) {
				t.Errorf("Content-Disposition = %q, want %s", got, c.disposition)
			}
			if got := h.Get("Content-Security-Policy"); !strings.Contains(got, "sandbox") || !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "allow-scripts") {
				t.Errorf("Content-Security-Policy = %q, want a sandbox", got)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no nosniff")
			}
		})
	}
}

// Text of strangers is escaped by the templates, and what a terminal or a reader could be fooled with is made visible.
func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\tc": "a\nb\tc", "\x1b[31m": `\u001b[31m`, "safe\u202egpj.exe": `safe\u202egpj.exe`, "\xff": "\ufffd", "é": "é",
		strings.Repeat("é", 4096): strings.Repeat("é", 2048) + "…",
	} {
		if got := shown(in); got != want {
			t.Errorf("shown(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIconsAreDrawings(t *testing.T) {
	for name := range icons {
		drawn, err := icon(name)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader([]byte(drawn)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("icon %s: %v", name, err)
			}
		}
	}
	if _, err := icon("no such"); err == nil {
		t.Error("an icon that is not there is no error")
	}
}
