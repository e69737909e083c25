package cloudfrontapi

import (
	"bytes"
	"encoding/xml"

	"glassine/aws/wire"
	"glassine/edge"
)

type responseHeadersPolicyConfig struct {
	XMLName                   xml.Name `xml:"ResponseHeadersPolicyConfig"`
	NS                        string   `xml:"xmlns,attr,omitempty"`
	Comment                   string
	Name                      string
	CorsConfig                *corsConfig              `xml:",omitempty"`
	SecurityHeadersConfig     *securityHeadersConfig   `xml:",omitempty"`
	ServerTimingHeadersConfig *serverTimingConfig      `xml:",omitempty"`
	CustomHeadersConfig       *list[customHeader]      `xml:",omitempty"`
	RemoveHeadersConfig       *list[headerToBeRemoved] `xml:",omitempty"`
}

type corsConfig struct {
	AccessControlAllowOrigins     *list[text]
	AccessControlAllowHeaders     *list[text]
	AccessControlAllowMethods     *list[text]
	AccessControlAllowCredentials bool
	AccessControlExposeHeaders    *list[text] `xml:",omitempty"`
	AccessControlMaxAgeSec        *int64      `xml:",omitempty"`
	OriginOverride                bool
}

type securityHeadersConfig struct {
	XSSProtection *struct {
		Override, Protection bool
		ModeBlock            bool   `xml:",omitempty"`
		ReportUri            string `xml:",omitempty"`
	} `xml:",omitempty"`
	FrameOptions *struct {
		Override    bool
		FrameOption string
	} `xml:",omitempty"`
	ReferrerPolicy *struct {
		Override       bool
		ReferrerPolicy string
	} `xml:",omitempty"`
	ContentSecurityPolicy *struct {
		Override              bool
		ContentSecurityPolicy string
	} `xml:",omitempty"`
	ContentTypeOptions *struct {
		Override bool
	} `xml:",omitempty"`
	StrictTransportSecurity *struct {
		Override               bool
		IncludeSubdomains      bool `xml:",omitempty"`
		Preload                bool `xml:",omitempty"`
		AccessControlMaxAgeSec int64
	} `xml:",omitempty"`
}

type serverTimingConfig struct {
	Enabled      bool
	SamplingRate float64
}

type customHeader struct {
	XMLName       xml.Name `xml:"ResponseHeadersPolicyCustomHeader"`
	Header, Value string
	Override      bool
}

type headerToBeRemoved struct {
	XMLName xml.Name `xml:"ResponseHeadersPolicyRemoveHeader"`
	Header  string
}

func readResponseHeadersPolicy(body []byte) (edge.ResponseHeadersPolicyConfig, error) {
	var in responseHeadersPolicyConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.ResponseHeadersPolicyConfig{}, err
	}
	out := edge.ResponseHeadersPolicyConfig{Name: in.Name, Comment: in.Comment, Security: in.SecurityHeadersConfig.domain()}
	var err error
	if out.CORS, err = in.CorsConfig.domain(); err != nil {
		return out, err
	}
	if t := in.ServerTimingHeadersConfig; t != nil {
		out.ServerTiming = &edge.ServerTiming{Enabled: t.Enabled, SamplingRate: t.SamplingRate}
	}
	custom, err := in.CustomHeadersConfig.get()
	if err != nil {
		return out, err
	}
	for _, h := range custom {
		out.Custom = append(out.Custom, edge.CustomHeader{Name: h.Header, Value: h.Value, Override: h.Override})
	}
	remove, err := in.RemoveHeadersConfig.get()
	for _, h := range remove {
		out.Remove = append(out.Remove, h.Header)
	}
	return out, err
}

func (c *corsConfig) domain() (*edge.CORSConfig, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // no configuration is one
	}
	out := &edge.CORSConfig{AllowCredentials: c.AccessControlAllowCredentials, MaxAge: c.AccessControlMaxAgeSec, OriginOverride: c.OriginOverride}
	for _, part := range []struct {
		to   *[]string
		from *list[text]
	}{
		{&out.AllowOrigins, c.AccessControlAllowOrigins},
		{&out.AllowHeaders, c.AccessControlAllowHeaders},
		{&out.AllowMethods, c.AccessControlAllowMethods},
		{&out.ExposeHeaders, c.AccessControlExposeHeaders},
	} {
		got, err := part.from.get()
		if err != nil {
			return nil, err
		}
		*part.to = values(got)
	}
	return out, nil
}

