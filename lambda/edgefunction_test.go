package lambda

import (
	"strings"
	"testing"
	"time"
)

// CloudFront Developer Guide, "Restrictions on Lambda@Edge"; the last three are lifted here unless StrictEdge says otherwise.
func TestWhatDoesNotGoAtTheEdgeIsSaid(t *testing.T) {
	zip := func(change func(*Version)) Version {
		v := Version{Code: codeZip, Runtime: "nodejs22.x", Ephemeral: 512, Architecture: "x86_64", Tracing: "PassThrough"}
		change(&v)
		return v
	}
	one := 1
	for _, c := range []struct {
		name           string
		version        Version
		reserved       *int
		strict, always string // what the sentence must contain; "" is none
	}{
		{"Node.js", zip(func(*Version) {}), nil, "", ""},
		{"Python", zip(func(v *Version) { v.Runtime = "python3.13" }), nil, "", ""},
		{"a function of the program has no runtime", Version{Code: "glassine://signer"}, nil, "", ""},
		{"another runtime", zip(func(v *Version) { v.Runtime = "provided.al2023" }), nil, "runtime", "runtime"},
		{"a package of 50 MB", zip(func(v *Version) { v.Archive.Size = 50 << 20 }), nil, "", ""},
		{"a larger package", zip(func(v *Version) { v.Archive.Size = 50<<20 + 1 }), nil, "package", "package"},
		{"more ephemeral storage", zip(func(v *Version) { v.Ephemeral = 513 }), nil, "ephemeral", "ephemeral"},
		{"reserved concurrency", zip(func(*Version) {}), &one, "concurrency", "concurrency"},
		{"active tracing", zip(func(v *Version) { v.Tracing = "Active" }), nil, "tracing", "tracing"},
		{"environment variables", zip(func(v *Version) { v.Environment = map[string]string{"A": "b"} }), nil, "environment", ""},
		{"layers", zip(func(v *Version) { v.Layers = []UsedLayer{{}} }), nil, "a layer", ""},
		{"arm64", zip(func(v *Version) { v.Architecture = "arm64" }), nil, "x86_64", ""},
	} {
		for strict, want := range map[bool]string{true: c.strict, false: c.always} {
			s := &Service{}
			s.SetStrictEdge(strict)
			got := s.unfitForEdge(Function{Reserved: c.reserved}, c.version)
			if (want == "") != (got == "") || !strings.Contains(got, want) {
				t.Errorf("%s, strict %v: %q, want a sentence with %q", c.name, strict, got, want)
			}
		}
	}
}

func TestDescribeEdgeFunction(t *testing.T) {
	r := newRig(t)
	if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
		t.Fatal(err)
	}
	timeout, memory, err := r.DescribeEdgeFunction(t.Context(), functionARN+":1")
	if timeout != 3*time.Second || memory != 128 || err != nil {
		t.Errorf("DescribeEdgeFunction = %v, %d, %v; want Lambda's defaults of 3 s and 128 MB", timeout, memory, err)
	}
	_, _, err = r.DescribeEdgeFunction(t.Context(), functionARN+":2")
	wantCode(t, "a version that is not there", err, "ResourceNotFoundException")
}

func TestEdgeFunctionsEnvironmentIsRefusedWhereStrict(t *testing.T) {
	for strict, code := range map[bool]string{true: "InvalidLambdaFunctionAssociation", false: ""} {
		r := newRig(t, func(c *Config) { c.StrictEdge = strict })
		n := newFunction()
		n.Name, n.Environment, n.Publish = "variables", map[string]string{"A": "b"}, true
		if _, err := r.CreateFunction(t.Context(), r.root, n); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "CheckEdgeFunction", r.CheckEdgeFunction(t.Context(), "arn:aws:lambda:us-east-1:"+account+":function:variables:1"), code)
	}
}
