package lambda

import (
	"strings"
	"testing"

	"glassine/aws/fault"
)

// (Lambda API Reference, Invoke, FunctionName.)
func TestWaysToNameAFunction(t *testing.T) {
	r := newRig(t)
	here := func(name, qualifier string) ref { return ref{"us-east-1", name, qualifier} }
	for _, c := range []struct {
		name, in string
		want     ref
		code     string
	}{
		{"name", "clean", here("clean", ""), ""},
		{"name and version", "clean:3", here("clean", "3"), ""},
		{"name and $LATEST", "clean:$LATEST", here("clean", "$LATEST"), ""},
		{"partial ARN", account + ":function:clean", here("clean", ""), ""},
		{"partial ARN and alias", account + ":function:clean:live", here("clean", "live"), ""},
		{"ARN", functionARN, here("clean", ""), ""},
		{"ARN of another region", "arn:aws:lambda:eu-west-1:" + account + ":function:clean:2", ref{"eu-west-1", "clean", "2"}, ""},
		{"ARN of another account", "arn:aws:lambda:us-east-1:999999999999:function:clean", ref{}, "ResourceNotFoundException"},
		{"partial ARN of another account", "999999999999:function:clean", ref{}, "ResourceNotFoundException"},
		{"ARN of another service", "arn:aws:s3:us-east-1:" + account + ":function:clean", ref{}, "InvalidParameterValueException"},
		{"ARN of something else", "arn:aws:lambda:us-east-1:" + account + ":layer:clean", ref{}, "InvalidParameterValueException"},
		{"ARN with a slash", "arn:aws:lambda:us-east-1:" + account + ":function/clean", ref{}, "InvalidParameterValueException"},
		{"ARN without a region", "arn:aws:lambda::" + account + ":function:clean", ref{}, "InvalidParameterValueException"},
		{"empty", "", ref{}, "InvalidParameterValueException"},
		{"empty qualifier", "clean:", ref{}, "InvalidParameterValueException"},
		{"two qualifiers", "clean:1:2", ref{}, "InvalidParameterValueException"},
		{"wildcard", "cl*", ref{}, "InvalidParameterValueException"},
		{"wildcard version", "clean:*", ref{}, "InvalidParameterValueException"},
		{"64 characters", strings.Repeat("f", 64), here(strings.Repeat("f", 64), ""), ""},
		{"65 characters", strings.Repeat("f", 65), ref{}, "InvalidParameterValueException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := r.parseRef(c.in)
			wantCode(t, "parseRef", err, c.code)
			if got != c.want {
				t.Errorf("parseRef(%q) = %+v, want %+v", c.in, got, c.want)
			}
		})
	}
}

// What is taken can be named by its ARN, and that is the same.
func FuzzParseRef(f *testing.F) {
	r := newRig(f)
	for _, s := range []string{"clean", functionARN + ":$LATEST", account + ":function:f:1", "a:b", ":function:", "arn:aws:lambda:::x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := r.parseRef(s)
		if err != nil {
			if code := fault.Code(err); got != (ref{}) || code != "InvalidParameterValueException" && code != "ResourceNotFoundException" {
				t.Errorf("parseRef(%q) = %+v, %v", s, got, err)
			}
			return
		}
		arn := r.arnOf(got)
		if got.qualifier != "" {
			arn += ":" + got.qualifier
		}
		if again, err := r.parseRef(arn); err != nil || again != got || strings.ContainsAny(arn, "*? /") {
			t.Errorf("parseRef(%q) = %+v, whose ARN %q gives %+v, %v", s, got, arn, again, err)
		}
	})
}
