package console

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// csp forbids everything that the console does not need. Trusted types are not required: htmx 4 does not work under them.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard stands before everything: who may connect, under which name, from which page.
func (c *Console) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.refuse(w, r, http.StatusForbidden, "This form was sent from another site.", "A request that changes something must come from a page of this console. Nothing was changed.", "")
	}))
	for _, host := range c.cfg.Hosts {
		_ = origin.AddTrustedOrigin("https://" + host) // a name that is no origin is never one
	}
	checked := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		name := hostname(r.Host)
		switch {
		case slices.Contains(c.cfg.Hosts, name):
			h.Set("Strict-Transport-Security", "max-age=31536000")
		case r.TLS == nil && !c.local(r):
			c.refuse(w, r, http.StatusForbidden, "The console is served on loopback only.",
				"This connection is plaintext and from elsewhere: a password-like secret and its cookie would cross the network readable.",
				"ssh -L 7070:127.0.0.1:7070 this-host   # then open http://127.0.0.1:7070")
			return
		case !loopbackName(name) && r.TLS == nil:
			// Names that an attacker chose can resolve to loopback: DNS rebinding.
			c.refuse(w, r, http.StatusMisdirectedRequest, "Not a name of this console.", "It answers under localhost, 127.0.0.1, [::1] and the names declared with --console-host.",
				"glassine serve --console-host "+name)
			return
		}
		if foreign(r) {
			c.refuse(w, r, http.StatusForbidden, "This was asked by another site.", "Pages of other sites, and of other ports of this machine, may lead here and not look in.", "")
			return
		}
		checked.ServeHTTP(w, r)
	})
}

// foreign reports whether a page of another origin asks for something other than to go there: a picture, a script, a fetch.
// Another port of this machine is another origin, whose requests carry the cookie all the same. (Fetch Metadata Request
// Headers, section 2; what sends none is no browser, or an old one that SameSite and CORS hold.)
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "" || site == "same-origin" || site == "none" || r.Method != http.MethodGet {
		return false // forms are for CrossOriginProtection
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// hostname is a Host header's name in lower case, without port and brackets.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

func loopbackName(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// local reports whether a connection came to an address of loopback. A test's request without a connection is one.
func (c *Console) local(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// secure reports whether a browser reaches the console over TLS.
func (c *Console) secure(r *http.Request) bool {
	return r.TLS != nil || slices.Contains(c.cfg.Hosts, hostname(r.Host))
}

// cookie is the name of the session's cookie: over TLS one that no other host and no plaintext page can set.
// (RFC 6265bis section 4.1.3.2.) On loopback without TLS, a browser may not keep a Secure cookie.
func (c *Console) cookie(r *http.Request) *http.Cookie {
	out := &http.Cookie{Name: "glassine_console", Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if c.secure(r) {
		out.Name, out.Secure = "__Host-glassine_console", true
	}
	return out
}

// token is a request's session token, or "".
func (c *Console) token(r *http.Request) string {
	if found, err := r.Cookie(c.cookie(r).Name); err == nil {
		return found.Value
	}
	return ""
}

// address is who a request is from, without the port.
func address(r *http.Request) string {
	if h, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return h
	}
	return r.RemoteAddr
}