func (s *securityHeadersConfig) domain() *edge.SecurityHeaders {
	if s == nil {
		return nil
	}
	out := &edge.SecurityHeaders{}
	if x := s.XSSProtection; x != nil {
		out.XSSProtection = &edge.XSSProtection{Override: x.Override, Protection: x.Protection, ModeBlock: x.ModeBlock, ReportURI: x.ReportUri}
	}
	if f := s.FrameOptions; f != nil {
		out.FrameOptions = &edge.Overridable{Value: f.FrameOption, Override: f.Override}
	}
	if r := s.ReferrerPolicy; r != nil {
		out.ReferrerPolicy = &edge.Overridable{Value: r.ReferrerPolicy, Override: r.Override}
	}
	if p := s.ContentSecurityPolicy; p != nil {
		out.ContentSecurityPolicy = &edge.Overridable{Value: p.ContentSecurityPolicy, Override: p.Override}
	}
	if t := s.ContentTypeOptions; t != nil {
		out.ContentTypeOptions = &edge.Overridable{Override: t.Override}
	}
	if h := s.StrictTransportSecurity; h != nil {
		out.StrictTransportSecurity = &edge.StrictTransportSecurity{
			Override: h.Override, MaxAge: h.AccessControlMaxAgeSec, IncludeSubdomains: h.IncludeSubdomains, Preload: h.Preload,
		}
	}
	return out
}

func responseHeadersPolicyShape(c edge.ResponseHeadersPolicyConfig) any {
	out := responseHeadersPolicyConfig{NS: namespace, Comment: c.Comment, Name: c.Name, SecurityHeadersConfig: securityShape(c.Security)}
	if o := c.CORS; o != nil {
		out.CorsConfig = &corsConfig{
			AccessControlAllowOrigins: listOf(texts("Origin", o.AllowOrigins)), AccessControlAllowHeaders: listOf(texts("Header", o.AllowHeaders)),
			AccessControlAllowMethods: listOf(texts("Method", o.AllowMethods)), AccessControlAllowCredentials: o.AllowCredentials,
			AccessControlMaxAgeSec: o.MaxAge, OriginOverride: o.OriginOverride,
		}
		if len(o.ExposeHeaders) > 0 {
			out.CorsConfig.AccessControlExposeHeaders = listOf(texts("Header", o.ExposeHeaders))
		}
	}
	if t := c.ServerTiming; t != nil {
		out.ServerTimingHeadersConfig = &serverTimingConfig{t.Enabled, t.SamplingRate}
	}
	var custom []customHeader
	for _, h := range c.Custom {
		custom = append(custom, customHeader{Header: h.Name, Value: h.Value, Override: h.Override})
	}
	if custom != nil {
		out.CustomHeadersConfig = listOf(custom)
	}
	var remove []headerToBeRemoved
	for _, name := range c.Remove {
		remove = append(remove, headerToBeRemoved{Header: name})
	}
	if remove != nil {
		out.RemoveHeadersConfig = listOf(remove)
	}
	return out
}

func securityShape(s *edge.SecurityHeaders) *securityHeadersConfig {
	if s == nil {
		return nil
	}
	out := &securityHeadersConfig{}
	if x := s.XSSProtection; x != nil {
		set(&out.XSSProtection)
		out.XSSProtection.Override, out.XSSProtection.Protection = x.Override, x.Protection
		out.XSSProtection.ModeBlock, out.XSSProtection.ReportUri = x.ModeBlock, x.ReportURI
	}
	if f := s.FrameOptions; f != nil {
		set(&out.FrameOptions)
		out.FrameOptions.FrameOption, out.FrameOptions.Override = f.Value, f.Override
	}
	if r := s.ReferrerPolicy; r != nil {
		set(&out.ReferrerPolicy)
		out.ReferrerPolicy.ReferrerPolicy, out.ReferrerPolicy.Override = r.Value, r.Override
	}
	if p := s.ContentSecurityPolicy; p != nil {
		set(&out.ContentSecurityPolicy)
		out.ContentSecurityPolicy.ContentSecurityPolicy, out.ContentSecurityPolicy.Override = p.Value, p.Override
	}
	if t := s.ContentTypeOptions; t != nil {
		set(&out.ContentTypeOptions)
		out.ContentTypeOptions.Override = t.Override
	}
	if h := s.StrictTransportSecurity; h != nil {
		set(&out.StrictTransportSecurity)
		out.StrictTransportSecurity.Override, out.StrictTransportSecurity.AccessControlMaxAgeSec = h.Override, h.MaxAge
		out.StrictTransportSecurity.IncludeSubdomains, out.StrictTransportSecurity.Preload = h.IncludeSubdomains, h.Preload
	}
	return out
}

// set makes p point to a zero value.
func set[T any](p **T) { *p = new(T) }
