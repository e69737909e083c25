package s3api

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
)

// corsRule is one CORSRule of a CORSConfiguration.
type corsRule struct {
	ID            string   `xml:",omitempty"`
	AllowedHeader []string `xml:",omitempty"`
	AllowedMethod []string
	AllowedOrigin []string
	ExposeHeader  []string `xml:",omitempty"`
	MaxAgeSeconds *int     `xml:",omitempty"`
}

func (h *Handler) getCORS(req *request) error {
	rules, err := h.S3.BucketCORS(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	var out struct{ CORSRule []corsRule }
	for _, r := range rules {
		out.CORSRule = append(out.CORSRule, corsRule{r.ID, r.AllowedHeaders, r.AllowedMethods, r.AllowedOrigins, r.ExposeHeaders, r.MaxAgeSeconds})
	}
	wire.WriteElement(req.w, http.StatusOK, "CORSConfiguration", xmlns, out)
	return nil
}

func (h *Handler) putCORS(req *request) error {
	var in struct {
		XMLName  xml.Name `xml:"CORSConfiguration"`
		CORSRule []corsRule
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return err
	}
	var rules []s3.CORSRule
	for _, r := range in.CORSRule {
		rules = append(rules, s3.CORSRule{
			ID: r.ID, AllowedHeaders: r.AllowedHeader, AllowedMethods: r.AllowedMethod, AllowedOrigins: r.AllowedOrigin,
			ExposeHeaders: r.ExposeHeader, MaxAgeSeconds: r.MaxAgeSeconds,
		})
	}
	return req.done(h.S3.PutBucketCORS(req.Context(), req.caller, req.target.name, rules))
}

// preflight answers OPTIONS, which browsers send without credentials. (S3 API Reference, OPTIONS object.)
func (h *Handler) preflight(req *request) error {
	origin, method := req.Header.Get("Origin"), req.Header.Get("Access-Control-Request-Method")
	if origin == "" {
		return fault.New("BadRequest", "Insufficient information. Origin request header needed.")
	}
	switch method {
	case "GET", "PUT", "HEAD", "POST", "DELETE":
	default:
		return fault.New("BadRequest", "Invalid Access-Control-Request-Method: %s", method)
	}
	var headers []string
	for piece := range strings.SplitSeq(req.Header.Get("Access-Control-Request-Headers"), ",") {
		if name := strings.TrimSpace(piece); name != "" {
			if !s3.HeaderName(name) {
				return fault.New("BadRequest", `Access-Control-Request-Headers "%s" contains invalid character.`, piece)
			}
			headers = append(headers, name)
		}
	}
	a, configured, ok := h.S3.CORS(req.target.s3(), origin, method, headers)
	if !ok {
		message := "CORSResponse: CORS is not enabled for this bucket."
		if configured {
			message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
		}
		return fault.New("AccessForbidden", "%s", message).WithStatus(http.StatusForbidden).With("Method", method).With("ResourceType", "OBJECT")
	}
	corsHeaders(req.w.Header(), a)
	if len(a.AllowedHeaders) > 0 {
		req.w.Header().Set("Access-Control-Allow-Headers", strings.Join(a.AllowedHeaders, ", "))
	}
	req.w.Header().Set("Content-Length", "0")
	req.w.WriteHeader(http.StatusOK)
	return nil
}

// crossOrigin puts the headers on the answer that let a page of another origin read it, if the bucket's rules say so.
// It is done before the answer is known: a page may read errors too.
func (h *Handler) crossOrigin(req *request) {
	origin := req.Header.Get("Origin")
	if origin == "" {
		return
	}
	if a, _, ok := h.S3.CORS(req.target.s3(), origin, req.Method, nil); ok {
		corsHeaders(req.w.Header(), a)
	}
}

func corsHeaders(h http.Header, a s3.CORSAnswer) {
	h.Set("Access-Control-Allow-Origin", a.Origin)
	if a.Origin != "*" {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(a.Rule.AllowedMethods, ", "))
	if len(a.Rule.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(a.Rule.ExposeHeaders, ", "))
	}
	if a.Rule.MaxAgeSeconds != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(*a.Rule.MaxAgeSeconds))
	}
	h.Set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
}
