package edge

import (
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/edge/tlspolicy"
)

// ViewerTLS is what a distribution asks of its viewers' connections. The listener asks for it by the name in the handshake,
// before there is a request.
type ViewerTLS struct {
	Distribution string // ID; "": the name is of no distribution
	Policy       tlspolicy.Policy
	HTTP2        bool // HTTP/2 is offered
	HTTP3        bool // HTTP/3 is served and, with Config.HTTP3Port, advertised
}

// anyViewer is for viewers who name no distribution, or none at all.
var anyViewer = ViewerTLS{Policy: tlspolicy.Floor, HTTP2: true}

// ViewerTLS returns what the distribution of a server name (SNI) asks. A name of no distribution, and no name, get the
// default: the request that comes over such a connection is refused, or its Host decides.
func (e *Edge) ViewerTLS(serverName string) ViewerTLS {
	if s := e.routes.Load().site(serverName); s != nil {
		return s.tls
	}
	return anyViewer
}

// viewerTLS compiles it. HttpVersion http3 is HTTP/3 and HTTP/1.1, http2and3 all three (CloudFront API Reference,
// "DistributionConfig").
func (d *Distribution) viewerTLS() ViewerTLS {
	version := strings.ToLower(d.Config.HTTPVersion)
	v := ViewerTLS{Distribution: d.ID, Policy: tlspolicy.Floor, HTTP2: strings.HasPrefix(version, "http2"), HTTP3: version == "http3" || version == "http2and3"}
	if c := d.Config.ViewerCertificate; !c.CloudFrontDefault {
		if p, ok := tlspolicy.Find(c.MinimumProtocolVersion); ok {
			v.Policy = p
		}
	}
	return v
}

// advertisement is the Alt-Svc of answers over HTTP/1.1 and HTTP/2, or nil (RFC 7838, section 3). CloudFront's own is
// h3=":443"; ma=86400 (seen on the wire).
func (e *Edge) advertisement(v ViewerTLS) []string {
	if !v.HTTP3 || e.cfg.HTTP3Port == "" {
		return nil
	}
	return []string{`h3=":` + e.cfg.HTTP3Port + `"; ma=86400`}
}

// advertises returns the answer's Alt-Svc, or nil. It is for answers over TLS alone, as browsers heed no other.
func (x *exchange) advertises() []string {
	if x.site == nil || x.tls == nil || x.major > 2 {
		return nil
	}
	return x.site.altSvc
}

// advertise sets Alt-Svc in the answer's header.
func (x *exchange) advertise(h http.Header) {
	if lines := x.advertises(); lines != nil {
		h["Alt-Svc"] = lines
	}
}

// astray reports whether a request for x.site came over a connection that was made for another: "The CloudFront
// distribution doesn't match the SSL/TLS certificate for which the HTTPS connection was established" (CloudFront Developer
// Guide, "Standard log file fields", InvalidRequestCertificate). A connection whose certificate is good for the Host too may
// carry it, as browsers join connections by that (RFC 9113, section 9.1.1), but not past a stricter security policy.
// A viewer without SNI, with an address in it, which is none (RFC 6066, section 3), or with the machine's own name proved to want
// nothing else: the policy alone counts.
func (x *exchange) astray(r *routes) bool {
	name := x.tls.ServerName
	if name == hostName(x.host) || x.site == nil || name != "" && r.site(name) == x.site {
		return false
	}
	switch {
	case !x.site.tls.Policy.Allows(x.tls):
		return true
	case name == "" || name == "localhost" || net.ParseIP(name) != nil:
		return false
	}
	return x.edge.cfg.SameCertificate == nil || !x.edge.cfg.SameCertificate(name, hostName(x.host))
}

// withDefaults fills in what CloudFront echoes. With its own certificate the policy is TLSv1 whatever was asked for
// (CloudFront API Reference, "ViewerCertificate"). It is TLSv1 too for a custom one that names none, as in many templates.
func (c ViewerCertificate) withDefaults() ViewerCertificate {
	if c.ACMCertificateARN == "" && c.IAMCertificateID == "" && (c.CloudFrontDefault || c == ViewerCertificate{}) {
		return ViewerCertificate{CloudFrontDefault: true, SSLSupportMethod: "vip", MinimumProtocolVersion: "TLSv1"}
	}
	if c.ACMCertificateARN != "" || c.IAMCertificateID != "" {
		c.MinimumProtocolVersion = or(c.MinimumProtocolVersion, "TLSv1")
	}
	return c
}

var serverCertificateID = regexp.MustCompile(`^\w{16,128}$`) // IAM API Reference, "ServerCertificateMetadata"

// check says what is wrong with a certificate. An ARN and an ID are names that are not looked up, since there is no ACM
// here: what viewers get is found by the name they ask for (docs/aws-differences.md).
func (c ViewerCertificate) check() error {
	wrong := func(format string, args ...any) error { return fault.New("InvalidViewerCertificate", format, args...) }
	if c.CloudFrontDefault {
		if c.ACMCertificateARN != "" || c.IAMCertificateID != "" {
			return wrong("The viewer certificate is CloudFront's default one or a custom one, not both.")
		}
		return nil
	}
	switch {
	case (c.ACMCertificateARN == "") == (c.IAMCertificateID == ""):
		return wrong("A custom viewer certificate is named by either ACMCertificateArn or IAMCertificateId.")
	case c.ACMCertificateARN != "" && !certificateARN(c.ACMCertificateARN):
		return wrong("The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.")
	case c.IAMCertificateID != "" && !serverCertificateID.MatchString(c.IAMCertificateID):
		return wrong("The specified IAM server certificate ID %q is not valid.", c.IAMCertificateID)
	case !slices.Contains([]string{"sni-only", "vip", "static-ip"}, c.SSLSupportMethod):
		return wrong("To use a custom certificate, SSLSupportMethod is sni-only, vip or static-ip, not %q.", c.SSLSupportMethod)
	}
	if _, ok := tlspolicy.Find(c.MinimumProtocolVersion); !ok {
		return wrong("%q is no MinimumProtocolVersion.", c.MinimumProtocolVersion)
	}
	if c.SSLSupportMethod == "sni-only" && c.MinimumProtocolVersion == "SSLv3" {
		// CloudFront API Reference, "ViewerCertificate": with SNI it is TLSv1 or later.
		return wrong("SSLSupportMethod sni-only needs MinimumProtocolVersion TLSv1 or later.")
	}
	return nil
}

func certificateARN(s string) bool {
	a, err := arn.Parse(s)
	return err == nil && a.Service == "acm" && a.Region == "us-east-1" && strings.HasPrefix(a.Resource, "certificate/") && len(a.Resource) > len("certificate/")
}
