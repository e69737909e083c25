package edge

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/edge/tlspolicy"
)

const certificateOfACM = "arn:aws:acm:us-east-1:123456789012:certificate/0b9a1f5e-7a0d-4c39-9a76-1f6f6a7f6a11"

// secured is a custom certificate under a policy.
func secured(policy string) ViewerCertificate {
	return ViewerCertificate{ACMCertificateARN: certificateOfACM, SSLSupportMethod: "sni-only", MinimumProtocolVersion: policy}
}

func TestViewerCertificateIsChecked(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "")})
	t.Cleanup(rg.Close)
	change := func(f func(*ViewerCertificate)) ViewerCertificate {
		c := secured("TLSv1.2_2021")
		f(&c)
		return c
	}
	plain := ViewerCertificate{CloudFrontDefault: true, SSLSupportMethod: "vip", MinimumProtocolVersion: "TLSv1"}
	for _, row := range []struct {
		name string
		give ViewerCertificate
		want ViewerCertificate // zero: InvalidViewerCertificate
	}{
		{"nothing is the default", ViewerCertificate{}, plain},
		{"the default has its own policy", ViewerCertificate{CloudFrontDefault: true, MinimumProtocolVersion: "TLSv1.2_2021"}, plain},
		{"a certificate of ACM", secured("TLSv1.2_2021"), secured("TLSv1.2_2021")},
		{"a certificate of IAM", change(func(c *ViewerCertificate) { c.ACMCertificateARN, c.IAMCertificateID = "", "ASCAEXAMPLE123EXAMPLE" }), change(func(c *ViewerCertificate) { c.ACMCertificateARN, c.IAMCertificateID = "", "ASCAEXAMPLE123EXAMPLE" })},
		{"SSL 3 with addresses of its own", change(func(c *ViewerCertificate) { c.SSLSupportMethod, c.MinimumProtocolVersion = "vip", "SSLv3" }), change(func(c *ViewerCertificate) { c.SSLSupportMethod, c.MinimumProtocolVersion = "vip", "SSLv3" })},
		{"SSL 3 with SNI", secured("SSLv3"), ViewerCertificate{}},
		{"a policy that is none", secured("TLSv1.2_2022"), ViewerCertificate{}},
		{"no policy", secured(""), secured("TLSv1")},
		{"both certificates", change(func(c *ViewerCertificate) { c.IAMCertificateID = "ASCAEXAMPLE123EXAMPLE" }), ViewerCertificate{}},
		{"the default and a certificate", change(func(c *ViewerCertificate) { c.CloudFrontDefault = true }), ViewerCertificate{}},
		{"a policy and no certificate", ViewerCertificate{SSLSupportMethod: "sni-only", MinimumProtocolVersion: "TLSv1.2_2021"}, ViewerCertificate{}},
		{"an ID that is none", change(func(c *ViewerCertificate) { c.ACMCertificateARN, c.IAMCertificateID = "", "short" }), ViewerCertificate{}},
		{"no method", change(func(c *ViewerCertificate) { c.SSLSupportMethod = "" }), ViewerCertificate{}},
		{"another region", change(func(c *ViewerCertificate) {
			c.ACMCertificateARN = strings.Replace(certificateOfACM, "us-east-1", "eu-west-1", 1)
		}), ViewerCertificate{}},
		{"another service's ARN", change(func(c *ViewerCertificate) { c.ACMCertificateARN = "arn:aws:s3:us-east-1:123456789012:certificate/x" }), ViewerCertificate{}},
		{"no ARN", change(func(c *ViewerCertificate) { c.ACMCertificateARN = "0b9a1f5e" }), ViewerCertificate{}},
	} {
		cfg := rg.dist.Config
		cfg.CallerReference, cfg.ViewerCertificate = row.name, row.give
		d, err := rg.CreateDistribution(t.Context(), rg.root, cfg)
		switch {
		case row.want == ViewerCertificate{}:
			if !fault.Is(err, "InvalidViewerCertificate") {
				t.Errorf("%s: %v, want InvalidViewerCertificate", row.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", row.name, err)
		case d.Config.ViewerCertificate != row.want:
			t.Errorf("%s: echoed as %+v, want %+v", row.name, d.Config.ViewerCertificate, row.want)
		}
	}
}

func TestViewerTLSIsTheDistributions(t *testing.T) {
	for _, row := range []struct {
		name         string
		dist         func(*DistributionConfig)
		http2, http3 bool
		policy       string
	}{
		{"default certificate", func(c *DistributionConfig) {}, true, false, "TLSv1.2_2018"},
		{"HTTP/1.1 only", func(c *DistributionConfig) { c.HTTPVersion, c.ViewerCertificate = "http1.1", secured("TLSv1.2_2021") }, false, false, "TLSv1.2_2021"},
		{"HTTP/2", func(c *DistributionConfig) { c.HTTPVersion, c.ViewerCertificate = "HTTP2", secured("TLSv1.3_2025") }, true, false, "TLSv1.3_2025"},
		{"HTTP/3 without HTTP/2", func(c *DistributionConfig) { c.HTTPVersion, c.ViewerCertificate = "http3", secured("TLSv1_2016") }, false, true, "TLSv1_2016"},
		{"both", func(c *DistributionConfig) { c.HTTPVersion, c.ViewerCertificate = "http2and3", secured("TLSv1.2_2025") }, true, true, "TLSv1.2_2025"},
	} {
		rg := newRig(t, setup{origin: always(200, ""), dist: func(c *DistributionConfig) {
			row.dist(c)
			c.Aliases = []string{"a.example.com", "*.b.example.com"}
		}})
		t.Cleanup(rg.Close)
		for _, name := range []string{rg.dist.DomainName, "a.example.com", "X.b.example.com"} {
			v := rg.ViewerTLS(name)
			if v.Distribution != rg.dist.ID || v.HTTP2 != row.http2 || v.HTTP3 != row.http3 || v.Policy.Name != row.policy {
				t.Errorf("%s: %s gives %+v", row.name, name, v)
			}
		}
		for _, name := range []string{"", "b.example.com", "example.org"} {
			v := rg.ViewerTLS(name)
			if v.Distribution != "" || !v.HTTP2 || v.HTTP3 || v.Policy.MinVersion != tlspolicy.Floor.MinVersion {
				t.Errorf("%s: %q gives %+v, want the default", row.name, name, v)
			}
		}
	}
}

// Whether a request may come over a connection that was made for a server name.
func TestHostHasToFitTheConnection(t *testing.T) {
	const strict, lax = "strict.example.com", "lax.example.com"
	rg := newRig(t, setup{
		origin: always(200, "x"),
		dist: func(c *DistributionConfig) {
			c.Aliases, c.ViewerCertificate = []string{strict, "*.strict.example.com"}, secured("TLSv1.2_2021")
		},
		config: func(c *Config) {
			c.SameCertificate = func(serverName, host string) bool {
				return serverName == "joined.example.com" && (host == strict || host == lax)
			}
		},
	})
	t.Cleanup(rg.Close)
	cfg := rg.dist.Config
	cfg.CallerReference, cfg.Aliases, cfg.ViewerCertificate = "lax", []string{lax, "joined.example.com"}, secured("TLSv1_2016")
	if _, err := rg.CreateDistribution(t.Context(), rg.root, cfg); err != nil {
		t.Fatal(err)
	}
	const good, weak = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	for _, row := range []struct {
		name, sni, host string
		version, suite  uint16
		want            int
	}{
		{"the name itself", strict, strict, tls.VersionTLS12, good, 200},
		{"with a port", strict, strict + ":8443", tls.VersionTLS12, good, 200},
		{"in capitals", strict, "Strict.Example.com", tls.VersionTLS12, good, 200},
		{"another name of the distribution", strict, "x.strict.example.com", tls.VersionTLS12, good, 200},
		{"the distribution's own name", strict, rg.dist.DomainName, tls.VersionTLS12, good, 200},
		{"another distribution's", strict, lax, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, 403},
		{"a name of no distribution", "nobody.example.com", strict, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, 403},
		{"another distribution's with the same certificate", "joined.example.com", strict, tls.VersionTLS12, good, 200},
		{"the same, with a suite that the policy does not have", "joined.example.com", strict, tls.VersionTLS12, weak, 403},
		{"the same, with an old version", "joined.example.com", strict, tls.VersionTLS11, weak, 403},
		{"no server name", "", strict, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, 200},
		{"no server name, and past the policy", "", strict, tls.VersionTLS12, weak, 403},
		{"this machine's name", "localhost", strict, tls.VersionTLS12, good, 200},
		{"this machine's name, and past the policy", "localhost", strict, tls.VersionTLS12, weak, 403},
		{"an address, as some clients put it", "127.0.0.1", strict, tls.VersionTLS12, good, 200},
		{"lax takes what it took", lax, lax, tls.VersionTLS11, weak, 200},
	} {
		r := rg.request("GET", "/a")
		r.Host, r.TLS = row.host, &tls.ConnectionState{ServerName: row.sni, Version: row.version, CipherSuite: row.suite, HandshakeComplete: true}
		a := rg.send(r)
		if a.status != row.want {
			t.Errorf("%s: status %d, want %d", row.name, a.status, row.want)
		}
		if row.want == 403 && !strings.Contains(rg.log.String(), `"x-edge-detailed-result-type":"InvalidRequestCertificate"`) {
			t.Errorf("%s: log %s", row.name, rg.log.String())
		}
		rg.log.Reset()
	}
}

func withHTTP3(version string) setup {
	return setup{
		origin: always(200, "0123456789", "Content-Type", "image/jpeg", "Etag", `"v1"`, "Accept-Ranges", "bytes", "Zeta", "z"),
		dist:   func(c *DistributionConfig) { c.HTTPVersion, c.DefaultRootObject = version, "index.html" },
		config: func(c *Config) { c.HTTP3Port = "8443" },
	}
}

func TestHTTP3IsAdvertised(t *testing.T) {
	const want = `h3=":8443"; ma=86400`
	for _, row := range []struct{ version, want string }{{"http1.1", ""}, {"http2", ""}, {"http3", want}, {"http2and3", want}} {
		rg := newRig(t, withHTTP3(row.version))
		t.Cleanup(rg.Close)
		get := func(name string, change func(*http.Request), want string) {
			t.Helper()
			r := rg.request("GET", "/a")
			change(r)
			if got := rg.send(r).header.Get("Alt-Svc"); got != want {
				t.Errorf("%s, %s: Alt-Svc = %q, want %q", row.version, name, got, want)
			}
		}
		get("miss", func(*http.Request) {}, row.want)
		get("hit", func(*http.Request) {}, row.want)
		get("HTTP/2", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, row.want)
		get("HTTP/3 itself", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 3, 0 }, "")
		get("an error page", func(r *http.Request) { r.Method = "DELETE" }, row.want)
		get("plaintext", func(r *http.Request) { r.TLS = nil }, "")
		get("nobody's name", func(r *http.Request) { r.Host = "example.org" }, "")
	}
	without := withHTTP3("http2and3")
	without.config = nil
	rg := newRig(t, without)
	t.Cleanup(rg.Close)
	if got := rg.get("/a").header["Alt-Svc"]; got != nil {
		t.Errorf("Alt-Svc = %q without a port for HTTP/3", got)
	}
}

