package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"glassine/aws/fault"
)

// lives takes a record of a collection through its life: made, read, changed by who knows the newest version only, kept over
// a restart, not deleted while it is used, deleted. use makes the rig's distribution refer to it, by its ID.
func lives[C any](t *testing.T, collection func(*Edge) *Collection[C], first, second, taken C, missing, exists, used string, use func(*CacheBehavior, string)) {
	t.Helper()
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		s := collection(rg.Edge)
		code := func(what, want string, err error) {
			t.Helper()
			if fault.Code(err) != want || want == "" && err != nil {
				t.Errorf("%s: err = %v, want code %q", what, err, want)
			}
		}
		v, err := s.Create(t.Context(), rg.root, first)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Create(t.Context(), rg.root, taken)
		code("a second one of the name", exists, err)
		_, err = s.Get(t.Context(), rg.root, "X")
		code("get of none", missing, err)
		_, err = s.Update(t.Context(), rg.root, v.ID, "", second)
		code("update without If-Match", "InvalidIfMatchVersion", err)
		_, err = s.Update(t.Context(), rg.root, v.ID, "E0", second)
		code("update of another version", "PreconditionFailed", err)
		newer, err := s.Update(t.Context(), rg.root, v.ID, v.ETag, second)
		if err != nil || newer.ETag == v.ETag || newer.ID != v.ID {
			t.Fatalf("update: %+v, %v", newer, err)
		}
		again, err := New(t.Context(), rg.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		kept, err := collection(again).GetConfig(t.Context(), rg.root, v.ID)
		if err != nil || !reflect.DeepEqual(kept.Config, newer.Config) {
			t.Errorf("after a restart %+v, %v; want %+v", kept.Config, err, newer.Config)
		}
		all, err := s.List(t.Context(), rg.root)
		if err != nil || !slices.ContainsFunc(all, func(o Versioned[C]) bool { return o.ID == v.ID && !o.Managed }) {
			t.Errorf("list: %+v, %v", all, err)
		}
		cfg := rg.dist.Config
		use(&cfg.DefaultCacheBehavior, v.ID)
		d, err := rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfg)
		if err != nil {
			t.Fatal(err)
		}
		code("delete while in use", used, s.Delete(t.Context(), rg.root, v.ID, newer.ETag))
		if _, err := rg.UpdateDistribution(t.Context(), rg.root, d.ID, d.ETag, rg.dist.Config); err != nil {
			t.Fatal(err)
		}
		code("delete of another version", "PreconditionFailed", s.Delete(t.Context(), rg.root, v.ID, v.ETag))
		code("delete", "", s.Delete(t.Context(), rg.root, v.ID, newer.ETag))
		code("delete again", missing, s.Delete(t.Context(), rg.root, v.ID, newer.ETag))
	})
}

func TestOriginRequestPolicyLives(t *testing.T) {
	policy := func(name, comment string) OriginRequestPolicyConfig {
		return OriginRequestPolicyConfig{Name: name, Comment: comment, Headers: Selection{Behavior: "whitelist", Names: []string{"Referer"}}, Cookies: Selection{Behavior: "none"}, QueryStrings: Selection{Behavior: "all"}}
	}
	lives(t, func(e *Edge) *Collection[OriginRequestPolicyConfig] { return e.OriginRequestPolicies }, policy("a", ""), policy("a", "b"), policy("a", ""),
		"NoSuchOriginRequestPolicy", "OriginRequestPolicyAlreadyExists", "OriginRequestPolicyInUse", func(b *CacheBehavior, id string) { b.OriginRequestPolicyID = id })
}

func TestResponseHeadersPolicyLives(t *testing.T) {
	policy := func(name, value string) ResponseHeadersPolicyConfig {
		return ResponseHeadersPolicyConfig{Name: name, Custom: []CustomHeader{{"X-A", value, true}}, ServerTiming: &ServerTiming{true, 50}}
	}
	lives(t, func(e *Edge) *Collection[ResponseHeadersPolicyConfig] { return e.ResponseHeadersPolicies }, policy("a", "1"), policy("b", "2"), policy("a", ""),
		"NoSuchResponseHeadersPolicy", "ResponseHeadersPolicyAlreadyExists", "ResponseHeadersPolicyInUse", func(b *CacheBehavior, id string) { b.ResponseHeadersPolicyID = id })
}

