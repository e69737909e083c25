package s3

import (
	"strings"
	"testing"
)

func TestCORSRules(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, configured, ok := r.CORS(bucket, "https://a.example", "GET", nil); configured || ok {
		t.Error("a bucket without rules allows something")
	}
	if err := r.PutBucketCORS(ctx, r.root, "photos", []CORSRule{
		{ID: "one", AllowedOrigins: []string{"https://*.example"}, AllowedMethods: []string{"PUT", "GET"}, AllowedHeaders: []string{"x-amz-*", "Content-Type"}},
		{ID: "all", AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, origin, method, headers string
		rule, allowed                 string
	}{
		{"an origin under the wildcard", "https://a.example", "PUT", "", "one", "https://a.example"},
		{"headers that are allowed, of any case", "https://a.example", "PUT", "X-Amz-Date,content-type", "one", "https://a.example"},
		{"a header that is not", "https://a.example", "PUT", "X-Amz-Date,authorization", "", ""},
		{"another origin, by the second rule", "https://other.test", "GET", "", "all", "*"},
		{"another origin, another method", "https://other.test", "PUT", "", "", ""},
		{"an origin that ends otherwise", "https://a.example.test", "PUT", "", "", ""},
		{"the first rule that fits", "https://a.example", "GET", "", "one", "https://a.example"},
		{"a wildcard of nothing", "https://.example", "PUT", "", "one", "https://.example"},
	} {
		var headers []string
		if c.headers != "" {
			headers = strings.Split(c.headers, ",")
		}
		a, configured, ok := r.CORS(bucket, c.origin, c.method, headers)
		if !configured || ok != (c.rule != "") || a.Rule.ID != c.rule || a.Origin != c.allowed {
			t.Errorf("%s: %v by %q for %q, want %q for %q", c.name, ok, a.Rule.ID, a.Origin, c.rule, c.allowed)
		}
	}
	if _, _, ok := r.CORS(Target{Bucket: "absent"}, "https://a.example", "GET", nil); ok {
		t.Error("an absent bucket allows something")
	}
	for name, c := range map[string]struct {
		rule CORSRule
		code string
	}{
		"no method":         {CORSRule{AllowedOrigins: []string{"*"}}, "MalformedXML"},
		"no origin":         {CORSRule{AllowedMethods: []string{"GET"}}, "MalformedXML"},
		"another method":    {CORSRule{AllowedMethods: []string{"PATCH"}, AllowedOrigins: []string{"*"}}, "InvalidRequest"},
		"two wildcards":     {CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*.*"}}, "InvalidRequest"},
		"a header's space":  {CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"a b"}}, "InvalidRequest"},
		"exposing anything": {CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}, ExposeHeaders: []string{"*"}}, "InvalidRequest"},
	} {
		wantCode(t, name, r.PutBucketCORS(ctx, r.root, "photos", []CORSRule{c.rule}), c.code)
	}
	wantCode(t, "no rules", r.PutBucketCORS(ctx, r.root, "photos", nil), "MalformedXML")
	if rules, err := r.BucketCORS(ctx, r.root, "photos"); err != nil || len(rules) != 2 {
		t.Errorf("after refusals: %d rules, %v, want the two", len(rules), err)
	}
	wantCode(t, "deletion", r.DeleteBucketCORS(ctx, r.root, "photos"), "")
	_, err := r.BucketCORS(ctx, r.root, "photos")
	wantCode(t, "after deletion", err, "NoSuchCORSConfiguration")
}