// An origin's own Alt-Svc speaks of the origin, not of us, so ours takes its place.
func TestLoopAdvertisesHTTP3AsServeHTTP(t *testing.T) {
	foreign := withHTTP3("http2and3")
	foreign.origin = always(200, "0123456789", "Alt-Svc", `h2="elsewhere:443"`, "Etag", `"v1"`)
	silent := withHTTP3("http2")
	silent.origin = foreign.origin
	for _, test := range []struct {
		name  string
		setup setup
		want  string // in the answers
	}{
		{"both versions", withHTTP3("http2and3"), `Alt-Svc: h3=":8443"; ma=86400` + "\r\n"},
		{"the origin has its own", foreign, `Alt-Svc: h3=":8443"; ma=86400` + "\r\n"},
		{"no HTTP/3, and the origin has its own", silent, `Alt-Svc: h2="elsewhere:443"` + "\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, test.setup, func(t *testing.T, rg *rig) {
				tw := newTwins(t, rg, true)
				defer tw.close()
				text := strings.ReplaceAll(ask1("GET", "/a")+ask1("HEAD", "/a")+ask1("GET", "/a", `If-None-Match: "v1"`)+ask1("GET", "/a", "Range: bytes=1-2"), "HOST", rg.dist.DomainName)
				tw.say(tw.plain, text)
				time.Sleep(3 * time.Second) // so that there is an Age
				want, _ := tw.say(tw.plain, text)
				got, _ := tw.say(tw.loop, text)
				if unnamed(got) != unnamed(want) {
					t.Errorf("got  %.2000q\nwant %.2000q", unnamed(got), unnamed(want))
				}
				if n := strings.Count(got, test.want); n != 4 || strings.Count(got, "Alt-Svc") != 4 {
					t.Errorf("%d of 4 answers have %q: %.2000q", n, test.want, got)
				}
				if n := tw.counting.answered.Load(); n != 4 {
					t.Errorf("the loop answered %d requests, want 4", n)
				}
			})
		})
	}
}