// pemKey makes a key on P-256.
func pemKey(t testing.TB) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestKeysAndKeyGroupsLive(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		_, encoded := pemKey(t)
		code := func(what, want string, err error) {
			t.Helper()
			if fault.Code(err) != want || want == "" && err != nil {
				t.Errorf("%s: err = %v, want code %q", what, err, want)
			}
		}
		cfg := PublicKeyConfig{CallerReference: "1", Name: "key", EncodedKey: encoded}
		k, err := rg.PublicKeys.Create(t.Context(), rg.root, cfg)
		if err != nil || len(k.ID) != 14 || k.ID[0] != 'K' {
			t.Fatalf("%+v, %v", k, err)
		}
		_, err = rg.PublicKeys.Create(t.Context(), rg.root, cfg)
		code("the same key again", "PublicKeyAlreadyExists", err)
		_, err = rg.PublicKeys.Create(t.Context(), rg.root, PublicKeyConfig{CallerReference: "2", Name: "b", EncodedKey: "-----"})
		code("what is no key", "InvalidArgument", err)
		changed := cfg
		changed.EncodedKey += "\n"
		_, err = rg.PublicKeys.Update(t.Context(), rg.root, k.ID, k.ETag, changed)
		code("another key under the ID", "CannotChangeImmutablePublicKeyFields", err)
		changed = cfg
		changed.Comment = "new"
		k2, err := rg.PublicKeys.Update(t.Context(), rg.root, k.ID, k.ETag, changed)
		code("another comment", "", err)

		group, err := rg.KeyGroups.Create(t.Context(), rg.root, KeyGroupConfig{Name: "group", Keys: []string{k.ID}})
		code("group", "", err)
		code("delete of a key in a group", "PublicKeyInUse", rg.PublicKeys.Delete(t.Context(), rg.root, k.ID, k2.ETag))
		cfgOf := rg.dist.Config
		cfgOf.DefaultCacheBehavior.TrustedKeyGroups = []string{group.ID}
		d, err := rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfgOf)
		code("distribution with the group", "", err)
		at(t, fmt.Sprint(rg.ActiveKeys(&d.Config)), fmt.Sprintf("map[%s:[%s]]", group.ID, k.ID), "active keys")
		code("delete of a group in use", "ResourceInUse", rg.KeyGroups.Delete(t.Context(), rg.root, group.ID, group.ETag))
		if _, err := rg.UpdateDistribution(t.Context(), rg.root, d.ID, d.ETag, rg.dist.Config); err != nil {
			t.Fatal(err)
		}
		code("delete of the group", "", rg.KeyGroups.Delete(t.Context(), rg.root, group.ID, group.ETag))
		code("delete of the key", "", rg.PublicKeys.Delete(t.Context(), rg.root, k.ID, k2.ETag))
		_, err = rg.KeyGroups.Create(t.Context(), rg.root, KeyGroupConfig{Name: "g", Keys: []string{"K0"}})
		code("group of a key that is not there", "InvalidArgument", err)
		_, err = rg.KeyGroups.Create(t.Context(), rg.root, KeyGroupConfig{Name: "g", Keys: slices.Repeat([]string{k.ID}, 6)})
		code("group of six keys", "TooManyPublicKeysInKeyGroup", err)
		code("", "NoSuchResource", rg.KeyGroups.Delete(t.Context(), rg.root, "x", "E0"))
	})
}

