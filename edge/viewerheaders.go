package edge

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Geo knows where an address is. A Geo that is not set knows nothing: the headers are absent, and a distribution with a
// geographic restriction is refused. Safe for many goroutines.
type Geo interface {
	// Place returns what is known about a viewer's address; an unknown one has the zero Place.
	Place(netip.Addr) Place
}

// Place is where an address is. A member that is not known is "".
type Place struct {
	Country, CountryName    string // ISO 3166-1 alpha-2
	Region, RegionName      string // the subdivision's ISO 3166-2 code without the country
	City, PostalCode, Metro string
	TimeZone                string // IANA
	Latitude, Longitude     string // degrees, as text
	AutonomousSystem        string // number
}

// geoHeaders are the headers made of a Place, by their canonical name.
// CloudFront Developer Guide, "Add CloudFront request headers".
var geoHeaders = map[string]func(*Place) string{
	"Cloudfront-Viewer-Country":             func(p *Place) string { return p.Country },
	"Cloudfront-Viewer-Country-Name":        func(p *Place) string { return p.CountryName },
	"Cloudfront-Viewer-Country-Region":      func(p *Place) string { return p.Region },
	"Cloudfront-Viewer-Country-Region-Name": func(p *Place) string { return p.RegionName },
	"Cloudfront-Viewer-City":                func(p *Place) string { return p.City },
	"Cloudfront-Viewer-Postal-Code":         func(p *Place) string { return p.PostalCode },
	"Cloudfront-Viewer-Metro-Code":          func(p *Place) string { return p.Metro },
	"Cloudfront-Viewer-Time-Zone":           func(p *Place) string { return p.TimeZone },
	"Cloudfront-Viewer-Latitude":            func(p *Place) string { return p.Latitude },
	"Cloudfront-Viewer-Longitude":           func(p *Place) string { return p.Longitude },
	"Cloudfront-Viewer-Asn":                 func(p *Place) string { return p.AutonomousSystem },
}

// unmade are the headers that CloudFront makes and this edge does not, in lower case: what parses requests keeps neither the
// viewer's TLS hello nor the order of its headers.
var unmade = set("cloudfront-viewer-ja3-fingerprint cloudfront-viewer-ja4-fingerprint cloudfront-viewer-header-order cloudfront-viewer-header-count")

// otherHeaders are those made of the request.
var otherHeaders = map[string]func(*viewer) string{
	"Cloudfront-Forwarded-Proto":     func(v *viewer) string { return v.scheme() },
	"Cloudfront-Viewer-Http-Version": func(v *viewer) string { return v.version() },
	"Cloudfront-Viewer-Address":      viewerAddress,
	"Cloudfront-Viewer-Tls":          viewerTLS,
	"Cloudfront-Is-Android-Viewer":   func(v *viewer) string { return truth(v.device().android) },
	"Cloudfront-Is-Ios-Viewer":       func(v *viewer) string { return truth(v.device().ios) },
	"Cloudfront-Is-Mobile-Viewer":    func(v *viewer) string { return truth(v.device().kind == "mobile") },
	"Cloudfront-Is-Tablet-Viewer":    func(v *viewer) string { return truth(v.device().kind == "tablet") },
	"Cloudfront-Is-Smarttv-Viewer":   func(v *viewer) string { return truth(v.device().kind == "smarttv") },
	"Cloudfront-Is-Desktop-Viewer":   func(v *viewer) string { return truth(v.device().kind == "desktop") },
}

// headersOf2022 are the CloudFront headers released through June 2022, as the managed policy lists them.
var headersOf2022 = []string{
	"CloudFront-Forwarded-Proto", "CloudFront-Is-Android-Viewer", "CloudFront-Is-Desktop-Viewer", "CloudFront-Is-IOS-Viewer",
	"CloudFront-Is-Mobile-Viewer", "CloudFront-Is-SmartTV-Viewer", "CloudFront-Is-Tablet-Viewer", "CloudFront-Viewer-Address",
	"CloudFront-Viewer-ASN", "CloudFront-Viewer-City", "CloudFront-Viewer-Country", "CloudFront-Viewer-Country-Name",
	"CloudFront-Viewer-Country-Region", "CloudFront-Viewer-Country-Region-Name", "CloudFront-Viewer-Http-Version",
	"CloudFront-Viewer-Latitude", "CloudFront-Viewer-Longitude", "CloudFront-Viewer-Metro-Code", "CloudFront-Viewer-Postal-Code",
	"CloudFront-Viewer-Time-Zone", "CloudFront-Viewer-TLS",
}

// derivable reports whether the edge makes the CloudFront- header.
func derivable(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return geoHeaders[name] != nil || otherHeaders[name] != nil
}

// keyable reports whether a cache policy may list the CloudFront- header: the others change with each connection.
// CloudFront Developer Guide, "Add CloudFront request headers".
func keyable(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Cloudfront-Viewer-Address", "Cloudfront-Viewer-Asn", "Cloudfront-Viewer-Tls":
		return false
	}
	return derivable(name)
}

// cloudFrontHeader returns the value of a CloudFront- header for x's request, by its canonical name; "" for none.
func (x *exchange) cloudFrontHeader(name string) string {
	if from := otherHeaders[name]; from != nil {
		return from(&x.viewer)
	}
	if from := geoHeaders[name]; from != nil {
		place := x.place()
		return from(&place)
	}
	return ""
}

// place is where x's viewer is.
func (x *exchange) place() Place {
	if x.edge.cfg.Geo == nil {
		return Place{}
	}
	addr, err := netip.ParseAddr(x.clientIP())
	if err != nil {
		return Place{}
	}
	return x.edge.cfg.Geo.Place(addr.Unmap())
}

// viewerAddress is <address>:<port>, an IPv6 address without brackets as CloudFront writes it.
func viewerAddress(v *viewer) string {
	host, port, err := net.SplitHostPort(v.remote)
	if err != nil {
		return ""
	}
	return host + ":" + port
}

// viewerTLS is <version>:<cipher>:<handshake>. That a request follows another on its connection is not told apart:
// docs/aws-differences.md.
func viewerTLS(v *viewer) string {
	if v.tls == nil {
		return ""
	}
	handshake := "fullHandshake"
	if v.tls.DidResume {
		handshake = "sessionResumed"
	}
	return strings.ReplaceAll(tls.VersionName(v.tls.Version), "TLS 1", "TLSv1") + ":" + tls.CipherSuiteName(v.tls.CipherSuite) + ":" + handshake
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// device is what a User-Agent says about where it runs. kind is mobile, tablet, smarttv or desktop.
type device struct {
	android, ios bool
	kind         string
}

// device reads the viewer's User-Agent. CloudFront does not say by what it decides; this takes the tokens that browsers
// use (MDN, "Browser detection using the user agent").
func (v *viewer) device() device {
	agent := strings.ToLower(v.field("User-Agent"))
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(agent, w) {
				return true
			}
		}
		return false
	}
	d := device{android: has("android"), ios: has("iphone", "ipad", "ipod")}
	switch {
	case has("smart-tv", "smarttv", "appletv", "googletv", "hbbtv", "netcast", "web0s", "webos.tv", "tizen tv", "roku", "aftb", "aftt", "crkey", "bravia"):
		d.kind = "smarttv"
	case has("ipad", "tablet", "kindle", "silk/", "playbook") || d.android && !has("mobile"):
		d.kind = "tablet"
	case has("iphone", "ipod", "mobile", "windows phone", "blackberry", "opera mini"):
		d.kind = "mobile"
	default:
		d.kind = "desktop"
	}
	return d
}
