package cloudfrontapi

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/aws/fault"
	"glassine/edge"
)

// What a policy says survives the way to the wire and back.
func TestPoliciesRoundTrip(t *testing.T) {
	age := int64(600)
	response := edge.ResponseHeadersPolicyConfig{
		Name: "n", Comment: "a <b> & c",
		CORS: &edge.CORSConfig{
			AllowOrigins: []string{"https://a.example.com"}, AllowHeaders: []string{"X-A", "X-B"}, AllowMethods: []string{"GET", "PUT"}, AllowCredentials: true,
			ExposeHeaders: []string{"X-C"}, MaxAge: &age, OriginOverride: true,
		},
		Security: &edge.SecurityHeaders{
			XSSProtection: &edge.XSSProtection{Override: true, Protection: true, ReportURI: "/r"}, FrameOptions: &edge.Overridable{Value: "DENY", Override: true},
			ReferrerPolicy: &edge.Overridable{Value: "origin"}, ContentSecurityPolicy: &edge.Overridable{Value: "default-src 'none'"},
			ContentTypeOptions: &edge.Overridable{Override: true}, StrictTransportSecurity: &edge.StrictTransportSecurity{Override: true, MaxAge: 5, IncludeSubdomains: true, Preload: true},
		},
		ServerTiming: &edge.ServerTiming{Enabled: true, SamplingRate: 12.5},
		Custom:       []edge.CustomHeader{{Name: "X-D", Value: "d", Override: true}, {Name: "X-E"}}, Remove: []string{"Server", "X-F"},
	}
	origin := edge.OriginRequestPolicyConfig{
		Name: "n", Comment: "c", Headers: edge.Selection{Behavior: "allViewerAndWhitelistCloudFront", Names: []string{"CloudFront-Viewer-Country"}},
		Cookies: edge.Selection{Behavior: "allExcept", Names: []string{"a", "b"}}, QueryStrings: edge.Selection{Behavior: "all"},
	}
	text, err := xml.Marshal(responseHeadersPolicyShape(response))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readResponseHeadersPolicy(text); err != nil || cmp.Diff(response, got) != "" {
		t.Errorf("response headers policy, %v (-want +got):\n%s\n%s", err, cmp.Diff(response, got), text)
	}
	if text, err = xml.Marshal(originRequestPolicyShape(origin)); err != nil {
		t.Fatal(err)
	}
	if got, err := readOriginRequestPolicy(text); err != nil || cmp.Diff(origin, got) != "" {
		t.Errorf("origin request policy, %v (-want +got):\n%s\n%s", err, cmp.Diff(origin, got), text)
	}
	// An empty policy has no empty members: aws-cli shows what is there.
	if text, err = xml.Marshal(responseHeadersPolicyShape(edge.ResponseHeadersPolicyConfig{Name: "n"})); err != nil || strings.Contains(string(text), "Config><") {
		t.Errorf("policy of nothing: %s, %v", text, err)
	}
}

func TestPolicyListsMustHaveTheirQuantities(t *testing.T) {
	const wrong = `<Quantity>2</Quantity><Items><Name>a</Name></Items>`
	for _, c := range []struct{ name, xml string }{
		{"headers for the origin", `<HeadersConfig><HeaderBehavior>whitelist</HeaderBehavior><Headers>` + wrong + `</Headers></HeadersConfig>`},
		{"cookies for the origin", `<CookiesConfig><CookieBehavior>whitelist</CookieBehavior><Cookies>` + wrong + `</Cookies></CookiesConfig>`},
	} {
		if _, err := readOriginRequestPolicy([]byte(`<OriginRequestPolicyConfig>` + c.xml + `</OriginRequestPolicyConfig>`)); !fault.Is(err, "InconsistentQuantities") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, c := range []struct{ name, xml string }{
		{"origins", `<CorsConfig><AccessControlAllowOrigins>` + wrong + `</AccessControlAllowOrigins></CorsConfig>`},
		{"custom headers", `<CustomHeadersConfig><Quantity>1</Quantity></CustomHeadersConfig>`},
		{"removed headers", `<RemoveHeadersConfig><Quantity>1</Quantity></RemoveHeadersConfig>`},
	} {
		if _, err := readResponseHeadersPolicy([]byte(`<ResponseHeadersPolicyConfig>` + c.xml + `</ResponseHeadersPolicyConfig>`)); !fault.Is(err, "InconsistentQuantities") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzPolicies(f *testing.F) {
	f.Add(`<OriginRequestPolicyConfig><Name>a</Name><HeadersConfig><HeaderBehavior>none</HeaderBehavior></HeadersConfig></OriginRequestPolicyConfig>`)
	f.Add(`<ResponseHeadersPolicyConfig><Name>a</Name><CorsConfig><AccessControlAllowOrigins><Quantity>1</Quantity><Items><Origin>*</Origin></Items></AccessControlAllowOrigins></CorsConfig></ResponseHeadersPolicyConfig>`)
	f.Add(`<CreateFunctionRequest><Name>f</Name><FunctionConfig><Comment/><Runtime>cloudfront-js-1.0</Runtime></FunctionConfig><FunctionCode>eA==</FunctionCode></CreateFunctionRequest>`)
	f.Fuzz(func(t *testing.T, text string) {
		if cfg, err := readOriginRequestPolicy([]byte(text)); err == nil {
			if _, err := xml.Marshal(originRequestPolicyShape(cfg)); err != nil {
				t.Errorf("cannot write what was read from %q: %v", text, err)
			}
		}
		if cfg, err := readResponseHeadersPolicy([]byte(text)); err == nil {
			if _, err := xml.Marshal(responseHeadersPolicyShape(cfg)); err != nil {
				t.Errorf("cannot write what was read from %q: %v", text, err)
			}
		}
		if in, _, err := readFunction([]byte(text)); err == nil {
			_, _ = in.FunctionConfig.domain() // must not panic
			in.Tags.domain()
		}
	})
}