func TestManagedPoliciesAreThereAndReadOnly(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok")})
	defer rg.Close()
	// The identifiers of CloudFront Developer Guide, "Use managed ... policies".
	for _, id := range []string{
		"658327ea-f89d-4fab-a63d-7e88639e58f6", "b2884449-e4de-46a7-ac36-70bc7f1ddd6d", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
		"08627262-05a9-4f76-9ded-b50ca2e3a84f", "2e54312d-136d-493c-8eb9-b001f22f67d2",
	} {
		if p, err := rg.GetCachePolicy(t.Context(), rg.root, id); err != nil || !p.Managed || rg.checkPolicy(id, p.Config) != nil {
			t.Errorf("cache policy %s: %+v, %v, check: %v", id, p, err, rg.checkPolicy(id, p.Config))
		}
	}
	for _, id := range []string{
		"216adef6-5c7f-47e4-b989-5492eafa07d3", "33f36d7e-f396-46d9-90e0-52428a34d9dc", "b689b0a8-53d0-40ab-baf2-68738e2966ac",
		"59781a5b-3903-41f3-afcb-af62929ccde1", "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", "775133bc-15f2-49f9-abea-afb2e0bf67d2",
		"acba4595-bd28-49b8-b9fe-13317c0390fa",
	} {
		p, err := rg.OriginRequestPolicies.Get(t.Context(), rg.root, id)
		if err != nil || !p.Managed || p.Config.check() != nil {
			t.Errorf("origin request policy %s: %+v, %v, check: %v", id, p, err, p.Config.check())
		}
		if err := rg.OriginRequestPolicies.Delete(t.Context(), rg.root, id, p.ETag); !fault.Is(err, "IllegalDelete") {
			t.Errorf("delete of %s: %v", id, err)
		}
	}
	for _, id := range []string{
		"e61eb60c-9c35-4d20-a928-2b84e02af89c", "5cc3b908-e619-4b99-88e5-2cf7f45965bd", "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
		"67f7725c-6f97-4210-82d7-5512b31e9d03", "60669652-455b-4ae9-85a4-c4c02393f86c",
	} {
		p, err := rg.ResponseHeadersPolicies.Get(t.Context(), rg.root, id)
		if err != nil || !p.Managed || p.Config.check() != nil {
			t.Errorf("response headers policy %s: %+v, %v, check: %v", id, p, err, p.Config.check())
		}
		if _, err := rg.ResponseHeadersPolicies.Update(t.Context(), rg.root, id, p.ETag, p.Config); !fault.Is(err, "IllegalUpdate") {
			t.Errorf("update of %s: %v", id, err)
		}
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok")})
	defer rg.Close()
	cors := func() *CORSConfig {
		return &CORSConfig{AllowOrigins: []string{"https://a.example.com"}, AllowHeaders: []string{"X-A"}, AllowMethods: []string{"GET"}}
	}
	for i, test := range []struct {
		name   string
		change func(*OriginRequestPolicyConfig, *ResponseHeadersPolicyConfig)
		code   string
	}{
		{"neither has anything", func(*OriginRequestPolicyConfig, *ResponseHeadersPolicyConfig) {}, ""},
		{"Authorization for the origin only", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) {
			o.Headers = Selection{"whitelist", []string{"Authorization"}}
		}, "InvalidArgument"},
		{"CloudFront header that there is not", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) {
			o.Headers = Selection{"whitelist", []string{"CloudFront-Viewer-Mood"}}
		}, "InvalidArgument"},
		{"CloudFront header that is not made here", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) {
			o.Headers = Selection{"whitelist", []string{"CloudFront-Viewer-JA3-Fingerprint"}}
		}, "NotImplemented"},
		{"all of the viewer's, and one of them", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) {
			o.Headers = Selection{"allViewerAndWhitelistCloudFront", []string{"Referer"}}
		}, "InvalidArgument"},
		{"all of the viewer's, and the country", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) {
			o.Headers = Selection{"allViewerAndWhitelistCloudFront", []string{"CloudFront-Viewer-Country"}}
		}, ""},
		{"list of headers without one", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) { o.Headers.Behavior = "whitelist" }, "InvalidArgument"},
		{"cookies by an unknown word", func(o *OriginRequestPolicyConfig, _ *ResponseHeadersPolicyConfig) { o.Cookies.Behavior = "allViewer" }, "InvalidArgument"},
		{"CORS", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) { r.CORS = cors() }, ""},
		{"CORS without methods", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.CORS = cors()
			r.CORS.AllowMethods = nil
		}, "InvalidArgument"},
		{"credentials for any origin", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.CORS = cors()
			r.CORS.AllowCredentials, r.CORS.AllowOrigins = true, []string{"*"}
		}, "InvalidArgument"},
		{"origin that is none", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.CORS = cors()
			r.CORS.AllowOrigins = []string{"https://*"}
		}, "InvalidArgument"},
		{"custom header that frames", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Custom = []CustomHeader{{"Transfer-Encoding", "chunked", true}}
		}, "InvalidArgument"},
		{"custom header with a newline", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Custom = []CustomHeader{{"X-A", "a\r\nX-B: b", true}}
		}, "InvalidArgument"},
		{"custom header twice", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Custom = []CustomHeader{{"X-A", "a", true}, {"x-a", "b", true}}
		}, "InvalidArgument"},
		{"removal of Content-Length", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Remove = []string{"content-length"}
		}, "InvalidArgument"},
		{"removal of Server", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) { r.Remove = []string{"Server"} }, ""},
		{"more than all answers with Server-Timing", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.ServerTiming = &ServerTiming{true, 101}
		}, "InvalidArgument"},
		{"frames by an unknown word", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Security = &SecurityHeaders{FrameOptions: &Overridable{Value: "ALLOW"}}
		}, "InvalidArgument"},
		{"long Content-Security-Policy", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Security = &SecurityHeaders{ContentSecurityPolicy: &Overridable{Value: fmt.Sprintf("%02000d", 1)}}
		}, "TooLongCSPInResponseHeadersPolicy"},
		{"XSS protection that blocks and reports", func(_ *OriginRequestPolicyConfig, r *ResponseHeadersPolicyConfig) {
			r.Security = &SecurityHeaders{XSSProtection: &XSSProtection{Protection: true, ModeBlock: true, ReportURI: "/r"}}
		}, "InvalidArgument"},
	} {
		none := Selection{Behavior: "none"}
		name := fmt.Sprint("p", i)
		o := OriginRequestPolicyConfig{Name: name, Headers: none, Cookies: none, QueryStrings: none}
		r := ResponseHeadersPolicyConfig{Name: name}
		test.change(&o, &r)
		_, err := rg.OriginRequestPolicies.Create(t.Context(), rg.root, o)
		if err == nil {
			_, err = rg.ResponseHeadersPolicies.Create(t.Context(), rg.root, r)
		}
		if fault.Code(err) != test.code || test.code == "" && err != nil {
			t.Errorf("%s: err = %v, want code %q", test.name, err, test.code)
		}
	}
}
